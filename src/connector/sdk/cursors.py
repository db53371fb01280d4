"""Cursors that adapters keep as JSON, and the times in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from connector.sdk.adapter import Cursor
from connector.sdk.errors import ConfigError

T = TypeVar("T")


def load_cursor(cursor: Cursor, read: Callable[[Any], T], *, adapter: str) -> T:
    """What `read` makes of the JSON in a cursor. adapter: as people call it.

    Raises ConfigError when the cursor is not one of this adapter: it is no JSON, or `read` finds something else in it
    than it looks for.
    """
    try:
        return read(json.loads(cursor))
    except (AttributeError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ConfigError(
            f"cursor {cursor[:80]!r} is not one of the {adapter} adapter",
            operation="read cursor",
            hint="Pull the stream from the beginning: `connector sync NAME --full`.",
        ) from error


def read_instant(text: str) -> datetime:
    """An instant from ISO 8601, in UTC. Raises ValueError when it cannot be read or has no zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is UTC:
        return at
    if at.tzinfo is None:
        raise ValueError(f"time {text!r} has no zone")
    return at.astimezone(UTC)


def watermark(latest: datetime, began: datetime) -> datetime:
    """Up to when a pull has read: the latest time that it has seen, and never one after it began.

    began: when the pull did, also where it was broken off and goes on. A row that is stamped in the future (a clock
    that was wrong, a bad import) is taken, and says nothing of how far its list was read: the next pull would pass
    over whatever changes until that time.
    """
    return min(latest, began)
