"""Statements that only read, sent to a SQLite file by a few threads of their own.

Each is a transaction of its own and sees what was committed before it began. A thread has one connection, which keeps
what its statements were compiled to. A statement costs one handing over to the thread and one back: no pool, no cursor
of SQLAlchemy's, no beginning and end of a transaction.

What takes next to no time is not even handed over (`connector.storage.database.at_once`).

Statements are sent one after the other. SQLite counts the memory that it takes under one lock for the whole
process: four threads on two cores answer half as many statements as one does.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import thread_time
from typing import Any, Final

from connector.storage.database.at_once import AtOnce
from connector.storage.database.one_visit import INTERRUPT_AGAIN_S
from connector.storage.database.refusals import NotAnswered, TooDeep, too_deep

READERS: Final = 6
"""Threads at most."""

TURN_S: Final = 0.02
"""So long the others wait for a statement, unless told otherwise; then the next one begins beside it."""


class Readers:
    """Threads that read one file, begun when they are needed and kept.

    pragmas: of their connections. prepare: what else is done to a connection that was opened. turn_s: how long the
    others wait for a statement.
    """

    def __init__(
        self,
        path: str,
        pragmas: Sequence[str],
        prepare: Callable[[sqlite3.Connection], None],
        *,
        turn_s: float = TURN_S,
    ) -> None:
        address = f"{Path(path).absolute().as_uri()}?mode=rw"  # a database that was removed is not made anew

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
            for pragma in (*pragmas, "query_only = ON"):
                connection.execute(f"PRAGMA {pragma}")
            connection.text_factory = bytes  # an answer is JSON, which goes on as it is
            prepare(connection)
            return connection

        self._connect = connect
        self._at_once = AtOnce(connect)
        self._idle: list[_Reader] = []
        self._free = asyncio.Semaphore(READERS)
        self._turn = asyncio.Semaphore(1)
        self._turn_s = turn_s

    async def row(self, sql: str, parameters: Sequence[Any]) -> Sequence[Any]:
        """The one row that a statement answers, its texts as bytes; interrupted when nobody waits for it any more.

        Raises NotAnswered, and TooDeep when SQLite cannot read it.
        """
        at_once = self._at_once.row(sql, parameters)
        if at_once is not None:
            return at_once
        async with self._free:
            await self._turn.acquire()
            turn = _Turn(self._turn, self._turn_s)
            try:
                row = await self._answer(sql, parameters)
            finally:
                turn.end()
        if row is None:
            raise NotAnswered("no row came")
        return row

    async def _answer(self, sql: str, parameters: Sequence[Any]) -> Sequence[Any] | None:
        reader = self._idle.pop() if self._idle else _Reader(self._connect)
        asked = reader.ask(sql, parameters)
        try:
            row: Sequence[Any] | None = await asked.answer
        except (sqlite3.Error, ValueError, OverflowError) as error:
            reader.end()
            raise _refusal(error) from error
        except BaseException:
            try:
                await reader.break_off(asked)
            finally:
                reader.end()
            raise
        self._at_once.note(sql, asked.seconds)
        self._idle.append(reader)
        return row

    def close(self) -> None:
        """End those that nobody uses."""
        self._at_once.close()
        while self._idle:
            self._idle.pop().end()


class _Turn:
    """The time in which a statement is alone. It ends once."""

    __slots__ = ("_is_over", "_timer", "_turns")

    def __init__(self, turns: asyncio.Semaphore, seconds: float) -> None:
        self._turns = turns
        self._is_over = False
        self._timer = asyncio.get_running_loop().call_later(seconds, self.end)

    def end(self) -> None:
        """Let the next one begin."""
        if not self._is_over:
            self._is_over = True
            self._timer.cancel()
            self._turns.release()


class _Asked:
    """A statement and what becomes of it. is_over: set by the thread when it is done with it.

    seconds: that the thread was at it.
    """

    __slots__ = ("answer", "is_over", "loop", "parameters", "seconds", "sql")

    def __init__(self, sql: str, parameters: Sequence[Any]) -> None:
        self.sql = sql
        self.parameters = parameters
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Any] = self.loop.create_future()
        self.is_over = False
        self.seconds = 0.0


class _Reader:
    """A thread and its connection, which its first statement opens."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._sent: SimpleQueue[_Asked | None] = SimpleQueue()
        Thread(target=self._work, name="reader", daemon=True).start()

    def ask(self, sql: str, parameters: Sequence[Any]) -> _Asked:
        """Send a statement; one at a time."""
        asked = _Asked(sql, parameters)
        self._sent.put(asked)
        return asked

    async def break_off(self, asked: _Asked) -> None:
        """Interrupt a statement until it is over. More than once: it may be just about to begin."""
        while not asked.is_over:
            if self._connection is not None:
                self._connection.interrupt()
            await asyncio.sleep(INTERRUPT_AGAIN_S)

    def end(self) -> None:
        """Close the connection and end the thread, as soon as what was sent is over."""
        self._sent.put(None)

    def _work(self) -> None:
        try:
            while (asked := self._sent.get()) is not None:
                row: Any = None
                error: Exception | None = None
                try:
                    row = self._row(asked)
                except Exception as problem:  # noqa: BLE001 - is raised where it is waited for
                    error = problem
                asked.is_over = True
                with suppress(RuntimeError):  # the loop is closed: nobody waits
                    asked.loop.call_soon_threadsafe(_tell, asked.answer, row, error)
        finally:
            if self._connection is not None:
                self._connection.close()

    def _row(self, asked: _Asked) -> Any:
        if self._connection is None:
            self._connection = self._connect()
        begun = thread_time()  # waiting for the interpreter is not the statement's
        cursor = self._connection.execute(asked.sql, asked.parameters)
        try:
            return cursor.fetchone()
        finally:
            cursor.close()  # which ends the transaction
            asked.seconds = thread_time() - begun


def _tell(answer: asyncio.Future[Any], row: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(row)
    else:
        answer.set_exception(error)


def _refusal(error: Exception) -> NotAnswered | TooDeep:
    return too_deep() if "parser stack overflow" in str(error) else NotAnswered(str(error))
