"""The lines of rollouts: what is wanted where, what has become of it, and moving many of them at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import Direction
from connector.model.lifecycle import (
    ROLLOUT_LINE_AT_HUB,
    ROLLOUT_LINE_MOVES,
    ReservationState,
    RolloutLineState,
    ShipmentStatus,
    TicketState,
    require_move,
)
from connector.model.refs import EntityKind
from connector.rules.policy.values import Mode
from connector.storage.database.bulk import among, update_rows
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.rows import json_value
from connector.storage.tables import reservation, rollout_line, shipment, ticket

_MOVING: Final = (
    "ticket_id", "risk", "risk_rule", "wave", "state", "hub_id", "distance_km", "mode", "estimated_arrival_at",
    "reason", "expected_at", "finished_at",
)  # fmt: skip
"""Columns that change in a line's life."""


@dataclass(frozen=True, slots=True)
class LineRow:
    """A line: see `connector.storage.tables.rollouts`."""

    id: int
    rollout_id: int
    line: int
    site_id: int
    ticket_id: int | None
    quantity: int
    risk: int
    risk_rule: str
    asked_wave: int | None
    wave: int | None
    state: RolloutLineState
    hub_id: int | None
    distance_km: int | None
    mode: Mode | None
    estimated_arrival_at: datetime | None
    reason: str | None
    expected_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class LineOnItsWay:
    """A line with its newest reservation and the parcel of it, if it has had any.

    estimated_delivery_at: as the courier says. ticket_number, ticket_state: of the line's own ticket; None without one,
    and when its source has deleted it.
    """

    line: LineRow
    reservation_id: int | None
    reservation_state: ReservationState | None
    reservation_reason: str | None
    shipment_id: int | None
    shipment_status: ShipmentStatus | None
    estimated_delivery_at: datetime | None = None
    ticket_number: str | None = None
    ticket_state: TicketState | None = None


async def lines_in(
    tx: AsyncConnection,
    rollout_id: int,
    states: Collection[RolloutLineState],
    *,
    wave: int | None = None,
    hub_id: int | None = None,
) -> list[LineRow]:
    """Lines of a rollout in some states, of a wave and a hub if those are given, by line."""
    c = rollout_line.c
    statement = _SELECT.where(c.rollout_id == rollout_id, c.state.in_(states))
    if wave is not None:
        statement = statement.where(c.wave == wave)
    if hub_id is not None:
        statement = statement.where(c.hub_id == hub_id)
    return [LineRow(*row) for row in await tx.execute(statement.order_by(c.line))]


async def rollout_of_line(tx: AsyncConnection, line_id: int) -> int:
    """The rollout that a line is of. Raises NotKnown."""
    statement = select(rollout_line.c.rollout_id).where(rollout_line.c.id == line_id)
    found = (await tx.execute(statement)).scalar_one_or_none()
    if found is None:
        raise NotKnown(f"there is no line of a rollout with id {line_id}")
    return int(found)


async def line_row(tx: AsyncConnection, line_id: int) -> LineRow:
    """The line; lock its rollout first. Raises NotKnown."""
    row = (await tx.execute(_SELECT.where(rollout_line.c.id == line_id))).one_or_none()
    if row is None:
        raise NotKnown(f"there is no line of a rollout with id {line_id}")
    return LineRow(*row)


async def lines_concerned(
    tx: AsyncConnection,
    *,
    reservation_ids: Collection[int],
    shipment_ids: Collection[int],
    ticket_ids: Collection[int],
    line_ids: Collection[int],
) -> dict[int, set[int]]:
    """The lines that these claims, parcels and tickets are for, and these themselves, by their rollouts."""
    found: dict[int, set[int]] = {}
    if ticket_ids or line_ids:
        c = rollout_line.c
        named = or_(among(tx, c.ticket_id, ticket_ids), among(tx, c.id, line_ids))
        of_tickets = select(c.rollout_id, c.id).where(named)
        for rollout_id, line_id in await tx.execute(of_tickets):
            found.setdefault(rollout_id, set()).add(line_id)
    if not reservation_ids and not shipment_ids:
        return found
    of_parcels = select(shipment.c.reservation_id).where(among(tx, shipment.c.id, shipment_ids))
    statement = (
        select(rollout_line.c.rollout_id, rollout_line.c.id)
        .join(reservation, reservation.c.rollout_line_id == rollout_line.c.id)
        .where(or_(among(tx, reservation.c.id, reservation_ids), reservation.c.id.in_(of_parcels)))
        .order_by(rollout_line.c.rollout_id)
    )
    for rollout_id, line_id in await tx.execute(statement):
        found.setdefault(rollout_id, set()).add(line_id)
    return found


async def lines_on_their_way(tx: AsyncConnection, line_ids: Collection[int]) -> list[LineOnItsWay]:
    """Lines with their newest claims, the newest parcels of those, and their own tickets."""
    if not line_ids:
        return []
    newest = (
        select(func.max(reservation.c.id))
        .where(reservation.c.rollout_line_id == rollout_line.c.id)
        .correlate(rollout_line)
        .scalar_subquery()
    )
    parcel = (
        select(func.max(shipment.c.id))
        .where(shipment.c.reservation_id == reservation.c.id, shipment.c.direction == Direction.OUTBOUND)
        .correlate(reservation)
        .scalar_subquery()
    )
    statement = (
        select(
            *_SELECT.selected_columns, reservation.c.id, reservation.c.state, reservation.c.reason, shipment.c.id,
            shipment.c.status, shipment.c.estimated_delivery_at, ticket.c.number, ticket.c.state,
        )
        .select_from(rollout_line)
        .outerjoin(reservation, reservation.c.id == newest)
        .outerjoin(shipment, shipment.c.id == parcel)
        .outerjoin(ticket, and_(ticket.c.id == rollout_line.c.ticket_id, ticket.c.retired_at.is_(None)))
        .where(among(tx, rollout_line.c.id, line_ids))
        .order_by(rollout_line.c.line)
    )  # fmt: skip
    size = len(fields(LineRow))
    return [LineOnItsWay(LineRow(*row[:size]), *row[size:]) for row in await tx.execute(statement)]


async def last_arrival(tx: AsyncConnection, rollout_id: int, wave: int) -> datetime | None:
    """When the last parcel of a wave that is not there yet should arrive; None when nobody has said."""
    c = rollout_line.c
    statement = select(func.max(c.estimated_arrival_at)).where(
        c.rollout_id == rollout_id, c.wave == wave, c.state.in_({*ROLLOUT_LINE_AT_HUB, RolloutLineState.DISPATCHED})
    )
    found: datetime | None = (await tx.execute(statement)).scalar_one()
    return found


async def lines_at(tx: AsyncConnection, rollout_id: int, site_id: int) -> list[LineRow]:
    """Lines of a rollout that go to a site, by line."""
    c = rollout_line.c
    statement = _SELECT.where(c.rollout_id == rollout_id, c.site_id == site_id).order_by(c.line)
    return [LineRow(*row) for row in await tx.execute(statement)]


async def write_lines(
    tx: AsyncConnection,
    pairs: Iterable[tuple[LineRow, LineRow]],
    *,
    actor: str,
    cause: str | None = None,
    at: datetime,
) -> Sequence[LineRow]:
    """Write what lines have become, in two statements; their rollout is locked. pairs: each as it was and as it is.

    Returns those that changed. Raises IllegalTransition when one cannot become that; nothing is written then.
    """
    rows, changes, written = [], [], []
    for before, after in pairs:
        changed = [name for name in _MOVING if getattr(before, name) != getattr(after, name)]
        if not changed:
            continue
        require_move(ROLLOUT_LINE_MOVES, before.state, after.state, what=f"line {before.line} of the rollout")
        rows.append({**{name: getattr(after, name) for name in ("id", *_MOVING)}, "updated_at": at})
        fields_changed = {
            name: (json_value(getattr(before, name)), json_value(getattr(after, name))) for name in changed
        }
        changes.append(NewChange(EntityKind.ROLLOUT_LINE, before.id, "updated", fields_changed))
        written.append(after)
    await update_rows(tx, rollout_line, rows)
    await log_changes(tx, changes, actor=actor, cause=cause, at=at)
    return written


def line_json(line: LineRow) -> dict[str, Any]:
    """The line as a script reads it."""
    return {name: json_value(value) for name, value in asdict(line).items()}


_SELECT = select(*(rollout_line.c[field.name] for field in fields(LineRow)))
