"""Requests for approval as lists for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.lifecycle import ApprovalState
from connector.model.refs import EntityKind
from connector.storage.approvals.approvals import ApprovalRow, approval_row
from connector.storage.tables import approval, approval_vote, procurement, reservation, ticket


@dataclass(frozen=True, slots=True)
class ListedApproval:
    """A request in a list. given: different people who have approved so far. ticket: its number."""

    id: int
    name: str
    state: ApprovalState
    title: str
    ticket: str | None
    given: int
    needed: int
    deadline_at: datetime
    decided_by: str | None


async def list_approvals(
    tx: AsyncConnection, *, state: ApprovalState | None = ApprovalState.PENDING, limit: int = 100
) -> list[ListedApproval]:
    """Requests in a state, the most urgent first; of all states, the newest first, when it is None."""
    given = (
        select(func.count())
        .where(approval_vote.c.approval_id == approval.c.id, approval_vote.c.verdict == "approve")
        .correlate(approval)
        .scalar_subquery()
    )
    statement = (
        select(
            approval.c.id, approval.c.name, approval.c.state, approval.c.title, ticket.c.number, given,
            approval.c.needed, approval.c.deadline_at, approval.c.decided_by,
        )
        .outerjoin(ticket, ticket.c.id == approval.c.ticket_id)
        .limit(limit)
    )  # fmt: skip
    if state is None:
        statement = statement.order_by(approval.c.id.desc())
    else:
        statement = statement.where(approval.c.state == state).order_by(approval.c.deadline_at, approval.c.id)
    return [ListedApproval(*row) for row in await tx.execute(statement)]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: who gave it, with whose right, what and why."""

    voter: str
    on_behalf_of: str
    verdict: str
    reason: str | None
    cast_at: datetime


async def show_approval(tx: AsyncConnection, approval_id: int) -> tuple[ApprovalRow, list[Answer]]:
    """A request with its answers, the oldest first. Raises NotKnown."""
    row = await approval_row(tx, approval_id)
    statement = select(approval_vote).where(approval_vote.c.approval_id == approval_id).order_by(approval_vote.c.id)
    answers: list[Any] = list((await tx.execute(statement)).mappings())
    return row, [
        Answer(vote["voter"], vote["on_behalf_of"], vote["verdict"].value, vote["reason"], vote["cast_at"])
        for vote in answers
    ]


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a request. decided_by: as in the table."""

    name: str
    state: ApprovalState
    at: datetime
    decided_by: str
    reason: str | None


async def ended_approvals(tx: AsyncConnection, decision_id: int) -> list[Ended]:
    """What became of the requests about what a decision claimed or ordered, in the order in which it was asked for."""
    claimed = select(reservation.c.id).where(reservation.c.decision_id == decision_id)
    ordered = select(procurement.c.id).where(procurement.c.decision_id == decision_id)
    c = approval.c
    statement = (
        select(c.name, c.state, c.decided_at, c.decided_by, c.reason)
        .where(
            c.state != ApprovalState.PENDING,
            or_(
                and_(c.subject_kind == EntityKind.RESERVATION, c.subject_id.in_(claimed)),
                and_(c.subject_kind == EntityKind.PROCUREMENT, c.subject_id.in_(ordered)),
            ),
        )
        .order_by(c.id)
    )
    return [Ended(*row) for row in await tx.execute(statement)]
