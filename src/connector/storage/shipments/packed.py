"""What is packed along with the devices of a reservation: what is reserved for it, or what the catalogue names."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import Lane
from connector.storage.tables import asset, kit, kit_component, product, reservation


@dataclass(frozen=True, slots=True)
class KitLine:
    """Something that is packed along with the devices. quantity: for all of them. weight_g: grams of one unit.

    lane: where it lies; None when it is not reserved, but only named by the catalogue. asset_id: the unit, where it is
    serialised.
    """

    product: str
    part_number: str | None
    quantity: int
    weight_g: int | None = None
    lane: Lane | None = None
    asset_id: int | None = None
    serial: str | None = None
    asset_tag: str | None = None


_part = reservation.alias("part")
_RESERVED_KIT = (
    select(
        product.c.manufacturer + " " + product.c.model,
        product.c.part_number,
        _part.c.quantity,
        product.c.weight_g,
        _part.c.lane,
        _part.c.asset_id,
        asset.c.serial,
        asset.c.asset_tag,
    )
    .select_from(_part)
    .join(product, product.c.id == _part.c.product_id)
    .outerjoin(asset, asset.c.id == _part.c.asset_id)
    .where(_part.c.ships_with_id == bindparam("reservation_id"))
    .order_by(_part.c.line)
)
_USUAL_KIT = (
    select(
        kit.c.instructions,
        product.c.id,
        product.c.manufacturer,
        product.c.model,
        product.c.part_number,
        kit_component.c.quantity,
    )
    .select_from(kit)
    .outerjoin(kit_component, kit_component.c.kit_id == kit.c.id)
    .outerjoin(product, product.c.id == kit_component.c.product_id)
    .where(kit.c.product_id == bindparam("product_id"), kit.c.retired_at.is_(None))
    .order_by(kit_component.c.id)
)


async def reserved_kit(
    tx: AsyncConnection, reservation_id: int, kit_id: int | None
) -> tuple[tuple[KitLine, ...], str | None]:
    """What is reserved to go along with the units of a reservation, or went along."""
    lines = tuple(KitLine(*row) for row in await tx.execute(_RESERVED_KIT, {"reservation_id": reservation_id}))
    if kit_id is None:
        return lines, None
    return lines, (await tx.execute(select(kit.c.instructions).where(kit.c.id == kit_id))).scalar_one()


async def usual_kit(tx: AsyncConnection, product_id: int, quantity: int) -> tuple[tuple[KitLine, ...], str | None]:
    """What the product's kit brings beside the device itself, where its rule does not reserve it."""
    rows = list(await tx.execute(_USUAL_KIT, {"product_id": product_id}))
    lines = tuple(
        KitLine(f"{row.manufacturer} {row.model}", row.part_number, row.quantity * quantity)
        for row in rows
        if row.id is not None and row.id != product_id
    )
    return lines, rows[0].instructions if rows else None
