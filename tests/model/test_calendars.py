"""Opening hours over clock changes, against a second computation that walks through every minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from connector.model.calendars import (
    ALWAYS,
    DAYS,
    Calendar,
    WeeklyHours,
    add_open_time,
    check_time_zone,
    next_open,
    next_time_of_day,
    open_intervals,
    parse_hours,
    parse_time_of_day,
)

MINUTE = timedelta(minutes=1)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC")
CHANGES = (
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 0, tzinfo=UTC),
    datetime(2026, 3, 8, 7, 0, tzinfo=UTC),
    datetime(2026, 11, 1, 6, 0, tzinfo=UTC),
    datetime(2026, 4, 4, 15, 0, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
)
"""Clock changes of 2026 in Berlin, New York and on Lord Howe Island, where they are of half an hour."""

EDGES = (0, 1, *range(8, 49))
"""Half hours of a day at which ranges may begin and end."""

OFFICE = parse_hours("Mon-Fri 08:00-18:00; Sat 09:00-12:00")
BERLIN = Calendar("Europe/Berlin", OFFICE)


def at(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def is_open(calendar: Calendar, instant: datetime) -> bool:
    """Whether the calendar is open in the minute that begins at the instant: what the wall clock shows, looked up."""
    local = instant.astimezone(ZoneInfo(calendar.time_zone))
    minute = local.hour * 60 + local.minute
    return local.date() not in calendar.closed and any(
        opens <= minute < closes for opens, closes in calendar.hours.days[local.weekday()]
    )


@st.composite
def hours(draw: st.DrawFn) -> WeeklyHours:
    """Up to two ranges on some days. They may span a clock change, and neither begin nor end within one."""
    text = []
    for day in DAYS:
        edges = draw(st.lists(st.sampled_from(EDGES), max_size=4, unique=True).map(sorted))
        for opens, closes in zip(edges[::2], edges[1::2], strict=False):
            text.append(f"{day} {opens // 2:02}:{opens % 2 * 30:02}-{closes // 2:02}:{closes % 2 * 30:02}")
    return parse_hours("; ".join(text)) if text else WeeklyHours(days=((),) * 7)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    closed = draw(st.frozensets(st.dates(date(2026, 3, 1), date(2026, 11, 30)), max_size=3))
    return Calendar(draw(st.sampled_from(ZONES)), draw(hours()), closed)


def instants() -> st.SearchStrategy[datetime]:
    return st.builds(
        lambda change, minutes: change + timedelta(minutes=minutes),
        st.sampled_from(CHANGES),
        st.integers(-2 * 1440, 2 * 1440),
    )


@given(calendars(), instants())
@settings(max_examples=60, deadline=None)
def test_the_next_open_moment_is_the_first_minute_in_which_the_wall_clock_is_open(calendar: Calendar, start: datetime):
    found = next_open(calendar, start)

    walked = next((t for t in (start + MINUTE * n for n in range(8 * 1440)) if is_open(calendar, t)), None)
    if walked is None:
        assert found is None or found >= start + timedelta(days=8)
    else:
        assert found == walked


@given(calendars(), instants(), st.integers(1, 900))
@settings(max_examples=60, deadline=None)
def test_open_time_passes_only_in_minutes_in_which_the_wall_clock_is_open(
    calendar: Calendar, start: datetime, minutes: int
):
    found = add_open_time(calendar, start, MINUTE * minutes)

    left, moment = minutes, start
    for _ in range(9 * 1440):
        if is_open(calendar, moment):
            left -= 1
        moment += MINUTE
        if not left:
            break
    assume(left == 0)
    assert found == moment


@given(calendars(), instants())
@settings(max_examples=40, deadline=None)
def test_open_intervals_are_in_order_apart_and_open_throughout(calendar: Calendar, since: datetime):
    intervals = list(open_intervals(calendar, since))[:20]

    for start, end in intervals:
        assert start < end
        assert end > since
        assert is_open(calendar, start)
        assert is_open(calendar, end - MINUTE)
        assert not is_open(calendar, end)
    for (_, end), (start, _) in pairwise(intervals):
        assert end < start


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
