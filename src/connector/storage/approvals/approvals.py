"""Requests for approval: asked once, answered by different people, settled once.

Steps of the caller's transaction. The ticket is locked before its request, and a request before anything else that
belongs to it (see `connector.storage.stock.reserve`). What follows from an answer is the affair of
`connector.fulfilment.approvals`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, InvalidInput, NotKnown
from connector.model.kinds import TaskKind, Verdict
from connector.model.lifecycle import ApprovalState, TaskState
from connector.model.refs import EntityKind
from connector.rules.policy.approvals import Widening, roles_at, terms_of
from connector.rules.policy.reading import Policy
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.locks import lock_ticket
from connector.storage.database.rows import insert_logged, json_value, locked_row, update_logged
from connector.storage.tables import approval, approval_vote
from connector.storage.tickets.tasks import NewTask, move_task, require_task, unfinished_tasks

TIMED_OUT = "time-out"
"""Who decided when nobody did."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody has to say yes to.

    name: under `approvals` in the policy. subject_kind, subject_id: what it is about; what follows from the answer
    goes by them. title, details: for the people who are asked. requested_by: a person or `rules`. key: makes asking
    twice one request; one request per subject and name when it is None.
    """

    name: str
    subject_kind: EntityKind
    subject_id: int
    title: str
    requested_by: str
    ticket_id: int | None = None
    details: str | None = None
    cost_cents: int | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """A request as it is kept: see `connector.storage.tables.approvals`."""

    id: int
    key: str
    name: str
    policy_version: str
    state: ApprovalState
    subject_kind: EntityKind
    subject_id: int
    ticket_id: int | None
    title: str
    details: str | None
    cost_cents: int | None
    requested_by: str
    roles: tuple[str, ...]
    widenings: tuple[Widening, ...]
    announced: int
    needed: int
    on_timeout: Verdict
    on_refusal: Literal["next", "person"]
    requester_may_approve: bool
    deadline_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime

    def roles_at(self, at: datetime) -> tuple[str, ...]:
        """The roles that may answer at a moment."""
        return roles_at(self.roles, self.widenings, at)


async def request_approval(
    tx: AsyncConnection, ask: Ask, policy: Policy, *, actor: str, at: datetime, cause: str | None = None
) -> ApprovalRow:
    """Ask for an approval, and give each role a task; asked again under the same key, the first request is the answer.

    Raises NotKnown when the policy has no such approval.
    """
    stated = policy.approvals.get(ask.name)
    if stated is None:
        known = ", ".join(sorted(policy.approvals)) or "none"
        raise NotKnown(f"policy {policy.version!r} has no approval {ask.name!r}: known are {known}")
    key = ask.key or f"{ask.subject_kind.value}:{ask.subject_id}:{ask.name}"
    known_id = (await tx.execute(select(approval.c.id).where(approval.c.key == key))).scalar_one_or_none()
    if known_id is not None:
        return await approval_row(tx, known_id)
    terms = terms_of(ask.name, stated, at, policy.sourcing.default_time_zone)
    values: dict[str, Any] = {
        "key": key,
        "name": ask.name,
        "policy_version": policy.version,
        "state": ApprovalState.PENDING,
        "subject_kind": ask.subject_kind,
        "subject_id": ask.subject_id,
        "ticket_id": ask.ticket_id,
        "title": ask.title,
        "details": ask.details,
        "cost_cents": ask.cost_cents,
        "requested_by": ask.requested_by,
        "roles": list(terms.roles),
        "widenings": [{"at": json_value(step.at), "roles": list(step.roles)} for step in terms.widenings],
        "announced": 0,
        "needed": terms.count,
        "on_timeout": Verdict(terms.on_timeout),
        "on_refusal": terms.on_refusal,
        "requester_may_approve": terms.requester_may_approve,
        "deadline_at": terms.deadline,
    }
    approval_id = await insert_logged(tx, approval, EntityKind.APPROVAL, values, actor=actor, cause=cause, at=at)
    row = await approval_row(tx, approval_id)
    await _ask_roles(tx, row, row.roles, actor=actor, cause=cause, at=at)
    return row


async def approval_row(tx: AsyncConnection, approval_id: int) -> ApprovalRow:
    """The request as it is, not locked. Raises NotKnown."""
    row = (await tx.execute(select(approval).where(approval.c.id == approval_id))).mappings().one_or_none()
    if row is None:
        raise NotKnown(f"there is no approval with id {approval_id}")
    return _row(row)


async def lock_approval(tx: AsyncConnection, approval_id: int) -> ApprovalRow:
    """The request, its ticket and itself locked in this order until the transaction ends. Raises NotKnown."""
    statement = select(approval.c.ticket_id).where(approval.c.id == approval_id)
    ticket_id = (await tx.execute(statement)).scalar_one_or_none()
    if ticket_id is not None:
        await lock_ticket(tx, ticket_id)
    return _row(await locked_row(tx, approval, EntityKind.APPROVAL, approval_id))


async def cast_vote(
    tx: AsyncConnection,
    row: ApprovalRow,
    verdict: Verdict,
    *,
    voter: str,
    on_behalf_of: str,
    reason: str | None,
    at: datetime,
) -> int:
    """Record an answer to a request that the transaction has locked; how many people have approved now.

    Raises InvalidInput when the voter, or whoever's right that is, has answered before.
    """
    votes = (await tx.execute(select(approval_vote).where(approval_vote.c.approval_id == row.id))).mappings().all()
    for vote in votes:
        if vote["voter"] == voter:
            raise InvalidInput(f"{voter!r} has answered approval {row.id} before: {vote['verdict'].value}")
        if vote["on_behalf_of"] in (on_behalf_of, voter) or vote["voter"] == on_behalf_of:
            raise InvalidInput(
                f"approval {row.id} was answered with the right of {vote['on_behalf_of']!r} before, "
                f"by {vote['voter']!r}: {vote['verdict'].value}",
                hint="Somebody else has to answer as well.",
            )
    values = {"approval_id": row.id, "voter": voter, "on_behalf_of": on_behalf_of, "verdict": verdict}
    await tx.execute(insert(approval_vote).values(**values, reason=reason, cast_at=at))
    told = {"voter": voter, "on_behalf_of": on_behalf_of, "verdict": verdict.value, "reason": reason}
    fields = {"votes": (len(votes), len(votes) + 1), "vote": (None, told)}
    change = NewChange(EntityKind.APPROVAL, row.id, "updated", fields)
    await log_changes(tx, [change], actor=voter, cause=row.name, at=at)
    return sum(vote["verdict"] is Verdict.APPROVE for vote in votes) + (verdict is Verdict.APPROVE)


async def voters(tx: AsyncConnection, approval_id: int, verdict: Verdict) -> list[str]:
    """Who gave this answer, in the order in which they did; `bo for ada` for an answer on behalf of somebody."""
    statement = (
        select(approval_vote.c.voter, approval_vote.c.on_behalf_of)
        .where(approval_vote.c.approval_id == approval_id, approval_vote.c.verdict == verdict)
        .order_by(approval_vote.c.id)
    )
    return [who if who == whose else f"{who} for {whose}" for who, whose in await tx.execute(statement)]


async def settle_approval(
    tx: AsyncConnection,
    row: ApprovalRow,
    state: ApprovalState,
    *,
    by: str,
    reason: str | None,
    actor: str,
    at: datetime,
) -> ApprovalRow:
    """End a request that the transaction has locked, and the tasks of those who were asked.

    Raises IllegalTransition when it has ended before.
    """
    require_pending(row)
    values = {"state": state, "decided_at": at, "decided_by": by, "reason": reason}
    await update_logged(tx, approval, EntityKind.APPROVAL, row.id, values, actor=actor, cause=row.name, at=at)
    unanswered = (ApprovalState.WITHDRAWN, ApprovalState.WAIVED)
    target = TaskState.CANCELLED if state in unanswered else TaskState.DONE
    for item in await unfinished_tasks(tx, approval_id=row.id, kind=TaskKind.APPROVAL):
        await move_task(tx, item.id, target, actor=actor, cause=f"approval {row.id} is {state.value}", at=at)
    return await approval_row(tx, row.id)


def require_pending(row: ApprovalRow, at: datetime | None = None) -> None:
    """Refuse an answer to a request that has ended. Raises IllegalTransition saying how and when.

    at: when it is answered; after the deadline it is too late, also where that has not been settled yet.
    """
    if row.state is ApprovalState.PENDING:
        if at is not None and row.deadline_at <= at:
            raise IllegalTransition(
                f"approval {row.id} ({row.name}) could be answered until {row.deadline_at:%Y-%m-%d %H:%M}Z",
                hint="It counts as the policy says of silence.",
            )
        return
    when = f" at {row.decided_at:%Y-%m-%d %H:%M}Z by {row.decided_by}" if row.decided_at else ""
    why = f": {row.reason}" if row.reason else ""
    raise IllegalTransition(
        f"approval {row.id} ({row.name}) is {row.state.value} already{when}{why}",
        hint="It is settled once; what is wanted now has to be asked for anew.",
    )


async def withdraw_approvals(
    tx: AsyncConnection, kind: EntityKind, subject_id: int, *, reason: str, actor: str, at: datetime
) -> list[ApprovalRow]:
    """End the pending requests about something that is not wanted any more; those that were."""
    statement = select(approval.c.id).where(
        approval.c.subject_kind == kind,
        approval.c.subject_id == subject_id,
        approval.c.state == ApprovalState.PENDING,
    )
    ids = list((await tx.execute(statement.order_by(approval.c.id))).scalars())
    withdrawn = []
    for approval_id in ids:
        row = await lock_approval(tx, approval_id)
        if row.state is ApprovalState.PENDING:
            withdrawn.append(
                await settle_approval(tx, row, ApprovalState.WITHDRAWN, by=actor, reason=reason, actor=actor, at=at)
            )
    return withdrawn


async def overdue_approvals(tx: AsyncConnection, at: datetime, *, limit: int = 500) -> list[int]:
    """Ids of pending requests whose time is over, the longest over first."""
    statement = (
        select(approval.c.id)
        .where(approval.c.state == ApprovalState.PENDING, approval.c.deadline_at <= at)
        .order_by(approval.c.deadline_at, approval.c.id)
        .limit(limit)
    )
    return list((await tx.execute(statement)).scalars())


async def escalate(tx: AsyncConnection, approval_id: int, *, actor: str, at: datetime) -> bool:
    """Ask the further roles whose time has come; False when there are none that were not asked."""
    row = await lock_approval(tx, approval_id)
    due = sum(step.at <= at for step in row.widenings)
    if row.state is not ApprovalState.PENDING or due <= row.announced:
        return False
    await update_logged(
        tx, approval, EntityKind.APPROVAL, row.id, {"announced": due}, actor=actor, cause=row.name, at=at
    )
    new = [role for step in row.widenings[row.announced : due] for role in step.roles]
    await _ask_roles(tx, row, new, actor=actor, cause="nobody has answered yet", at=at)
    return True


async def to_escalate(tx: AsyncConnection, at: datetime, *, limit: int = 500) -> list[int]:
    """Ids of pending requests of which further roles are to be asked by now."""
    statement = (
        select(approval.c.id, approval.c.widenings, approval.c.announced)
        .where(approval.c.state == ApprovalState.PENDING, approval.c.deadline_at > at)
        .order_by(approval.c.id)
    )
    rows = (await tx.execute(statement)).all()
    found = [row.id for row in rows if sum(step.at <= at for step in _widenings(row.widenings)) > row.announced]
    return found[:limit]


async def _ask_roles(
    tx: AsyncConnection, row: ApprovalRow, roles: Sequence[str], *, actor: str, cause: str | None, at: datetime
) -> None:
    for role in dict.fromkeys(roles):
        new = NewTask(
            key=f"approval:{row.id}:{role}",
            kind=TaskKind.APPROVAL,
            title=row.title,
            instructions=row.details,
            ticket_id=row.ticket_id,
            reservation_id=row.subject_id if row.subject_kind is EntityKind.RESERVATION else None,
            approval_id=row.id,
            assignee=role,
            due_at=row.deadline_at,
        )
        await require_task(tx, new, actor=actor, cause=cause, at=at)


def _row(row: Any) -> ApprovalRow:
    values = {name: row[name] for name in ApprovalRow.__slots__}
    return ApprovalRow(**{**values, "roles": tuple(row["roles"]), "widenings": _widenings(row["widenings"])})


def _widenings(given: Collection[Any]) -> tuple[Widening, ...]:
    return tuple(Widening(datetime.fromisoformat(item["at"]), tuple(item["roles"])) for item in given)
