"""The order of the change log, whatever the order in which transactions begin, write, end and are read.

What is followed is one promise: whoever follows the log sees each change that was committed exactly once, at rising
positions, and never misses one whose transaction ended late. The first test steps writers and readers one at a time
through orders that are drawn; the second lets them run against each other.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.conftest import share_compiled_statements

from connector.api.feed import Feed
from connector.model.refs import EntityKind
from connector.storage.database.changes import (
    LoggedChange,
    NewChange,
    claim_reader,
    last_position,
    log_changes,
    move_reader,
    publish,
    publish_changes,
    read_changes,
)
from connector.storage.database.engine import open_engine, reading, transaction

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
NEVER = timedelta(hours=1)
KINDS = (EntityKind.TICKET, EntityKind.TASK)
EXAMPLES, STEPS = 30, 60
PATIENCE_S, LONGEST_S = 2, 20


async def log(tx: AsyncConnection, ids: list[int]) -> None:
    """Log a change of each thing; even ids are tickets, odd ones tasks."""
    changes = [NewChange(KINDS[i % 2], i, "created", {"id": (None, i)}) for i in ids]
    await log_changes(tx, changes, actor="test", at=NOW)


@dataclass
class Seen:
    """What a reader has seen. after: where it began."""

    after: int
    kind: EntityKind | None = None
    changes: list[tuple[int, int]] = field(default_factory=list)

    @property
    def position(self) -> int:
        return self.changes[-1][0] if self.changes else self.after

    def add(self, page: list[LoggedChange]) -> None:
        self.changes += [(change.position, change.entity_id) for change in page]

    def lacks(self, committed: set[int]) -> set[int]:
        wanted = {i for i in committed if self.kind is None or KINDS[i % 2] is self.kind}
        return wanted - {i for _, i in self.changes}

    def require_each_once(self, committed: set[int]) -> None:
        ids = [i for _, i in self.changes]
        positions = [position for position, _ in self.changes]
        assert not self.lacks(committed), f"never seen: {sorted(self.lacks(committed))}"
        assert len(ids) == len(set(ids)), f"seen twice: {ids}"
        assert set(ids) <= committed, f"seen but not committed: {sorted(set(ids) - committed)}"
        assert positions == sorted(set(positions)), f"positions do not rise: {positions}"


class Following:
    """A reader of the feed that goes away and comes back behind the last change that it saw."""

    def __init__(self, feed: Feed, kind: EntityKind, after: int) -> None:
        self.seen = Seen(after, kind)
        self._feed, self._kind = feed, kind
        self.begin()

    def begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        async with aclosing(self._feed.pages(self.seen.position, kind=self._kind)) as pages:
            async for page in pages:
                self.seen.add(page)


class World:
    """Transactions that are open at the same time and readers between them, one step after the other.

    Only steps that wait for nobody are made: on SQLite one transaction writes at a time, and whoever publishes has the
    others wait.
    """

    def __init__(self, engine: AsyncEngine, ids: Iterator[int]) -> None:
        self.engine, self.ids = engine, ids
        self.open: list[tuple[Any, list[int]]] = []
        self.publisher: Any = None
        self.committed: set[int] = set()

    async def begin(self) -> None:
        await publish(self.engine)
        async with reading(self.engine) as tx:
            start = await last_position(tx)
        self.reader, self.durable = Seen(start), Seen(start)
        async with transaction(self.engine) as tx:
            await move_reader(tx, "durable", start)
        self.feed = Feed(self.engine, window=3, page=2, poll=NEVER)
        await self.feed.start()
        self.followers = [Following(self.feed, kind, start) for kind in KINDS]

    @property
    def most_open(self) -> int:
        return 4 if self.engine.dialect.name == "postgresql" else 1

    def possible(self) -> list[str]:
        """What can be done now, what is to be drawn more often several times."""
        is_free, has_others = self.publisher is None, self.most_open > 1
        steps = ["read", "read"]
        if len(self.open) < self.most_open:
            steps += ["begin"] * 3
        if self.open:
            steps += ["log"] * 5 + ["commit"] * 2 + ["roll back"]
        if is_free:
            steps += ["feed"] * 2 + ["come back"] + ["begin to publish"] * has_others
        else:
            steps += ["published"] * 2 + ["not published"]
        if is_free and (has_others or not self.open):
            steps += ["read durably"] * 2 + ["break off"]
        return steps

    async def step(self, what: str, which: int, count: int) -> None:
        match what:
            case "begin":
                context = transaction(self.engine)
                self.open.append(((context, await context.__aenter__()), []))
            case "log":
                (_, tx), ids = self.open[which % len(self.open)]
                new = [next(self.ids) for _ in range(count)]
                await log(tx, new)
                ids += new
            case "commit" | "roll back":
                await self.end(which % len(self.open), what == "commit")
            case "begin to publish":
                self.publisher = transaction(self.engine)
                await publish_changes(await self.publisher.__aenter__())
            case "published" | "not published":
                await self.end_publishing(what == "published")
            case "read":
                await self.read(count)
            case "read durably" | "break off":
                await self.read_durably(count, what == "break off")
            case "feed":
                await self.feed.now()
            case "come back":
                follower = self.followers[which % len(self.followers)]
                await follower.end()
                follower.begin()

    async def end(self, which: int, commits: bool) -> None:
        (context, _), ids = self.open.pop(which)
        await leave(context, commits)
        if commits:
            self.committed |= set(ids)

    async def end_publishing(self, commits: bool) -> None:
        context, self.publisher = self.publisher, None
        await leave(context, commits)

    async def read(self, limit: int) -> None:
        if self.publisher is None:
            await publish(self.engine)
        async with reading(self.engine) as tx:
            self.reader.add(await read_changes(tx, self.reader.position, limit=limit))

    async def read_durably(self, limit: int, breaks_off: bool) -> None:
        context = transaction(self.engine)
        tx = await context.__aenter__()
        position = await claim_reader(tx, "durable")
        await publish_changes(tx)
        page = await read_changes(tx, position, limit=limit)
        if page:
            await move_reader(tx, "durable", page[-1].position)
        await leave(context, not breaks_off)
        if not breaks_off:
            self.durable.add(page)

    async def finish(self) -> None:
        """End what is open, newest first, and let everybody read on to the end."""
        if self.publisher is not None:
            await self.end_publishing(True)
        while self.open:
            await self.end(len(self.open) - 1, True)
        for _ in self.committed:
            await self.read(3)
            await self.read_durably(3, breaks_off=False)
        self.reader.require_each_once(self.committed)
        self.durable.require_each_once(self.committed)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while any(follower.seen.lacks(self.committed) for follower in self.followers):
                    await self.feed.now()
        for follower in self.followers:
            follower.seen.require_each_once(self.committed)

    async def close(self) -> None:
        for follower in self.followers:
            await follower.end()
        await self.feed.stop()
        for context in (self.publisher, *(context for (context, _), _ in self.open)):
            if context is not None:
                await leave(context, False)


async def leave(context: Any, commits: bool) -> None:
    """End a transaction."""
    error = None if commits else LookupError("rolled back")
    await context.__aexit__(error and LookupError, error, None)


def test_whoever_follows_the_log_sees_each_committed_change_once_in_any_order_of_steps(database: str):
    with asyncio.Runner() as runner:
        engine = open_engine(database)
        share_compiled_statements(engine)
        ids = itertools.count()
        committed = 0

        @settings(
            max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        @given(seed=st.integers(0, 2**32))
        def is_so(seed: int) -> None:
            drawn = random.Random(seed)  # noqa: S311

            async def run() -> int:
                world = World(engine, ids)
                await world.begin()
                try:
                    for _ in range(STEPS):
                        await world.step(drawn.choice(world.possible()), drawn.randrange(4), drawn.randint(1, 3))
                    await world.finish()
                finally:
                    await world.close()
                return len(world.committed)

            nonlocal committed
            committed += runner.run(run())

        try:
            is_so()
        finally:
            runner.run(engine.dispose())

    assert committed > 4 * EXAMPLES


WRITERS, EACH, READERS = 4, 30, 2


async def test_whoever_follows_the_log_sees_each_committed_change_once_while_all_run(database: str):
    engines = [open_engine(database) for _ in range(2)]  # each stands for a process
    for engine in engines:
        share_compiled_statements(engine)
    committed: set[int] = set()
    durable, plain = Seen(0), [Seen(0) for _ in range(READERS)]
    written = asyncio.Event()

    async def write(number: int) -> None:
        drawn = random.Random(number)  # noqa: S311
        for turn in range(EACH):
            first = (number * EACH + turn) * 3
            ids = list(range(first, first + drawn.randint(1, 3)))
            rolls_back = drawn.random() < 0.25
            context = transaction(engines[number % 2])
            tx = await context.__aenter__()
            for i in ids:
                await log(tx, [i])
            await leave(context, not rolls_back)
            if not rolls_back:
                committed.update(ids)

    async def read(engine: AsyncEngine, seen: Seen) -> None:
        while not written.is_set() or seen.lacks(committed):
            await publish(engine)
            async with reading(engine) as tx:
                seen.add(await read_changes(tx, seen.position, limit=7))

    async def read_durably(engine: AsyncEngine) -> None:
        drawn = random.Random(7)  # noqa: S311
        while not written.is_set() or durable.lacks(committed):
            context = transaction(engine)
            tx = await context.__aenter__()
            position = await claim_reader(tx, "durable")
            await publish_changes(tx)
            page = await read_changes(tx, position, limit=7)
            breaks_off = drawn.random() < 0.25
            if page and not breaks_off:
                await move_reader(tx, "durable", page[-1].position)
                durable.add(page)  # whoever reads next waits for this transaction
            await leave(context, not breaks_off)

    feeds = [Feed(engine, window=10, page=4, poll=timedelta(milliseconds=5)) for engine in engines]
    for feed in feeds:
        await feed.start()
    followers = [Following(feed, kind, 0) for feed in feeds for kind in KINDS]
    try:
        async with asyncio.timeout(LONGEST_S), asyncio.TaskGroup() as tasks:
            for number in range(READERS):
                tasks.create_task(read(engines[number % 2], plain[number]))
                tasks.create_task(read_durably(engines[number % 2]))
            async with asyncio.TaskGroup() as writers:
                for number in range(WRITERS):
                    writers.create_task(write(number))
            written.set()
        async with asyncio.timeout(LONGEST_S):
            while any(follower.seen.lacks(committed) for follower in followers):
                for feed in feeds:
                    await feed.now()
    finally:
        for follower in followers:
            await follower.end()
        for feed in feeds:
            await feed.stop()
        for engine in engines:
            await engine.dispose()

    assert committed
    for seen in (durable, *plain, *(follower.seen for follower in followers)):
        seen.require_each_once(committed)
