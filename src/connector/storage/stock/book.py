"""Keeping the book of serialised units in step with the units themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import case, delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import Lane, Tracking
from connector.model.lifecycle import AssetState, ReservationState
from connector.model.refs import EntityKind
from connector.storage.database.bulk import among, insert_rows
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.drafts import Draft, write_drafts
from connector.storage.database.rows import json_value
from connector.storage.tables import asset, product, replenishment, reservation, source_ref, stock

ON_SHELF = (AssetState.IN_STOCK, AssetState.RESERVED)
"""States of a unit that is on its shelf."""


SHELF_COLUMNS = frozenset({"hub_id", "product_id", "lane"})
"""What of an asset's row says which shelf it is for."""


class Shelf(NamedTuple):
    """Where the units of one product are kept for one purpose."""

    hub_id: int
    product_id: int
    lane: Lane


class Count(NamedTuple):
    """Units on a shelf, and those of them that are claimed."""

    on_hand: int = 0
    reserved: int = 0


def shelf_of(row: Mapping[str, object]) -> Shelf | None:
    """The shelf that an asset's row names, None when it is in no hub or its product is unknown."""
    match row.get("hub_id"), row.get("product_id"), row.get("lane"):
        case int(hub_id), int(product_id), Lane() as lane:
            return Shelf(hub_id, product_id, lane)
        case _:
            return None


async def count_units(tx: AsyncConnection, shelves: Collection[Shelf]) -> dict[Shelf, Count]:
    """The serialised units on these shelves; an empty shelf is left out."""
    if not shelves:
        return {}
    c = asset.c
    reserved = func.sum(case((c.state == AssetState.RESERVED, 1), else_=0))
    statement = (
        select(c.hub_id, c.product_id, c.lane, func.count(), reserved)
        .where(among(tx, c.hub_id, {shelf.hub_id for shelf in shelves}))
        .where(among(tx, c.product_id, {shelf.product_id for shelf in shelves}))
        .where(c.state.in_(ON_SHELF))
        .group_by(c.hub_id, c.product_id, c.lane)
    )
    counts = {Shelf(row[0], row[1], row[2]): Count(row[3], row[4]) for row in await tx.execute(statement)}
    return {shelf: count for shelf, count in counts.items() if shelf in shelves}


async def shelf_drafts(tx: AsyncConnection, shelves: Collection[Shelf]) -> dict[Shelf, Draft]:
    """The books of these shelves, locked in key order until the transaction ends."""
    if not shelves:
        return {}
    statement = (
        select(stock)
        .where(among(tx, stock.c.hub_id, {shelf.hub_id for shelf in shelves}))
        .where(among(tx, stock.c.product_id, {shelf.product_id for shelf in shelves}))
        .order_by(stock.c.id)
        .with_for_update()
    )
    rows = [dict(row) for row in (await tx.execute(statement)).mappings()]
    drafts = {
        Shelf(row["hub_id"], row["product_id"], row["lane"]): Draft(
            EntityKind.STOCK, before=row, after=dict(row), id=row["id"]
        )
        for row in rows
    }
    return {shelf: draft for shelf, draft in drafts.items() if shelf in shelves}


async def recount_shelves(
    tx: AsyncConnection, shelves: Collection[Shelf], *, actor: str, cause: str | None = None, at: datetime
) -> list[int]:
    """Set the books of serialised products to what is on these shelves, with a change row for each that differed.

    Returns the ids of books that had to be begun for it.

    A handful of statements, however many shelves. Whoever changes a unit and its book in another transaction is
    waited for, and what is not committed there is left to it. Books of counted products are not touched.
    """
    serialised = await _serialised(tx, shelves)
    if not serialised:
        return []
    drafts = await shelf_drafts(tx, serialised)
    counts = await count_units(tx, serialised)
    missing = [shelf for shelf in counts if shelf not in drafts]
    if missing:
        await insert_rows(
            tx,
            stock,
            [
                {**shelf._asdict(), "tracking": Tracking.SERIALISED, "on_hand": 0, "reserved": 0, "updated_at": at}
                for shelf in sorted(missing)
            ],
            skip_existing=True,
        )
        drafts = await shelf_drafts(tx, serialised)
        counts = await count_units(tx, serialised)
    for shelf, draft in drafts.items():
        count = counts.get(shelf, Count())
        draft.after |= {"tracking": Tracking.SERIALISED, "on_hand": count.on_hand, "reserved": count.reserved}
    await write_drafts(tx, EntityKind.STOCK, drafts.values(), actor=actor, cause=cause, at=at)
    return sorted(drafts[shelf].id for shelf in missing if shelf in drafts)


async def close_books(
    tx: AsyncConnection, stock_ids: Collection[int], *, actor: str, cause: str | None = None, at: datetime
) -> None:
    """Take away those of these books in which nothing is: no units, nothing that should be there, no source's count."""
    c = stock.c
    wanted = (c.reorder_point, c.target, c.safety_stock, c.emergency_buffer, c.counted_at)
    counted = exists().where(source_ref.c.kind == EntityKind.STOCK, source_ref.c.entity_id == c.id)
    asked_for = exists().where(replenishment.c.stock_id == c.id)
    nothing = (c.on_hand == 0, c.reserved == 0, *(each.is_(None) for each in wanted), ~counted, ~asked_for)
    statement = select(stock).where(among(tx, c.id, stock_ids), *nothing).order_by(c.id).with_for_update()
    empty = [dict(row) for row in (await tx.execute(statement)).mappings()]
    if not empty:
        return
    await tx.execute(delete(stock).where(among(tx, c.id, [row["id"] for row in empty]), *nothing))
    changes = list[NewChange]()
    for row in empty:
        fields = {name: (json_value(row[name]), None) for name in sorted(SHELF_COLUMNS)}
        changes.append(NewChange(EntityKind.STOCK, row["id"], "deleted", fields))
    await log_changes(tx, changes, actor=actor, cause=cause, at=at)


async def counted_products(tx: AsyncConnection, product_ids: Collection[int]) -> frozenset[int]:
    """Those of the products of which a counted shelf holds units."""
    if not product_ids:
        return frozenset()
    statement = select(stock.c.product_id).where(
        stock.c.tracking == Tracking.COUNTED, stock.c.on_hand > 0, among(tx, stock.c.product_id, product_ids)
    )
    return frozenset((await tx.execute(statement)).scalars())


async def units_in_hubs(tx: AsyncConnection, product_ids: Collection[int]) -> dict[int, int]:
    """For each of the products, how many units are known by serial and on a shelf of any hub."""
    if not product_ids:
        return {}
    c = asset.c
    statement = (
        select(c.product_id, func.count())
        .where(among(tx, c.product_id, product_ids), c.state.in_(ON_SHELF), c.hub_id.is_not(None))
        .group_by(c.product_id)
    )
    return {row[0]: row[1] for row in await tx.execute(statement)}


async def claimed_assets(tx: AsyncConnection, asset_ids: Collection[int]) -> frozenset[int]:
    """Those of the assets that a live reservation holds."""
    if not asset_ids:
        return frozenset()
    statement = select(reservation.c.asset_id).where(
        reservation.c.state.in_((ReservationState.HELD, ReservationState.COMMITTED)),
        among(tx, reservation.c.asset_id, asset_ids),
    )
    return frozenset((await tx.execute(statement)).scalars())


async def _serialised(tx: AsyncConnection, shelves: Collection[Shelf]) -> frozenset[Shelf]:
    if not shelves:
        return frozenset()
    statement = select(product.c.id).where(
        product.c.tracking == Tracking.SERIALISED, among(tx, product.c.id, {shelf.product_id for shelf in shelves})
    )
    products = frozenset((await tx.execute(statement)).scalars())
    return frozenset(shelf for shelf in shelves if shelf.product_id in products)
