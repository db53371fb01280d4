"""What is particular to SQLite: one visit per statement, and checkpoints beside the work."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.commits import eventually

from connector.storage.database.checkpoint import COMMITS
from connector.storage.database.engine import DatabaseRefusal, in_transaction, open_engine, reading, transaction


@pytest.fixture
async def notes(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """A database of its own with one table."""
    engine = open_engine(f"sqlite:///{tmp_path / 'notes.db'}")
    async with transaction(engine) as tx:
        await tx.execute(text("CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE)"))
    yield engine
    await engine.dispose()


async def test_rows_counts_and_returned_values_are_those_of_the_statement(notes: AsyncEngine):
    async with transaction(notes) as tx:
        many = [{"body": f"n{number}"} for number in range(5)]
        await tx.execute(text("INSERT INTO note (body) VALUES (:body)"), many)
        changed = await tx.execute(text("UPDATE note SET body = body || '!' WHERE id > 3"))
        returned = await tx.execute(text("INSERT INTO note (body) VALUES ('last') RETURNING id, body"))
        nothing = await tx.execute(text("DELETE FROM note WHERE id = 99"))
        rows = await tx.execute(text("SELECT body AS told FROM note ORDER BY id"))

    assert (changed.rowcount, nothing.rowcount) == (2, 0)
    assert returned.all() == [(6, "last")]
    assert list(rows.keys()) == ["told"]
    assert rows.scalars().all() == ["n0", "n1", "n2", "n3!", "n4!", "last"]


async def test_errors_are_those_of_the_database_and_undo_the_transaction(notes: AsyncEngine):
    with pytest.raises(OperationalError, match="no such table: nowhere"):
        async with reading(notes) as tx:
            await tx.execute(text("SELECT 1 FROM nowhere"))

    async def write_twice(tx: AsyncConnection) -> None:
        await tx.execute(text("INSERT INTO note (body) VALUES ('a'), ('b')"))
        await tx.execute(text("INSERT INTO note (body) VALUES ('a')"))

    with pytest.raises(DatabaseRefusal, match="UNIQUE constraint failed"):
        await in_transaction(notes, write_twice)

    async with reading(notes) as tx:
        assert (await tx.execute(text("SELECT count(*) FROM note"))).scalar_one() == 0


async def test_each_statement_visits_the_thread_once(notes: AsyncEngine):
    async with reading(notes) as tx:
        driver = (await tx.get_raw_connection()).driver_connection
        visits: list[object] = []
        put = driver._tx.put_nowait
        driver._tx = type("Counting", (), {"put_nowait": lambda _, item: (visits.append(item), put(item))})()
        assert (await tx.execute(text("SELECT 1 UNION SELECT 2"))).all() == [(1,), (2,)]
        assert len(visits) == 1


async def test_the_log_is_copied_although_no_commit_does_it(notes: AsyncEngine, tmp_path: Path):
    path = tmp_path / "notes.db"
    for number in range(COMMITS):
        async with transaction(notes) as tx:
            await tx.execute(text("INSERT INTO note (body) VALUES (:body)"), {"body": f"{number:0>3000}"})

    async def is_copied() -> bool:
        """Whether the database file has grown, which only a checkpoint does."""
        return path.stat().st_size > COMMITS * 3000

    await eventually(is_copied)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM note").fetchone() == (COMMITS,)


def test_a_connection_that_nobody_waits_for_any_more_ends_before_its_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    failures: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: failures.append(told.exc_value))

    async def give_up(after: int) -> None:
        engine = open_engine(f"sqlite:///{tmp_path / 'hub.db'}")

        async def read() -> None:
            async with reading(engine) as tx:
                await tx.execute(text("SELECT 1"))

        reader = asyncio.create_task(read())
        for _ in range(after):
            await asyncio.sleep(0)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await engine.dispose()

    for steps in range(30):
        asyncio.run(give_up(steps))
    for thread in threading.enumerate():
        if "_connection_worker" in thread.name:
            thread.join(5)

    assert failures == []
