"""How far the tickets have been read: along `updated_at`, and along the id where several have the same.

In the middle of a pull the next page goes on exactly behind the last ticket. A new pull goes back by the stream's
overlap, since a long transaction shows its changes later than it dates them, until a pull has begun a whole overlap
after the position was reached; from then on a Zammad in which nothing happens costs one empty page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from connector.sdk import Cursor
from connector.sdk.cursors import load_cursor, read_instant, watermark


@dataclass(frozen=True, slots=True)
class Position:
    """Behind which ticket reading goes on.

    at, id: when it changed, and which it is; at is None before the first. is_exact: what lies before needs no second
    look. reached: when by our clock a pull ended here for the first time. began: when the pull under way did, None
    between pulls.
    """

    at: datetime | None = None
    id: int = 0
    is_exact: bool = False
    reached: datetime | None = None
    began: datetime | None = None

    def floor(self, overlap: timedelta) -> datetime | None:
        """From when on tickets are asked for; None means all."""
        return self.at if self.at is None or self.is_exact else self.at - overlap

    def is_behind(self, at: datetime, ticket_id: int) -> bool:
        """Whether this version of a ticket has been read, in this pull or for good."""
        return self.is_exact and at == self.at and ticket_id <= self.id

    def after(self, at: datetime, ticket_id: int) -> Position:
        """Behind this ticket, too."""
        return Position(at, ticket_id, is_exact=True) if self._lies_before(at, ticket_id) else self

    def end_of_pull(self, last: Position, started: datetime, overlap: timedelta) -> Position:
        """Where a pull that began here at `started` leaves off, having read up to `last`."""
        if last.at is not None and self._lies_before(last.at, last.id):
            return Position(last.at, last.id, reached=started)
        if self.reached is None:
            return Position(self.at, self.id, reached=started)
        return replace(self, is_exact=self.is_exact or started - self.reached >= overlap, began=None)

    def not_after(self, began: datetime) -> Position:
        """The position, or where the pull began when that was before: the next one then goes back from there."""
        if self.at is None or watermark(self.at, began) == self.at:
            return self
        return Position(began, reached=began)

    def _lies_before(self, at: datetime, ticket_id: int) -> bool:
        return self.at is None or (self.at, self.id) < (at, ticket_id)


def write_cursor(position: Position) -> Cursor:
    """The position as the hub keeps it."""
    kept = {
        "at": position.at.isoformat() if position.at else None,
        "id": position.id,
        "exact": position.is_exact,
        "reached": position.reached.isoformat() if position.reached else None,
    }
    if position.began:
        kept["began"] = position.began.isoformat()
    return json.dumps(kept, separators=(",", ":"))


def read_cursor(cursor: Cursor | None) -> Position:
    """The position. Raises ConfigError when the cursor is not one of this adapter."""

    def read(saved: Any) -> Position:
        at, reached, began = (_time(saved.get(name)) for name in ("at", "reached", "began"))
        return Position(at, int(saved["id"]), bool(saved["exact"]), reached, began)

    return Position() if cursor is None else load_cursor(cursor, read, adapter="Zammad")


def _time(text: str | None) -> datetime | None:
    return read_instant(text) if text else None
