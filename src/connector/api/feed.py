"""From the change log to subscribers: everything that is committed, in order, once, whoever wrote it.

One task per process follows the log and keeps its newest changes in a window that all subscribers share. A
subscriber is only a position: inside the window it reads from memory, behind it from the log, page by page, and
both give the same sequence, so catching up and following live cannot leave a gap or a duplicate between them.
Memory is bounded by the window. A subscriber that is behind the window and has not read on for a while is too
slow for what happens; its connection is closed and it resumes by cursor when it can.

The task wakes by `wake` (a commit in this process), by Redis (a commit in another one) and by a clock. Redis only
saves waiting: when it is lost, the clock does.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from connector.model.errors import ConnectorError
from connector.model.refs import EntityKind
from connector.storage.database.changes import LoggedChange, last_position, publish_changes, read_changes
from connector.storage.database.engine import Database, reading, transaction

KINDS = (
    EntityKind.TICKET,
    EntityKind.RESERVATION,
    EntityKind.SHIPMENT,
    EntityKind.TASK,
    EntityKind.APPROVAL,
    EntityKind.ROLLOUT,
    EntityKind.RECOVERY,
    EntityKind.INCIDENT_GROUP,
    EntityKind.REPLENISHMENT,
)
"""What can be subscribed to."""

WINDOW = 5_000
PAGE = 500
POLL = timedelta(seconds=0.5)
PATIENCE = timedelta(seconds=10)

log = logging.getLogger(__name__)


class SlowConsumer(ConnectorError):  # noqa: N818 - named by what is wrong
    """The subscriber does not read as fast as things happen."""

    code = "SLOW_CONSUMER"


class Subscriber:
    """A place in the log. on_slow: closes its connection, which may be blocked in sending."""

    def __init__(self, position: int, on_slow: Callable[[], Awaitable[None]]) -> None:
        self.position = position
        self.read_at = asyncio.get_running_loop().time()
        self.is_slow = False
        self.on_slow = on_slow
        self.news = asyncio.Event()


class Feed:
    """Follows the log for all subscribers of this process.

    window: changes kept in memory. page: changes read at once. poll: how long a change may go unseen when nothing
    wakes the feed. patience: how long a subscriber behind the window may go without reading. redis: URL of the
    Redis whose channel other processes wake us by.
    """

    def __init__(
        self,
        engine: Database,
        *,
        redis: str | None = None,
        window: int = WINDOW,
        page: int = PAGE,
        poll: timedelta = POLL,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._engine = engine
        self._redis = redis
        self._page = page
        self._poll = poll.total_seconds()
        self.patience = patience.total_seconds()
        self._window: deque[LoggedChange] = deque()
        self._size = window
        self._floor = 0
        self._position = 0
        self._tailing = asyncio.Lock()
        self._awake = asyncio.Event()
        self._subscribers: set[Subscriber] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def subscribers(self) -> int:
        """How many subscribers there are now."""
        return len(self._subscribers)

    async def start(self) -> None:
        """Begin to follow the log where it ends now."""
        async with transaction(self._engine) as tx:
            await publish_changes(tx)
        async with reading(self._engine) as tx:
            self._position = self._floor = await last_position(tx)
        self._tasks = [asyncio.create_task(self._follow(), name="feed")]
        if self._redis is not None:
            from connector.api.wake import listen  # Redis takes a while to import, and most hubs have none

            self._tasks.append(asyncio.create_task(listen(self._redis, self.wake), name="feed-redis"))

    async def stop(self) -> None:
        """Stop following; subscribers end."""
        for task in self._tasks:
            task.cancel()
        for task in [*self._tasks, *self._closing]:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()

    def wake(self) -> None:
        """Something was committed: look now."""
        self._awake.set()

    async def now(self) -> int:
        """The position behind everything that is committed now."""
        await self._tail()
        return self._position

    async def pages(
        self,
        after: int | None,
        *,
        kinds: Sequence[EntityKind],
        on_slow: Callable[[], Awaitable[None]],
    ) -> AsyncGenerator[list[LoggedChange], None]:
        """Changes of these kinds after a position, in order, for ever; pages are never empty.

        after: None to begin now. on_slow: called once when the subscriber is too slow; iterating then raises
        SlowConsumer.
        """
        subscriber = Subscriber(await self.now() if after is None else after, on_slow)
        self._subscribers.add(subscriber)
        try:
            while True:
                subscriber.news.clear()
                changes = await self._next(subscriber)
                if wanted := [change for change in changes if change.kind in kinds]:
                    yield wanted
                if not changes:
                    await subscriber.news.wait()
        finally:
            self._subscribers.discard(subscriber)

    async def _next(self, subscriber: Subscriber) -> list[LoggedChange]:
        """The changes that follow the subscriber's position, which moves behind them; none when it is at the end."""
        if subscriber.is_slow:
            raise SlowConsumer(
                f"the subscriber has not read for {self.patience:g} s while more than {self._size} changes happened",
                hint="Subscribe again with `after` set to the cursor of the last event that was received.",
            )
        subscriber.read_at = asyncio.get_running_loop().time()
        if subscriber.position >= self._floor:
            start = bisect_right(self._window, subscriber.position, key=lambda change: change.position)
            changes = [self._window[index] for index in range(start, min(start + self._page, len(self._window)))]
            if changes:
                subscriber.position = changes[-1].position
            return changes
        async with reading(self._engine) as tx:
            end = await last_position(tx)
            changes = await read_changes(tx, subscriber.position, kinds=KINDS, limit=self._page)
        subscriber.position = changes[-1].position if len(changes) == self._page else max(end, subscriber.position)
        return changes or await self._next(subscriber)

    async def _follow(self) -> None:
        """Look whenever woken, and every `poll` anyway; outlives a database that is away."""
        is_lost = False
        while True:
            self._awake.clear()
            try:
                await self._tail()
            except Exception as error:  # noqa: BLE001 - whatever the database fails with, it may be back
                if not is_lost:
                    log.error("the change log cannot be read; trying on: %s", error)
                is_lost = True
            else:
                if is_lost:
                    log.info("the change log can be read again")
                is_lost = False
            with suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), self._poll)

    async def _tail(self) -> None:
        """Take everything that is committed into the window."""
        async with self._tailing:
            more = True
            while more:
                more = await self._tail_page()

    async def _tail_page(self) -> bool:
        """Take one page; whether there may be more."""
        async with transaction(self._engine) as tx:
            await publish_changes(tx)
        async with reading(self._engine) as tx:
            end = await last_position(tx)
            changes = (
                await read_changes(tx, self._position, kinds=KINDS, limit=self._page) if end > self._position else []
            )
        more = len(changes) == self._page
        self._position = changes[-1].position if more else max(end, self._position)
        self._window.extend(changes)
        while len(self._window) > self._size:
            self._floor = self._window.popleft().position
        self._give_up_slow()
        if changes:
            for subscriber in self._subscribers:
                subscriber.news.set()
        return more

    def _give_up_slow(self) -> None:
        """Close the connections of those that the window has left behind and that do not read on."""
        overdue = asyncio.get_running_loop().time() - self.patience
        for subscriber in self._subscribers:
            if subscriber.position < self._floor and subscriber.read_at < overdue and not subscriber.is_slow:
                subscriber.is_slow = True
                subscriber.news.set()
                task = asyncio.create_task(_run(subscriber.on_slow), name="feed-close")
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)


async def _run(action: Callable[[], Awaitable[None]]) -> None:
    await action()
