"""Whether a failed unit comes back once its replacement is there, until when, and to which hub. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.model.kinds import HubTier
from connector.model.naming import fold
from connector.rules.arrival.due import service_class_of
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import Fleet, HubFacts, unit_vector
from connector.rules.policy.conditions import ConditionFailed, Facts
from connector.rules.policy.document import Policy
from connector.rules.policy.returning import ReturnRule, Returns
from connector.rules.sourcing.scope import scope_of


@dataclass(frozen=True, slots=True)
class ReturnTerms:
    """Until when and where a unit is to come back. hub_id: None when there is no hub. remark: what went otherwise."""

    due_back_at: datetime
    hub_id: int | None
    remark: str = ""


def return_terms(
    facts: SourcingFacts, policy: Policy, *, origin_hub_id: int | None, now: datetime
) -> ReturnTerms | None:
    """What the policy says of the unit of a ticket whose replacement was delivered; None when it stays where it is.

    origin_hub_id: the hub that the replacement came from; None when a supplier sent it. A condition that cannot be
    evaluated on the ticket counts as one that does not hold, and is told in the remark.
    """
    returns = policy.returns
    if returns is None:
        return None
    scope = scope_of(facts, service_class_of(facts, policy), now=now)
    rule, remarks = _rule_of(returns, Facts(scope))
    stated = (rule.return_ if rule is not None else None) or returns.return_
    if stated == "none":
        return None
    days = (rule.due_days if rule is not None else None) or returns.due_days
    name = (rule.hub if rule is not None else None) or returns.hub
    named = _hub_named(facts.fleet, name) if name is not None else None
    if name is not None and named is None:
        remarks.append(f"there is no hub {name!r}, which the policy names for it")
    hub = named or return_hub(facts, origin_hub_id)
    due = (now + timedelta(days=days)).replace(second=0, microsecond=0)
    return ReturnTerms(due, hub.id if hub is not None else origin_hub_id, "; ".join(remarks))


def return_hub(facts: SourcingFacts, origin_hub_id: int | None) -> HubFacts | None:
    """The hub that takes a failed unit: the one that its replacement came from, where that can.

    Central and mobile hubs, and suppliers, take none: then the nearest regional hub does, else the nearest that stays
    where it is. Without a position of the site the first of its region counts as the nearest.
    """
    hubs = facts.fleet.hubs
    origin = hubs.get(origin_hub_id) if origin_hub_id is not None else None
    if origin is not None and origin.tier is not HubTier.CENTRAL and not origin.profile.is_mobile:
        return origin
    standing = [hub for hub in _nearest_first(facts) if not hub.profile.is_mobile]
    regional = [hub for hub in standing if hub.tier is HubTier.REGIONAL]
    return next(iter([*regional, *standing]), origin)


def _nearest_first(facts: SourcingFacts) -> list[HubFacts]:
    """All hubs; those that nobody knows the position of at the end."""
    point, region = facts.site.point if facts.site else None, (facts.site.region or "") if facts.site else ""
    hubs = facts.fleet.hubs
    if point is None:
        return sorted(hubs.values(), key=lambda hub: (hub.region != region, hub.id))
    near = [hub_id for _, hub_id in facts.fleet.outwards(unit_vector(point))]
    return [hubs[hub_id] for hub_id in (*near, *(hub_id for hub_id in hubs if hub_id not in facts.fleet.units))]


def _rule_of(returns: Returns, facts: Facts) -> tuple[ReturnRule | None, list[str]]:
    failed: list[str] = []
    for index, rule in enumerate(returns.rules):
        try:
            if rule.condition.holds(facts):
                return rule, failed
        except ConditionFailed as error:
            failed.append(f"returns.rules[{index}] does not count: {error}")
    return None, failed


def _hub_named(fleet: Fleet, name: str) -> HubFacts | None:
    return next((hub for hub in fleet.hubs.values() if fold(hub.label) == fold(name)), None)
