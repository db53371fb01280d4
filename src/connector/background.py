"""What a process does behind the application: it deals with webhooks, pulls the sources, fulfils, and takes over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from math import inf
from typing import Any

from connector.fulfilment.engine import EVERY_HOUR, EVERY_MINUTE, FulfilmentEngine
from connector.fulfilment.roads import measure_roads
from connector.fulfilment.suppliers import require_suppliers
from connector.hub import Hub
from connector.inbox import Inbox
from connector.ingest.tending import tend_golden_record
from connector.leading import lead
from connector.processes import Process
from connector.rules.policy.reading import InvalidPolicy
from connector.schedules import forget_old_runs, pull_or_log, schedule_pulls
from connector.sdk.travel import TravelConnection, connect_travel_times
from connector.storage.audit.sealing import seal
from connector.storage.database.engine import reading, wake_on_commit
from connector.storage.database.outages import until_there
from connector.storage.policies.policies import active_policy_text
from connector.storage.quality.days import Measured, measure_if_due
from connector.storage.sources.sources import sources_pulled_since
from connector.takeover import Takeover
from connector.watching import watch_sources

log = logging.getLogger("connector")

TENDING = "*/5 * * * *"
"""When overrides end by themselves, and sources that are not heard of yield."""
WATCHING = "watching of sources"
"""What one process does for all, see `connector.leading`."""


class Background:
    """All of it, for one process of a hub. beside: what else runs as long."""

    def __init__(self, hub: Hub, fulfilment: FulfilmentEngine, process: Process) -> None:
        self._hub = hub
        self._fulfilment = fulfilment
        self._process = process
        self.inbox = Inbox(hub, fulfilment.presence.me.incarnation)
        self.takeover = Takeover(hub.database, hub.clock, fulfilment)
        self.beside: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._roads: TravelConnection | None = None
        if fulfilment.works:
            self._schedule()
            self._tell_others()

    async def run(self, answering: asyncio.Event) -> None:
        """Until cancelled. Raises what it cannot go on without. answering: set once the application answers."""
        async with asyncio.TaskGroup() as tasks:
            if self._fulfilment.works:
                tasks.create_task(self.inbox.run(), name="inbox")
                if self._hub.settings.redis is not None and self._hub.settings.server.role == "worker":
                    tasks.create_task(self._listen(self._hub.settings.redis), name="wake")
            for work in self.beside:
                tasks.create_task(work())
            tasks.create_task(self._begin(answering), name="begin")

    async def aclose(self) -> None:
        """Close what it opened."""
        if self._roads is not None:
            await self._roads.aclose()

    def _schedule(self) -> None:
        hub, fulfilment = self._hub, self._fulfilment
        for name in hub.connections:
            schedule_pulls(hub, fulfilment, name)
        fulfilment.schedule("golden-record", TENDING, partial(_tend, hub))
        fulfilment.schedule("forget-runs", "41 3 * * *", partial(forget_old_runs, hub))
        fulfilment.schedule("seal-log", EVERY_MINUTE, partial(seal, hub.database, hub.clock.now))
        fulfilment.schedule("measure-quality", EVERY_HOUR, partial(_measure_quality, hub))
        self._roads = _roads(hub, fulfilment)

    def _tell_others(self) -> None:
        """Tell other systems what happens, where some are configured."""
        hub = self._hub
        if not hub.settings.events:
            return
        from connector.endpoints import endpoints_of  # most hubs tell nobody
        from connector.outbound.telling import Telling

        telling = Telling(
            hub.database,
            endpoints_of(hub.settings),
            clock=hub.clock,
            holder=self._fulfilment.presence.me.incarnation,
            egress=hub.settings.egress.rules,
        )
        wake_on_commit(hub.database, telling.wake)
        self.beside.append(telling.run)

    async def _begin(self, answering: asyncio.Event) -> None:
        """Launch durable execution; then see to the sources, if no other process does."""
        await answering.wait()
        try:
            await until_there(self._fulfilment.launch, patience_s=inf)
        except Exception:
            log.exception("durable execution could not be launched: nothing can be sourced, so the hub ends")
            raise
        finally:
            self._process.tell_serves()
        if not self._fulfilment.works:
            await self.takeover.run()
            return
        await until_there(partial(_read_policy, self._hub), patience_s=inf)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.takeover.run())
            tasks.create_task(lead(self._fulfilment.presence, WATCHING, self._see_to_sources))

    async def _see_to_sources(self) -> None:
        """Watch the sources, and pull those that were not since the hub began, each at its own pace."""
        hub = self._hub
        await _tend(hub)
        async with reading(hub.database) as tx:
            are_pulled = await sources_pulled_since(tx, self.takeover.since)
        wanted = [name for name in hub.connections if hub.settings.sources[name].schedule and name not in are_pulled]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch_sources(hub, pull_or_log))
            for name in wanted:
                tasks.create_task(pull_or_log(hub, name, None, by="start"))

    async def _listen(self, redis: str) -> None:
        """Look at once where another process has committed something."""
        from connector.api.wake import listen  # Redis takes a while to import, and most hubs have none

        def wake() -> None:
            self._fulfilment.reactor.wake()
            self.inbox.wake()

        await listen(redis, wake)


async def _read_policy(hub: Hub) -> None:
    """Read the active policy before the first decision needs it, and say so when this hub cannot use all of it."""
    async with reading(hub.database) as tx:
        text = await active_policy_text(tx)
        try:
            policy = await hub.policy.now(tx)
        except InvalidPolicy as error:
            log.error("nothing is sourced until another policy is activated: %s", error.message)
            return
    try:
        require_suppliers(text or "", hub.connections, broken=hub.broken, source=policy.version)
    except InvalidPolicy as error:
        log.error("nothing is ordered from these suppliers of the active policy: %s", error.message)


async def _measure_quality(hub: Hub) -> Measured | None:
    """Measure how good the data is, once a day: at the first hour of it at which the hub is there."""
    return await measure_if_due(hub.database, hub.measuring.terms(hub.clock.now()), kept=hub.measuring.kept)


def _roads(hub: Hub, fulfilment: FulfilmentEngine) -> TravelConnection | None:
    """Measure roads by the schedule of the provider, where one is configured."""
    given = hub.settings.travel_time
    if not given.provider:
        return None
    connection = connect_travel_times(
        given.provider, given.provider_settings(), clock=hub.clock, egress=hub.settings.egress.rules
    )
    fulfilment.schedule(
        "measure-roads",
        given.schedule,
        partial(
            measure_roads,
            hub.database,
            connection,
            clock=hub.clock,
            within_km=given.within_km,
            max_age=timedelta(days=given.max_age_days),
        ),
    )
    return connection


async def _tend(hub: Hub) -> None:
    """See to golden values: what is configured now, and what time has ended."""
    identity = hub.settings.identity
    try:
        await tend_golden_record(hub.database, hub.clock, identity.precedence, identity.fresh_days)
    except Exception:
        log.exception("golden values could not be seen to; it is tried again at the next time")
