"""Which shelves are to be looked at, and what is known of them: as many statements for many shelves as for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.geo import Point
from connector.model.kinds import HubTier, Lane
from connector.model.lifecycle import REPLENISHMENT_OPEN, ProcurementState, ReplenishmentState
from connector.rules.facts.ticket import ProductFacts
from connector.rules.replenishment.facts import GivingShelf, HubPlace, ShelfFacts
from connector.storage.database.bulk import among
from connector.storage.facts.protection import protections
from connector.storage.tables import hub, procurement, product, replenishment, stock

RULES: Final = "rules"
"""Who decided what went out without a person."""
GIVING: Final = (HubTier.REGIONAL, HubTier.CENTRAL)
"""Tiers above another one."""
_ON_ORDER: Final = (ProcurementState.ORDERED, ProcurementState.CONFIRMED, ProcurementState.SHIPPED)
_free = stock.c.on_hand - stock.c.reserved
_HUB: Final = ("id", "name", "code", "tier", "region", "country", "is_mobile", "latitude", "longitude")
_PRODUCT: Final = tuple(ProductFacts.__dataclass_fields__)


def _wants_a_look() -> ColumnElement[bool]:
    """Whether a row of `stock` is low and nothing is done about it, or what is proposed may have changed."""
    of_shelf = replenishment.c.stock_id == stock.c.id
    is_open = exists().where(of_shelf, replenishment.c.state.in_(REPLENISHMENT_OPEN))
    is_pending = exists().where(
        of_shelf,
        or_(
            replenishment.c.state == ReplenishmentState.PROPOSED,
            and_(replenishment.c.state == ReplenishmentState.APPROVED, replenishment.c.decided_by == RULES),
        ),
    )
    return or_(and_(_free < stock.c.reorder_point, ~is_open), is_pending)


async def shelves_to_look_at(
    tx: AsyncConnection, *, changed: Collection[int] = (), ended: Collection[int] = ()
) -> list[int]:
    """Those of the shelves that something is to be done about. ended: replenishments, of whose shelves that is asked.

    What is proposed for other shelves of a changed one's product is looked at too: it may give more now, or less. A
    shelf without reorder point costs its line in the list, and nothing else.
    """
    which: list[ColumnElement[bool]] = []
    if changed:
        is_changed = among(tx, stock.c.id, changed)
        proposed = select(replenishment.c.stock_id).where(
            replenishment.c.state == ReplenishmentState.PROPOSED,
            replenishment.c.product_id.in_(select(stock.c.product_id).where(is_changed)),
        )
        which = [is_changed, stock.c.id.in_(proposed)]
    if ended:
        shelves = select(replenishment.c.stock_id).where(among(tx, replenishment.c.id, ended))
        which.append(stock.c.id.in_(shelves))
    if not which:
        return []
    statement = select(stock.c.id).where(or_(*which), _wants_a_look()).order_by(stock.c.id)
    return list((await tx.execute(statement)).scalars())


async def page_of_shelves(tx: AsyncConnection, *, after: int, limit: int) -> list[int]:
    """A page of all shelves that something is to be done about, by id."""
    statement = select(stock.c.id).where(stock.c.id > after, _wants_a_look()).order_by(stock.c.id).limit(limit)
    return list((await tx.execute(statement)).scalars())


async def lock_shelves(tx: AsyncConnection, stock_ids: Collection[int], *, with_givers: bool = False) -> None:
    """Let no other transaction change these shelves until this one ends. with_givers: those that could fill them up."""
    which = among(tx, stock.c.id, stock_ids)
    if with_givers:
        same = select(stock.c.product_id).where(which)
        which = or_(which, and_(stock.c.product_id.in_(same), stock.c.lane == Lane.NORMAL))
    await tx.execute(select(stock.c.id).where(which).order_by(stock.c.id).with_for_update())


async def shelf_facts(tx: AsyncConnection, stock_ids: Collection[int]) -> dict[int, ShelfFacts]:
    """The shelves by their ids; those without reorder point, or whose hub or product is gone, are left out."""
    statement = (
        select(
            stock.c.id,
            stock.c.lane,
            stock.c.on_hand,
            _free.label("free"),
            stock.c.reorder_point,
            stock.c.target,
            *(hub.c[name].label(f"h_{name}") for name in _HUB),
            *(product.c[name].label(f"p_{name}") for name in _PRODUCT),
        )
        .join(hub, hub.c.id == stock.c.hub_id)
        .join(product, product.c.id == stock.c.product_id)
        .where(
            among(tx, stock.c.id, stock_ids),
            stock.c.reorder_point.is_not(None),
            hub.c.retired_at.is_(None),
            product.c.retired_at.is_(None),
        )
        .order_by(stock.c.id)
    )
    rows = (await tx.execute(statement)).mappings().all()
    givers = await _givers(tx, {row["p_id"] for row in rows})
    coming = await _coming(tx, rows)
    return {
        row["id"]: ShelfFacts(
            stock_id=row["id"],
            hub=_hub(row),
            product=ProductFacts(**{name: row[f"p_{name}"] for name in _PRODUCT}),
            lane=row["lane"],
            on_hand=row["on_hand"],
            free=row["free"],
            reorder_point=row["reorder_point"],
            target=row["target"],
            coming=coming.get((row["h_id"], row["p_id"], row["lane"]), 0),
            givers=tuple(item for item in givers.get(row["p_id"], ()) if item.hub.id != row["h_id"]),
        )
        for row in rows
    }


async def _givers(tx: AsyncConnection, product_ids: Collection[int]) -> dict[int, list[GivingShelf]]:
    """The normal shelves of hubs that could give, by product; a car gives nothing, nor does an empty shelf."""
    if not product_ids:
        return {}
    safety, buffer = protections(stock)
    statement = (
        select(
            stock.c.product_id,
            _free.label("free"),
            func.coalesce(stock.c.reorder_point, 0).label("reorder_point"),
            (safety + buffer).label("protected"),
            *(hub.c[name].label(f"h_{name}") for name in _HUB),
        )
        .join(hub, hub.c.id == stock.c.hub_id)
        .where(
            among(tx, stock.c.product_id, product_ids),
            stock.c.lane == Lane.NORMAL,
            _free > 0,
            hub.c.tier.in_(GIVING),
            hub.c.is_mobile.is_(False),
            hub.c.retired_at.is_(None),
        )
        .order_by(stock.c.id)
    )
    found: defaultdict[int, list[GivingShelf]] = defaultdict(list)
    for row in (await tx.execute(statement)).mappings():
        found[row["product_id"]].append(GivingShelf(_hub(row), row["free"], row["reorder_point"], row["protected"]))
    return found


async def _coming(tx: AsyncConnection, rows: Sequence[Any]) -> dict[tuple[int, int, Lane], int]:
    """Units on order for these shelves that no ticket wants any more: they become stock when they come."""
    if not rows:
        return {}
    c = procurement.c
    statement = (
        select(c.hub_id, c.product_id, c.lane, func.sum(c.quantity))
        .where(
            among(tx, c.product_id, {row["p_id"] for row in rows}),
            among(tx, c.hub_id, {row["h_id"] for row in rows}),
            c.state.in_(_ON_ORDER),
            c.is_wanted.is_(False),
        )
        .group_by(c.hub_id, c.product_id, c.lane)
    )
    return {(hub_id, product_id, lane): int(units) for hub_id, product_id, lane, units in await tx.execute(statement)}


def _hub(row: Any) -> HubPlace:
    latitude, longitude = row["h_latitude"], row["h_longitude"]
    return HubPlace(
        id=row["h_id"],
        label=row["h_code"] or row["h_name"],
        tier=row["h_tier"],
        name=row["h_name"],
        code=row["h_code"],
        region=row["h_region"],
        country=row["h_country"],
        is_mobile=row["h_is_mobile"],
        point=None if latitude is None or longitude is None else Point(latitude, longitude),
    )
