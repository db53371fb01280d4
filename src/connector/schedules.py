"""When a hub that serves pulls its sources: by their crons, and everything anew now and then."""

from __future__ import annotations

import asyncio
import logging
import random
from functools import partial
from typing import Final

from connector.fulfilment.engine import FulfilmentEngine
from connector.hub import Hub
from connector.ingest.asking import with_parcels
from connector.ingest.reports import SCHEDULE, PullReport
from connector.sdk.adapter import Pulls
from connector.storage.database.engine import transaction
from connector.storage.sources.runs import forget_runs

log = logging.getLogger("connector")

BUSY_PAUSE_SECONDS: Final = 30.0
BUSY_TRIES: Final = 120


def schedule_pulls(hub: Hub, fulfilment: FulfilmentEngine, name: str) -> None:
    """Pull a source by its cron, streams with a cron of their own by that; reconcile those that only tell changes."""
    source = hub.settings.sources[name]
    adapter = with_parcels(hub.database, hub.connections[name], hub.clock).adapter
    if not isinstance(adapter, Pulls):
        return
    schedule = partial(fulfilment.schedule, time_zone=source.schedule_time_zone)
    for stream, cron in source.schedules.items():
        schedule(f"pull-{name}-{stream}", cron, partial(_pull_later, hub, name, (stream,)))
    rest = tuple(stream.name for stream in adapter.streams() if stream.name not in source.schedules)
    if source.schedule and rest:
        schedule(f"pull-{name}", source.schedule, partial(_pull_later, hub, name, rest))
    told = tuple(stream.name for stream in adapter.streams() if stream.mode == "incremental")
    if source.full_schedule and told:
        schedule(f"pull-{name}-in-full", source.full_schedule, partial(_pull_later, hub, name, told, full=True))


async def forget_old_runs(hub: Hub) -> None:
    """Keep the history of pulls short."""
    async with transaction(hub.database) as tx:
        await forget_runs(tx, at=hub.clock.now())


async def pull_or_log(
    hub: Hub, name: str, streams: tuple[str, ...] | None, *, full: bool = False, by: str = SCHEDULE
) -> PullReport | None:
    """Pull a source; what goes wrong beyond it is logged, and its next time comes. by: who wants it."""
    try:
        return await hub.pull(name, streams, full=full, by=by)
    except Exception:
        log.exception("source %r could not be pulled; it is tried again at its next time", name)
        return None


async def _pull_later(hub: Hub, name: str, streams: tuple[str, ...] | None, *, full: bool = False) -> PullReport | None:
    """Pull a source a while after its time, so that sources with the same cron are not all asked at once.

    What is to be read anew and is being pulled at that moment is waited for: its next time may be a week away.
    """
    jitter = hub.settings.sources[name].schedule_jitter_seconds
    if jitter:
        await asyncio.sleep(random.uniform(0, jitter))  # noqa: S311 - spreads load, protects nothing
    report = await pull_or_log(hub, name, streams, full=full)
    for _ in range(BUSY_TRIES if full else 0):
        busy = tuple(stream.name for stream in report.streams if stream.outcome == "busy") if report else ()
        if not busy:
            break
        await asyncio.sleep(BUSY_PAUSE_SECONDS)
        report = await pull_or_log(hub, name, busy, full=full)
    return report
