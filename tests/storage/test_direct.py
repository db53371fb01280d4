from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.storage.database.direct import CONNECTIONS, DirectConnections
from connector.storage.database.engine import direct_connections, transaction
from connector.storage.database.refusals import NotAnswered


@pytest.fixture
def direct(engine: AsyncEngine) -> DirectConnections:
    found = direct_connections(engine)
    if found is None:
        pytest.skip("SQLite has no round trips to save")
    return found


async def test_more_statements_than_connections_are_all_answered(direct: DirectConnections):
    numbers = range(3 * CONNECTIONS)

    rows = await asyncio.gather(*(direct.row("SELECT %(n)s::int", {"n": n}) for n in numbers))

    assert [number for (number,) in rows] == list(numbers)


async def test_connections_that_the_server_closed_are_replaced(direct: DirectConnections, engine: AsyncEngine):
    (process,) = await direct.row("SELECT pg_backend_pid()", {})
    async with transaction(engine) as tx:
        await tx.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})

    (other,) = await direct.row("SELECT pg_backend_pid()", {})

    assert other != process


async def test_a_statement_that_fails_says_that_it_was_not_answered_and_the_next_one_is(direct: DirectConnections):
    with pytest.raises(NotAnswered, match="division by zero"):
        await direct.row("SELECT 1 / 0", {})

    assert tuple(await direct.row("SELECT 1", {})) == (1,)


async def test_a_statement_that_nobody_waits_for_any_more_leaves_no_connection_behind(direct: DirectConnections):
    asked = asyncio.create_task(direct.row("SELECT pg_backend_pid(), pg_sleep(20)", {}))
    for _ in range(CONNECTIONS):
        await direct.row("SELECT 1", {})
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked

    rows = await asyncio.gather(*(direct.row("SELECT 1", {}) for _ in range(2 * CONNECTIONS)))

    assert [tuple(row) for row in rows] == [(1,)] * 2 * CONNECTIONS


async def test_a_connection_that_nobody_waits_for_any_more_is_closed(
    direct: DirectConnections, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("connector.storage.database.direct.SETTINGS", "SELECT pg_sleep(20)")
    opened: list[psycopg.AsyncConnection[Any]] = []
    is_open = asyncio.Event()
    connect = psycopg.AsyncConnection.connect

    async def remembered(*args: Any, **kwargs: Any) -> psycopg.AsyncConnection[Any]:
        opened.append(await connect(*args, **kwargs))
        is_open.set()
        return opened[-1]

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", remembered)
    asked = asyncio.create_task(direct.row("SELECT 1", {}))
    await is_open.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked

    assert [connection.closed for connection in opened] == [True]
