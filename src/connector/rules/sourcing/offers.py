"""What suppliers offer for a ticket: whether they may, when the unit would be at the site, at what cost."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache

from connector.model.calendars import add_open_time
from connector.model.frozen import frozen
from connector.model.kinds import HubTier, Lane, ProcurementKind
from connector.model.lifecycle import ProcurementState
from connector.rules.arrival.destination import Destination
from connector.rules.arrival.timetable import instant_of, minute_at_or_after
from connector.rules.arrival.ways import Ways
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.shelves import Holding
from connector.rules.facts.standing import ProcurementFacts
from connector.rules.facts.ticket import ProductFacts
from connector.rules.policy.conditions import ConditionFailed, Facts
from connector.rules.policy.days import DaysOff
from connector.rules.policy.document import Policy, Step
from connector.rules.policy.suppliers import Supplier
from connector.rules.sourcing.candidates import Refusal, Search, search
from connector.rules.sourcing.ranking import ARRIVES, COST, ranking_of


@frozen
class Offer:
    """What one supplier would send. expected: minute of the delivery to the site or the hub; arrives: at the site.

    hub_id: where it is delivered to be sent on; None for the site. known: what is on order there for the ticket.
    """

    kind: ProcurementKind
    supplier: str
    expected: int
    arrives: int
    cost_cents: int
    is_late: bool
    hub_id: int | None
    known: ProcurementFacts | None = None


@frozen
class Asking:
    """What a supplier is asked for: by which ticket, to where, until when; minutes."""

    facts: SourcingFacts
    product: ProductFacts
    policy: Policy
    destination: Destination
    start: int
    due: int
    quantity: int


def offers_of(asking: Asking, step: Step, condition_facts: Facts) -> tuple[list[Offer], dict[str, Refusal]]:
    """What the suppliers of a rung offer, the best first, and why the others offer nothing, by name."""
    kind, offers, refused = ProcurementKind(step.rung.kind.value), list[Offer](), dict[str, Refusal]()
    for name, supplier in asking.policy.sourcing.suppliers.items():
        if kind.value not in supplier.offers or (step.rung.suppliers is not None and name not in step.rung.suppliers):
            continue
        found = _refusal(asking, name, supplier, kind, condition_facts) or _offer(asking, step, name, supplier, kind)
        if isinstance(found, Refusal):
            refused[name] = found
        else:
            offers.append(found)
    return sorted(offers, key=_preferred), refused


def _preferred(offer: Offer) -> tuple[bool, int, int, str]:
    return offer.is_late, offer.arrives, offer.cost_cents, offer.supplier


def _refusal(
    asking: Asking, name: str, supplier: Supplier, kind: ProcurementKind, condition_facts: Facts
) -> Refusal | None:
    if not supplier.makes(asking.product.manufacturer):
        return Refusal("other_manufacturer", f"{name} has nothing of {asking.product.manufacturer}")
    if (kind, name) in {(past.kind, past.supplier) for past in asking.facts.procurements if past.is_refused}:
        return Refusal("refused_before", f"{name} has refused this ticket, or its approval was refused")
    delivered = (ProcurementState.RECEIVED, kind, name)
    if delivered in {(past.state, past.kind, past.supplier) for past in asking.facts.procurements}:
        return Refusal("delivered_before", f"{name} has delivered for this ticket before")
    try:
        if supplier.condition is not None and not supplier.condition.holds(condition_facts):
            return Refusal("supplier_condition_not_met", f"{name} only when {supplier.when}")
    except ConditionFailed as error:
        return Refusal("supplier_condition_failed", f"{name}: {error}")
    return None


def _offer(asking: Asking, step: Step, name: str, supplier: Supplier, kind: ProcurementKind) -> Offer | Refusal:
    facts, sourcing = asking.facts, asking.policy.sourcing
    known = next((p for p in facts.procurements if p.is_open and (p.kind, p.supplier) == (kind, name)), None)
    zone = supplier.time_zone or sourcing.default_time_zone
    off = supplier.days_off(sourcing.default_country)
    expected = _delivered(asking.start, supplier.lead_hours, supplier.hours, zone, off)
    if known is not None and known.expected_at is not None:
        expected = max(asking.start, minute_at_or_after(known.expected_at))
    if expected is None:
        return Refusal("never_delivers", f"{name} has no hours in which it could deliver")
    cost = supplier.cost_cents
    if kind is ProcurementKind.PURCHASE:
        cost += asking.quantity * (asking.product.unit_cost_cents or 0)
    if supplier.delivers_to == "site":
        arrives = asking.destination.handed_over(expected)
        if arrives is None:
            return Refusal("site_never_open", f"{name}: the site's access hours never allow a delivery")
        return Offer(kind, name, arrives, arrives, cost, arrives > asking.due, None, known)
    hub_id = next((hub.id for hub in facts.fleet.hubs.values() if hub.label == supplier.delivers_to), None)
    if hub_id is None:
        return Refusal("unknown_hub", f"{name} delivers to hub {supplier.delivers_to!r}, which nobody knows")
    onward = _sent_on(asking, step, hub_id, expected)
    if onward is None:
        return Refusal("unreachable", f"{name}: nothing goes on from hub {supplier.delivers_to!r} to the site")
    arrives, freight = onward
    return Offer(kind, name, expected, arrives, cost + freight, arrives > asking.due, hub_id, known)


def _sent_on(asking: Asking, step: Step, hub_id: int, minute: int) -> tuple[int, int] | None:
    """When goods that a hub gets at a minute are at the site, and what that costs; None when there is no way."""
    rule = step.rule.model_copy(update={"sources": tuple(HubTier), "lanes": (Lane.NORMAL,)})
    ranking = ranking_of(rule, asking.policy)
    ways = Ways(rule, asking.policy, asking.facts, asking.destination, ranking, start=minute, due=asking.due)
    searching = Search(rule, asking.policy, asking.facts, ways, quantity=asking.quantity)
    goods = Holding(asking.product.id, Lane.NORMAL, {hub_id: asking.quantity})
    best = search([goods], {asking.product.id: 0}, {}, searching).first
    return None if best is None else (best[ARRIVES], best[COST])


@lru_cache(maxsize=1024)
def _delivered(start: int, lead_hours: float, hours: str, zone: str, off: DaysOff) -> int | None:
    """The minute at which so many open hours have passed; None when they never do."""
    at = add_open_time(off.calendar(zone, hours), instant_of(start), timedelta(hours=lead_hours))
    return None if at is None else minute_at_or_after(at)


def earliest(procurements: Iterable[ProcurementFacts], kind: ProcurementKind) -> datetime | None:
    """When the first open procurement of a kind is expected; None when nobody says."""
    times = [p.expected_at for p in procurements if p.is_open and p.kind is kind and p.expected_at is not None]
    return min(times, default=None)
