"""Devices that were replaced at their sites: which unit stands where now, and what sources call both.

A swap is derived from what is known anyway: the ticket's device is the failed one, what was delivered for the ticket is
its replacement. It is one only where the ticket got a unit of the kind that failed, and one unit: parts of a device,
loans, parcels of rollouts and what goes along in a kit replace nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown, Unavailable
from connector.model.kinds import Direction
from connector.model.lifecycle import ProcurementState, ReservationState, ShipmentStatus
from connector.model.records import ProductKey
from connector.model.refs import EntityKind, SourceRef
from connector.storage.database.bulk import among
from connector.storage.database.receipts import find_receipts
from connector.storage.tables import (
    LOAN_LINE,
    asset,
    procurement,
    product,
    reservation,
    shipment,
    site,
    source,
    source_ref,
    ticket,
)

_AWAITED: Final = (ReservationState.HELD, ReservationState.COMMITTED)
"""States of a reservation whose parcel was delivered while the hub has not yet booked that it left."""

_FOR_GOOD = (
    reservation.c.line != LOAN_LINE,
    reservation.c.rollout_line_id.is_(None),
    reservation.c.ships_with_id.is_(None),
)
"""What a ticket keeps: no loan, no parcel of a rollout, nothing that goes along."""


@dataclass(frozen=True, slots=True)
class Device:
    """One of the two devices of a swap."""

    id: int
    name: str | None
    serial: str | None
    asset_tag: str | None
    revision: str | None
    warranty_ends_on: date | None
    url: str | None

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or self.serial or self.asset_tag or f"asset {self.id}"


@dataclass(frozen=True, slots=True)
class Swap:
    """A device that was replaced. replacement: None when nobody knows which unit was delivered.

    product: what was delivered. site: how people call where that was. brought: what brought it. units: that the ticket
    needs. made_at: when what brought it was claimed or ordered.
    """

    ticket_id: int
    ticket_number: str
    failed: Device
    replacement: Device | None
    product_id: int
    product: ProductKey
    site_id: int | None
    site: str | None
    brought: str
    units: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Called:
    """What a source calls the things of a swap, None for what it does not know."""

    failed: SourceRef | None
    replacement: SourceRef | None
    product: SourceRef | None
    site: SourceRef | None


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent in place of a device. units: asset by serial. has_unnamed: one without a serial was delivered."""

    units: Mapping[str, int]
    has_unnamed: bool


_failed, _unit = asset.alias("failed"), asset.alias("unit")
_DEVICE = ("id", "name", "serial", "asset_tag", "revision", "warranty_ends_on", "url")
_COLUMNS = (
    ticket.c.id.label("ticket_id"),
    ticket.c.number,
    ticket.c.quantity.label("units"),
    product.c.id.label("product_id"),
    product.c.manufacturer,
    product.c.model,
    product.c.part_number,
    site.c.id.label("site_id"),
    site.c.name.label("site_name"),
    *(_failed.c[name].label(f"failed_{name}") for name in _DEVICE),
)
_IS_ALIKE: ColumnElement[bool] = or_(_failed.c.product_id.is_(None), _failed.c.product_id == product.c.id)


async def swap_of_parcel(tx: AsyncConnection, shipment_id: int) -> Swap | None:
    """What a delivered parcel replaced; None when it replaced nothing.

    Raises Unavailable while the hub has not yet booked that its unit left.
    """
    statement = (
        select(
            *_COLUMNS,
            *(_unit.c[name].label(f"unit_{name}") for name in _DEVICE),
            reservation.c.state,
            reservation.c.quantity,
            reservation.c.created_at,
            shipment.c.tracking_number,
        )
        .select_from(shipment)
        .join(reservation, reservation.c.id == shipment.c.reservation_id)
        .join(ticket, ticket.c.id == reservation.c.ticket_id)
        .join(_failed, _failed.c.id == ticket.c.asset_id)
        .join(product, product.c.id == reservation.c.product_id)
        .outerjoin(_unit, _unit.c.id == reservation.c.asset_id)
        .outerjoin(site, site.c.id == func.coalesce(shipment.c.site_id, _failed.c.site_id))
        .where(
            shipment.c.id == shipment_id,
            shipment.c.direction == Direction.OUTBOUND,
            shipment.c.status == ShipmentStatus.DELIVERED,
            or_(_IS_ALIKE, _failed.c.product_id == reservation.c.requested_product_id),
            *_FOR_GOOD,
        )
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        return None
    if row.state in _AWAITED:
        raise Unavailable(f"shipment {shipment_id} was delivered and its unit has not been booked as sent yet")
    if row.state is not ReservationState.FULFILLED:
        return None
    unit = None if row.unit_id is None or row.unit_id == row.failed_id else _device(row, "unit")
    brought = f"shipment {row.tracking_number or shipment_id}"
    return _swap(row, unit, brought=brought, units=max(row.units, row.quantity))


async def swap_of_order(tx: AsyncConnection, procurement_id: int) -> Swap | None:
    """What goods that came to the site of a ticket replaced; None when they replaced nothing."""
    statement = (
        select(*_COLUMNS, procurement.c.quantity, procurement.c.created_at)
        .select_from(procurement)
        .join(ticket, ticket.c.id == procurement.c.ticket_id)
        .join(_failed, _failed.c.id == ticket.c.asset_id)
        .join(product, product.c.id == procurement.c.product_id)
        .join(site, site.c.id == procurement.c.site_id)
        .where(
            procurement.c.id == procurement_id,
            procurement.c.state == ProcurementState.RECEIVED,
            procurement.c.hub_id.is_(None),
            _IS_ALIKE,
        )
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        return None
    ids = (await _put_into_use(tx, [procurement_id])).get(procurement_id, ())
    units = max(row.units, row.quantity)
    unit = await device(tx, ids[0]) if len(ids) == 1 else None
    return _swap(row, unit, brought=f"procurement {procurement_id}", units=units)


async def device(tx: AsyncConnection, asset_id: int) -> Device:
    """A device. Raises NotKnown."""
    row = (await tx.execute(select(*(asset.c[name] for name in _DEVICE)).where(asset.c.id == asset_id))).one_or_none()
    if row is None:
        raise NotKnown(f"there is no asset with id {asset_id}")
    return Device(*row)


async def sources_that_know(tx: AsyncConnection, swap: Swap) -> Sequence[str]:
    """Names of the sources that have a record of one of the devices, in their order."""
    ids = [item.id for item in (swap.failed, swap.replacement) if item is not None]
    c = source_ref.c
    statement = (
        select(source.c.name)
        .join(source_ref, c.source_id == source.c.id)
        .where(c.kind == EntityKind.ASSET, c.entity_id.in_(ids), c.deleted_at.is_(None))
        .distinct()
        .order_by(source.c.name)
    )
    return (await tx.execute(statement)).scalars().all()


async def called(tx: AsyncConnection, source_name: str, swap: Swap) -> Called:
    """What a source calls the things of a swap."""
    wanted = {
        "failed": (EntityKind.ASSET, swap.failed.id),
        "replacement": (EntityKind.ASSET, swap.replacement.id if swap.replacement else None),
        "product": (EntityKind.PRODUCT, swap.product_id),
        "site": (EntityKind.SITE, swap.site_id),
    }
    c = source_ref.c
    statement = (
        select(c.kind, c.entity_id, c.external_id)
        .join(source, source.c.id == c.source_id)
        .where(
            source.c.name == source_name,
            c.deleted_at.is_(None),
            or_(*(and_(c.kind == kind, c.entity_id == number) for kind, number in wanted.values() if number)),
        )
        .order_by(c.id.desc())
    )
    names = {(row.kind, row.entity_id): row.external_id for row in await tx.execute(statement)}
    return Called(
        **{
            name: SourceRef(kind=kind, external_id=names[kind, number]) if (kind, number) in names else None
            for name, (kind, number) in wanted.items()
        }
    )


async def sent_in_place_of(tx: AsyncConnection, asset_ids: Collection[int]) -> Mapping[int, Sent]:
    """What was sent for tickets of these devices, or for tickets that they were sent for themselves."""
    its_device, earlier = asset.alias("its_device"), reservation.alias("earlier")
    concerned = or_(among(tx, ticket.c.asset_id, asset_ids), among(tx, earlier.c.asset_id, asset_ids))
    statement = (
        select(ticket.c.asset_id, earlier.c.asset_id, its_device.c.id, its_device.c.serial, shipment.c.id)
        .select_from(reservation)
        .join(ticket, ticket.c.id == reservation.c.ticket_id)
        .outerjoin(earlier, and_(earlier.c.ticket_id == ticket.c.id, earlier.c.id != reservation.c.id))
        .outerjoin(its_device, its_device.c.id == reservation.c.asset_id)
        .outerjoin(
            shipment,
            and_(shipment.c.reservation_id == reservation.c.id, shipment.c.status == ShipmentStatus.DELIVERED),
        )
        .where(concerned, reservation.c.state == ReservationState.FULFILLED, *_FOR_GOOD)
    )
    units: dict[int, dict[str, int]] = defaultdict(dict)
    unnamed: set[int] = set()
    for failed_id, earlier_id, unit_id, serial, delivered in await tx.execute(statement):
        for asset_id in {failed_id, earlier_id} & set(asset_ids):
            if unit_id is None and delivered is not None:
                unnamed.add(asset_id)
            elif serial is not None and unit_id != asset_id:
                units[asset_id][serial.upper()] = unit_id
    for asset_id, serial, unit_id in await _ordered_in_place_of(tx, asset_ids):
        if unit_id is None:
            unnamed.add(asset_id)
        else:
            units[asset_id][serial.upper()] = unit_id
    return {asset_id: Sent(units[asset_id], asset_id in unnamed) for asset_id in {*units, *unnamed}}


async def _ordered_in_place_of(tx: AsyncConnection, asset_ids: Collection[int]) -> list[tuple[int, str, int | None]]:
    """(failed device, serial, unit) of goods that came to the site; a unit of None for those without serials."""
    statement = (
        select(ticket.c.asset_id, procurement.c.id)
        .join(ticket, ticket.c.id == procurement.c.ticket_id)
        .where(
            among(tx, ticket.c.asset_id, asset_ids),
            procurement.c.state == ProcurementState.RECEIVED,
            procurement.c.hub_id.is_(None),
        )
    )
    orders = {row.id: row.asset_id for row in await tx.execute(statement)}
    used = await _put_into_use(tx, orders)
    ids = {unit_id for found in used.values() for unit_id in found}
    serials = {row.id: row.serial for row in await tx.execute(_serials_of(tx, ids))} if ids else {}
    found: list[tuple[int, str, int | None]] = []
    for procurement_id, failed_id in orders.items():
        named = [unit_id for unit_id in used.get(procurement_id, ()) if serials.get(unit_id)]
        found += [(failed_id, serials[unit_id], unit_id) for unit_id in named]
        if not named:
            found.append((failed_id, "", None))
    return found


def _serials_of(tx: AsyncConnection, ids: Collection[int]) -> Any:
    return select(asset.c.id, asset.c.serial).where(among(tx, asset.c.id, ids))


def in_use_key(procurement_id: int) -> str:
    """The key of the receipt that says which devices came with an order to its site."""
    return f"in-use:{procurement_id}"


async def _put_into_use(tx: AsyncConnection, procurement_ids: Collection[int]) -> dict[int, Sequence[int]]:
    """The devices that came with orders to their sites."""
    keys = {in_use_key(number): number for number in procurement_ids}
    return {keys[key]: result["asset_ids"] for key, result in (await find_receipts(tx, list(keys))).items()}


def _device(row: Any, prefix: str) -> Device:
    return Device(*(getattr(row, f"{prefix}_{name}") for name in _DEVICE))


def _swap(row: Any, unit: Device | None, *, brought: str, units: int) -> Swap:
    return Swap(
        ticket_id=row.ticket_id,
        ticket_number=row.number,
        failed=_device(row, "failed"),
        replacement=unit,
        product_id=row.product_id,
        product=ProductKey(manufacturer=row.manufacturer, model=row.model, part_number=row.part_number or None),
        site_id=row.site_id,
        site=row.site_name,
        brought=brought,
        units=units,
        made_at=row.created_at,
    )
