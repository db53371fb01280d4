"""Changes of lists that can be sorted by the time of the change, but not asked for what changed since.

The newest page of each list where that reaches back far enough, else along the ids. One page in the order of changes
is true to one instant: everything that changed since is on it, or it does not reach back. Two such pages are not, since
equal times have no order in them, and what changes moves to the front.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeAlias

from connector.model.errors import InvalidRecord
from connector.model.records import Record
from connector.model.refs import EntityKind, SourceRef
from connector.sdk.adapter import Batch, Clock, Cursor, Rejected
from connector.sdk.answers import rejected
from connector.sdk.cursors import read_instant
from connector.sdk.rest.listing import ListedRow, ListWalk
from connector.sdk.rest.watermark import Position, Progress, read_cursor, write_cursor, write_time

SWEEPS, DONE = "", "-"
"""Where a list stands in a pull: it is to be walked from its beginning, or all of it was read; else the last id."""
EARLIEST = datetime.min.replace(tzinfo=UTC)

ReadRows: TypeAlias = Callable[[Sequence[ListedRow]], Awaitable[tuple[tuple[Record, ...], tuple[Rejected, ...]]]]


class ChangedAt(Protocol):
    """When a row changed, never later than it did. latest: never earlier, where two instants have the same time."""

    def __call__(self, row: ListedRow, *, latest: bool = False) -> datetime:
        """UTC. Raises InvalidRecord, which is then said of the row. See `connector.sdk.facts.Spelling`."""


@dataclass(frozen=True, slots=True)
class ListedPart:
    """One list of a stream. is_gone: of what was deleted; it is not read when nothing was read before."""

    name: str
    walk: ListWalk
    read: ReadRows
    is_gone: bool = False


@dataclass(frozen=True)
class ListedPull:
    """One pull. overlap: how far it goes back for what was committed late.

    facts: fingerprint of the names that records depend on; another one reads all anew. history: how old a change may be
    that a pull from the beginning reads; None reads all. sweeps: such a pull has shown everything there is.
    """

    parts: Sequence[ListedPart]
    clock: Clock
    overlap: timedelta
    facts: str
    changed_at: ChangedAt
    history: timedelta | None = None
    sweeps: bool = True

    async def batches(self, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """Batches of at most a page; a pull from the beginning that was not cut off ends `complete`."""
        saved, now = read_cursor(since), self.clock.now()
        feeds = {part.name: saved.of(part.name).begin(now, self.facts) for part in self.parts}
        is_whole = True
        for part in self.parts:
            name, walk = part.name, part.walk
            if feeds[name].id is None:
                rows = await walk.newest()
                changed = self._changed(part, rows, feeds[name], is_first=since is None)
                feeds[name] = feeds[name].step(Position(self._latest(rows) or "", SWEEPS if changed is None else DONE))
                if changed:
                    yield await _batch(part, changed, write_cursor(feeds))
            if feeds[name].id == DONE:
                continue
            stopped, floor = feeds[name].id, self._floor(feeds[name])
            async with aclosing(walk.along_ids(None if stopped == SWEEPS else int(stopped or 0))) as pages:
                async for rows in pages:
                    latest = self._latest(rows, feeds[name].at) or ""
                    feeds[name] = feeds[name].step(Position(latest, str(rows[-1]["id"])))
                    wanted = rows if floor is None else self._since(rows, floor)
                    total = walk.total if floor is None and self._is_alone(part) else None
                    yield await _batch(part, wanted, write_cursor(feeds), total=total)
            is_whole = is_whole and walk.seen >= walk.total
            feeds[name] = feeds[name].step(Position(feeds[name].at or "", DONE))
        done = {name: progress.finish(self.clock.now(), self.overlap) for name, progress in feeds.items()}
        is_complete = self.sweeps and since is None and is_whole
        yield Batch(records=(), resume=write_cursor(done), complete=is_complete)

    def _is_alone(self, part: ListedPart) -> bool:
        """Whether the stream has no other list but what was deleted: its total is that of the stream."""
        return all(other is part or other.is_gone for other in self.parts)

    def _floor(self, progress: Progress) -> datetime | None:
        """From when on rows are wanted in a walk along the ids; None where all are."""
        if not progress.is_full:
            return read_instant(progress.floor) if progress.floor else None
        if self.history is None or progress.started is None:
            return None
        return read_instant(progress.started) - self.history

    def _changed(
        self, part: ListedPart, rows: list[ListedRow], progress: Progress, *, is_first: bool
    ) -> list[ListedRow] | None:
        """What changed, where the newest page has all of it; None where the list has to be walked."""
        if part.is_gone and is_first:
            return []  # what was never here need not be taken away
        if progress.is_full and progress.floor is None:
            is_all_there = part.walk.total == 0 or (part.is_gone and len(rows) >= part.walk.total)
            return rows if is_all_there else None
        floor = read_instant(progress.floor) if progress.floor else EARLIEST
        facts_changed = progress.is_full and not part.is_gone
        reaches_back = len(rows) >= part.walk.total or (self._at(rows[-1]) or floor) < floor if rows else True
        if facts_changed or not reaches_back:
            return None
        return self._since(rows, floor)

    def _since(self, rows: Sequence[ListedRow], floor: datetime) -> list[ListedRow]:
        """Rows that are not older, and those that do not say."""
        return [row for row in rows if (at := self._at(row)) is None or at >= floor]

    def _at(self, row: ListedRow) -> datetime | None:
        """When a row changed, at the latest; None where it cannot be read, which is then said of the row."""
        try:
            return self.changed_at(row, latest=True)
        except InvalidRecord:
            return None

    def _latest(self, rows: Sequence[ListedRow], known: str | None = None) -> str | None:
        """The latest time of these rows, and of what was known before."""
        times = [read_instant(known)] if known else []
        for row in rows:
            with suppress(InvalidRecord):
                times.append(self.changed_at(row))
        return write_time(max(times)) if times else None


async def _batch(part: ListedPart, rows: Sequence[ListedRow], resume: Cursor, *, total: int | None = None) -> Batch:
    records, refused = await part.read(rows)
    return Batch(records=records, rejected=refused, resume=resume, total=total)


def read_each(
    rows: Sequence[ListedRow],
    read: Callable[[ListedRow], Record | None],
    ref: Callable[[int], SourceRef],
    *,
    name: str = "id",
) -> tuple[tuple[Record, ...], tuple[Rejected, ...]]:
    """The records of rows, None left out, and the rows of which none could be made.

    read: raises InvalidRecord. ref: what a row is called by the number that it has as `name`.
    """
    records: list[Record] = []
    refused: list[Rejected] = []
    for row in rows:
        try:
            record = read(row)
        except InvalidRecord as error:
            number = row.get(name)
            refused.append(rejected(row, error, ref(number) if isinstance(number, int) else None))
        else:
            if record is not None:
                records.append(record)
    return tuple(records), tuple(refused)


def of_kind(kind: EntityKind) -> Callable[[int], SourceRef]:
    """References of a kind by the rows' ids."""
    return lambda number: SourceRef(kind=kind, external_id=str(number))
