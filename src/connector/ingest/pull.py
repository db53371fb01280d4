"""Pulling a source: stream after stream, batch after batch, each batch one transaction.

One source's trouble is its own: whatever its adapter does, the condition of the source says so in words that a
user can act on, and everything else goes on.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast
from uuid import uuid4

from connector.ingest.applied import Applied
from connector.ingest.apply import MakingError, apply, refusal
from connector.ingest.conditions import Condition, after_failure
from connector.ingest.look import look
from connector.ingest.replay import replay_arrived
from connector.ingest.snapshot import KIND_OF, RetireLimit, Snapshot
from connector.model.errors import InvalidInput
from connector.model.kinds import SourceState
from connector.sdk.adapter import Batch, Clock, Pulls, Stream
from connector.sdk.ahead import read_ahead
from connector.sdk.connection import Connection
from connector.storage.database.engine import (
    Database,
    DatabaseRefusal,
    Transaction,
    in_reading,
    in_transaction,
    transaction,
)
from connector.storage.sources.refs import newest_ref
from connector.storage.sources.sources import (
    LEASE,
    drop_lease,
    finish_stream,
    hold_lease,
    register_source,
    save_resume,
    set_condition,
    source_condition,
    source_ids,
    take_lease,
)

log = logging.getLogger("connector.ingest")

RETIRE_LIMIT = RetireLimit()

Outcome: TypeAlias = Literal["pulled", "failed", "skipped", "busy"]


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What a pull of one stream came to. outcome: "busy" when another process is pulling it."""

    name: str
    outcome: Outcome
    seen: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    quarantined: int = 0

    def plus(self, applied: Applied) -> StreamReport:
        """With another batch."""
        return replace(
            self,
            seen=self.seen + applied.seen,
            created=self.created + applied.created,
            updated=self.updated + applied.updated,
            deleted=self.deleted + applied.deleted,
            unchanged=self.unchanged + applied.unchanged,
            quarantined=self.quarantined + applied.quarantined,
        )


@dataclass(frozen=True, slots=True)
class PullReport:
    """What a pull of a source came to. error: what users are shown, None when all went well.

    outcome: "skipped" while the source backs off, is paused or disabled. replayed: quarantined records that could
    be applied because of it.
    """

    source: str
    outcome: Outcome
    state: SourceState
    streams: tuple[StreamReport, ...] = ()
    replayed: int = 0
    error: str | None = None


Progress: TypeAlias = Callable[[StreamReport], None]
"""Told after each batch how far the stream has come."""
Ended: TypeAlias = Callable[[Transaction, PullReport], Awaitable[None]]
"""Told what a pull came to, in the transaction in which it ends; not of one that others were busy with."""


class _LeaseLostError(Exception):
    """Another process has taken the stream over."""


class _PluginError(Exception):
    """The adapter raised; the reason is the cause."""


async def pull_source(
    engine: Database,
    connection: Connection,
    *,
    clock: Clock,
    streams: Sequence[str] | None = None,
    full: bool = False,
    progress: Progress | None = None,
    resume: bool = False,
    retire_limit: RetireLimit = RETIRE_LIMIT,
    ended: Ended | None = None,
) -> PullReport:
    """Pull a source's streams in order and take over what they bring.

    streams: only these. full: everything anew, not just what changed. resume: also when the source backs off or
    has stopped. retire_limit: how much a snapshot may let go without being asked for. Whatever breaks it off, the next
    one takes over what is left.
    Raises InvalidInput for a stream that the adapter does not have; failures of the source are in the report.
    """
    wanted = _streams(connection, streams)
    async with transaction(engine) as tx:
        known = (await source_ids(tx)).get(connection.name)
        source_id = known or await register_source(
            tx, name=connection.name, adapter=connection.adapter_name, at=clock.now()
        )
        condition = await source_condition(tx, source_id)
        waiting = condition.not_before is not None and clock.now() < condition.not_before
        stopped = condition.state in (SourceState.PAUSED, SourceState.DISABLED)
        if not resume and (waiting or stopped):
            return PullReport(connection.name, "skipped", condition.state)
        await set_condition(
            tx, source_id, state=SourceState.RUNNING, at=clock.now(), failures=condition.failures,
            not_before=condition.not_before,
        )  # fmt: skip
    pull = _Pull(engine, connection, source_id, clock, full=full, progress=progress, retire_limit=retire_limit)
    reports: list[StreamReport] = []
    failure: BaseException | None = None
    alarms: list[str] = []
    try:
        for stream in wanted:
            report, alarm = await pull.stream(stream)
            reports.append(report)
            alarms += [alarm] if alarm else []
    except _PluginError as error:
        failure = error.__cause__
        reports.append(replace(pull.report, outcome="failed"))
    except BaseException as error:
        with suppress(Exception):
            message = f"the pull was broken off: {type(error).__name__}"
            broken_off = Condition(SourceState.BACKING_OFF, message, condition.failures)
            async with transaction(engine) as tx:
                await broken_off.record(tx, source_id, at=clock.now())
        raise
    replayed = await replay_arrived(engine, source_id, actor=pull.actor, clock=clock)
    if failure is None and reports and all(report.outcome == "busy" for report in reports):
        return PullReport(connection.name, "busy", SourceState.RUNNING, tuple(reports), replayed)
    if failure is not None:
        found = after_failure(connection, failure, condition.failures, where=pull.report.name, at=clock.now())
    else:
        found = Condition(SourceState.PAUSED if alarms else SourceState.OK, " ".join(alarms) or None)
    outcome: Outcome = "pulled" if failure is None else "failed"
    told = PullReport(connection.name, outcome, found.state, tuple(reports), replayed, found.error)
    async with transaction(engine) as tx:
        await found.record(tx, source_id, at=clock.now())
        if ended is not None:
            await ended(tx, told)
    return told


class _Pull:
    """One pull of one source.

    report: how far the stream under way has come. end: where it goes on, if that is not saved before it has ended.
    passed: where it goes on after batches in which nothing was new; saved with the next one that is written, or when
    the stream ends or fails. is_quiet: nothing was new in the last batch. held: when the lease was last made sure of.
    """

    def __init__(
        self,
        engine: Database,
        connection: Connection,
        source_id: int,
        clock: Clock,
        *,
        full: bool,
        progress: Progress | None,
        retire_limit: RetireLimit,
    ) -> None:
        self.engine = engine
        self.connection = connection
        self.source_id = source_id
        self.clock = clock
        self.full = full
        self.progress = progress
        self.retire_limit = retire_limit
        self.actor = f"source:{connection.name}"
        self.token = uuid4().hex
        self.report = StreamReport("", "pulled")
        self.end: str | None = None
        self.passed: str | None = None
        self.is_quiet = True
        self.held = clock.now()

    async def stream(self, stream: Stream) -> tuple[StreamReport, str | None]:
        """Pull one stream to its end; returns the report and why a snapshot retired nothing, if so."""
        self.report, self.end, self.passed, self.is_quiet = StreamReport(stream.name, "pulled"), None, None, True
        self.held = self.clock.now()
        async with transaction(self.engine) as tx:
            position = await take_lease(tx, self.source_id, stream.name, token=self.token, at=self.clock.now())
            newest = await newest_ref(tx)
        if position is None:
            return replace(self.report, outcome="busy"), None
        since = None if self.full else position.resume
        snapshot = None
        if stream.mode == "snapshot" or since is None:
            kinds = {KIND_OF[stream.record]} if stream.record in KIND_OF else set()
            snapshot = Snapshot(kinds=kinds, newest=newest, limit=self.retire_limit)
        alarm: str | None = None
        try:
            batches = read_ahead(self._batches(stream, since))
            async with aclosing(batches):
                async for batch in batches:
                    alarm = await self._take(stream, batch, snapshot) or alarm
            if alarm is None:
                await self._finish(stream)
        except _LeaseLostError:
            log.warning("another process has taken over stream %s of source %s", stream.name, self.connection.name)
            return replace(self.report, outcome="busy"), None
        finally:
            async with transaction(self.engine) as tx:
                if self.passed is not None and await self._hold(tx, stream):
                    await save_resume(tx, self.source_id, stream.name, self.passed)
                await drop_lease(tx, self.source_id, stream.name, token=self.token)
        return self.report, alarm

    async def _batches(self, stream: Stream, since: str | None) -> AsyncGenerator[Batch, None]:
        """What the adapter yields; whatever it raises is told apart from failures of the hub."""
        adapter = cast(Pulls, self.connection.adapter)
        try:
            iterator = adapter.pull(stream, since)
        except Exception as error:
            raise _PluginError from error
        try:
            while True:
                try:
                    batch = await anext(iterator)
                except StopAsyncIteration:
                    return
                except Exception as error:
                    raise _PluginError from error
                yield batch
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                with suppress(Exception):
                    await close()

    async def _take(self, stream: Stream, batch: Batch, snapshot: Snapshot | None) -> str | None:
        """Apply a batch in one transaction, as long as the stream is ours. Returns the alarm.

        Where a stream goes on is saved with each batch, but not while everything is read anew: half of a snapshot
        is no place to go on from, and what changed meanwhile is found from where the last pull ended.
        """
        self.end = None
        if (stream.mode == "snapshot" or self.full) and not batch.complete:
            self.end = batch.resume if stream.mode == "incremental" else None
            batch = replace(batch, resume=None)
        try:
            alarm = await self._apply(stream, batch, snapshot)
        except DatabaseRefusal:
            alarm = await self._one_by_one(stream, batch, snapshot)
        except MakingError as error:
            raise _PluginError from error.__cause__
        if self.progress is not None:
            self.progress(self.report)
        return alarm

    async def _apply(self, stream: Stream, batch: Batch, snapshot: Snapshot | None) -> str | None:
        """Apply a batch. While nothing is new it is only looked at, which waits for nobody and holds up nobody."""
        now = self.clock.now()

        async def take(tx: Transaction) -> Applied:
            if not await self._hold(tx, stream):
                raise _LeaseLostError
            return await apply(tx, self.source_id, stream.name, batch, actor=self.actor, at=now, snapshot=snapshot)

        applied: Applied | None = None
        if self.is_quiet and now - self.held < LEASE / 2:
            applied = await in_reading(self.engine, lambda tx: look(tx, self.source_id, batch, snapshot))
        if applied is not None:
            self.passed = batch.resume or self.passed
        else:
            applied = await in_transaction(self.engine, take)
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


def _streams(connection: Connection, names: Sequence[str] | None) -> tuple[Stream, ...]:
    adapter = connection.adapter
    offered = adapter.streams() if isinstance(adapter, Pulls) else ()
    unknown = sorted(set(names or ()) - {stream.name for stream in offered})
    if unknown:
        known = ", ".join(stream.name for stream in offered) or "none"
        raise InvalidInput(
            f"source {connection.name!r} has no stream {', '.join(map(repr, unknown))}", hint=f"It has: {known}."
        )
    return tuple(stream for stream in offered if names is None or stream.name in names)
