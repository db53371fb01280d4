"""Goods that come from outside: onto a hub's shelf, or in use at a site right away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import Lane, Tracking
from connector.model.lifecycle import ASSET_MOVES, AssetState, require_move
from connector.model.naming import serial_key
from connector.model.refs import EntityKind
from connector.storage.database.bulk import insert_rows
from connector.storage.database.drafts import write_drafts
from connector.storage.database.rows import insert_logged, locked_row, update_logged
from connector.storage.stock.book import ON_SHELF, Shelf, recount_shelves, shelf_drafts, shelf_of
from connector.storage.tables import asset, stock


async def take_into_stock(
    tx: AsyncConnection,
    shelf: Shelf,
    quantity: int,
    serials: Sequence[str],
    tracking: Tracking,
    *,
    revision: str | None = None,
    actor: str,
    cause: str,
    at: datetime,
) -> None:
    """Put new units on a shelf: by their serials, or counted where the product is. revision: that was ordered.

    Raises InvalidInput when the serials do not fit the quantity, IllegalTransition for a device that is in use.
    """
    if tracking is Tracking.SERIALISED:
        if len(serials) != quantity:
            raise InvalidInput(
                f"{quantity} units were ordered, {len(serials)} serials are given",
                hint="The product is kept by serial: give the serial of every unit.",
            )
        for serial in serials:
            values: dict[str, Any] = {
                "hub_id": shelf.hub_id,
                "site_id": None,
                "lane": shelf.lane,
                "state": AssetState.IN_STOCK,
            }
            if revision is not None:
                values["revision"] = revision
            await _device(tx, serial, shelf.product_id, values, actor=actor, cause=cause, at=at)
        await recount_shelves(tx, [shelf], actor=actor, cause=cause, at=at)
        return
    if serials:
        raise InvalidInput(f"{len(serials)} serials are given for a product that is counted", hint="Leave them out.")
    drafts = await shelf_drafts(tx, [shelf])
    if not drafts:
        row = {**shelf._asdict(), "tracking": Tracking.COUNTED, "on_hand": 0, "reserved": 0, "updated_at": at}
        await insert_rows(tx, stock, [row], skip_existing=True)
        drafts = await shelf_drafts(tx, [shelf])
    drafts[shelf].after["on_hand"] += quantity
    await write_drafts(tx, EntityKind.STOCK, drafts.values(), actor=actor, cause=cause, at=at)


async def put_into_use(
    tx: AsyncConnection,
    site_id: int | None,
    product_id: int,
    quantity: int,
    serials: Sequence[str],
    *,
    actor: str,
    cause: str,
    at: datetime,
) -> Sequence[int]:
    """Record devices that were delivered to a site; without serials nobody knows which they are. Returns their ids.

    Raises InvalidInput for more serials than units, IllegalTransition for a device that is in use elsewhere.
    """
    if len(serials) > quantity:
        raise InvalidInput(f"{quantity} units were ordered, {len(serials)} serials are given")
    ids: list[int] = []
    for serial in serials:
        values = {"site_id": site_id, "hub_id": None, "lane": Lane.NORMAL, "state": AssetState.DEPLOYED}
        ids.append(await _device(tx, serial, product_id, values, actor=actor, cause=cause, at=at))
    return ids


async def _device(
    tx: AsyncConnection, serial: str, product_id: int, values: dict[str, Any], *, actor: str, cause: str, at: datetime
) -> int:
    """The device with a serial, known before or not, is now so; its id."""
    kept = serial_key(serial)
    if kept is None:
        raise InvalidInput(f"{serial!r} is no serial", hint="Give it as it stands on the device.")
    statement = select(asset.c.id).where(
        asset.c.serial == kept, asset.c.product_id == product_id, asset.c.retired_at.is_(None)
    )
    known = (await tx.execute(statement.order_by(asset.c.id).limit(1))).scalar_one_or_none()
    if known is None:
        row = {"serial": kept, "product_id": product_id, **values}
        return await insert_logged(tx, asset, EntityKind.ASSET, row, actor=actor, cause=cause, at=at)
    before = await locked_row(tx, asset, EntityKind.ASSET, known)
    if before["state"] in (AssetState.IN_STOCK, AssetState.RESERVED):
        raise IllegalTransition(
            f"asset {serial!r} is {before['state'].value} at a hub already",
            hint="Check the serial; a unit that is on a shelf is not delivered anew.",
        )
    require_move(ASSET_MOVES, before["state"], values["state"], what=f"asset {serial!r}")
    await update_logged(tx, asset, EntityKind.ASSET, known, values, actor=actor, cause=cause, at=at)
    return int(known)


_BACK = {
    AssetState.DEPLOYED: (AssetState.RETURN_PENDING, AssetState.IN_TRANSIT),
    AssetState.RETURN_PENDING: (AssetState.IN_TRANSIT,),
}
"""What a unit goes through before it is on a shelf again."""


async def take_back(
    tx: AsyncConnection, asset_id: int, shelf: Shelf, *, is_usable: bool, actor: str, cause: str, at: datetime
) -> None:
    """A unit that was away is at a hub again: free on its shelf, or in quarantine, which no shelf counts.

    One that a source has put on a shelf already stays there. Raises NotKnown, IllegalTransition for a unit that cannot
    come to that, or that is promised to a ticket and is to be set aside.
    """
    before = await locked_row(tx, asset, EntityKind.ASSET, asset_id)
    target = AssetState.IN_STOCK if is_usable else AssetState.QUARANTINED
    what = f"asset {before['serial'] or before['asset_tag'] or asset_id!r}"
    if before["state"] is AssetState.RESERVED and not is_usable:
        raise IllegalTransition(
            f"{what} is on a shelf and promised to a ticket, so it is not put into quarantine",
            hint="Release its reservation first.",
        )
    if is_usable and before["state"] in ON_SHELF:
        return
    old = shelf_of(before) if before["state"] in ON_SHELF else None
    for step in _BACK.get(before["state"], ()) if is_usable else ():
        await update_logged(tx, asset, EntityKind.ASSET, asset_id, {"state": step}, actor=actor, cause=cause, at=at)
        before["state"] = step
    require_move(ASSET_MOVES, before["state"], target, what=what)
    values = {"hub_id": shelf.hub_id, "site_id": None, "lane": shelf.lane, "state": target, "holder": None}
    await update_logged(tx, asset, EntityKind.ASSET, asset_id, values, actor=actor, cause=cause, at=at)
    await recount_shelves(tx, [shelf] if old is None else [shelf, old], actor=actor, cause=cause, at=at)
