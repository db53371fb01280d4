"""From tickets to held units in one transaction: facts, decisions, claims, and the record of why.

Many tickets take as many statements as one. They are decided one after the other, the most urgent first, each with
what those before it have left; then all their picks are drawn at once. A shelf that somebody else has emptied
meanwhile undoes the draw, and everything is read and decided anew: so a batch gives what one by one would have given,
and never waits for a shelf while it holds units of another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown, OutOfStock, StaleWrite
from connector.model.lifecycle import RESERVATION_LIVE
from connector.rules.decision import Decision, Pick
from connector.rules.facts import Recovery, SourcingFacts
from connector.rules.sourcing import decide
from connector.rules.together import Case, decide_together, turn
from connector.storage.active_policy import PolicySource, policy_at, policy_now
from connector.storage.bulk import among_given, new_ids
from connector.storage.changes import log_changes
from connector.storage.claim_approvals import ask_for_claims
from connector.storage.decisions import RULES, insert_decisions
from connector.storage.draws import Wanted, draw_units
from connector.storage.facts import facts_to_reserve_many, sourcing_facts
from connector.storage.locks import lock_devices, lock_tickets
from connector.storage.reserve import Claim, Drawn, Reservation, Reserved, insert_reservations, lines_taken
from connector.storage.tables import reservation
from connector.storage.units import ShelfKey, Taken, take_units

READINGS: Final = 20
"""How often everything is read and decided anew when one shelf after the other is emptied by others."""

_LIVE = (
    select(reservation)
    .where(among_given(reservation.c.ticket_id, "ticket_ids"), reservation.c.state.in_(RESERVATION_LIVE))
    .order_by(reservation.c.ticket_id, reservation.c.line)
)


@dataclass(frozen=True, slots=True)
class Sourced:
    """decision: None when the line had its reservation already. reserved: None unless the outcome is RESERVE."""

    decision: Decision | None
    decision_id: int | None
    reserved: Reserved | None


async def decide_and_reserve(
    tx: AsyncConnection,
    ticket_id: int,
    policy: PolicySource,
    *,
    now: datetime,
    actor: str = RULES,
    line: int = 1,
    recovery: Recovery | None = None,
) -> Sourced:
    """Decide about a ticket, claim what was picked, and record the decision; asked again, nothing happens twice.

    recovery: the parcel in trouble that a second unit is for; None for the first one.
    Raises NotKnown when there is no such ticket, and what `decide_and_reserve_many` raises.
    """
    found = await decide_and_reserve_many(tx, (ticket_id,), policy, now=now, actor=actor, line=line, recovery=recovery)
    if ticket_id not in found:
        raise NotKnown(f"there is no ticket with id {ticket_id}")
    return found[ticket_id]


async def decide_and_reserve_many(
    tx: AsyncConnection,
    ticket_ids: Collection[int],
    policy: PolicySource,
    *,
    now: datetime,
    actor: str = RULES,
    line: int = 1,
    recovery: Recovery | None = None,
) -> dict[int, Sourced]:
    """The same for many tickets, in their turn; those that do not exist are left out.

    Several picks of a ticket are claimed on consecutive lines from `line` on, all or none. Raises InvalidInput when
    one of these lines is taken, StaleWrite when stock is claimed faster than it can be decided on; nothing of any
    ticket may be kept then.
    """
    await lock_devices(tx, ticket_ids)
    found = await lock_tickets(tx, ticket_ids)
    sourced: dict[int, Sourced] = {}
    emptied: defaultdict[int, set[ShelfKey]] = defaultdict(set)
    numbers = await new_ids(tx, reservation, len(found)) if len(found) > 1 else ()
    for _ in range(READINGS):
        read = await facts_to_reserve_many(tx, found, line)
        waiting = [item for item in read.values() if item is not None]
        if len(waiting) < len(read):
            sourced |= await _reserved_before(tx, [number for number, item in read.items() if item is None], line)
        if not waiting:
            return sourced
        current = await policy_at(tx, policy, waiting[0].activation_id)
        waiting.sort(key=lambda item: turn(item.facts, current, now))
        cases = [
            Case(
                _for_recovery(item.facts, recovery), numbers[index] if numbers else None, emptied[item.facts.ticket.id]
            )
            for index, item in enumerate(waiting)
        ]
        decisions = decide_together(cases, current, now)
        plans = [_Plan(case, decision) for case, decision in zip(cases, decisions, strict=True)]
        short = await _draw(tx, plans, now)
        if not short:
            sourced |= await _record(tx, plans, line=line, actor=actor, now=now)
            for plan in plans:
                reserved = sourced[plan.ticket_id].reserved
                await ask_for_claims(tx, plan.case.facts, plan.decision, reserved, current, actor=actor, at=now)
            return sourced
        for ticket_id, shelf in short:
            emptied[ticket_id].add(shelf)
    raise StaleWrite(
        f"stock for ticket {', '.join(map(str, found))} is claimed by others faster than it can be decided on",
        hint="Nothing was changed; try again.",
    )


async def explain_ticket(tx: AsyncConnection, ticket_id: int, policy: PolicySource, now: datetime) -> Decision:
    """What would be decided now; nothing is written. Raises NotKnown."""
    return decide(await sourcing_facts(tx, ticket_id), await policy_now(tx, policy), now)


def _for_recovery(facts: SourcingFacts, recovery: Recovery | None) -> SourcingFacts:
    return facts if recovery is None else replace(facts, recovery=recovery, quantity=recovery.quantity)


@dataclass(slots=True)
class _Plan:
    """What is to be done about a ticket. taken: the units of each pick, once they are drawn."""

    case: Case
    decision: Decision
    taken: Sequence[Taken] = ()

    @property
    def ticket_id(self) -> int:
        return self.case.facts.ticket.id

    @property
    def lines(self) -> int:
        """How many lines of the ticket its units take: one for each serialised unit and each counted quantity."""
        return sum(len(units.asset_ids) or 1 for units in self.taken)


async def _draw(tx: AsyncConnection, plans: Sequence[_Plan], now: datetime) -> list[tuple[int, ShelfKey]]:
    """Take the units of all plans; when that fails, none are taken, and the answer is whom which shelf refused."""
    picking = [plan for plan in plans if plan.decision.picks]
    if sum(len(plan.decision.picks) for plan in picking) <= 1:
        return [refused for plan in picking for refused in await _draw_one(tx, plan, now)]
    async with tx.begin_nested() as savepoint:
        wanted = [Wanted(_shelf(pick), pick.quantity) for plan in picking for pick in plan.decision.picks]
        shares = iter(await draw_units(tx, wanted, now))
        refused = []
        for plan in picking:
            given = [(pick, next(shares)) for pick in plan.decision.picks]
            missing = [(plan.ticket_id, _shelf(pick)) for pick, taken in given if taken is None]
            plan.taken = [taken for _, taken in given if taken is not None]
            refused += missing
            if missing and plan.taken:
                break  # what it was given for nothing may be what the next ones miss
        if refused:
            await savepoint.rollback()
    return refused


async def _draw_one(tx: AsyncConnection, plan: _Plan, now: datetime) -> list[tuple[int, ShelfKey]]:
    [pick] = plan.decision.picks
    try:
        plan.taken = [await take_units(tx, _shelf(pick), pick.quantity, now)]
    except OutOfStock:
        return [(plan.ticket_id, _shelf(pick))]
    return []


def _shelf(pick: Pick) -> ShelfKey:
    return ShelfKey(pick.hub_id, pick.product_id, pick.lane)


async def _record(
    tx: AsyncConnection, plans: Sequence[_Plan], *, line: int, actor: str, now: datetime
) -> dict[int, Sourced]:
    """Keep the decisions, and the reservations on consecutive lines."""
    await _require_free_lines(tx, {plan.ticket_id: plan.lines for plan in plans if plan.lines > 1}, line)
    kept = await insert_decisions(tx, [(plan.ticket_id, plan.decision) for plan in plans], now)
    drawn = [
        item
        for plan, (decision_id, _) in zip(plans, kept, strict=True)
        for item in _drawn(plan, decision_id, line=line)
    ]
    held = iter(await insert_reservations(tx, drawn, at=now))
    sourced, changes = {}, []
    for plan, (decision_id, decided) in zip(plans, kept, strict=True):
        mine = [next(held) for _ in plan.taken]
        reservations = tuple(item for items, _ in mine for item in items)
        reserved = Reserved(reservations, is_new=True) if reservations else None
        sourced[plan.ticket_id] = Sourced(plan.decision, decision_id, reserved)
        follows = [change for _, created in mine for change in created]
        follows += [change for taken in plan.taken for change in taken.changes]
        changes += [decided, *(replace(change, cause=decided.cause) for change in follows)]
    await log_changes(tx, changes, actor=actor, at=now)
    return sourced


def _drawn(plan: _Plan, decision_id: int, *, line: int) -> Iterator[Drawn]:
    decision = plan.decision
    for pick, taken in zip(decision.picks, plan.taken, strict=True):
        claim = Claim(
            ticket_id=plan.ticket_id,
            hub_id=pick.hub_id,
            product_id=pick.product_id,
            requested_product_id=pick.requested_product_id,
            lane=pick.lane,
            quantity=pick.quantity,
            line=line,
            estimated_arrival_at=pick.arrives_at,
            expires_at=decision.held_until,
            approval=decision.approval,
        )
        yield Drawn(claim, taken, decision_id, plan.case.number if taken is plan.taken[0] else None)
        line += len(taken.asset_ids) or 1


async def _require_free_lines(tx: AsyncConnection, lines: Mapping[int, int], line: int) -> None:
    """Raises InvalidInput when one of these tickets has something on one of the lines from `line` on already."""
    if not lines:
        return
    for row in await tx.execute(_LIVE, {"ticket_ids": list(lines)}):
        if line <= row.line < line + lines[row.ticket_id]:
            raise lines_taken(row.ticket_id, row.line, lines[row.ticket_id], line)


async def _reserved_before(tx: AsyncConnection, ticket_ids: Collection[int], line: int) -> dict[int, Sourced]:
    """What tickets have on a line already, with everything else that was decided with it."""
    live = [Reservation(*row) for row in await tx.execute(_LIVE, {"ticket_ids": list(ticket_ids)})]
    sourced = {}
    for first in (item for item in live if item.line == line):
        with_it = [item for item in live if item.decision_id is not None and item.decision_id == first.decision_id]
        reserved = Reserved(tuple(with_it) or (first,), is_new=False)
        sourced[first.ticket_id] = Sourced(None, first.decision_id, reserved)
    return sourced
