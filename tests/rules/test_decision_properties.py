"""What holds of every decision: it is the same again, it keeps to what is allowed, and more stock makes it no worse."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.cases import BERLIN, HAMBURG, NOW, POTSDAM, facts, holding, hub, policy

from connector.model.calendars import Calendar, next_open, parse_hours
from connector.model.kinds import HubTier, Lane
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import Fleet, HubFacts
from connector.rules.facts.shelves import Holding, SubstituteFacts
from connector.rules.facts.ticket import SiteFacts
from connector.rules.policy.document import Criterion, Mode, Policy
from connector.rules.sourcing.candidate import Candidate
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision

ACCESS = (None, "Mon-Fri 07:00-12:00", "Sat 10:00-11:00", "Mon-Sun 22:00-24:00")
SUBSTITUTES = {2: None, 3: "ticket.priority == 'P1'", 4: "ticket.priority == 'P5'"}
"""Products that can stand in for the first one, and when: the ticket is a P1, so the third never can."""
STRANGER = 5
"""A product that cannot stand in for anything."""


def subset(values: Any) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(list(values)), min_size=1, unique=True)


RANKINGS = subset(Criterion)


@dataclass(frozen=True)
class Case:
    """Facts with the policy and the moment to decide at, and the fields of the policy's one rule."""

    facts: SourcingFacts
    policy: Policy
    now: datetime

    @property
    def rule(self) -> Any:
        return self.policy.rules[0]

    def decision(self) -> Decision:
        return decide(self.facts, self.policy, self.now)


@st.composite
def hubs(draw: st.DrawFn) -> list[HubFacts]:
    place = st.tuples(st.floats(51, 54), st.floats(11, 15))
    return [
        hub(
            number, draw(place), tier=draw(st.sampled_from(HubTier)),
            opening_hours=draw(st.sampled_from(["24x7", "Mon-Fri 08:00-18:00", "Sat 10:00-11:00"])),
            cut_offs=tuple(draw(subset(["09:30", "17:00", "23:59"]))), handling_minutes=draw(st.integers(0, 90)),
        )
        for number in range(1, draw(st.integers(1, 24)) + 1)
    ]  # fmt: skip


@st.composite
def cases(draw: st.DrawFn, rankings: st.SearchStrategy[list[Criterion]] = RANKINGS) -> Case:
    fleet = draw(hubs())
    shelf = st.tuples(st.sampled_from([1, *SUBSTITUTES, STRANGER]), st.sampled_from(Lane))
    stock = draw(st.dictionaries(shelf, subset(unit.id for unit in fleet), min_size=1, max_size=6))
    substitutes = draw(subset(SUBSTITUTES))
    rule = ", ".join(
        f"{name}: {value}"
        for name, value in {
            "lanes": [lane.value for lane in draw(subset(Lane))],
            "sources": [tier.value for tier in draw(subset(HubTier))],
            "transport": [mode.value for mode in draw(subset(Mode))],
            "allow_substitutes": str(draw(st.booleans())).lower(),
            "max_drive_km": draw(st.integers(0, 300)),
            "ranking": [criterion.value for criterion in draw(rankings)],
        }.items()
    )
    return Case(
        facts(
            fleet,
            [holding(*ids, product_id=product, lane=lane) for (product, lane), ids in stock.items()],
            substitutes=tuple(SubstituteFacts(n, f"Acme X{n}", n, SUBSTITUTES[n]) for n in substitutes),
            site=SiteFacts(
                5, "Plant", "S1", *BERLIN, time_zone="Europe/Berlin", access_hours=draw(st.sampled_from(ACCESS))
            ),
            ticket=replace(facts().ticket, sla_due_at=draw(st.none() | INSTANTS)),
        ),
        policy(rule),
        draw(INSTANTS),
    )


INSTANTS = st.integers(1_795_000_000, 1_795_900_000).map(lambda second: datetime.fromtimestamp(second, UTC))
QUICK = settings(max_examples=50, deadline=None)


@QUICK
@given(case=cases(), rng=st.randoms())
def test_the_same_facts_and_policy_give_the_same_decision_in_whatever_order_they_are_read(
    case: Case, rng: random.Random
):
    fleet, holdings = list(case.facts.fleet.hubs.values()), list(case.facts.holdings)
    rng.shuffle(fleet)
    rng.shuffle(holdings)
    shuffled = [Holding(h.product_id, h.lane, dict(rng.sample(list(h.free.items()), len(h.free)))) for h in holdings]

    again = decide(replace(case.facts, fleet=Fleet(fleet), holdings=tuple(shuffled)), case.policy, case.now)

    first = case.decision()
    assert case.decision() == first
    assert again.candidates == first.candidates
    assert (again.outcome, again.reason, again.rule, again.due_at) == (
        first.outcome, first.reason, first.rule, first.due_at,
    )  # fmt: skip


@QUICK
@given(case=cases())
def test_no_candidate_breaks_what_the_rule_the_products_or_the_site_demand(case: Case):
    site = case.facts.site
    assert site is not None
    access = Calendar("Europe/Berlin", parse_hours(site.access_hours or "24x7"))
    delivery = Calendar("Europe/Berlin", parse_hours("Mon-Fri 08:00-18:00"))
    fits = {1} | ({s.product_id for s in case.facts.substitutes} - {4} if case.rule.allow_substitutes else set())

    for candidate in case.decision().candidates:
        assert candidate.lane in case.rule.lanes
        assert candidate.tier in case.rule.sources
        assert candidate.product_id in fits
        assert candidate.mode in case.rule.transport
        assert any(
            (h.product_id, h.lane) == (candidate.product_id, candidate.lane) and h.free.get(candidate.hub_id)
            for h in case.facts.holdings
        )
        assert next_open(access, candidate.arrives_at) == candidate.arrives_at
        if candidate.mode is Mode.COURIER:
            assert next_open(delivery, candidate.arrives_at) == candidate.arrives_at
        elif candidate.mode is Mode.DRIVE:
            assert candidate.distance_km * 1.3 <= case.rule.max_drive_km + 1e-6
        else:
            assert candidate.distance_km * 1.3 * 2 <= 240 + 1e-6


def rank(candidate: Candidate, ranking: list[Criterion], due_at: datetime | None) -> tuple[Any, ...]:
    """What a ranking compares."""
    values = {
        Criterion.EXACT: not candidate.is_exact,
        Criterion.WITHIN_SLA: not candidate.is_within_sla,
        Criterion.PROBABILITY: not candidate.is_within_sla,  # nothing is known beyond the estimate
        Criterion.LATENESS: max(candidate.arrives_at - due_at, timedelta(0)) if due_at else candidate.arrives_at,
        Criterion.PREFERENCE: candidate.preference,
        Criterion.ARRIVAL: candidate.arrives_at,
        Criterion.COST: candidate.cost_cents,
        Criterion.DISTANCE: candidate.distance_km,
    }
    return tuple(values[criterion] for criterion in ranking)


@st.composite
def restocked(draw: st.DrawFn, rankings: st.SearchStrategy[list[Criterion]] = RANKINGS) -> tuple[Case, Case]:
    """A case, and the same with more units: on shelves that had some, and on others."""
    case = draw(cases(rankings))
    more = {(h.product_id, h.lane): dict(h.free) for h in case.facts.holdings}
    for _ in range(draw(st.integers(1, 5))):
        shelf = draw(st.tuples(st.sampled_from([1, *SUBSTITUTES]), st.sampled_from(Lane)))
        hub_id = draw(st.sampled_from(sorted(case.facts.fleet.hubs)))
        free = more.setdefault(shelf, {})
        free[hub_id] = free.get(hub_id, 0) + 1
    holdings = tuple(Holding(product, lane, free) for (product, lane), free in more.items())
    return case, replace(case, facts=replace(case.facts, holdings=holdings))


@QUICK
@given(pair=restocked())
def test_more_stock_never_makes_the_choice_worse_in_its_ranking(pair: tuple[Case, Case]):
    before, after = (case.decision().chosen for case in pair)

    if before is not None:
        assert after is not None
        due_at = pair[0].decision().due_at
        assert rank(after, pair[0].rule.ranking, due_at) <= rank(before, pair[0].rule.ranking, due_at)


ARRIVAL_FIRST = st.tuples(
    st.sampled_from([[Criterion.ARRIVAL], [Criterion.WITHIN_SLA, Criterion.ARRIVAL]]), RANKINGS
).map(lambda pair: [*pair[0], *(criterion for criterion in pair[1] if criterion not in pair[0])])


@QUICK
@given(pair=restocked(ARRIVAL_FIRST))
def test_more_stock_never_makes_the_arrival_later_where_it_ranks_first_or_right_after_the_due_time(
    pair: tuple[Case, Case],
):
    before, after = (case.decision().chosen for case in pair)

    if before is not None:
        assert after is not None
        assert after.arrives_at <= before.arrives_at


def test_where_exactness_or_cost_ranks_first_an_added_unit_is_better_there_and_may_arrive_later():
    near, far = hub(1, POTSDAM, cut_offs=()), hub(2, HAMBURG)
    stand_in = SubstituteFacts(2, "Acme X2", 1)
    for ranking, has in (("[exact, arrival]", holding(1, product_id=2)), ("[cost, arrival]", holding(1))):
        case = facts([near, far], [has], substitutes=(stand_in,))
        before = decide(case, policy(f"ranking: {ranking}"), NOW).chosen

        case = replace(case, holdings=(has, holding(2)))
        after = decide(case, policy(f"ranking: {ranking}"), NOW).chosen

        assert before is not None
        assert after is not None
        assert (before.hub_id, after.hub_id) == (1, 2)
        assert after.arrives_at > before.arrives_at
        assert (after.preference, after.cost_cents) <= (before.preference, 3500)
