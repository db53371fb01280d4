"""Weekly hours in a time zone: when a hub is open, when a courier leaves, when work counts.

Hours are written as people write them: `24x7`, `Mon-Fri 08:00-18:00; Sat 09:00-12:00`. A range may end at
`24:00`; one that passes midnight is written as two.

What the clock on the wall shows decides: a minute is open when its local time lies in the hours of its local date. So
a range loses what a clock change skips, and an hour that comes twice counts twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connector.model.public_holidays import public_holidays

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTES_PER_DAY = 24 * 60
HORIZON_DAYS = 370
"""A calendar that does not open within this many days is closed for good."""

_DAY = timedelta(days=1)
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
    """Weekly hours in an IANA time zone, without local dates that are closed.

    closed: such dates; regions: whose public holidays are closed too (see `connector.model.public_holidays`).
    """

    time_zone: str
    hours: WeeklyHours
    closed: frozenset[date] = frozenset()
    regions: tuple[str, ...] = ()

    @property
    def is_always_open(self) -> bool:
        """Whether it is open every minute of every day."""
        return self.hours == ALWAYS and not self.closed and not self.regions

    def hours_on(self, day: date) -> tuple[tuple[int, int], ...]:
        """Open intervals of a local date, in minutes after midnight; none when it is closed."""
        hours = self.hours.days[day.weekday()]
        if not hours or day in self.closed or any(day in public_holidays(region, day.year) for region in self.regions):
            return ()
        return hours


@lru_cache(maxsize=4096)
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

    For courier cut-offs: `minutes` is when the van leaves. A time that comes twice means the first; one that a clock
    change skips is taken as the clock would have run on. None when no such day comes.
    """
    zone = _zone(calendar.time_zone)
    day = instant.astimezone(zone).date() - timedelta(days=1)
    for offset in range(HORIZON_DAYS + 1):
        current = day + timedelta(days=offset)
        if not calendar.hours_on(current):
            continue
        moment = _at(current, minutes, zone)
        if moment >= instant:
            return moment
    return None


def close_of_business_day(calendar: Calendar, instant: datetime, days: int) -> datetime | None:
    """When the calendar closes on the last of so many local dates that it is open on after that of `instant`; UTC.

    None when there are not that many.
    """
    zone = _zone(calendar.time_zone)
    tomorrow = _at(instant.astimezone(zone).date() + timedelta(days=1), 0, zone)
    current: date | None = None
    closes: datetime | None = None
    for begin, end in _open_parts(calendar, tomorrow):
        day = begin.astimezone(zone).date()
        if day != current:
            if not days:
                return closes
            current, days = day, days - 1
        closes = end
    return None if days else closes


def open_intervals(calendar: Calendar, since: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Open intervals from `since` on, in order, UTC; those that touch are joined."""
    if calendar.is_always_open:
        yield since, since + timedelta(days=HORIZON_DAYS)
        return
    pending: tuple[datetime, datetime] | None = None
    for start, end in _open_parts(calendar, since):
        if pending is not None and pending[1] == start:
            pending = (pending[0], end)
            continue
        if pending is not None:
            yield pending
        pending = (start, end)
    if pending is not None:
        yield pending


def _open_parts(calendar: Calendar, since: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The same, cut at local midnight and where the clock is changed."""
    for begin, end, ahead in _stretches(_zone(calendar.time_zone), since):
        local_begin, local_end = begin + ahead, end + ahead
        ranges = calendar.hours_on(local_begin.date())
        if not ranges:
            continue
        midnight = local_begin.replace(hour=0, minute=0, second=0, microsecond=0)
        for opens, closes in ranges:
            first = max(local_begin, midnight + timedelta(minutes=opens))
            last = min(local_end, midnight + timedelta(minutes=closes))
            if first < last:
                yield first - ahead, last - ahead


def _stretches(zone: ZoneInfo, since: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Time from `since` on in pieces of one local date and one distance to UTC each: begin and end in UTC, distance."""
    begin, last = since.astimezone(UTC), since + timedelta(days=HORIZON_DAYS)
    ahead = _ahead(begin, zone)
    while begin < last:
        local = begin + ahead
        end = (
            begin
            + _DAY
            - timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        )
        after = _ahead(end, zone)
        if after != ahead:
            end = _change(begin, end, zone)
            after = _ahead(end, zone)
        yield begin, end, ahead
        begin, ahead = end, after


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second between two instants at which the clock of the zone is changed."""
    ahead, low, high = _ahead(before, zone), int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if _ahead(datetime.fromtimestamp(middle, UTC), zone) == ahead:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def _ahead(instant: datetime, zone: ZoneInfo) -> timedelta:
    """By how much the local clock is ahead of UTC."""
    return instant.astimezone(zone).utcoffset() or timedelta(0)


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
