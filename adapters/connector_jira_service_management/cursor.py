"""How far the issues have been read.

A position is the time of the last issue that was read, and what was read of its minute: finer than that neither the
search nor the order of what it finds is documented. Where the account's clock shows an hour twice, no query tells its
minutes apart, and it is what was read of both hours. In the middle of a pull the next page goes on exactly behind it. A
new pull goes back by the stream's overlap, since Jira's search shows a change a little later than it was made; once a
pull went back and began a whole overlap after the position was first reached, the pulls after it go back no more. Only
durations of our own clock are used for that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from connector.sdk import Cursor
from connector.sdk.cursors import load_cursor, read_instant, watermark

Stamp: TypeAlias = tuple[datetime, str]
"""When an issue changed, and its id."""
MOST_SEEN = 180
"""Issues of one minute that a cursor holds. Of more, the latest: before them the order in the minute is relied on."""
Asked: TypeAlias = Callable[[datetime], datetime]
"""The instant from which a query finds issues that is asked for an instant."""
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Position:
    """What has been read.

    at: when the last issue changed, None before the first. since: everything before was read; of what changed then or
    later, `seen` was. is_exact: reading goes on directly behind it. reached: our time when it was first the last one.
    began: when the pull under way did, None between pulls.
    """

    at: datetime | None = None
    since: datetime | None = None
    seen: frozenset[Stamp] = field(default_factory=frozenset)
    is_exact: bool = False
    reached: datetime | None = None
    began: datetime | None = None

    def floor(self, overlap: timedelta) -> datetime | None:
        """From when on issues are asked for; None means all."""
        if self.at is None or not self.is_exact:
            return self.at and self.at - overlap
        return self.since or self.at

    def within(self) -> Position:
        """Behind what a pull that begins here has read already."""
        return self if self.is_exact else Position()

    def has_passed(self, stamp: Stamp) -> bool:
        """Whether this version of an issue was read already."""
        return self.since is not None and (stamp[0] < self.since or stamp in self.seen)

    def after(self, stamps: Iterable[Stamp], asked: Asked, *, since: datetime | None = None) -> Position:
        """Behind these issues, too. since: before when everything was read, where more is not known."""
        seen = self.seen | set(stamps)
        if not seen:
            return self
        at = max(seen)[0]
        since = max(filter(None, (self.since, since or asked(at))))
        return Position(at, since, frozenset(stamp for stamp in seen if stamp[0] >= since), is_exact=True)

    def end_of_pull(self, last: Position, started: datetime, overlap: timedelta) -> Position:
        """Where a pull that began here at `started` leaves off, having read up to `last`."""
        if last.at is None or (self.at is not None and self._has_all_of(last)):
            waited = self.reached is not None and started - self.reached >= overlap
            return Position(self.at, self.since, self.seen, is_exact=self.at is not None and (waited or self.is_exact),
                            reached=self.reached or started)  # fmt: skip
        return Position(last.at, last.since, last.seen, reached=started)

    def not_after(self, began: datetime) -> Position:
        """The position, or where the pull began when that was before: the next one then goes back from there."""
        if self.at is None or watermark(self.at, began) == self.at:
            return self
        return Position(began, reached=began)

    def _has_all_of(self, other: Position) -> bool:
        return all(self.has_passed(stamp) for stamp in other.seen)


def write_cursor(position: Position) -> Cursor:
    """The position as the hub keeps it."""
    latest = sorted(position.seen)[-MOST_SEEN:]
    since = latest[0][0] if len(latest) < len(position.seen) else position.since
    kept: dict[str, object] = {
        "at": position.at.isoformat() if position.at else None,
        "since": since.isoformat() if since else None,
        "seen": [f"{external_id}@{(at - since) // MILLISECOND}" for at, external_id in latest] if since else [],
        "exact": position.is_exact,
        "reached": position.reached.isoformat() if position.reached else None,
    }
    if position.began:
        kept["began"] = position.began.isoformat()
    return json.dumps(kept, separators=(",", ":"))


def read_cursor(cursor: Cursor | None) -> Position:
    """The position. Raises ConfigError when the cursor is not one of this adapter."""
    if cursor is None:
        return Position()

    def read(saved: Any) -> Position:
        since = _time(saved["since"])
        return Position(
            at=_time(saved["at"]),
            since=since,
            seen=frozenset(_stamp(each, since) for each in saved["seen"]) if since else frozenset(),
            is_exact=bool(saved["exact"]),
            reached=_time(saved["reached"]),
            began=_time(saved.get("began")),
        )

    return load_cursor(cursor, read, adapter="Jira Service Management")


def _time(text: str | None) -> datetime | None:
    return read_instant(text) if text else None


def _stamp(text: str, since: datetime) -> Stamp:
    external_id, offset = text.split("@")
    return since + int(offset) * MILLISECOND, external_id
