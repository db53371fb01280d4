"""One policy over a history: tickets open, the rules choose, units leave, ordered ones arrive.

Every unit that leaves a shelf is ordered anew for that shelf and arrives after a lead time, sampled by a seed that
names shelf and order, so that two policies that use the same shelf meet the same deliveries. Tickets for which there
was nothing wait, and are decided anew when a unit that could serve them arrives.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush
from typing import Final

from connector.model.kinds import Lane, Priority
from connector.planning.history import LeadTimes, PastTicket
from connector.planning.measures import Day, Measures, Tally
from connector.rules.arrival.timetable import instant_of, minute_at_or_after
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.protection import Kept
from connector.rules.facts.scene import Scene, Shelf
from connector.rules.facts.shelves import Holding, holding_of
from connector.rules.policy.document import Mode, Policy
from connector.rules.policy.ladder import RungKind
from connector.rules.sourcing.candidate import Candidate
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, Outcome, Reason

NOTHING_THERE: Final = frozenset(
    {Reason.NO_COMPATIBLE_STOCK, Reason.NOTHING_ALLOWED, Reason.NOTHING_REACHABLE, Reason.BACKORDER}
)
"""Reasons that make a ticket a stock-out that waits."""
_DAY: Final = 24 * 60
_LEAST_URGENT: Final = len(Priority)


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of one policy. regions: of the tickets' sites, for capital of the hubs; "" for those without."""

    policy_version: str
    currency: str
    total: Measures
    regions: dict[str, Measures]
    days: tuple[Day, ...]


def replay(
    tickets: Iterable[PastTicket], scene: Scene, policies: Sequence[Policy], *, lead_times: LeadTimes, seed: int = 0
) -> list[Replay]:
    """Run each policy over tickets, in the order in which they were opened.

    The same arguments give the same replays, in whatever order the tickets are given. The policies advance together,
    ticket by ticket, so that conditions that they share are evaluated once.
    """
    ordered = sorted(tickets, key=order_of)
    if not ordered:
        return [Replay(p.version, p.sourcing.currency, Tally().measures(0), {}, ()) for p in policies]
    begin, end = int(ordered[0].opened_at.timestamp()) // 60, minute_at_or_after(ordered[-1].opened_at)
    runs = [_Run(scene, _replayable(policy), lead_times, seed, begin, max(end, begin + 1)) for policy in policies]
    for number, past in enumerate(ordered):
        for run in runs:
            run.step(number, past)
    return [run.finish() for run in runs]


def _replayable(policy: Policy) -> Policy:
    """The policy without what a history cannot say: of which revision units were."""
    without = {"same_revision_only": False, "allow_substitutes": False}
    rules = (rule.model_copy(update=without) if rule.same_revision_only else rule for rule in policy.rules)
    return policy.model_copy(update={"rules": tuple(rules)})


def order_of(past: PastTicket) -> tuple[datetime, int, str]:
    """Tickets by opening, then urgency, then number, which is unique."""
    return past.opened_at, _urgency(past), past.ticket.number


def _urgency(past: PastTicket) -> int:
    priority = past.ticket.priority
    return _LEAST_URGENT if priority is None else list(Priority).index(priority)


class _Run:
    """A replay under way.

    _waiting: needed product to the tickets that wait for it, by their place in the history. _useless: waiting
    ticket to the shelves that cannot serve it, whatever arrives there: enough was there, and the policy refused it.
    _wanted_by: product to the needed products that it could serve. _levels: units and their value, day by day.
    """

    def __init__(self, scene: Scene, policy: Policy, lead_times: LeadTimes, seed: int, begin: int, end: int) -> None:
        self._scene, self._policy = scene, policy
        self._lead_times, self._seed = lead_times, seed
        self._begin, self._end = begin, end
        self._free: dict[tuple[int, Lane], dict[int, int]] = defaultdict(dict)
        for shelf, units in sorted(scene.stock.items()):
            if units:
                self._free[shelf.product_id, shelf.lane][shelf.hub_id] = units
        self._keeping = {(shelf.product_id, shelf.lane) for shelf in scene.keeps}
        self._arrivals: list[tuple[int, int, Shelf, int]] = []
        self._orders: dict[Shelf, int] = defaultdict(int)
        self._sequence = 0
        self._waiting: dict[int, dict[int, PastTicket]] = defaultdict(dict)
        self._useless: dict[int, set[Shelf]] = {}
        self._wanted_by: dict[int, set[int]] = defaultdict(set)
        for product_id in scene.products:
            self._wanted_by[product_id].add(product_id)
        for needed, substitutes in scene.substitutes.items():
            for substitute in substitutes:
                self._wanted_by[substitute.product_id].add(needed)
        self._total = Tally()
        self._regions: dict[str, Tally] = defaultdict(Tally)
        self._days: dict[date, list[int]] = {}
        self._cost = {key: product.unit_cost_cents or 0 for key, product in scene.products.items()}
        self._units = sum(scene.stock.values())
        self._value: dict[str, int] = defaultdict(int)
        self._valued_at: dict[str, int] = defaultdict(lambda: self._begin)
        for shelf, units in scene.stock.items():
            self._value[self._region_of(shelf)] += units * self._cost[shelf.product_id]
        self._levels: list[tuple[int, int]] = []
        self._next_day = (self._begin // _DAY + 1) * _DAY

    def step(self, number: int, past: PastTicket) -> None:
        """The next ticket of the history is opened. number: its place in it."""
        minute = minute_at_or_after(past.opened_at)
        self._receive_until(minute)
        self._close_days(minute)
        self._open(number, past)

    def finish(self) -> Replay:
        """The history is over; go on until nobody waits for anything that is on order."""
        self._receive_until(self._end)
        self._close_days(self._end)
        self._levels.append((self._units, sum(self._value.values())))
        for region in list(self._value):
            self._accrue(region, self._end)
        while self._arrivals and any(self._waiting.values()):
            self._receive_until(self._arrivals[0][0])
        minutes = self._end - self._begin
        first = instant_of(self._begin).date()
        return Replay(
            policy_version=self._policy.version,
            currency=self._policy.sourcing.currency,
            total=self._total.measures(minutes),
            regions={name: tally.measures(minutes) for name, tally in sorted(self._regions.items())},
            days=tuple(self._day(first + timedelta(days=n), level) for n, level in enumerate(self._levels)),
        )

    def _day(self, day: date, level: tuple[int, int]) -> Day:
        due, in_time, stock_outs = self._days.get(day, (0, 0, 0))
        return Day(day, due, in_time, stock_outs, stock_units=level[0], stock_cents=level[1])

    def _open(self, number: int, past: PastTicket) -> None:
        decision = self._decide(past, past.opened_at)
        for tally in (self._total, self._regions[past.region]):
            tally.tickets += 1
        if decision.chosen is not None:
            self._needs(past, decision)
            self._serve(past, decision, decision.chosen)
        elif any(order.supplier for order in decision.orders):
            self._needs(past, decision)
            self._supply(past, decision)
        elif decision.reason in NOTHING_THERE and past.product is not None:
            self._needs(past, decision)
            for tally in (self._total, self._regions[past.region]):
                tally.stock_outs += 1
            self._day_of(past)[2] += 1
            self._waiting[past.product.id][number] = past
            self._useless[number] = self._ample(past)
        elif decision.outcome is not Outcome.NOT_NEEDED:
            for tally in (self._total, self._regions[past.region]):
                tally.reviews += 1

    def _needs(self, past: PastTicket, decision: Decision) -> None:
        for tally in (self._total, self._regions[past.region]):
            tally.needing += 1
            tally.due += decision.due_at is not None
        self._day_of(past)[0] += decision.due_at is not None

    def _serve(self, past: PastTicket, decision: Decision, chosen: Candidate) -> None:
        """Count the shipment, take the units and order new ones."""
        is_in_time = decision.due_at is not None and chosen.is_within_sla
        is_driven, is_glass = chosen.mode is Mode.DRIVE, chosen.lane is Lane.BREAK_GLASS
        for tally in (self._total, self._regions[past.region]):
            tally.served += 1
            tally.in_time += is_in_time
            tally.freight_cents += chosen.cost_cents
            tally.restore_minutes += minute_at_or_after(chosen.arrives_at) - minute_at_or_after(past.opened_at)
            tally.driven += is_driven
            tally.break_glass += is_glass
            tally.emergency_shipments += is_driven or is_glass
        self._day_of(past)[1] += is_in_time
        shelf = Shelf(chosen.hub_id, chosen.product_id, chosen.lane)
        minute = minute_at_or_after(decision.decided_at)
        self._put(shelf, -decision.quantity, minute)
        self._order(shelf, decision.quantity, minute)

    def _supply(self, past: PastTicket, decision: Decision) -> None:
        """Count what suppliers send: an emergency shipment with its whole cost, in their lead time."""
        arrives = max(order.arrives_at or decision.decided_at for order in decision.orders)
        is_in_time = decision.due_at is not None and arrives <= decision.due_at
        is_stock_out = not any(rung.kind == RungKind.STOCK and rung.offered for rung in decision.ladder)
        for tally in (self._total, self._regions[past.region]):
            tally.served += 1
            tally.in_time += is_in_time
            tally.stock_outs += is_stock_out
            tally.freight_cents += sum(order.cost_cents or 0 for order in decision.orders)
            tally.restore_minutes += minute_at_or_after(arrives) - minute_at_or_after(past.opened_at)
            tally.emergency_shipments += 1
        self._day_of(past)[1] += is_in_time
        self._day_of(past)[2] += is_stock_out

    def _decide(self, past: PastTicket, now: datetime) -> Decision:
        substitutes = self._scene.substitutes.get(past.product.id, ()) if past.product else ()
        holdings = tuple(
            self._holding(product_id, lane, free)
            for product_id in self._products(past)
            for lane in Lane
            if (free := self._free.get((product_id, lane)))
        )
        facts = SourcingFacts(
            ticket=past.ticket,
            asset=past.asset,
            product=past.product,
            site=past.site,
            service_class=past.service_class,
            substitutes=substitutes,
            holdings=holdings,
            fleet=self._scene.fleet,
            quantity=past.quantity,
        )
        return decide(facts, self._policy, now)

    def _holding(self, product_id: int, lane: Lane, free: dict[int, int]) -> Holding:
        if (product_id, lane) not in self._keeping:
            return Holding(product_id, lane, free)
        return holding_of(
            product_id, lane, {hub: self._kept(Shelf(hub, product_id, lane), units) for hub, units in free.items()}
        )

    def _kept(self, shelf: Shelf, units: int) -> Kept:
        return Kept(units, *self._scene.keeps.get(shelf, ()))

    def _ample(self, past: PastTicket) -> set[Shelf]:
        """Shelves that have as many units as a ticket needs beside what they keep, of anything that could serve it."""
        shelves = {
            Shelf(hub_id, product_id, lane): units
            for product_id in self._products(past)
            for lane in Lane
            for hub_id, units in self._free.get((product_id, lane), {}).items()
        }
        return {shelf for shelf, units in shelves.items() if self._kept(shelf, units).usable() >= past.quantity}

    def _products(self, past: PastTicket) -> tuple[int, ...]:
        """The needed product and its substitutes."""
        if past.product is None:
            return ()
        return past.product.id, *(s.product_id for s in self._scene.substitutes.get(past.product.id, ()))

    def _order(self, shelf: Shelf, units: int, minute: int) -> None:
        number = self._orders[shelf]
        self._orders[shelf] += 1
        hub, product = self._scene.fleet.hubs[shelf.hub_id].label, self._scene.products[shelf.product_id].label
        rng = random.Random(f"{self._seed}/{hub}/{product}/{shelf.lane.value}/{number}")  # noqa: S311 - a simulation
        lead = self._lead_times.of(product, hub).sample_minutes(rng)
        self._sequence += 1
        heappush(self._arrivals, (minute + lead, self._sequence, shelf, units))

    def _receive_until(self, minute: int) -> None:
        """Put on the shelves what has arrived, and serve those who wait for it."""
        while self._arrivals and self._arrivals[0][0] <= minute:
            at, _, shelf, units = heappop(self._arrivals)
            self._close_days(at)
            self._put(shelf, units, at)
            self._serve_waiting(shelf, instant_of(at))

    def _serve_waiting(self, shelf: Shelf, now: datetime) -> None:
        aged = self._policy.fairness.aged
        waiting = [
            (aged(past.ticket.priority, past.opened_at, now), number, needed)
            for needed in self._wanted_by[shelf.product_id]
            for number, past in self._waiting[needed].items()
            if shelf not in self._useless[number]
        ]
        for _, number, needed in sorted(waiting):
            past = self._waiting[needed][number]
            decision = self._decide(past, now)
            if decision.chosen is None:
                self._useless[number] |= self._ample(past)
                continue
            del self._waiting[needed][number], self._useless[number]
            self._serve(past, decision, decision.chosen)
            if not self._free[shelf.product_id, shelf.lane].get(shelf.hub_id):
                return

    def _put(self, shelf: Shelf, units: int, minute: int) -> None:
        free = self._free[shelf.product_id, shelf.lane]
        left = free.get(shelf.hub_id, 0) + units
        if left:
            free[shelf.hub_id] = left
        else:
            del free[shelf.hub_id]
        region = self._region_of(shelf)
        self._accrue(region, min(minute, self._end))
        self._value[region] += units * self._cost[shelf.product_id]
        self._units += units

    def _accrue(self, region: str, minute: int) -> None:
        """Count the capital that lay in a region's hubs until now."""
        cents = self._value[region] * (minute - self._valued_at[region])
        self._total.value_minutes += cents
        self._regions[region].value_minutes += cents
        self._valued_at[region] = minute

    def _close_days(self, minute: int) -> None:
        """Note the stock at the end of each day that is over."""
        while self._next_day <= min(minute, self._end):
            self._levels.append((self._units, sum(self._value.values())))
            self._next_day += _DAY

    def _day_of(self, past: PastTicket) -> list[int]:
        """Tickets due, restored in time, and stock-outs, of the day on which one was opened."""
        return self._days.setdefault(past.opened_at.astimezone(UTC).date(), [0, 0, 0])

    def _region_of(self, shelf: Shelf) -> str:
        return self._scene.regions.get(shelf.hub_id, "")
