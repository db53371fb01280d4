"""What a process that is gone worked on is free for others at once; of one that is there it stays with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.fulfilment.scene import make_engine
from tests.fulfilment.world import World
from tests.ingest.adapters import SECRET, scripted
from tests.ingest.arriving import receive

from connector import takeover as module
from connector.fulfilment.engine import FulfilmentEngine
from connector.ingest.stream_pull import UNDER_WAY
from connector.sdk import WebhookRequest
from connector.storage import tables
from connector.storage.database.engine import open_engine, reading, transaction
from connector.storage.database.presence import Presence, enter
from connector.storage.sources.inbox import CLAIM, claim_deliveries
from connector.storage.sources.sources import register_source, take_lease
from connector.takeover import Takeover

postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture
def world() -> World:
    return World()


async def works(engine: AsyncEngine, clock: MovableClock, *, lease: str = "a pull") -> None:
    """The process of this engine claims a webhook and pulls a stream."""
    _, connection = scripted(clock)
    await receive(engine, connection, WebhookRequest({"x-signature": SECRET}, b"{}", clock.now()))
    async with transaction(engine) as tx:
        assert len(await claim_deliveries(tx, "cmdb", limit=5, at=clock.now())) == 1
        source_id = await register_source(tx, name="cmdb", adapter="test", at=clock.now())
        assert await take_lease(tx, source_id, "things", token=lease, at=clock.now()) is not None


class Other:
    """Another process on the same database, with a webhook and a stream that it works on."""

    def __init__(self, engine: AsyncEngine, clock: MovableClock, name: str) -> None:
        self.engine, self.clock = engine, clock
        self.presence = Presence(engine, name)

    async def begins(self) -> None:
        await self.presence.hold()
        async with transaction(self.engine) as tx:
            await enter(tx, self.presence.me, version="1", at=self.clock.now())

    async def dies(self) -> None:
        await self.presence.drop()


async def held(engine: AsyncEngine) -> tuple[str | None, str | None, int]:
    """Who has the webhook and the stream, and how often the webhook was tried."""
    async with reading(engine) as tx:
        row = (await tx.execute(select(tables.inbox.c.holder, tables.inbox.c.attempts))).one()
        lease = (await tx.execute(select(tables.source_stream.c.holder))).scalar_one()
    return row.holder, lease, row.attempts


async def processes(engine: AsyncEngine) -> set[str]:
    async with reading(engine) as tx:
        return set((await tx.execute(select(tables.process.c.name))).scalars())


@pytest.fixture
async def other(database: str, clock: MovableClock) -> AsyncIterator[Other]:
    engine = open_engine(database)
    other = Other(engine, clock, "two")
    yield other
    await other.dies()
    await engine.dispose()


@pytest.fixture
async def mine(
    engine: AsyncEngine, database: str, clock: MovableClock, world: World, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Takeover]:
    monkeypatch.setattr(module, "MISSING_S", 0.0)
    fulfilment = make_engine(engine, database, world.connections(clock), clock, executor="one")
    await fulfilment.launch()
    yield Takeover(engine, clock, fulfilment)
    await fulfilment.close()


@postgresql
async def test_what_a_process_that_is_gone_claimed_is_free(
    engine: AsyncEngine, clock: MovableClock, other: Other, mine: Takeover, caplog: pytest.LogCaptureFixture
):
    await mine.enter()
    await other.begins()
    await works(other.engine, clock)
    assert await mine.look() == 0
    whose = other.presence.me.incarnation
    assert await held(engine) == (whose, whose, 1)

    await other.dies()

    assert await mine.look() == 1
    assert await held(engine) == (None, None, 0)
    assert await processes(engine) == {"one"}
    assert "process two is gone; taken over from it: 1 webhooks, 1 pulls, 0 workflows" in caplog.text
    assert await mine.look() == 0


@postgresql
async def test_one_that_is_missing_for_a_moment_is_left_alone(
    clock: MovableClock, other: Other, mine: Takeover, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "MISSING_S", 60.0)
    await mine.enter()
    await other.begins()
    await other.dies()

    assert await mine.look() == 0
    await other.presence.hold()
    assert await mine.look() == 0
    monkeypatch.setattr(module, "MISSING_S", 0.0)
    assert await mine.look() == 0


@postgresql
async def test_of_several_that_see_it_one_takes_over(
    engine: AsyncEngine, database: str, clock: MovableClock, other: Other, mine: Takeover,
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    async def nothing_under_way(_self: FulfilmentEngine, _name: str) -> int:
        return 0

    monkeypatch.setattr(FulfilmentEngine, "adopt_from", nothing_under_way)
    others = [open_engine(database) for _ in range(3)]
    seers = [mine]
    for number, each in enumerate(others):
        fulfilment = make_engine(each, database, world.connections(clock), clock, executor=f"seer {number}")
        seers.append(Takeover(each, clock, fulfilment))
    await asyncio.gather(*(seer.enter() for seer in seers))
    await other.begins()
    await works(other.engine, clock)
    await other.dies()

    found = await asyncio.gather(*(seer.look() for seer in seers))

    assert sum(found) == 1
    assert caplog.text.count("process two is gone") == 1
    for seer, each in zip(seers[1:], others, strict=True):
        await seer.leave()
        await seer._presence.drop()
        await each.dispose()


@postgresql
async def test_nobody_is_given_up_when_all_lost_their_connections(
    engine: AsyncEngine, clock: MovableClock, other: Other, mine: Takeover, monkeypatch: pytest.MonkeyPatch
):
    """As when the database server was started again; who is really gone is seen a little later."""
    await mine.enter()
    await other.begins()
    await works(other.engine, clock)
    whose = other.presence.me.incarnation
    async with transaction(engine) as tx:
        await tx.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )

    assert await mine.look() == 0
    assert await mine.look() == 0
    assert await held(engine) == (whose, whose, 1)
    monkeypatch.setattr(mine, "_quiet_until", 0.0)
    assert await mine.look() == 1
    assert await held(engine) == (None, None, 0)


async def test_a_start_frees_what_an_earlier_start_of_it_had_claimed(
    engine: AsyncEngine, database: str, clock: MovableClock, world: World
):
    """On SQLite, which serves one process, everything that is claimed."""
    before = Other(open_engine(database), clock, "one" if engine.dialect.name == "postgresql" else "hub")
    await before.begins()
    await works(before.engine, clock)
    await before.dies()
    fulfilment = make_engine(engine, database, world.connections(clock), clock, executor="one")
    again = Takeover(engine, clock, fulfilment)

    await again.enter()

    assert await held(engine) == (None, None, 0)
    assert await processes(engine) == {fulfilment.presence.me.name}
    await again.leave()
    assert await processes(engine) == set()
    await fulfilment.close()
    await before.engine.dispose()


async def test_a_pull_that_could_not_give_its_stream_back_does_not_keep_it(
    engine: AsyncEngine, clock: MovableClock, mine: Takeover
):
    """The database was away when it ended. One that is under way keeps its own."""
    await mine.enter()
    await works(engine, clock, lease="under way")
    UNDER_WAY.add("under way")
    try:
        await mine.look()
        assert (await held(engine))[1] == mine._me.incarnation
    finally:
        UNDER_WAY.discard("under way")

    await mine.look()

    assert (await held(engine))[1] is None


async def test_who_ends_in_order_leaves_nothing_to_take_over(engine: AsyncEngine, clock: MovableClock, mine: Takeover):
    await mine.enter()
    await works(engine, clock)

    await mine.leave()

    assert await held(engine) == (None, None, 0)
    assert await processes(engine) == set()


async def test_a_claim_of_one_that_is_there_runs_out_by_time(engine: AsyncEngine, clock: MovableClock, mine: Takeover):
    await mine.enter()
    await works(engine, clock)
    await mine.look()
    async with transaction(engine) as tx:
        assert await claim_deliveries(tx, "cmdb", limit=5, at=clock.now()) == []

    clock.advance(CLAIM + timedelta(seconds=1))

    async with transaction(engine) as tx:
        assert len(await claim_deliveries(tx, "cmdb", limit=5, at=clock.now())) == 1
