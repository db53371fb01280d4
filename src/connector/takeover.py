"""Taking over from processes that are gone: what they had claimed is free again, what they had begun goes on.

A process that is killed, or whose machine is, leaves webhooks that it was dealing with, pulls and workflows. Others see
by its lock that it is gone (see `connector.storage.database.presence`) and go on with all of that within seconds; the
times by which claims run out are for processes that are there and got stuck.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from connector import __version__
from connector.fulfilment.engine import FulfilmentEngine
from connector.ingest.stream_pull import UNDER_WAY
from connector.sdk.adapter import Clock
from connector.storage.database.engine import Database, reading, transaction
from connector.storage.database.presence import Present, departed, enter, hub_since, leave
from connector.storage.outbound.deliveries import release_events
from connector.storage.sources.inbox import release_claims
from connector.storage.sources.sources import leases_of, release_leases

log = logging.getLogger("connector")

LOOK_S: Final = 1.0
MISSING_S: Final = 1.5
"""For how long a process is to be missing before others take over: a lost connection is there again sooner."""
RETURNING_S: Final = 10.0
"""After this process's own connection was lost, nobody is given up for so long: all may have lost theirs."""


class Takeover:
    """Sees which processes are gone, and goes on with what they left; one of those that see it does.

    since: when the hub began, by the process of those that were there at its start that began first.

    A process that is not there but alive, behind a broken network, does no harm: what it applies is applied again to
    the same effect, what it claimed is not its own any more.
    """

    def __init__(self, database: Database, clock: Clock, fulfilment: FulfilmentEngine) -> None:
        self._database = database
        self._clock = clock
        self._fulfilment = fulfilment
        self._presence = fulfilment.presence
        self._me = fulfilment.presence.me
        self._missing: dict[Present, float] = {}
        self._quiet_until = 0.0
        self.since = clock.now()

    async def enter(self) -> None:
        """Be there, before anything is claimed; what an earlier start of this process claimed is free again."""
        await self._presence.hold()
        async with transaction(self._database) as tx:
            await enter(tx, self._me, version=__version__, at=self._clock.now())
            gone = await departed(tx, self._me)
            self.since = await hub_since(tx, self._me)
        for process in gone:
            if process.name == self._me.name:
                await self._take_over(process)

    async def run(self) -> None:
        """Look each second, until cancelled."""
        is_away = False
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
                is_away = False
            except Exception:  # the database may be away for a while; that is said once
                if not is_away:
                    log.exception("which processes are there could not be seen; it is looked again each second")
                is_away = True

    async def look(self) -> int:
        """Take over from those that are missing for long enough; how many those are."""
        now = asyncio.get_running_loop().time()
        await self._presence.hold()
        if self._presence.lost:
            self._presence.lost = False
            self._missing.clear()
            self._quiet_until = now + RETURNING_S
            async with transaction(self._database) as tx:
                await enter(tx, self._me, version=__version__, at=self._clock.now())
        if not self._fulfilment.works:  # those that work take over from all
            return 0
        async with reading(self._database) as tx:
            gone = await departed(tx, self._me)
            leases = await leases_of(tx, self._me.incarnation)
        await self._give_back(leases - UNDER_WAY)
        if resumed := await self._fulfilment.resume_broken_off():
            log.warning("%d workflows that the database could not be told the end of go on", resumed)
        self._missing = {process: self._missing.get(process, now) for process in gone}
        if now < self._quiet_until:
            return 0
        over = [process for process, since in self._missing.items() if now - since >= MISSING_S]
        return sum([await self._take_over(process) for process in over])

    async def leave(self) -> None:
        """Be there no more, in order: nothing is left to take over. Where that fails, others see it for themselves."""
        try:
            async with transaction(self._database) as tx:
                await release_claims(tx, self._me.incarnation)
                await release_leases(tx, self._me.incarnation)
                await release_events(tx, self._me.incarnation)
                await leave(tx, self._me.incarnation)
        except Exception:
            log.warning("that this process ends could not be said; others take over from it", exc_info=True)

    async def _take_over(self, process: Present) -> bool:
        async with transaction(self._database) as tx:
            if not await departed(tx, self._me, taking=process):
                return False
            webhooks = await release_claims(tx, process.incarnation)
            pulls = await release_leases(tx, process.incarnation)
            await release_events(tx, process.incarnation)
            workflows = await self._fulfilment.adopt_from(process.name)
            await leave(tx, process.incarnation)
        log.warning(
            "process %s is gone; taken over from it: %d webhooks, %d pulls, %d workflows",
            process.name, webhooks, pulls, workflows,
        )  # fmt: skip
        return True

    async def _give_back(self, leases: set[str]) -> None:
        """Give back what pulls of this process could not, the database being away when they ended."""
        if leases:
            async with transaction(self._database) as tx:
                await release_leases(tx, self._me.incarnation, only=leases)
