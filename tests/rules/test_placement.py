"""Where spares of a class of hardware belong for a region, and whether they stand there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules.cases import BERLIN, HAMBURG, MUNICH, POLICY, hub

from connector.model.errors import InvalidConfiguration
from connector.model.kinds import HubTier
from connector.rules.facts.fleet import Fleet
from connector.rules.facts.ticket import ServiceClassFacts, SiteFacts
from connector.rules.placement.belonging import Belonging, NextDay, Place, belonging, farness
from connector.rules.placement.next_day import NextDays, SiteGroup
from connector.rules.placement.verdict import Demand, PlacementVerdict, judged, per_quarter_of, verdict
from connector.rules.policy.placement import AssetClass, Level, PlacementTerms, class_of
from connector.rules.policy.reading import Policy, default_policy, default_policy_text, read_policy

TERMS = PlacementTerms()
IN_TIME = NextDay(serves=True, text="next-day delivery is in time")
LATE = NextDay(serves=False, text="next-day delivery is late")
CLASSES = default_policy().asset_classes

LEVELS = list(Level)
TIERS = st.lists(st.sampled_from(list(HubTier)), min_size=1, unique=True).map(tuple)
DEMANDS = st.floats(0, 200, allow_nan=False)
NEXT_DAYS = st.sampled_from([IN_TIME, LATE])


def stated(impact: Level = Level.MEDIUM, complexity: Level = Level.LOW, tiers=(HubTier.REGIONAL,)) -> AssetClass:
    """A class; built without its own checks, so that properties hold for every combination of values and tiers."""
    return AssetClass.model_construct(
        matches=None, impact=impact, complexity=complexity, failures=5.0, tiers=tiers, cover_days=None,
        cover_spares=None,
    )  # fmt: skip


def place(impact: Level, complexity: Level, tiers, per_quarter: float, next_day: NextDay) -> int:
    return farness(belonging(stated(impact, complexity, tiers), per_quarter, next_day, TERMS).place)


@given(st.sampled_from(LEVELS), TIERS, DEMANDS, NEXT_DAYS)
def test_more_impact_never_moves_anything_farther_away(complexity, tiers, per_quarter, next_day):
    if HubTier.CENTRAL not in tiers:
        tiers = (*tiers, HubTier.CENTRAL)
    places = [place(impact, complexity, tiers, per_quarter, next_day) for impact in LEVELS]

    assert places == sorted(places, reverse=True)


@given(st.sampled_from(LEVELS), TIERS, DEMANDS, NEXT_DAYS)
def test_a_harder_replacement_never_moves_anything_nearer(impact, tiers, per_quarter, next_day):
    places = [place(impact, complexity, tiers, per_quarter, next_day) for complexity in LEVELS]

    assert places == sorted(places)


@given(st.sampled_from(LEVELS), st.sampled_from(LEVELS), TIERS, st.lists(DEMANDS, min_size=2), NEXT_DAYS)
def test_more_demand_never_moves_anything_farther_away(impact, complexity, tiers, demands, next_day):
    places = [place(impact, complexity, tiers, per_quarter, next_day) for per_quarter in sorted(demands)]

    assert places == sorted(places, reverse=True)


@given(st.sampled_from(LEVELS), st.sampled_from(LEVELS), TIERS, DEMANDS)
def test_where_next_day_delivery_is_late_nothing_stands_farther_away(impact, complexity, tiers, per_quarter):
    in_time = place(impact, complexity, tiers, per_quarter, IN_TIME)

    assert place(impact, complexity, tiers, per_quarter, LATE) <= in_time


@given(st.sampled_from(LEVELS), st.sampled_from(LEVELS), TIERS, DEMANDS, NEXT_DAYS)
def test_what_belongs_somewhere_and_stands_there_is_in_place(impact, complexity, tiers, per_quarter, next_day):
    values = stated(impact, complexity, tiers)
    belongs = belonging(values, per_quarter, next_day, TERMS).place
    units = {} if belongs is Place.VENDOR else {HubTier(belongs): 1}

    assert not verdict(belongs, units, values).is_misplaced


@pytest.mark.parametrize(
    ("asset_class", "per_quarter", "next_day", "expected"),
    [
        ("laptop", 6, LATE, Place.REGIONAL),
        ("laptop", 1, IN_TIME, Place.CENTRAL),
        ("laptop", 1, LATE, Place.REGIONAL),
        ("docking station", 6, LATE, Place.REGIONAL),
        ("docking station", 40, LATE, Place.LOCAL),
        ("network switch", 0.3, LATE, Place.REGIONAL),
        ("firewall", 0.3, IN_TIME, Place.CENTRAL),
        ("firewall", 2, IN_TIME, Place.REGIONAL),
        ("SSD", 2, IN_TIME, Place.REGIONAL),
        ("optics", 1, IN_TIME, Place.CENTRAL),
        ("edge_appliance", 0.1, LATE, Place.LOCAL),
    ],
)
def test_the_classes_of_the_shipped_policy_stand_where_the_table_has_them(asset_class, per_quarter, next_day, expected):
    _, entry = class_of(asset_class, CLASSES)

    assert belonging(entry, per_quarter, next_day, TERMS).place is expected


def test_a_hard_replacement_is_a_bench_s_or_the_maker_s():
    core = stated(Level.HIGH, Level.HIGH)

    assert belonging(core, 4, LATE, TERMS) == Belonging(
        Place.REGIONAL, "impact high, complexity high: a regional bench; needed 4.0 times a quarter, more than 1.5"
    )
    assert belonging(core, 0.5, IN_TIME, TERMS) == Belonging(
        Place.VENDOR,
        "impact high, complexity high; needed 0.5 times a quarter, seldom (up to 1.5), and next-day delivery is in "
        "time",
    )


def test_what_nobody_waits_for_is_central_however_often_it_is_needed():
    printer = stated(Level.LOW, Level.LOW, (HubTier.CENTRAL,))

    found = belonging(printer, 150, LATE, TERMS)

    assert found == Belonging(
        Place.CENTRAL, "impact low, complexity low: nobody waits for it, so it need not stand near"
    )


@pytest.mark.parametrize(
    ("belongs", "units", "expected"),
    [
        (Place.REGIONAL, {HubTier.REGIONAL: 2}, PlacementVerdict.IN_PLACE),
        (Place.REGIONAL, {HubTier.CENTRAL: 9}, PlacementVerdict.TOO_FAR),
        (Place.REGIONAL, {}, PlacementVerdict.TOO_FAR),
        (Place.REGIONAL, {HubTier.REGIONAL: 2, HubTier.LOCAL: 1}, PlacementVerdict.TOO_NEAR),
        (Place.LOCAL, {HubTier.REGIONAL: 2}, PlacementVerdict.TOO_FAR),
        (Place.CENTRAL, {HubTier.REGIONAL: 1, HubTier.CENTRAL: 9}, PlacementVerdict.TOO_NEAR),
        (Place.CENTRAL, {HubTier.CENTRAL: 9, HubTier.REGIONAL: 0}, PlacementVerdict.IN_PLACE),
        (Place.CENTRAL, {}, PlacementVerdict.NOT_STOCKED),
        (Place.VENDOR, {HubTier.LOCAL: 1}, PlacementVerdict.TOO_NEAR),
        (Place.VENDOR, {}, PlacementVerdict.NOT_STOCKED),
    ],
)
def test_where_it_stands_is_compared_with_where_it_belongs(belongs, units, expected):
    assert verdict(belongs, units, stated()) is expected


def test_units_in_a_local_hub_are_fine_where_the_class_usually_stands_in_both():
    both = stated(tiers=(HubTier.LOCAL, HubTier.REGIONAL))

    assert verdict(Place.REGIONAL, {HubTier.LOCAL: 1}, both) is PlacementVerdict.IN_PLACE


def test_use_is_counted_by_quarter_and_replaced_by_the_failures_of_the_class_where_too_little_is_recorded():
    assert per_quarter_of(Demand(used=8, days=365.25, in_use=50), stated(), TERMS) == (2.0, "")
    assert per_quarter_of(Demand(used=0, days=100, in_use=50), stated(), TERMS) == (0.0, "")
    assert per_quarter_of(Demand(used=0, days=3, in_use=400), stated(), TERMS) == (
        5.0, "use is recorded for 3 days, fewer than 28: 5 of 100 fail in a year, and 400 are in use",
    )  # fmt: skip
    assert per_quarter_of(Demand(used=2, days=3, in_use=8), stated(), TERMS) == (
        2.0, "use is recorded for 3 days, fewer than 28: what was used in them is taken for a quarter",
    )  # fmt: skip


def test_a_class_that_nobody_has_described_is_taken_as_medium_and_said_to_be():
    found = judged("badge reader", Demand(used=1, days=365, in_use=9), {HubTier.REGIONAL: 1}, IN_TIME, CLASSES, TERMS)

    assert (found.asset_class, found.verdict) == (None, PlacementVerdict.TOO_NEAR)
    assert found.belongs == Belonging(
        Place.CENTRAL,
        "impact medium, complexity medium; needed 0.3 times a quarter, seldom (up to 1.5), and next-day delivery is in "
        "time; asset_classes says nothing of asset class 'badge reader': medium is taken for all three values",
    )


def test_an_entry_without_a_pattern_is_about_the_class_of_its_own_name():
    named = {"edge-box": stated()}

    assert class_of("Edge box", named) == ("edge-box", stated())
    assert class_of("edge boxes", named) is None
    assert class_of(None, named) is None


POLICY_WITH_NEXT_DAY = (
    POLICY.replace("RULE", "hold_minutes: 60")
    + "  two-days: {maximum_outage_minutes: 1080, calendar: 'Mon-Fri 08:00-17:00'}\n"
)
CRITICAL = ServiceClassFacts("critical", 240, "24x7")
TWO_DAYS = ServiceClassFacts("two-days", 1080, "Mon-Fri 08:00-17:00")
CENTRAL = hub(1, MUNICH, tier=HubTier.CENTRAL)


def group(service: ServiceClassFacts | None, place=BERLIN, sites: int = 1, **values) -> SiteGroup:
    latitude, longitude = place or (None, None)
    site = SiteFacts(id=0, name="DE", latitude=latitude, longitude=longitude, time_zone="Europe/Berlin", **values)
    return SiteGroup(site, service, sites)


def next_days(*groups: SiteGroup, hubs=(CENTRAL,), policy: Policy | None = None) -> NextDays:
    return NextDays(policy or read_policy(POLICY_WITH_NEXT_DAY), Fleet(hubs), {"DE": groups})


def test_a_service_that_bears_two_business_days_is_served_the_next_day():
    found = next_days(group(TWO_DAYS)).of("DE", ["two-days"], None)

    assert found == NextDay(
        serves=True, text="next-day delivery is in time for 100% of tickets of service class 'two-days'"
    )


def test_a_service_that_bears_four_hours_is_not():
    found = next_days(group(CRITICAL), group(TWO_DAYS)).of("DE", ["two-days", "critical"], None)

    assert found == NextDay(
        serves=False,
        text="next-day delivery is in time for 0% of tickets of service class 'critical' (90 % are wanted)",
    )


@pytest.mark.parametrize(("cut_off", "share"), [("17:00", "100%"), ("12:00", "56%")])
def test_a_service_that_bears_the_next_business_day_is_served_only_by_what_leaves_on_the_same_day(
    cut_off: str, share: str
):
    # at noon it leaves for what broke from eight to eleven, and for all of Friday: 25 of 45 hours
    text = POLICY_WITH_NEXT_DAY.replace("minutes: 1080,", "minutes: 1080, business_days: 1,")
    answers = next_days(
        group(TWO_DAYS), hubs=(hub(1, MUNICH, tier=HubTier.CENTRAL, cut_offs=(cut_off,)),), policy=read_policy(text)
    )

    found = answers.of("DE", ["two-days"], None)

    assert found.text.startswith(f"next-day delivery is in time for {share} of tickets of service class 'two-days'")
    assert found.serves is (share == "100%")


def test_a_central_hub_that_states_no_cut_off_delivers_the_next_day_where_the_policy_names_one():
    silent = (hub(1, MUNICH, tier=HubTier.CENTRAL, cut_offs=()),)
    named = read_policy(
        POLICY_WITH_NEXT_DAY.replace("    transit:", "    cut_offs: {central: ['17:00']}\n    transit:")
    )

    assert not next_days(group(TWO_DAYS), hubs=silent).of("DE", ["two-days"], None).serves
    assert next_days(group(TWO_DAYS), hubs=silent, policy=named).of("DE", ["two-days"], None).serves


def test_only_the_service_classes_that_use_it_are_looked_at():
    answers = next_days(group(CRITICAL), group(TWO_DAYS))

    assert answers.of("DE", ["two-days"], None).serves
    assert not answers.of("DE", [], None).serves


def test_a_farther_region_with_a_longer_transit_is_served_for_fewer_tickets():
    slow = POLICY_WITH_NEXT_DAY.replace("{hours: 24,", "{hours: 72,")
    near, far = group(TWO_DAYS, MUNICH), group(TWO_DAYS, HAMBURG)

    assert next_days(near, policy=read_policy(slow)).of("DE", ["two-days"], None).serves
    assert not next_days(far, policy=read_policy(slow)).of("DE", ["two-days"], None).serves


def test_sites_that_nobody_can_deliver_to_and_regions_without_sites_are_told():
    assert next_days().of("DE", [None], None) == NextDay(
        serves=True, text="no site is known there that next-day delivery could be late for"
    )
    assert next_days(group(TWO_DAYS), hubs=(replace(CENTRAL, tier=HubTier.REGIONAL),)).of("DE", [], None) == NextDay(
        serves=False, text="there is no central hub that a courier collects from"
    )
    broken = next_days(group(TWO_DAYS, access_hours="now and then")).of("DE", [], None)
    assert not broken.serves
    assert broken.text.startswith("whether next-day delivery is in time cannot be told: ")


def test_a_region_whose_sites_have_no_coordinates_is_taken_to_lie_at_the_assumed_distance():
    near = POLICY_WITH_NEXT_DAY.replace("{hours: 24,", "{hours: 72,")
    far = near.replace("  courier:", "  missing: {assumed_km: 5000}\n  courier:")

    assert next_days(group(TWO_DAYS, None), policy=read_policy(near)).of("DE", [], None).serves
    assert not next_days(group(TWO_DAYS, None), policy=read_policy(far)).of("DE", [], None).serves


def test_without_any_service_class_everything_is_in_time():
    found = next_days(group(None)).of("DE", [None], None)

    assert found == NextDay(
        serves=True, text="next-day delivery is in time for 100% of tickets of sites without service class"
    )


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("failures: 3", "failures: often", "284:15: asset_classes.switches-and-firewalls.failures: is neither low"),
        ("cover_spares: [1, 3]", "cover_spares: [3, 1]", "asset_classes.switches-and-firewalls.cover_spares: begins"),
        ("matches: laptop|", "matches: (laptop|", "asset_classes.laptops.matches: is no pattern: missing )"),
        ("next_day_percent: 90", "next_day_percent: 900", "placement.next_day_percent: Input should be less than"),
        ("seldom_per_quarter: 1.5", "seldom_per_quarter: 20", "placement: seldom_per_quarter (20) must be less than"),
        ("cover_days: [7, 14]", "cover_days: [7, 14]\n    cover_spares: [1, 1]", "laptops: cover_days and cover_sp"),
        ("impact: high\n    complexity: low", "impact: low\n    complexity: low", "impact: low belongs into central"),
        ("tiers: [local, regional]\n    cover", "tiers: [local]\n    cover", "complexity: high takes a regional bench"),
        ("matches: edge|", "matches: dock|charger|adapter #", "is never reached: 'docks-and-chargers' before it"),
        ("    matches: edge|controller|gateway|plc\n", "", None),
        ("  edge-appliances: #", "  laptop-carts: #", None),
    ],
)  # fmt: skip
def test_mistakes_in_asset_classes_are_told_with_their_place(old, new, problem):
    text = default_policy_text().replace(old, new, 1)
    if "bench" in (problem or ""):
        text = text.replace("complexity: medium", "complexity: high", 1)
    assert text != default_policy_text()

    if problem is None:
        assert read_policy(text).asset_classes.keys() != {}
        return
    with pytest.raises(InvalidConfiguration) as caught:
        read_policy(text)
    assert [found for found in caught.value.problems if problem in found] != [], caught.value.problems


def test_an_entry_without_a_pattern_behind_one_that_fits_its_name_is_never_reached():
    text = default_policy_text().replace("  edge-appliances: #", "  laptop-carts: #", 1)
    text = text.replace("    matches: edge|controller|gateway|plc\n", "", 1)

    with pytest.raises(InvalidConfiguration) as caught:
        read_policy(text)

    (problem,) = caught.value.problems
    assert problem.endswith(
        "asset_classes.laptop-carts: is never reached: 'laptop|notebook|desktop|workstation|endpoint' of 'laptops' "
        "before it fits its name"
    )
