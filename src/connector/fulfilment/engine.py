"""Fulfilment as a whole: workflows, the reactor that starts them, and the commands, built and run together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from math import inf
from typing import Any, Final

from connector.fulfilment.approvals import Approvals, Holders, holders_of
from connector.fulfilment.break_glass import watch_break_glass
from connector.fulfilment.channels import Channels
from connector.fulfilment.commands import Commands
from connector.fulfilment.durable import Durable, Errand, Tick
from connector.fulfilment.groups import Groups
from connector.fulfilment.low_shelves import LowShelves
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.overdue import watch_orders, watch_transfers
from connector.fulfilment.quoting import Quoting
from connector.fulfilment.react import Reactor
from connector.fulfilment.remote import RemoteDurable
from connector.fulfilment.reviews import require_review
from connector.fulfilment.rollout_lines import RolloutFollower
from connector.fulfilment.rollout_work import RolloutWork
from connector.fulfilment.rollouts import Rollouts
from connector.fulfilment.watching import Watch
from connector.fulfilment.work import Work
from connector.fulfilment.workflow_tables import POOL_SIZE, SCHEMA, states_in_file
from connector.fulfilment.workflows import Workflows
from connector.sdk import Clock, Connection
from connector.storage.database.engine import Database, reading, transaction
from connector.storage.database.outages import until_there
from connector.storage.database.presence import Presence, is_present
from connector.storage.database.workflows import workflow_states
from connector.storage.facts.lane_statistics import Learned, learn_lanes
from connector.storage.policies.active import PolicySource
from connector.storage.stock.reserve import expire_due
from connector.storage.tickets.standing import ticket_standing
from connector.telemetry.tally import Tally

log = logging.getLogger("connector.fulfilment")

EVERY_MINUTE: Final = "* * * * *"
EVERY_HOUR: Final = "17 * * * *"
ONLY_PROCESS: Final = "hub"
NOBODY: Final = holders_of({})
"""Who holds which roles where no keys are configured."""


class FulfilmentEngine:
    """Builds the parts of fulfilment on one database; `launch` begins, `close` ends, what is unfinished resumes.

    database_url: as in the settings; the workflow tables are kept beside it. executor: name of this process among
    those that share the database, the same after a restart. holders: who has which roles now, for answers on behalf of
    somebody. tally: what is counted goes there. works: whether this process runs workflows and follows the change log;
    others do when it does not. pool_size: connections for workflows. owner: address with the role that makes their
    tables.
    """

    def __init__(
        self,
        database: Database,
        database_url: str,
        connections: Mapping[str, Connection],
        *,
        clock: Clock,
        policy: PolicySource,
        options: FulfilmentOptions,
        executor: str = "hub",
        holders: Holders = NOBODY,
        tally: Tally | None = None,
        works: bool = True,
        pool_size: int = POOL_SIZE,
        owner: str | None = None,
    ) -> None:
        tally = Tally() if tally is None else tally
        self._work = Work(database, connections, clock, options, tally)
        is_shared = database.dialect.name == "postgresql"
        name = executor if is_shared else ONLY_PROCESS
        self.presence = Presence(database, name)
        self._is_shared = is_shared
        self._database_url = database_url
        self.works = works
        kind = Durable if works else RemoteDurable
        self._durable = kind(database_url, executor=name, tally=tally, pool_size=pool_size, owner=owner)
        self._workflows = Workflows(self._durable, self._work, policy)
        self.reactor = Reactor(self._work, self._workflows, policy)
        self.commands = Commands(self._work, self._durable, self._workflows, self.reactor, policy)
        self.approvals = Approvals(self._work, holders)
        self.channels = Channels(self._work, policy)
        self._following: asyncio.Task[None] | None = None
        self.rollouts = Rollouts(database, clock, policy)
        self.rollout_work = RolloutWork(database, clock, policy)
        self._rollout_follower = RolloutFollower(database, clock, policy)
        self.schedule("tend-approvals", EVERY_MINUTE, self.approvals.tend)
        self.schedule("tend-channels", EVERY_MINUTE, self.channels.tend)
        self.schedule("watch-break-glass", EVERY_HOUR, partial(watch_break_glass, self._work, policy))
        self.schedule("expire-reservations", EVERY_MINUTE, self.expire)
        self.schedule("advance-rollouts", EVERY_MINUTE, self.advance_rollouts)
        self.schedule("watch-orders", EVERY_HOUR, partial(watch_orders, self._work))
        self.schedule("watch-transfers", EVERY_HOUR, partial(watch_transfers, self._work))
        self.schedule("sweep-shelves", EVERY_HOUR, LowShelves(database, clock, policy).sweep)
        self.schedule("learn-lanes", EVERY_HOUR, self.learn_lanes)
        self.schedule("ask-couriers", EVERY_HOUR, Quoting(self._work, policy).ask)
        self.schedule("adopt-workflows", EVERY_MINUTE, self.adopt)
        self._watch = Watch(self._work, policy)
        self.schedule("watch-parcels", EVERY_MINUTE, self.watch)
        self.groups = Groups(database, clock, policy)
        self.schedule("tend-loans", EVERY_MINUTE, self.commands.loans.tend)
        self.schedule("tend-returns", EVERY_MINUTE, self.commands.returns.tend)
        self.schedule("tend-groups", EVERY_MINUTE, self.groups.tend)

    def schedule(self, name: str, cron: str, tick: Tick, *, time_zone: str = "UTC") -> None:
        """Call `tick` at the times of a cron expression, once over all processes; before the launch."""
        self._durable.schedule(name, cron, tick, time_zone=time_zone)

    def errand(self, name: str, do: Errand) -> None:
        """Do what is named so for processes that do not work; before the launch."""
        self._durable.errand(name, do)

    async def run_errand(self, name: str, argument: Mapping[str, Any]) -> dict[str, Any]:
        """Have what is named so done by a process that works. Raises what it is refused with."""
        return await self._durable.run_errand(name, argument)

    async def launch(self) -> None:
        """Resume what a previous process left, begin the schedules, and follow the change log.

        Raises DatabaseAway; then it may be tried again.
        """
        if not await self.presence.claim():
            log.warning("another process has this one's name: what either of them does is not told from the other's")
        await self._durable.launch()
        if not self.works:
            return
        await until_there(self.adopt, patience_s=inf)
        self._following = asyncio.create_task(self.reactor.run(), name="reactor")

    async def close(self) -> None:
        """Stop; what is unfinished goes on at the next launch. Raises what ended the reactor, should it have died."""
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await self._durable.close()
        await self.presence.drop()
        if following is not None and not following.cancelled():
            following.result()

    async def workflows_by_state(self) -> Mapping[str, int]:
        """How many workflows are in each state that is no good end. Raises DatabaseAway."""
        if not self._is_shared:
            return await asyncio.to_thread(states_in_file, self._database_url)
        async with reading(self._work.database) as tx:
            return await workflow_states(tx, SCHEMA)

    async def advance_rollouts(self) -> int:
        """Have running rollouts do what waits for the clock or for stock; returns how many there are."""
        return await self._rollout_follower.tick()

    async def adopt(self) -> int:
        """Go on with the workflows of processes that are there no more; returns how many that were."""
        if not self._is_shared or not self.works:
            return 0
        await self.presence.hold()
        return sum([await self.adopt_from(executor) for executor in await self._durable.executors_at_work()])

    async def resume_broken_off(self) -> int:
        """Go on with workflows of this process that broke off with the database; returns how many that were."""
        return await self._durable.resume_broken_off()

    async def adopt_from(self, name: str) -> int:
        """Go on with the workflows of a process, if none of its name is there; returns how many that were.

        What another start of this process left is resumed by its launch.
        """
        if not self._is_shared or name == self.presence.me.name:
            return 0
        async with reading(self._work.database) as tx:
            is_there = await is_present(tx, name)
        return 0 if is_there else await self._durable.adopt(name)

    async def watch(self) -> int:
        """Look at the parcels under way; returns how many something was done about."""
        return await self._watch.look_at_all()

    async def learn_lanes(self) -> Learned:
        """Learn from the parcels that were delivered how long lanes take."""
        async with transaction(self._work.database) as tx:
            return await learn_lanes(tx, at=self._work.clock.now())

    async def expire(self) -> int:
        """Give back what is held past its time, and ask a person about its ticket; returns how many that were."""
        now = self._work.clock.now()
        async with transaction(self._work.database) as tx:
            expired = await expire_due(tx, at=now)
            for item in expired:
                standing = await ticket_standing(tx, item.ticket_id)
                if standing.wants_hardware:
                    await require_review(
                        tx,
                        ticket_id=item.ticket_id,
                        number=standing.number,
                        code="reservation_expired",
                        reason=f"Reservation {item.id} was not committed in time and its unit is free again.",
                        at=now,
                    )
        return len(expired)
