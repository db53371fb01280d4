"""Recoveries: which parcels were in trouble, and what became of them and of the second units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import Trouble
from connector.model.lifecycle import RECOVERY_MOVES, RecoveryState, ReservationState, require_move
from connector.model.refs import EntityKind
from connector.storage.database.receipts import find_receipt
from connector.storage.database.rows import insert_logged, locked_row, update_logged
from connector.storage.stock.stopping import stop_key
from connector.storage.stock.succession import LEFT_BEFORE
from connector.storage.tables import recovery, reservation


@dataclass(frozen=True, slots=True)
class RecoveryRow:
    """A recovery as the database holds it."""

    id: int
    ticket_id: int
    line: int
    shipment_id: int
    reservation_id: int | None
    decision_id: int | None
    trouble: Trouble
    state: RecoveryState
    reason: str
    predicted_at: datetime | None


async def recovery_of_line(tx: AsyncConnection, ticket_id: int, line: int) -> RecoveryRow | None:
    """What was done about the parcel of a ticket's line; None when nothing was."""
    statement = select(recovery).where(recovery.c.ticket_id == ticket_id, recovery.c.line == line)
    row = (await tx.execute(statement)).mappings().one_or_none()
    return None if row is None else _row(row)


async def recovery_about(tx: AsyncConnection, *, shipment_id: int, reservation_id: int | None) -> RecoveryRow | None:
    """The recovery whose first parcel, or whose second unit, this is; None when there is none."""
    about = [recovery.c.shipment_id == shipment_id]
    if reservation_id is not None:
        about.append(recovery.c.reservation_id == reservation_id)
    row = (await tx.execute(select(recovery).where(or_(*about)).order_by(recovery.c.id).limit(1))).mappings()
    found = row.one_or_none()
    return None if found is None else _row(found)


async def recovery_of_second(tx: AsyncConnection, reservation_id: int) -> RecoveryRow | None:
    """The recovery whose second unit a reservation claims, as long as that is on its way; None when there is none."""
    statement = select(recovery).where(
        recovery.c.reservation_id == reservation_id, recovery.c.state == RecoveryState.SOURCED
    )
    row = (await tx.execute(statement)).mappings().one_or_none()
    return None if row is None else _row(row)


@dataclass(frozen=True, slots=True)
class EndedSecond:
    """How the claim of a second unit has ended before that left its hub.

    heir: the claim that a dispatcher's move or split has put in its place; None when there is none. is_lost: it went to
    another ticket, or was not approved, so that nobody has decided that there should be none. reason: for people.
    """

    heir: int | None
    is_lost: bool
    reason: str


async def ended_second(tx: AsyncConnection, reservation_id: int) -> EndedSecond | None:
    """How a second unit's claim has ended; None when it has not, or its unit has left."""
    c, new = reservation.c, reservation.alias("new")
    [old] = await tx.execute(
        select(c.ticket_id, c.line, c.state, c.reason, c.approval_name).where(c.id == reservation_id)
    )
    if old.state not in (ReservationState.RELEASED, ReservationState.EXPIRED):
        return None
    heirs = await tx.execute(
        select(new.c.id, new.c.ticket_id).where(new.c.replaces_id == reservation_id).order_by(new.c.line, new.c.id)
    )
    found = [(row.id, row.ticket_id == old.ticket_id) for row in heirs]
    reason = old.reason or "it was given up"
    is_stopped = await find_receipt(tx, stop_key(reservation_id)) is not None
    return EndedSecond(
        heir=next((number for number, is_own in found if is_own), None),
        is_lost=any(not is_own for _, is_own in found)
        or (old.approval_name is not None and not is_stopped)
        or reason.startswith(LEFT_BEFORE),
        reason=reason,
    )


async def recovery_row(tx: AsyncConnection, recovery_id: int) -> RecoveryRow:
    """The recovery, locked until the transaction ends. Raises NotKnown."""
    return _row(await locked_row(tx, recovery, EntityKind.RECOVERY, recovery_id))


async def begin_recovery(
    tx: AsyncConnection,
    *,
    ticket_id: int,
    line: int,
    shipment_id: int,
    reservation_id: int | None,
    decision_id: int | None,
    trouble: Trouble,
    reason: str,
    predicted_at: datetime | None,
    actor: str,
    at: datetime,
) -> int:
    """Record what is done about a parcel: a second unit, or, without one, that a person was asked; returns its id."""
    values = {
        "ticket_id": ticket_id,
        "line": line,
        "shipment_id": shipment_id,
        "reservation_id": reservation_id,
        "decision_id": decision_id,
        "trouble": trouble,
        "state": RecoveryState.ASKED if reservation_id is None else RecoveryState.SOURCED,
        "reason": reason,
        "predicted_at": predicted_at,
    }
    return await insert_logged(tx, recovery, EntityKind.RECOVERY, values, actor=actor, at=at)


async def move_recovery(
    tx: AsyncConnection,
    current: RecoveryRow,
    target: RecoveryState,
    *,
    actor: str,
    at: datetime,
    **values: Any,
) -> bool:
    """Move a recovery to a state and set columns with it; False when nothing changes.

    Raises IllegalTransition naming the legal states.
    """
    if target is not current.state:
        require_move(RECOVERY_MOVES, current.state, target, what=f"recovery {current.id}")
    return await update_logged(
        tx, recovery, EntityKind.RECOVERY, current.id, {"state": target, **values}, actor=actor, at=at
    )


def _row(row: Any) -> RecoveryRow:
    return RecoveryRow(**{name: row[name] for name in RecoveryRow.__slots__})
