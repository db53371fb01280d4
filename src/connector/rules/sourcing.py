"""The decision: does this ticket need hardware, and which unit restores the service best.

`decide` is pure: the same facts, policy and moment give the same decision. Bad data never raises; it becomes a
decision for review that says what is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any, TypeAlias

from connector.model.kinds import Lane, Protection
from connector.model.lifecycle import TICKET_OPEN
from connector.rules.authorisation import NOTHING_NEEDED, authorise, refused_text, steps_for, stops
from connector.rules.break_glass import withheld
from connector.rules.candidates import NEVER, Refusal
from connector.rules.channels import Channel, channel_of
from connector.rules.comparison import candidates_of, losers_of
from connector.rules.conditions import ConditionFailed, Facts, compile_condition
from connector.rules.decision import Assumption, Candidate, Decision, Losers, Outcome, Pick, Reason, TakenFrom
from connector.rules.deferred import Deferred, DeferredMapping
from connector.rules.descent import KEPT, Descended, Looked, Quest, RungFailed, descend
from connector.rules.destination import Destination, assumed_position
from connector.rules.document import Mode, Policy, Rule
from connector.rules.due import NO_DUE, Due, due, service_class_of
from connector.rules.facts import Holding, ProductFacts, Relief, SiteFacts, SourcingFacts, Standing, SubstituteFacts
from connector.rules.following import Following, followed, served_by_duplicate
from connector.rules.ladder import RungKind
from connector.rules.preemption import CLAIMED
from connector.rules.procuring import backordered, procured
from connector.rules.protection import drawn_text
from connector.rules.ranking import HUB
from connector.rules.recovery import recovered
from connector.rules.scope import inputs_of, scope_of
from connector.rules.timetable import minute_at_or_after

ShelfKey: TypeAlias = tuple[int, int, Lane]
"""Hub, product, lane."""

_NOT_ALLOWED = frozenset(
    {"lane_not_allowed", "tier_not_allowed", "substitute_not_allowed", "condition_not_met", KEPT, *CLAIMED}
)


_BY = {Mode.DRIVE: "by car", Mode.COURIER: "by courier", Mode.TECHNICIAN: "by a technician who collects it"}


def decide(
    facts: SourcingFacts, policy: Policy, now: datetime, *, emptied: Collection[ShelfKey] = frozenset()
) -> Decision:
    """Decide about a ticket at a moment.

    emptied: shelves whose stock was claimed by somebody else after the facts were read; they are listed as lost.
    """
    decision = _decided(facts, policy, now, frozenset(emptied))
    if facts.group is not None:
        decision = replace(decision, group=facts.group)
    return decision if facts.recovery is None else recovered(decision, facts.recovery)


def _decided(facts: SourcingFacts, policy: Policy, now: datetime, emptied: frozenset[ShelfKey]) -> Decision:
    service_class = service_class_of(facts, policy)
    scope = scope_of(facts, service_class)
    channel = channel_of(facts, policy.red_channels, Facts(scope), now) if facts.channels else None
    if channel is not None:
        scope = scope_of(facts, service_class, channel.facts.name)
        if channel.stated.skips_approvals:
            facts = replace(facts, refusals={})  # what needs no approval cannot be refused one
    case = _Case(facts, policy, now, DeferredMapping(lambda: inputs_of(facts, scope)), _assumed(facts, policy), channel)
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
            return _apply(case, rule, condition_facts, emptied)
    return case.end(
        Outcome.NOT_NEEDED, Reason.NO_RULE_MATCHED, f"None of the {len(policy.rules)} rules asks for hardware."
    )


def is_in_channel(facts: SourcingFacts, policy: Policy, now: datetime) -> bool:
    """Whether a ticket goes through an open red channel."""
    scope = scope_of(facts, service_class_of(facts, policy))
    return channel_of(facts, policy.red_channels, Facts(scope), now) is not None


@dataclass(frozen=True, slots=True)
class _Case:
    facts: SourcingFacts
    policy: Policy
    now: datetime
    inputs: Mapping[str, Any]
    assumed: tuple[Assumption, ...]
    channel: Channel | None

    def end(
        self,
        outcome: Outcome,
        reason: Reason,
        text: str,
        rule: Rule | None = None,
        *,
        until: Due = NO_DUE,
        destination: Destination | None = None,
        losers: Sequence[Losers] = (),
        follows: Following | None = None,
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
            assumed=self.assumed,
            channel=self.channel,
            follows=follows,
        )


def _apply(case: _Case, rule: Rule, condition_facts: Facts, emptied: frozenset[ShelfKey]) -> Decision:
    facts, policy = case.facts, case.policy
    if rule.hardware == "none":
        return case.end(Outcome.NOT_NEEDED, Reason.RULE_SAYS_NONE, f"Rule {rule.name!r}: no hardware is needed.", rule)
    together = _waits_with_others(case, rule)
    if together is not None:
        return together
    if facts.relief is not None:
        return case.end(Outcome.NOT_NEEDED, Reason.RELIEVED, _relieved(facts.relief), rule)
    missing = _missing(facts, policy)
    if missing is not None:
        return case.end(*missing, rule)
    if stops(facts):
        return case.end(Outcome.REVIEW, Reason.APPROVAL_REFUSED, refused_text(facts, rule.name), rule)
    product, site = _required(facts)
    start = minute_at_or_after(case.now)
    try:
        destination = Destination(site, policy, start)
    except ValueError as error:
        text = f"Site {site.label!r} cannot be planned for: {error}. Correct it in its source."
        return case.end(Outcome.REVIEW, Reason.SITE_UNUSABLE, text, rule)
    until = due(facts, policy)
    preferences, refused = _substitutes(facts, rule, condition_facts)
    holdings, why, barred = withheld(_left(facts.holdings, emptied), facts, policy.break_glass)
    quest = Quest(
        facts=facts,
        product=product,
        policy=policy,
        destination=destination,
        start=start,
        due=NEVER if until.at is None else int(until.at.timestamp()) // 60,
        now=case.now,
        holdings=holdings,
        preferences={**preferences, product.id: 0},
        refused=refused,
    )
    try:
        descended = descend(quest, steps_for(policy.steps_of(rule), policy, case.channel), condition_facts)
    except RungFailed as error:
        return case.end(Outcome.REVIEW, Reason.RULE_FAILED, f"Rule {rule.name!r}, {error}.", rule)
    losers = Deferred((), lambda: (*_losers(descended, emptied), *_barred(why, barred)))
    if isinstance(descended.chosen, Looked):
        decision = _choice(case, rule, until, destination, descended, descended.chosen, losers)
        return _authorised(decision, case, condition_facts)
    planned = partial(case.end, rule=rule, until=until, destination=destination, losers=losers)
    if descended.chosen is not None:
        decision = procured(planned, facts, product, policy, descended.chosen, rule.approval)
        decision = replace(decision, ladder=descended.rungs, wants_contested=descended.wants_contested)
        return _authorised(decision, case, condition_facts)
    if descended.end is not None and descended.end.rung.kind is RungKind.BACKORDER:
        ended = backordered(planned, facts, product, descended.end, case.now)
    else:
        reason, text = _nothing(facts, product, descended, holdings)
        if barred and reason is Reason.NO_COMPATIBLE_STOCK:
            reason, text = Reason.NOTHING_ALLOWED, f"The only stock is not for this ticket: {len(barred)} × {why}."
        if facts.refusals:
            reason, text = Reason.APPROVAL_REFUSED, f"{refused_text(facts, rule.name)} {text}"
        ended = planned(Outcome.REVIEW, reason, text)
    return replace(ended, ladder=descended.rungs, wants_contested=descended.wants_contested)


def _authorised(decision: Decision, case: _Case, condition_facts: Facts) -> Decision:
    needed = authorise(decision, case.policy, case.facts, condition_facts.scope, case.channel)
    if needed is NOTHING_NEEDED and decision.approval is None:
        return decision
    return replace(decision, approval=needed.name, awaits=needed.awaits, authorisation=needed.text)


def _waits_with_others(case: _Case, rule: Rule) -> Decision | None:
    """What is decided about a ticket that belongs to others; None for one that is decided by itself."""
    facts, links = case.facts, case.policy.grouping.links
    if facts.recovery is not None:
        return None
    following = followed(facts.ticket.id, facts.links, links)
    if following is not None:
        return case.end(Outcome.NOT_NEEDED, Reason.FOLLOWS, following.text, rule, follows=following)
    duplicate = served_by_duplicate(facts.ticket.id, facts.links, links)
    if duplicate is not None and duplicate.relief is not None:
        return case.end(Outcome.NOT_NEEDED, Reason.RELIEVED, _served(duplicate.relief), rule)
    group = facts.group
    if group is not None and group.standing is not Standing.SERVED and case.channel is None:
        outcome = Outcome.REVIEW if group.standing is Standing.HELD else Outcome.NOT_NEEDED
        return case.end(outcome, Reason.GROUPED, group.text, rule)
    return None


def _barred(why: str, hubs: tuple[int, ...]) -> tuple[Losers, ...]:
    return (Losers("break_glass_kept", why, hubs),) if hubs else ()


def _losers(descended: Descended, emptied: frozenset[ShelfKey]) -> tuple[Losers, ...]:
    """Every shelf that is not among the candidates: of the rung that serves, of the others, of no rung at all."""
    losers: list[Losers] = []
    if isinstance(descended.chosen, Looked):
        losers += losers_of(descended.chosen.found, descended.chosen.ranking)
    for looked in descended.passed:
        timed = (*looked.found.best, *looked.found.worse)
        hubs = (*(route[HUB] for route in timed), *(hub for _, beyond in looked.found.beyond for hub in beyond))
        if hubs:
            number = looked.step.number
            losers.append(Losers("rung_passed", f"rung {number} of the ladder has nothing that is better", hubs))
        losers += [Losers(refusal.code, refusal.text, hubs) for refusal, hubs in looked.found.refused.items()]
    losers += [Losers(refusal.code, refusal.text, hubs) for refusal, hubs in descended.leftovers.items()]
    return (*losers, *_taken(emptied))


def _choice(
    case: _Case,
    rule: Rule,
    until: Due,
    destination: Destination,
    descended: Descended,
    looked: Looked,
    losers: Sequence[Losers],
) -> Decision:
    candidates = _with_shares(candidates_of(looked.found, looked.ranking, case.facts, case.now), looked, case.facts)
    chosen, drawn = candidates[0], _drawn(looked, candidates[0], case.facts)
    way = _BY[chosen.mode]
    late = "" if chosen.is_within_sla else ", after the due time: nothing that is allowed ranks better"
    return Decision(
        outcome=Outcome.RESERVE,
        reason=Reason.SOURCED,
        text=_split_text(candidates, looked)
        if looked.shares
        else f"{chosen.hub} restores it {way} at {chosen.arrives_at:%Y-%m-%d %H:%M}Z{late}{_reserves(looked, drawn)}.",
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
        picks=_picks(candidates, case.facts, looked),
        drawn=drawn,
        taken_from=tuple(
            TakenFrom(claim.reservation_id, claim.ticket_id, claim.label, claim.hub_id) for claim in looked.takes
        ),
        wants_contested=descended.wants_contested,
        ladder=descended.rungs,
        approval=looked.step.rung.approval or rule.approval,
        assumed=case.assumed,
        channel=case.channel,
    )


def _drawn(looked: Looked, chosen: Candidate, facts: SourcingFacts) -> dict[Protection, int]:
    """The kept units that the choice uses, by what they were kept for."""
    for holding in facts.holdings:
        kept = holding.kept.get(chosen.hub_id)
        if (
            kept
            and not looked.takes
            and not looked.shares
            and (holding.product_id, holding.lane) == (chosen.product_id, chosen.lane)
        ):
            return kept.drawn(facts.quantity, looked.step.rule.releases)
    return {}


def _reserves(looked: Looked, drawn: dict[Protection, int]) -> str:
    """What the choice uses that is not free for everybody, and by which rule."""
    rule = f"rule {looked.step.rule.name!r}"
    if looked.takes:
        return f", taken from {' and '.join(claim.label for claim in looked.takes)} by {rule}"
    return f", with {drawn_text(drawn)} that {rule} releases" if drawn else ""


def _with_shares(candidates: Sequence[Candidate], looked: Looked, facts: SourcingFacts) -> Sequence[Candidate]:
    """The candidates of a split say what each of them brings; they stand first, in the order of the shares."""
    if not looked.shares:
        return candidates
    told = [
        replace(candidate, why="" if number == 0 else f"chosen as well: brings {units} of the {facts.quantity} units")
        for number, (candidate, (_, units)) in enumerate(zip(candidates, looked.shares, strict=False))
    ]
    return (*told, *candidates[len(told) :])


def _split_text(candidates: Sequence[Candidate], looked: Looked) -> str:
    chosen = candidates[: len(looked.shares)]
    parts = [f"{units} from {candidate.hub}" for candidate, (_, units) in zip(chosen, looked.shares, strict=True)]
    last = max(chosen, key=attrgetter("arrives_at"))
    late = "" if last.is_within_sla else ", after the due time"
    return (
        f"No hub has all of them: {', '.join(parts)}; the last ones arrive at {last.arrives_at:%Y-%m-%d %H:%M}Z{late}."
    )


def _picks(candidates: Sequence[Candidate], facts: SourcingFacts, looked: Looked) -> tuple[Pick, ...]:
    if not looked.shares:
        return (_pick(candidates[0], facts, looked),)
    parts = zip(candidates, looked.shares, strict=False)
    return tuple(
        replace(_pick(candidate, facts, looked), quantity=units, releases=()) for candidate, (_, units) in parts
    )


def _pick(chosen: Candidate, facts: SourcingFacts, looked: Looked) -> Pick:
    return Pick(
        hub_id=chosen.hub_id,
        product_id=chosen.product_id,
        requested_product_id=facts.product.id if facts.product else chosen.product_id,
        lane=chosen.lane,
        quantity=facts.quantity,
        arrives_at=chosen.arrives_at,
        releases=looked.step.rule.releases,
        takes=tuple(claim.reservation_id for claim in looked.takes),
    )


def _relieved(relief: Relief) -> str:
    return (
        f"Ticket {relief.ticket_number} is about the same device and has a unit from {relief.hub} already "
        f"(reservation {relief.reservation_id}, {relief.state.value}): a second one is sourced if that is released."
    )


def _served(relief: Relief) -> str:
    return (
        f"Ticket {relief.ticket_number} is a duplicate of this one and has a unit from {relief.hub} already "
        f"(reservation {relief.reservation_id}, {relief.state.value}): another is sourced if that is released."
    )


def _missing(facts: SourcingFacts, policy: Policy) -> tuple[Outcome, Reason, str] | None:
    """What must be known to source anything and is not, as a person can act on it, and what the policy wants then."""
    unknown = _unknown_product(facts)
    if unknown is not None and policy.sourcing.missing.product == "nothing":
        return Outcome.NOT_NEEDED, unknown[0], f"{unknown[1]} The policy takes it that no hardware is needed."
    unknown = unknown or _unknown_site(facts, policy)
    if unknown is not None:
        return Outcome.REVIEW, *unknown
    if facts.service_class is None and policy.sourcing.missing.service_class == "person":
        text = f"Site {facts.site.label if facts.site else ''!r} has no service class: say which one it has."
        return Outcome.REVIEW, Reason.SERVICE_CLASS_UNKNOWN, text
    return None


def _is_located(site: SiteFacts) -> bool:
    return site.latitude is not None and site.longitude is not None


def _assumed(facts: SourcingFacts, policy: Policy) -> tuple[Assumption, ...]:
    """Facts that are missing without stopping anything, and what is taken instead."""
    return (*_assumed_class(facts, policy), *_assumed_place(facts, policy))


def _assumed_place(facts: SourcingFacts, policy: Policy) -> tuple[Assumption, ...]:
    site = facts.site
    if site is None or policy.sourcing.missing.site_coordinates == "person" or _is_located(site):
        return ()
    taken = assumed_position(site, policy)[1]
    return (Assumption("site_coordinates", f"Site {site.label!r} has no coordinates: {taken}."),)


def _assumed_class(facts: SourcingFacts, policy: Policy) -> tuple[Assumption, ...]:
    default = policy.sourcing.default_service_class
    if facts.service_class is not None or facts.site is None or policy.sourcing.missing.service_class == "person":
        return ()
    taken = "any arrival counts as in time" if default is None else f"{default!r}, the default, is taken"
    return (Assumption("service_class", f"Site {facts.site.label!r} has no service class: {taken}."),)


def _unknown_product(facts: SourcingFacts) -> tuple[Reason, str] | None:
    ticket = facts.ticket
    if facts.product is None:
        if facts.asset is not None:
            name = facts.asset.name or facts.asset.serial or str(facts.asset.id)
            return Reason.PRODUCT_UNKNOWN, f"Asset {name!r} has no product: say which model it is."
        if ticket.asset_hint:
            return Reason.ASSET_UNKNOWN, f"The ticket names the asset {ticket.asset_hint!r}, which nobody knows."
        if ticket.product_hint:
            return Reason.PRODUCT_UNKNOWN, f"The ticket names the product {ticket.product_hint!r}, which nobody knows."
        return Reason.ASSET_UNKNOWN, "The ticket names no asset and no product: say which device has failed."
    return None


def _unknown_site(facts: SourcingFacts, policy: Policy) -> tuple[Reason, str] | None:
    ticket, site = facts.ticket, facts.site
    if site is None:
        if ticket.site_hint:
            return Reason.SITE_UNKNOWN, f"The ticket names the site {ticket.site_hint!r}, which nobody knows."
        return Reason.SITE_UNKNOWN, "Neither the ticket nor its asset names a site: say where the unit must go."
    if policy.sourcing.missing.site_coordinates == "person" and not _is_located(site):
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
        holding.without({hub for hub, *shelf in emptied if shelf == [holding.product_id, holding.lane]})
        for holding in holdings
    )


def _taken(emptied: frozenset[ShelfKey]) -> tuple[Losers, ...]:
    if not emptied:
        return ()
    text = "the last unit was claimed by somebody else while this was decided"
    return (Losers("emptied", text, tuple(sorted(hub for hub, _, _ in emptied))),)


def _nothing(
    facts: SourcingFacts, product: ProductFacts, descended: Descended, holdings: Sequence[Holding]
) -> tuple[Reason, str]:
    wanted = f"{product.label!r}"
    if facts.substitutes:
        wanted += f" or its substitutes {', '.join(repr(s.label) for s in facts.substitutes)}"
    if not descended.passed:
        return Reason.LADDER_SAYS_PERSON, f"No rung of the ladder looks for {wanted} for this ticket."
    refused = list(descended.leftovers.items())
    for looked in descended.passed:
        refused += looked.found.refused.items()
    if not refused and any(holding.free for holding in holdings):
        return Reason.NOTHING_ALLOWED, f"There is stock of {wanted}, but only for rungs that are not for this ticket."
    if not refused:
        return Reason.NO_COMPATIBLE_STOCK, f"No hub has a free unit of {wanted}."
    counts = "; ".join(f"{len(hubs)} × {refusal.text}" for refusal, hubs in refused)
    if all(refusal.code in CLAIMED for refusal, _ in refused):
        return Reason.NO_COMPATIBLE_STOCK, f"No hub has a free unit of {wanted}, and none may be taken: {counts}."
    if all(refusal.code in _NOT_ALLOWED for refusal, _ in refused):
        return Reason.NOTHING_ALLOWED, f"There is stock of {wanted}, but none of it is allowed: {counts}."
    return Reason.NOTHING_REACHABLE, f"There is stock of {wanted}, but none of it can be brought: {counts}."
