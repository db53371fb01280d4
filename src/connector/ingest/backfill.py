"""Since when the past is read again: a day, an instant, or so long ago."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta

from connector.model.errors import InvalidInput

_AGO = re.compile(r"([1-9][0-9]{0,4})(d|w|mo|y)")


def since_of(text: str, now: datetime) -> datetime:
    """The instant that is meant: `2025-12-01`, an instant with its zone, or `90d`, `12mo`, `1y` before now.

    Days without a time begin in UTC. Months and years are those of the calendar: the last day of a shorter month.
    Raises InvalidInput for anything else, and for what lies ahead.
    """
    at = _ago(text.strip(), now) or _instant(text.strip())
    if at is None:
        raise InvalidInput(
            f"{text!r} is no time in the past", hint="Write 2025-12-01, 2025-12-01T08:00+01:00, 90d, 12mo or 1y."
        )
    if at >= now:
        raise InvalidInput(f"{text!r} lies ahead", hint="Say since when the past is read again.")
    return at


def _ago(text: str, now: datetime) -> datetime | None:
    match = _AGO.fullmatch(text)
    if match is None:
        return None
    count = int(match[1])
    try:
        match match[2]:
            case "d":
                return now - timedelta(days=count)
            case "w":
                return now - timedelta(weeks=count)
            case "mo":
                return _months_before(now, count)
            case _:
                return _months_before(now, 12 * count)
    except (OverflowError, ValueError):
        return None


def _months_before(at: datetime, count: int) -> datetime:
    year, month = divmod(at.year * 12 + at.month - 1 - count, 12)
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC) if len(text) == len("2025-12-01") else None
    return at.astimezone(UTC)
