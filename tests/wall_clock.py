"""What a clock on the wall shows, looked up minute by minute: the second method that calendars are held against."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from holidays import HolidayBase, country_holidays
from hypothesis import strategies as st

from connector.model.calendars import DAYS, Calendar, WeeklyHours, parse_hours

MINUTE = timedelta(minutes=1)
CHANGES = {
    "Europe/Berlin": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    # by half an hour
    "Australia/Lord_Howe": ("2026-04-04T15:00", "2026-10-03T15:30"),
    # at midnight: a day that begins at 01:00, and one that goes back from 24:00 to 23:00
    "America/Sao_Paulo": ("2018-11-04T03:00", "2019-02-17T02:00"),
    # never, half an hour off
    "Asia/Kolkata": ("2026-08-14T18:30",),
    # back for the month of Ramadan
    "Africa/Casablanca": ("2026-02-15T02:00", "2026-03-22T02:00"),
    # from 23:00 to 24:00, and back, on the evening before
    "America/Nuuk": ("2026-03-29T01:00", "2026-10-25T01:00"),
    # a whole day that does not exist
    "Pacific/Apia": ("2011-12-30T10:00",),
    "UTC": ("2026-01-01T00:00",),
}
"""Instants in UTC at which the clocks of zones are changed, or else of no importance."""
REGIONS = ("DE-BY", "US", "BR", "IN", "MA", "AU-NSW", "JP")


def local_minutes(calendar: Calendar, start: datetime, days: int) -> Iterator[tuple[datetime, datetime, bool]]:
    """Each minute from `start` on: the instant, what the clock shows, whether it is open."""
    closed, hours = _Closed(calendar), _shown_open(calendar.hours)
    for instant, local in islice(_clock(calendar.time_zone, start), days * 1440):
        in_range = hours[local.weekday()][local.hour * 60 + local.minute]
        yield instant, local, in_range and not closed(local.date())


def _clock(zone: str, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Each minute from `start` on, and what the clock shows."""
    hour = start.replace(minute=0)
    yield from _shown(zone, hour)[start.minute :]
    while True:
        hour += timedelta(hours=1)
        yield from _shown(zone, hour)


@lru_cache(maxsize=20_000)
def _shown(zone: str, hour: datetime) -> list[tuple[datetime, datetime]]:
    """What the clock shows in each minute of an hour: looked up once for all examples near the same change."""
    minutes = [hour + MINUTE * number for number in range(60)]
    return [(instant, instant.astimezone(ZoneInfo(zone))) for instant in minutes]


def _shown_open(hours: WeeklyHours) -> list[list[bool]]:
    """For each weekday and each minute that the clock can show, whether that minute is in a range."""
    days = [[False] * 1440 for _ in hours.days]
    for day, ranges in zip(days, hours.days, strict=True):
        for opens, closes in ranges:
            day[opens:closes] = [True] * (closes - opens)
    return days


def is_open(calendar: Calendar, instant: datetime) -> bool:
    """Whether the calendar is open in the minute that begins at the instant."""
    return next(local_minutes(calendar, instant, 1))[2]


def departures_of(calendar: Calendar, cut_off: int, start: datetime, days: int) -> Iterator[datetime]:
    """The instants from `start` on at which a van leaves, in order.

    It leaves when the clock shows the cut-off for the first time on a day with hours; where the clock jumps over the
    cut-off, as many minutes after the jump as it lies behind it.
    """
    closed, at = _Closed(calendar), cut_off % 1440

    def drives(shown: datetime) -> bool:
        if shown.hour * 60 + shown.minute != at:
            return False
        day = shown.date() - timedelta(days=1) if cut_off == 1440 else shown.date()
        return bool(calendar.hours.days[day.weekday()]) and not closed(day)

    found = []
    before: datetime | None = None
    for instant, local in islice(_clock(calendar.time_zone, start - timedelta(days=2)), (days + 2) * 1440):
        shown = local.replace(tzinfo=None, fold=0)
        if before is not None and shown - before > MINUTE:
            skipped = _between(before + MINUTE, shown)
            found += [instant + MINUTE * n for n, minute in enumerate(skipped) if drives(minute)]
        if not local.fold and drives(shown):
            found.append(instant)
        before = shown
    yield from (instant for instant in sorted(found) if instant >= start)


def _between(first: datetime, last: datetime) -> list[datetime]:
    return [first + MINUTE * n for n in range(int((last - first) / MINUTE))]


class _Closed:
    """Whether a date is closed, by the calendar's dates and by the package that knows public holidays."""

    def __init__(self, calendar: Calendar) -> None:
        self._dates = calendar.closed
        self._holidays = [_holidays(region) for region in calendar.regions]
        self._known: dict[date, bool] = {}

    def __call__(self, day: date) -> bool:
        if day not in self._known:
            self._known[day] = day in self._dates or any(day in holidays for holidays in self._holidays)
        return self._known[day]


@cache
def _holidays(region: str) -> HolidayBase:
    return country_holidays(region[:2], subdiv=region[3:] or None)


@st.composite
def weekly_hours(draw: st.DrawFn) -> WeeklyHours:
    """Up to two ranges on some days, at any quarter of an hour: many begin, end or lie in a clock change."""
    text = []
    for day in DAYS:
        edges = draw(st.lists(st.integers(0, 96), max_size=4, unique=True).map(sorted))
        for opens, closes in zip(edges[::2], edges[1::2], strict=False):
            text.append(f"{day} {opens // 4:02}:{opens % 4 * 15:02}-{closes // 4:02}:{closes % 4 * 15:02}")
    every_day = st.sampled_from([parse_hours("24x7"), parse_hours("Mon-Sun 00:30-02:30; Mon-Sun 23:15-24:00")])
    return draw(st.one_of(st.just(parse_hours("; ".join(text))), every_day))


@st.composite
def moments(draw: st.DrawFn) -> tuple[Calendar, datetime]:
    """A calendar with some days off, and an instant near a clock change of its zone or near a turn of the year."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    near = draw(st.sampled_from([*CHANGES[zone], "2026-12-24T12:00"]))
    instant = datetime.fromisoformat(near).replace(tzinfo=UTC) + MINUTE * draw(st.integers(-2 * 1440, 2 * 1440))
    days = st.integers(-2, 6).map(lambda n: (instant + timedelta(days=n)).date())
    closed = draw(st.frozensets(days, max_size=2))
    regions = tuple(draw(st.lists(st.sampled_from(REGIONS), max_size=2, unique=True)))
    return Calendar(zone, draw(weekly_hours()), closed, regions), instant
