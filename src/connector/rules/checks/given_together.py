"""Facts of events and parcels from what the tests of a policy state. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from connector.rules.arrival.due import due, service_class_of
from connector.rules.events.events import standing
from connector.rules.events.parcels import ParcelFacts, Verdict, silent_at, verdict
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.standing import GroupFacts, Recovery
from connector.rules.policy.document import Policy
from connector.rules.policy.given import Given
from connector.rules.policy.watching import Watching


def with_event_and_parcel(facts: SourcingFacts, given: Given, policy: Policy) -> SourcingFacts:
    """The facts with the event that the ticket belongs to, and the parcel in trouble that a second unit is for."""
    return replace(facts, group=_group(facts, given, policy), recovery=_recovery(facts, given, policy))


def parcel_verdict(facts: SourcingFacts, given: Given, policy: Policy) -> Verdict | None:
    """How the given parcel fares; None without one, or where the policy does not look at it."""
    watching, parcel = _watching(facts, policy), given.parcel
    if parcel is None or watching is None or watching.act == "nothing":
        return None
    left = given.now - timedelta(hours=parcel.left_hours_ago)
    seen = left if parcel.seen_hours_ago is None else given.now - timedelta(hours=parcel.seen_hours_ago)
    expected = parcel.expected_in_hours
    found = ParcelFacts(
        status=parcel.status,
        left_at=left,
        seen_at=max(left, seen),
        is_reported=parcel.is_reported,
        usual=timedelta(hours=parcel.usual_hours),
        slow=timedelta(hours=max(parcel.usual_hours, parcel.slow_hours)),
        basis="as the test states",
        estimated_at=None if expected is None else given.now + timedelta(hours=expected),
        planned_at=left + timedelta(hours=parcel.usual_hours),
        silent_at=silent_at(max(left, seen), watching, facts.site, policy),
        due_at=due(facts, policy).at,
    )
    return verdict(found, given.now)


def _watching(facts: SourcingFacts, policy: Policy) -> Watching | None:
    service = service_class_of(facts, policy)
    return None if policy.watching is None else policy.watching.of(service.name if service else None)


def _recovery(facts: SourcingFacts, given: Given, policy: Policy) -> Recovery | None:
    found, watching = parcel_verdict(facts, given, policy), _watching(facts, policy)
    if found is None or watching is None or found.is_fine or watching.act != "source":
        return None
    gain = timedelta(minutes=watching.gain_minutes)
    return Recovery(1, "the first parcel", found.trouble, found.predicted_at, gain, found.text, facts.quantity)


def _group(facts: SourcingFacts, given: Given, policy: Policy) -> GroupFacts | None:
    stated = given.group
    watch = policy.grouping.watches.get(stated.kind) if stated else None
    if stated is None or watch is None:
        return None
    serves = watch.confirmed == "serve" if stated.serves is None else stated.serves
    serves = serves or stated.limit_units is not None
    title = stated.kind.value.replace("_", " ")
    group = GroupFacts(1, stated.kind, title, stated.state, serves, stated.limit_units)
    return replace(group, standing=standing(group, watch, facts, served=stated.served, is_before=False))
