"""Queries in JQL. Pure.

JQL knows a time to the minute, and reads it in the time zone of whoever asks: an instant is written in that zone, and
where the clock there shows an hour twice, so early that either reading of it begins before the instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)


def changed_since(projects: Sequence[str], issue_types: Sequence[str], at: datetime | None, zone: ZoneInfo) -> str:
    """Issues that changed in the minute of an instant or later, in the order in which they changed."""
    terms = [f"project in ({_listed(projects)})"]
    if issue_types:
        terms.append(f"issuetype in ({_listed(issue_types)})")
    if at is not None:
        terms.append(f'updated >= "{local_minute(at, zone)}"')
    return f"{' AND '.join(terms)} ORDER BY updated ASC, key ASC"


def minute_of(at: datetime) -> datetime:
    """The beginning of an instant's minute."""
    return at.replace(second=0, microsecond=0)


def local_minute(at: datetime, zone: ZoneInfo) -> str:
    """A minute as the clock of the zone shows it, that begins no later than the instant however it is read."""
    moment = minute_of(at)
    while _latest_reading(moment, zone) > at:
        moment -= timedelta(minutes=15)
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _latest_reading(moment: datetime, zone: ZoneInfo) -> datetime:
    """Of the instants at which the clock of the zone shows this time, the last."""
    shown = moment.astimezone(zone).replace(tzinfo=None)
    readings = [shown.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    return max(reading.astimezone(moment.tzinfo) for reading in readings)


def _listed(names: Sequence[str]) -> str:
    return ", ".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
