"""Syncing a source under its guard: what it stops is kept as a plan, for somebody to approve."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from connector.ingest.guard import GUARD, UNGUARDED, Guard
from connector.ingest.planned import keep
from connector.ingest.pull import pull_source
from connector.ingest.rehearsal import rehearse
from connector.ingest.reports import SCHEDULE, Ended, Progress, PullReport
from connector.sdk.adapter import Clock
from connector.sdk.connection import Connection
from connector.sdk.errors import AdapterError
from connector.storage.database.engine import Database
from connector.storage.sources import pauses

log = logging.getLogger("connector.ingest")


async def sync_source(
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
    ended: Ended | None = None,
) -> PullReport:
    """`pull_source`, which says what the arguments mean; of what the guard stops a plan is kept, of all streams.

    The source is read once more for it. Where it cannot be, the report has no plan.
    """

    async def propose() -> int | None:
        names = None if streams is None else list(streams)
        try:
            plan = await rehearse(engine, connection, clock=clock, streams=names, full=full, guard=UNGUARDED)
        except AdapterError as error:
            why = connection.http.redact(str(error))
            log.warning("no plan is kept of what the guard stopped: source %s failed: %s", connection.name, why)
            return None
        with plan:
            return await keep(engine, plan, streams=names, full=full, exceeds_limit=True, by=pauses.GUARD)

    return await pull_source(
        engine, connection, clock=clock, streams=streams, full=full, since=since, by=by, progress=progress,
        resume=resume, guard=guard, propose=propose, ended=ended,
    )  # fmt: skip
