"""Looks at sources that can be watched, such as directories of sheets, and pulls what has changed without waiting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from connector.hub import Hub
from connector.ingest.reports import PullReport
from connector.sdk.adapter import Pulls, Watches
from connector.sdk.errors import AdapterError

log = logging.getLogger("connector")

WATCH: Final = "watch"
"""Who wants a pull that a change began."""


class Pull(Protocol):
    """Pulls streams of a source, and deals with whatever goes wrong."""

    def __call__(
        self, hub: Hub, name: str, streams: tuple[str, ...] | None, *, by: str
    ) -> Awaitable[PullReport | None]:
        """Pull these streams; None where the pull broke off. by: who wants it."""


async def watch_sources(hub: Hub, pull: Pull, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Until cancelled: watch every source that has a schedule, can be watched and may be.

    One without a schedule is pulled by hand alone, or as a plan says that somebody approved. pause: waits so many
    seconds.
    """
    async with asyncio.TaskGroup() as tasks:
        for name, connection in hub.connections.items():
            source, adapter = hub.settings.sources[name], connection.adapter
            if source.schedule and source.watch_seconds and isinstance(adapter, Watches) and isinstance(adapter, Pulls):
                order = tuple(stream.name for stream in adapter.streams())
                tasks.create_task(_Watch(hub, name, adapter, order).run(pull, pause, source.watch_seconds))


class _Watch:
    """What is known of one source. order: its streams, those that others refer to first."""

    def __init__(self, hub: Hub, name: str, adapter: Watches, order: tuple[str, ...]) -> None:
        self._hub, self._name, self._adapter, self._order = hub, name, adapter, order
        self._pulled: Mapping[str, str] | None = None
        self._before: Mapping[str, str] | None = None
        self._is_seen = True

    async def run(self, pull: Pull, pause: Callable[[float], Awaitable[None]], seconds: float) -> None:
        while True:
            await self._look(pull)
            await pause(seconds)

    async def _look(self, pull: Pull) -> None:
        try:
            now = await self._adapter.glance()
        except AdapterError as error:
            if self._is_seen:  # said once, not with every look
                log.warning("source %r cannot be watched, its schedule goes on: %s", self._name, error)
            self._is_seen = False
            return
        self._is_seen = True
        pulled = self._pulled = now if self._pulled is None else self._pulled
        is_still, self._before = now == self._before, now  # whoever is writing is waited for
        changed = tuple(stream for stream in self._order if now.get(stream) != pulled.get(stream))
        if changed and is_still:
            report = await pull(self._hub, self._name, changed, by=WATCH)
            busy = {each.name for each in report.streams if each.outcome == "busy"} if report else set()
            self._pulled = {**now, **{stream: pulled.get(stream, "") for stream in busy}}
