"""Calendars as sorted minutes, so that asking one costs a binary search.

The same questions as `connector.model.calendars`, in whole minutes since 1970 UTC. A timetable covers two weeks
and is shared by everything with the same hours in the same time zone; past its end the calendar itself is asked.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from connector.model.calendars import Calendar, add_open_time, next_open, next_time_of_day, open_intervals
from connector.rules.policy.days import DaysOff

WEEK = 7 * 24 * 60
WINDOW = 2 * WEEK
"""Minutes that a timetable covers: what is asked about lies within days, and building it must stay cheap."""
_MOST_INSTANTS = 8192
"""Instants that are remembered with their texts: tickets that are decided together have most of them in common."""


@lru_cache(maxsize=_MOST_INSTANTS)
def minute_at_or_after(instant: datetime) -> int:
    """Whole minutes since 1970 UTC, rounded up: an estimate is never earlier than the truth."""
    return -(-int(instant.timestamp() * 1_000_000) // 60_000_000)


@lru_cache(maxsize=_MOST_INSTANTS)
def instant_of(minute: int) -> datetime:
    """The instant that a minute stands for."""
    return datetime.fromtimestamp(minute * 60, UTC)


@lru_cache(maxsize=_MOST_INSTANTS)
def instant_text(instant: datetime) -> str:
    """ISO 8601 in UTC with Z, whole seconds."""
    return f"{instant.isoformat()[:19]}Z"


@lru_cache(maxsize=_MOST_INSTANTS)
def moment_text(instant: datetime) -> str:
    """A moment for people, to the minute, for example `2026-11-25 09:00Z`. instant: UTC."""
    return f"{instant.isoformat(' ')[:16]}Z"


class Timetable:
    """When a calendar is open, from `start` on."""

    __slots__ = ("_calendar", "_closes", "_end", "_opens", "always")

    def __init__(self, calendar: Calendar, start: int) -> None:
        self._calendar = calendar
        self._end = start + WINDOW
        self._opens: list[int] = []
        self._closes: list[int] = []
        self.always = calendar.is_always_open
        if self.always:
            return
        for opens, closes in open_intervals(calendar, instant_of(start)):
            if minute_at_or_after(opens) >= self._end:
                break
            self._opens.append(minute_at_or_after(opens))
            self._closes.append(minute_at_or_after(closes))

    def next_open(self, minute: int) -> int | None:
        """The first open minute at or after; None when it never opens again."""
        if self.always:
            return minute
        index = bisect_right(self._closes, minute)
        if index < len(self._closes):
            return max(minute, self._opens[index])
        found = next_open(self._calendar, instant_of(minute))
        return None if found is None else minute_at_or_after(found)

    def after_open_time(self, minute: int, duration: int) -> int | None:
        """When `duration` open minutes have passed since `minute`; None when it never opens for long enough."""
        if self.always:
            return minute + duration
        left = duration
        for index in range(bisect_right(self._closes, minute), len(self._closes)):
            begin = max(minute, self._opens[index])
            if begin + left <= self._closes[index]:
                return begin + left
            left -= self._closes[index] - begin
        found = add_open_time(self._calendar, instant_of(minute), timedelta(minutes=duration))
        return None if found is None else minute_at_or_after(found)


class Departures:
    """When a courier leaves: each cut-off on each day that the hub is open at, from `start` on."""

    __slots__ = ("_calendar", "_cut_offs", "_end", "_minutes")

    def __init__(self, calendar: Calendar, cut_offs: tuple[int, ...], start: int) -> None:
        self._calendar = calendar
        self._cut_offs = cut_offs
        self._end = start + WINDOW
        found: set[int] = set()
        for cut_off in cut_offs:
            moment = next_time_of_day(calendar, instant_of(start), cut_off)
            while moment is not None and minute_at_or_after(moment) < self._end:
                found.add(minute_at_or_after(moment))
                moment = next_time_of_day(calendar, moment + timedelta(minutes=1), cut_off)
        self._minutes = sorted(found)

    def next(self, minute: int) -> int | None:
        """The first departure at or after; None when the courier never comes."""
        index = bisect_left(self._minutes, minute)
        if index < len(self._minutes):
            return self._minutes[index]
        moments = [next_time_of_day(self._calendar, instant_of(minute), cut_off) for cut_off in self._cut_offs]
        return min((minute_at_or_after(moment) for moment in moments if moment is not None), default=None)


def timetable(time_zone: str, hours: str, off: DaysOff, minute: int) -> Timetable:
    """The timetable of hours in a time zone, good for asking about `minute` and the weeks after it.

    off: the days on which they do not count. Raises ValueError for hours that cannot be read and a time zone that does
    not exist.
    """
    return _timetable(time_zone, hours, off, minute // WEEK)


def departures(time_zone: str, hours: str, off: DaysOff, cut_offs: tuple[int, ...], minute: int) -> Departures:
    """The courier's departures from a hub with these hours, good from `minute` on. off: when none collects."""
    return _departures(time_zone, hours, off, cut_offs, minute // WEEK)


@lru_cache(maxsize=4096)
def _timetable(time_zone: str, hours: str, off: DaysOff, week: int) -> Timetable:
    return Timetable(off.calendar(time_zone, hours), week * WEEK)


@lru_cache(maxsize=4096)
def _departures(time_zone: str, hours: str, off: DaysOff, cut_offs: tuple[int, ...], week: int) -> Departures:
    return Departures(off.calendar(time_zone, hours), cut_offs, week * WEEK)
