"""Tells other systems what happens, each on its own, so that one that is away holds up no other.

Any number of processes may do this. Each delivery is claimed by one of them at a time; whoever is killed after an
endpoint has taken a post and before that is written down has it posted again, with the same id.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from connector.outbound.events import TOPIC_OF, bodies_of
from connector.outbound.posting import MOST_AT_ONCE, TIMEOUT_S, Answer, Endpoint, Outcome, Poster
from connector.sdk.adapter import Clock
from connector.sdk.egress import ANYWHERE_PUBLIC, Egress
from connector.storage.database.changes import publish
from connector.storage.database.engine import Database, reading, transaction
from connector.storage.outbound.deliveries import (
    Claimed,
    add_endpoints,
    changes_of_events,
    claim_events,
    disable_endpoint,
    failures_of,
    forget_events,
    give_up_event,
    has_work,
    note_answer,
    postpone_event,
    release_events,
    take_page,
)

log = logging.getLogger("connector.outbound")

POLL_S: Final = 1.0
ATTEMPTS: Final = 20
"""After so many a delivery is a dead letter, some two days after the first."""
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(hours=6)
LONGEST_AWAY: Final = timedelta(minutes=5)
"""For as long an endpoint that fails is left alone at most; it may be one delivery that it cannot take."""
MOST_ASKED: Final = timedelta(days=1)
"""For as long an endpoint is left alone at most when it asks for it."""


class Telling:
    """All endpoints of this process. holder: the incarnation of this process, by which it claims."""

    def __init__(
        self,
        database: Database,
        endpoints: Sequence[Endpoint],
        *,
        clock: Clock,
        holder: str,
        egress: Egress = ANYWHERE_PUBLIC,
        timeout_s: float = TIMEOUT_S,
        poll_s: float = POLL_S,
    ) -> None:
        self._database = database
        self._endpoints = endpoints
        self._clock = clock
        self._holder = holder
        self._egress = egress
        self._timeout_s = timeout_s
        self._poll_s = poll_s
        self._awake = {endpoint.name: asyncio.Event() for endpoint in endpoints}

    def wake(self) -> None:
        """Something was committed: look now."""
        for event in self._awake.values():
            event.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for endpoint in self._endpoints:
                tasks.create_task(self._tell(endpoint), name=f"events {endpoint.name}")

    async def _tell(self, endpoint: Endpoint) -> None:
        poster = Poster(endpoint, self._clock, egress=self._egress, timeout_s=self._timeout_s)
        awake, is_known, is_away = self._awake[endpoint.name], False, False
        try:
            while True:
                awake.clear()
                try:
                    if not is_known:
                        await self._get_known(endpoint)
                        is_known = True
                    if is_away:
                        await self._give_back(endpoint)
                    is_away = False
                    while await self.step(endpoint, poster):
                        continue
                except Exception:  # the database may be away for a while; that is said once
                    if not is_away:
                        log.exception("endpoint %s cannot be told of events; it is tried again", endpoint.name)
                    is_away = True
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await awake.wait()
        finally:
            await poster.aclose()

    async def _get_known(self, endpoint: Endpoint) -> None:
        await publish(self._database)
        async with transaction(self._database) as tx:
            await add_endpoints(tx, [endpoint.name])

    async def _give_back(self, endpoint: Endpoint) -> None:
        """Free what was claimed when telling broke off, so that it need not wait until the claim runs out."""
        async with transaction(self._database) as tx:
            await release_events(tx, self._holder, endpoint=endpoint.name)

    async def step(self, endpoint: Endpoint, poster: Poster) -> int:
        """Take the next page of the log, if there is room, and send what is due; how many deliveries that were."""
        name = endpoint.name
        async with reading(self._database) as tx:
            if not await has_work(tx, name, at=self._clock.now()):
                return 0
        await publish(self._database)
        async with transaction(self._database) as tx:
            await take_page(tx, name, endpoint.kinds, lambda change: TOPIC_OF[change.kind].is_news(change))
            claimed = await claim_events(tx, name, limit=MOST_AT_ONCE, at=self._clock.now())
        if not claimed:
            return 0
        async with reading(self._database) as tx:
            changes = await changes_of_events(tx, claimed)
            bodies = await bodies_of(tx, list(changes.values()), endpoint.sight, source=endpoint.source)
        told = [event for event in claimed if event.position in bodies]
        answers = await asyncio.gather(*(poster.post(str(event.position), bodies[event.position]) for event in told))
        done = [event.id for event in claimed if event.position not in bodies]
        await self._note(endpoint, done, list(zip(told, answers, strict=True)))
        return len(claimed)

    async def _note(self, endpoint: Endpoint, done: list[int], told: Sequence[tuple[Claimed, Answer]]) -> None:
        """Write down what became of deliveries, all at once."""
        name, now = endpoint.name, self._clock.now()
        arrived = [event.id for event, answer in told if answer.outcome is Outcome.ARRIVED]
        failed = [(event, answer) for event, answer in told if answer.outcome is not Outcome.ARRIVED]
        gone = next((answer for _, answer in failed if answer.outcome is Outcome.GONE), None)
        asked = max((min(answer.after, MOST_ASKED) for _, answer in failed if answer.after is not None), default=None)
        async with transaction(self._database) as tx:
            before = await failures_of(tx, name)
            await forget_events(tx, [*done, *arrived])
            for event, answer in failed:
                if event.attempts >= ATTEMPTS and gone is None:
                    await give_up_event(tx, name, event, error=answer.error, at=now)
                else:
                    await postpone_event(tx, event, error=answer.error, until=now + _pause(event.attempts))
            if gone is not None:
                await disable_endpoint(tx, name, error=gone.error, at=now)
            elif failed and (asked is not None or not arrived):
                pause = min(_pause(before + 1), LONGEST_AWAY) if asked is None else max(asked, timedelta(seconds=1))
                error = failed[0][1].error
                await note_answer(tx, name, failures=before + 1, not_before=now + pause, error=error)
            elif arrived and before:
                await note_answer(tx, name, failures=0)
        if gone is not None:
            log.error("endpoint %s %s; `connector events test` enables it again", name, gone.error)
        elif failed and not arrived and not before:
            log.warning("endpoint %s cannot be told of events: %s", name, failed[0][1].error)
        elif arrived and before:
            log.info("endpoint %s is told of events again", name)


def _pause(attempts: int) -> timedelta:
    """Exponential, with jitter from half of it on, so that those that failed together do not come back together."""
    longest: timedelta = min(FIRST_PAUSE * 2 ** min(attempts - 1, 20), LONGEST_PAUSE)
    share = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, protects nothing
    return timedelta(seconds=longest.total_seconds() * share)
