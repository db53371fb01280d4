"""How far the list of trackers has been read.

EasyPost lists trackers newest first and goes on before an id; it does not tell which ones changed. So each pull reads
all that were made in a window anew. Its manual offers ids or times to page by, so the window's end is looked for here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.sdk import Cursor
from connector.sdk.cursors import load_cursor


@dataclass(frozen=True, slots=True)
class Place:
    """In the middle of a pull. since: trackers made before it are left out. before_id: the last one that was read."""

    since: datetime | None = None
    before_id: str | None = None


def write_cursor(place: Place | None) -> Cursor:
    """The place as the hub keeps it; None after the last page."""
    if place is None:
        return json.dumps({"pulled": True})
    return json.dumps({"since": place.since and place.since.isoformat(), "before_id": place.before_id})


def read_cursor(cursor: Cursor, window_start: datetime) -> Place:
    """The place; the start of the window after a whole pull. Raises ConfigError when it is no cursor of ours."""

    def read(saved: Any) -> Place:
        if saved.get("pulled"):
            return Place(since=window_start)
        since = saved["since"]
        return Place(datetime.fromisoformat(since) if since else None, saved["before_id"])

    return load_cursor(cursor, read, adapter="EasyPost")
