"""From tickets to held units in one transaction: facts, decisions, claims, and the record of why.

Many tickets take as many statements as one. They are decided one after the other, the most urgent first, each with
what those before it have left; then all their picks are drawn at once. A shelf that somebody else has emptied
meanwhile undoes the draw, and everything is read and decided anew: so a batch gives what one by one would have given,
and never waits for a shelf while it holds units of another.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown, StaleWrite
from connector.model.frozen import but
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.standing import GroupFacts, Recovery
from connector.rules.policy.document import Policy
from connector.rules.sourcing.decision import Decision, Outcome
from connector.rules.sourcing.together import Case, InTurn, turn
from connector.storage.approvals.claims import ask_for_claims
from connector.storage.database.bulk import new_ids
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.locks import lock_devices, lock_tickets
from connector.storage.facts.facts import facts_to_reserve_many, sourcing_facts
from connector.storage.policies.active import PolicySource, policy_at, policy_now
from connector.storage.stock.contested import dry_run, secure, with_alternatives, with_contested
from connector.storage.stock.kit_lines import claims_of_parts
from connector.storage.stock.reservations import Claim, Drawn, Reservation, Reserved, insert_reservations
from connector.storage.stock.revisions import with_revisions
from connector.storage.stock.succession import hand_over
from connector.storage.stock.units import ShelfKey
from connector.storage.tables import reservation
from connector.storage.tickets.decisions import RULES, cause_of, keep_decisions
from connector.storage.tickets.incident_groups import events_of, join_events
from connector.storage.tickets.lines import live_on_lines, require_free_lines
from connector.storage.tickets.loans import claim_loans, keep_loan
from connector.storage.tickets.orders import ask_for_orders, keep_orders
from connector.storage.tickets.plans import Plan, Share, draw, taken_over

READINGS: Final = 20
"""How often everything is read and decided anew when one shelf after the other is emptied by others."""


@dataclass(frozen=True, slots=True)
class Sourced:
    """decision: None when the line had its reservation already. reserved: None unless the outcome is RESERVE.

    procurement_ids: what is on order for the ticket now. loan: the claim of the unit that is lent by this decision.
    """

    decision: Decision | None
    decision_id: int | None
    reserved: Reserved | None
    procurement_ids: tuple[int, ...] = ()
    loan: Reservation | None = None

    def with_rest(self, rest: Sourced) -> Sourced:
        """The same with what became of the rest of the units, which its decision tells as well."""
        both = [part.reserved for part in (self, rest) if part.reserved is not None]
        reserved = Reserved(tuple(item for one in both for item in one.reservations), is_new=True) if both else None
        return replace(self, reserved=reserved, procurement_ids=rest.procurement_ids)


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
    found: Sequence[int] = list(ticket_ids)
    if tx.dialect.name != "sqlite":  # which has one writer, and this is it
        await lock_devices(tx, found)
        found = await lock_tickets(tx, found)
    sourced: dict[int, Sourced] = {}
    emptied: defaultdict[int, set[ShelfKey]] = defaultdict(set)
    numbers = await new_ids(tx, reservation, len(found)) if len(found) > 1 else ()
    busy: set[int] = set()
    waits = False
    events: dict[int, GroupFacts] | None = None
    for _ in range(READINGS):
        read = await facts_to_reserve_many(tx, found, line, with_rest=recovery is None)
        waiting = [item for item in read.values() if item is not None]
        if len(waiting) < len(read):
            sourced |= await _reserved_before(tx, [number for number, item in read.items() if item is None], line)
        if not waiting:
            return sourced
        current = await policy_at(tx, policy, waiting[0].activation_id)
        waiting.sort(key=lambda item: turn(item.facts, current, now))
        read_facts = [_for_recovery(item.facts, recovery) for item in waiting]
        if events is None:  # once: who came before an event did so whatever is read again
            events = await join_events(tx, read_facts, current, now)
        cases = [
            Case(_in_event(facts, events), numbers[index] if numbers else None, emptied[facts.ticket.id])
            for index, facts in enumerate(read_facts)
        ]
        plans = await _plans(tx, cases, current, now, busy)
        if busy and not waits and any(_is_wanting(plan.decision) for plan in plans):
            busy, waits = set(), True
            continue
        if not await _secure(tx, plans, busy, waits=waits):
            continue
        short = await draw(tx, plans, now)
        if not short:
            await _take_over(tx, plans, current, actor=actor, now=now)
            lines = {item.facts.ticket.id: item.line for item in waiting}
            sourced |= await _record(tx, plans, lines, actor=actor, now=now)
            for plan in plans:
                await ask_for_claims(tx, plan.case.facts, plan.decision, plan.reserved, current, actor=actor, at=now)
                await keep_loan(tx, plan.case.facts, plan.decision, plan.lent, actor=actor, at=now)
                await ask_for_orders(tx, plan.case.facts, plan.decision, plan.ordered, current, actor=actor, at=now)
            decided = len({plan.ticket_id for plan in plans})
            found, numbers = [number for number in found if number not in sourced], numbers[decided:]
            if not found:
                return sourced
            continue
        for ticket_id, shelf in short:
            emptied[ticket_id].add(shelf)
    raise StaleWrite(
        f"stock for ticket {', '.join(map(str, found))} is claimed by others faster than it can be decided on",
        hint="Nothing was changed; try again.",
    )


async def explain_ticket(tx: AsyncConnection, ticket_id: int, policy: PolicySource, now: datetime) -> Decision:
    """What would be decided now; nothing is written. Raises NotKnown."""
    return await foresee(tx, await sourcing_facts(tx, ticket_id), await policy_now(tx, policy), now)


async def foresee(tx: AsyncConnection, facts: SourcingFacts, policy: Policy, now: datetime) -> Decision:
    """What a policy would decide on facts, the events that go on counted in; nothing is written."""
    return await dry_run(tx, replace(facts, group=await events_of(tx, facts, policy, now)), policy, now)


def _for_recovery(facts: SourcingFacts, recovery: Recovery | None) -> SourcingFacts:
    return facts if recovery is None else replace(facts, recovery=recovery, quantity=recovery.quantity, had=0)


def _in_event(facts: SourcingFacts, events: Mapping[int, GroupFacts]) -> SourcingFacts:
    group = events.get(facts.ticket.id)
    return facts if group is None else but(facts, group=group)


async def _plans(
    tx: AsyncConnection, cases: Sequence[Case], policy: Policy, now: datetime, busy: Collection[int]
) -> list[Plan]:
    """What is decided about tickets in their turn. What others hold is read once, for the first that may take it on.

    Up to the first that leaves units over of what it takes; for those after it everything is read again.
    """
    in_turn, left, plans = InTurn(policy, now), list(cases), list[Plan]()
    while left:
        decision = in_turn.decide(left[0])
        if decision.wants_revisions:
            read = await with_revisions(tx, [case.facts for case in left])
            left = [Case(facts, case.number, case.emptied) for case, facts in zip(left, read, strict=True)]
            decision = in_turn.decide(left[0])
        if decision.wants_contested:
            left = await _with_contested(tx, left, busy)
            # where others hold nothing the same is decided as without asking
            decision = in_turn.decide(left[0]) if left[0].facts.contested else but(decision, wants_contested=False)
        case = left.pop(0)
        in_turn.give(case, decision)
        mine = [Plan(case if n == 0 else but(case, number=None), part) for n, part in enumerate(decision.parts)]
        plans += mine
        if any(map(_leaves_over, mine)):
            break
    return plans


def _leaves_over(plan: Plan) -> bool:
    """Whether more units come free than a ticket needs of those that it takes: those after it must see them free."""
    taken = {number for pick in plan.decision.picks for number in pick.takes}
    claims = [claim for claim in plan.case.facts.contested or () if claim.reservation_id in taken]
    devices = sum(claim.quantity for claim in claims) - sum(p.quantity for p in plan.decision.picks if p.takes)
    passing = [part.quantity for pick in plan.decision.picks for part in pick.parts if part.takes is not None]
    return devices > 0 or sum(part.quantity for claim in claims for part in claim.parts) > sum(passing)


async def _with_contested(tx: AsyncConnection, cases: Sequence[Case], busy: Collection[int]) -> list[Case]:
    """The cases with what other tickets hold, without those claims that somebody works on right now."""
    found = await with_contested(tx, [case.facts for case in cases], without=busy)
    return [Case(facts, case.number, case.emptied) for case, facts in zip(cases, found, strict=True)]


def _is_wanting(decision: Decision) -> bool:
    """Whether a ticket would rather have what somebody works on than what it has got."""
    return decision.outcome is Outcome.REVIEW or (decision.chosen is not None and not decision.chosen.is_within_sla)


async def _secure(tx: AsyncConnection, plans: Sequence[Plan], busy: set[int], *, waits: bool) -> bool:
    """Lock what is to be taken over; False when one of these claims cannot be taken, which is then among `busy`."""
    for plan in plans:
        for pick, reservation_id in taken_over(plan.decision.picks):
            secured = await secure(tx, reservation_id, waits=waits)
            if secured is None:
                busy.update({reservation_id} if reservation_id in pick.takes else pick.takes)
                return False
            plan.secured[reservation_id] = secured
    return True


async def _take_over(tx: AsyncConnection, plans: Sequence[Plan], policy: Policy, *, actor: str, now: datetime) -> None:
    """End the claims whose units are taken over; what is left to their tickets goes into the explanations."""
    taking = [plan for plan in plans if plan.secured]
    told = await with_alternatives(tx, [plan.decision for plan in taking], policy, now)
    for plan, decision in zip(taking, told, strict=True):
        plan.decision, ticket = decision, plan.case.facts.ticket
        reason = f"its unit was given to ticket {ticket.number} ({ticket.priority or 'no priority'}), which had none"
        for pick in decision.picks:
            for part in (part for part in pick.parts if part.takes is not None):
                old = plan.secured[part.takes or 0]
                taken = await hand_over(tx, old, part.quantity, reason=reason, actor=actor, at=now)
                plan.parts.append(Share(pick, taken, part.quantity, old.id, part))
            left = pick.quantity
            for old in (plan.secured[number] for number in pick.takes):
                quantity = min(old.quantity, left)
                taken = await hand_over(tx, old, quantity, reason=reason, actor=actor, at=now)
                plan.shares.append(Share(pick, taken, quantity, old.id))
                left -= quantity


async def _record(
    tx: AsyncConnection, plans: Sequence[Plan], first_lines: Mapping[int, int], *, actor: str, now: datetime
) -> dict[int, Sourced]:
    """Keep the decisions, and the reservations on consecutive lines, each ticket's from its first one on."""
    lines = Counter[int]()
    for plan in plans:
        plan.line = first_lines[plan.ticket_id] + lines[plan.ticket_id]
        lines[plan.ticket_id] += plan.lines_with_kits
    await require_free_lines(tx, {number: count for number, count in lines.items() if count > 1}, first_lines)
    kept = await keep_decisions(tx, [(plan.ticket_id, plan.decision) for plan in plans], now)
    drawn = [item for plan, (decision_id, _) in zip(plans, kept, strict=True) for item in _drawn(plan, decision_id)]
    held = iter(await insert_reservations(tx, drawn, at=now))
    given = [[next(held) for _ in plan.shares] for plan in plans]
    along = await _record_parts(tx, plans, [[item for items, _ in mine for item in items] for mine in given], now)
    lent = await claim_loans(tx, plans, [decision_id for decision_id, _ in kept], at=now)
    sourced, changes = dict[int, Sourced](), []
    for plan, (decision_id, decided), mine in zip(plans, kept, given, strict=True):
        reservations = tuple(item for items, _ in mine for item in items)
        plan.reserved = Reserved(reservations, is_new=True) if reservations else None
        ordered = await keep_orders(tx, plan.case.facts, plan.decision, decision_id, at=now)
        plan.ordered = ordered.ids
        plan.lent, loan_changes = lent.pop(plan.ticket_id, (None, ())) if plan.loan is not None else (None, ())
        part = Sourced(plan.decision, decision_id, plan.reserved, plan.ordered, plan.lent)
        before = sourced.get(plan.ticket_id)
        sourced[plan.ticket_id] = part if before is None else before.with_rest(part)
        follows = [change for _, created in mine for change in created] + [*loan_changes]
        follows += along.pop(plan.ticket_id, ())
        follows += [change for share in (*plan.shares, *plan.parts) for change in share.taken.changes]
        follows += ordered.changes
        changes += [decided] if decided is not None else []
        cause = cause_of(plan.decision)
        changes += [change.caused_by(cause) for change in follows]
    await log_changes(tx, changes, actor=actor, at=now)
    return sourced


async def _record_parts(
    tx: AsyncConnection, plans: Sequence[Plan], leaders: Sequence[Sequence[Reservation]], now: datetime
) -> dict[int, list[NewChange]]:
    """Keep the reservations of components, on the lines after the devices; returns the changes of each ticket."""
    drawn = [
        item
        for plan, devices in zip(plans, leaders, strict=True)
        if plan.parts
        for item in claims_of_parts(devices, [share.pool for share in plan.parts], line=plan.line + plan.lines)
    ]
    changes: dict[int, list[NewChange]] = {}
    for item, (_, created) in zip(drawn, await insert_reservations(tx, drawn, at=now) if drawn else (), strict=True):
        changes.setdefault(item.claim.ticket_id, []).extend(created)
    return changes


def _drawn(plan: Plan, decision_id: int) -> Iterator[Drawn]:
    decision, line = plan.decision, plan.line
    for share in plan.shares:
        pick = share.pick
        claim = Claim(
            ticket_id=plan.ticket_id,
            hub_id=pick.hub_id,
            product_id=pick.product_id,
            requested_product_id=pick.requested_product_id,
            lane=pick.lane,
            quantity=share.quantity,
            line=line,
            estimated_arrival_at=pick.arrives_at,
            expires_at=decision.held_until,
            approval=decision.approval,
            replaces_id=share.replaces_id,
            revision=pick.revision,
            kit_id=decision.kit.id if decision.kit is not None else None,
        )
        yield Drawn(claim, share.taken, decision_id, plan.case.number if share is plan.shares[0] else None)
        line += len(share.taken.asset_ids) or 1


async def _reserved_before(tx: AsyncConnection, ticket_ids: Collection[int], line: int) -> dict[int, Sourced]:
    """What tickets have on a line already, with everything else that was decided with it."""
    live = [item for item in await live_on_lines(tx, ticket_ids) if not item.is_loan]
    sourced = {}
    for first in (item for item in live if item.line == line):
        with_it = [
            item
            for item in live
            if item.decision_id is not None and item.decision_id == first.decision_id and item.ships_with_id is None
        ]
        reserved = Reserved(tuple(with_it) or (first,), is_new=False)
        sourced[first.ticket_id] = Sourced(None, first.decision_id, reserved)
    return sourced
