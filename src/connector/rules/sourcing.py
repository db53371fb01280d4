"""The decision: does this ticket need hardware, and which unit restores the service best.

`decide` is pure: the same facts, policy and moment give the same decision. Bad data never raises; it becomes a
decision for review that says what is missing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from connector.model.kinds import Lane
from connector.model.lifecycle import TICKET_OPEN
from connector.rules.candidates import NEVER, Found, Refusal, Search, order_of, search
from connector.rules.comparison import candidate_of, losers_of
from connector.rules.conditions import ConditionFailed, Facts, compile_condition
from connector.rules.decision import Candidate, Decision, Losers, Outcome, Pick, Reason
from connector.rules.destination import Destination
from connector.rules.document import Policy, Rule
from connector.rules.due import NO_DUE, Due, due, service_class_of
from connector.rules.facts import Holding, ProductFacts, Relief, SiteFacts, SourcingFacts, SubstituteFacts
from connector.rules.schedules import schedules
from connector.rules.scope import inputs_of, scope_of
from connector.rules.timetable import minute_at_or_after

ShelfKey: TypeAlias = tuple[int, int, Lane]
"""Hub, product, lane."""

_NOT_ALLOWED = frozenset({"lane_not_allowed", "tier_not_allowed", "substitute_not_allowed", "condition_not_met"})


def decide(
    facts: SourcingFacts, policy: Policy, now: datetime, *, emptied: Collection[ShelfKey] = frozenset()
) -> Decision:
    """Decide about a ticket at a moment.

    emptied: shelves whose stock was claimed by somebody else after the facts were read; they are listed as lost.
    """
    service_class = service_class_of(facts, policy)
    scope = scope_of(facts, service_class)
    case = _Case(facts, policy, now, inputs_of(facts, scope))
    if facts.ticket.state not in TICKET_OPEN:
        state = facts.ticket.state.value
        return case.end(Outcome.NOT_NEEDED, Reason.TICKET_NOT_OPEN, f"The ticket is {state}: it needs nothing.")
    condition_facts = Facts(scope)
    for rule in policy.rules:
        try:
            matches = rule.condition.holds(condition_facts)
        except ConditionFailed as error:
            return case.end(Outcome.REVIEW, Reason.RULE_FAILED, f"Rule {rule.name!r}: {error}.", rule)
        if matches:
            return _apply(case, rule, condition_facts, frozenset(emptied))
    return case.end(
        Outcome.NOT_NEEDED, Reason.NO_RULE_MATCHED, f"None of the {len(policy.rules)} rules asks for hardware."
    )


@dataclass(frozen=True, slots=True)
class _Case:
    facts: SourcingFacts
    policy: Policy
    now: datetime
    inputs: dict[str, dict[str, str | int | float | bool]]

    def end(
        self,
        outcome: Outcome,
        reason: Reason,
        text: str,
        rule: Rule | None = None,
        *,
        until: Due = NO_DUE,
        destination: Destination | None = None,
        losers: tuple[Losers, ...] = (),
    ) -> Decision:
        """A decision without a choice."""
        return Decision(
            outcome=outcome,
            reason=reason,
            text=text,
            rule=rule.name if rule else None,
            policy_version=self.policy.version,
            decided_at=self.now,
            inputs=self.inputs,
            product_id=self.facts.product.id if self.facts.product else None,
            quantity=self.facts.quantity,
            until=until,
            access=destination.access_text if destination else "",
            delivery=destination.delivery_text if destination else "",
            losers=losers,
        )


def _apply(case: _Case, rule: Rule, condition_facts: Facts, emptied: frozenset[ShelfKey]) -> Decision:
    facts, policy = case.facts, case.policy
    if rule.hardware == "none":
        return case.end(Outcome.NOT_NEEDED, Reason.RULE_SAYS_NONE, f"Rule {rule.name!r}: no hardware is needed.", rule)
    if facts.relief is not None:
        return case.end(Outcome.NOT_NEEDED, Reason.RELIEVED, _relieved(facts.relief), rule)
    missing = _missing(facts)
    if missing is not None:
        return case.end(Outcome.REVIEW, missing[0], missing[1], rule)
    product, site = _required(facts)
    start = minute_at_or_after(case.now)
    try:
        destination = Destination(site, policy, start)
    except ValueError as error:
        text = f"Site {site.label!r} cannot be planned for: {error}. Correct it in its source."
        return case.end(Outcome.REVIEW, Reason.SITE_UNUSABLE, text, rule)
    until = due(facts, policy)
    preferences, refused = _substitutes(facts, rule, condition_facts)
    last_minute = NEVER if until.at is None else int(until.at.timestamp()) // 60
    searching = Search(rule, policy, facts.fleet, destination, start=start, due=last_minute, quantity=facts.quantity)
    holdings = _left(facts.holdings, emptied)
    found = search(holdings, {**preferences, product.id: 0}, refused, searching)
    order = order_of(rule, policy)
    losers = losers_of(found, order) + _taken(emptied)
    if not found.best:
        reason, text = _nothing(facts, product, found)
        return case.end(Outcome.REVIEW, reason, text, rule, until=until, destination=destination, losers=losers)
    return _choice(case, rule, until, destination, found, order, losers)


def _choice(
    case: _Case,
    rule: Rule,
    until: Due,
    destination: Destination,
    found: Found,
    order: tuple[int, ...],
    losers: tuple[Losers, ...],
) -> Decision:
    hours = schedules(case.policy.sourcing, minute_at_or_after(case.now))
    candidates = tuple(candidate_of(route, found.best[0], case.facts, order, hours, case.now) for route in found.best)
    chosen = candidates[0]
    way = "by car" if chosen.mode.value == "drive" else "by courier"
    late = "" if chosen.is_within_sla else ", after the due time: nothing that is allowed ranks better"
    return Decision(
        outcome=Outcome.RESERVE,
        reason=Reason.SOURCED,
        text=f"{chosen.hub} restores it {way} at {chosen.arrives_at:%Y-%m-%d %H:%M}Z{late}.",
        rule=rule.name,
        policy_version=case.policy.version,
        decided_at=case.now,
        inputs=case.inputs,
        product_id=case.facts.product.id if case.facts.product else None,
        quantity=case.facts.quantity,
        until=until,
        access=destination.access_text,
        delivery=destination.delivery_text,
        hold_minutes=rule.hold_minutes,
        candidates=candidates,
        losers=losers,
        picks=(_pick(chosen, case.facts),),
    )


def _pick(chosen: Candidate, facts: SourcingFacts) -> Pick:
    return Pick(
        hub_id=chosen.hub_id,
        product_id=chosen.product_id,
        requested_product_id=facts.product.id if facts.product else chosen.product_id,
        lane=chosen.lane,
        quantity=facts.quantity,
        arrives_at=chosen.arrives_at,
    )


def _relieved(relief: Relief) -> str:
    return (
        f"Ticket {relief.ticket_number} is about the same device and has a unit from {relief.hub} already "
        f"(reservation {relief.reservation_id}, {relief.state.value}): a second one is sourced if that is released."
    )


def _missing(facts: SourcingFacts) -> tuple[Reason, str] | None:
    """What must be known to source anything and is not, as a person can act on it."""
    ticket, site = facts.ticket, facts.site
    if facts.product is None:
        if facts.asset is not None:
            name = facts.asset.name or facts.asset.serial or str(facts.asset.id)
            return Reason.PRODUCT_UNKNOWN, f"Asset {name!r} has no product: say which model it is."
        if ticket.asset_hint:
            return Reason.ASSET_UNKNOWN, f"The ticket names the asset {ticket.asset_hint!r}, which nobody knows."
        if ticket.product_hint:
            return Reason.PRODUCT_UNKNOWN, f"The ticket names the product {ticket.product_hint!r}, which nobody knows."
        return Reason.ASSET_UNKNOWN, "The ticket names no asset and no product: say which device has failed."
    if site is None:
        if ticket.site_hint:
            return Reason.SITE_UNKNOWN, f"The ticket names the site {ticket.site_hint!r}, which nobody knows."
        return Reason.SITE_UNKNOWN, "Neither the ticket nor its asset names a site: say where the unit must go."
    if site.latitude is None or site.longitude is None:
        text = f"Site {site.label!r} has no coordinates: add them, or choose the hub by hand."
        return Reason.SITE_WITHOUT_COORDINATES, text
    return None


def _required(facts: SourcingFacts) -> tuple[ProductFacts, SiteFacts]:
    if facts.product is None or facts.site is None:
        raise AssertionError("asked only when nothing is missing")
    return facts.product, facts.site


def _substitutes(facts: SourcingFacts, rule: Rule, condition_facts: Facts) -> tuple[dict[int, int], dict[int, Refusal]]:
    """Preferences of the substitutes that may serve, and why the others may not."""
    preferences: dict[int, int] = {}
    refused: dict[int, Refusal] = {}
    for substitute in facts.substitutes:
        refusal = _refusal(substitute, rule, condition_facts)
        if refusal is None:
            preferences[substitute.product_id] = substitute.preference
        else:
            refused[substitute.product_id] = refusal
    return preferences, refused


def _refusal(substitute: SubstituteFacts, rule: Rule, condition_facts: Facts) -> Refusal | None:
    label = substitute.label
    if not rule.allow_substitutes:
        return Refusal("substitute_not_allowed", f"substitute {label!r} not allowed by rule {rule.name!r}")
    if substitute.condition is None:
        return None
    try:
        if compile_condition(substitute.condition).holds(condition_facts):
            return None
    except (ValueError, ConditionFailed) as error:
        return Refusal("condition_failed", f"substitute {label!r}: {error}")
    return Refusal("condition_not_met", f"substitute {label!r} only when {substitute.condition}")


def _left(holdings: tuple[Holding, ...], emptied: frozenset[ShelfKey]) -> tuple[Holding, ...]:
    if not emptied:
        return holdings
    return tuple(
        Holding(
            h.product_id, h.lane, {hub: n for hub, n in h.free.items() if (hub, h.product_id, h.lane) not in emptied}
        )
        for h in holdings
    )


def _taken(emptied: frozenset[ShelfKey]) -> tuple[Losers, ...]:
    if not emptied:
        return ()
    text = "the last unit was claimed by somebody else while this was decided"
    return (Losers("emptied", text, tuple(sorted(hub for hub, _, _ in emptied))),)


def _nothing(facts: SourcingFacts, product: ProductFacts, found: Found) -> tuple[Reason, str]:
    wanted = f"{product.label!r}"
    if facts.substitutes:
        wanted += f" or its substitutes {', '.join(repr(s.label) for s in facts.substitutes)}"
    if not found.refused:
        return Reason.NO_COMPATIBLE_STOCK, f"No hub has a free unit of {wanted}."
    counts = "; ".join(f"{len(hubs)} × {refusal.text}" for refusal, hubs in found.refused.items())
    if all(refusal.code in _NOT_ALLOWED for refusal in found.refused):
        return Reason.NOTHING_ALLOWED, f"There is stock of {wanted}, but none of it is allowed: {counts}."
    return Reason.NOTHING_REACHABLE, f"There is stock of {wanted}, but none of it can be brought: {counts}."
