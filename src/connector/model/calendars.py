"""Weekly hours in a time zone: when a hub is open, when a courier leaves, when work counts.

Hours are written as people write them: `24x7`, `Mon-Fri 08:00-18:00; Sat 09:00-12:00`. A range may end at
`24:00`; one that passes midnight is written as two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTES_PER_DAY = 24 * 60
HORIZON_DAYS = 370
"""A calendar that does not open within this many days is closed for good."""

_RULE = re.compile(
    r"(?P<first>Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:-(?P<last>Mon|Tue|Wed|Thu|Fri|Sat|Sun))?\s+"
    r"(?P<open>\d{1,2}:\d{2})-(?P<close>\d{1,2}:\d{2})"
)


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Open intervals per weekday (Monday first), each `(open, close)` in minutes after local midnight."""

    days: tuple[tuple[tuple[int, int], ...], ...]


ALWAYS = WeeklyHours(days=(((0, MINUTES_PER_DAY),),) * 7)
"""Every minute of every day."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Weekly hours in an IANA time zone, without the local dates that are closed."""

    time_zone: str
    hours: WeeklyHours
    closed: frozenset[date] = frozenset()


def parse_hours(text: str) -> WeeklyHours:
    """Read hours as people write them.

    Raises ValueError naming the part that cannot be read.
    """
    if text.strip().lower() == "24x7":
        return ALWAYS
    days: list[list[tuple[int, int]]] = [[] for _ in DAYS]
    for part in filter(None, (p.strip() for p in text.split(";"))):
        rule = _RULE.fullmatch(part)
        if rule is None:
            raise ValueError(f"hours {part!r} cannot be read: write '24x7' or 'Mon-Fri 08:00-18:00; Sat 09:00-12:00'")
        opens, closes = parse_time_of_day(rule["open"]), parse_time_of_day(rule["close"])
        if opens >= closes:
            raise ValueError(f"hours {part!r} end before they begin: write a night as two ranges")
        first = DAYS.index(rule["first"])
        last = DAYS.index(rule["last"] or rule["first"])
        for offset in range((last - first) % 7 + 1):
            days[(first + offset) % 7].append((opens, closes))
    return WeeklyHours(days=tuple(_merged(intervals) for intervals in days))


def parse_time_of_day(text: str) -> int:
    """Minutes after midnight of `HH:MM`, `24:00` being the end of the day. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", text.strip())
    minutes = int(match[1]) * 60 + int(match[2]) if match else -1
    if match is None or int(match[2]) > 59 or minutes > MINUTES_PER_DAY:
        raise ValueError(f"time of day {text!r} cannot be read: write HH:MM, for example '16:30'")
    return minutes


def check_time_zone(name: str) -> str:
    """Return the name if the IANA database has it. Raises ValueError otherwise."""
    try:
        _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"time zone {name!r} is not in the IANA database: write e.g. 'Europe/Berlin'") from error
    return name


def next_open(calendar: Calendar, instant: datetime) -> datetime | None:
    """The first open moment at or after `instant`, UTC; None when it never opens again."""
    return next((max(instant, start) for start, _ in open_intervals(calendar, instant)), None)


def add_open_time(calendar: Calendar, start: datetime, duration: timedelta) -> datetime | None:
    """When `duration` of open time has passed since `start`, UTC; None when the calendar never opens.

    A duration of zero ends at the first open moment.
    """
    left = duration
    for opens, closes in open_intervals(calendar, start):
        begin = max(start, opens)
        if begin + left <= closes:
            return begin + left
        left -= closes - begin
    return None


def next_time_of_day(calendar: Calendar, instant: datetime, minutes: int) -> datetime | None:
    """The first `minutes` after local midnight, at or after `instant`, on a day the calendar is open at; UTC.

    For courier cut-offs: `minutes` is when the van leaves. None when no such day comes.
    """
    zone = _zone(calendar.time_zone)
    day = instant.astimezone(zone).date()
    for offset in range(HORIZON_DAYS):
        current = day + timedelta(days=offset)
        if current in calendar.closed or not calendar.hours.days[current.weekday()]:
            continue
        moment = _at(current, minutes, zone)
        if moment >= instant:
            return moment
    return None


def open_intervals(calendar: Calendar, since: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Open intervals that end after `since`, in order, UTC; those that touch at midnight are joined."""
    if calendar.hours == ALWAYS and not calendar.closed:
        yield since, since + timedelta(days=HORIZON_DAYS)
        return
    zone = _zone(calendar.time_zone)
    day = since.astimezone(zone).date()
    pending: tuple[datetime, datetime] | None = None
    for offset in range(HORIZON_DAYS):
        current = day + timedelta(days=offset)
        intervals = () if current in calendar.closed else calendar.hours.days[current.weekday()]
        for opens, closes in intervals:
            start, end = _at(current, opens, zone), _at(current, closes, zone)
            if end <= since or start >= end:
                continue
            if pending is not None and pending[1] == start:
                pending = (pending[0], end)
                continue
            if pending is not None:
                yield pending
            pending = (start, end)
    if pending is not None:
        yield pending


def _at(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """Wall-clock time of a local day as UTC. A time that a clock change skips is taken after the jump."""
    if minutes == MINUTES_PER_DAY:
        day, minutes = day + timedelta(days=1), 0
    local = datetime.combine(day, time(minutes // 60, minutes % 60), tzinfo=zone)
    return local.astimezone(UTC)


def _merged(intervals: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
