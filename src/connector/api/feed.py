"""From the change log to those who follow it: everything that is committed, in order, once, whoever wrote it.

One task per process follows the log, keeps its newest changes in a window, and gives each change to the readers that
want it. A reader that is behind reads the window, or the log behind it, page by page, until it is where the task is;
it is then told of what follows, and a lock makes that one moment, so that catching up and following cannot leave a gap
or a duplicate between them. Memory is bounded: a reader for which more waits than the window holds reads the log again.

The task wakes by `wake` (a commit in this process), by Redis (a commit in another one) and by a clock. Redis only
saves waiting: when it is lost, the clock does.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from connector.api.wanted import Only, Reader, Values, Wanted
from connector.model.refs import EntityKind
from connector.storage.database.changes import LoggedChange, last_position, publish, read_changes
from connector.storage.database.engine import Database, Transaction, reading
from connector.storage.database.growth import Rest
from connector.storage.query import FEW, Selection, Together, fetch_rows, read_changes_of

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

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Stretch:
    """The part of the log that a subscription is run over. start: its position, None for what its `after` says.

    until: where it ends, None for never. begun_at: where it began, None as long as what it asks for is not accepted.
    position: of the event that was made last. together: what events are read with where they need not be executed;
    `tell` then takes the JSON of each. None where all are.
    """

    start: int | None = None
    until: int | None = None
    together: Together | None = None
    tell: Callable[[bytes], Awaitable[None]] | None = None
    begun_at: int | None = field(default=None, init=False)
    position: int = field(default=0, init=False)


class Feed:
    """Follows the log for all readers of this process.

    window: changes kept in memory, and the most that may wait for a reader. page: changes read at once. poll: how
    long a change may go unseen when nothing wakes the feed. redis: URL of the Redis whose channel other processes wake
    us by.
    """

    def __init__(
        self,
        engine: Database,
        *,
        redis: str | None = None,
        window: int = WINDOW,
        page: int = PAGE,
        poll: timedelta = POLL,
    ) -> None:
        self._engine = engine
        self._redis = redis
        self._page = page
        self._poll = poll.total_seconds()
        self._window: deque[LoggedChange] = deque()
        self._size = window
        self._floor = 0
        self._position = 0
        self._tailing = asyncio.Lock()
        self._awake = asyncio.Event()
        self._rest = Rest(engine)
        self._wanted = Wanted()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def readers(self) -> int:
        """How many readers are told of changes now."""
        return len(self._wanted)

    @property
    def floor(self) -> int:
        """The position behind which every change is in memory."""
        return self._floor

    async def start(self) -> None:
        """Begin to follow the log where it ends now."""
        await publish(self._engine)
        async with reading(self._engine) as tx:
            self._position = self._floor = await last_position(tx)
        self._tasks = [asyncio.create_task(self._follow(), name="feed")]
        if self._redis is not None:
            from connector.api.wake import listen  # Redis takes a while to import, and most hubs have none

            self._tasks.append(asyncio.create_task(listen(self._redis, self.wake), name="feed-redis"))

    async def stop(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
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
        self, after: int | None, *, kind: EntityKind, only: Only | None = None, until: int | None = None
    ) -> AsyncGenerator[list[LoggedChange], None]:
        """Changes of one kind after a position, in order; pages are never empty.

        after: None to begin now. only: of which things. until: the position at which it ends, None for never; a last
        page may reach beyond it.
        """
        reader = Reader(kind, only or {}, await self.now() if after is None else after)
        try:
            while until is None or reader.position < until:
                if reader in self._wanted:
                    reader.news.clear()
                    if not reader.pending:
                        await reader.news.wait()
                    changes = [reader.pending.popleft() for _ in range(min(self._page, len(reader.pending)))]
                    reader.position = changes[-1].position if changes else reader.position
                else:
                    changes = await self._read_on(reader)
                if changes:
                    yield changes
                elif until is None:
                    await self._tell(reader)
        finally:
            self._wanted.discard(reader)

    async def _tell(self, reader: Reader) -> None:
        """Tell a reader of changes from now on, if it has read what there was before."""
        async with self._tailing:
            if reader.position >= self._position:
                self._wanted.add(reader)

    async def _read_on(self, reader: Reader) -> list[LoggedChange]:
        """The changes that a reader wants of the next page behind its position, which moves behind that page."""
        async with reading(self._engine) as tx:
            if reader.position >= self._floor:
                start = bisect_right(self._window, reader.position, key=lambda change: change.position)
                page = [self._window[index] for index in range(start, min(start + self._page, len(self._window)))]
                end = self._position
            else:
                end = await last_position(tx)
                page = await self._page_of_log(tx, reader)
            end = page[-1].position if len(page) == self._page else max(end, reader.position)
            columns = {reader.kind: reader.columns}
            values = await _values(tx, (change for change in page if change.kind is reader.kind), columns)
        reader.position = end
        return [change for change in page if reader.wants(change, values)]

    async def _page_of_log(self, tx: Transaction, reader: Reader) -> list[LoggedChange]:
        """The next page of what a reader may want; where that is of few things, nothing else is read."""
        for column in FEW:
            if isinstance(key := reader.only.get(column), int):
                return await read_changes_of(tx, reader.position, reader.kind, column, key, limit=self._page)
        return await read_changes(tx, reader.position, kinds=[reader.kind], limit=self._page)

    async def _follow(self) -> None:
        """Look whenever woken, and every `poll` anyway; outlives a database that is away."""
        is_lost = False
        while True:
            self._awake.clear()
            try:
                if await self._rest.has_ended():
                    await self._tail()
                    self._rest.read_on()
            except Exception as error:  # noqa: BLE001 - whatever the database fails with, it may be back
                if not is_lost:
                    log.error("the change log cannot be read; trying on: %s", error)
                is_lost = True
            else:
                if is_lost:
                    log.info("the change log can be read again")
                is_lost = False
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll):
                    await self._awake.wait()

    async def _tail(self) -> None:
        """Take everything that is committed into the window."""
        async with self._tailing:
            more = True
            while more:
                more = await self._tail_page()

    async def _tail_page(self) -> bool:
        """Take one page and give it to those who want it; whether there may be more."""
        await publish(self._engine)
        async with reading(self._engine) as tx:
            end = await last_position(tx)
            changes = (
                await read_changes(tx, self._position, kinds=KINDS, limit=self._page) if end > self._position else []
            )
            columns = {kind: self._wanted.columns(kind) for kind in {change.kind for change in changes}}
            values = await _values(tx, changes, columns)
        more = len(changes) == self._page
        self._position = changes[-1].position if more else max(end, self._position)
        self._window.extend(changes)
        while len(self._window) > self._size:
            self._floor = self._window.popleft().position
        for change in changes:
            for reader in list(self._wanted.who(change, values)):
                self._give(reader, change)
        return more

    def _give(self, reader: Reader, change: LoggedChange) -> None:
        if change.position <= reader.position:  # it read the log further than the window reaches
            return
        reader.news.set()
        if len(reader.pending) < self._size:
            reader.pending.append(change)
        else:
            reader.pending.clear()
            self._wanted.discard(reader)


async def _values(
    tx: Transaction, changes: Iterable[LoggedChange], columns: Mapping[EntityKind, frozenset[str]]
) -> Values:
    """What stands in these columns of the things that changed; one statement for each kind that any is read of."""
    ids: dict[EntityKind, set[int]] = {}
    for change in changes:
        if columns[change.kind]:
            ids.setdefault(change.kind, set()).add(change.entity_id)
    found: dict[tuple[EntityKind, int], Mapping[str, object]] = {}
    for kind, keys in ids.items():
        rows = await fetch_rows(tx, Selection(kind.value, columns=columns[kind]), keys)
        found |= {(kind, key): row.values for key, row in rows.items()}
    return found
