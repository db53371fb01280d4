"""The search that looks at the nearest hubs first finds what one finds that times every candidate."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.rules.cases import BERLIN, NOW, SWITCH, facts, holding, hub, policy, ticket_of

from connector.model.geo import Point
from connector.model.kinds import HubTier, Lane, LaneScope, Priority, Protection
from connector.rules.arrival import schedules
from connector.rules.arrival.lanes import LaneHistory, Offer, SiteLanes, Travel
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import Fleet, HubFacts, unit_vector
from connector.rules.facts.protection import Kept
from connector.rules.facts.shelves import Contested, SubstituteFacts, holding_of
from connector.rules.facts.ticket import SiteFacts
from connector.rules.policy.days import Places
from connector.rules.policy.document import Criterion, Mode, Policy, Step
from connector.rules.policy.transport import Handling
from connector.rules.sourcing import candidates
from connector.rules.sourcing.candidates import Found
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.quest import Quest

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
    cut_offs = draw(st.sampled_from([{}, {HubTier.REGIONAL: ("16:30",)}]))
    history = draw(st.sampled_from([(), tuple(LaneScope)]))
    courier = sourcing.courier.model_copy(update={"history": history, "cut_offs": cut_offs})
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


@st.composite
def rungs(draw: st.DrawFn) -> str:
    """A rung that may search as the one above does, or release more, or look elsewhere."""
    fields = ["kind: stock", "accept: in_time"]
    if draw(st.booleans()):
        fields.append(f"releases: [{', '.join(draw(st.lists(st.sampled_from(Protection), unique=True)))}]")
    for name, values in (("lanes", Lane), ("tiers", HubTier), ("transport", Mode)):
        if draw(st.integers(0, 4)) == 0:
            fields.append(f"{name}: [{', '.join(draw(st.lists(st.sampled_from(values), min_size=1, unique=True)))}]")
    if draw(st.booleans()):
        fields.append("preempt: {over: [P4, P5, rollout]}")
    return f"{{{', '.join(fields)}}}"


@st.composite
def ladders(draw: st.DrawFn) -> tuple[SourcingFacts, Policy]:
    count = draw(st.integers(1, 12))
    hubs = [hub(n, draw(PLACE), tier=draw(st.sampled_from(HubTier))) for n in range(1, count + 1)]
    shelf = st.builds(Kept, st.integers(1, 3), st.integers(0, 2), st.integers(0, 2))
    stock = st.dictionaries(st.integers(1, count), shelf, min_size=1, max_size=8)
    shelves = [holding_of(1 + n % 2, lane, draw(stock)) for n, lane in enumerate((Lane.NORMAL, Lane.NORMAL, *Lane))]
    claims = draw(st.none() | st.lists(st.tuples(st.integers(1, count), st.sampled_from(Priority)), max_size=3))
    case = facts(
        hubs,
        {(shelf.product_id, shelf.lane): shelf for shelf in shelves}.values(),
        substitutes=(SubstituteFacts(2, "Acme X2", 1),),
        contested=None if claims is None else tuple(
            Contested(n, n, f"INC-{n}", hub_id, 1, Lane.NORMAL, 1, priority, NOW, NOW)
            for n, (hub_id, priority) in enumerate(claims, 10)
        ),
        quantity=draw(st.integers(1, 3)),
    )  # fmt: skip
    due = NOW + timedelta(minutes=draw(st.integers(0, 3_000)))
    ladder = [*draw(st.lists(rungs(), min_size=2, max_size=4)), "person"]
    rules = policy(f"ladder: [{', '.join(ladder)}], lanes: [normal, break_glass], split: allowed, max_drive_km: 300")
    return replace(case, ticket=ticket_of(case, sla_due_at=due)), rules


def _look_alone(quest: Quest, step: Step, *, is_only: bool) -> Found:
    return replace(quest, _ways={}).look(step.rule, quest.shelves_of(step.rule, is_only=is_only))


@settings(max_examples=60, deadline=None)
@given(drawn=ladders())
def test_rungs_that_share_a_search_find_what_each_finds_by_itself(drawn: tuple[SourcingFacts, Policy]):
    case, rules = drawn

    shared = decide(case, rules, NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Quest, "look_for", _look_alone)
        alone = decide(case, rules, NOW)
        told = alone.explanation()

    assert shared.explanation() == told
    assert (shared.picks, shared.taken_from, shared.candidates) == (alone.picks, alone.taken_from, alone.candidates)


def test_steps_search_alike_when_they_differ_only_in_what_they_release_take_or_accept():
    ladder = (
        "ladder: [stock, {kind: stock, accept: in_time}, {kind: stock, releases: [safety_stock], preempt: {}}, "
        "{kind: stock, tiers: [local]}, person], ranking: [within_sla, cost]"
    )

    first, in_time, releasing, elsewhere, _ = [step.search for step in policy(ladder).steps_of(policy(ladder).rules[0])]

    assert first == in_time == releasing
    assert elsewhere != first


HANDLING = {"switch": Handling(pick=5, qa=200), "laptop": Handling(pick=45)}
ZONES = ("Europe/Berlin", "Asia/Tokyo")


@settings(max_examples=25, deadline=None)
@given(
    asked=st.lists(
        st.tuples(
            st.sampled_from([0, 7, 600]), st.sampled_from(["switch", "laptop", "Switch", None]), st.sampled_from(ZONES),
            st.booleans(), st.booleans(),
        ),
        min_size=2, max_size=8,
    ),
    exceptions=st.booleans(),
)  # fmt: skip
def test_what_one_decision_has_worked_out_never_changes_another(
    asked: list[tuple[int, str | None, str, bool, bool]], exceptions: bool
):
    own = {"exceptions": {"HUB-2": {"closed": [NOW.date()]}}} if exceptions else {}
    rules = {
        send: (plain := policy(f"transport: [{'courier' if send else 'drive'}], max_drive_km: 900")).model_copy(
            update={"sourcing": plain.sourcing.model_copy(update={"handling": HANDLING, "hubs": Places(**own)})}
        )
        for send in (True, False)
    }
    fleets = {
        late: Fleet([hub(n, (50 + n, 10), handling_minutes=15 * n, cut_offs=("12:00",) if late else ("17:00",))
                     for n in range(1, 5)])
        for late in (True, False)
    }  # fmt: skip

    def decided(minutes: int, asset_class: str | None, zone: str, late: bool, send: bool) -> dict[str, object]:
        needed = replace(SWITCH, asset_class=asset_class)
        site = SiteFacts(5, "Plant", "S1", *BERLIN, time_zone=zone)
        case = replace(facts((), [holding(1, 2, 3, 4)], product=needed, site=site), fleet=fleets[late])
        return decide(case, rules[send], NOW + timedelta(minutes=minutes)).explanation()

    warm = [decided(*question) for question in asked]

    for question, answer in zip(asked, warm, strict=True):
        schedules._schedules.clear()
        assert answer == decided(*question)
