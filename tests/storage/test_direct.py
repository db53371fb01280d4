from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.storage.database.direct import CONNECTIONS, DirectConnections
from connector.storage.database.engine import direct_connections, transaction
from connector.storage.database.refusals import NotAnswered

SLEEPING = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'active' AND query LIKE '%%pg_sleep(20)%%'
        AND pid <> pg_backend_pid()"""
"""How many statements are at it that end by themselves only after the test."""
END_SLEEPING = text("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE '%pg_sleep(20)'""")


HELD = text("""SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted""")
"""How many statements wait for the lock of a test."""


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
    async with asyncio.timeout(10):
        while (await direct.row(SLEEPING, {}))[0]:
            continue


async def test_a_server_that_ends_a_statement_says_so_and_the_next_one_is_answered(
    direct: DirectConnections, engine: AsyncEngine
):
    asked = asyncio.create_task(direct.row("SELECT pg_sleep(20)", {}))
    async with asyncio.timeout(10):
        while not (await direct.row(SLEEPING, {}))[0]:
            continue
    async with transaction(engine) as tx:
        await tx.execute(END_SLEEPING)

    with pytest.raises(NotAnswered, match=r"terminating connection|lost"):
        await asked
    assert tuple(await direct.row("SELECT 1", {})) == (1,)


async def test_a_statement_and_an_answer_of_megabytes_pass(direct: DirectConnections):
    text_ = "日本" * 2_000_000

    (same, length) = await direct.row("SELECT %(t)s::text, length(%(t)s::text)", {"t": text_})

    assert (same, length) == (text_.encode(), len(text_))


VALUES: list[tuple[str, Any]] = [
    ("text", "a%b_\"c\\{}\n'; --"),
    ("text", ""),
    ("bigint", -(2**63)),
    ("float8", 1e300),
    ("float8", 0.1),
    ("bool", True),
    ("bool", False),
    ("text", None),
    ("timestamptz", datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)),
    ("date", date(2026, 1, 2)),
    ("bigint[]", [1, 2**62]),
    ("text[]", ['a"b', "\\", "{,}", "", "NULL"]),
    ("bigint[]", []),
]


@pytest.mark.parametrize(("type_", "value"), VALUES)
async def test_a_value_arrives_as_it_was_sent_each_time(direct: DirectConnections, type_: str, value: Any):
    expected = value.encode() if isinstance(value, str) else value
    for _ in range(3):  # as it is, prepared, and known to be
        row = await direct.row(f"SELECT %(it)s::{type_}, '100%%', %(it)s::{type_}", {"it": value})

        assert tuple(row) == (expected, b"100%", expected)


async def test_json_arrives_as_the_bytes_that_the_server_wrote(direct: DirectConnections):
    row = await direct.row("""SELECT '{"a":  "ü"}'::json, NULL::json, NULL::text""", {})

    assert tuple(row) == ('{"a":  "ü"}'.encode(), None, None)


async def test_a_value_of_which_nobody_knows_how_it_is_written_is_refused(direct: DirectConnections):
    with pytest.raises(TypeError, match="no parameter can be a bytes"):
        await direct.row("SELECT %(it)s::bytea", {"it": b"x"})

    assert tuple(await direct.row("SELECT 1", {})) == (1,)


async def test_statements_that_were_not_asked_for_longest_are_forgotten(
    direct: DirectConnections, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("connector.storage.database.wire.MOST_PREPARED", 3)
    for number in (1, 1, 2, 2, 3, 3, 1, 4, 4, 5, 5):
        assert tuple(await direct.row(f"SELECT {number}", {})) == (number,)

    (prepared,) = await direct.row("SELECT array_agg(statement ORDER BY statement) FROM pg_prepared_statements", {})

    assert prepared == ["SELECT 4", "SELECT 5"]


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


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_becomes_of_others_each_is_told_what_it_asked_for_and_no_place_is_lost(
    direct: DirectConnections, engine: AsyncEngine, seed: int
):
    chance, places = random.Random(seed), range(CONNECTIONS)  # noqa: S311 - a test that can be had again

    async def ask(number: int) -> None:
        match chance.choices(["plain", "slow", "cancelled", "fails", "lost"], [6, 6, 4, 1, 1])[0]:
            case "plain":
                (text_, same) = await direct.row("SELECT 'n' || %(n)s::int, %(n)s::int", {"n": number})
                assert (text_, same) == (f"n{number}".encode(), number)
            case "fails":
                with pytest.raises(NotAnswered, match="division by zero"):
                    await direct.row("SELECT %(n)s::int / 0", {"n": number})
            case "lost":
                with pytest.raises(NotAnswered, match=r"terminating connection|lost|closed"):
                    await direct.row("SELECT pg_terminate_backend(pg_backend_pid()), %(n)s::int", {"n": number})
            case "slow":
                assert tuple(await direct.row("SELECT %(n)s::int FROM pg_sleep(0.02)", {"n": number})) == (number,)
            case _:
                asked = asyncio.create_task(direct.row("SELECT %(n)s::int FROM pg_sleep(0.02)", {"n": number}))
                for _ in range(chance.randrange(30)):
                    await asyncio.sleep(0)
                asked.cancel()
                with suppress(asyncio.CancelledError):
                    assert tuple(await asked) == (number,)

    async with asyncio.timeout(60):
        for first in range(0, 600, 30):
            await asyncio.gather(*(ask(number) for number in range(first, first + 30)))

    async with transaction(engine) as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(7)"))
        held = [asyncio.create_task(direct.row("SELECT 1 FROM pg_advisory_xact_lock_shared(7)", {})) for _ in places]
        async with asyncio.timeout(30):
            while (await tx.execute(HELD)).scalar_one() < CONNECTIONS:
                continue
        assert direct._taken == CONNECTIONS
    assert [tuple(row) for row in await asyncio.gather(*held)] == [(1,) for _ in places]
