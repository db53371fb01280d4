"""Claims that wait for an approval: which they are, and how long they are held.

One request for approval is about everything that one decision claimed for good; its subject is the first of those
claims. A unit that is lent waits for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition
from connector.model.lifecycle import APPROVAL_GIVEN, RESERVATION_LIVE, ApprovalState, ReservationState
from connector.model.refs import EntityKind
from connector.storage.database.rows import update_logged
from connector.storage.tables import LOAN_LINE, approval, reservation


@dataclass(frozen=True, slots=True)
class WaitingClaim:
    """A live claim that an approval is about."""

    id: int
    ticket_id: int
    state: ReservationState


def has_approval(*states: ApprovalState) -> ColumnElement[bool]:
    """Whether a row of `reservation`, or another one of its decision, is the subject of an approval in such a state."""
    subject = reservation.alias("subject")
    return (
        exists()
        .where(
            approval.c.subject_kind == EntityKind.RESERVATION,
            approval.c.subject_id == subject.c.id,
            approval.c.state.in_(states),
            or_(subject.c.id == reservation.c.id, subject.c.decision_id == reservation.c.decision_id),
        )
        .correlate(reservation)
    )


async def is_approved(tx: AsyncConnection, reservation_id: int) -> bool:
    """Whether what a claim waits for has been given, or is not needed any more."""
    statement = select(has_approval(*APPROVAL_GIVEN)).where(reservation.c.id == reservation_id)
    return bool((await tx.execute(statement)).scalar_one())


async def require_approved(tx: AsyncConnection, reservation_id: int, approval_name: str | None, verb: str) -> None:
    """Refuse to do something to a claim that still waits for an approval, which is about that claim as it is.

    verb: what is to be done, for the message. Raises IllegalTransition.
    """
    if approval_name is not None and not await is_approved(tx, reservation_id):
        raise IllegalTransition(
            f"reservation {reservation_id} waits for approval {approval_name!r}, so it cannot be {verb}",
            hint="Have it answered first (`connector approvals list`), or release the reservation.",
        )


async def subject_of(tx: AsyncConnection, reservation_id: int) -> int:
    """The claim that a request for approval names as its subject: the first one of the same decision."""
    decision_id = select(reservation.c.decision_id).where(reservation.c.id == reservation_id).scalar_subquery()
    statement = select(func.min(reservation.c.id)).where(
        reservation.c.decision_id == decision_id, reservation.c.line != LOAN_LINE
    )
    return int((await tx.execute(statement)).scalar_one() or reservation_id)


async def waiting_claims(tx: AsyncConnection, subject_id: int, *, locked: bool = True) -> tuple[WaitingClaim, ...]:
    """The live claims that an approval with this subject is about, by id; components of kits follow theirs.

    Before they are locked, their ticket is.
    """
    decision_id = select(reservation.c.decision_id).where(reservation.c.id == subject_id).scalar_subquery()
    statement = (
        select(reservation.c.id, reservation.c.ticket_id, reservation.c.state)
        .where(
            or_(reservation.c.id == subject_id, reservation.c.decision_id == decision_id),
            reservation.c.state.in_(RESERVATION_LIVE),
            reservation.c.ships_with_id.is_(None),
            reservation.c.line != LOAN_LINE,
        )
        .order_by(reservation.c.id)
    )
    if locked:
        statement = statement.with_for_update()
    return tuple(WaitingClaim(*row) for row in (await tx.execute(statement)).all())


async def hold_until(
    tx: AsyncConnection, reservation_id: int, until: datetime, *, actor: str, cause: str | None, at: datetime
) -> None:
    """A held claim, which the transaction has locked, is held until then."""
    values = {"expires_at": until}
    await update_logged(
        tx, reservation, EntityKind.RESERVATION, reservation_id, values, actor=actor, cause=cause, at=at
    )
