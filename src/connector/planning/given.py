"""What tickets of a replay were given: counted as it is sent, and taken back where a more urgent ticket gets it.

A unit can be taken over until it has left its hub, as in operation. Of tickets that were given something in several
parts, or from several shelves, nothing is taken.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import or_
from typing import Final

from connector.model.kinds import Lane, Priority
from connector.planning.history import PastTicket
from connector.rules.arrival.timetable import minute_at_or_after
from connector.rules.facts.scene import Shelf
from connector.rules.facts.shelves import Contested
from connector.rules.policy.competition import rank_of
from connector.rules.policy.document import Mode, Policy, Rule
from connector.rules.sourcing.decision import Decision, Outcome, Reason

NEVER_LEFT: Final = -1
"""Of what leaves no hub: it relieves no other ticket, as in operation."""
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


@dataclass(frozen=True, slots=True)
class Parcels:
    """What was counted of the parcels of a ticket. left: the minute at which the last of them leaves its hub."""

    arrives: datetime
    is_in_time: bool
    left: int
    freight_cents: int = 0
    driven: int = 0
    break_glass: int = 0
    emergency_shipments: int = 0


@dataclass(frozen=True, slots=True)
class Given:
    """A unit, or several of one shelf, that a ticket was given, all that it needs. number: its place in the history.

    has_due: whether it counts for the SLA. red_until: end of the red channel that it went through.
    """

    number: int
    past: PastTicket
    shelf: Shelf
    quantity: int
    made_at: datetime
    parcels: Parcels
    has_due: bool
    red_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Partly:
    """A ticket that has a part of its units. arrives: when the last of them does; is_in_time: whether all do."""

    had: int
    arrives: datetime
    is_in_time: bool


@dataclass(slots=True)
class Waits:
    """A ticket that waits for a unit. number: its place in the history. has_due: whether it counts for the SLA.

    is_stock_out: whether it was counted as one; who lost a unit was not. useless: shelves that cannot serve it,
    whatever arrives there: enough was there, and the policy refused it.
    """

    number: int
    past: PastTicket
    has_due: bool
    useless: set[Shelf]
    is_stock_out: bool = True


def parcels_of(part: Decision) -> Parcels:
    """The parcels of what a decision chose."""
    chosen = [part.candidates[place] for place in range(len(part.picks))]
    driven = [parcel.mode is Mode.DRIVE for parcel in chosen]
    glass = [parcel.lane is Lane.BREAK_GLASS for parcel in chosen]
    return Parcels(
        arrives=max(pick.arrives_at for pick in part.picks),
        is_in_time=part.due_at is not None and all(parcel.is_within_sla for parcel in chosen),
        left=max(minute_at_or_after(parcel.departs_at) for parcel in chosen),
        freight_cents=sum(parcel.cost_cents for parcel in chosen),
        driven=sum(driven),
        break_glass=sum(glass),
        emergency_shipments=sum(map(or_, driven, glass)),
    )


def supplied(part: Decision) -> Parcels:
    """What suppliers send: an emergency shipment with its whole cost, in their lead time."""
    arrives = max(order.arrives_at or part.decided_at for order in part.orders)
    return Parcels(
        arrives,
        is_in_time=part.due_at is not None and arrives <= part.due_at,
        left=NEVER_LEFT,
        freight_cents=sum(order.cost_cents or 0 for order in part.orders),
        emergency_shipments=1,
    )


class InHubs:
    """What was given and lies in its hub still, by the ticket that it was given to."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._takes: dict[tuple[str, Priority | None], frozenset[int]] = {}
        self._given: defaultdict[int, dict[int, Given]] = defaultdict(dict)
        self._losses: Counter[int] = Counter()

    def add(self, given: Given) -> None:
        """A ticket was given something."""
        self._given[given.shelf.product_id][given.past.ticket.id] = given

    def contested(self, product_ids: Iterable[int], by: PastTicket, rule: Rule, now: datetime) -> tuple[Contested, ...]:
        """What weaker tickets have of these products and a rule could take for a ticket, as decisions see it.

        What the rule takes from nobody is left out: it would change nothing.
        """
        ranks, found, minute = self._ranks(rule, by), [], minute_at_or_after(now)
        if not ranks:
            return ()
        for product_id in product_ids:
            there = self._given.get(product_id)
            if not there:
                continue
            for ticket_id in [n for n, given in there.items() if given.parcels.left <= minute]:
                del there[ticket_id]
            aged = self._policy.fairness.aged
            found += [
                self._contested(given)
                for given in there.values()
                if aged(given.past.ticket.priority, given.past.opened_at, now) in ranks
            ]
        return tuple(found)

    def _ranks(self, rule: Rule, by: PastTicket) -> frozenset[int]:
        """The ranks from which a rule, on any of its rungs, takes for a ticket."""
        key = (rule.name, by.ticket.priority)
        known = self._takes.get(key)
        if known is None:
            rules = (rule, *(step.rule for step in self._policy.steps_of(rule)))
            over = {item.value for one in rules if one.preempt is not None for item in one.preempt.over}
            own = rank_of(by.ticket.priority)
            ranks = {rank_of(p): p.value for p in Priority}
            known = self._takes[key] = frozenset(rank for rank, name in ranks.items() if rank > own and name in over)
        return known

    def lose(self, ticket_id: int) -> Given:
        """A ticket loses what it was given; what that was."""
        self._losses[ticket_id] += 1
        return next(there.pop(ticket_id) for there in self._given.values() if ticket_id in there)

    def _contested(self, given: Given) -> Contested:
        ticket = given.past.ticket
        return Contested(
            reservation_id=ticket.id,
            ticket_id=ticket.id,
            ticket=ticket.number,
            hub_id=given.shelf.hub_id,
            product_id=given.shelf.product_id,
            lane=given.shelf.lane,
            quantity=given.quantity,
            priority=ticket.priority,
            since=given.past.opened_at,
            made_at=given.made_at,
            losses=self._losses[ticket.id],
            red_until=given.red_until,
        )


def gives(decision: Decision) -> bool:
    """Whether a ticket gets something of what it needs, from a shelf or from a supplier."""
    return decision.chosen is not None or any(order.supplier for order in decision.orders)


def is_together(decision: Decision) -> bool:
    """Whether a ticket needs no unit of its own because another one, or an event, stands for it."""
    return decision.outcome is Outcome.NOT_NEEDED and decision.reason in TOGETHER
