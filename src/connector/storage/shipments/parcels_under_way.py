"""Parcels that have left their hub and have not arrived, with what tells how they fare: one statement per page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, exists, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.geo import Point
from connector.model.kinds import Direction, Trouble
from connector.model.lifecycle import (
    RESERVATION_LIVE,
    TICKET_OPEN,
    RecoveryState,
    ReservationState,
    ShipmentStatus,
    TaskState,
)
from connector.rules.facts.ticket import SiteFacts
from connector.storage.database.bulk import among
from connector.storage.tables import (
    decision,
    hub,
    recovery,
    reservation,
    service_class,
    shipment,
    shipment_event,
    site,
    source,
    task,
    ticket,
)

WATCHED: Final = (
    ShipmentStatus.PICKED_UP,
    ShipmentStatus.IN_TRANSIT,
    ShipmentStatus.OUT_FOR_DELIVERY,
    ShipmentStatus.READY_FOR_PICKUP,
    ShipmentStatus.EXCEPTION,
    ShipmentStatus.RETURNED,
    ShipmentStatus.LOST,
)
"""Statuses of parcels that have left and have not been delivered."""


ASKED_ABOUT: Final = (
    ShipmentStatus.LABEL_CREATED,
    ShipmentStatus.PICKED_UP,
    ShipmentStatus.IN_TRANSIT,
    ShipmentStatus.OUT_FOR_DELIVERY,
    ShipmentStatus.READY_FOR_PICKUP,
    ShipmentStatus.EXCEPTION,
    ShipmentStatus.LOST,
)
"""Statuses of parcels of which a courier may have something new to say."""


async def open_parcels(
    tx: AsyncConnection, source_name: str, *, bought_after: datetime, after: int, limit: int
) -> list[tuple[int, str]]:
    """Parcels of a courier of which there may be news, by their ids, with what it calls them."""
    statement = (
        select(shipment.c.id, shipment.c.external_id)
        .join(source, source.c.id == shipment.c.source_id)
        .where(
            source.c.name == source_name,
            shipment.c.id > after,
            shipment.c.external_id.is_not(None),
            shipment.c.status.in_(ASKED_ABOUT),
            shipment.c.created_at > bought_after,
        )
        .order_by(shipment.c.id)
        .limit(limit)
    )
    return [(number, external_id) for number, external_id in await tx.execute(statement)]


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A parcel under way. left_at, seen_at: by its scans, else when the hub handed it over.

    asked_about: the trouble that a person was asked about already; None when nobody was. is_second: it was sent because
    the first parcel of its line was in trouble. is_rollout: it is for a line of a rollout.
    """

    shipment_id: int
    name: str
    status: ShipmentStatus
    is_reported: bool
    carrier: str | None
    service: str | None
    left_at: datetime
    seen_at: datetime
    estimated_at: datetime | None
    planned_at: datetime | None
    due_at: datetime | None
    ticket_id: int
    ticket_number: str
    line: int
    quantity: int
    reservation_id: int
    hub_id: int
    hub_point: Point | None
    site: SiteFacts | None
    service_class: str | None
    asked_about: Trouble | None
    is_second: bool
    is_rollout: bool


_first_scan = (
    select(func.min(shipment_event.c.occurred_at))
    .where(shipment_event.c.shipment_id == shipment.c.id, shipment_event.c.status.in_(WATCHED))
    .correlate(shipment)
    .scalar_subquery()
)
_last_scan = (
    select(func.max(shipment_event.c.occurred_at))
    .where(shipment_event.c.shipment_id == shipment.c.id)
    .correlate(shipment)
    .scalar_subquery()
)
_later = reservation.alias("later")
_another_unit = exists().where(
    _later.c.ticket_id == reservation.c.ticket_id,
    _later.c.line == reservation.c.line,
    _later.c.id > reservation.c.id,
    _later.c.state.in_((*RESERVATION_LIVE, ReservationState.FULFILLED)),
)
"""Whether the line has a newer unit: ours, or one that a person chose."""
_person_at_work = exists().where(
    task.c.shipment_id == shipment.c.id,
    or_(task.c.key.startswith("shipment:"), task.c.key.startswith("bring-back:")),
    or_(task.c.state.in_((TaskState.IN_PROGRESS, TaskState.DONE)), task.c.assignee.is_not(None)),
)
"""Whether a person has taken up, or dealt with, what was asked about the parcel."""

_person_was_asked = exists().where(task.c.shipment_id == shipment.c.id, task.c.key.startswith("shipment:"))
_is_second = and_(recovery.c.state == RecoveryState.SOURCED, recovery.c.reservation_id == reservation.c.id)

_ALL = (
    select(
        shipment,
        _first_scan.label("first_scan"),
        _last_scan.label("last_scan"),
        reservation.c.line,
        reservation.c.quantity,
        reservation.c.estimated_arrival_at,
        reservation.c.updated_at.label("handed_over_at"),
        ticket.c.number,
        ticket.c.sla_due_at,
        decision.c.explanation["sla"]["due_at"].as_string().label("due_text"),
        recovery.c.trouble,
        func.coalesce(_is_second, false()).label("is_second"),
        reservation.c.rollout_line_id,
        hub.c.latitude.label("hub_latitude"),
        hub.c.longitude.label("hub_longitude"),
        *(site.c[name].label(f"at_{name}") for name in ("id", "name", "code", "latitude", "longitude")),
        *(site.c[name].label(f"at_{name}") for name in ("time_zone", "region", "country", "access_hours")),
        site.c.address["state"].as_string().label("at_state"),
        service_class.c.name.label("service_class"),
    )
    .join(reservation, reservation.c.id == shipment.c.reservation_id)
    .join(ticket, ticket.c.id == reservation.c.ticket_id)
    .join(hub, hub.c.id == reservation.c.hub_id)
    .outerjoin(decision, decision.c.id == reservation.c.decision_id)
    .outerjoin(site, site.c.id == shipment.c.site_id)
    .outerjoin(service_class, service_class.c.id == site.c.service_class_id)
    .outerjoin(recovery, and_(recovery.c.ticket_id == reservation.c.ticket_id, recovery.c.line == reservation.c.line))
    .where(
        shipment.c.direction == Direction.OUTBOUND,
        shipment.c.status.in_(WATCHED),
        ticket.c.state.in_(TICKET_OPEN),
        ticket.c.retired_at.is_(None),
        ~_another_unit,
    )
    .order_by(shipment.c.id)
)
_UNDER_WAY = _ALL.where(
    or_(
        recovery.c.id.is_(None),
        recovery.c.state == RecoveryState.ASKED,
        _is_second,
    ),
    or_(reservation.c.rollout_line_id.is_(None) & ~func.coalesce(_is_second, false()), ~_person_was_asked),
    ~_person_at_work,
)


async def parcels_under_way(tx: AsyncConnection, *, after: int, limit: int) -> list[UnderWay]:
    """A page of the parcels that may still need something: nobody has acted, and no second unit was sent.

    A second unit's own parcel, and one of a rollout, is among them until a person was asked: nothing else is tried.

    after: the id of the last parcel of the page before.
    """
    statement = _UNDER_WAY.where(shipment.c.id > after).limit(limit)
    return [_under_way(row) for row in (await tx.execute(statement)).mappings()]


async def parcel_under_way(tx: AsyncConnection, shipment_id: int) -> UnderWay | None:
    """One of them as it is now; None when nothing is to be done about it any more."""
    row = (await tx.execute(_UNDER_WAY.where(shipment.c.id == shipment_id))).mappings().one_or_none()
    return None if row is None else _under_way(row)


async def parcel_without_second(tx: AsyncConnection, shipment_id: int) -> UnderWay | None:
    """One whose second unit is not sent after all; None when it has come, or nobody waits for it any more."""
    row = (await tx.execute(_ALL.where(shipment.c.id == shipment_id))).mappings().one_or_none()
    return None if row is None else _under_way(row)


async def open_trouble_tasks(tx: AsyncConnection, shipment_ids: Collection[int]) -> set[int]:
    """Those of the parcels about which a person is being asked already."""
    statement = select(task.c.shipment_id).where(
        among(tx, task.c.shipment_id, shipment_ids),
        task.c.key.startswith("shipment:"),
        task.c.state.in_((TaskState.OPEN, TaskState.IN_PROGRESS)),
    )
    return {found for found in (await tx.execute(statement)).scalars() if found is not None}


def _under_way(row: Any) -> UnderWay:
    left_at = row["first_scan"] or row["handed_over_at"]
    due_text = row["due_text"]
    return UnderWay(
        shipment_id=row["id"],
        name=f"shipment {row['tracking_number'] or row['id']}",
        status=row["status"],
        is_reported=row["source_id"] is not None,
        carrier=row["carrier"],
        service=row["service"],
        left_at=left_at,
        seen_at=max(left_at, row["last_scan"] or left_at),
        estimated_at=row["estimated_delivery_at"],
        planned_at=row["estimated_arrival_at"],
        due_at=datetime.fromisoformat(due_text) if due_text else row["sla_due_at"],
        ticket_id=row["ticket_id"],
        ticket_number=row["number"],
        line=row["line"],
        quantity=row["quantity"],
        reservation_id=row["reservation_id"],
        hub_id=row["hub_id"],
        hub_point=_point(row["hub_latitude"], row["hub_longitude"]),
        site=_site(row),
        service_class=row["service_class"],
        asked_about=None if row["is_second"] else row["trouble"],
        is_second=bool(row["is_second"]),
        is_rollout=row["rollout_line_id"] is not None,
    )


def _site(row: Any) -> SiteFacts | None:
    if row["at_id"] is None:
        return None
    names = ("id", "name", "code", "latitude", "longitude", "time_zone", "region", "country", "access_hours", "state")
    return SiteFacts(**{name: row[f"at_{name}"] for name in names})


def _point(latitude: float | None, longitude: float | None) -> Point | None:
    return None if latitude is None or longitude is None else Point(latitude, longitude)
