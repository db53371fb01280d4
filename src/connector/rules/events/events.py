"""Root events: when tickets are about one cause, and what that means for each of them. Pure.

A ticket gives a signal for each kind of event that the policy looks for and that it could belong to. The signals of one
scope (a site, a product, a region) within the kind's window make an event once there are enough of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from statistics import median
from typing import Any

from connector.model.kinds import GroupKind
from connector.model.lifecycle import GroupState
from connector.rules.arrival.due import service_class_of
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.standing import GroupFacts, Standing
from connector.rules.policy.conditions import ConditionFailed, Facts
from connector.rules.policy.document import Policy
from connector.rules.policy.grouping import BatchDefect, Burst, SiteEvent
from connector.rules.sourcing.scope import scope_of

Watched = SiteEvent | BatchDefect | Burst
_STRICTEST = {Standing.NOTHING: 0, Standing.HELD: 1, Standing.SERVED: 2}


@dataclass(frozen=True, slots=True)
class Signal:
    """A ticket that counts for an event. scope: what it would be about; label: that for people.

    subject: the device, or the ticket where it names none, so that one device counts once. place: the site.
    """

    kind: GroupKind
    scope: str
    label: str
    subject: str
    place: int | None
    ticket_id: int


class Enough(StrEnum):
    """Whether signals make an event; `unknown`: as many as are needed, what they are compared with is not read yet."""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Compared:
    """What signals are compared with. exposed: devices of the product in the field, counted up to `exposed_limit`.

    usual: how many there were in the same window of each of the last weeks.
    """

    exposed: int = 0
    usual: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """An event that is proposed. number: of signals, in order, with which it became one. statistics: why, as JSON."""

    kind: GroupKind
    scope: str
    title: str
    number: int
    statistics: Mapping[str, Any] = field(default_factory=dict)


def signals_of(facts: SourcingFacts, policy: Policy, now: datetime) -> list[Signal]:
    """What a ticket counts for. A condition that cannot be evaluated on it counts as not met."""
    watches = policy.grouping.watches
    if not watches or facts.recovery is not None:
        return []
    conditions = Facts(scope_of(facts, service_class_of(facts, policy), now=now))
    return [
        signal for kind, watch in watches.items() if (signal := _signal(kind, facts)) and _counts(watch, conditions)
    ]


def required(watch: Watched) -> int:
    """The least number of signals that can make an event."""
    return watch.tickets if isinstance(watch, Burst) else watch.devices


def exposed_limit(watch: BatchDefect, devices: int) -> int:
    """How many devices in the field are enough to say that so many are no defect."""
    return 0 if watch.share_percent == 0 else int(devices * 100 / watch.share_percent) + 1


def enough(watch: Watched, signals: Sequence[Signal], compared: Compared | None = None) -> Enough:
    """Whether signals of one scope within the window make an event."""
    subjects = len({signal.subject for signal in signals})
    if subjects < required(watch):
        return Enough.NO
    match watch:
        case SiteEvent():
            return Enough.YES
        case BatchDefect():
            if len({signal.place for signal in signals}) < watch.sites:
                return Enough.NO
            if compared is None:
                return Enough.UNKNOWN
            return Enough.YES if subjects * 100 >= watch.share_percent * compared.exposed else Enough.NO
        case Burst():
            if compared is None:
                return Enough.UNKNOWN
            return Enough.YES if subjects > watch.times * _usual(compared) else Enough.NO


def proposed(kind: GroupKind, watch: Watched, signals: Sequence[Signal], compared: Compared | None) -> Proposal | None:
    """The event that signals of one scope are, in the order in which they came; None when they are none."""
    if enough(watch, signals, compared) is not Enough.YES:
        return None
    number = next(n for n in range(1, len(signals) + 1) if enough(watch, signals[:n], compared) is Enough.YES)
    first = signals[0]
    subjects, places = len({s.subject for s in signals}), len({s.place for s in signals})
    minutes = watch.window_minutes
    statistics: dict[str, Any] = {"window_minutes": minutes, "tickets": len(signals), "required": required(watch)}
    match watch:
        case SiteEvent():
            title = f"{subjects} devices at {first.label} within {minutes} min"
            statistics |= {"devices": subjects}
        case BatchDefect():
            exposed = compared.exposed if compared else 0
            title = f"{subjects} devices {first.label} at {places} sites within {minutes} min"
            statistics |= {"devices": subjects, "sites": places, "in_the_field": exposed}
        case Burst():
            usual = _usual(compared or Compared())
            title = f"{subjects} tickets from {first.label} within {minutes} min, usually {usual:g}"
            statistics |= {"usual": usual, "weeks": list(compared.usual if compared else ()), "times": watch.times}
    return Proposal(kind, first.scope, title, number, statistics)


def standing(group: GroupFacts, watch: Watched, facts: SourcingFacts, *, served: int, is_before: bool) -> Standing:
    """What belonging to an event means for a ticket.

    served: tickets of it that have a unit, or may have one before this. is_before: it came before the event was one.
    """
    if group.state is GroupState.CONFIRMED:
        if not group.serves:
            return Standing.NOTHING
        return Standing.HELD if group.limit_units is not None and served >= group.limit_units else Standing.SERVED
    if is_before or facts.ticket.priority in watch.exempt or watch.hold == "none":
        return Standing.SERVED
    if watch.hold == "beyond" and watch.units is not None and served < watch.units:
        return Standing.SERVED
    return Standing.HELD


def units_limit(group: GroupFacts, watch: Watched, facts: SourcingFacts) -> int | None:
    """How many tickets of an event get a unit before this one waits; None where their number decides nothing."""
    if group.state is GroupState.CONFIRMED:
        return group.limit_units if group.serves else None
    return None if watch.hold != "beyond" or facts.ticket.priority in watch.exempt else watch.units


def strictest(events: Iterable[GroupFacts]) -> GroupFacts:
    """Of several events of a ticket the one that counts: the strictest, of those the first."""
    return min(events, key=lambda event: (_STRICTEST[event.standing], event.id))


def _counts(watch: Watched, conditions: Facts) -> bool:
    try:
        return watch.condition.holds(conditions)
    except ConditionFailed:
        return False


def _signal(kind: GroupKind, facts: SourcingFacts) -> Signal | None:
    ticket, site, product = facts.ticket, facts.site, facts.product
    device = f"ticket:{ticket.id}"
    if facts.asset is not None:
        device = f"asset:{facts.asset.id}"
    elif ticket.asset_hint:
        device = f"hint:{ticket.asset_hint.casefold()}"
    place = site.id if site else None
    match kind:
        case GroupKind.SITE_EVENT:
            return Signal(kind, f"site:{site.id}", site.label, device, place, ticket.id) if site else None
        case GroupKind.BATCH_DEFECT:
            if product is None or site is None:
                return None
            return Signal(kind, f"product:{product.id}", product.label, device, place, ticket.id)
        case GroupKind.BURST:
            if site is None:
                return None
            region = site.region or site.country or ""
            return Signal(kind, f"region:{region}", region or "sites without a region", device, place, ticket.id)


def _usual(compared: Compared) -> float:
    return float(median(compared.usual)) if compared.usual else 0.0
