"""Opening hours over clock changes, against a second computation that walks through every minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wall_clock import MINUTE, departures_of, local_minutes, moments

from connector.model.calendars import (
    ALWAYS,
    Calendar,
    WeeklyHours,
    add_open_time,
    check_time_zone,
    close_of_business_day,
    next_open,
    next_time_of_day,
    open_intervals,
    parse_hours,
    parse_time_of_day,
)

OFFICE = parse_hours("Mon-Fri 08:00-18:00; Sat 09:00-12:00")
BERLIN = Calendar("Europe/Berlin", OFFICE)


def at(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@given(moments())
@settings(max_examples=50, deadline=None)
def test_the_next_open_moment_is_the_first_minute_in_which_the_wall_clock_is_open(moment: tuple[Calendar, datetime]):
    calendar, start = moment

    found = next_open(calendar, start)

    walked = next((instant for instant, _, is_open in local_minutes(calendar, start, 8) if is_open), None)
    if walked is None:
        assert found is None or found >= start + timedelta(days=8)
    else:
        assert found == walked


@given(moments(), st.integers(1, 2_000))
@settings(max_examples=50, deadline=None)
def test_open_time_passes_only_in_minutes_in_which_the_wall_clock_is_open(
    moment: tuple[Calendar, datetime], minutes: int
):
    calendar, start = moment

    found = add_open_time(calendar, start, MINUTE * minutes)

    counted = [instant for instant, _, is_open in local_minutes(calendar, start, 8) if is_open]
    if len(counted) < minutes:
        assert found is None or found > start + timedelta(days=8)
    else:
        assert found == counted[minutes - 1] + MINUTE


@given(moments())
@settings(max_examples=40, deadline=None)
def test_open_intervals_are_the_runs_of_minutes_in_which_the_wall_clock_is_open(moment: tuple[Calendar, datetime]):
    calendar, since = moment
    end = since + timedelta(days=7)

    intervals = [(a, min(b, end)) for a, b in takewhile(lambda i: i[0] < end, open_intervals(calendar, since))]

    runs: list[tuple[datetime, datetime]] = []
    for instant, _, is_open in local_minutes(calendar, since, 7):
        if is_open and runs and runs[-1][1] == instant:
            runs[-1] = (runs[-1][0], instant + MINUTE)
        elif is_open:
            runs.append((instant, instant + MINUTE))
    assert intervals == runs


@given(moments(), st.integers(0, 96).map(lambda quarter: quarter * 15))
@settings(max_examples=50, deadline=None)
def test_the_van_leaves_when_the_wall_clock_first_shows_its_time(moment: tuple[Calendar, datetime], cut_off: int):
    calendar, start = moment

    found = next_time_of_day(calendar, start, cut_off)

    walked = next(departures_of(calendar, cut_off, start, 8), None)
    if walked is None:
        assert found is None or found >= start + timedelta(days=8)
    else:
        assert found == walked


@given(moments(), st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_a_business_day_closes_after_the_last_minute_in_which_the_wall_clock_is_open_on_it(
    moment: tuple[Calendar, datetime], days: int
):
    calendar, start = moment

    found = close_of_business_day(calendar, start, days)

    zone, last = ZoneInfo(calendar.time_zone), {}
    today = start.astimezone(zone).date()
    for instant, _, is_open in local_minutes(calendar, start, 9):
        day = instant.astimezone(zone).date()
        if is_open and day > today:
            last[day] = instant + MINUTE
    whole = sorted(day for day in last if day < (start + timedelta(days=9)).astimezone(zone).date())
    if len(whole) < days:
        assert found is None or found >= start + timedelta(days=8)
    else:
        assert found == last[whole[days - 1]]


@pytest.mark.parametrize(
    ("zone", "hours", "day", "expected"),
    [
        # 02:00 to 03:00 is skipped: what is left of the range
        ("Europe/Berlin", "Sun 01:00-02:30", "2026-03-29", [("00:00", "01:00")]),
        ("Europe/Berlin", "Sun 02:30-04:00", "2026-03-29", [("01:00", "02:00")]),
        ("Europe/Berlin", "Sun 02:00-03:00", "2026-03-29", []),
        # 02:00 to 03:00 comes twice: the clock shows the range, then shows its end once more
        ("Europe/Berlin", "Sun 01:00-02:30", "2026-10-25", [("23:00", "00:30"), ("01:00", "01:30")]),
        ("Europe/Berlin", "Sun 02:30-04:00", "2026-10-25", [("00:30", "01:00"), ("01:30", "03:00")]),
        # the day begins at 01:00, and the hour before midnight comes twice
        ("America/Sao_Paulo", "Sun 00:00-02:00", "2018-11-04", [("03:00", "04:00")]),
        ("America/Sao_Paulo", "Sat 23:00-24:00", "2019-02-16", [("01:00", "03:00")]),
    ],
)
def test_ranges_lose_what_a_clock_change_skips_and_count_twice_what_comes_twice(
    zone: str, hours: str, day: str, expected: list[tuple[str, str]]
):
    midnight = at(f"{day}T00:00", zone)

    found = list(takewhile(lambda i: i[0] < midnight + timedelta(days=2),
                           open_intervals(Calendar(zone, parse_hours(hours)), midnight)))  # fmt: skip

    assert [(f"{a:%H:%M}", f"{b:%H:%M}") for a, b in found] == expected


def test_a_public_holiday_is_closed_where_it_is_one():
    bavaria, prussia = (Calendar("Europe/Berlin", OFFICE, regions=(region,)) for region in ("DE-BY", "DE-BE"))

    # Epiphany 2026, a Tuesday: a public holiday in Bavaria, not in Berlin
    assert next_open(bavaria, at("2026-01-06T07:00")) == at("2026-01-07T08:00")
    assert next_open(prussia, at("2026-01-06T07:00")) == at("2026-01-06T08:00")
    assert next_time_of_day(bavaria, at("2026-01-05T17:30"), 17 * 60) == at("2026-01-07T17:00")


def test_one_is_closed_on_the_public_holidays_of_every_region_that_is_named():
    both = Calendar("Europe/Berlin", OFFICE, frozenset({date(2026, 5, 5)}), ("DE", "PL"))

    # 1 May, a Friday, is one in both; Constitution Day is on Sunday; 4 June is Corpus Christi in Poland only
    assert next_open(both, at("2026-05-01T09:00")) == at("2026-05-02T09:00")
    assert next_open(both, at("2026-05-05T09:00")) == at("2026-05-06T08:00")
    assert next_open(both, at("2026-06-04T09:00")) == at("2026-06-05T08:00")


def test_a_shift_over_a_spring_clock_change_is_an_hour_shorter():
    night = Calendar("Europe/Berlin", parse_hours("Sat 22:00-24:00; Sun 00:00-06:00"))

    intervals = next(iter(open_intervals(night, at("2026-03-28T12:00"))))

    assert intervals == (at("2026-03-28T22:00"), at("2026-03-29T06:00"))
    assert intervals[1] - intervals[0] == timedelta(hours=7)


def test_a_shift_over_an_autumn_clock_change_is_an_hour_longer():
    night = Calendar("Europe/Berlin", parse_hours("Sat 22:00-24:00; Sun 00:00-06:00"))

    opens, closes = next(iter(open_intervals(night, at("2026-10-24T12:00"))))

    assert closes - opens == timedelta(hours=9)


@pytest.mark.parametrize(
    ("start", "work", "expected"),
    [
        ("2026-11-25T09:00", timedelta(hours=1), "2026-11-25T10:00"),
        ("2026-11-25T17:30", timedelta(hours=1), "2026-11-26T08:30"),
        ("2026-11-27T17:00", timedelta(hours=5), "2026-11-30T09:00"),
        ("2026-11-28T13:00", timedelta(0), "2026-11-30T08:00"),
        ("2026-11-25T17:00", timedelta(hours=1), "2026-11-25T18:00"),
    ],
)
def test_work_goes_on_when_the_hub_opens_again(start: str, work: timedelta, expected: str):
    assert add_open_time(BERLIN, at(start), work) == at(expected)


def test_a_calendar_that_is_always_open_never_waits():
    always = Calendar("Europe/Berlin", ALWAYS)
    start = datetime(2026, 11, 25, 3, 17, tzinfo=UTC)

    assert next_open(always, start) == start
    assert add_open_time(always, start, timedelta(days=30)) == start + timedelta(days=30)


def test_a_closed_date_is_closed_even_where_every_day_is_open():
    calendar = Calendar("Europe/Berlin", ALWAYS, frozenset({date(2026, 12, 25)}))

    assert next_open(calendar, at("2026-12-25T00:00")) == at("2026-12-26T00:00")
    assert add_open_time(calendar, at("2026-12-24T23:00"), timedelta(hours=2)) == at("2026-12-26T01:00")


def test_a_van_that_leaves_at_the_end_of_the_day_is_met_at_midnight():
    assert next_time_of_day(BERLIN, at("2026-11-26T00:00"), 1440) == at("2026-11-26T00:00")


def test_the_business_day_after_friday_is_monday_unless_that_is_none():
    friday = at("2026-11-27 16:00")
    closed = Calendar("Europe/Berlin", parse_hours("Mon-Fri 08:00-17:00"), closed=frozenset({date(2026, 11, 30)}))
    open_on_monday = Calendar("Europe/Berlin", parse_hours("Mon-Fri 08:00-17:00"))

    assert close_of_business_day(open_on_monday, friday, 1) == at("2026-11-30 17:00")
    assert close_of_business_day(closed, friday, 1) == at("2026-12-01 17:00")
    assert close_of_business_day(open_on_monday, at("2026-11-28 12:00"), 1) == at("2026-11-30 17:00")
    assert close_of_business_day(open_on_monday, friday, 6) == at("2026-12-07 17:00")


def test_a_calendar_that_never_opens_says_so():
    never = Calendar("Europe/Berlin", WeeklyHours(days=((),) * 7))

    assert next_open(never, at("2026-11-25T09:00")) is None
    assert add_open_time(never, at("2026-11-25T09:00"), timedelta(hours=1)) is None
    assert next_time_of_day(never, at("2026-11-25T09:00"), 17 * 60) is None


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-11-25T16:59", "2026-11-25T17:00"),
        ("2026-11-25T17:00", "2026-11-25T17:00"),
        ("2026-11-25T17:01", "2026-11-26T17:00"),
        ("2026-11-28T18:00", "2026-11-30T17:00"),
    ],
)
def test_the_van_leaves_at_its_time_on_the_next_open_day(start: str, expected: str):
    assert next_time_of_day(BERLIN, at(start), 17 * 60) == at(expected)


def test_a_van_that_leaves_in_the_hour_that_is_skipped_leaves_after_the_jump():
    every_day = Calendar("Europe/Berlin", ALWAYS)

    assert next_time_of_day(every_day, at("2026-03-29T01:00"), 2 * 60 + 30) == at("2026-03-29T03:30")


@pytest.mark.parametrize(
    ("text", "monday", "saturday"),
    [
        ("24x7", ((0, 1440),), ((0, 1440),)),
        ("Mon-Fri 08:00-18:00", ((480, 1080),), ()),
        ("Fri-Mon 8:00-12:00; Mon 12:00-13:00", ((480, 780),), ((480, 720),)),
        ("Sat 09:00-24:00", (), ((540, 1440),)),
        ("Mon 08:00-12:00; Mon 11:00-15:00; Mon 16:00-17:00", ((480, 900), (960, 1020)), ()),
        ("", (), ()),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, monday: tuple[object, ...], saturday: tuple[object, ...]):
    read = parse_hours(text)

    assert (read.days[0], read.days[5]) == (monday, saturday)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Mon-Fri", "hours 'Mon-Fri' cannot be read: write '24x7' or 'Mon-Fri 08:00-18:00; Sat 09:00-12:00'"),
        ("Mon 18:00-08:00", "hours 'Mon 18:00-08:00' end before they begin: write a night as two ranges"),
        ("Mon 08:00-08:00", "hours 'Mon 08:00-08:00' end before they begin: write a night as two ranges"),
        ("Mon 08:60-09:00", "time of day '08:60' cannot be read: write HH:MM, for example '16:30'"),
        ("Mon 08:00-24:01", "time of day '24:01' cannot be read: write HH:MM, for example '16:30'"),
    ],
)
def test_hours_that_cannot_be_read_say_which_part(text: str, message: str):
    with pytest.raises(ValueError, match=r"cannot be read|end before they begin") as raised:
        parse_hours(text)

    assert str(raised.value) == message


@given(st.text(max_size=30))
def test_any_text_is_hours_or_a_value_error(text: str):
    try:
        read = parse_hours(text)
    except ValueError:
        return
    assert len(read.days) == 7


@pytest.mark.parametrize(("text", "minutes"), [("0:00", 0), ("16:30", 990), ("24:00", 1440), (" 7:05 ", 425)])
def test_time_of_day(text: str, minutes: int):
    assert parse_time_of_day(text) == minutes


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "Europe", "Europe/Berlin\x00"])
def test_a_time_zone_that_does_not_exist_is_refused(name: str):
    with pytest.raises(ValueError, match=r"is not in the IANA database: write e\.g\. 'Europe/Berlin'"):
        check_time_zone(name)


def test_a_time_zone_that_exists_is_returned():
    assert check_time_zone("Asia/Kathmandu") == "Asia/Kathmandu"
