"""What hangs on replenishments: their claims, parcels and orders, and how far those have got."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import Direction
from connector.model.lifecycle import (
    PROCUREMENT_OPEN,
    PROCUREMENT_UNPLACED,
    RESERVATION_LIVE,
    ProcurementState,
    ReplenishmentState,
    ReservationState,
    ShipmentStatus,
)
from connector.storage.database.bulk import among
from connector.storage.tables import procurement, replenishment, reservation, shipment, ticket

UNSENT: Final = "it could not be sent"
"""How the reason of a claim begins that ended since a step of its fulfilment failed."""
_GONE: Final = (ShipmentStatus.LOST, ShipmentStatus.RETURNED, ShipmentStatus.CANCELLED)
"""Statuses of a parcel that brings the shelf nothing any more."""
_ON_THE_WAY: Final = (ShipmentStatus.PICKED_UP, ShipmentStatus.IN_TRANSIT, ShipmentStatus.OUT_FOR_DELIVERY)
_UNDER_WAY: Final = (ReplenishmentState.APPROVED, ReplenishmentState.UNDER_WAY)


@dataclass(frozen=True, slots=True)
class Part:
    """Units of a replenishment that come together.

    received: of them, on the shelf. is_out: they have left their hub, or are ordered. reason: why they do not come.
    has_failed: they could not be sent, or were refused.
    """

    quantity: int
    received: int
    is_open: bool
    is_out: bool
    reason: str | None = None
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class LateTransfer:
    """A parcel between hubs that should be there. name: what people call it."""

    shipment_id: int
    name: str
    ticket_id: int
    ticket_number: str
    reservation_id: int
    to_hub_id: int
    estimated_delivery_at: datetime


async def late_transfers(tx: AsyncConnection, *, at: datetime, after: int, limit: int) -> list[LateTransfer]:
    """A page of the parcels that have left a hub, and that another should have got by now, by id."""
    c = shipment.c
    statement = (
        select(
            c.id, c.tracking_number, c.ticket_id, ticket.c.number, c.reservation_id, c.to_hub_id,
            c.estimated_delivery_at,
        )
        .join(ticket, ticket.c.id == c.ticket_id)
        .where(
            c.direction == Direction.TRANSFER,
            c.status.in_(_ON_THE_WAY),
            c.received_at.is_(None),
            c.estimated_delivery_at < at,
            c.id > after,
        )
        .order_by(c.id)
        .limit(limit)
    )  # fmt: skip
    return [LateTransfer(row[0], f"shipment {row[1] or row[0]}", *row[2:]) for row in await tx.execute(statement)]


async def touched_replenishments(
    tx: AsyncConnection,
    *,
    reservation_ids: Collection[int],
    shipment_ids: Collection[int],
    procurement_ids: Collection[int],
) -> list[int]:
    """Replenishments under way that claims, parcels or orders among these belong to."""
    which = [
        replenishment.c.ticket_id.in_(select(table.c.ticket_id).where(among(tx, table.c.id, ids)))
        for table, ids in (
            (reservation, reservation_ids),
            (shipment, shipment_ids),
            (procurement, procurement_ids),
        )
        if ids
    ]
    if not which:
        return []
    statement = select(replenishment.c.id).where(replenishment.c.state.in_(_UNDER_WAY), or_(*which))
    return list((await tx.execute(statement.order_by(replenishment.c.id))).scalars())


async def parts_of(tx: AsyncConnection, ticket_id: int) -> list[Part]:
    """What hangs on the ticket of a replenishment."""
    leader = func.coalesce(reservation.c.ships_with_id, reservation.c.id)
    claims = (
        select(
            reservation.c.state,
            reservation.c.quantity,
            reservation.c.reason,
            shipment.c.status,
            shipment.c.received_at,
        )
        .outerjoin(shipment, (shipment.c.reservation_id == leader) & (shipment.c.direction == Direction.TRANSFER))
        .where(reservation.c.ticket_id == ticket_id)
        .order_by(reservation.c.id)
    )
    orders = (
        select(procurement.c.state, procurement.c.quantity, procurement.c.reason)
        .where(procurement.c.ticket_id == ticket_id)
        .order_by(procurement.c.id)
    )
    found = [_of_claim(*row) for row in await tx.execute(claims)]
    return found + [_of_order(*row) for row in await tx.execute(orders)]


async def live_claims(tx: AsyncConnection, ticket_id: int) -> Sequence[int]:
    """The claims of a ticket that hold units and have a fulfilment of their own."""
    statement = select(reservation.c.id).where(
        reservation.c.ticket_id == ticket_id,
        reservation.c.state.in_(RESERVATION_LIVE),
        reservation.c.ships_with_id.is_(None),
    )
    return (await tx.execute(statement.order_by(reservation.c.id))).scalars().all()


async def parcels_to_receive(tx: AsyncConnection, ticket_id: int) -> Sequence[int]:
    """Parcels of a ticket that have left a hub and were not taken in by another."""
    statement = select(shipment.c.id).where(
        shipment.c.ticket_id == ticket_id,
        shipment.c.direction == Direction.TRANSFER,
        shipment.c.received_at.is_(None),
        shipment.c.status.not_in((*_GONE, ShipmentStatus.PENDING, ShipmentStatus.LABEL_CREATED)),
    )
    return (await tx.execute(statement.order_by(shipment.c.id))).scalars().all()


def _of_claim(
    state: ReservationState, quantity: int, reason: str | None, status: ShipmentStatus | None, received_at: object
) -> Part:
    if state in RESERVATION_LIVE:
        return Part(quantity, 0, is_open=True, is_out=False)
    if state is not ReservationState.FULFILLED:
        failed = reason is not None and reason.startswith(UNSENT)
        return Part(quantity, 0, is_open=False, is_out=False, reason=reason, has_failed=failed)
    if status is not None and status in _GONE:
        return Part(quantity, 0, is_open=False, is_out=True, reason=f"its parcel is {status.value}", has_failed=True)
    has_come = received_at is not None
    return Part(quantity, quantity if has_come else 0, is_open=not has_come, is_out=True)


def _of_order(state: ProcurementState, quantity: int, reason: str | None) -> Part:
    if state is ProcurementState.RECEIVED:
        return Part(quantity, quantity, is_open=False, is_out=True)
    is_out = state in PROCUREMENT_OPEN and state not in PROCUREMENT_UNPLACED
    refused = state is ProcurementState.REFUSED
    return Part(quantity, 0, state in PROCUREMENT_OPEN, is_out, reason, has_failed=refused)
