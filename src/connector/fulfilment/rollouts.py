"""What a planner does with rollouts. Each command is one transaction and may be repeated under its key.

Everything that follows outside, labels and notes, is started by the reader of the change log: these commands need
nothing but the database, so that they can be given from the command line while the hub runs elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from zlib import crc32

from connector.fulfilment.once import Do, once_in
from connector.fulfilment.rollout_answers import PlanResult
from connector.fulfilment.rollout_course import ACTOR, Planned, advance_locked, make_plan, stop
from connector.fulfilment.rollout_draft import NewRollout, checked, require_open_ticket
from connector.fulfilment.rollout_tasks import close_questions
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.lifecycle import (
    ROLLOUT_LINE_OPEN,
    ApprovalState,
    RolloutLineState,
    RolloutState,
)
from connector.model.refs import EntityKind
from connector.rules.arrival.due import service_class_of
from connector.rules.facts.facts import SourcingFacts
from connector.rules.policy.conditions import Facts
from connector.rules.policy.rollouts import risk_of
from connector.rules.sourcing.scope import scope_of
from connector.sdk import Clock
from connector.storage.approvals.approvals import Ask, request_approval, withdraw_approvals
from connector.storage.database.engine import Database, Transaction, reading
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.rollouts.facts import rollout_product, rollout_sites, rollout_ticket
from connector.storage.rollouts.lines import (
    LineRow,
    lines_in,
    write_lines,
)
from connector.storage.rollouts.rollouts import (
    RolloutRow,
    insert_rollout,
    lock_rollout,
    rollout_row,
    rollouts_of_ticket,
    tally,
    write_rollout,
)
from connector.storage.tickets.own_tickets import own_ticket

_NEVER_BEGAN: Final = frozenset({RolloutState.DRAFT, RolloutState.PLANNED})


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """What a command came to. state: of the rollout afterwards. waits_for: the approval that it waits for, if any."""

    rollout_id: int
    state: RolloutState
    waits_for: str | None = None


@dataclass(frozen=True, slots=True)
class Rollouts:
    """The commands, on the hub's database."""

    database: Database
    clock: Clock
    policy: PolicySource = field(repr=False)

    async def create(self, new: NewRollout, *, key: str, actor: str) -> int:
        """Keep a rollout as a draft; returns its id. Nothing is claimed.

        Raises NotKnown, InvalidInput naming what is wrong, IllegalTransition when its ticket is over.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            policy = await policy_now(tx, self.policy)
            values, lines = await checked(tx, new, policy)
            if new.ticket_id is None:
                text = f"Made by Connector for rollout {new.name!r}."
                title = f"Rollout: {new.name}"
                values["ticket_id"] = await own_ticket(tx, title=title, description=text, author=actor, at=at)
            return {"rollout_id": await insert_rollout(tx, values, lines, author=actor, at=at)}

        result = await self._once("create-rollout", key, crc32(new.name.encode()), do)
        return int(result["rollout_id"])

    async def plan(self, rollout_id: int, *, key: str, actor: str) -> PlanResult:
        """Decide what comes from where in which wave, for all lines that have no unit yet; again whenever asked.

        Risks are those of the active policy as long as it has not begun. Raises NotKnown, IllegalTransition when it is
        over.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            rollout, before, planned = await self._worked_out(tx, await lock_rollout(tx, rollout_id), at)
            known, cause = {line.id: line for line in before}, f"rollout {rollout.name}"
            pairs = [(known[line.id], after) for line, after in planned.planned_lines()]
            await write_lines(tx, pairs, actor=actor, cause=cause, at=at)
            values: dict[str, Any] = {"plan": planned.kept()}
            if rollout.state is RolloutState.DRAFT:
                values["state"] = RolloutState.PLANNED
            rollout = await write_rollout(tx, rollout, values, actor=actor, cause=cause, at=at)
            rollout = await advance_locked(tx, rollout, policy=self.policy, now=at, actor=actor)
            return PlanResult.of(rollout, planned, is_kept=True).kept()

        return PlanResult.again(await self._once("plan-rollout", key, rollout_id, do))

    async def look(self, rollout_id: int) -> PlanResult:
        """What `plan` would decide now; nothing is changed. Raises as it does."""
        async with reading(self.database) as tx:
            rollout, _, planned = await self._worked_out(tx, await rollout_row(tx, rollout_id), self.clock.now())
            return PlanResult.of(rollout, planned, is_kept=False)

    async def start(self, rollout_id: int, *, key: str, actor: str) -> RolloutResult:
        """Begin a planned rollout, at once or at its time; where it needs an approval, when that is given.

        Raises NotKnown, IllegalTransition unless it is planned and its ticket open.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            rollout = await lock_rollout(tx, rollout_id)
            if rollout.state is not RolloutState.PLANNED:
                what = "plan it first" if rollout.state is RolloutState.DRAFT else "only a planned one can begin"
                raise IllegalTransition(f"rollout {rollout.name!r} is {rollout.state.value}: {what}")
            await require_open_ticket(tx, rollout.ticket_id)
            if rollout.approval is not None and not await self._is_approved(tx, rollout, actor=actor, at=at):
                return {"state": rollout.state.value, "waits_for": rollout.approval}
            return _answer(await begin(tx, rollout, policy=self.policy, actor=actor, at=at))

        return await self._moved("start-rollout", key, rollout_id, do)

    async def pause(self, rollout_id: int, *, reason: str, key: str, actor: str) -> RolloutResult:
        """Stop a running rollout for a while; units that have not left their hubs are given back.

        Raises NotKnown, InvalidInput without a reason, IllegalTransition unless it is running.
        """
        return await self._stopped("pause-rollout", rollout_id, RolloutState.PAUSED, reason, key, actor)

    async def halt(self, rollout_id: int, *, reason: str, key: str, actor: str) -> RolloutResult:
        """Stop a rollout because something is wrong with it, as it does by itself when too much fails.

        Raises NotKnown, InvalidInput without a reason, IllegalTransition unless it is running or paused.
        """
        return await self._stopped("halt-rollout", rollout_id, RolloutState.HALTED, reason, key, actor)

    async def cancel(self, rollout_id: int, *, reason: str, key: str, actor: str) -> RolloutResult:
        """End a rollout; what is on its way arrives, everything else is given back.

        Raises NotKnown, InvalidInput without a reason, IllegalTransition when it is over.
        """
        return await self._stopped("cancel-rollout", rollout_id, RolloutState.CANCELLED, reason, key, actor)

    async def resume(self, rollout_id: int, *, reason: str, key: str, actor: str) -> RolloutResult:
        """Go on with a rollout that was paused or halted.

        Failures so far no longer count for a halt, and the newest wave counts as done. Raises NotKnown, InvalidInput
        without a reason, IllegalTransition unless it is paused or halted.
        """
        text = _given(reason)

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            rollout = await lock_rollout(tx, rollout_id)
            if rollout.state not in (RolloutState.PAUSED, RolloutState.HALTED):
                raise IllegalTransition(
                    f"rollout {rollout.name!r} is {rollout.state.value}: only a paused or halted one is resumed"
                )
            values: dict[str, Any] = {"state": RolloutState.RUNNING, "reason": text}
            if rollout.state is RolloutState.HALTED:
                values |= {"counted_from": at, "settled_at": at if rollout.wave else None}
                await close_questions(tx, rollout, actor=actor, at=at)
            rollout = await write_rollout(tx, rollout, values, actor=actor, cause=f"rollout {rollout.name}", at=at)
            rollout = await advance_locked(tx, rollout, policy=self.policy, now=at, actor=actor)
            return _answer(rollout)

        return await self._moved("resume-rollout", key, rollout_id, do)

    async def _worked_out(
        self, tx: Transaction, rollout: RolloutRow, now: datetime
    ) -> tuple[RolloutRow, list[LineRow], Planned]:
        """The rollout, its lines without a unit as they are, and the plan for them. Raises IllegalTransition."""
        if rollout.is_over:
            raise IllegalTransition(f"rollout {rollout.name!r} is {rollout.state.value}: nothing is left to plan")
        before = await lines_in(tx, rollout.id, ROLLOUT_LINE_OPEN)
        lines = await self._with_risk(tx, rollout, before) if rollout.state in _NEVER_BEGAN else before
        return rollout, before, await make_plan(tx, rollout, lines, await policy_now(tx, self.policy), now=now)

    async def _with_risk(self, tx: Transaction, rollout: RolloutRow, lines: Sequence[LineRow]) -> list[LineRow]:
        """The lines with the risk that the active policy gives their sites."""
        policy = await policy_now(tx, self.policy)
        ticket = (await rollout_ticket(tx, rollout.ticket_id)).facts
        product = (await rollout_product(tx, rollout.product_id)).facts
        sites = await rollout_sites(tx, {line.site_id for line in lines})
        risks = {}
        for site_id, site in sites.items():
            facts = SourcingFacts(ticket=ticket, product=product, site=site.facts, service_class=site.service_class)
            scope = scope_of(facts, service_class_of(facts, policy), now=self.clock.now())
            risks[site_id] = risk_of(Facts(scope), policy.rollouts)
        return [replace(line, risk=risks[line.site_id].value, risk_rule=risks[line.site_id].basis) for line in lines]

    async def _is_approved(self, tx: Transaction, rollout: RolloutRow, *, actor: str, at: datetime) -> bool:
        """Whether the approval that it needs is given; asked for when nobody was asked yet."""
        policy = await policy_now(tx, self.policy)
        counts = (await tally(tx, rollout)).states
        ask = Ask(
            name=rollout.approval or "",
            subject_kind=EntityKind.ROLLOUT,
            subject_id=rollout.id,
            title=f"Approve rollout {rollout.name}",
            requested_by=actor,
            ticket_id=rollout.ticket_id,
            details=f"{sum(counts.values())} parcels, {counts.get(RolloutLineState.SHORT, 0)} of them short of units.",
        )
        request = await request_approval(tx, ask, policy, actor=actor, at=at, cause=f"rollout {rollout.name}")
        if request.state is ApprovalState.REJECTED:
            raise IllegalTransition(
                f"rollout {rollout.name!r} cannot begin: approval {rollout.approval!r} was refused by "
                f"{request.decided_by}: {request.reason or 'no reason given'}",
                hint="Cancel it, and make another one of what may be done.",
            )
        return request.state is ApprovalState.APPROVED

    async def _stopped(
        self, name: str, rollout_id: int, target: RolloutState, reason: str, key: str, actor: str
    ) -> RolloutResult:
        text = _given(reason)

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            rollout = await lock_rollout(tx, rollout_id)
            return _answer(await end_or_stop(tx, rollout, target, reason=text, actor=actor, at=at))

        return await self._moved(name, key, rollout_id, do)

    async def _moved(self, name: str, key: str, rollout_id: int, do: Do) -> RolloutResult:
        result = await self._once(name, key, rollout_id, do)
        return RolloutResult(rollout_id, RolloutState(result["state"]), result.get("waits_for"))

    async def _once(self, name: str, key: str, target: int, do: Do) -> dict[str, Any]:
        return await once_in(self.database, self.clock.now(), name, key, target, do)


async def begin(
    tx: Transaction, rollout: RolloutRow, *, policy: PolicySource | None = None, actor: str, at: datetime
) -> RolloutRow:
    """Let a planned rollout run. The transaction has locked it. policy: see `advance_locked`."""
    values = {"state": RolloutState.RUNNING, "reason": None}
    rollout = await write_rollout(tx, rollout, values, actor=actor, cause=f"rollout {rollout.name}", at=at)
    return await advance_locked(tx, rollout, policy=policy, now=at, actor=actor)


async def end_or_stop(
    tx: Transaction, rollout: RolloutRow, target: RolloutState, *, reason: str, actor: str, at: datetime
) -> RolloutRow:
    """Pause, halt or cancel a rollout that the transaction has locked. Raises IllegalTransition."""
    if rollout.state is target:
        raise IllegalTransition(f"rollout {rollout.name!r} is {target.value} already")
    stopped = await stop(tx, rollout, target, reason=reason, actor=actor, now=at)
    if target is RolloutState.CANCELLED:
        await withdraw_approvals(tx, EntityKind.ROLLOUT, rollout.id, reason=reason, actor=actor, at=at)
        await close_questions(tx, stopped, actor=actor, at=at)
    return stopped


async def cancel_of_ticket(tx: Transaction, ticket_id: int, *, reason: str, actor: str = ACTOR, at: datetime) -> None:
    """Cancel the rollouts of a ticket that is over."""
    for rollout_id in await rollouts_of_ticket(tx, ticket_id):
        rollout = await lock_rollout(tx, rollout_id)
        if not rollout.is_over:
            await end_or_stop(tx, rollout, RolloutState.CANCELLED, reason=reason, actor=actor, at=at)


def _answer(rollout: RolloutRow) -> dict[str, Any]:
    return {"state": rollout.state.value}


def _given(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("a reason is needed: it is told to the ticket and kept", hint="Write why.")
    return reason.strip()
