"""Which site of a rollout is served from which hub, in which wave."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connector.model.geo import Point
from connector.rules.facts.fleet import unit_vector
from connector.rules.rollouts.waves import Cut, HubShelf, Plan, Wanted, floors_of, plan_waves

BERLIN, HAMBURG, MUNICH = (unit_vector(Point(*at)) for at in ((52.52, 13.405), (53.55, 9.993), (48.137, 11.575)))
TENS = Cut(10, 10)


def wanted(number: int, unit: Any = BERLIN, **values: Any) -> Wanted:
    return Wanted(**{"line_id": number, "line": number, "unit": unit, "quantity": 1, "risk": 50, **values})


def shelf(hub_id: int, unit: Any = BERLIN, free: int = 10, **values: Any) -> HubShelf:
    return HubShelf(**{"hub_id": hub_id, "label": f"H{hub_id}", "unit": unit, "free": free, **values})


def plan(lines: list[Wanted], shelves: list[HubShelf], cut: Cut = TENS, keep_free_percent: int = 0) -> Plan:
    return plan_waves(lines, shelves, cut, keep_free_percent=keep_free_percent)


def test_the_sites_with_the_least_risk_go_first_and_the_first_wave_is_small():
    lines = [wanted(1, risk=90), wanted(2, risk=10), wanted(3, risk=50), wanted(4, risk=10), wanted(5, risk=90)]

    found = plan(lines, [shelf(1)], Cut(first_wave_size=1, wave_size=2))

    assert [(item.line_id, item.wave) for item in found.placed] == [(2, 1), (4, 2), (3, 2), (1, 3), (5, 3)]


def test_each_site_is_served_by_the_nearest_hub_that_has_a_unit():
    found = plan([wanted(1, HAMBURG), wanted(2, HAMBURG), wanted(3, MUNICH)], [shelf(1, BERLIN), shelf(2, HAMBURG, 1)])

    assert [(item.line_id, item.hub_id, item.distance_km) for item in found.placed] == [
        (1, 2, 0), (2, 1, 255), (3, 1, 504),
    ]  # fmt: skip


def test_safety_stock_the_emergency_buffer_and_a_share_of_the_rest_stay_in_the_hub():
    found = plan([wanted(n) for n in range(1, 9)], [shelf(1, free=10, protected=3)], keep_free_percent=20)

    assert len(found.placed) == 5
    assert [item.line_id for item in found.short] == [6, 7, 8]
    assert found.short[0].reason == (
        "no hub can give a unit: of 10 free 3 are safety stock or emergency buffer, 2 are left to incidents, 5 are "
        "promised to lines with less risk"
    )
    assert [(hub.free, hub.protected, hub.kept, hub.promised) for hub in found.hubs] == [(10, 3, 2, 5)]


def test_what_a_hub_kept_once_it_keeps_while_the_rollout_draws_on_it():
    first = plan([wanted(n) for n in range(1, 5)], [shelf(1, free=10)], keep_free_percent=50)
    floor = floors_of(first)[1]

    second = plan([wanted(n) for n in range(5, 9)], [shelf(1, free=6, floor=floor)], keep_free_percent=50)

    assert (floor, len(first.placed), len(second.placed), len(second.short)) == (5, 4, 1, 3)


def test_a_line_that_needs_several_units_gets_them_from_one_hub_or_not_at_all():
    found = plan([wanted(1, HAMBURG, quantity=3), wanted(2, quantity=4)], [shelf(1, free=3), shelf(2, HAMBURG, free=2)])

    assert [(item.line_id, item.hub_id) for item in found.placed] == [(1, 1)]
    assert found.short[0].reason == (
        "no hub can give 4 units at once: of 5 free 0 are safety stock or emergency buffer, 0 are left to incidents, "
        "3 are promised to lines with less risk"
    )


def test_a_site_to_which_nothing_can_be_sent_is_short_for_that_reason_and_takes_nobodys_unit():
    found = plan([wanted(1, problem="the site never lets anybody in"), wanted(2)], [shelf(1, free=1)])

    assert [(item.line_id, item.reason) for item in found.short] == [(1, "the site never lets anybody in")]
    assert [item.line_id for item in found.placed] == [2]


def test_positions_that_nobody_knows_come_after_all_others():
    found = plan([wanted(1, None), wanted(2)], [shelf(1, None, 1), shelf(2, BERLIN, 1)])

    assert [(item.line_id, item.hub_id, item.distance_km) for item in found.placed] == [(1, 1, None), (2, 2, 0)]


def test_waves_that_were_asked_for_are_kept_whatever_the_risk_and_size():
    lines = [wanted(1, risk=90, asked_wave=1), wanted(2, risk=10, asked_wave=3), wanted(3, risk=20, asked_wave=1)]

    found = plan(lines, [shelf(1)], Cut(1, 1))

    assert [(item.line_id, item.wave) for item in found.placed] == [(3, 1), (1, 1), (2, 3)]


def test_waves_that_have_begun_are_not_used_again():
    lines = [wanted(1), wanted(2), wanted(3)]
    asked = [wanted(1, asked_wave=1), wanted(2, asked_wave=2), wanted(3, asked_wave=7)]

    assert [item.wave for item in plan(lines, [shelf(1)], Cut(5, 2, begun=4)).placed] == [5, 5, 6]
    assert [item.wave for item in plan(asked, [shelf(1)], Cut(5, 2, begun=4)).placed] == [5, 5, 7]


PLACES = st.sampled_from([BERLIN, HAMBURG, MUNICH, None])
LINES = st.lists(
    st.builds(
        wanted, st.integers(1, 10_000), PLACES, risk=st.integers(0, 3), quantity=st.integers(1, 3),
        problem=st.sampled_from([None, None, None, "closed"]),
    ),
    max_size=30, unique_by=lambda line: line.line_id,
)  # fmt: skip
SHELVES = st.lists(
    st.builds(
        shelf, st.integers(1, 8), PLACES, st.integers(0, 12), protected=st.integers(0, 4), floor=st.integers(0, 3)
    ),
    max_size=6, unique_by=lambda item: item.hub_id,
)  # fmt: skip
CUTS = st.builds(Cut, st.integers(1, 4), st.integers(1, 6), st.integers(0, 3))
SHARES = st.integers(0, 100)


@given(LINES, SHELVES, CUTS, SHARES, st.randoms())
def test_whatever_is_asked_no_hub_promises_more_than_it_may_and_every_line_is_told(
    lines: list[Wanted], shelves: list[HubShelf], cut: Cut, share: int, shuffled: Any
):
    found = plan(lines, shelves, cut, share)

    by_id = {line.line_id: line for line in lines}
    promised: dict[int, int] = {}
    for item in found.placed:
        promised[item.hub_id] = promised.get(item.hub_id, 0) + by_id[item.line_id].quantity
    for have in shelves:
        unprotected = max(have.free - have.protected, 0)
        assert promised.get(have.hub_id, 0) <= max(unprotected - have.floor, 0)
        assert promised.get(have.hub_id, 0) * 100 <= unprotected * (100 - share)
    assert {hub.hub_id: hub.promised for hub in found.hubs if hub.promised} == promised
    assert sorted([item.line_id for item in (*found.placed, *found.short)]) == sorted(by_id)

    risks = [by_id[item.line_id].risk for item in found.placed]
    waves = [item.wave for item in found.placed]
    assert (risks, waves) == (sorted(risks), sorted(waves))
    assert all(waves.count(wave) <= cut.size(wave) for wave in waves)
    assert set(waves) == set(range(cut.begun + 1, cut.begun + 1 + len(set(waves))))

    for group in (lines, shelves):
        shuffled.shuffle(group)
    assert plan(lines, shelves, cut, share) == found


@given(LINES, SHELVES, CUTS, SHARES)
def test_single_units_are_short_only_when_no_hub_has_one_left(
    lines: list[Wanted], shelves: list[HubShelf], cut: Cut, share: int
):
    singles = [wanted(line.line_id, line.unit, risk=line.risk) for line in lines]

    found = plan(singles, shelves, cut, share)

    usable = sum(max(hub.free - hub.protected - hub.kept, 0) for hub in found.hubs)
    assert len(found.placed) == min(len(singles), usable)
