"""Deals with webhooks as they come: each source on its own, so that a slow one holds up no other."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from connector.hub import Hub
from connector.ingest.inbox import process_source
from connector.storage.database.engine import reading, transaction
from connector.storage.sources.inbox import due_sources, release_claims

log = logging.getLogger("connector")

POLL_S: Final = 1.0


class Inbox:
    """The webhooks of this hub's sources. holder: the incarnation of this process, by which it claims them."""

    def __init__(self, hub: Hub, holder: str) -> None:
        self._hub = hub
        self._holder = holder
        self._arrived = asyncio.Event()
        self._dealing: dict[str, asyncio.Task[None]] = {}
        self._broken_off: set[str] = set()
        self._is_away = False

    async def arrived(self) -> None:
        """A webhook was stored."""
        self.wake()

    def wake(self) -> None:
        """Look whether one was."""
        self._arrived.set()

    async def run(self) -> None:
        """Until cancelled: what is waiting now, then whatever comes; those that are to be tried again, in time."""
        try:
            while self._hub.connections:
                self._arrived.clear()
                await self._look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._arrived.wait()
        finally:
            for task in self._dealing.values():
                task.cancel()
            await asyncio.gather(*self._dealing.values(), return_exceptions=True)

    async def _look(self) -> None:
        """Begin to deal with what waits of sources that are not being dealt with."""
        free = [name for name in self._hub.connections if name not in self._dealing]
        if not free:
            return
        try:
            if self._broken_off:
                await self._give_back()
            async with reading(self._hub.database) as tx:
                due = await due_sources(tx, free, at=self._hub.clock.now())
        except Exception:  # the database may be away for a while; that is said once
            if not self._is_away:
                log.exception("webhooks cannot be dealt with; they are tried again each second")
            self._is_away = True
            return
        self._is_away = False
        for name in due:
            self._dealing[name] = asyncio.create_task(self._deal_with(name), name=f"inbox {name}")

    async def _deal_with(self, name: str) -> None:
        hub = self._hub
        try:
            while await process_source(hub.database, hub.connections[name], clock=hub.clock):
                continue
        except Exception:
            log.exception("webhooks of source %s could not be dealt with; they are tried again", name)
            self._broken_off.add(name)
        else:
            self._arrived.set()
        finally:
            del self._dealing[name]

    async def _give_back(self) -> None:
        """Free what was claimed when dealing with it broke off, so that it need not wait until the claim runs out."""
        for name in list(self._broken_off - self._dealing.keys()):
            async with transaction(self._hub.database) as tx:
                await release_claims(tx, self._holder, source=name)
            self._broken_off.discard(name)
