"""How far a stream has been read.

Request Tracker's times have whole seconds, so many rows share one: a position is a time and an id. In the middle
of a pull the next page begins exactly behind it; a new pull goes back by the stream's overlap, since a row is
stamped before it is committed and may appear behind one that was read already.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from connector.sdk import ConfigError, Cursor


@dataclass(frozen=True, slots=True)
class Position:
    """The last row that was read. at: its time, None before the first. is_between: a pull is under way."""

    at: datetime | None = None
    id: int = 0
    is_between: bool = False

    def precedes(self, other: Position) -> bool:
        """Whether the other comes later in a list sorted by time, then id."""
        return self.at is None or other.at is None or (self.at, self.id) < (other.at, other.id)


def write_cursor(position: Position) -> Cursor:
    """The position as the hub keeps it."""
    at = write_time(position.at) if position.at else None
    return json.dumps({"at": at, "id": position.id, "between": position.is_between}, separators=(",", ":"))


def read_cursor(cursor: Cursor | None) -> Position:
    """The position. Raises ConfigError when the cursor is not one of this adapter."""
    if cursor is None:
        return Position()
    try:
        saved = json.loads(cursor)
        at = read_time(saved["at"]) if saved["at"] else None
        return Position(at=at, id=int(saved["id"]), is_between=bool(saved["between"]))
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"cursor {cursor[:80]!r} is not one of the Request Tracker adapter",
            operation="read cursor",
            hint="Pull the stream from the beginning: `connector sync NAME --full`.",
        ) from error


def write_time(at: datetime) -> str:
    """As Request Tracker writes it: UTC, whole seconds, `Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(text: str) -> datetime:
    """An aware instant. Raises ValueError when it cannot be read or has no zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"time {text!r} has no zone")
    return at.astimezone(UTC)
