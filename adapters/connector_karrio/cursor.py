"""How far the list of trackers has been read.

Karrio lists trackers newest first by offset and tells neither when one was made nor when it changed. So each pull
reads all of a window anew. A page begins with the last tracker of the page before: where another one stands
there, trackers were added or discarded meanwhile, and the page is looked for again.
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
    """In the middle of a pull. after: trackers made before it are left out. last: the tracker before `offset`."""

    after: datetime | None = None
    offset: int = 0
    last: str | None = None


def write_cursor(place: Place | None) -> Cursor:
    """The place as the hub keeps it; None after the last page."""
    if place is None:
        return json.dumps({"pulled": True})
    after = place.after.isoformat() if place.after else None
    return json.dumps({"after": after, "offset": place.offset, "last": place.last})


def read_cursor(cursor: Cursor, window_start: datetime) -> Place:
    """The place; the start of the window after a whole pull. Raises ConfigError when it is no cursor of ours."""

    def read(saved: Any) -> Place:
        if saved.get("pulled"):
            return Place(after=window_start)
        after = datetime.fromisoformat(saved["after"]) if saved["after"] else None
        return Place(after=after, offset=int(saved["offset"]), last=saved["last"])

    return load_cursor(cursor, read, adapter="Karrio")
