"""What there is to do at one hub, as it is printed for people who work without a connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import TaskKind
from connector.model.lifecycle import RESERVATION_LIVE, ApprovalState, ReservationState, RmaState
from connector.model.refs import EntityKind
from connector.storage.tables import LOAN_LINE, approval, asset, hub, product, reservation, rma, task
from connector.storage.tickets.tasks import UNFINISHED

MOST: Final = 500
"""Things of each kind that are listed."""
_KINDS: Final = (TaskKind.PICKUP, TaskKind.RECEIVE, TaskKind.STAGING, TaskKind.HANDOVER)
_TABLES: Final[Mapping[EntityKind, Table]] = {
    EntityKind.RESERVATION: reservation, EntityKind.TASK: task, EntityKind.RMA: rma, EntityKind.APPROVAL: approval,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HubWork:
    """A hub with its name, region and time zone, as work in it is printed."""

    id: int
    label: str
    region: str | None
    time_zone: str | None


@dataclass(frozen=True, slots=True)
class OpenTask:
    """An unfinished task. packing_list: lines as JSON objects."""

    id: int
    kind: TaskKind
    title: str
    instructions: str | None
    packing_list: Sequence[Mapping[str, Any]]
    reservation_id: int | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class WaitingUnit:
    """A claim that waits for somebody's yes. roles: who may say it, at first; needed: how many different people."""

    reservation_id: int
    approval_id: int
    approval_name: str
    title: str
    roles: Sequence[str]
    needed: int
    deadline_at: datetime


@dataclass(frozen=True, slots=True)
class ExpectedBack:
    """A unit that is to come back to the hub. marks: its serial or asset tag; "" where nobody knows which it is."""

    rma_id: int
    goods: str
    marks: str
    due_back_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimToSend:
    """How a claim stands before it is sent."""

    state: ReservationState
    approval_name: str | None


async def hub_work(tx: AsyncConnection, hub_id: int) -> HubWork:
    """The hub itself. Raises NotKnown."""
    statement = select(hub.c.id, hub.c.name, hub.c.code, hub.c.region, hub.c.time_zone).where(hub.c.id == hub_id)
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        raise NotKnown(f"there is no hub with id {hub_id}")
    label = f"{row.name} ({row.code})" if row.code and row.code != row.name else row.name
    return HubWork(row.id, label, row.region, row.time_zone)


async def open_tasks_at(tx: AsyncConnection, hub_id: int) -> list[OpenTask]:
    """What is to be picked, taken in, staged and handed over there; what is due first comes first."""
    c = task.c
    statement = (
        select(c.id, c.kind, c.title, c.instructions, c.packing_list, c.reservation_id, c.due_at)
        .where(c.hub_id == hub_id, c.state.in_(UNFINISHED), c.kind.in_(_KINDS))
        .order_by(c.due_at.is_(None), c.due_at, c.id)
        .limit(MOST)
    )
    return [OpenTask(*row[:4], row.packing_list or (), *row[5:]) for row in await tx.execute(statement)]


async def units_waiting_at(tx: AsyncConnection, hub_id: int) -> list[WaitingUnit]:
    """Claims on its shelves that may be sent once somebody has said yes; what is over first comes first."""
    subject = reservation.alias("subject")
    a = approval.c
    statement = (
        select(reservation.c.id, a.id, a.name, a.title, a.roles, a.needed, a.deadline_at)
        .join(subject, a.subject_id == subject.c.id)
        .join(
            reservation,
            or_(reservation.c.id == subject.c.id, reservation.c.decision_id == subject.c.decision_id),
        )
        .where(
            a.subject_kind == EntityKind.RESERVATION,
            a.state == ApprovalState.PENDING,
            reservation.c.hub_id == hub_id,
            reservation.c.state.in_(RESERVATION_LIVE),
            reservation.c.ships_with_id.is_(None),
            reservation.c.line != LOAN_LINE,
        )
        .order_by(a.deadline_at, a.id, reservation.c.id)
        .limit(MOST)
    )
    return [WaitingUnit(*row) for row in await tx.execute(statement)]


async def expected_back_at(tx: AsyncConnection, hub_id: int) -> list[ExpectedBack]:
    """Failed units that are to come back there; what is due first comes first."""
    c = rma.c
    statement = (
        select(
            c.id, product.c.manufacturer, product.c.model, c.quantity, asset.c.serial, asset.c.asset_tag, c.due_back_at
        )
        .join(product, product.c.id == c.product_id)
        .outerjoin(asset, asset.c.id == c.asset_id)
        .where(c.hub_id == hub_id, c.state.in_((RmaState.EXPECTED, RmaState.IN_TRANSIT)))
        .order_by(c.due_back_at, c.id)
        .limit(MOST)
    )
    found = []
    for row in await tx.execute(statement):
        goods = f"{row.manufacturer} {row.model}"
        marks = row.serial or row.asset_tag or ""
        label = f"{row.quantity} × {goods}" if row.quantity > 1 else goods
        found.append(ExpectedBack(row.id, label, marks, row.due_back_at))
    return found


async def claim_to_send(tx: AsyncConnection, reservation_id: int) -> ClaimToSend:
    """How a claim stands. Raises NotKnown."""
    c = reservation.c
    row = (await tx.execute(select(c.state, c.approval_name).where(c.id == reservation_id))).one_or_none()
    if row is None:
        raise NotKnown(f"there is no reservation with id {reservation_id}")
    return ClaimToSend(*row)


async def last_change(tx: AsyncConnection, kind: EntityKind, number: int) -> datetime:
    """When a claim, a task, a return or a request last changed. Raises NotKnown."""
    table = _TABLES[kind]
    at = (await tx.execute(select(table.c.updated_at).where(table.c.id == number))).scalar_one_or_none()
    if at is None:
        raise NotKnown(f"there is no {kind.value} with id {number}")
    changed: datetime = at
    return changed
