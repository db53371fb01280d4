"""Several processes on one PostgreSQL database: what one leaves and does not come back to, another finishes."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.fulfilment.scene import make_engine, make_scene
from tests.fulfilment.world import World

from connector.sdk import Clock
from connector.storage import tables
from connector.storage.database.engine import open_engine, transaction
from connector.storage.database.presence import Presence, is_present

postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@postgresql
async def test_a_name_is_held_by_one_process_as_long_as_it_is_there(engine: AsyncEngine, database: str):
    other = open_engine(database)
    mine, theirs = Presence(engine, "a"), Presence(other, "a")

    assert await mine.hold() is True
    assert await mine.hold() is True
    assert await theirs.hold() is False
    async with transaction(other) as tx:
        assert (await is_present(tx, "a"), await is_present(tx, "b")) == (True, False)
    await mine.drop()

    assert await theirs.hold() is True
    await theirs.drop()
    async with transaction(engine) as tx:
        assert await is_present(tx, "a") is False
    await other.dispose()


@postgresql
async def test_who_looks_whether_a_process_is_there_does_not_keep_its_name_from_it(engine: AsyncEngine, database: str):
    other = open_engine(database)
    beginning = Presence(other, "b")

    async with transaction(engine) as tx:
        assert await is_present(tx, "b") is False
        assert await beginning.hold() is True
        assert await is_present(tx, "b") is True

    await beginning.drop()
    await other.dispose()


@postgresql
async def test_a_name_that_a_dead_process_had_is_waited_for(engine: AsyncEngine, database: str):
    other = open_engine(database)
    dying, beginning = Presence(other, "c"), Presence(engine, "c")
    await dying.hold()

    assert await beginning.claim(timedelta(0)) is False
    claiming = asyncio.create_task(beginning.claim())
    await asyncio.wait([claiming], timeout=0.15)
    assert not claiming.done()
    await dying.drop()

    assert await claiming is True
    await beginning.drop()
    await other.dispose()


@postgresql
async def test_what_a_dead_process_left_is_finished_by_another_and_what_a_living_one_does_is_not_touched(
    engine: AsyncEngine, database: str, world: World, clock: Clock
):
    scene = await make_scene(engine)
    world.refuse = {"POST labels": (503, 1_000)}
    first = make_engine(engine, database, world.connections(clock), clock, executor="one")
    await first.launch()
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))
    await first.close()
    world.refuse = {}
    still_there = Presence(engine, "one")
    await still_there.hold()

    second = make_engine(engine, database, world.connections(clock), clock, executor="two")
    await second.launch()
    try:
        assert await second.adopt() == 0
        assert world.labels == {}

        await still_there.drop()
        assert await second.adopt() == 1
        await scene.finished(1)
    finally:
        await second.close()

    assert world.bought() == ["TRK0001"]
    assert world.told("4711") == ["A replacement is on its way."]
