"""How a stream is pulled: everything along the identifiers, later what changed along (time, sys_id)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import timedelta

from connector.sdk import Batch, Clock, Cursor, Deferred, Record, Rejected
from connector.sdk.cursors import read_instant
from connector.sdk.rest import (
    Position,
    Progress,
    SentRow,
    position_of,
    read_cursor,
    row_id,
    write_cursor,
    write_time,
)
from connector_servicenow.parts import Part
from connector_servicenow.query import joined, not_before


class Pull:
    """One pull of a stream. overlap: how far it goes back for what was committed late."""

    def __init__(self, parts: Sequence[Part], clock: Clock, overlap: timedelta) -> None:
        self._parts = parts
        self._clock = clock
        self._overlap = overlap

    async def batches(self, since: Cursor | None, *, sweeps: bool) -> AsyncGenerator[Batch, None]:
        """Batches of at most a page; the last one is complete where the pull began at the beginning and `sweeps`."""
        saved, resume = read_cursor(since), since
        feeds = {
            _name(part): saved.of(_name(part)).begin(self._clock.now(), part.facts)
            for part in self._parts
        }  # fmt: skip
        begun: str | None = None
        for part in self._parts:
            name = _name(part)
            if feeds[name].is_full and part.follows:
                # the parts before have just read all that refers to it: go on from the latest time that they saw
                feeds[name] = feeds[name].step(Position(begun or "", ""))
                continue
            async with aclosing(_rows(part, feeds[name])) as pages:
                async for rows in pages:
                    async with aclosing(part.elsewhere(rows)) as others:
                        async for records, rejected in others:
                            if records or rejected:
                                yield _batch(records, rejected, resume)
                    feeds[name] = feeds[name].step(_behind(rows, feeds[name], part.operation))
                    resume = write_cursor(feeds)
                    records, rejected = await part.read(rows)
                    if records or rejected:
                        yield _batch(records, rejected, resume)
            begun = max(filter(None, (begun, feeds[name].at)), key=read_instant, default=None)
        done = {name: progress.finish(self._clock.now(), self._overlap) for name, progress in feeds.items()}
        yield Batch(records=(), resume=write_cursor(done), complete=sweeps and since is None and bool(self._parts))


async def _rows(part: Part, progress: Progress) -> AsyncGenerator[list[SentRow], None]:
    """Everything along the identifiers, or what changed along the times."""
    oldest = None
    if progress.is_full and part.history is not None and progress.started:
        oldest = write_time(read_instant(progress.started) - part.history)
    if progress.is_full and part.along_ids:
        where = joined(part.where, not_before(part.stamp, oldest) if oldest else None)
        pages = part.client.everything(part.table, where, part.fields, part.operation, after=progress.id)
    else:
        pages = part.client.changes(
            part.table, part.where, part.fields, part.operation, floor=progress.floor or oldest,
            after=progress.position(), stamp=part.stamp,
        )  # fmt: skip
    async with aclosing(pages):
        async for rows in pages:
            yield rows


def _behind(rows: Sequence[SentRow], progress: Progress, operation: str) -> Position:
    """Where a pull stands after these rows; along the identifiers with the latest time that it has seen."""
    if not progress.is_full:
        return position_of(rows[-1], "last_updated", operation)
    stamps = [progress.at, *(row.get("last_updated") for row in rows)]
    return Position(max(filter(None, map(_readable, stamps)), key=read_instant, default=""), row_id(rows[-1]) or "")


def _readable(stamp: object) -> str | None:
    """A time, if it is one: a row may have none, or one that cannot be read."""
    try:
        return stamp if isinstance(stamp, str) and read_instant(stamp) else None
    except ValueError:
        return None


def _batch(records: Sequence[Record | Deferred], rejected: Sequence[Rejected], resume: Cursor | None) -> Batch:
    return Batch(records=tuple(records), rejected=tuple(rejected), resume=resume)


def _name(part: Part) -> str:
    """A table may be in a stream twice: for its own rows, and for what others show of it."""
    return f"{part.table}+" if part.follows else part.table
