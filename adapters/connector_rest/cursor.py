"""How far a list of changes has been read.

A pull goes on by the time of the last row that it read; rows that share one instant are walked page by page. The next
pull goes back by the overlap, since a row is stamped before it can be seen. Once a pull began a whole overlap after the
latest time was first seen, everything up to it has been read, and the pulls after it go back no more. Only durations of
our own clock are used for that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.sdk import Cursor, Invalid
from connector.sdk.cursors import watermark


@dataclass(frozen=True, slots=True)
class Progress:
    """Between two pulls, or within one. latest: the newest time of a row. reached: our time when it was first seen.

    settled: all rows of that time and before have been read. started: our time when the pull under way began, None
    between pulls. at: the time by which its list is asked, None for all; token: the page of those rows.
    """

    latest: datetime | None = None
    reached: datetime | None = None
    settled: bool = False
    started: datetime | None = None
    at: datetime | None = None
    token: dict[str, Any] | None = None
    before: datetime | None = None

    def begin(self, now: datetime, overlap: timedelta) -> Progress:
        """The pull that goes on from here."""
        if self.started is not None:
            return self
        at = self.latest if self.settled or self.latest is None else self.latest - overlap
        return replace(self, started=now, at=at, token=None, before=self.latest)

    def finish(self, overlap: timedelta) -> Progress:
        """The state after the pull."""
        if self.latest is None or self.started is None:
            return Progress()
        latest = watermark(self.latest, self.started)
        if self.before is not None and self.latest <= self.before and latest == self.latest:
            waited = self.reached is not None and self.started - self.reached >= overlap
            return Progress(latest, self.reached or self.started, self.settled or waited)
        return Progress(latest, self.started)


_TIMES = ("latest", "reached", "started", "at", "before")


def write_cursor(progress: Progress) -> Cursor:
    """The progress as the hub keeps it."""
    kept: dict[str, object] = {name: at.isoformat() for name in _TIMES if (at := getattr(progress, name))}
    if progress.settled:
        kept["settled"] = True
    if progress.token is not None:
        kept["token"] = progress.token
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


def read_cursor(cursor: Cursor | None) -> Progress:
    """The progress. Raises Invalid when the cursor is not one of this adapter's."""
    if cursor is None:
        return Progress()
    try:
        saved = json.loads(cursor)
        times = {name: datetime.fromisoformat(saved[name]).astimezone(UTC) for name in _TIMES if name in saved}
        token = saved.get("token")
        if token is not None and not isinstance(token, dict):
            raise TypeError("token")
        return Progress(settled=saved.get("settled") is True, token=token, **times)
    except (ValueError, TypeError, AttributeError) as error:
        raise Invalid(
            f"cursor {cursor[:80]!r} is not one of the REST adapter",
            operation="read cursor",
            hint="Pull the stream from the beginning: `connector sync NAME --full`.",
        ) from error
