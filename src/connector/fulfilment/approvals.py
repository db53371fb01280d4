"""Answers to requests for approval, what follows from them, and what silence means.

What follows goes by what the request is about, in the transaction that settles it: `FOLLOWS`. Workflows and tickets
hear of it through the change log, as of everything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeAlias
from zlib import crc32

from connector.fulfilment.once import once
from connector.fulfilment.rollouts import begin
from connector.fulfilment.work import Work
from connector.model.errors import Forbidden, InvalidInput
from connector.model.kinds import Verdict
from connector.model.lifecycle import APPROVAL_GIVEN, ApprovalState, ProcurementState, ReservationState, RolloutState
from connector.model.principals import COMMAND_LINE, Principal
from connector.model.refs import EntityKind
from connector.sdk import Clock
from connector.storage.approvals.approvals import (
    TIMED_OUT,
    ApprovalRow,
    approval_row,
    cast_vote,
    escalate,
    lock_approval,
    overdue_approvals,
    require_pending,
    settle_approval,
    to_escalate,
    voters,
)
from connector.storage.approvals.delegations import (
    NewDelegation,
    add_delegation,
    delegation_row,
    end_delegation,
    rights_of,
)
from connector.storage.database.engine import Transaction, in_transaction, reading
from connector.storage.rollouts.rollouts import lock_rollout, write_rollout
from connector.storage.stock.reserve import release_reservation
from connector.storage.stock.waiting import hold_until, waiting_claims
from connector.storage.tickets.procurements import lock_procurement, move_procurement

HOLD: Final = timedelta(hours=1)
"""How long a unit that was approved is held until the workflow commits it."""

Follow: TypeAlias = Callable[[Transaction, ApprovalRow, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Consequences:
    """What happens to the subject of a request, in the transaction that settles it."""

    approved: Follow
    refused: Follow


async def _keep_claims(tx: Transaction, row: ApprovalRow, at: datetime) -> None:
    """The units stay; the reader of the change log starts what sends them."""
    for claim in await waiting_claims(tx, row.subject_id):
        if claim.state is ReservationState.HELD:
            await hold_until(tx, claim.id, at + HOLD, actor=_actor(row), cause=f"approval {row.id}", at=at)


async def _give_back(tx: Transaction, row: ApprovalRow, at: datetime) -> None:
    """The units go back to their shelves; the reader of the change log has the ticket decided anew."""
    reason = f"approval {row.name!r} was not given: {row.reason}"
    for claim in await waiting_claims(tx, row.subject_id):
        await release_reservation(tx, claim.id, actor=_actor(row), at=at, reason=reason, cause=f"approval {row.id}")


async def _begin_rollout(tx: Transaction, row: ApprovalRow, at: datetime) -> None:
    """The rollout that somebody wanted to start begins, unless it was cancelled meanwhile."""
    rollout = await lock_rollout(tx, row.subject_id)
    if rollout.state is RolloutState.PLANNED:
        await begin(tx, rollout, actor=_actor(row), at=at)


async def _leave_rollout(tx: Transaction, row: ApprovalRow, at: datetime) -> None:
    """The rollout does not begin; it says why."""
    rollout = await lock_rollout(tx, row.subject_id)
    reason = f"approval {row.name!r} was not given: {row.reason}"
    await write_rollout(tx, rollout, {"reason": reason}, actor=_actor(row), cause=f"approval {row.id}", at=at)


async def _place(tx: Transaction, row: ApprovalRow, at: datetime) -> None:
    """The order may be placed; the reader of the change log has somebody do it."""
    await _settle_order(tx, row, ProcurementState.APPROVED, None, at)


async def _refuse_order(tx: Transaction, row: ApprovalRow, at: datetime) -> None:
    """Nothing is ordered there for the ticket; the reader of the change log has it decided anew."""
    await _settle_order(tx, row, ProcurementState.REFUSED, f"approval {row.name!r} was not given: {row.reason}", at)


async def _settle_order(
    tx: Transaction, row: ApprovalRow, state: ProcurementState, reason: str | None, at: datetime
) -> None:
    ordered = await lock_procurement(tx, row.subject_id)
    if ordered.state is ProcurementState.REQUESTED:
        values = {"reason": reason}
        await move_procurement(tx, ordered, state, values, actor=_actor(row), cause=f"approval {row.id}", at=at)


FOLLOWS: Final[Mapping[EntityKind, Consequences]] = {
    EntityKind.RESERVATION: Consequences(approved=_keep_claims, refused=_give_back),
    EntityKind.ROLLOUT: Consequences(approved=_begin_rollout, refused=_leave_rollout),
    EntityKind.PROCUREMENT: Consequences(approved=_place, refused=_refuse_order),
}
"""What follows, by what a request is about."""

Holders: TypeAlias = Callable[[str], frozenset[str]]
"""The roles that somebody holds now, by their name; none for somebody who is there no more."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How a request stands after an answer. given: different people who have approved so far, of those needed."""

    approval_id: int
    state: ApprovalState
    given: int
    needed: int


class Approvals:
    """Answers, delegations, and what time brings."""

    def __init__(self, work: Work, holders: Holders) -> None:
        self._work = work
        self._holders = holders

    def at(self, clock: Clock) -> Approvals:
        """The same for answers that were given at another time, as that clock has it."""
        return Approvals(replace(self._work, clock=clock), self._holders)

    def roles_of(self, name: str) -> frozenset[str]:
        """The roles that somebody holds now; none for whom the hub does not know."""
        return self._holders(name)

    async def answer(
        self, approval_id: int, verdict: Verdict, *, by: Principal, reason: str | None, key: str
    ) -> Answered:
        """Approve or reject, with a right of one's own or on behalf of somebody who delegated theirs.

        The last answer that is needed settles the request, and so does the first rejection.
        Raises NotKnown, InvalidInput for a rejection without reason or a second answer, Forbidden without a right to
        answer, IllegalTransition when it is settled already, also by time running out.
        """
        said = (reason or "").strip() or None
        if verdict is Verdict.REJECT and said is None:
            raise InvalidInput("a rejection needs a reason: it is told to the ticket and kept", hint="Write why.")

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            row = await lock_approval(tx, approval_id)
            require_pending(row, at)
            whose = await self._right(tx, row, verdict, by, at)
            given = await cast_vote(tx, row, verdict, voter=by.name, on_behalf_of=whose, reason=said, at=at)
            if verdict is Verdict.REJECT:
                row = await settle(tx, row, ApprovalState.REJECTED, by=by.name, reason=said, at=at)
            elif given >= row.needed:
                people = ", ".join(await voters(tx, row.id, Verdict.APPROVE))
                row = await settle(tx, row, ApprovalState.APPROVED, by=people, reason=said, at=at)
            return {"approval_id": row.id, "state": row.state.value, "given": given, "needed": row.needed}

        async with reading(self._work.database) as tx:
            await approval_row(tx, approval_id)  # raises NotKnown before a key is spent
        settling = partial(time_out, approval_id=approval_id, at=self._work.clock.now())
        await in_transaction(self._work.database, settling)
        result = await once(self._work, f"answer-{verdict.value}", key, approval_id, do)
        return Answered(**{**result, "state": ApprovalState(result["state"])})

    async def delegate(
        self,
        *,
        by: Principal,
        to: str,
        roles: tuple[str, ...] | None,
        until: datetime,
        since: datetime | None,
        reason: str,
        key: str,
        of: str | None = None,
    ) -> int:
        """Let somebody answer in one's place until then, once per key; the delegation's id.

        roles: those to pass on, all of one's own but `admin` when None. of: whose place it is, by themselves unless
        an administrator does it for somebody who is away.
        Raises InvalidInput, Forbidden when another's place is given away, or roles that one does not have.
        """
        whose = of or by.name
        if whose != by.name:
            by.require((), f"delegate for {whose!r}")
        held = by.roles if whose == by.name else self._holders(whose)
        passed_on = tuple(sorted(held - {"admin"})) if roles is None else tuple(dict.fromkeys(roles))
        if not passed_on:
            raise InvalidInput("no role is to be passed on", hint="Name the roles, for example `approver`.")
        Principal(whose, held).require_all(passed_on, "pass on")
        if not reason.strip():
            raise InvalidInput("a reason is needed: it is kept with the delegation", hint="Write why.")
        if not to.strip():
            raise InvalidInput("nobody is named who is to answer", hint="Name a key, or `cli:` and an account.")
        if not self._holders(whose):
            raise InvalidInput(
                f"nobody could stand in for {whose!r}: the hub knows their roles only while they show a token",
                hint="Give the deputy a group that has the role under [auth.oidc.roles], or delegate from a key.",
            )
        at = self._work.clock.now()
        new = NewDelegation(whose, to.strip(), passed_on, since or at, until, reason.strip())

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            return {"id": await add_delegation(tx, new, by=by.name, at=at)}

        meant = f"{new.delegator} {new.delegate} {new.ends_at.isoformat()}"
        number: int = (await once(self._work, "delegate", key, crc32(meant.encode()), do))["id"]
        return number

    async def end_delegation(self, delegation_id: int, *, by: Principal, key: str) -> None:
        """Take a delegation back, once per key.

        Raises NotKnown, Forbidden unless it is one's own, IllegalTransition when it is over.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            row = await delegation_row(tx, delegation_id)
            if row["delegator"] != by.name:
                by.require((), f"end the delegation of {row['delegator']!r}")
            await end_delegation(tx, delegation_id, by=by.name, at=at)
            return {}

        await once(self._work, "end-delegation", key, delegation_id, do)

    async def tend(self) -> int:
        """What time brings: settle what nobody answered, ask further roles; how many requests that concerned."""
        settled = await self.settle_overdue()
        now = self._work.clock.now()
        async with reading(self._work.database) as tx:
            waiting = await to_escalate(tx, now)
        for approval_id in waiting:
            await in_transaction(
                self._work.database, partial(escalate, approval_id=approval_id, actor=TIMED_OUT, at=now)
            )
        return settled + len(waiting)

    async def settle_overdue(self) -> int:
        """Settle requests whose time is over, each in a transaction of its own; how many that were.

        Safe in any number of processes: each is locked and looked at again before it is settled.
        """
        now = self._work.clock.now()
        async with reading(self._work.database) as tx:
            due = await overdue_approvals(tx, now)
        settled = 0
        for approval_id in due:
            settled += await in_transaction(self._work.database, partial(time_out, approval_id=approval_id, at=now))
        return settled

    async def _right(self, tx: Transaction, row: ApprovalRow, verdict: Verdict, by: Principal, at: datetime) -> str:
        """Whose right to answer is used. Raises Forbidden when there is none."""
        roles = row.roles_at(at)
        may_answer = row.requester_may_approve or verdict is Verdict.REJECT
        if by.has_any(roles) and (may_answer or by.name != row.requested_by):
            return by.name
        for right in await rights_of(tx, by.name, at, roles):
            holds = self._holders(right.delegator)
            is_held = Principal(right.delegator, holds & (right.roles | {"admin"})).has_any(roles)
            if is_held and (may_answer or row.requested_by not in (right.delegator, by.name)):
                return right.delegator
        if by.name == row.requested_by and not may_answer:
            raise Forbidden(
                f"{by.name!r} asked for approval {row.id} ({row.name}) and may not give it as well",
                hint=f"Somebody else with the role {' or '.join(roles)} has to answer.",
            )
        by.require(roles, f"answer approval {row.id} ({row.name})")
        raise AssertionError("whoever has the role has a right of their own, or asked for it")


async def settle(
    tx: Transaction, row: ApprovalRow, state: ApprovalState, *, by: str, reason: str | None, at: datetime
) -> ApprovalRow:
    """End a request that the transaction has locked, and do what follows from that."""
    settled = await settle_approval(tx, row, state, by=by, reason=reason, actor=by, at=at)
    follows = FOLLOWS.get(row.subject_kind)
    if follows is not None:
        await (follows.approved if state in APPROVAL_GIVEN else follows.refused)(tx, settled, at)
    return settled


async def time_out(tx: Transaction, approval_id: int, *, at: datetime) -> bool:
    """Settle a request that nobody has answered in time; False when it is settled, or its time is not over."""
    row = await lock_approval(tx, approval_id)
    if row.state is not ApprovalState.PENDING or row.deadline_at > at:
        return False
    yes = row.on_timeout is Verdict.APPROVE
    given = len(await voters(tx, row.id, Verdict.APPROVE))
    counted = f"{given} of {row.needed} had approved" if given else "nobody had answered"
    reason = f"{counted} by {row.deadline_at:%Y-%m-%d %H:%M}Z, which means {'yes' if yes else 'no'}"
    state = ApprovalState.APPROVED if yes else ApprovalState.REJECTED
    await settle(tx, row, state, by=TIMED_OUT, reason=reason, at=at)
    return True


def _actor(row: ApprovalRow) -> str:
    return row.decided_by or TIMED_OUT


def holders_of(keys: Mapping[str, frozenset[str]]) -> Holders:
    """Who holds which roles, by the names of keys; whoever has the database in hand holds `admin`."""

    def roles(name: str) -> frozenset[str]:
        return frozenset({"admin"}) if name.startswith(COMMAND_LINE) else keys.get(name, frozenset())

    return roles
