"""The search that looks at the nearest hubs first finds what one finds that times every candidate."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.rules.cases import BERLIN, NOW, facts, holding, hub, policy, ticket_of

from connector.model.geo import Point
from connector.model.kinds import LaneScope
from connector.rules.arrival.lanes import LaneHistory, Offer, SiteLanes, Travel
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import HubFacts, unit_vector
from connector.rules.facts.shelves import SubstituteFacts
from connector.rules.policy.document import Criterion, Mode, Policy
from connector.rules.sourcing import candidates
from connector.rules.sourcing.decide import decide

PLACE = st.tuples(st.floats(44, 60), st.floats(0, 25))
MINUTES = st.lists(st.integers(0, 5_000), min_size=8, max_size=10).map(lambda found: tuple(sorted(found)))


def some(values: st.SearchStrategy, ids: int) -> st.SearchStrategy:
    return st.dictionaries(st.integers(1, ids), values, max_size=5)


@st.composite
def lanes(draw: st.DrawFn, hubs: list[HubFacts]) -> SiteLanes:
    count = len(hubs)
    history = st.builds(
        lambda scope, minutes: {"": LaneHistory(scope, "", minutes)}, st.sampled_from(LaneScope), MINUTES
    )
    offer = st.builds(
        lambda minutes, cents: (Offer("x/parcel", minutes, cents, "EUR", NOW),),
        st.integers(0, 5_000), st.integers(0, 9_000),
    )  # fmt: skip
    target = unit_vector(Point(*BERLIN))
    roads = draw(some(st.tuples(st.integers(0, 200), st.integers(0, 200)), count))
    return SiteLanes(
        travel={n: Travel(m, km, "osrm", NOW, hubs[n - 1].unit or target, target) for n, (m, km) in roads.items()},
        offers=draw(some(offer, count)),
        to_site=draw(some(history, count)),
        to_region=draw(some(history, count)),
        everywhere={"": LaneHistory(LaneScope.EVERYWHERE, "", draw(MINUTES))} if draw(st.booleans()) else {},
    )


@st.composite
def fleets(draw: st.DrawFn) -> tuple[SourcingFacts, Policy]:
    hubs = [
        hub(n, draw(PLACE), is_mobile=draw(st.integers(0, 9)) == 0, cut_offs=("17:00",) if n % 3 else ())
        for n in range(1, draw(st.integers(40, 90)) + 1)
    ]
    stand_in = SubstituteFacts(2, "Acme X2", 1)
    shelves = [holding(*(n for n in range(1, len(hubs) + 1) if n % 7)), holding(*range(1, len(hubs) + 1), product_id=2)]
    case = facts(hubs, shelves, substitutes=(stand_in,), lanes=draw(lanes(hubs)))
    due = draw(st.none() | st.integers(0, 4_000).map(lambda minutes: NOW + timedelta(minutes=minutes)))
    ranking = draw(st.lists(st.sampled_from(Criterion), min_size=1, unique=True))
    transport = draw(st.lists(st.sampled_from(Mode), min_size=1, unique=True))
    rules = policy(f"ranking: [{', '.join(ranking)}], transport: [{', '.join(transport)}], max_drive_km: 300")
    sourcing = rules.sourcing
    steps = sourcing.steps.model_copy(
        update={"arrival_minutes": draw(st.sampled_from([1, 60])), "cost_cents": draw(st.sampled_from([1, 500]))}
    )
    spread = sourcing.drive.model_copy(update={"spread_percent": draw(st.sampled_from([0, 30]))})
    courier = sourcing.courier.model_copy(update={"history": draw(st.sampled_from([(), tuple(LaneScope)]))})
    rules = rules.model_copy(
        update={"sourcing": sourcing.model_copy(update={"steps": steps, "drive": spread, "courier": courier})}
    )
    return replace(case, ticket=ticket_of(case, sla_due_at=due)), rules


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(drawn=fleets())
def test_the_nearest_first_find_what_timing_every_candidate_finds(drawn: tuple[SourcingFacts, Policy]):
    case, rules = drawn

    fast = decide(case, rules, NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "FEW", 10_000)
        naive = decide(case, rules, NOW)

    assert [replace(item, why="") for item in fast.candidates] == [replace(item, why="") for item in naive.candidates]
    assert (fast.outcome, fast.picks, fast.text) == (naive.outcome, naive.picks, naive.text)
    for decision in (fast, naive):
        listed = [item.hub_id for item in decision.candidates]
        listed += [hub_id for losers in decision.losers for hub_id in losers.hubs]
        assert sorted(listed) == sorted(hub_id for shelf in case.holdings for hub_id in shelf.free)
