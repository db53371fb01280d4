"""One policy at work on a history, ticket by ticket: see `connector.planning.replay` for what is replayed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from connector.model.lifecycle import LoanState
from connector.planning.events import Events
from connector.planning.given import (
    NEVER_LEFT,
    NOTHING_THERE,
    Given,
    InHubs,
    Partly,
    Waits,
    gives,
    is_together,
    parcels_of,
    supplied,
)
from connector.planning.history import LeadTimes, PastTicket
from connector.planning.kin import Kin, Kinship
from connector.planning.ledger import Ledger
from connector.planning.measures import Replay
from connector.planning.stockroom import Stockroom
from connector.rules.arrival.lanes import NO_LANES
from connector.rules.arrival.timetable import instant_of, minute_at_or_after
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.scene import Scene, Shelf
from connector.rules.facts.standing import ChannelFacts, LoanFacts
from connector.rules.policy.channels import covers
from connector.rules.policy.document import Policy
from connector.rules.policy.ladder import RungKind
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, Outcome, Reason


class Run:
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
        self._count = Ledger()
        total, regions = self._count.total, self._count.regions
        self._stock = Stockroom(scene, lead_times, seed, begin=begin, end=end, total=total, regions=regions)
        self._kin = Kin(kinship)
        self._events = Events(policy, scene.in_the_field)
        first, last = instant_of(begin), instant_of(end)
        self._channels = [item for item in scene.channels if item.ends_at > first and item.opened_at <= last]
        self._opening = sorted((minute_at_or_after(item.opened_at), item.id, item) for item in self._channels)
        self._opening = [item for item in self._opening if item[0] > begin][::-1]
        self._waiting: dict[int, dict[int, Waits]] = defaultdict(dict)
        self._held: dict[int, tuple[int, PastTicket]] = {}
        self._in_hubs = InHubs(policy)
        self._rules = {rule.name: rule for rule in policy.rules}
        self._partly: dict[int, Partly] = {}
        self._loans: dict[int, LoanFacts] = {}
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
        for tally in self._count.of(past):
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
            total=self._count.total.measures(minutes),
            regions={name: tally.measures(minutes) for name, tally in sorted(self._count.regions.items())},
            days=tuple(
                self._count.day(first + timedelta(days=n), units=units, cents=cents)
                for n, (units, cents) in enumerate(levels)
            ),
        )

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
        decision = self._decided(past, now)
        if gives(decision):
            self._count.needs(past, has_due=decision.due_at is not None)
            left = self._give(number, past, decision)
            if left is not None and left.reason in NOTHING_THERE:
                self._count.stock_out(past)
                self._wait(number, past, decision)
        elif decision.reason in NOTHING_THERE and past.product is not None:
            self._count.needs(past, has_due=decision.due_at is not None)
            self._count.stock_out(past)
            self._wait(number, past, decision)
        elif decision.reason is Reason.GROUPED and decision.outcome is Outcome.REVIEW:
            for tally in self._count.of(past):
                tally.held += now == past.opened_at
            self._held[past.ticket.id] = (number, past)
        elif is_together(decision):
            for tally in self._count.of(past):
                tally.joined += 1
        elif decision.outcome is not Outcome.NOT_NEEDED:
            for tally in self._count.of(past):
                tally.reviews += 1

    def _wait(self, number: int, past: PastTicket, decision: Decision, *, is_stock_out: bool = True) -> None:
        if past.product is not None:
            waits = Waits(number, past, decision.due_at is not None, self._ample(past), is_stock_out)
            self._waiting[past.product.id][past.ticket.id] = waits

    def _give(self, number: int, past: PastTicket, decision: Decision, *, is_new: bool = True) -> Decision | None:
        """Carry a decision out, part by part; the part that gives nothing, None where the ticket has all that it needs.

        is_new: whether it is decided about at its opening, so that a shelf that has nothing is a stock-out.
        """
        minute = minute_at_or_after(decision.decided_at)
        taken = [item for part in decision.parts for item in part.taken_from]
        losers = [self._take_back(item.reservation_id, minute) for item in taken]
        had = self._partly.get(past.ticket.id)
        for part in decision.parts:
            if not gives(part):
                self._serve_anew(losers, decision.decided_at)
                return part
            parcels = parcels_of(part) if part.chosen is not None else supplied(part)
            self._count.parcels(past, parcels)
            for pick in part.picks:
                self._stock.take(Shelf(pick.hub_id, pick.product_id, pick.lane), pick.quantity, minute)
            if is_new and part.orders and not any(r.kind == RungKind.STOCK and r.offered for r in part.ladder):
                self._count.stock_out(past)
            before = had or Partly(0, parcels.arrives, is_in_time=True)
            arrives, in_time = max(before.arrives, parcels.arrives), before.is_in_time and parcels.is_in_time
            had = self._partly[past.ticket.id] = Partly(before.had + part.quantity, arrives, in_time)
        self._complete(past, decision, had or Partly(0, decision.decided_at, is_in_time=False))
        picks = decision.picks
        if decision.rest is None and len(picks) == 1 and picks[0].quantity == past.quantity:
            shelf = Shelf(picks[0].hub_id, picks[0].product_id, picks[0].lane)
            red_until = decision.channel.facts.ends_at if decision.channel is not None else None
            has_due = decision.due_at is not None
            made = Given(number, past, shelf, past.quantity, decision.decided_at, parcels, has_due, red_until)
            self._in_hubs.add(made)
        self._relieve(past, decision.decided_at)
        self._serve_anew(losers, decision.decided_at)
        return None

    def _complete(self, past: PastTicket, decision: Decision, has: Partly) -> None:
        """A ticket has all that it needs."""
        self._partly.pop(past.ticket.id, None)
        self._count.served(past, has.arrives, is_in_time=has.is_in_time)
        last = decision.parts[-1]
        if last.chosen is None:
            self._kin.give(past, "a supplier", left=NEVER_LEFT, arrives=minute_at_or_after(has.arrives))
            return
        left = max(minute_at_or_after(last.candidates[place].departs_at) for place in range(len(last.picks)))
        self._kin.give(past, last.candidates[0].hub, left=left, arrives=minute_at_or_after(has.arrives))

    def _take_back(self, ticket_id: int, minute: int) -> Given:
        """A ticket loses what it was given: what was counted for it is counted no more, its units are back."""
        given = self._in_hubs.lose(ticket_id)
        parcels = given.parcels
        self._count.parcels(given.past, parcels, -1)
        self._count.served(given.past, parcels.arrives, is_in_time=parcels.is_in_time, times=-1)
        for tally in self._count.of(given.past):
            tally.preempted += 1
        self._stock.give_back(given.shelf, given.quantity, minute)
        self._kin.take(given.past)
        return given

    def _serve_anew(self, losers: Iterable[Given], now: datetime) -> None:
        """Decide anew about tickets that have lost what they were given."""
        for given in losers:
            past, decision = given.past, self._decided(given.past, now)
            if gives(decision):
                left = self._give(given.number, past, decision, is_new=False)
                if left is not None and left.reason in NOTHING_THERE:
                    self._wait(given.number, past, decision, is_stock_out=False)
            elif is_together(decision):
                self._count.joined(past, has_due=given.has_due)
            elif decision.reason in NOTHING_THERE:
                self._wait(given.number, past, decision, is_stock_out=False)

    def _relieve(self, past: PastTicket, now: datetime) -> None:
        """Tickets about the same failure that wait need no unit of their own any more, where the policy says so."""
        for ticket_id in sorted(self._kinship.of(past)):
            waits = self._waits_of(self._kinship.tickets[ticket_id])
            if waits is not None and is_together(self._decide(waits.past, now)):
                self._join(waits)

    def _waits_of(self, past: PastTicket) -> Waits | None:
        return self._waiting[past.product.id].get(past.ticket.id) if past.product is not None else None

    def _join(self, waits: Waits) -> None:
        """A ticket that was counted as needing a unit of its own has one with another."""
        self._end_wait(waits)
        self._count.stock_out(waits.past, -waits.is_stock_out)
        self._count.joined(waits.past, has_due=waits.has_due)

    def _decided(self, past: PastTicket, now: datetime) -> Decision:
        """Decide about a ticket, and lend what is to be lent."""
        decision = self._decide(past, now)
        loan = decision.loan
        if loan is not None and loan.pick is not None and loan.due_back_at is not None:
            pick, ticket_id = loan.pick, past.ticket.id
            until = minute_at_or_after(loan.due_back_at)
            self._stock.lend(
                Shelf(pick.hub_id, pick.product_id, pick.lane), pick.quantity, minute_at_or_after(now), until
            )
            self._loans[ticket_id] = LoanFacts(ticket_id, ticket_id, LoanState.LENT, loan.due_back_at)
            self._count.lent(past, loan)
        return decision

    def _decide(self, past: PastTicket, now: datetime) -> Decision:
        minute = minute_at_or_after(now)
        site, partly = past.site, self._partly.get(past.ticket.id)
        had = partly.had if partly is not None else 0
        facts = SourcingFacts(
            ticket=past.ticket,
            asset=past.asset,
            product=past.product,
            site=site,
            service_class=past.service_class,
            substitutes=self._scene.substitutes.get(past.product.id, ()) if past.product else (),
            holdings=self._stock.holdings(self._products(past)),
            fleet=self._scene.fleet,
            quantity=past.quantity - had,
            had=had,
            loan=self._loans.get(past.ticket.id),
            relief=self._kin.relief(past),
            links=self._kin.links(past, minute),
            lanes=self._scene.lanes.get(site.id, NO_LANES) if site is not None else NO_LANES,
            channels=tuple(item for item in self._channels if item.opened_at <= now < item.ends_at),
        )
        group = self._events.standing(facts, minute, self._kin.served)
        facts = facts if group is None else replace(facts, group=group)
        decision = decide(facts, self._policy, now)
        if not decision.wants_contested or decision.rule is None:
            return decision
        contested = self._in_hubs.contested(self._products(past), past, self._rules[decision.rule], now)
        return decide(replace(facts, contested=contested), self._policy, now) if contested else decision

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

    def _in_line(self, waiting: Iterable[Waits], now: datetime) -> list[Waits]:
        aged = self._policy.fairness.aged
        return sorted(waiting, key=lambda w: (aged(w.past.ticket.priority, w.past.opened_at, now), w.number))

    def _again(self, waits: Waits, now: datetime) -> None:
        """Decide anew about a ticket that waits, if it still does."""
        if self._waits_of(waits.past) is not waits:
            return
        decision = self._decided(waits.past, now)
        if decision.chosen is not None:
            self._end_wait(waits)
            if self._give(waits.number, waits.past, decision, is_new=False) is not None and waits.past.product:
                self._waiting[waits.past.product.id][waits.past.ticket.id] = waits
        elif is_together(decision):
            self._join(waits)
        elif decision.reason is not Reason.GROUPED:
            waits.useless |= self._ample(waits.past)

    def _end_wait(self, waits: Waits) -> None:
        if waits.past.product is not None:
            del self._waiting[waits.past.product.id][waits.past.ticket.id]


def _is_for(channel: ChannelFacts, past: PastTicket) -> bool:
    return covers(channel.scope, SourcingFacts(ticket=past.ticket, product=past.product, site=past.site))
