"""How far the list of labels has been read: Shippo lists them newest first, and does not tell whose parcels moved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.sdk import Cursor
from connector.sdk.cursors import load_cursor, read_instant


@dataclass(frozen=True, slots=True)
class Place:
    """In the middle of a pull. since: labels bought before it are left out, None for none. page: the next one.

    Labels that are bought meanwhile move the others to later pages: some are read twice, none is passed over.
    """

    since: datetime | None = None
    page: int = 1


def write_cursor(place: Place | None) -> Cursor:
    """The place as the hub keeps it; None after the last page."""
    if place is None:
        return json.dumps({"pulled": True})
    return json.dumps({"since": place.since and place.since.isoformat(), "page": place.page})


def read_cursor(cursor: Cursor, window_start: datetime) -> Place:
    """The place; the start of the window after a whole pull. Raises ConfigError when it is no cursor of ours."""

    def read(saved: Any) -> Place:
        if saved.get("pulled"):
            return Place(since=window_start)
        return Place(read_instant(saved["since"]) if saved["since"] else None, int(saved["page"]))

    return load_cursor(cursor, read, adapter="Shippo")
