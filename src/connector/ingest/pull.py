"""Pulling a source: stream after stream, batch after batch, each batch one transaction.

One source's trouble is its own: whatever its adapter does, the condition of the source says so in words that a
user can act on, and everything else goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeAlias

from connector.ingest.asking import with_parcels
from connector.ingest.conditions import Condition, after_failure
from connector.ingest.guard import GUARD, Guard
from connector.ingest.replay import replay_arrived
from connector.ingest.reports import SCHEDULE, Ended, Outcome, Progress, PullReport, Wish
from connector.ingest.stream_pull import PluginError, StreamPull
from connector.model.errors import InvalidInput
from connector.model.kinds import SourceState
from connector.sdk.adapter import Clock, Pulls, Stream
from connector.sdk.connection import Connection
from connector.storage.database.engine import Database, transaction
from connector.storage.sources import pauses
from connector.storage.sources.sources import Condition as SourceCondition
from connector.storage.sources.sources import register_source, set_condition, source_condition, source_ids

log = logging.getLogger("connector.ingest")

Propose: TypeAlias = Callable[[], Awaitable[int | None]]
"""Keeps a plan of what the guard stopped; its number, None when there is none."""


async def pull_source(
    engine: Database,
    connection: Connection,
    *,
    clock: Clock,
    streams: Sequence[str] | None = None,
    full: bool = False,
    since: datetime | None = None,
    by: str = SCHEDULE,
    progress: Progress | None = None,
    resume: bool = False,
    guard: Guard = GUARD,
    propose: Propose | None = None,
    ended: Ended | None = None,
) -> PullReport:
    """Pull a source's streams in order and take over what they bring.

    streams: only these. full: everything anew, not just what changed. since: what has changed from then on as well, or
    everything where the adapter cannot say so; it goes on later where it was broken off. by: who wants it. resume: also
    when the source backs off or has stopped, but not when it is paused. guard: how much it may retire and change
    unasked; beyond that the source is paused, and what it wants is kept by `propose`. Whatever breaks a pull off, the
    next one takes over what is left.
    Raises InvalidInput for a stream that the adapter does not have; failures of the source are in the report.
    """
    connection = with_parcels(engine, connection, clock)
    wanted = streams_of(connection, streams)
    async with transaction(engine) as tx:
        known = (await source_ids(tx)).get(connection.name)
        source_id = known or await register_source(
            tx, name=connection.name, adapter=connection.adapter_name, at=clock.now()
        )
        condition = await source_condition(tx, source_id)
        if condition.paused_by is not None:
            return PullReport(connection.name, "skipped", SourceState.PAUSED, error=_paused(connection.name, condition))
        waiting = condition.not_before is not None and clock.now() < condition.not_before
        stopped = condition.state in (SourceState.PAUSED, SourceState.DISABLED)
        if not resume and (waiting or stopped):
            return PullReport(connection.name, "skipped", condition.state)
        await set_condition(
            tx, source_id, state=SourceState.RUNNING, at=clock.now(), failures=condition.failures,
            not_before=condition.not_before,
        )  # fmt: skip
    wish = Wish(full, since, by)
    pull = StreamPull(engine, connection, source_id, clock, wish=wish, progress=progress, guard=guard)
    failure: BaseException | None = None
    try:
        await pull.all(wanted)
    except PluginError as error:
        failure = error.__cause__
    except BaseException as error:
        with suppress(Exception):
            message = f"the pull was broken off: {type(error).__name__}"
            broken_off = Condition(SourceState.BACKING_OFF, message, condition.failures)
            async with transaction(engine) as tx:
                await broken_off.record(tx, source_id, at=clock.now())
        raise
    reports = tuple(pull.reports)
    if pull.alarms:
        return await _stop(engine, connection, source_id, clock, pull, propose=propose, ended=ended)
    replayed = await replay_arrived(engine, source_id, actor=pull.actor, clock=clock)
    if failure is None and reports and all(report.outcome == "busy" for report in reports):
        return PullReport(connection.name, "busy", SourceState.RUNNING, reports, replayed)
    if failure is not None:
        found = after_failure(connection, failure, condition.failures, where=pull.report.name, at=clock.now())
    else:
        found = Condition(SourceState.OK, None)
    outcome: Outcome = "pulled" if failure is None else "failed"
    told = PullReport(connection.name, outcome, found.state, reports, replayed, found.error)
    async with transaction(engine) as tx:
        await found.record(tx, source_id, at=clock.now())
        if ended is not None:
            await ended(tx, told)
    return told


async def _stop(
    engine: Database,
    connection: Connection,
    source_id: int,
    clock: Clock,
    pull: StreamPull,
    *,
    propose: Propose | None,
    ended: Ended | None,
) -> PullReport:
    """Pause a source of which the guard has stopped a pull, and keep a plan of what it wants."""
    name, reason = connection.name, " ".join(pull.alarms)
    async with transaction(engine) as tx:
        if (await source_condition(tx, source_id)).paused_by is None:
            await pauses.pause_source(tx, source_id, by=pauses.GUARD, reason=reason, at=clock.now())
    number: int | None = None
    if propose is not None:
        try:
            number = await propose()
        except Exception:
            log.exception("what the guard stopped of source %r could not be planned", name)
    made = f"connector plans show {number}" if number else f"connector sync {name} --plan --save --exceed-limit"
    message = (
        f"{reason} The source is paused. Look at all that it wants: {made}; approve and apply that plan, or mend the "
        f"source and let it go on: connector sources resume {name}."
    )
    told = PullReport(name, "stopped", SourceState.PAUSED, tuple(pull.reports), error=message, plan=number)
    async with transaction(engine) as tx:
        await Condition(SourceState.PAUSED, message).record(tx, source_id, at=clock.now())
        if ended is not None:
            await ended(tx, told)
    log.warning("source %s was stopped by the guard: %s", name, message)
    return told


def _paused(name: str, found: SourceCondition) -> str:
    return (
        f"source {name!r} is paused by {found.paused_by}: {found.pause_reason} Let it go on: "
        f"connector sources resume {name}."
    )


def streams_of(connection: Connection, names: Sequence[str] | None) -> tuple[Stream, ...]:
    """The streams of a source, or those of them that are named. Raises InvalidInput for one that it does not have."""
    adapter = connection.adapter
    offered = adapter.streams() if isinstance(adapter, Pulls) else ()
    unknown = sorted(set(names or ()) - {stream.name for stream in offered})
    if unknown:
        known = ", ".join(stream.name for stream in offered) or "none"
        raise InvalidInput(
            f"source {connection.name!r} has no stream {', '.join(map(repr, unknown))}", hint=f"It has: {known}."
        )
    return tuple(stream for stream in offered if names is None or stream.name in names)
