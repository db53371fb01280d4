"""What kits consist of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.database.bulk import among, insert_numbered
from connector.storage.tables import kit_component


class Component(NamedTuple):
    """So many units of a product, for one kit."""

    product_id: int
    quantity: int


async def components_of(tx: AsyncConnection, kit_ids: Collection[int]) -> dict[int, tuple[Component, ...]]:
    """The components of each of the kits, in the order in which they are packed."""
    if not kit_ids:
        return {}
    c = kit_component.c
    statement = select(c.kit_id, c.product_id, c.quantity).where(among(tx, c.kit_id, kit_ids)).order_by(c.id)
    found: defaultdict[int, list[Component]] = defaultdict(list)
    for kit_id, product_id, quantity in await tx.execute(statement):
        found[kit_id].append(Component(product_id, quantity))
    return {kit_id: tuple(components) for kit_id, components in found.items()}


async def set_components(tx: AsyncConnection, kits: Mapping[int, Collection[Component]]) -> None:
    """Make these all the components of each kit, whatever it had before."""
    if not kits:
        return
    await tx.execute(delete(kit_component).where(among(tx, kit_component.c.kit_id, kits.keys())))
    rows = [{"kit_id": kit_id, **item._asdict()} for kit_id, components in kits.items() for item in components]
    await insert_numbered(tx, kit_component, rows)
