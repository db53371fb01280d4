"""How far a stream has been read.

Nautobot stamps a row before it commits it, so a row can appear behind one that was read already. The window that
is read again is found without comparing our clock with theirs: only durations of ours are used.

- A row that is stamped `u` is visible at `u + lag` of the server's time, `lag` being the stream's overlap.
- The server's time at the end of a pull is at least the latest stamp that was seen, so all that is stamped `lag`
  and the length of the pull before that has been read.
- A pull that begins `lag` after the latest stamp was first seen reads everything up to that stamp. From then on
  a source in which nothing happens costs no row per pull, not its last five minutes again and again.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta

import orjson

from connector.sdk import Cursor, Invalid
from connector_nautobot.client import Position


@dataclass(frozen=True, slots=True)
class Progress:
    """Between two pulls, or in the middle of one.

    floor: everything stamped before this was read; None before the first pull. end: the latest stamp seen.
    reached: our time when `end` was first the latest. facts: fingerprint of the names that the records depend on.
    started: our time when the pull under way began, None between pulls. at, id: its position.
    is_full: it reads everything.
    """

    floor: str | None = None
    end: str | None = None
    reached: str | None = None
    facts: str | None = None
    started: str | None = None
    at: str | None = None
    id: str | None = None
    is_full: bool = False

    def position(self) -> Position | None:
        """Where the pull under way stopped."""
        return Position(self.at, self.id) if self.at and self.id else None

    def begin(self, now: datetime, facts: str) -> Progress:
        """The pull that goes on from here; everything is read anew when a name that records depend on changed."""
        if self.started is not None:
            return self
        is_full = self.floor is None or self.facts != facts
        return replace(self, started=write_time(now), is_full=is_full, facts=facts)

    def step(self, position: Position) -> Progress:
        """The same pull, one batch on."""
        return replace(self, at=position.at, id=position.id)

    def finish(self, now: datetime, lag: timedelta) -> Progress:
        """The state after the pull."""
        latest = max((stamp for stamp in (self.end, self.at) if stamp), key=read_time, default=None)
        if latest is None or self.started is None:
            return Progress(facts=self.facts)
        started = read_time(self.started)
        settled = [read_time(latest) - lag - (now - started)]
        if self.floor:
            settled.append(read_time(self.floor))
        if self.end and self.reached and started - read_time(self.reached) >= lag:
            settled.append(read_time(self.end) + RESOLUTION)
        reached = self.reached if latest == self.end else write_time(now)
        return Progress(floor=write_time(max(settled)), end=latest, reached=reached, facts=self.facts)


RESOLUTION = timedelta(microseconds=1)
"""Of Nautobot's times."""

NAMES = frozenset(field.name for field in fields(Progress))


def write_time(at: datetime) -> str:
    """ISO 8601 in UTC with `Z`, as Nautobot writes it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_time(text: str) -> datetime:
    """An instant from ISO 8601. Raises ValueError when it cannot be read or has no zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is UTC:
        return at
    if at.tzinfo is None:
        raise ValueError(f"time {text!r} has no zone")
    return at.astimezone(UTC)


def write_cursor(feeds: dict[str, Progress]) -> Cursor:
    """The progress of each feed of a stream as one cursor."""
    return orjson.dumps(
        {
            feed: {name: value for name in NAMES if (value := getattr(progress, name))}
            for feed, progress in feeds.items()
        },
        option=orjson.OPT_SORT_KEYS,
    ).decode()


def read_cursor(cursor: Cursor | None) -> dict[str, Progress]:
    """The progress of each feed. Raises Invalid when the cursor is not one of this adapter's."""
    if cursor is None:
        return {}
    try:
        saved = orjson.loads(cursor)
        return {str(feed): Progress(**values) for feed, values in saved.items()}
    except (orjson.JSONDecodeError, TypeError, AttributeError) as error:
        raise Invalid(
            f"cursor {cursor[:80]!r} is not one of this adapter",
            operation="read cursor",
            hint="Pull the stream from the beginning: `connector sync NAME --full`.",
        ) from error
