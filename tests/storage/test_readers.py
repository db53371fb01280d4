"""Single statements on SQLite go to threads of their own, which read and do nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fulfilment.scene import eventually

from connector.storage.database.engine import READING, direct_connections, open_engine, readers_of, transaction
from connector.storage.database.functions import add_functions
from connector.storage.database.readers import READERS, Readers
from connector.storage.database.refusals import NotAnswered, TooDeep

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
COUNT = "SELECT count(*) FROM note"


@pytest.fixture
async def notes(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """A database of its own with one table."""
    engine = open_engine(f"sqlite:///{tmp_path / 'notes #1.db'}")
    async with transaction(engine) as tx:
        await tx.execute(text("CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT NOT NULL)"))
    yield engine
    await engine.dispose()


@pytest.fixture
def readers(notes: AsyncEngine) -> Readers:
    found = readers_of(notes)
    assert found is not None
    return found


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "reader"]


async def none_is_left() -> bool:
    return threads() == []


async def all_are_busy() -> bool:
    return len(threads()) == READERS


async def write(engine: AsyncEngine, body: str) -> None:
    async with transaction(engine) as tx:
        await tx.execute(text("INSERT INTO note (body) VALUES (:body)"), {"body": body})


async def test_a_database_has_one_way_for_single_statements(engine: AsyncEngine):
    is_file = engine.dialect.name == "sqlite"

    assert (readers_of(engine) is not None, direct_connections(engine) is not None) == (is_file, not is_file)


async def test_more_statements_than_threads_are_all_answered_and_texts_stay_bytes(readers: Readers):
    numbers = range(3 * READERS)

    rows = await asyncio.gather(*(readers.row("SELECT ?, 'ä'", (number,)) for number in numbers))

    assert rows == [(number, "ä".encode()) for number in numbers]


async def test_statements_that_end_within_their_turn_take_one_thread(notes: AsyncEngine):
    await eventually(none_is_left)  # of the tests before
    readers = Readers(str(notes.url.database), READING, add_functions, turn_s=60)

    rows = await asyncio.gather(*(readers.row("SELECT ?", (number,)) for number in range(3 * READERS)))

    assert (rows, len(threads())) == ([(number,) for number in range(3 * READERS)], 1)
    readers.close()


async def test_what_was_committed_is_seen_by_the_next_statement(notes: AsyncEngine, readers: Readers):
    for number in range(20):
        assert await readers.row(COUNT, ()) == (number,)
        await write(notes, f"n{number}")


async def test_a_statement_sees_one_moment_and_leaves_no_transaction_behind(notes: AsyncEngine, readers: Readers):
    await write(notes, "a")
    await readers.row(COUNT, ())

    async with notes.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        copied = await (await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")).fetchone()

    assert copied == (0, 0, 0), "a reader that still reads would keep the log"


async def test_a_statement_that_fails_says_that_it_was_not_answered_and_the_next_one_is(readers: Readers):
    with pytest.raises(NotAnswered, match="no such table: nowhere"):
        await readers.row("SELECT 1 FROM nowhere", ())
    with pytest.raises(NotAnswered, match="too large"):
        await readers.row("SELECT ?", (2**63,))
    with pytest.raises(NotAnswered, match="no row came"):
        await readers.row("SELECT 1 WHERE 0", ())

    assert await readers.row("SELECT 1", ()) == (1,)


async def test_nothing_can_be_written(readers: Readers):
    with pytest.raises(NotAnswered, match="attempt to write a readonly database"):
        await readers.row("INSERT INTO note (body) VALUES ('a') RETURNING id", ())


async def test_what_is_nested_too_deeply_for_sqlite_is_told(readers: Readers):
    with pytest.raises(TooDeep, match="nested more deeply than SQLite can read"):
        await readers.row(f"SELECT {'(' * 200}1{')' * 200}", ())


async def test_nobody_waits_long_for_slow_statements_as_long_as_there_are_threads(readers: Readers):
    slow = [asyncio.create_task(readers.row(ENDLESS, ())) for _ in range(READERS - 1)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert await readers.row("SELECT 1", ()) == (1,)
    assert len(threads()) == READERS

    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_statements_that_nobody_waits_for_any_more_are_interrupted_and_leave_no_thread_behind(readers: Readers):
    asked = [asyncio.create_task(readers.row(ENDLESS, ())) for _ in range(READERS)]
    await eventually(all_are_busy)
    late = asyncio.create_task(readers.row("SELECT 1", ()))
    await asyncio.sleep(0)
    for task in asked:
        task.cancel()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * READERS
    assert await late == (1,)
    readers.close()
    await eventually(none_is_left)


async def test_threads_end_with_the_engine_and_begin_again_when_they_are_needed(notes: AsyncEngine, readers: Readers):
    await readers.row("SELECT 1", ())
    await notes.dispose()
    await eventually(none_is_left)

    assert await readers.row("SELECT 1", ()) == (1,)


async def test_a_database_that_was_removed_is_not_made_anew(tmp_path: Path):
    path = tmp_path / "gone.db"
    engine = open_engine(f"sqlite:///{path}")
    readers = readers_of(engine)
    assert readers is not None

    with pytest.raises(NotAnswered, match="unable to open database file"):
        await readers.row("SELECT 1", ())

    assert not path.exists()
