"""What changed, told by iTop's own history.

Devices have no time of change. But iTop records every creation, change and deletion as an object of its own
(`CMDBChangeOp` and the classes below it), with an id that grows, the class and id of what changed, and the time. A pull
reads the entries behind the last id that is settled, and then the objects that they name, as they are now. Deletions
are entries, too, and become tombstones.

An entry is written before it is committed, so one can appear behind others with higher ids. The window that is read
again is found as in `connector.sdk.rest.watermark`: by iTop's own times of the entries, and by how long ago an entry
was first seen to be the last.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from connector.sdk import Batch, Clock, Cursor, Record, Rejected
from connector.sdk.cursors import load_cursor, read_instant, watermark
from connector.sdk.rest import ListedRow, write_time
from connector_itop.config import ItopConfig
from connector_itop.rows import Change, changed_at, read_entry
from connector_itop.walking import IdWalk
from connector_itop.words import SYSTEM

Made: TypeAlias = tuple[tuple[Record, ...], tuple[Rejected, ...]]
ReadObjects: TypeAlias = Callable[[Sequence[ListedRow], datetime | None], Awaitable[Made]]
"""The time is a version that objects have at least, by iTop's clock: whatever changes them later is recorded later."""
ReadChanges: TypeAlias = Callable[[Sequence[Change]], Awaitable[Made]]


@dataclass(frozen=True, slots=True)
class Part:
    """Objects of one class, as a pull from the beginning reads them."""

    walk: IdWalk
    read: ReadObjects


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a stream was read. facts: fingerprint of what records depend on beside their objects.

    floor: all entries up to this one were read for good. latest: the latest time of an entry. end: the last that was
    seen, reached: our time when that was first so. started: our time when the pull under way began. part, after: where
    a pull from the beginning stands. at: the entry up to which a pull of changes has come.
    """

    facts: str
    floor: int = 0
    end: int = 0
    latest: str | None = None
    reached: str | None = None
    started: str | None = None
    part: int | None = None
    after: int = 0
    at: int | None = None

    def as_of(self) -> datetime | None:
        """The latest time of an entry."""
        return None if self.latest is None else read_instant(self.latest)

    def written(self) -> Cursor:
        """As a cursor."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})


def _standing(saved: Any) -> Standing:
    found = Standing(**saved)
    if not isinstance(found.floor, int) or not isinstance(found.facts, str):
        raise TypeError("no standing")
    return found


@dataclass(frozen=True)
class HistoryPull:
    """One pull. entries: of the history that are about this stream's objects. lag: how late one may be committed.

    sweeps: a pull from the beginning shows everything there is.
    """

    parts: Sequence[Part]
    entries: IdWalk
    read_changes: ReadChanges
    clock: Clock
    lag: timedelta
    facts: str
    config: ItopConfig
    sweeps: bool

    async def batches(self, since: Cursor | None) -> AsyncGenerator[Batch, None]:
        """Batches of at most a page; a pull from the beginning that was not cut off ends `complete`."""
        saved = None if since is None else load_cursor(since, _standing, adapter=SYSTEM)
        is_new = saved is None or saved.facts != self.facts
        if saved is None or is_new or saved.part is not None:
            steps = self._everything(Standing(self.facts) if saved is None or is_new else saved)
        else:
            steps = self._changes(saved)
        async with aclosing(steps) as batches:
            async for batch in batches:
                yield batch

    async def _everything(self, standing: Standing) -> AsyncGenerator[Batch, None]:
        is_whole = standing.part is None
        if standing.part is None:
            began = self.clock.now()
            last = [self._change(row) for row in await self.entries.last()]
            settled = self._settled(last, began) or (last[0].id - 1 if last else 0)
            standing = replace(
                standing, part=0, floor=settled, end=last[-1].id if last else 0, started=write_time(began),
                latest=self._latest(last, None),
            )  # fmt: skip
        as_of = standing.as_of()
        if as_of and standing.started:  # devices have this for their version: one from the future would outlive changes
            as_of = watermark(as_of, read_instant(standing.started))
        for number, part in enumerate(self.parts):
            if number < (standing.part or 0):
                continue
            after = standing.after if number == standing.part else 0
            async with aclosing(part.walk.objects(after)) as pages:
                async for rows in pages:
                    standing = replace(standing, part=number, after=rows[-1]["id"])
                    records, refused = await part.read(rows, as_of and as_of - self.lag)
                    yield Batch(records=records, rejected=refused, resume=standing.written())
        done = Standing(self.facts, standing.floor, standing.end, standing.latest, standing.started)
        yield Batch(records=(), resume=done.written(), complete=is_whole and self.sweeps)

    async def _changes(self, standing: Standing) -> AsyncGenerator[Batch, None]:
        if standing.started is None:
            standing = replace(standing, started=write_time(self.clock.now()))
        began = read_instant(standing.started or "")
        seen: list[Change] = []
        after = standing.floor if standing.at is None else standing.at
        async with aclosing(self.entries.objects(after)) as pages:
            async for rows in pages:
                changes = [self._change(row) for row in rows]
                seen = [*seen, *changes][-10 * len(rows) :]
                standing = replace(standing, at=rows[-1]["id"], latest=self._latest(changes, standing.as_of()))
                records, refused = await self.read_changes(changes)
                yield Batch(records=records, rejected=refused, resume=standing.written())
        yield Batch(records=(), resume=self._finished(standing, seen, began).written())

    def _finished(self, standing: Standing, seen: Sequence[Change], began: datetime) -> Standing:
        floors = [standing.floor, self._settled(seen, began) or 0]
        if standing.reached and began - read_instant(standing.reached) >= self.lag:
            floors.append(standing.end)
        end = max(standing.end, seen[-1].id if seen else 0, standing.at or 0)
        reached = standing.reached if end == standing.end else write_time(self.clock.now())
        return Standing(self.facts, max(floors), end, standing.latest, reached)

    def _settled(self, changes: Sequence[Change], began: datetime) -> int | None:
        """The last of the entries that are so much older than the latest that none can appear before them any more."""
        if not changes:
            return None
        latest = watermark(max(changed_at(each, self.config) for each in changes), began)
        until = latest - self.lag - (self.clock.now() - began)
        return max((each.id for each in changes if changed_at(each, self.config, latest=True) <= until), default=None)

    def _latest(self, changes: Sequence[Change], known: datetime | None) -> str | None:
        times = [changed_at(each, self.config) for each in changes] + ([known] if known else [])
        return write_time(max(times)) if times else None

    def _change(self, row: ListedRow) -> Change:
        return read_entry(row, self.config)
