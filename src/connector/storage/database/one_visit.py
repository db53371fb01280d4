"""SQLite statements in one visit to the connection's thread instead of four.

aiosqlite runs each call in a thread of the connection, and SQLAlchemy makes four of them for a statement: a cursor,
execute, fetch, close. Between them the two threads wait for each other, which takes longer than most statements.

A statement whose task is cancelled is interrupted: its thread would go on otherwise, for nobody.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Dialect
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util.concurrency import await_

if TYPE_CHECKING:
    import aiosqlite

INTERRUPT_AGAIN_S: Final = 0.002
T = TypeVar("T")


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    """Holds what a statement came to; the database's own cursor is closed when it is made."""

    __slots__ = ("_description", "_lastrowid", "_rowcount", "arraysize")

    def __init__(self, adapt_connection: AsyncAdapt_aiosqlite_connection) -> None:
        self._adapt_connection = adapt_connection
        self._connection = adapt_connection._connection
        self._rows = deque()
        self._description: Any = None
        self._rowcount = -1
        self._lastrowid: int | None = None
        self.arraysize = 1

    @property
    def description(self) -> Any:
        """Of the columns, None when the statement has none."""
        return self._description

    @property
    def rowcount(self) -> int:
        """Rows that were changed."""
        return self._rowcount

    @property
    def lastrowid(self) -> Any:
        """Of the row that was inserted last."""
        return self._lastrowid

    def execute(self, operation: Any, parameters: Any = None) -> Any:
        """Run a statement and take its rows."""
        self._visit(lambda connection: connection.execute(operation, parameters or ()))

    def executemany(self, operation: Any, seq_of_parameters: Any) -> Any:
        """Run a statement once for each."""
        self._visit(lambda connection: connection.executemany(operation, seq_of_parameters))

    def close(self) -> None:
        """Let the rows go."""
        self._rows.clear()

    async def _async_soft_close(self) -> None:
        """There is nothing to close."""

    def _visit(self, run: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> None:
        adapted: Any = self._connection
        is_given_up, is_over = Event(), Event()

        def visit() -> None:
            try:
                if not is_given_up.is_set():
                    take(run(adapted._conn))
            finally:
                is_over.set()

        def take(cursor: sqlite3.Cursor) -> None:
            try:
                if cursor.description is not None:
                    self._rows = deque(cursor.fetchall())
                self._description, self._rowcount, self._lastrowid = (
                    cursor.description, cursor.rowcount, cursor.lastrowid,
                )  # fmt: skip
            finally:
                cursor.close()

        try:
            await_(adapted._execute(visit))
        except asyncio.CancelledError:
            is_given_up.set()
            await_(_interrupt(adapted._conn, is_over))
            raise
        except Exception as error:  # noqa: BLE001 - raises it again, as SQLAlchemy wants it
            self._adapt_connection._handle_exception(error)


async def in_one_visit(connection: AsyncConnection, run: Callable[[sqlite3.Connection, Callable[[], bool]], T]) -> T:
    """Run something in the thread of a connection to SQLite. Broken off, its statement is interrupted.

    run: gets the driver's connection, and what says whether nobody waits any more. It leaves no transaction behind.
    """
    adapted: Any = (await connection.get_raw_connection()).driver_connection
    is_given_up, is_over = Event(), Event()

    def visit() -> T | None:
        try:
            return None if is_given_up.is_set() else run(adapted._conn, is_given_up.is_set)
        finally:
            is_over.set()

    try:
        result: T = await adapted._execute(visit)
    except asyncio.CancelledError:
        is_given_up.set()
        await _interrupt(adapted._conn, is_over)
        raise
    return result


async def _interrupt(connection: sqlite3.Connection, is_over: Event) -> None:
    """Break off what a connection's thread is at. More than once: it may be just about to begin."""
    while not is_over.is_set():
        connection.interrupt()
        await asyncio.sleep(INTERRUPT_AGAIN_S)


class _Connection(AsyncAdapt_aiosqlite_connection):
    """Makes such cursors."""

    __slots__ = ()

    _cursor_cls = _Cursor  # type: ignore[assignment]


async def _open(*arguments: Any, **parameters: Any) -> aiosqlite.Connection:
    """A connection; its thread is ended where nobody waits for it any more."""
    import aiosqlite  # hubs on PostgreSQL do without it

    opening = asyncio.ensure_future(_opened(aiosqlite.connect(*arguments, **parameters)))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await (await opening).close()
        raise


async def _opened(connection: aiosqlite.Connection) -> aiosqlite.Connection:
    connection._thread.daemon = True  # as SQLAlchemy has it
    return await connection


def connect_in_one_visit(dialect: Dialect, _record: object, arguments: list[Any], parameters: dict[str, Any]) -> Any:
    """A connection whose statements take one visit: for SQLAlchemy's event `do_connect`."""
    adapted: Any = dialect.connect(*arguments, **parameters, async_creator_fn=_open)
    return _Connection(adapted.dbapi, adapted._connection)
