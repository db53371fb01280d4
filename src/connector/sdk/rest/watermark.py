"""Long REST lists by watermark: how they are walked, and how far a stream has been read.

Offsets drift while rows change, so a long list is walked by time: each page asks for what is not older than the last
row of the page before. Only rows that share one instant are counted off by offset, and then every page begins with the
last row of the page before, so that a drift is seen and the instant read again.

A system stamps a row before it commits it, so a row can appear behind one that was read already. The window that
is read again is found without comparing our clock with theirs: only durations of ours are used.

- A row that is stamped `u` is visible at `u + lag` of the server's time, `lag` being the stream's overlap.
- The server's time at the end of a pull is at least the latest stamp that was seen, so all that is stamped `lag`
  and the length of the pull before that has been read.
- A pull that begins `lag` after the latest stamp was first seen reads everything up to that stamp. From then on
  a source in which nothing happens costs no row per pull, not its last five minutes again and again.
- A stamp from the future says nothing of the server's time. So no pull has read further than until `lag` before it
  began by our clock. That binds only where a stamp is ahead of our clock; ours being slow costs rows read twice.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import orjson

from connector.sdk.adapter import Cursor
from connector.sdk.cursors import read_instant, watermark
from connector.sdk.errors import Invalid, UnexpectedResponse
from connector.sdk.rest.rows import Page, Row, SentRow, row_id

EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Position:
    """The last row that was read, in the order (at, id); `at` as the system writes it."""

    at: str
    id: str


ANY = "*"
"""In place of a feed's name: every one of which nothing else is said. In place of facts: whatever they are."""


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
        is_full = self.floor is None or self.facts not in (facts, ANY)
        return replace(self, started=write_time(now), is_full=is_full, facts=facts)

    def step(self, position: Position) -> Progress:
        """The same pull, one batch on."""
        return replace(self, at=position.at, id=position.id)

    def finish(self, now: datetime, lag: timedelta) -> Progress:
        """The state after the pull."""
        latest = max((stamp for stamp in (self.end, self.at) if stamp), key=read_instant, default=None)
        if latest is None or self.started is None:
            return Progress(facts=self.facts)
        started = read_instant(self.started)
        settled = [read_instant(latest) - lag - (now - started)]
        if self.floor:
            settled.append(read_instant(self.floor))
        if self.end and self.reached and started - read_instant(self.reached) >= lag:
            settled.append(read_instant(self.end) + RESOLUTION)
        reached = self.reached if latest == self.end else write_time(now)
        floor = watermark(max(settled), started - lag)
        return Progress(floor=write_time(floor), end=latest, reached=reached, facts=self.facts)


RESOLUTION = timedelta(microseconds=1)
"""Of the times of such systems."""

NAMES = frozenset(field.name for field in fields(Progress))


def write_time(at: datetime) -> str:
    """ISO 8601 in UTC with `Z`, as such systems write it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def write_cursor(feeds: dict[str, Progress]) -> Cursor:
    """The progress of each feed of a stream as one cursor."""
    return orjson.dumps(
        {
            feed: {name: value for name in NAMES if (value := getattr(progress, name))}
            for feed, progress in feeds.items()
        },
        option=orjson.OPT_SORT_KEYS,
    ).decode()


class Feeds(dict[str, Progress]):
    """How far each feed of a stream has been read."""

    def of(self, name: str) -> Progress:
        """How far a feed has; from the beginning where nothing is known of it."""
        return self.get(name) or self.get(ANY) or Progress()


def cursor_since(at: datetime) -> Cursor:
    """From where a pull shows what has changed since an instant, in all feeds of a stream."""
    return write_cursor({ANY: Progress(floor=write_time(at), facts=ANY)})


def read_cursor(cursor: Cursor | None) -> Feeds:
    """The progress of each feed. Raises Invalid when the cursor is not one of this adapter's."""
    if cursor is None:
        return Feeds()
    try:
        saved = orjson.loads(cursor)
        return Feeds({str(feed): Progress(**values) for feed, values in saved.items()})
    except (orjson.JSONDecodeError, TypeError, AttributeError) as error:
        raise Invalid(
            f"cursor {cursor[:80]!r} is not one of this adapter",
            operation="read cursor",
            hint="Pull the stream from the beginning: `connector sync NAME --full`.",
        ) from error


async def walk(
    ask: Callable[[str, int, int], Awaitable[Page]],
    operation: str,
    *,
    size: int,
    order: str = "last_updated",
    floor: str | None = None,
    after: Position | None = None,
    rank: Callable[[str], Any] = str,
) -> AsyncGenerator[list[SentRow], None]:
    """Rows in the order (`order`, id), at most `size` at once; one page is asked for when it is wanted.

    ask: the rows whose `order` is not before a time, in that order, with limit and offset. floor: not older than this.
    after: behind this position. rank: what identifiers are sorted by over there.
    A row that changes meanwhile comes (again) at its new place; no row is passed over.
    """
    since = after.at if after else floor or EPOCH
    offset, anchor = 0, ""
    while True:
        overlap = 1 if offset else 0
        rows, is_last, _ = await ask(since, size + overlap, offset - overlap)
        if overlap:
            if not rows or row_id(rows[0]) != anchor:
                offset = 0
                continue
            rows = rows[1:]
        if not rows and not is_last:
            raise UnexpectedResponse(f"{operation}: there is a further page, but without rows", operation=operation)
        fresh = _unread(rows, order, after, rank) if after else rows
        if rows:
            last = position_of(rows[-1], order, operation)
            offset = offset + len(rows) if last.at == since else 0
            since, anchor = last.at, last.id
            after = last if fresh else after
        if fresh:
            yield fresh
        if is_last:
            return


def _unread(rows: list[SentRow], order: str, after: Position, rank: Callable[[str], Any]) -> list[SentRow]:
    """The rows behind a position: only those at their beginning may share its instant."""
    shared = list(takewhile(lambda row: row.get(order) == after.at, rows))
    here = rank(after.id)
    return [row for row in shared if (key := row_id(row)) is None or rank(key) > here] + rows[len(shared) :]


def position_of(row: Row, order: str, operation: str) -> Position:
    """Where a row stands in the order (`order`, id). Raises UnexpectedResponse when it does not say."""
    at, external_id = row.get(order), row_id(row)
    if not isinstance(at, str) or external_id is None or not _is_instant(at):
        raise UnexpectedResponse(
            f"{operation}: a row without {order!r} or `id`, with {order}={at!r} and id={row.get('id')!r}",
            operation=operation,
        )
    return Position(at, external_id)


def _is_instant(text: str) -> bool:
    try:
        read_instant(text)
    except (ValueError, OverflowError):
        return False
    return True
