"""One policy over a history: tickets open, the rules choose, units leave, ordered ones arrive.

Every unit that leaves a shelf is ordered anew for that shelf and arrives after a lead time, sampled by a seed that
names shelf and order, so that two policies that use the same shelf meet the same deliveries. Tickets for which there
was nothing wait, and are decided anew when a unit that could serve them arrives, a red channel opens for them, or
another ticket about the same failure is served. What time brings happens in its order: deliveries, then channels that
open, then events that nobody has answered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from connector.model.kinds import Lane, Priority
from connector.planning.events import Events
from connector.planning.history import LeadTimes, PastTicket
from connector.planning.kin import Kin, Kinship, kinship
from connector.planning.measures import Day, Measures, Tally
from connector.planning.stockroom import Stockroom
from connector.rules.arrival.lanes import NO_LANES
from connector.rules.arrival.timetable import instant_of, minute_at_or_after
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.scene import Scene, Shelf
from connector.rules.facts.standing import ChannelFacts
from connector.rules.policy.channels import covers
from connector.rules.policy.document import Mode, Policy
from connector.rules.policy.ladder import RungKind
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, Outcome, Reason

NOTHING_THERE: Final = frozenset(
    {
        Reason.NO_COMPATIBLE_STOCK,
        Reason.KIT_INCOMPLETE,
        Reason.NOTHING_ALLOWED,
        Reason.NOTHING_REACHABLE,
        Reason.BACKORDER,
    }
)
"""Reasons that make a ticket a stock-out that waits."""
TOGETHER: Final = frozenset({Reason.RELIEVED, Reason.FOLLOWS, Reason.GROUPED})
"""Reasons of a ticket that needs no unit of its own: another ticket, or an event, stands for it."""
_LEAST_URGENT: Final = len(Priority)
_NEVER_LEFT: Final = -1
"""Of what leaves no hub: it relieves no other ticket, as in operation."""


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
    kin = kinship(ordered)
    runs = [_Run(scene, _replayable(policy), kin, lead_times, seed, begin, max(end, begin + 1)) for policy in policies]
    for number, past in enumerate(ordered):
        for run in runs:
            run.step(number, past)
    return [run.finish() for run in runs]


def _replayable(policy: Policy) -> Policy:
    """The policy without what is not replayed: of which revision units were, and several parts of what one needs."""
    return policy.model_copy(
        update={
            "rules": tuple(
                rule.model_copy(
                    update={
                        "same_revision_only": False, "allow_substitutes": rule.takes_substitutes, "partial": "never",
                    }
                )
                for rule in policy.rules
            )
        }
    )  # fmt: skip


def order_of(past: PastTicket) -> tuple[datetime, int, str]:
    """Tickets by opening, then urgency, then number, which is unique."""
    return past.opened_at, _urgency(past), past.ticket.number


def _urgency(past: PastTicket) -> int:
    priority = past.ticket.priority
    return _LEAST_URGENT if priority is None else list(Priority).index(priority)


@dataclass(slots=True)
class _Waits:
    """A ticket that waits for a unit. number: its place in the history. has_due: whether it counts for the SLA.

    useless: shelves that cannot serve it, whatever arrives there: enough was there, and the policy refused it.
    """

    number: int
    past: PastTicket
    has_due: bool
    useless: set[Shelf]


class _Run:
    """A replay under way.

    _waiting: needed product to the tickets that wait for it, by their ids. _held: tickets that wait until an event is
    answered, with their places in the history. _wanted_by: product to the needed products that it could serve.
    """

    def __init__(
        self,
        scene: Scene,
        policy: Policy,
        kinship: Kinship,
        lead_times: LeadTimes,
        seed: int,
        begin: int,
        end: int,
    ) -> None:
        self._scene, self._policy, self._kinship = scene, policy, kinship
        self._begin, self._end = begin, end
        self._total = Tally()
        self._regions: defaultdict[str, Tally] = defaultdict(Tally)
        self._days: dict[date, list[int]] = {}
        self._stock = Stockroom(scene, lead_times, seed, begin=begin, end=end, total=self._total, regions=self._regions)
        self._kin = Kin(kinship)
        self._events = Events(policy, scene.in_the_field)
        first, last = instant_of(begin), instant_of(end)
        self._channels = [item for item in scene.channels if item.ends_at > first and item.opened_at <= last]
        self._opening = sorted((minute_at_or_after(item.opened_at), item.id, item) for item in self._channels)
        self._opening = [item for item in self._opening if item[0] > begin][::-1]
        self._waiting: dict[int, dict[int, _Waits]] = defaultdict(dict)
        self._held: dict[int, tuple[int, PastTicket]] = {}
        self._wanted_by: dict[int, set[int]] = defaultdict(set)
        for product_id in scene.products:
            self._wanted_by[product_id].add(product_id)
        for needed, substitutes in scene.substitutes.items():
            for substitute in substitutes:
                self._wanted_by[substitute.product_id].add(needed)

    def step(self, number: int, past: PastTicket) -> None:
        """The next ticket of the history is opened. number: its place in it."""
        minute = minute_at_or_after(past.opened_at)
        self._pass_until(minute)
        self._stock.close_days(minute)
        self._kin.open(past)
        for tally in self._tallies(past):
            tally.tickets += 1
        self._first(number, past, past.opened_at)

    def finish(self) -> Replay:
        """The history is over; go on until nobody waits for an answer, or for anything that is on order."""
        self._pass_until(self._end)
        levels = self._stock.close()
        while self._held or (self._stock.next_arrival is not None and any(self._waiting.values())):
            self._pass_next()
        minutes = self._end - self._begin
        first = instant_of(self._begin).date()
        return Replay(
            policy_version=self._policy.version,
            currency=self._policy.sourcing.currency,
            total=self._total.measures(minutes),
            regions={name: tally.measures(minutes) for name, tally in sorted(self._regions.items())},
            days=tuple(self._day(first + timedelta(days=n), level) for n, level in enumerate(levels)),
        )

    def _day(self, day: date, level: tuple[int, int]) -> Day:
        due, in_time, stock_outs = self._days.get(day, (0, 0, 0))
        return Day(day, due, in_time, stock_outs, stock_units=level[0], stock_cents=level[1])

    def _next(self) -> tuple[int, int] | None:
        """When time brings something next, and what: a delivery, a channel, the answer to an event."""
        coming = (
            self._stock.next_arrival,
            self._opening[-1][0] if self._opening else None,
            self._events.next_change,
        )
        return min(((minute, what) for what, minute in enumerate(coming) if minute is not None), default=None)

    def _pass_until(self, minute: int) -> None:
        """Have everything happen that time brings until then."""
        while (coming := self._next()) is not None and coming[0] <= minute:
            self._pass_next()

    def _pass_next(self) -> None:
        match self._next():
            case (_, 0):
                minute, shelf = self._stock.receive()
                self._serve_waiting(shelf, instant_of(minute))
            case (minute, 1):
                self._open_channel(self._opening.pop()[2], instant_of(minute))
            case _:
                minute, tickets = self._events.settle()
                for ticket_id in tickets:
                    self._answered(ticket_id, instant_of(minute))

    def _answered(self, ticket_id: int, now: datetime) -> None:
        """Time has settled an event that a ticket belongs to."""
        if ticket_id in self._held:
            self._first(*self._held.pop(ticket_id), now)
            return
        waits = self._waits_of(self._kinship.tickets[ticket_id])
        if waits is not None:
            self._again(waits, now)

    def _first(self, number: int, past: PastTicket, now: datetime) -> None:
        """What becomes of a ticket that is opened, or whose event has been answered."""
        decision = self._decide(past, now)
        if decision.chosen is not None:
            self._needs(past, decision)
            self._serve(past, decision)
        elif any(order.supplier for order in decision.orders):
            self._needs(past, decision)
            self._supply(past, decision)
        elif decision.reason in NOTHING_THERE and past.product is not None:
            self._needs(past, decision)
            self._count_stock_out(past, 1)
            waits = _Waits(number, past, decision.due_at is not None, self._ample(past))
            self._waiting[past.product.id][past.ticket.id] = waits
        elif decision.reason is Reason.GROUPED and decision.outcome is Outcome.REVIEW:
            for tally in self._tallies(past):
                tally.held += now == past.opened_at
            self._held[past.ticket.id] = (number, past)
        elif _is_together(decision):
            for tally in self._tallies(past):
                tally.joined += 1
        elif decision.outcome is not Outcome.NOT_NEEDED:
            for tally in self._tallies(past):
                tally.reviews += 1

    def _tallies(self, past: PastTicket) -> tuple[Tally, Tally]:
        return self._total, self._regions[past.region]

    def _needs(self, past: PastTicket, decision: Decision) -> None:
        for tally in self._tallies(past):
            tally.needing += 1
            tally.due += decision.due_at is not None
        self._day_of(past)[0] += decision.due_at is not None

    def _count_stock_out(self, past: PastTicket, by: int) -> None:
        for tally in self._tallies(past):
            tally.stock_outs += by
        self._day_of(past)[2] += by

    def _serve(self, past: PastTicket, decision: Decision) -> None:
        """Count the parcels, take the units and order new ones."""
        parcels = [decision.candidates[place] for place in range(len(decision.picks))]
        arrives = max(pick.arrives_at for pick in decision.picks)
        is_in_time = decision.due_at is not None and all(parcel.is_within_sla for parcel in parcels)
        for tally in self._tallies(past):
            tally.served += 1
            tally.in_time += is_in_time
            tally.restore_minutes += minute_at_or_after(arrives) - minute_at_or_after(past.opened_at)
            for parcel in parcels:
                is_driven, is_glass = parcel.mode is Mode.DRIVE, parcel.lane is Lane.BREAK_GLASS
                tally.freight_cents += parcel.cost_cents
                tally.driven += is_driven
                tally.break_glass += is_glass
                tally.emergency_shipments += is_driven or is_glass
        self._day_of(past)[1] += is_in_time
        minute = minute_at_or_after(decision.decided_at)
        for pick in decision.picks:
            self._stock.take(Shelf(pick.hub_id, pick.product_id, pick.lane), pick.quantity, minute)
        left = max(minute_at_or_after(parcel.departs_at) for parcel in parcels)
        self._kin.give(past, parcels[0].hub, left=left, arrives=minute_at_or_after(arrives))
        self._relieve(past, decision.decided_at)

    def _supply(self, past: PastTicket, decision: Decision) -> None:
        """Count what suppliers send: an emergency shipment with its whole cost, in their lead time."""
        arrives = max(order.arrives_at or decision.decided_at for order in decision.orders)
        is_in_time = decision.due_at is not None and arrives <= decision.due_at
        is_stock_out = not any(rung.kind == RungKind.STOCK and rung.offered for rung in decision.ladder)
        for tally in self._tallies(past):
            tally.served += 1
            tally.in_time += is_in_time
            tally.freight_cents += sum(order.cost_cents or 0 for order in decision.orders)
            tally.restore_minutes += minute_at_or_after(arrives) - minute_at_or_after(past.opened_at)
            tally.emergency_shipments += 1
        self._day_of(past)[1] += is_in_time
        self._count_stock_out(past, int(is_stock_out))
        self._kin.give(past, "a supplier", left=_NEVER_LEFT, arrives=minute_at_or_after(arrives))

    def _relieve(self, past: PastTicket, now: datetime) -> None:
        """Tickets about the same failure that wait need no unit of their own any more, where the policy says so."""
        for ticket_id in sorted(self._kinship.of(past)):
            waits = self._waits_of(self._kinship.tickets[ticket_id])
            if waits is not None and _is_together(self._decide(waits.past, now)):
                self._join(waits)

    def _waits_of(self, past: PastTicket) -> _Waits | None:
        return self._waiting[past.product.id].get(past.ticket.id) if past.product is not None else None

    def _join(self, waits: _Waits) -> None:
        """A ticket that was counted as needing a unit of its own has one with another."""
        self._end_wait(waits)
        self._count_stock_out(waits.past, -1)
        for tally in self._tallies(waits.past):
            tally.needing -= 1
            tally.due -= waits.has_due
            tally.joined += 1
        self._day_of(waits.past)[0] -= waits.has_due

    def _decide(self, past: PastTicket, now: datetime) -> Decision:
        minute = minute_at_or_after(now)
        site = past.site
        facts = SourcingFacts(
            ticket=past.ticket,
            asset=past.asset,
            product=past.product,
            site=site,
            service_class=past.service_class,
            substitutes=self._scene.substitutes.get(past.product.id, ()) if past.product else (),
            holdings=self._stock.holdings(self._products(past)),
            fleet=self._scene.fleet,
            quantity=past.quantity,
            relief=self._kin.relief(past),
            links=self._kin.links(past, minute),
            lanes=self._scene.lanes.get(site.id, NO_LANES) if site is not None else NO_LANES,
            channels=tuple(item for item in self._channels if item.opened_at <= now < item.ends_at),
        )
        group = self._events.standing(facts, minute, self._kin.served)
        return decide(facts if group is None else replace(facts, group=group), self._policy, now)

    def _ample(self, past: PastTicket) -> set[Shelf]:
        """Shelves that have as many units as a ticket needs beside what they keep, of anything that could serve it."""
        return self._stock.ample(self._products(past), past.quantity)

    def _products(self, past: PastTicket) -> tuple[int, ...]:
        """The needed product and its substitutes."""
        if past.product is None:
            return ()
        return past.product.id, *(s.product_id for s in self._scene.substitutes.get(past.product.id, ()))

    def _serve_waiting(self, shelf: Shelf, now: datetime) -> None:
        """Serve those who wait for what has arrived on a shelf, as long as something lies there."""
        waiting = [
            waits
            for needed in self._wanted_by[shelf.product_id]
            for waits in self._waiting[needed].values()
            if shelf not in waits.useless
        ]
        for waits in self._in_line(waiting, now):
            self._again(waits, now)
            if not self._stock.has(shelf):
                return

    def _open_channel(self, channel: ChannelFacts, now: datetime) -> None:
        """Decide anew about those who wait and whom a red channel is for: it may give them other shelves."""
        waiting = [
            waits for items in self._waiting.values() for waits in items.values() if _is_for(channel, waits.past)
        ]
        for waits in self._in_line(waiting, now):
            waits.useless = set()
            self._again(waits, now)
        for ticket_id, (number, past) in sorted(self._held.items()):
            if _is_for(channel, past):
                del self._held[ticket_id]
                self._first(number, past, now)

    def _in_line(self, waiting: Iterable[_Waits], now: datetime) -> list[_Waits]:
        aged = self._policy.fairness.aged
        return sorted(waiting, key=lambda w: (aged(w.past.ticket.priority, w.past.opened_at, now), w.number))

    def _again(self, waits: _Waits, now: datetime) -> None:
        """Decide anew about a ticket that waits, if it still does."""
        if self._waits_of(waits.past) is not waits:
            return
        decision = self._decide(waits.past, now)
        if decision.chosen is not None:
            self._end_wait(waits)
            self._serve(waits.past, decision)
        elif _is_together(decision):
            self._join(waits)
        elif decision.reason is not Reason.GROUPED:
            waits.useless |= self._ample(waits.past)

    def _end_wait(self, waits: _Waits) -> None:
        if waits.past.product is not None:
            del self._waiting[waits.past.product.id][waits.past.ticket.id]

    def _day_of(self, past: PastTicket) -> list[int]:
        """Tickets due, restored in time, and stock-outs, of the day on which one was opened."""
        return self._days.setdefault(past.opened_at.astimezone(UTC).date(), [0, 0, 0])


def _is_together(decision: Decision) -> bool:
    """Whether a ticket needs no unit of its own because another one, or an event, stands for it."""
    return decision.outcome is Outcome.NOT_NEEDED and decision.reason in TOGETHER


def _is_for(channel: ChannelFacts, past: PastTicket) -> bool:
    return covers(channel.scope, SourcingFacts(ticket=past.ticket, product=past.product, site=past.site))
