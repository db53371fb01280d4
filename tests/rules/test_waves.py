"""Which site of a rollout is served from which hub, in which wave."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.model.kinds import HubTier, LaneScope, TicketType
from connector.model.lifecycle import TicketState
from connector.rules.arrival.lanes import LaneHistory, SiteLanes, Travel
from connector.rules.facts.fleet import Fleet, hub_facts
from connector.rules.facts.ticket import ProductFacts, SiteFacts, TicketFacts
from connector.rules.policy.document import Mode
from connector.rules.policy.reading import Policy, read_policy
from connector.rules.rollouts.choosing import Choosing
from connector.rules.rollouts.expecting import Supply
from connector.rules.rollouts.waves import Cut, HubShelf, Pace, Plan, Planning, Wanted, floors_of, in_order

BERLIN, HAMBURG, MUNICH = (52.52, 13.405), (53.55, 9.993), (48.137, 11.575)
TENS = Cut(10, 10)
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
POLICY = """
name: test
rules: [{name: any, when: 'true', hardware: replace}]
sourcing:
  drive: {detour_factor: 1, speed_kmh: 60, max_drive_km: 100, cost_cents_per_km: 50}
  courier:
    delivery_hours: 24x7
    minimum_history: 2
    transit: [{within_km: 100, hours: 10, cost_cents: 500}, {hours: 20, cost_cents: 1000}]
rollouts: ROLLOUTS
"""


def policy(rollouts: str = "{}") -> Policy:
    return read_policy(POLICY.replace("ROLLOUTS", rollouts))


COURIER = policy()
TICKET = TicketFacts(1, "CHG-1", TicketType.CHANGE, TicketState.NEW)
PRODUCT = ProductFacts(1, "Acme", "R-7")


def hub(number: int, at: tuple[float, float] | None = BERLIN, **values: Any) -> Any:
    latitude, longitude = at or (None, None)
    return hub_facts(
        **{
            "id": number, "label": f"H{number}", "tier": HubTier.LOCAL, "latitude": latitude, "longitude": longitude,
            "time_zone": "UTC", "opening_hours": "24x7", "cut_offs": ("17:00",), "handling_minutes": 60, **values,
        }
    )  # fmt: skip


class At:
    """A shelf together with the hub that it is in."""

    def __init__(self, number: int, at: Any = BERLIN, free: int = 10, **values: Any) -> None:
        shelf = {name: values.pop(name) for name in ("protected", "floor") if name in values}
        self.hub, self.shelf = hub(number, at, **values), HubShelf(number, f"H{number}", free, **shelf)

    def __repr__(self) -> str:
        return repr(self.shelf)


class To:
    """A line together with the site that it goes to, which has the line's number."""

    def __init__(self, number: int, at: Any = BERLIN, *, site: Any = None, **values: Any) -> None:
        latitude, longitude = at or (None, None)
        self.site = SiteFacts(number, f"Shop {number}", None, latitude, longitude, "UTC", **(site or {}))
        given = {"line_id": number, "line": number, "site_id": number, "quantity": 1, "risk": 50, **values}
        self.wanted = Wanted(**given)

    def __repr__(self) -> str:
        return repr(self.wanted)


def wanted(number: int, at: Any = BERLIN, **values: Any) -> To:
    return To(number, at, **values)


def shelf(number: int, at: Any = BERLIN, free: int = 10, **values: Any) -> At:
    return At(number, at, free, **values)


def plan(
    lines: Sequence[To],
    shelves: Sequence[At],
    cut: Cut = TENS,
    keep_free_percent: int = 0,
    *,
    by: Policy = COURIER,
    pace: Pace | None = None,
    lanes: Any = None,
    supplies: Sequence[Supply] = (),
    parts: int = 1_000,
) -> Plan:
    choosing = Choosing(TICKET, PRODUCT, by, Fleet(item.hub for item in shelves))
    planning = Planning(
        [item.shelf for item in shelves], cut, pace or Pace(minute(NOW)), choosing, keep_free_percent=keep_free_percent
    )
    ordered = in_order(item.wanted for item in lines)
    for first in range(0, len(ordered), parts):
        planning.place(ordered[first : first + parts], {item.site.id: item.site for item in lines}, lanes)
    return planning.plan(supplies)


def minute(at: datetime) -> int:
    return int(at.timestamp()) // 60


def test_the_sites_with_the_least_risk_go_first_and_the_first_wave_is_small():
    lines = [wanted(1, risk=90), wanted(2, risk=10), wanted(3, risk=50), wanted(4, risk=10), wanted(5, risk=90)]

    found = plan(lines, [shelf(1)], Cut(first_wave_size=1, wave_size=2))

    assert [(item.line_id, item.wave) for item in found.placed] == [(2, 1), (4, 2), (3, 2), (1, 3), (5, 3)]


def test_where_the_ways_cost_the_same_the_nearest_hub_that_has_a_unit_serves():
    lines = [wanted(1, HAMBURG), wanted(2, HAMBURG), wanted(3, MUNICH)]

    found = plan(lines, [shelf(1, BERLIN), shelf(2, HAMBURG, 1)])

    assert [(item.line_id, item.hub_id, item.distance_km) for item in found.placed] == [
        (1, 2, 0), (2, 1, 255), (3, 1, 504),
    ]  # fmt: skip


def test_safety_stock_the_emergency_buffer_and_a_share_of_the_rest_stay_in_the_hub():
    found = plan([wanted(n) for n in range(1, 9)], [shelf(1, free=10, protected=3)], keep_free_percent=20)

    assert len(found.placed) == 5
    assert [item.line_id for item in found.short] == [6, 7, 8]
    assert found.short[0].reason == (
        "no hub can give a unit: of 10 free 3 are safety stock or emergency buffer, 2 are left to incidents, 5 are "
        "promised to lines with less risk; nothing is on order for the rollout"
    )
    assert [(hub.free, hub.protected, hub.kept, hub.promised) for hub in found.hubs] == [(10, 3, 2, 5)]


def test_what_a_hub_kept_once_it_keeps_while_the_rollout_draws_on_it():
    first = plan([wanted(n) for n in range(1, 5)], [shelf(1, free=10)], keep_free_percent=50)
    floor = floors_of(first)[1]

    second = plan([wanted(n) for n in range(5, 9)], [shelf(1, free=6, floor=floor)], keep_free_percent=50)

    assert (floor, len(first.placed), len(second.placed), len(second.short)) == (5, 4, 1, 3)


def test_a_line_that_needs_several_units_gets_them_from_one_hub_or_not_at_all():
    lines = [wanted(1, HAMBURG, quantity=3), wanted(2, quantity=4)]

    found = plan(lines, [shelf(1, free=3), shelf(2, HAMBURG, free=2)])

    assert [(item.line_id, item.hub_id) for item in found.placed] == [(1, 1)]
    assert found.short[0].reason == (
        "no hub can give 4 units at once: of 5 free 0 are safety stock or emergency buffer, 0 are left to incidents, "
        "3 are promised to lines with less risk; nothing is on order for the rollout"
    )


def test_a_site_to_which_nothing_can_be_sent_is_short_for_that_reason_and_takes_nobodys_unit():
    found = plan([wanted(1, problem="the site never lets anybody in"), wanted(2)], [shelf(1, free=1)])

    assert [(item.line_id, item.reason) for item in found.short] == [(1, "the site never lets anybody in")]
    assert [item.line_id for item in found.placed] == [2]


def test_a_site_or_hub_without_coordinates_is_planned_for_with_the_assumed_distance():
    found = plan([wanted(1, None), wanted(2, HAMBURG), wanted(3)], [shelf(1, None, 2), shelf(2, BERLIN, 1)])

    # Hamburg is 255 km from Berlin and 300 km are assumed to a hub that nobody knows where it is
    assert [(item.line_id, item.hub_id, item.distance_km) for item in found.placed] == [
        (1, 1, None), (2, 2, 255), (3, 1, None),
    ]  # fmt: skip


def test_what_is_in_time_for_the_wave_comes_before_what_is_cheap():
    shelves = [shelf(1, BERLIN, cut_offs=()), shelf(2, HAMBURG)]
    lanes = {1: SiteLanes(to_site={2: {"": history(3 * 1440, 3 * 1440)}})}
    by_car = policy("{transport: [drive, courier]}")

    in_time = plan([wanted(1, (52.6, 13.405))], shelves, by=by_car, lanes=lanes)
    in_a_hurry = plan([wanted(1, (52.6, 13.405))], shelves, by=by_car, lanes=lanes, pace=Pace(minute(NOW), due=0))
    from_far = plan([wanted(1, (52.6, 13.405))], shelves, lanes=lanes)

    # 8.9 km by car there and back cost 890 cents, the parcel from Hamburg 1000; only the car gets nothing collected
    assert [(i.hub_id, i.mode, i.is_late) for i in in_time.placed] == [(1, Mode.DRIVE, False)]
    assert [(i.hub_id, i.mode, i.is_late) for i in in_a_hurry.placed] == [(1, Mode.DRIVE, True)]
    assert [(i.hub_id, i.mode, i.is_late) for i in from_far.placed] == [(2, Mode.COURIER, False)]


def history(*minutes: int) -> LaneHistory:
    return LaneHistory(LaneScope.SITE, "", minutes)


def test_a_lane_on_which_parcels_come_late_is_left_to_another_hub_however_near_that_hub_is():
    shelves = [shelf(1, BERLIN), shelf(2, MUNICH)]
    lanes = {1: SiteLanes(to_site={1: {"": history(9 * 1440, 9 * 1440)}})}

    found = plan([wanted(1), wanted(2)], shelves, lanes=lanes)

    # ready at 10:00, collected at 17:00, then 20 h from Munich and 10 h in Berlin; a wave has seven days
    assert [(i.line_id, i.hub_id, i.arrives_at) for i in found.placed] == [
        (1, 2, datetime(2026, 11, 26, 13, tzinfo=UTC)), (2, 1, datetime(2026, 11, 26, 3, tzinfo=UTC)),
    ]  # fmt: skip


def test_a_measured_road_counts_before_the_great_circle():
    units = Fleet([hub(1), hub(2, (52.6, 13.405))]).units
    around = Travel(300, 250.0, "osrm", NOW, origin=units[1], target=units[1])
    by_car = policy("{transport: [drive]}")
    shelves = [shelf(1), shelf(2, (52.6, 13.405))]

    straight, measured = (
        plan([wanted(1)], shelves, by=by_car),
        plan([wanted(1)], shelves, by=by_car, lanes={1: SiteLanes(travel={1: around})}),
    )

    assert [item.hub_id for item in straight.placed] == [1]
    assert [item.hub_id for item in measured.placed] == [2]


def test_a_technician_collects_where_the_policy_lets_one():
    found = plan([wanted(1)], [shelf(1, cut_offs=())], by=policy("{transport: [technician]}"))

    assert [(item.mode, item.arrives_at) for item in found.placed] == [
        (Mode.TECHNICIAN, datetime(2026, 11, 25, 10, tzinfo=UTC))
    ]


def test_hours_of_the_site_and_of_the_hub_are_kept():
    shut_until_friday = {"access_hours": "Fri 08:00-12:00"}

    found = plan([wanted(1, site=shut_until_friday)], [shelf(1, opening_hours="Thu-Fri 08:00-17:00")])

    # the hub works on Thursday, is collected from at 17:00; ten hours later the site is shut until 08:00
    assert [item.arrives_at for item in found.placed] == [datetime(2026, 11, 27, 8, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("site", "where", "told"),
    [
        ({"access_hours": "Mon 25:00-26:00"}, BERLIN, "site 'Shop 1' cannot be planned for: "),
        ({}, BERLIN, "no way leads there from a hub that can give it: 1 × no courier collects there"),
    ],
)
def test_a_line_that_no_way_leads_to_is_short_for_that_reason_and_waits_for_no_units(site: Any, where: Any, told: str):
    supplies = [Supply("order 4711", "H1", 5, NOW)]

    found = plan([wanted(1, where, site=site)], [shelf(1, cut_offs=())], supplies=supplies)

    assert found.short[0].reason.startswith(told)
    assert (found.short[0].expected_at, found.placed) == (None, ())


def test_a_wave_begins_when_enough_of_the_one_before_should_be_there_and_its_soak_time_has_passed():
    lines = [wanted(n, MUNICH if n == 2 else BERLIN, risk=n) for n in range(1, 6)]
    all_of_it = Pace(minute(NOW), soak_minutes=1440, success_percent=100)
    half_of_it = Pace(minute(NOW), soak_minutes=1440, success_percent=50)

    whole, half = (plan(lines, [shelf(1)], Cut(2, 3), pace=pace) for pace in (all_of_it, half_of_it))

    # wave 1 is there on the 26th at 03:00 (Berlin) and 13:00 (Munich); a day later wave 2 is handled and collected
    assert [(i.wave, i.arrives_at.day, i.arrives_at.hour) for i in whole.placed] == [
        (1, 26, 3), (1, 26, 13), (2, 28, 3), (2, 28, 3), (2, 28, 3),
    ]  # fmt: skip
    assert [(i.wave, i.arrives_at.day, i.arrives_at.hour) for i in half.placed][2:] == [(2, 28, 3)] * 3


def test_thousands_of_waves_are_planned_without_leaving_the_calendar():
    pace = Pace(minute(NOW), soak_minutes=525_600)

    found = plan([wanted(n) for n in range(1, 31)], [shelf(1, free=30)], Cut(1, 1), pace=pace)

    assert found.placed[-1].arrives_at < NOW + timedelta(days=10 * 365 + 2)


def test_short_lines_are_told_when_what_is_on_order_comes_the_first_ones_first():
    soon, later = NOW + timedelta(days=3), NOW + timedelta(days=9)
    supplies = [
        Supply("procurement 8", "H2", 2, None),
        Supply("order 2", "H1", 1, later),
        Supply("order 1", "H1", 1, soon),
    ]
    lines = [wanted(n, risk=n) for n in range(1, 7)]

    found = plan(lines, [shelf(1, free=1)], supplies=supplies)

    assert [item.expected_at for item in found.short] == [soon, later, None, None, None]
    endings = [item.reason.rpartition("; ")[2] for item in found.short]
    assert endings == [
        "1 come to H1 by order 1: 2026-11-28 09:00Z",
        "1 come to H1 by order 2: 2026-12-04 09:00Z",
        "2 come to H2 by procurement 8: nobody says when",
        "2 come to H2 by procurement 8: nobody says when",
        "nothing more is on order for the rollout",
    ]


def test_waves_that_were_asked_for_are_kept_whatever_the_risk_and_size():
    lines = [wanted(1, risk=90, asked_wave=1), wanted(2, risk=10, asked_wave=3), wanted(3, risk=20, asked_wave=1)]

    found = plan(lines, [shelf(1)], Cut(1, 1))

    assert [(item.line_id, item.wave) for item in found.placed] == [(3, 1), (1, 1), (2, 3)]


def test_waves_that_have_begun_are_not_used_again():
    lines = [wanted(1), wanted(2), wanted(3)]
    asked = [wanted(1, asked_wave=1), wanted(2, asked_wave=2), wanted(3, asked_wave=7)]

    assert [item.wave for item in plan(lines, [shelf(1)], Cut(5, 2, begun=4)).placed] == [5, 5, 6]
    assert [item.wave for item in plan(asked, [shelf(1)], Cut(5, 2, begun=4)).placed] == [5, 5, 7]


def test_where_everything_that_had_begun_was_given_back_the_next_wave_is_a_first_one_again():
    lines = [wanted(n) for n in range(1, 6)]
    asked = [wanted(n, asked_wave=wave) for n, wave in enumerate((1, 1, 2, 2, 7))]
    cut = Cut(1, 3, begun=2, is_untried=True)

    assert [item.wave for item in plan(lines, [shelf(1)], cut).placed] == [3, 4, 4, 4, 5]
    assert [item.wave for item in plan(asked, [shelf(1)], cut).placed] == [3, 3, 4, 4, 7]


PLACES = st.sampled_from([BERLIN, HAMBURG, MUNICH, None])
LINES = st.lists(
    st.builds(
        wanted, st.integers(1, 10_000), PLACES, risk=st.integers(0, 3), quantity=st.integers(1, 3),
        problem=st.sampled_from([None, None, None, "closed"]),
    ),
    max_size=20, unique_by=lambda line: line.wanted.line_id,
)  # fmt: skip
SHELVES = st.lists(
    st.builds(
        shelf, st.integers(1, 8), PLACES, st.integers(0, 12), protected=st.integers(0, 4), floor=st.integers(0, 3)
    ),
    max_size=6, unique_by=lambda item: item.shelf.hub_id,
)  # fmt: skip
CUTS = st.builds(Cut, st.integers(1, 4), st.integers(1, 6), st.integers(0, 3), st.booleans())
SHARES = st.integers(0, 100)


@settings(deadline=None)
@given(LINES, SHELVES, CUTS, SHARES, st.randoms(), st.integers(1, 5))
def test_whatever_is_asked_no_hub_promises_more_than_it_may_and_every_line_is_told(
    lines: list[To], shelves: list[At], cut: Cut, share: int, shuffled: Any, parts: int
):
    found = plan(lines, shelves, cut, share)

    by_id = {line.wanted.line_id: line.wanted for line in lines}
    promised: dict[int, int] = {}
    for item in found.placed:
        promised[item.hub_id] = promised.get(item.hub_id, 0) + by_id[item.line_id].quantity
    for have in (item.shelf for item in shelves):
        unprotected = max(have.free - have.protected, 0)
        assert promised.get(have.hub_id, 0) <= max(unprotected - have.floor, 0)
        assert promised.get(have.hub_id, 0) * 100 <= unprotected * (100 - share)
    assert {hub.hub_id: hub.promised for hub in found.hubs if hub.promised} == promised
    assert sorted([item.line_id for item in (*found.placed, *found.short)]) == sorted(by_id)
    assert all(item.arrives_at > NOW for item in found.placed)

    risks = [by_id[item.line_id].risk for item in found.placed]
    waves = [item.wave for item in found.placed]
    assert (risks, waves) == (sorted(risks), sorted(waves))
    assert all(waves.count(wave) <= cut.size(wave) for wave in waves)
    assert set(waves) == set(range(cut.begun + 1, cut.begun + 1 + len(set(waves))))

    for group in (lines, shelves):
        shuffled.shuffle(group)
    assert plan(lines, shelves, cut, share, parts=parts) == found


@settings(deadline=None)
@given(LINES, SHELVES, CUTS, SHARES)
def test_single_units_are_short_only_when_no_hub_has_one_left(lines: list[To], shelves: list[At], cut: Cut, share: int):
    singles = [To(line.wanted.line_id, (line.site.latitude, line.site.longitude)) for line in lines]

    found = plan(singles, shelves, cut, share)

    usable = sum(max(hub.free - hub.protected - hub.kept, 0) for hub in found.hubs)
    assert len(found.placed) == min(len(singles), usable)
