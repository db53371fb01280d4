"""What many want to read at one moment comes back at one moment, but what is slow, which nobody else waits for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.storage.database.direct import CONNECTIONS
from connector.storage.database.engine import transaction
from connector.storage.query import Selection, Together
from connector.storage.query.sight import Sight
from connector.storage.query.together import SLOW_AT_A_TIME

ENTITIES = ("asset", "hub", "product", "reservation", "shipment", "site", "task", "ticket")
COLUMNS = ("id", "created_at", "updated_at")


@pytest.fixture
async def together(engine: AsyncEngine) -> AsyncIterator[Together]:
    together = Together(engine, timedelta(seconds=60))
    yield together
    await together.aclose()


def reading(together: Together, entity: str, column: str = "id") -> asyncio.Task[list[list[object]]]:
    read = together.read_of([Selection(entity, frozenset({column}))], Sight())
    return asyncio.create_task(together.rows(read, [1]))


async def test_what_is_read_together_is_handed_on_together(together: Together, monkeypatch: pytest.MonkeyPatch):
    """However busy the machine is: nothing counts as slow here."""
    monkeypatch.setattr("connector.storage.query.together.SLOW", timedelta(seconds=60))
    reads = [reading(together, entity, column) for entity in ENTITIES for column in COLUMNS]
    assert len(reads) > 2 * CONNECTIONS

    await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0)

    assert all(one.done() for one in reads)
    assert [one.result() for one in reads] == [[[]]] * len(reads)


async def test_nobody_waits_long_for_what_others_read(together: Together, engine: AsyncEngine):
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite locks no single table")
    async with transaction(engine) as tx:
        await tx.execute(text("LOCK TABLE ticket IN ACCESS EXCLUSIVE MODE"))
        held, free = reading(together, "ticket"), reading(together, "site")

        assert await free == [[]]
        assert not held.done()

    assert await held == [[]]


async def test_what_waits_behind_what_is_slow_is_broken_off_as_well(together: Together, engine: AsyncEngine):
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite locks no single table")
    reads = [together.read_of([Selection("ticket", frozenset({column}))], Sight()) for column in COLUMNS]
    assert len(reads) > SLOW_AT_A_TIME
    for read in reads:
        read.is_slow = True
    async with transaction(engine) as tx:
        await tx.execute(text("LOCK TABLE ticket IN ACCESS EXCLUSIVE MODE"))
        held = [asyncio.create_task(together.rows(read, [1])) for read in reads]
        assert await reading(together, "site") == [[]]

        await together.aclose()

        assert all(
            isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*held, return_exceptions=True)
        )


async def test_what_is_broken_off_fails_for_all_who_wait(together: Together, engine: AsyncEngine):
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite locks no single table")
    async with transaction(engine) as tx:
        await tx.execute(text("LOCK TABLE ticket IN ACCESS EXCLUSIVE MODE"))
        held = reading(together, "ticket")
        await asyncio.wait([held, reading(together, "site")], return_when=asyncio.FIRST_COMPLETED)

        await together.aclose()

        with pytest.raises(asyncio.CancelledError):
            await held
