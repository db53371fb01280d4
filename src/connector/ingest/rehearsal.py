"""What a sync would do: everything is read and applied as by a pull, told change by change, and mostly taken back.

The source is read first, without a lock; applying is one transaction, which others who write wait for. On SQLite these
are all others, on PostgreSQL whoever takes records in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import Any, Self, TypeAlias, cast

import orjson

from connector.ingest.applied import Applied
from connector.ingest.apply import apply, refusal
from connector.ingest.arrivals import Heard
from connector.ingest.asking import with_parcels
from connector.ingest.fingerprint import fingerprint_of, mark_of
from connector.ingest.guard import GUARD, Guard, Tally, TooMuchError
from connector.ingest.pull import streams_of
from connector.ingest.replay import replay_arrived_in
from connector.ingest.reports import Progress, StreamReport
from connector.ingest.snapshot import Snapshot, kinds_of, snapshot_of
from connector.ingest.spool import IN_MEMORY, Spool
from connector.model.kinds import SyncMode
from connector.model.refs import EntityKind
from connector.sdk.adapter import Batch, Clock, Pulls, Stream
from connector.sdk.connection import Connection
from connector.storage.database.engine import Database, DatabaseRefusal, Transaction, reading, refusals, transaction
from connector.storage.database.rows import json_value
from connector.storage.sources.foreseen import PAGE, Foreseen, changes_after, named, newest_change
from connector.storage.sources.quarantine import refused_since
from connector.storage.sources.refs import known_refs, lock_ingest, newest_ref
from connector.storage.sources.runs import last_seen
from connector.storage.sources.sources import register_source, resumes_of, source_ids


@dataclass(frozen=True, slots=True)
class Unusable:
    """A record that would go into quarantine. is_ambiguous: a person would have to say which device it is about."""

    ref: str | None
    reason: str
    path: str | None
    is_ambiguous: bool = False


class Plan:
    """What a sync would do. Close it at the end.

    at: when it was made. alarms: why a snapshot would retire nothing. stops: why a sync would stop and ask. ends: by
    stream, where it would go on. fingerprint: the same for plans that do the same.
    """

    def __init__(self, source: str, at: datetime, *, adapter: str = "") -> None:
        self.source = source
        self.adapter = adapter
        self.at = at
        self.streams: list[StreamReport] = []
        self.alarms: list[str] = []
        self.stops: list[str] = []
        self.ends: dict[str, str] = {}
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by whoever has the plan

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give its file up."""
        self._file.close()

    def add(self, items: Sequence[Foreseen | Unusable]) -> None:
        """Note what would happen next."""
        for item in items:
            self._file.write(orjson.dumps({type(item).__name__: item}) + b"\n")

    def put(self, lines: bytes) -> None:
        """Note what a plan that was kept says next."""
        self._file.write(lines)

    @property
    def lines(self) -> Iterator[bytes]:
        """All that it says, as lines of JSON."""
        self._file.seek(0)
        return iter(self._file)

    @property
    def marks(self) -> Iterator[int]:
        """A number for each line, the same for lines that mean the same."""
        at = json_value(self.at)
        return (mark_of(orjson.loads(line), at) for line in self.lines)

    @property
    def fingerprint(self) -> str:
        """What tells it from plans that do something else."""
        return fingerprint_of(self.marks)

    @property
    def changes(self) -> Iterator[Foreseen]:
        """What would change, in order."""
        for line in self._lines("Foreseen"):
            kind = EntityKind(line["kind"])
            fields = {name: tuple(pair) for name, pair in line["fields"].items()}
            yield Foreseen(**{**line, "kind": kind, "fields": fields, "external_ids": tuple(line["external_ids"])})

    @property
    def unusable(self) -> Iterator[Unusable]:
        """What would go into quarantine, in order."""
        return (Unusable(**line) for line in self._lines("Unusable"))

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        return (line[name] for line in map(orjson.loads, self.lines) if name in line)


Settle: TypeAlias = Callable[[Transaction, Plan, int], Awaitable[None]]
"""Told what was done, before it is committed, and the id of the source. What it raises takes everything back."""


class _TakenBackError(Exception):
    """The end of a rehearsal: its transaction is rolled back."""


async def _take_back(_tx: Transaction, _plan: Plan, _source_id: int) -> None:
    raise _TakenBackError


async def rehearse(
    engine: Database,
    connection: Connection,
    *,
    clock: Clock,
    streams: Sequence[str] | None = None,
    full: bool = False,
    progress: Progress | None = None,
    guard: Guard = GUARD,
    settle: Settle = _take_back,
) -> Plan:
    """What `pull_source` would do now, with the same arguments; nothing is written, unless `settle` lets it be.

    Raises InvalidInput for a stream that the adapter does not have, AdapterError for what the source does wrong; what
    an adapter raises by a defect of its own comes through.
    """
    connection = with_parcels(engine, connection, clock)
    wanted = streams_of(connection, streams)
    async with reading(engine) as tx:
        source_id = (await source_ids(tx)).get(connection.name, 0)
        resumes = {} if full else await resumes_of(tx, source_id)
        expected = {
            stream.name: await last_seen(tx, source_id, stream.name, SyncMode.FULL)
            for stream in wanted
            if full or stream.mode == "snapshot" or resumes.get(stream.name) is None
        }
    with ExitStack() as closing:
        plan = closing.enter_context(Plan(connection.name, clock.now(), adapter=connection.adapter_name))
        spool = closing.enter_context(Spool())
        for stream in wanted:
            report = StreamReport(stream.name, "pulled", expected=expected.get(stream.name))
            end = await _read(connection, stream, resumes.get(stream.name), spool, progress, report)
            if end is not None:
                plan.ends[stream.name] = end
        rehearsal = _Rehearsal(connection, clock, plan)
        with suppress(_TakenBackError):
            async with transaction(engine) as tx:
                await rehearsal.begin(tx)
                for stream in wanted:
                    await rehearsal.stream(stream, resumes.get(stream.name), spool, guard)
                await rehearsal.end()
                await settle(tx, plan, rehearsal.source_id)
        spool.close()
        closing.pop_all()  # the plan stays open for whoever gets it
    return plan


async def _read(
    connection: Connection,
    stream: Stream,
    since: str | None,
    spool: Spool,
    progress: Progress | None,
    report: StreamReport,
) -> str | None:
    """Set aside all that a stream brings; where it goes on, None where it is read anew each time."""
    end: str | None = None
    adapter = cast(Pulls, connection.adapter)
    async with aclosing(cast(AsyncGenerator[Batch, None], adapter.pull(stream, since))) as batches:
        async for batch in batches:
            spool.add(stream.name, batch)
            end = batch.resume or end
            report = report.plus(Applied(seen=len(batch.records) + len(batch.rejected)))
            if batch.total is not None:
                report = replace(report, expected=max(batch.total, report.seen))
            if progress is not None:
                progress(report)
    return end if stream.mode == "incremental" else None


class _Rehearsal:
    """Applies what was set aside within one transaction.

    last: the newest change before. left: of each thing that the source has no more, what it called it.
    """

    def __init__(self, connection: Connection, clock: Clock, plan: Plan) -> None:
        self._connection, self._clock, self._plan = connection, clock, plan
        self._actor = f"source:{connection.name}"
        self._at = plan.at
        self._last = 0
        self._left: defaultdict[tuple[EntityKind, int], list[str]] = defaultdict(list)
        self.source_id = 0

    async def begin(self, tx: Transaction) -> None:
        """Note where the log ends, to which nobody who takes records in adds now; a new source is registered."""
        self._tx = tx
        await lock_ingest(tx)
        self.source_id = await register_source(
            tx, name=self._connection.name, adapter=self._connection.adapter_name, at=self._at
        )
        self._last = await newest_change(tx)

    async def stream(self, stream: Stream, since: str | None, spool: Spool, guard: Guard) -> None:
        """Apply the batches of a stream."""
        newest = await newest_ref(self._tx)
        snapshot = snapshot_of(stream, since, newest, guard.retired)
        tally: Tally | None = Tally(guard, self.source_id, stream.name, kinds_of(stream), newest)
        report = StreamReport(stream.name, "pulled")
        for batch in spool.batches(stream.name):
            for applied in await self._apply(stream, batch, snapshot):
                report = report.plus(applied)
                tally = tally and await self._tallied(tally, applied, batch)
                if applied.alarm is not None:
                    self._plan.alarms.append(applied.alarm)
                for kind, entity_id, external_id in applied.left:
                    self._left[kind, entity_id].append(external_id)
        self._plan.streams.append(report)

    async def _tallied(self, tally: Tally, applied: Applied, batch: Batch) -> Tally | None:
        """Count a batch; no further ones when a sync would stop at it."""
        try:
            await tally.admit(self._tx, applied, is_complete=batch.complete)
        except TooMuchError as error:
            self._plan.stops.append(f"{error}: a sync would stop there and ask.")
            return None
        return tally

    async def end(self) -> None:
        """Apply what waited for something that came later; note what changes, and what could not be used."""
        await replay_arrived_in(self._tx, self.source_id, actor=self._actor, clock=self._clock)
        await self._tell()
        after = 0
        while page := await refused_since(self._tx, self.source_id, self._at, after=after):
            self._plan.add([Unusable(ref, reason, path, is_ambiguous) for _, ref, reason, path, is_ambiguous in page])
            after = page[-1][0]

    async def _apply(self, stream: Stream, batch: Batch, snapshot: Snapshot | None) -> list[Applied]:
        """Apply a batch; one that the database refuses record by record."""
        try:
            return [await self._try(stream, batch, snapshot)]
        except DatabaseRefusal:
            found: list[Applied] = []
        for item in batch.records:
            try:
                found.append(await self._try(stream, Batch(records=(item,)), snapshot))
            except DatabaseRefusal as error:
                found.append(await self._try(stream, Batch((), (refusal(item, error),)), snapshot))
        return [*found, await self._try(stream, replace(batch, records=()), snapshot)]

    async def _try(self, stream: Stream, batch: Batch, snapshot: Snapshot | None) -> Applied:
        with refusals():
            async with self._tx.begin_nested():
                heard = Heard(by=self._clock.now(), since=self._at)
                return await apply(
                    self._tx, self.source_id, stream.name, batch, actor=self._actor, at=self._at, snapshot=snapshot,
                    hearing=lambda _: heard,
                )  # fmt: skip

    async def _tell(self) -> None:
        """Note what changes, and what the source has no more and is not retired for it."""
        pages = changes_after(self._tx, self._last, source_id=self.source_id, actor=self._actor)
        async with aclosing(pages):
            async for page in pages:
                self._plan.add(page)
                for item in page:
                    if item.operation == "retired":
                        self._left.pop((item.kind, item.entity_id), None)
        for start in range(0, len(self._left), PAGE):
            chosen = list(islice(self._left.items(), start, start + PAGE))
            keys = {(kind, name) for (kind, _), names in chosen for name in names}
            refs = await known_refs(self._tx, self.source_id, keys)
            gone = {key for key, ref in refs.items() if ref.deleted_at is not None}  # else it came back meanwhile
            staying = [
                Foreseen(kind, entity_id, "withdrawn", {}, external_ids=tuple(sorted(lost)))
                for (kind, entity_id), names in chosen
                if (lost := {name for name in names if (kind, name) in gone})
            ]
            self._plan.add(await named(self._tx, staying, self.source_id))
