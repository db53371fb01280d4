"""The decision against a second method: time every hub with the plain calendars, then sort."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.cases import facts, holding, hub, policy

from connector.model.calendars import (
    Calendar,
    add_open_time,
    next_open,
    next_time_of_day,
    parse_hours,
    parse_time_of_day,
)
from connector.model.geo import Point, great_circle_km
from connector.rules.arrival.timetable import Departures, Timetable, instant_of, minute_at_or_after
from connector.rules.facts.fleet import HubFacts
from connector.rules.facts.ticket import SiteFacts
from connector.rules.sourcing.decide import decide

HOURS = st.sampled_from(
    [
        "24x7",
        "Mon-Fri 08:00-18:00",
        "Sat 10:00-11:00",
        "Mon-Sun 00:00-24:00",
        "Mon-Fri 22:00-24:00; Tue-Sat 00:00-06:00",
    ]
)
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])
INSTANTS = st.integers(1_767_225_600, 1_830_297_600).map(lambda second: datetime.fromtimestamp(second, UTC))
PLACES = st.tuples(st.floats(44, 56), st.floats(4, 18))
CUT_OFFS = st.lists(st.sampled_from(["09:30", "12:00", "17:00", "23:59"]), max_size=2, unique=True)


@st.composite
def hubs(draw: st.DrawFn) -> list[HubFacts]:
    return [
        hub(
            number, draw(PLACES), time_zone=draw(ZONES), opening_hours=draw(HOURS), cut_offs=tuple(draw(CUT_OFFS)),
            handling_minutes=draw(st.sampled_from([0, 15, 45, 600])),
        )
        for number in range(1, draw(st.integers(1, 60)) + 1)
    ]  # fmt: skip


def arrivals(unit: HubFacts, place: Point, site: SiteFacts, now: datetime) -> list[tuple[datetime, int, float]]:
    """Arrival, cost and distance of each way, by the plain calendars and the haversine formula."""
    assert site.latitude is not None
    assert site.longitude is not None
    zone, opening, cut_offs, handling = unit.profile[:4]
    calendar = Calendar(zone, parse_hours(opening))
    access = Calendar("Europe/Berlin", parse_hours(site.access_hours or "24x7"))
    delivery = Calendar("Europe/Berlin", parse_hours("Mon-Fri 08:00-18:00"))
    km = great_circle_km(place, Point(site.latitude, site.longitude))
    ready = add_open_time(calendar, now, timedelta(minutes=handling))
    assert ready is not None
    ways = []
    if km * 1.3 <= 120:
        there = next_open(access, ready + timedelta(minutes=ceil(km * 1.3)))
        assert there is not None
        ways.append((there, round(km * 1.3 * 2 * 60), km))
    leaves = [next_time_of_day(calendar, ready, cut_off) for cut_off in cut_offs]
    if leaves:
        at = min(moment for moment in leaves if moment is not None) + timedelta(hours=14 if km <= 300 else 24)
        while True:
            delivered = next_open(delivery, at)
            assert delivered is not None
            let_in = next_open(access, delivered)
            assert let_in is not None
            if let_in == delivered:
                break
            at = let_in
        ways.append((at if at == delivered else delivered, 3500 if km <= 300 else 6000, km))
    return ways


@settings(max_examples=120, deadline=None)
@given(
    units=hubs(), places=st.lists(PLACES, min_size=60, max_size=60), now=INSTANTS,
    site_place=PLACES, access=st.sampled_from([None, "Mon-Fri 07:00-12:00"]), by_cost=st.booleans(),
)  # fmt: skip
def test_the_chosen_route_is_the_best_of_all(units, places, now, site_place, access, by_cost):
    now = now.replace(second=0, microsecond=0)
    units = [
        hub(u.id, places[u.id - 1], time_zone=u.profile[0], opening_hours=u.profile[1],
            cut_offs=tuple(f"{m // 60:02}:{m % 60:02}" for m in u.profile[2]), handling_minutes=u.profile[3])
        for u in units
    ]  # fmt: skip
    site = SiteFacts(
        id=5, name="Plant", latitude=site_place[0], longitude=site_place[1], time_zone="Europe/Berlin",
        access_hours=access,
    )  # fmt: skip
    case = facts(units, [holding(*(u.id for u in units))], site=site)
    rules = policy("ranking: [cost, arrival, distance]" if by_cost else "ranking: [arrival, cost, distance]")

    decision = decide(case, rules, now)

    routes = [
        (cost, arrives, round(km, 6), unit.id) if by_cost else (arrives, cost, round(km, 6), unit.id)
        for unit in units
        for arrives, cost, km in arrivals(unit, Point(*places[unit.id - 1]), site, now)
    ]
    if not routes:
        assert decision.chosen is None
        return
    chosen = decision.chosen
    assert chosen is not None
    found = (chosen.arrives_at, chosen.cost_cents)
    assert (found[::-1] if by_cost else found) == min(routes)[:2]
    considered = [c.hub_id for c in decision.candidates] + [h for losers in decision.losers for h in losers.hubs]
    assert sorted(considered) == [u.id for u in units]


@settings(max_examples=200, deadline=None)
@given(hours=HOURS, zone=ZONES, now=INSTANTS, later=st.integers(0, 60 * 24 * 60), duration=st.integers(0, 5_000))
def test_a_timetable_answers_as_its_calendar_does(hours, zone, now, later, duration):
    start = minute_at_or_after(now)
    calendar, table = Calendar(zone, parse_hours(hours)), Timetable(Calendar(zone, parse_hours(hours)), start)
    asked = instant_of(start + later)

    opens = next_open(calendar, asked)
    passed = add_open_time(calendar, asked, timedelta(minutes=duration))

    assert opens is not None
    assert table.next_open(start + later) == minute_at_or_after(opens)
    assert table.after_open_time(start + later, duration) == (None if passed is None else minute_at_or_after(passed))


@settings(max_examples=200, deadline=None)
@given(hours=HOURS, zone=ZONES, now=INSTANTS, later=st.integers(0, 60 * 24 * 60), texts=CUT_OFFS)
def test_departures_are_the_next_cut_off_on_an_open_day(hours, zone, now, later, texts):
    start = minute_at_or_after(now)
    calendar = Calendar(zone, parse_hours(hours))
    cut_offs = tuple(parse_time_of_day(text) for text in texts)

    leaves = Departures(calendar, cut_offs, start).next(start + later)

    moments = [next_time_of_day(calendar, instant_of(start + later), cut_off) for cut_off in cut_offs]
    assert leaves == min((minute_at_or_after(moment) for moment in moments if moment), default=None)


def test_a_minute_is_rounded_up():
    assert instant_of(minute_at_or_after(datetime(2026, 11, 25, 9, 0, 0, 1, tzinfo=UTC))) == datetime(
        2026, 11, 25, 9, 1, tzinfo=UTC
    )
    assert instant_of(minute_at_or_after(datetime(2026, 11, 25, 9, tzinfo=UTC))) == datetime(
        2026, 11, 25, 9, tzinfo=UTC
    )
