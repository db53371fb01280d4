"""The swap kits of products: as facts of a decision, and how many of them shelves could ship."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.rules.facts.kits import KitFacts, KitPart
from connector.rules.facts.shelves import Holding
from connector.storage.database.bulk import among_given
from connector.storage.facts.protection import usable_units
from connector.storage.tables import asset, kit, kit_component, product, stock, ticket

has_kit = exists().where(
    kit.c.product_id == func.coalesce(asset.c.product_id, ticket.c.product_id), kit.c.retired_at.is_(None)
)
"""Whether the product that a row of `ticket` needs has a swap kit."""

_KITS = (
    select(
        kit.c.product_id,
        kit.c.id,
        kit.c.name,
        product.c.id,
        product.c.manufacturer + " " + product.c.model,
        kit_component.c.quantity,
    )
    .join(kit_component, kit_component.c.kit_id == kit.c.id)
    .join(product, product.c.id == kit_component.c.product_id)
    .where(among_given(kit.c.product_id, "product_ids"), kit.c.retired_at.is_(None))
    .order_by(kit.c.product_id, kit.c.id, kit_component.c.id)
)


def complete_kits(source: FromClause) -> ColumnElement[int]:
    """How many units of a row of `stock`, or of an alias of it, could go with their whole kit, nothing kept being used.

    Components count where they are in the same hub and lane. NULL for a product without a kit.
    """
    its_kit, component, part = kit.alias(), kit_component.alias(), stock.alias()
    there = and_(
        part.c.product_id == component.c.product_id, part.c.hub_id == source.c.hub_id, part.c.lane == source.c.lane
    )
    devices, kits = usable_units(source), usable_units(part) // component.c.quantity
    return (
        select(func.min(case((kits < devices, kits), else_=devices)))
        .select_from(its_kit)
        .join(component, component.c.kit_id == its_kit.c.id)
        .outerjoin(part, there)
        .where(its_kit.c.product_id == source.c.product_id, its_kit.c.retired_at.is_(None))
        .correlate(source)
        .scalar_subquery()
    )


async def read_kits(tx: AsyncConnection, product_ids: Collection[int]) -> Mapping[int, KitFacts]:
    """The swap kit of each of the products that has one, without its shelves."""
    if not product_ids:
        return {}
    parts: defaultdict[tuple[int, int, str], list[KitPart]] = defaultdict(list)
    for number, kit_id, name, *part in await tx.execute(_KITS, {"product_ids": sorted(product_ids)}):
        parts[number, kit_id, name].append(KitPart(*part))
    return {number: KitFacts(kit_id, name, tuple(found)) for (number, kit_id, name), found in parts.items()}


def with_shelves(found: KitFacts | None, holdings: Mapping[int, tuple[Holding, ...]]) -> KitFacts | None:
    """The kit with where free units of its components are."""
    if found is None:
        return None
    return replace(found, holdings=tuple(h for part in found.parts for h in holdings.get(part.product_id, ())))
