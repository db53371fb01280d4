"""How far a stream has been read.

Request Tracker's times have whole seconds, so many rows share one: a position is a time and an id. In the middle
of a pull the next page begins exactly behind it; a new pull goes back by the stream's overlap, since a row is
stamped before it is committed and may appear behind one that was read already. Once a pull went back and began
a whole overlap after the position was first reached, all in front of it has been read, and the pulls after it go
back no more: a source in which nothing happens costs no rows. Only durations of our own clock are used for that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.sdk import Cursor, UnexpectedResponse
from connector.sdk.cursors import load_cursor, read_instant, watermark


@dataclass(frozen=True, slots=True)
class Position:
    """The last row that was read. at: its time, None before the first.

    is_exact: reading goes on directly behind it. reached: our time when it was first the last of all. began: when the
    pull under way did, None between pulls.
    """

    at: datetime | None = None
    id: int = 0
    is_exact: bool = False
    reached: datetime | None = None
    began: datetime | None = None

    def precedes(self, other: Position) -> bool:
        """Whether the other comes later in a list sorted by time, then id."""
        return self.at is None or other.at is None or (self.at, self.id) < (other.at, other.id)

    def end_of_pull(self, last: Position, started: datetime, overlap: timedelta) -> Position:
        """Where a pull that began here at `started` leaves off, having seen `last`."""
        if last.at is None or (self.at is not None and not self.precedes(last)):
            waited = self.reached is not None and started - self.reached >= overlap
            return Position(self.at, self.id, is_exact=self.at is not None and (waited or self.is_exact),
                            reached=self.reached or started)  # fmt: skip
        return Position(last.at, last.id, reached=started)

    def not_after(self, began: datetime) -> Position:
        """The position, or where the pull began when that was before: the next one then goes back from there."""
        if self.at is None or watermark(self.at, began) == self.at:
            return self
        return Position(began, reached=began)


def write_cursor(position: Position) -> Cursor:
    """The position as the hub keeps it."""
    kept: dict[str, object] = {"at": _text(position.at), "id": position.id, "exact": position.is_exact}
    for name, at in (("reached", position.reached), ("began", position.began)):
        if at:
            kept[name] = _text(at)
    return json.dumps(kept, separators=(",", ":"))


def read_cursor(cursor: Cursor | None) -> Position:
    """The position. Raises ConfigError when the cursor is not one of this adapter."""
    if cursor is None:
        return Position()

    def read(saved: Any) -> Position:
        at, reached, began = (
            read_instant(text) if (text := saved.get(name)) else None for name in ("at", "reached", "began")
        )
        return Position(at, int(saved["id"]), is_exact=bool(saved["exact"]), reached=reached, began=began)

    return load_cursor(cursor, read, adapter="Request Tracker")


def write_time(at: datetime) -> str:
    """As Request Tracker writes it: UTC, whole seconds, `Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def position_of(items: tuple[Any, ...], column: str, operation: str) -> Position:
    """The position of the last row that has one."""
    for item in reversed(items):
        try:
            return Position(read_instant(item[column]), int(item["id"]), is_exact=True)
        except (KeyError, TypeError, ValueError):
            continue
    if not items:
        return Position()
    raise UnexpectedResponse(
        f"none of {len(items)} rows of {operation} has both {column} and id: there is no way to go on behind them",
        operation=operation,
        hint="Check that the server is Request Tracker 5.",
    )


def _text(at: datetime | None) -> str | None:
    return write_time(at) if at else None
