"""When a unit arrives and how likely in time: steps, technicians, cars, offers, deliveries, measured roads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.cases import BERLIN, HAMBURG, MUNICH, NOW, POLICY, POTSDAM, facts, holding, hub, ticket_of

from connector.model.errors import InvalidConfiguration
from connector.model.geo import Point
from connector.model.kinds import HubTier, LaneScope
from connector.rules.arrival.lanes import LaneHistory, Offer, SiteLanes, Travel
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import HubFacts, unit_vector
from connector.rules.facts.ticket import ProductFacts, SiteFacts
from connector.rules.policy.document import Mode, Policy
from connector.rules.policy.reading import read_policy
from connector.rules.sourcing.candidate import Candidate
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, Reason

LAPTOP = ProductFacts(id=1, manufacturer="Acme", model="X1", asset_class="Laptop")
OFFICE = {"opening_hours": "Mon-Fri 08:00-18:00"}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def policy(rule: str = "hold_minutes: 60", sourcing: str = "", drive: str = "", courier: str = "") -> Policy:
    """The usual test policy with these further lines."""
    text = POLICY.replace("RULE", rule).replace("sourcing:\n", f"sourcing:\n  {sourcing}\n")
    text = text.replace("cost_cents_per_km: 60}", f"cost_cents_per_km: 60{', ' if drive else ''}{drive}}}")
    return read_policy(text.replace("    delivery_hours", f"    {courier}\n    delivery_hours"))


def case(*hubs: HubFacts, lanes: SiteLanes | None = None, due: datetime | None = None, **values: Any) -> SourcingFacts:
    """A ticket for which each of the hubs has a unit."""
    made = facts(hubs, [holding(*(unit.id for unit in hubs))], **values)
    made = replace(made, ticket=ticket_of(made, sla_due_at=due))
    return made if lanes is None else replace(made, lanes=lanes)


def chosen(decision: Decision) -> Candidate:
    assert decision.chosen is not None, decision.text
    return decision.chosen


def history(hub_id: int, *minutes: int, service: str = "") -> SiteLanes:
    return SiteLanes(to_site={hub_id: {service: LaneHistory(LaneScope.SITE, service, tuple(sorted(minutes)))}})


COURIER = "transport: [courier]"
COLLECTED = "transport: [technician]"


def test_each_step_before_the_departure_takes_open_time_and_is_shown():
    depot = hub(1, HAMBURG, **OFFICE, pick_minutes=240, qa_minutes=300, pack_minutes=60)

    found = chosen(decide(case(depot), policy(COURIER), NOW))

    # it is 10:00 in Hamburg: picked until 14:00, checked until 18:00 and from 08:00 for another hour
    assert [(step.name, step.at, step.minutes) for step in found.steps] == [
        ("pick", at(25, 13), 240), ("qa", at(26, 8), 300), ("pack", at(26, 9), 60),
        ("cut_off", at(26, 16), None), ("transit", at(27, 6), 840), ("site_window", at(27, 7), None),
    ]  # fmt: skip
    assert found.steps[4].text == "the policy's band for 255 km of great circle"
    assert (found.ready_at, found.departs_at, found.arrives_at) == (at(26, 9), at(26, 16), at(27, 7))


@pytest.mark.parametrize(
    ("product", "own", "minutes", "steps"),
    [
        (LAPTOP, {}, 65, ["pick", "qa", "pack"]),
        (LAPTOP, {"qa_minutes": 7}, 7, ["pick", "qa", "pack"]),
        (replace(LAPTOP, asset_class="switch"), {}, 30, ["handling"]),
        (replace(LAPTOP, asset_class=None), {}, 30, ["handling"]),
    ],
)
def test_handling_is_the_hubs_own_steps_or_those_of_the_class_or_the_whole(
    product: ProductFacts, own: dict[str, int], minutes: int, steps: list[str]
):
    rules = policy(sourcing="handling: {laptop: {pick: 10, qa: 45, pack: 10}}")

    found = chosen(decide(case(hub(1, **own), product=product), rules, NOW))

    assert found.ready_at == NOW + timedelta(minutes=minutes)
    assert [step.name for step in found.steps][:-2] == steps


def test_a_hub_that_states_no_cut_off_is_collected_from_when_the_policy_says_so_of_its_tier():
    hubs = (hub(1, MUNICH, cut_offs=()), hub(2, MUNICH, cut_offs=("12:00",)))
    silent = case(hub(1, MUNICH, cut_offs=()))
    named = policy(COURIER, courier="cut_offs: {regional: ['15:00', '11:30'], central: ['17:00']}")

    refused = decide(silent, policy(COURIER), NOW)
    one, other = decide(case(*hubs), named, NOW).candidates

    assert (refused.reason, refused.losers[0].code) == (Reason.NOTHING_REACHABLE, "no_courier")
    assert [(item.hub_id, item.departs_at) for item in (one, other)] == [(1, at(25, 10, 30)), (2, at(25, 11))]
    assert [step.text for item in (one, other) for step in item.steps if step.name == "cut_off"] == [
        "the courier's van leaves, as the policy has it of regional hubs that state no cut-off",
        "the courier's van leaves",
    ]


@pytest.mark.parametrize("values", [{"tier": HubTier.LOCAL}, {"is_mobile": True}])
def test_no_van_comes_to_tiers_that_the_policy_does_not_name_nor_to_cars(values: dict[str, Any]):
    found = decide(
        case(hub(1, MUNICH, cut_offs=(), **values)), policy(COURIER, courier="cut_offs: {regional: ['17:00']}"), NOW
    )

    assert (found.reason, found.losers[0].code) == (Reason.NOTHING_REACHABLE, "no_courier")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("{regional: []}", "sourcing.courier.cut_offs.regional: is empty"),
        ("{regional: [noon]}", "sourcing.courier.cut_offs.regional: "),
        ("{depot: ['17:00']}", "sourcing.courier.cut_offs.depot"),
    ],
)
def test_cut_offs_that_cannot_be_are_refused_with_their_place(given: str, problem: str):
    with pytest.raises(InvalidConfiguration) as refused:
        policy(courier=f"cut_offs: {given}")

    assert any(problem in found for found in refused.value.problems), refused.value.problems


def test_a_technician_collects_at_the_hub_and_brings_it_to_the_site():
    # 35 min there, ready after 30, 35 min back; 4 x 17.5 km of road
    found = chosen(decide(case(hub(1, POTSDAM)), policy(COLLECTED), NOW))

    assert (found.mode, found.arrives_at) == (Mode.TECHNICIAN, at(25, 10, 10))
    assert [(step.name, step.at) for step in found.steps] == [
        ("handling", at(25, 9, 30)), ("set_out", NOW), ("reach_hub", at(25, 9, 35)), ("collect", at(25, 9, 35)),
        ("drive", at(25, 10, 10)), ("site_window", at(25, 10, 10)),
    ]  # fmt: skip
    assert found.cost_cents == round(found.distance_km * 1.3 * 2 * 60)


def test_a_technician_sets_out_from_the_base_nearest_to_the_site_after_notice_and_waits_for_the_hub():
    bases = "bases: [{name: far, latitude: 48, longitude: 11}, {name: Potsdam, latitude: 52.4, longitude: 13.06}]"
    rules = policy(COLLECTED, sourcing=f"technician: {{{bases}, notice_minutes: 20}}")

    waiting = chosen(decide(case(hub(1, POTSDAM)), rules, NOW))
    closed = chosen(decide(case(hub(1, POTSDAM, opening_hours="Mon-Fri 15:00-18:00", handling_minutes=0)), rules, NOW))

    assert [step.text for step in waiting.steps if step.name == "set_out"] == ["a technician sets out from Potsdam"]
    assert (waiting.departs_at, waiting.arrives_at) == (at(25, 9, 30), at(25, 10, 5))
    assert (closed.departs_at, closed.arrives_at) == (at(25, 14), at(25, 14, 35))


def test_too_far_for_a_technician_is_said_so():
    decision = decide(case(hub(1, HAMBURG)), policy(COLLECTED), NOW)

    assert decision.reason is Reason.NOTHING_REACHABLE
    assert "1 × too far for a technician" in decision.text


def test_an_engineers_car_drives_straight_to_the_site_in_working_hours_and_no_courier_collects_from_it():
    car = hub(1, POTSDAM, is_mobile=True, handling_minutes=0, cut_offs=("17:00",), opening_hours="Mon-Fri 12:00-20:00")

    found = chosen(decide(case(car), policy(sourcing="handling: {laptop: {qa: 45}}"), NOW))

    assert found.is_mobile
    assert (found.mode, found.departs_at, found.arrives_at) == (Mode.DRIVE, at(25, 11), at(25, 11, 35))
    assert found.cost_cents == round(found.distance_km * 1.3 * 60)
    assert decide(case(replace(car, unit=hub(1, HAMBURG).unit)), policy(), NOW).chosen is None


def test_the_cheapest_offer_in_time_counts_else_the_soonest():
    offers = (
        Offer("x/slow", 1_500, 900, "EUR", NOW), Offer("x/express", 900, 4_000, "EUR", NOW),
        Offer("x/cheap", 1_200, 2_000, "EUR", NOW), Offer("x/old", 60, 1, "EUR", NOW - timedelta(days=31)),
        Offer("x/foreign", 60, 1, "USD", NOW),
    )  # fmt: skip
    lanes = SiteLanes(offers={1: offers})

    def sent(due: datetime | None) -> tuple[int, datetime, str]:
        found = chosen(decide(case(hub(1, HAMBURG), lanes=lanes, due=due), policy(COURIER), NOW))
        return found.cost_cents, found.arrives_at, found.steps[2].text

    # leaves at 16:00Z; delivered from 07:00Z
    assert sent(at(26, 12)) == (2_000, at(26, 12), "transit and price as x/cheap offered on 2026-11-25")
    assert sent(at(26, 8)) == (4_000, at(26, 7), "transit and price as x/express offered on 2026-11-25")
    assert sent(None) == (4_000, at(26, 7), "transit and price as x/express offered on 2026-11-25")


@pytest.mark.parametrize(
    ("asked", "arrives"),
    [
        (at(25, 9), at(27, 16)),  # from Wednesday to Friday, 17:00 in Berlin
        (at(26, 9), at(30, 16)),  # from Thursday to Monday
        (at(27, 9), at(30, 16) + timedelta(days=1)),  # from Friday to Tuesday
    ],
)
def test_an_offer_in_business_days_takes_longer_over_a_weekend(asked: datetime, arrives: datetime):
    lanes = SiteLanes(offers={1: (Offer("x/ground", 2 * 1_440, 900, "EUR", at(24, 0), 2),)})

    found = chosen(decide(case(hub(1, HAMBURG), lanes=lanes), policy(COURIER), asked))

    assert (found.departs_at, found.arrives_at) == (asked.replace(hour=16), arrives)


@given(
    st.integers(0, 10),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the bounds of one
    st.sampled_from(["Europe/Berlin", "America/Los_Angeles", "Australia/Sydney", "Asia/Kolkata"]),
)
def test_business_days_are_the_weekdays_after_the_departure_on_the_clock_of_the_hub(
    days: int, departure: datetime, zone: str
):
    leaves = int(departure.timestamp()) // 60
    arrives = leaves + Offer("x", days * 1_440, 1, "EUR", departure, days).transit(leaves, zone)

    begin, end = (datetime.fromtimestamp(minute * 60, ZoneInfo(zone)) for minute in (leaves, arrives))
    passed = [begin.date() + timedelta(days=n) for n in range(1, (end.date() - begin.date()).days + 1)]
    assert sum(day.isoweekday() <= 5 for day in passed) == days
    assert not passed or passed[-1].isoweekday() <= 5
    assert abs((end.hour * 60 + end.minute) - (begin.hour * 60 + begin.minute)) in (0, 60)  # 60: what a clock skips


@pytest.mark.parametrize(
    ("deliveries", "courier", "transit", "text"),
    [
        (7, "", 840, "the policy's band for 255 km of great circle"),
        (8, "", 1_200, "p50 of 8 deliveries on this lane"),
        (3, "minimum_history: 3", 1_200, "p50 of 3 deliveries on this lane"),
        (8, "estimate: p90", 1_500, "p90 of 8 deliveries on this lane"),
        (8, "history: [region]", 840, "the policy's band for 255 km of great circle"),
    ],
)
def test_deliveries_count_as_soon_as_there_are_enough(deliveries: int, courier: str, transit: int, text: str):
    minutes = (1_200,) * (deliveries - 1) + (2_200,)

    lanes = history(1, *minutes)
    found = chosen(decide(case(hub(1, HAMBURG), lanes=lanes), policy(COURIER, courier=courier), NOW))

    assert [(step.minutes, step.text) for step in found.steps if step.name == "transit"] == [(transit, text)]


def test_what_a_service_really_takes_counts_before_what_it_offers():
    lanes = replace(
        history(1, *[1_200] * 8, service="x/express"), offers={1: (Offer("x/express", 900, 4_000, "EUR", NOW),)}
    )

    found = chosen(decide(case(hub(1, HAMBURG), lanes=lanes), policy(COURIER), NOW))

    assert (found.arrives_at, found.cost_cents) == (at(26, 12), 4_000)
    assert found.steps[2].text == (
        "p50 of 8 deliveries by x/express on this lane; price as x/express offered on 2026-11-25"
    )


def test_the_likelier_lane_wins_and_what_is_about_equally_likely_is_decided_by_cost():
    ranking = f"{COURIER}, ranking: [probability, cost]"
    sure, shaky = hub(1, MUNICH), hub(2, HAMBURG)
    lanes = SiteLanes(
        to_site={
            1: {"": LaneHistory(LaneScope.SITE, "", (1_000,) * 25)},
            2: {"": LaneHistory(LaneScope.SITE, "", (1_000,) * 22 + (4_000,) * 3)},
        }
    )

    first = decide(case(sure, shaky, lanes=lanes, due=at(26, 12)), policy(ranking), NOW)
    coarse = decide(
        case(sure, shaky, lanes=lanes, due=at(26, 12)),
        policy(ranking, sourcing="steps: {probability_percent: 15}"),
        NOW,
    )

    assert [(item.hub_id, item.probability, item.cost_cents) for item in first.candidates] == [
        (1, 1.0, 6_000), (2, 0.88, 3_500),
    ]  # fmt: skip
    assert first.candidates[1].why == "88% likely to arrive in time, against 100% for HUB-1"
    assert chosen(coarse).hub_id == 2


def test_a_drive_is_in_time_at_a_share_of_its_paces():
    # ready at 09:30, 35 min by estimate, 28 to 42: 36 of the 41 paces, of 80 to 120 %, take 41 min or less
    due = at(25, 10, 10)

    found = chosen(decide(case(hub(1, POTSDAM), due=due), policy(drive="spread_percent: 20"), NOW))

    paces = [pace for pace in range(80, 121) if -(-35 * pace // 100) <= 40]
    assert found.is_within_sla
    assert found.probability == len(paces) / 41 == 35 / 41


def test_access_windows_stay_hard_whatever_the_probability():
    site = replace(facts().site, access_hours="Mon-Fri 11:00-12:00")  # type: ignore[type-var]

    found = chosen(decide(case(hub(1, POTSDAM), site=site, due=at(25, 10)), policy(drive="spread_percent: 20"), NOW))

    # let in from 10:00Z on, which is the due time: at 80 to 85 % it is there before and waits
    assert (found.arrives_at, found.probability) == (at(25, 10, 5), 6 / 41)
    late = chosen(decide(case(hub(1, POTSDAM, handling_minutes=120), site=site), policy(), NOW))
    assert late.arrives_at == at(26, 10)


def test_a_measured_road_counts_as_long_as_neither_end_has_moved():
    origin, target = unit_vector(Point(*POTSDAM)), unit_vector(Point(*BERLIN))
    travel = Travel(50, 33.0, "osrm", at(20, 8), origin, target)

    def driven(measured: Travel) -> Candidate:
        return chosen(decide(case(hub(1, POTSDAM), lanes=SiteLanes(travel={1: measured})), policy(), NOW))

    assert (driven(travel).arrives_at, driven(travel).cost_cents) == (at(25, 10, 20), 3_960)
    assert driven(travel).steps[1].text == "33 km of road, measured by osrm on 2026-11-20"
    assert driven(replace(travel, origin=target)).arrives_at == at(25, 10, 5)
    assert driven(replace(travel, minutes=None, km=None)).mode is Mode.COURIER
    assert driven(replace(travel, km=121.0)).mode is Mode.COURIER


def test_a_site_without_coordinates_is_asked_about_or_taken_to_be_where_the_policy_says():
    nowhere = SiteFacts(5, "Plant", "S1", country="DE", time_zone="Europe/Berlin")
    centres = "centres: {DE: {latitude: 52.52, longitude: 13.405}}"

    def planned(missing: str) -> Decision:
        return decide(case(hub(1, POTSDAM), site=nowhere), policy(sourcing=f"missing: {{{missing}}}"), NOW)

    assert planned("").reason is Reason.SITE_WITHOUT_COORDINATES
    centre, distance = planned(f"site_coordinates: assume, {centres}"), planned("site_coordinates: assume")
    assert chosen(centre).arrives_at == at(25, 10, 5)
    assert [item.text for item in centre.assumed if item.fact == "site_coordinates"] == [
        "Site 'S1' has no coordinates: the centre of 'DE' is taken."
    ]
    assert (chosen(distance).distance_km, chosen(distance).mode) == (300, Mode.COURIER)


def test_a_hub_without_coordinates_is_left_out_or_taken_to_be_as_far_as_the_policy_says():
    nowhere = hub(1, None)

    refused = decide(case(nowhere), policy(), NOW)
    assumed = decide(case(nowhere), policy(sourcing="missing: {hub_coordinates: assume, assumed_km: 50}"), NOW)

    assert "1 × no coordinates" in refused.text
    assert (chosen(assumed).mode, chosen(assumed).arrives_at) == (Mode.DRIVE, at(25, 10, 35))
    assert "50 km of great circle (assumed: the hub has no coordinates)" in chosen(assumed).steps[1].text


def test_values_in_the_same_step_are_equal():
    near, far = hub(1, POTSDAM, handling_minutes=31), hub(2, BERLIN, handling_minutes=70)
    ranking = "transport: [drive], ranking: [arrival, cost]"

    assert chosen(decide(case(near, far), policy(ranking), NOW)).hub_id == 1
    assert chosen(decide(case(near, far), policy(ranking, sourcing="steps: {arrival_minutes: 30}"), NOW)).hub_id == 2


@settings(max_examples=40, deadline=None)
@given(
    minutes=st.lists(st.integers(0, 6_000), min_size=8, max_size=40),
    more=st.lists(st.integers(0, 6_000), max_size=20),
    hours=st.integers(1, 120),
    access=st.sampled_from([None, "Mon-Fri 07:00-12:00", "Thu 15:00-16:00"]),
)
def test_more_deliveries_in_time_never_lower_the_probability(
    minutes: list[int], more: list[int], hours: int, access: str | None
):
    site = replace(facts().site, access_hours=access)  # type: ignore[type-var]
    due = NOW + timedelta(hours=hours)

    def probability(*taken: int) -> float:
        lanes = history(1, *taken)
        return chosen(decide(case(hub(1, HAMBURG), lanes=lanes, due=due, site=site), policy(COURIER), NOW)).probability

    quick = [taken for taken in more if probability(*[taken] * 8) == 1.0]

    assert probability(*minutes, *quick) >= probability(*minutes)
