"""The decision: does this ticket need hardware, and which unit restores the service best.

`decide` is pure: the same facts, policy and moment give the same decision. Bad data never raises; it becomes a
decision for review that says what is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

from connector.model.frozen import frozen
from connector.model.kinds import Protection
from connector.model.lifecycle import TICKET_OPEN
from connector.rules.arrival.destination import Destination
from connector.rules.arrival.due import NO_DUE, Due, due_under, service_class_of
from connector.rules.arrival.timetable import minute_at_or_after, moment_text
from connector.rules.arrival.ways import MODES
from connector.rules.events.following import Following, followed, served_by_duplicate
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.protection import drawn_text
from connector.rules.facts.shelves import Holding, ShelfKey
from connector.rules.facts.standing import Relief, Standing
from connector.rules.facts.ticket import ProductFacts, ServiceClassFacts, SiteFacts
from connector.rules.policy.break_glass import withheld
from connector.rules.policy.channels import Channel, channel_of
from connector.rules.policy.conditions import Facts, Scope
from connector.rules.policy.document import Mode, Policy, Rule
from connector.rules.policy.ladder import RungKind
from connector.rules.policy.matching import RuleFailed, matching
from connector.rules.sourcing.authorisation import refused_text, steps_for, stops
from connector.rules.sourcing.candidate import Candidate, Losers
from connector.rules.sourcing.candidates import NEVER
from connector.rules.sourcing.comparison import candidates_of
from connector.rules.sourcing.data_quality import NO_DOUBTS, Doubts, authorised, doubts_of
from connector.rules.sourcing.decision import Assumption, Decision, Outcome, Reason, TakenFrom
from connector.rules.sourcing.deferred import Deferred, DeferredMapping
from connector.rules.sourcing.descent import Descended, Looked, RungFailed, descend
from connector.rules.sourcing.kits import along
from connector.rules.sourcing.lacking import assumed, lacking
from connector.rules.sourcing.lending import bridged, settled
from connector.rules.sourcing.losing import barred_from, nothing_found, passed_over
from connector.rules.sourcing.partly import MOST_PARTS, facts_of_rest, in_parts, part_of, told_of_rest
from connector.rules.sourcing.picking import drawn_by, picks_of
from connector.rules.sourcing.picks import Pick
from connector.rules.sourcing.procuring import backordered, procured
from connector.rules.sourcing.quest import Quest
from connector.rules.sourcing.ranking import LATE, MODE
from connector.rules.sourcing.recovery import recovered
from connector.rules.sourcing.revisions import narrowed
from connector.rules.sourcing.scope import inputs_of, scope_of
from connector.rules.sourcing.substitutes import substitutes_of

_BY = {Mode.DRIVE: "by car", Mode.COURIER: "by courier", Mode.TECHNICIAN: "by a technician who collects it"}


def decide(
    facts: SourcingFacts, policy: Policy, now: datetime, *, emptied: Collection[ShelfKey] = frozenset()
) -> Decision:
    """Decide about a ticket at a moment.

    emptied: shelves whose stock was claimed by somebody else after the facts were read; they are listed as lost.
    """
    decision = _decided(facts, policy, now, frozenset(emptied))
    if facts.recovery is not None:
        return recovered(decision, facts.recovery)
    return decision if facts.loan is None else settled(decision, facts.loan)


def _decided(facts: SourcingFacts, policy: Policy, now: datetime, emptied: frozenset[ShelfKey]) -> Decision:
    service_class = service_class_of(facts, policy)
    scope = scope_of(facts, service_class, now=now)
    channel = channel_of(facts, policy.red_channels, Facts(scope), now) if facts.channels else None
    if channel is not None:
        scope = scope_of(facts, service_class, channel.facts.name, now=now)
        if channel.stated.skips_approvals:
            facts = replace(facts, refusals={})  # what needs no approval cannot be refused one
    inputs: Mapping[str, Any] = DeferredMapping(lambda: inputs_of(facts, scope))
    case = _Case(facts, policy, now, service_class, inputs, Deferred(partial(assumed, facts, policy)), channel)
    if facts.ticket.state not in TICKET_OPEN:
        state = facts.ticket.state.value
        return case.end(Outcome.NOT_NEEDED, Reason.TICKET_NOT_OPEN, f"The ticket is {state}: it needs nothing.")
    condition_facts = Facts(scope)
    try:
        rule = matching(policy.rules).rule_of(condition_facts)
    except RuleFailed as error:
        return case.end(Outcome.REVIEW, Reason.RULE_FAILED, f"Rule {error.rule.name!r}: {error}.", error.rule)
    if rule is not None:
        return _apply(case, rule, condition_facts, emptied)
    return case.end(
        Outcome.NOT_NEEDED, Reason.NO_RULE_MATCHED, f"None of the {len(policy.rules)} rules asks for hardware."
    )


def is_in_channel(facts: SourcingFacts, policy: Policy, now: datetime) -> bool:
    """Whether a ticket goes through an open red channel."""
    return channel_at(facts, policy, now) is not None


def channel_at(facts: SourcingFacts, policy: Policy, now: datetime) -> Channel | None:
    """The red channel that a ticket goes through at a moment; None for none."""
    scope = scope_of(facts, service_class_of(facts, policy), now=now)
    return channel_of(facts, policy.red_channels, Facts(scope), now)


@frozen
class _Case:
    facts: SourcingFacts
    policy: Policy
    now: datetime
    service_class: ServiceClassFacts | None
    inputs: Mapping[str, Any]
    assumed: Sequence[Assumption]
    channel: Channel | None
    doubts: Doubts = NO_DOUBTS

    def authorised(self, decision: Decision, scope: Scope) -> Decision:
        """The decision with what it waits for."""
        return authorised(decision, self.policy, self.facts, scope, self.channel, self.doubts)

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
            group=self.facts.group,
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
    missing = lacking(facts, policy, rule)
    if missing is not None:
        return case.end(*missing, rule)
    if stops(facts):
        return case.end(Outcome.REVIEW, Reason.APPROVAL_REFUSED, refused_text(facts, rule.name), rule)
    doubts = doubts_of(facts, rule, case.channel)
    if doubts.end is not None:
        return case.end(*doubts.end, rule)
    if doubts is not NO_DOUBTS:
        case = replace(case, doubts=doubts, assumed=(*case.assumed, *doubts.assumed))
    units = narrowed(facts, rule)
    if units.facts is not facts or units.assumed:
        case = replace(case, facts=units.facts, assumed=(*case.assumed, *units.assumed))
    return units.told(told_of_rest(_sourced(case, rule, condition_facts, emptied), facts.had))


def _sourced(case: _Case, rule: Rule, condition_facts: Facts, emptied: frozenset[ShelfKey], parts: int = 0) -> Decision:
    """What the ladder of a rule gives. parts: how many decisions were made about other parts of the units."""
    whole, facts, policy = case, case.facts, case.policy
    product, site = _required(facts)
    start = minute_at_or_after(case.now)
    try:
        destination = Destination(site, policy, start)
    except ValueError as error:
        text = f"Site {site.label!r} cannot be planned for: {error}. Correct it in its source."
        return case.end(Outcome.REVIEW, Reason.SITE_UNUSABLE, text, rule)
    until = due_under(case.service_class, facts, policy)
    preferences, refused = substitutes_of(facts, rule, condition_facts)
    holdings, why, barred = withheld(_left(facts.holdings, emptied), facts, policy.break_glass)
    if rule.kit == "swap":
        case = _with_kit(case, product, emptied)
        facts = case.facts
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
        is_red=case.channel is not None,
    )
    try:
        descended = descend(quest, steps_for(policy, rule, case.channel), condition_facts)
    except RungFailed as error:
        return case.end(Outcome.REVIEW, Reason.RULE_FAILED, f"Rule {rule.name!r}, {error}.", rule)
    may_be_part = rule.partial == "allowed" and parts < MOST_PARTS
    descended, given = part_of(quest, descended) if may_be_part else (descended, 0)
    losers = Deferred(lambda: (*passed_over(descended, emptied), *barred_from(why, barred)))
    if given and isinstance(descended.chosen, Looked):
        mine = replace(case, facts=replace(facts, quantity=given))
        first = _choice(mine, rule, until, destination, descended, descended.chosen, losers)
        others = replace(whole, facts=facts_of_rest(whole.facts, first))
        rest = _sourced(others, rule, condition_facts, emptied, parts + 1)
        return in_parts(case.authorised(first, condition_facts.scope), rest, others.facts.had)
    if isinstance(descended.chosen, Looked):
        decision = _choice(case, rule, until, destination, descended, descended.chosen, losers)
        return bridged(case.authorised(decision, condition_facts.scope), rule, quest, condition_facts)
    planned = partial(case.end, rule=rule, until=until, destination=destination, losers=losers)
    if descended.chosen is not None:
        decision = procured(planned, facts, product, policy, descended.chosen, rule.approval)
        if rule.kit == "swap" and facts.kit is not None:
            text = f"Kit {facts.kit.name!r} is no part of what is ordered: the device comes alone."
            decision = replace(decision, assumed=(*decision.assumed, Assumption("kit", text)))
        decision = replace(decision, ladder=descended.rungs, wants_contested=descended.wants_contested)
        return bridged(case.authorised(decision, condition_facts.scope), rule, quest, condition_facts)
    if descended.end is not None and descended.end.rung.kind is RungKind.BACKORDER:
        ended = backordered(planned, facts, product, descended.end, case.now)
    else:
        reason, text = nothing_found(facts, product, descended, holdings)
        if barred and reason is Reason.NO_COMPATIBLE_STOCK:
            reason, text = Reason.NOTHING_ALLOWED, f"The only stock is not for this ticket: {len(barred)} × {why}."
        if facts.refusals:
            reason, text = Reason.APPROVAL_REFUSED, f"{refused_text(facts, rule.name)} {text}"
        ended = planned(Outcome.REVIEW, reason, text)
    ended = replace(ended, ladder=descended.rungs, wants_contested=descended.wants_contested)
    return bridged(ended, rule, quest, condition_facts)


def _with_kit(case: _Case, product: ProductFacts, emptied: frozenset[ShelfKey]) -> _Case:
    """The case with what may be used of the kit's components; that there is no kit is said and stops nothing."""
    kit = case.facts.kit
    if kit is None:
        text = f"Product {product.label!r} has no swap kit: the device goes alone."
        return replace(case, assumed=(*case.assumed, Assumption("kit", text)))
    holdings, _, _ = withheld(_left(kit.holdings, emptied), case.facts, case.policy.break_glass)
    return replace(case, facts=replace(case.facts, kit=replace(kit, holdings=holdings)))


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
    picks = picks_of(looked, case.facts)
    drawn = drawn_by(looked, case.facts, picks)
    return Decision(
        outcome=Outcome.RESERVE,
        reason=Reason.SOURCED,
        text=_split_text(candidates, looked) if looked.shares else _choice_text(looked, drawn, picks[0], case.facts),
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
        picks=picks,
        drawn=drawn,
        taken_from=tuple(
            [TakenFrom(claim.reservation_id, claim.ticket_id, claim.label, claim.hub_id) for claim in looked.takes]
        ),
        wants_contested=descended.wants_contested,
        ladder=descended.rungs,
        approval=looked.step.rung.approval or rule.approval,
        assumed=case.assumed,
        channel=case.channel,
        group=case.facts.group,
        kit=along(case.facts.kit, picks) if case.facts.kit is not None else None,
    )


def _choice_text(looked: Looked, drawn: Mapping[Protection, int], pick: Pick, facts: SourcingFacts) -> str:
    """Which hub restores the service, how and when, for people."""
    route, hub = looked.best, facts.fleet.hubs[pick.hub_id].label
    if route is None:
        raise AssertionError("asked only where something was found")
    late = ", after the due time: nothing that is allowed ranks better" if route[LATE] else ""
    way = _BY[MODES[route[MODE]]]
    return f"{hub} restores it {way} at {moment_text(pick.arrives_at)}{late}{_reserves(looked, drawn)}."


def _reserves(looked: Looked, drawn: Mapping[Protection, int]) -> str:
    """What the choice uses that is not free for everybody, and by which rule."""
    name = looked.step.rule.name
    if looked.takes:
        return f", taken from {' and '.join(claim.label for claim in looked.takes)} by rule {name!r}"
    return f", with {drawn_text(drawn)} that rule {name!r} releases" if drawn else ""


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
    return f"No hub has all of them: {', '.join(parts)}; the last ones arrive at {moment_text(last.arrives_at)}{late}."


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


def _required(facts: SourcingFacts) -> tuple[ProductFacts, SiteFacts]:
    if facts.product is None or facts.site is None:
        raise AssertionError("asked only when nothing is missing")
    return facts.product, facts.site


def _left(holdings: tuple[Holding, ...], emptied: frozenset[ShelfKey]) -> tuple[Holding, ...]:
    if not emptied:
        return holdings
    return tuple(
        holding.without({hub for hub, *shelf in emptied if shelf == [holding.product_id, holding.lane]})
        for holding in holdings
    )
