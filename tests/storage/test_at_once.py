"""What SQLite answers in next to no time is asked in the event loop's own thread, and nothing else is."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.storage.test_readers import COUNT, notes, readers, write

from connector.storage.database import at_once
from connector.storage.database.at_once import LONGEST_S, MOST_KNOWN, QUICK_S, AtOnce
from connector.storage.database.readers import Readers
from connector.storage.database.refusals import NotAnswered

__all__ = ["notes", "readers"]

COUNTED = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?) SELECT count(*) FROM n"
FOR_EVER = 2**40
HERE = "SELECT thread()"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE note (body TEXT)")
    return path


def connect_to(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    add_thread(connection)
    return connection


def add_thread(connection: sqlite3.Connection) -> None:
    connection.create_function("thread", 0, lambda: threading.current_thread().name)


async def test_a_statement_is_run_by_a_thread_first_and_here_from_then_on_if_it_was_quick(
    database: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(at_once, "QUICK_S", 60.0)  # however slow the machine is
    monkeypatch.setattr(at_once, "LONGEST_S", 60.0)
    reading = Readers(str(database), (), add_thread)

    where = [(await reading.row(HERE, ()))[0] for _ in range(3)]

    assert where == [b"reader", *[threading.current_thread().name.encode()] * 2]
    reading.close()


def test_what_took_long_is_left_to_others_until_it_was_quick_there(database: Path):
    here = AtOnce(lambda: connect_to(database))

    assert here.row("SELECT 1", ()) is None, "nobody knows how long it takes"
    here.note("SELECT 1", QUICK_S * 2)
    assert here.row("SELECT 1", ()) is None
    here.note("SELECT 1", QUICK_S / 2)
    assert here.row("SELECT 1", ()) == (1,)
    here.note("SELECT 1", QUICK_S * 2)
    assert here.row("SELECT 1", ()) is None
    here.close()


def test_a_run_that_takes_long_after_all_is_given_up(database: Path, monkeypatch: pytest.MonkeyPatch):
    here = AtOnce(lambda: connect_to(database))
    here.note(COUNTED, 0)
    assert here.row(COUNTED, (3,)) == (3,)
    here.note(COUNTED, 0)  # it opened the connection, which may take a while
    moments = iter([0.0, LONGEST_S / 2, LONGEST_S, LONGEST_S * 1.01])
    monkeypatch.setattr(at_once, "perf_counter", lambda: next(moments))

    assert here.row(COUNTED, (FOR_EVER,)) is None

    assert next(moments, None) is None
    assert here.row(COUNTED, (3,)) is None
    here.close()


async def test_what_is_given_up_is_answered_by_a_thread(readers: Readers):
    assert await readers.row(COUNTED, (3,)) == (3,)
    assert await readers.row(COUNTED, (200_000,)) == (200_000,)


def test_it_waits_for_no_lock(database: Path):
    here = AtOnce(lambda: connect_to(database))
    here.note("SELECT count(*) FROM note", 0)
    assert here.row("SELECT count(*) FROM note", ()) == (0,)
    other = connect_to(database)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    here.close()
    other.execute("BEGIN EXCLUSIVE")
    other.execute("INSERT INTO note VALUES ('a')")

    assert here.row("SELECT count(*) FROM note", ()) is None

    other.close()
    here.close()


async def test_what_was_committed_is_seen_at_once(notes: AsyncEngine, readers: Readers):
    await readers.row(COUNT, ())
    names = [thread.name for thread in threading.enumerate()]

    for number in range(1, 20):
        await write(notes, "n")
        assert await readers.row(COUNT, ()) == (number,)

    assert names.count("reader") == [thread.name for thread in threading.enumerate()].count("reader")


async def test_what_fails_is_told_by_a_thread(readers: Readers, notes: AsyncEngine):
    await readers.row("SELECT abs(?)", (1,))

    with pytest.raises(NotAnswered, match="integer overflow"):
        await readers.row("SELECT abs(?)", (-(2**63),))
    with pytest.raises(NotAnswered, match="too large"):
        await readers.row("SELECT abs(?)", (2**63,))
    assert await readers.row("SELECT abs(?)", (-1,)) == (1,)


def test_those_that_were_known_first_are_forgotten_first(database: Path):
    here = AtOnce(lambda: connect_to(database))
    for number in range(MOST_KNOWN + 1):
        here.note(f"SELECT {number}", 0)

    assert here.row("SELECT 0", ()) is None
    assert here.row("SELECT 1", ()) == (1,)
    here.close()
