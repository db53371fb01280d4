"""Which products a change of stock, of a hub, of a kit or of what fits what brings to those that wait."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.database.bulk import among
from connector.storage.tables import asset, compatibility, kit, stock


async def products_on(
    tx: AsyncConnection,
    *,
    stock_ids: Collection[int],
    compatibility_ids: Collection[int],
    unit_ids: Collection[int] = (),
    kit_ids: Collection[int] = (),
    hub_ids: Collection[int] = (),
) -> set[int]:
    """The products that these books of stock and these compatibilities bring, and those of these units of a shelf.

    kit_ids: kits bring nothing; the products are those whose swap kits they are. hub_ids: all that is free
    in these hubs.
    """
    found: set[int] = set()
    if stock_ids:
        found |= set((await tx.execute(select(stock.c.product_id).where(among(tx, stock.c.id, stock_ids)))).scalars())
    if hub_ids:
        shelves = select(stock.c.product_id).where(
            among(tx, stock.c.hub_id, hub_ids), stock.c.on_hand > stock.c.reserved
        )
        found |= set((await tx.execute(shelves)).scalars())
    if compatibility_ids:
        pairs = select(compatibility.c.substitute_id).where(among(tx, compatibility.c.id, compatibility_ids))
        found |= set((await tx.execute(pairs)).scalars())
    if unit_ids:
        units = select(asset.c.product_id).where(
            among(tx, asset.c.id, unit_ids), asset.c.hub_id.is_not(None), asset.c.product_id.is_not(None)
        )
        found |= set((await tx.execute(units)).scalars())
    if kit_ids:
        devices = select(kit.c.product_id).where(among(tx, kit.c.id, kit_ids), kit.c.product_id.is_not(None))
        found |= set((await tx.execute(devices)).scalars())
    return found
