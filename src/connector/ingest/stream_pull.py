"""Pulling one stream after another of a source, batch after batch, each batch one transaction."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Final, cast
from uuid import uuid4

from connector.ingest.applied import Applied
from connector.ingest.apply import MakingError, apply, refusal
from connector.ingest.arrivals import Heard
from connector.ingest.guard import Guard, Tally, TooMuchError
from connector.ingest.look import look
from connector.ingest.reports import Progress, StreamReport, Wish
from connector.ingest.snapshot import Snapshot, kinds_of, snapshot_of
from connector.model.kinds import RunOutcome, SyncMode
from connector.sdk.adapter import Backfills, Batch, Clock, Cursor, Pulls, Stream
from connector.sdk.ahead import going_on, read_ahead
from connector.sdk.connection import Connection
from connector.sdk.errors import AdapterError
from connector.storage.database.engine import (
    Database,
    DatabaseRefusal,
    Transaction,
    in_reading,
    in_transaction,
    transaction,
)
from connector.storage.database.statistics import Statistics
from connector.storage.sources.refs import newest_ref
from connector.storage.sources.runs import NewRun, last_seen, record_run
from connector.storage.sources.sources import (
    LEASE,
    StreamPosition,
    drop_lease,
    finish_stream,
    hold_lease,
    save_backfill,
    save_resume,
    source_condition,
    take_lease,
)

log = logging.getLogger("connector.ingest")

UNDER_WAY: Final[set[str]] = set()
"""The leases of this process's pulls; one that the database says it has beside these is left from a pull that could not
give it back.
"""


class _LeaseLostError(Exception):
    """Another process has taken the stream over."""


class PluginError(Exception):
    """The adapter raised; the reason is the cause."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a pull of a stream. since: from where.

    is_aside: where it goes on is kept apart, for a backfill. is_anew: that is not kept before its end.
    """

    mode: SyncMode
    since: Cursor | None
    is_aside: bool = False
    is_anew: bool = False


class StreamPull:
    """A pull of one source, stream by stream.

    report: how far the stream under way has come. leg: which part of its pull. end: where it goes on, if that is not
    saved before it has ended. passed: where it goes on after batches in which nothing was new; saved with the next one
    that is written, or when the stream ends or fails. reports, alarms: of the streams so far. is_quiet: nothing was new
    in the last batch. held: when the lease was last made sure of. began: when the stream under way was first asked.
    """

    def __init__(
        self,
        engine: Database,
        connection: Connection,
        source_id: int,
        clock: Clock,
        *,
        wish: Wish,
        progress: Progress | None,
        guard: Guard,
    ) -> None:
        self.engine = engine
        self.connection = connection
        self.source_id = source_id
        self.clock = clock
        self.wish = wish
        self.progress = progress
        self.guard = guard
        self.tally = Tally(guard, source_id, "", (), 0)
        self.reports: list[StreamReport] = []
        self.alarms: list[str] = []
        self.actor = f"source:{connection.name}"
        self.token = uuid4().hex
        self.report = StreamReport("", "pulled")
        self.leg = Leg(SyncMode.CHANGES, None)
        self.end: str | None = None
        self.passed: str | None = None
        self.is_quiet = True
        self.held = self.began = clock.now()
        self.statistics = Statistics(engine)

    async def all(self, streams: Sequence[Stream]) -> None:
        """Pull streams in this order, up to one of which the guard stops a change. Raises PluginError."""
        for stream in streams:
            try:
                alarm = await self._stream(stream)
            except PluginError:
                self.reports.append(replace(self.report, outcome="failed"))
                raise
            except TooMuchError as error:
                self.reports.append(replace(self.report, outcome="stopped"))
                self.alarms.append(f"{error}: {error.done:,} of them did, and nothing further was written.")
                return
            self.reports.append(self.report)
            self.alarms += [alarm] if alarm else []

    async def _stream(self, stream: Stream) -> str | None:
        """Pull one stream to its end, and note in the history how that went; why a snapshot retired nothing, if so."""
        self.report, self.end, self.passed, self.is_quiet = StreamReport(stream.name, "pulled"), None, None, True
        self.held = self.began = self.clock.now()
        UNDER_WAY.add(self.token)
        try:
            return await self._leased(stream)
        finally:
            UNDER_WAY.discard(self.token)

    async def _leased(self, stream: Stream) -> str | None:
        """The same, while its lease is known to be under way."""
        legs, newest = await self._begin(stream)
        if not legs:
            self.report = replace(self.report, outcome="busy")
            return None
        self.tally = Tally(self.guard, self.source_id, stream.name, kinds_of(stream), newest)
        outcome, trouble, alarm = RunOutcome.BROKEN_OFF, None, None
        try:
            for self.leg in legs:
                alarm = await self._pull(stream, snapshot_of(stream, self.leg.since, newest, self.guard.retired))
            if alarm is None:
                await self._finish(stream)
            outcome, trouble = (RunOutcome.STOPPED, alarm) if alarm else (RunOutcome.PULLED, None)
        except _LeaseLostError:
            log.warning("another process has taken over stream %s of source %s", stream.name, self.connection.name)
            self.report, alarm = replace(self.report, outcome="busy"), None
        except PluginError as error:
            outcome, trouble = RunOutcome.FAILED, self._told(error.__cause__)
            raise
        except TooMuchError as error:
            outcome, trouble = RunOutcome.STOPPED, str(error)
            raise
        finally:
            run = self._run(legs[0].mode, outcome, trouble)
            async with transaction(self.engine) as tx:
                if self.passed is not None and await self._hold(tx, stream):
                    await self._save(tx, stream, self.passed)
                await drop_lease(tx, self.source_id, stream.name, token=self.token)
                await record_run(tx, self.source_id, run, at=self.clock.now())
        return alarm

    async def _begin(self, stream: Stream) -> tuple[list[Leg], int]:
        """Become the one who pulls a stream: in which parts, none when it cannot be; the newest reference by then."""
        name, at = stream.name, self.clock.now()
        async with transaction(self.engine) as tx:
            if (await source_condition(tx, self.source_id)).paused_by is not None:
                return [], 0
            position = await take_lease(tx, self.source_id, name, token=self.token, at=at)
            if position is None:
                return [], 0
            legs = self._legs(stream, position)
            first = legs[0]
            if first.mode is SyncMode.BACKFILL and first.since is not None:
                save = save_backfill if first.is_aside else save_resume
                await save(tx, self.source_id, name, first.since)
            seen = await last_seen(tx, self.source_id, name, first.mode) if first.mode is SyncMode.FULL else None
            newest = await newest_ref(tx)
        self.report = replace(self.report, expected=seen)
        return legs, newest

    def _legs(self, stream: Stream, position: StreamPosition) -> list[Leg]:
        """In which parts a stream is pulled: a backfill goes first, and one that was broken off goes on."""
        resume, is_snapshot = position.resume, stream.mode == "snapshot"
        is_full = resume is None or is_snapshot
        usual = Leg(SyncMode.FULL if is_full else SyncMode.CHANGES, resume, is_anew=is_snapshot)
        adapter, since = self.connection.adapter, self.wish.since
        if since is not None and stream.mode == "incremental" and isinstance(adapter, Backfills):
            cursor = adapter.cursor_since(stream, since)
            if cursor is not None and resume is None:
                return [Leg(SyncMode.BACKFILL, cursor)]
            if cursor is not None:
                return [Leg(SyncMode.BACKFILL, cursor, is_aside=True), usual]
        if self.wish.full or since is not None:
            return [Leg(SyncMode.FULL, None, is_anew=True)]
        if position.backfill is not None:
            return [Leg(SyncMode.BACKFILL, position.backfill, is_aside=True), usual]
        return [usual]

    async def _pull(self, stream: Stream, snapshot: Snapshot | None) -> str | None:
        """Pull a part of a stream to its end."""
        alarm: str | None = None
        batches = read_ahead(self._batches(stream, self.leg.since))
        async with aclosing(batches):
            async for batch in batches:
                alarm = await self._take(stream, batch, snapshot) or alarm
        if self.leg.is_aside:
            self.passed = None
            async with transaction(self.engine) as tx:
                if not await self._hold(tx, stream):
                    raise _LeaseLostError
                await save_backfill(tx, self.source_id, stream.name, None)
        return alarm

    def _run(self, mode: SyncMode, outcome: RunOutcome, trouble: str | None) -> NewRun:
        """What the history says of the pull of a stream."""
        told = self.report
        return NewRun(
            told.name, mode, outcome, self.wish.by, self.began, told.seen, told.created, told.updated, told.deleted,
            told.unchanged, told.quarantined, trouble,
        )  # fmt: skip

    def _told(self, error: BaseException | None) -> str:
        """What failed, for people."""
        text = str(error) if isinstance(error, AdapterError) else f"{type(error).__name__}: {error}"
        return self.connection.http.redact(text)

    async def _save(self, tx: Transaction, stream: Stream, cursor: Cursor) -> None:
        save = save_backfill if self.leg.is_aside else save_resume
        await save(tx, self.source_id, stream.name, cursor)

    async def _batches(self, stream: Stream, since: str | None) -> AsyncGenerator[Batch, None]:
        """What the adapter yields; whatever it raises is told apart from failures of the hub."""
        adapter = cast(Pulls, self.connection.adapter)
        try:
            iterator = going_on(adapter.pull(stream, since), stream.name)
        except Exception as error:
            raise PluginError from error
        try:
            while True:
                try:
                    batch = await anext(iterator)
                except StopAsyncIteration:
                    return
                except Exception as error:
                    raise PluginError from error
                yield batch
        finally:
            with suppress(Exception):
                await iterator.aclose()

    async def _take(self, stream: Stream, batch: Batch, snapshot: Snapshot | None) -> str | None:
        """Apply a batch in one transaction, as long as the stream is ours. Returns the alarm.

        Where a stream goes on is saved with each batch, but not while everything is read anew: half of a snapshot
        is no place to go on from, and what changed meanwhile is found from where the last pull ended.
        """
        self.end = None
        if batch.total is not None:
            self.report = replace(self.report, expected=max(batch.total, self.report.seen))
        if self.leg.is_anew and not batch.complete:
            self.end = batch.resume if stream.mode == "incremental" else None
            batch = replace(batch, resume=None)
        try:
            alarm = await self._apply(stream, batch, snapshot)
        except DatabaseRefusal:
            alarm = await self._one_by_one(stream, batch, snapshot)
        except MakingError as error:
            raise PluginError from error.__cause__
        if self.progress is not None:
            self.progress(self.report)
        return alarm

    async def _apply(self, stream: Stream, batch: Batch, snapshot: Snapshot | None) -> str | None:
        """Apply a batch. While nothing is new it is only looked at, which waits for nobody and holds up nobody."""
        now = self.clock.now()

        async def take(tx: Transaction) -> Applied:
            if not await self._hold(tx, stream):
                raise _LeaseLostError
            said = replace(batch, resume=None) if self.leg.is_aside else batch
            done = await apply(
                tx, self.source_id, stream.name, said, actor=self.actor, at=now, snapshot=snapshot,
                hearing=lambda _: Heard(by=now, since=self.began),
            )  # fmt: skip
            if self.leg.is_aside and batch.resume is not None:
                await save_backfill(tx, self.source_id, stream.name, batch.resume)
            await self.tally.admit(tx, done, is_complete=batch.complete)
            return done

        applied: Applied | None = None
        if self.is_quiet and now - self.held < LEASE / 2:
            applied = await in_reading(self.engine, lambda tx: look(tx, self.source_id, batch, snapshot))
        if applied is not None:
            self.passed = batch.resume or self.passed
        else:
            applied = await in_transaction(self.engine, take)
            await self.statistics.made(applied.created)
            self.held = now
            self.passed = None if batch.resume else self.passed
        self.is_quiet = applied.unchanged == applied.seen
        self.report = self.report.plus(applied)
        return applied.alarm

    async def _hold(self, tx: Transaction, stream: Stream) -> bool:
        return await hold_lease(tx, self.source_id, stream.name, token=self.token, at=self.clock.now())

    async def _one_by_one(self, stream: Stream, batch: Batch, snapshot: Snapshot | None) -> str | None:
        """Apply each record by itself and keep those that the database refuses; where the stream goes on, comes last.

        One record that cannot be stored must not hold up the others, nor the source for ever.
        """
        for item in batch.records:
            try:
                await self._apply(stream, Batch(records=(item,)), snapshot)
            except DatabaseRefusal as error:
                refused = Batch(records=(), rejected=(refusal(item, error),))
                await self._apply(stream, refused, snapshot)
        return await self._apply(stream, replace(batch, records=()), snapshot)

    async def _finish(self, stream: Stream) -> None:
        changed = self.report.created + self.report.updated + self.report.deleted
        async with transaction(self.engine) as tx:
            if not await self._hold(tx, stream):
                raise _LeaseLostError
            if self.end is not None:
                await save_resume(tx, self.source_id, stream.name, self.end)
            await finish_stream(
                tx, self.source_id, stream.name, seen=self.report.seen, changed=changed, at=self.clock.now()
            )
