from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import NOW

from connector.model.refs import EntityKind
from connector.storage.database import growth
from connector.storage.database.changes import NewChange, log_changes, publish_changes
from connector.storage.database.engine import open_engine, transaction
from connector.storage.database.growth import LogGrowth, Rest
from connector.storage.database.refusals import NotAnswered

SITE, HUB, TICKET = EntityKind.SITE, EntityKind.HUB, EntityKind.TICKET


@pytest.fixture
async def other(database: str) -> AsyncIterator[AsyncEngine]:
    """Another process's engine on the database."""
    engine = open_engine(database)
    yield engine
    await engine.dispose()


async def log(tx: AsyncConnection, *kinds: EntityKind) -> None:
    await log_changes(tx, [NewChange(kind, 1, "updated", {}) for kind in kinds], actor="test", at=NOW)


async def change(engine: AsyncEngine, *kinds: EntityKind) -> None:
    async with transaction(engine) as tx:
        await log(tx, *kinds)


async def test_a_kind_is_the_same_until_a_change_of_it_is_committed_by_whomever(engine, other):
    growth = LogGrowth(engine)
    await growth.look()
    since = growth.length

    await change(other, HUB)
    await growth.look()

    assert (since, growth.length) == (0, 1)
    assert growth.is_same([SITE, TICKET], since)
    assert not growth.is_same([SITE, HUB], since)
    assert growth.is_same([SITE, HUB], growth.length)


async def test_what_is_rolled_back_was_no_change(engine, other):
    growth = LogGrowth(engine)
    await growth.look()

    async with other.connect() as tx:
        await log(tx, SITE)
        await tx.rollback()
    await growth.look()

    assert growth.length == 0


async def test_numbering_changes_is_no_change(engine, other):
    growth = LogGrowth(engine)
    await change(other, SITE, HUB)
    await growth.look()

    async with transaction(other) as tx:
        await publish_changes(tx)
    await growth.look()
    await change(other, HUB)
    await growth.look()

    assert growth.length == 3
    assert growth.is_same([SITE], since=2)
    assert not growth.is_same([HUB], since=2)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_change_that_is_committed_after_a_later_one_is_seen(engine, other):
    growth = LogGrowth(engine)
    async with transaction(other) as slow:
        await log(slow, SITE)
        await change(engine, HUB)
        async with transaction(engine) as tx:
            await publish_changes(tx)
        await growth.look()
        since = growth.length
        assert since == 1
    await growth.look()

    assert growth.length == 2
    assert not growth.is_same([SITE], since)
    assert growth.is_same([HUB], since)


async def test_among_very_many_changes_every_kind_counts_as_changed(engine, other, monkeypatch):
    monkeypatch.setattr(growth, "MOST_LOOKED_THROUGH", 3)
    seen = LogGrowth(engine)
    await seen.look()

    await change(other, SITE, SITE, SITE)
    await seen.look()
    assert seen.is_same([HUB], since=0)

    async with transaction(other) as tx:
        await publish_changes(tx)
    await seen.look()
    await change(other, SITE, SITE, SITE, SITE)
    await seen.look()
    assert not seen.is_same([HUB], since=3)


async def test_a_log_that_is_shorter_than_it_was_is_another_log(engine, other):
    growth = LogGrowth(engine)
    await change(other, SITE, HUB)
    await growth.look()

    async with transaction(other) as tx:
        await tx.exec_driver_sql("DELETE FROM change WHERE id = (SELECT max(id) FROM change)")
    await growth.look()

    assert not growth.is_same([TICKET], since=0)
    assert growth.is_same([TICKET], since=1)


async def test_all_who_look_at_once_share_looks_that_begin_after_they_came(engine, other):
    growth = LogGrowth(engine)
    asked, begun, ask = 0, asyncio.Event(), growth._ask

    async def counted(position: int) -> tuple[int, int, str | None]:
        nonlocal asked
        asked += 1
        begun.set()
        return await ask(position)

    growth._ask = counted

    first = asyncio.create_task(growth.look())
    await begun.wait()
    await asyncio.gather(first, *(growth.look() for _ in range(20)))

    assert asked == 2


async def test_whoever_waits_no_longer_takes_the_look_from_nobody(engine):
    growth = LogGrowth(engine)
    impatient, patient = asyncio.create_task(growth.look()), asyncio.create_task(growth.look())
    await asyncio.sleep(0)

    impatient.cancel()
    await patient

    assert growth.length == 0


async def test_a_log_that_cannot_be_read_is_told_and_looked_at_again(engine, other):
    growth = LogGrowth(engine)
    async with transaction(other) as tx:
        await tx.exec_driver_sql("ALTER TABLE change RENAME TO away")
    with pytest.raises(NotAnswered):
        await growth.look()

    async with transaction(other) as tx:
        await tx.exec_driver_sql("ALTER TABLE away RENAME TO change")
    await growth.look()

    assert growth.length == 0


async def test_a_log_rests_until_somebody_commits_a_change(engine, other):
    rest = Rest(engine)
    assert await rest.has_ended()  # nobody has read it yet
    rest.read_on()
    assert not await rest.has_ended()

    await change(other, HUB)
    assert await rest.has_ended()
    await change(other, SITE)
    rest.read_on()  # what was there at the look, and perhaps not what came after it

    assert await rest.has_ended()
    rest.read_on()
    assert not await rest.has_ended()


async def test_a_log_that_cannot_be_looked_at_is_read(engine, other, monkeypatch):
    rest = Rest(engine)
    await rest.has_ended()
    rest.read_on()

    async def refused(_position: int) -> tuple[int, int, str | None]:
        raise NotAnswered("the database is away")

    with monkeypatch.context() as away:
        away.setattr(rest, "_ask", refused)
        assert await rest.has_ended()
        rest.read_on()
    assert await rest.has_ended()
    rest.read_on()
    assert not await rest.has_ended()
