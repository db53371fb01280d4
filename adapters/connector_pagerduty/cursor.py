"""How far a source has been read, and where in a pull.

A pull goes through parts, a part through windows of time, a window through pages by offset. In the middle of a pull the
cursor says all three; after it, only up to when everything has been seen. That time is never later than the beginning
of the pull, since what happens during one may concern what was read before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from connector.sdk import Cursor
from connector.sdk.cursors import load_cursor, read_instant, watermark

Part: TypeAlias = Literal["history", "open", "changes"]
"""Incidents by the time when they were made; those that are open; what happened to incidents."""
PARTS: dict[str, Part] = {"history": "history", "open": "open", "changes": "changes"}


@dataclass(frozen=True, slots=True)
class Place:
    """In the middle of a pull. since, until: of the window; None for the list of all that is open.

    offset: of the next page. tail: ids of the last rows that were read, which the next page begins with again.
    """

    part: Part
    since: datetime | None
    until: datetime
    offset: int = 0
    tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """How far a source was read. at: up to when everything was seen, by PagerDuty's clock; None before the first pull.

    is_exact: a pull that began a whole overlap after `at` was reached has gone back already, no other needs to.
    reached: by our clock, when a pull that reached `at` had ended. started: when the pull under way began, by whichever
    of both clocks is behind. newest: the latest time that it has seen.
    """

    at: datetime | None = None
    is_exact: bool = False
    reached: datetime | None = None
    started: datetime | None = None
    newest: datetime | None = None
    place: Place | None = None

    def seen(self, at: datetime) -> Position:
        """The position after something of this time was seen."""
        return self if self.newest and self.newest >= at else replace(self, newest=at)

    def end_of_pull(self, now: datetime, overlap: timedelta) -> Position:
        """Where the pull leaves off. now: when it ends, by our clock."""
        started = self.started or now
        newest = watermark(self.newest, started) if self.newest else None
        if self.at is not None and (newest is None or newest <= self.at):
            waited = self.reached is not None and started - self.reached >= overlap
            return Position(self.at, is_exact=self.is_exact or waited, reached=self.reached or now)
        return Position(newest or started, reached=now)


def write_cursor(position: Position) -> Cursor:
    """The position as the hub keeps it."""
    kept: dict[str, object] = {
        name: at.isoformat()
        for name in ("at", "reached", "started", "newest")
        if (at := getattr(position, name)) is not None
    }
    kept["exact"] = position.is_exact
    if place := position.place:
        kept["place"] = {
            "part": place.part,
            "since": place.since.isoformat() if place.since else None,
            "until": place.until.isoformat(),
            "offset": place.offset,
            "tail": list(place.tail),
        }
    return json.dumps(kept, separators=(",", ":"))


def read_cursor(cursor: Cursor | None) -> Position:
    """The position. Raises ConfigError when the cursor is not one of this adapter."""
    if cursor is None:
        return Position()

    def read(saved: Any) -> Position:
        at, reached, started, newest = (_time(saved.get(name)) for name in ("at", "reached", "started", "newest"))
        return Position(at, bool(saved["exact"]), reached, started, newest, _place(saved.get("place")))

    return load_cursor(cursor, read, adapter="PagerDuty")


def _place(saved: dict[str, object] | None) -> Place | None:
    if saved is None:
        return None
    until, tail = _time(saved["until"]), saved["tail"]
    if until is None or not isinstance(tail, list):
        raise ValueError("no place")
    part = PARTS[str(saved["part"])]
    return Place(part, _time(saved["since"]), until, int(str(saved["offset"])), tuple(map(str, tail)))


def _time(saved: object) -> datetime | None:
    return None if saved is None else read_instant(str(saved))
