"""The course of a rollout: what happens next, decided from how its lines stand. Steps of the caller's transaction.

`advance_locked` may be called at any time, any number of times: after each change of a line, and once a minute for what
waits for the clock or for stock. Everything that it does is in the one transaction that holds the rollout's lock, so a
crash has done all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from connector.fulfilment.rollout_tasks import close_wave_tasks, require_shortage, require_staging, tell_halted
from connector.model.kinds import Success
from connector.model.lifecycle import ROLLOUT_LINE_AT_HUB, ROLLOUT_LINE_OPEN, RolloutLineState, RolloutState
from connector.rules.arrival.timetable import minute_at_or_after
from connector.rules.policy.document import Policy
from connector.rules.rollouts.choosing import Choosing
from connector.rules.rollouts.waves import Cut, Pace, Placed, Plan, Planning, Wanted, floors_of, in_order
from connector.storage.database.engine import Transaction
from connector.storage.facts.fleet import present_fleet
from connector.storage.facts.lanes import lanes_of_sites
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.rollouts.facts import (
    RolloutSite,
    rollout_product,
    rollout_shelves,
    rollout_sites,
    rollout_ticket,
)
from connector.storage.rollouts.lines import LineRow, last_arrival, lines_in, write_lines
from connector.storage.rollouts.rollouts import RolloutRow, Tally, tally, write_rollout
from connector.storage.rollouts.supplies import supplies_of
from connector.storage.rollouts.units import claim_lines, give_back, live_claims, stop_claims

ACTOR: Final = "rollouts"
"""Who is named in the change log when nobody asked for it."""
SITES_AT_ONCE: Final = 1_000
_SUCCEEDED: Final = {
    Success.DELIVERED: frozenset({RolloutLineState.DELIVERED, RolloutLineState.INSTALLED}),
    Success.INSTALLED: frozenset({RolloutLineState.INSTALLED}),
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it is about. lines: those that have no unit yet, by id; sites: theirs, by id."""

    plan: Plan
    lines: Mapping[int, LineRow]
    sites: Mapping[int, RolloutSite]

    def planned_lines(self) -> list[tuple[LineRow, LineRow]]:
        """Each line as it was and as the plan has it."""
        pairs = [(self.lines[item.line_id], _placed(self.lines[item.line_id], item)) for item in self.plan.placed]
        for item in self.plan.short:
            line = self.lines[item.line_id]
            short = replace(
                line,
                state=RolloutLineState.SHORT, wave=None, hub_id=None, distance_km=None, mode=None,
                estimated_arrival_at=None, reason=item.reason, expected_at=item.expected_at,
            )  # fmt: skip
            pairs.append((line, short))
        return pairs

    def kept(self) -> dict[str, Any]:
        """What the rollout keeps of the plan."""
        return {
            "hubs": [
                {
                    "hub_id": hub.hub_id, "hub": hub.label, "free": hub.free, "protected": hub.protected,
                    "kept": hub.kept, "promised": hub.promised,
                }
                for hub in self.plan.hubs
            ],
            "floors": {str(hub_id): units for hub_id, units in floors_of(self.plan).items()},
        }  # fmt: skip


async def make_plan(
    tx: Transaction,
    rollout: RolloutRow,
    lines: Sequence[LineRow],
    policy: Policy,
    *,
    now: datetime,
    locks: bool = False,
) -> Planned:
    """Plan lines that have no unit yet, with the stock as it is. locks: keep that stock from others.

    The lanes of at most SITES_AT_ONCE sites are in hand at a time.
    """
    sites = await rollout_sites(tx, {line.site_id for line in lines})
    floors = {int(hub_id): units for hub_id, units in ((rollout.plan or {}).get("floors") or {}).items()}
    shelves = await rollout_shelves(tx, rollout.product_id, floors, locks=locks)
    ticket = (await rollout_ticket(tx, rollout.ticket_id)).facts
    product = (await rollout_product(tx, rollout.product_id)).facts
    begins = await _may_begin_at(tx, rollout, now)
    pace = Pace(
        begins=minute_at_or_after(begins),
        soak_minutes=rollout.soak_minutes,
        success_percent=rollout.success_percent,
        delivery_days=rollout.delivery_days,
        due=None if ticket.sla_due_at is None else int(ticket.sla_due_at.timestamp()) // 60,
    )
    planning = Planning(
        shelves,
        Cut(rollout.first_wave_size, rollout.wave_size, rollout.wave, is_untried=await _is_untried(tx, rollout)),
        pace,
        Choosing(ticket, product, policy, await present_fleet(tx)),
        keep_free_percent=rollout.keep_free_percent,
    )
    wanted = [
        Wanted(
            line.id, line.line, line.site_id, line.quantity, line.risk, line.asked_wave, sites[line.site_id].problem
        )
        for line in lines
    ]  # fmt: skip
    facts = {site_id: site.facts for site_id, site in sites.items()}
    for part in _parts(in_order(wanted)):
        planning.place(part, facts, await lanes_of_sites(tx, {line.site_id for line in part}))
    supplies = await supplies_of(tx, ticket_id=rollout.ticket_id, product_id=rollout.product_id)
    return Planned(planning.plan(supplies), {line.id: line for line in lines}, sites)


async def advance_locked(
    tx: Transaction, rollout: RolloutRow, *, policy: PolicySource | None, now: datetime, actor: str = ACTOR
) -> RolloutRow:
    """Do what is next with a rollout that the transaction has locked: halt, settle a wave, begin one, complete.

    policy: what a wave is planned by; None leaves its beginning to the reader of the log or the next minute.
    """
    counts = await tally(tx, rollout)
    rollout = await write_rollout(tx, rollout, {"progress": counts.progress()}, actor=actor, at=now)
    if rollout.wave:
        await close_wave_tasks(tx, rollout, actor=actor, at=now)
    if rollout.state in (RolloutState.RUNNING, RolloutState.PAUSED):
        wrong = _too_many_failed(rollout, counts)
        if wrong is None and rollout.state is RolloutState.RUNNING:
            wrong = _ended_short_of_success(rollout, counts)
        if wrong is not None:
            return await stop(tx, rollout, RolloutState.HALTED, reason=wrong, actor=actor, now=now)
    if rollout.state is not RolloutState.RUNNING:
        return rollout
    if not _unfinished(rollout, counts):
        text = _ended(rollout, counts)
        return await write_rollout(tx, rollout, {"state": RolloutState.COMPLETED, "reason": text}, actor=actor, at=now)
    if rollout.wave and rollout.settled_at is None and _is_settled(rollout, counts):
        rollout = await write_rollout(tx, rollout, {"settled_at": now}, actor=actor, at=now)
    if policy is not None and _may_begin_wave(rollout, counts, now):
        rollout = await _begin_wave(tx, rollout, await policy_now(tx, policy), now=now, actor=actor)
    return rollout


async def stop(
    tx: Transaction, rollout: RolloutRow, target: RolloutState, *, reason: str, actor: str, now: datetime
) -> RolloutRow:
    """Pause, halt or cancel: every unit that has not left its hub goes back to its shelf, nothing further begins.

    Claims for which a label may be on its way are undone by their own workflows; their lines follow when that is done.
    """
    cancels = target is RolloutState.CANCELLED
    after = RolloutLineState.CANCELLED if cancels else RolloutLineState.PLANNED
    at_hub = await lines_in(tx, rollout.id, ROLLOUT_LINE_AT_HUB)
    reserved = [line for line in at_hub if line.state is RolloutLineState.RESERVED]
    begun = [line.id for line in at_hub if line.state is not RolloutLineState.RESERVED]
    cause = f"rollout {rollout.name}"
    await give_back(tx, [line.id for line in reserved], reason=reason, actor=actor, cause=cause, at=now)
    await stop_claims(tx, (await live_claims(tx, begun)).values(), reason=reason, actor=actor, at=now)
    pairs = [(line, replace(line, state=after, reason=reason)) for line in reserved]
    if cancels:
        waiting = await lines_in(tx, rollout.id, ROLLOUT_LINE_OPEN)
        pairs += [(line, replace(line, state=after, reason=reason)) for line in waiting]
    await write_lines(tx, pairs, actor=actor, cause=cause, at=now)
    stopped = await write_rollout(tx, rollout, {"state": target, "reason": reason}, actor=actor, cause=cause, at=now)
    await close_wave_tasks(tx, stopped, actor=actor, at=now)
    if target is RolloutState.HALTED:
        await tell_halted(tx, stopped, reason, at=now)
    progress = (await tally(tx, stopped)).progress()
    return await write_rollout(tx, stopped, {"progress": progress}, actor=actor, cause=cause, at=now)


async def _begin_wave(tx: Transaction, rollout: RolloutRow, policy: Policy, *, now: datetime, actor: str) -> RolloutRow:
    """Claim units for the next wave and have them staged; nothing changes but the plan when no line can have any."""
    lines = await lines_in(tx, rollout.id, ROLLOUT_LINE_OPEN)
    planned = await make_plan(tx, rollout, lines, policy, now=now, locks=True)
    wave = planned.plan.next_wave if planned.plan.placed else ()
    cause = f"rollout {rollout.name}"
    by_hub: dict[int, list[LineRow]] = {}
    for item in wave:
        by_hub.setdefault(item.hub_id, []).append(planned.lines[item.line_id])
    claimed = await claim_lines(
        tx, by_hub, ticket_id=rollout.ticket_id, product_id=rollout.product_id, actor=actor, cause=cause, at=now
    )
    got = {unit.line.id for unit in claimed}
    pairs = [
        (line, replace(after, state=RolloutLineState.RESERVED, reason=None, expected_at=None))
        if line.id in got
        else (line, after)
        for line, after in planned.planned_lines()
    ]
    written = await write_lines(tx, pairs, actor=actor, cause=cause, at=now)
    values: dict[str, Any] = {"plan": planned.kept()}
    if claimed:
        number = wave[0].wave
        values |= {"wave": number, "opened_at": now, "settled_at": None}
        reserved = {line.id: line for line in written if line.id in got}
        begun = replace(rollout, wave=number)
        await require_staging(tx, begun, claimed, reserved, planned.sites, actor=actor, at=now)
    elif wave:
        values = {}  # a book says more than there is: look again at the next minute, with what is counted by then
    is_short = bool(planned.plan.short)
    await require_shortage(tx, rollout, len(planned.plan.short) if is_short and not claimed else 0, actor=actor, at=now)
    rollout = await write_rollout(tx, rollout, values, actor=actor, cause=cause, at=now)
    progress = (await tally(tx, rollout)).progress()
    return await write_rollout(tx, rollout, {"progress": progress}, actor=actor, cause=cause, at=now)


def _placed(line: LineRow, item: Placed) -> LineRow:
    return replace(
        line,
        state=RolloutLineState.PLANNED, wave=item.wave, hub_id=item.hub_id, distance_km=item.distance_km,
        mode=item.mode, estimated_arrival_at=item.arrives_at, reason=None, expected_at=None,
    )  # fmt: skip


async def _is_untried(tx: Transaction, rollout: RolloutRow) -> bool:
    """Whether a wave has begun of which everything was given back, so that nothing is known of any parcel yet."""
    if not rollout.wave:
        return False
    return (await tally(tx, rollout)).states.keys() <= {*ROLLOUT_LINE_OPEN, RolloutLineState.CANCELLED}


async def _may_begin_at(tx: Transaction, rollout: RolloutRow, now: datetime) -> datetime:
    """When the next wave may begin, as far as that can be estimated: at once where none is under way."""
    soak, begins = timedelta(minutes=rollout.soak_minutes), rollout.starts_at or now
    if rollout.settled_at is not None:
        begins = max(begins, rollout.settled_at + soak)
    elif rollout.wave:
        last = await last_arrival(tx, rollout.id, rollout.wave)
        if last is not None:
            begins = max(begins, max(last, now) + soak)
    return max(begins, now)


def _parts(lines: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
    """The lines in parts of few sites."""
    return (lines[first : first + SITES_AT_ONCE] for first in range(0, len(lines), SITES_AT_ONCE))


def _in_wave(rollout: RolloutRow, counts: Tally) -> dict[RolloutLineState, int]:
    """The lines of the newest wave by state, without those that wait for another one."""
    gone = {*ROLLOUT_LINE_OPEN, RolloutLineState.CANCELLED}
    return {state: number for state, number in counts.by_wave.get(rollout.wave, {}).items() if state not in gone}


def _succeeded(rollout: RolloutRow, states: Mapping[RolloutLineState, int]) -> int:
    return sum(states.get(state, 0) for state in _SUCCEEDED[rollout.success])


def _unfinished(rollout: RolloutRow, counts: Tally) -> int:
    """Lines that have neither succeeded nor ended otherwise."""
    states = counts.states
    ended = states.get(RolloutLineState.FAILED, 0) + states.get(RolloutLineState.CANCELLED, 0)
    return sum(states.values()) - ended - _succeeded(rollout, states)


def _is_settled(rollout: RolloutRow, counts: Tally) -> bool:
    """Whether so much of the newest wave has succeeded that the next one may follow."""
    states = _in_wave(rollout, counts)
    return _succeeded(rollout, states) * 100 >= rollout.success_percent * sum(states.values())


def _too_many_failed(rollout: RolloutRow, counts: Tally) -> str | None:
    """Why it halts for its share of failures; None while it need not."""
    enough = counts.finished >= rollout.halt_sample and counts.failed > 0
    if not enough or counts.failed * 100 < rollout.halt_percent * counts.finished:
        return None
    return (
        f"{counts.failed} of {counts.finished} finished lines failed ({counts.failed * 100 // counts.finished} %): "
        f"the limit is {rollout.halt_percent} %"
    )


def _ended_short_of_success(rollout: RolloutRow, counts: Tally) -> str | None:
    """Why it halts because a wave has ended with too few successes; None while it may still have enough."""
    states = _in_wave(rollout, counts)
    total, good = sum(states.values()), _succeeded(rollout, states)
    has_ended = good + states.get(RolloutLineState.FAILED, 0) == total
    if not rollout.wave or rollout.settled_at is not None or not has_ended or _is_settled(rollout, counts):
        return None
    if not counts.states.keys() & ROLLOUT_LINE_OPEN:
        return None
    return f"{good} of {total} lines of wave {rollout.wave} succeeded: {rollout.success_percent} % are wanted"


def _may_begin_wave(rollout: RolloutRow, counts: Tally, now: datetime) -> bool:
    if not counts.states.keys() & ROLLOUT_LINE_OPEN:
        return False
    if rollout.starts_at is not None and now < rollout.starts_at:
        return False
    if not _in_wave(rollout, counts):
        return True  # the first one, or one of which everything was given back
    return rollout.settled_at is not None and now >= rollout.settled_at + timedelta(minutes=rollout.soak_minutes)


def _ended(rollout: RolloutRow, counts: Tally) -> str:
    states = counts.states
    failed = states.get(RolloutLineState.FAILED, 0)
    return f"{_succeeded(rollout, states)} lines succeeded, {failed} failed"
