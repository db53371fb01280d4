"""One statement at a time over a connection to PostgreSQL, with as little around it as can be.

What psycopg's cursors do for a statement takes longer than sending it and reading its one row: they look for types,
convert, and register the socket anew with the event loop. Here the socket stays registered, parameters travel as texts
whose types the statement says itself, and what is asked for a second time is prepared. It is libpq's asynchronous
interface (PostgreSQL documentation, "Asynchronous Command Processing") by way of `psycopg.pq`.
"""

from __future__ import annotations

import asyncio
import re
import select
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from psycopg import AsyncConnection, Error, OperationalError
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

Connection: TypeAlias = AsyncConnection[tuple[Any, ...]]

MOST_PREPARED: Final = 500
"""Statements that a connection has prepared; the one that was not asked for longest goes."""
MOST_NUMBERED: Final = 2_000
CANCELLING_S: Final = 5.0
"""How long the server is waited for when a statement is to be broken off."""

_AS_THEY_CAME: Final = frozenset({25, 114})
"""Texts and JSON, by their numbers in PostgreSQL's catalogue (`pg_type.dat`)."""

_PLACEHOLDER: Final = re.compile(r"%(?:\((\w+)\)s|%)")


class Statement(NamedTuple):
    """What is asked. values: of its parameters, in their order, as PostgreSQL reads them."""

    sql: str
    text: bytes
    values: list[bytes | None]

    @classmethod
    def of(cls, sql: str, parameters: Mapping[str, Any]) -> Statement:
        """sql: with `%(name)s` for parameters. Raises TypeError for a value that is of no type known here."""
        text, names = _numbered(sql)
        return cls(sql, text, [_text_of(parameters[name]) for name in names])


class Wire:
    """A connection that nobody else uses. Close it at the end.

    freed: called when it answered what it was to `begin`. failed: called with the future and what went wrong, when it
    did not; it is to be closed then.
    """

    def __init__(
        self,
        connection: Connection,
        freed: Callable[[Wire], None],
        failed: Callable[[Wire, asyncio.Future[Any], Error], None],
    ) -> None:
        self._connection = connection
        self._freed = freed
        self._failed = failed
        self._pgconn = connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._socket = self._pgconn.socket
        self._answer: asyncio.Future[Any] | None = None
        self._last: PGresult | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._prepared: dict[str, bytes | None] = {}
        self._numbers = 0
        self.is_open = True
        self._is_reset = False
        self._resets = select.poll()
        self._resets.register(self._socket, 0)  # POLLERR and POLLHUP are told unasked
        self._loop.add_reader(self._socket, self._readable)

    def begin(self, statement: Statement, answer: asyncio.Future[Any]) -> bool:
        """Ask for the first row that a statement answers; whether it was prepared, without which nothing is asked.

        answer: is given it, its texts as bytes; None where there is none. Raises OperationalError when the connection
        was lost.
        """
        self._require_open()
        name = self._prepared.get(statement.sql)
        if name is None:
            return False
        del self._prepared[statement.sql]
        self._prepared[statement.sql] = name  # the last one
        self._pgconn.send_query_prepared(name, statement.values)
        if self._pgconn.flush():
            self._loop.add_writer(self._socket, self._writable)
        self._answer = answer
        return True

    def is_asked(self, answer: asyncio.Future[Any]) -> bool:
        """Whether it was begun for this and has not answered yet."""
        return self._answer is answer

    def look(self) -> None:
        """Find out whether the connection was reset and nobody was called, where something is to come over it."""
        if self.is_open and (self._answer is not None or self._waiter is not None) and self._resets.poll(0):
            self._readable()

    def abandon(self) -> None:
        """Nobody waits for what it was begun for: neither is told of it."""
        self._answer = None

    async def row(self, statement: Statement) -> Sequence[Any] | None:
        """The same for one that may have to be prepared.

        Raises psycopg's Error, after which it is to be closed; where nobody waits for the answer, `break_off`.
        """
        self._require_open()
        name = await self._name_of(statement)
        if name is None:
            self._pgconn.send_query_params(statement.text, statement.values)
        else:
            self._pgconn.send_query_prepared(name, statement.values)
        return self._row_of(await self._result())

    def _row_of(self, result: PGresult) -> Sequence[Any] | None:
        if not result.ntuples:
            return None
        as_they_came = [result.ftype(column) in _AS_THEY_CAME for column in range(result.nfields)]
        loaded: Sequence[Any] = () if all(as_they_came) else self._loaded(result)
        return [
            result.get_value(0, column) if is_plain else loaded[column] for column, is_plain in enumerate(as_they_came)
        ]

    def _loaded(self, result: PGresult) -> Sequence[Any]:
        made = Transformer(self._connection)
        made.set_pgresult(result)
        row: Sequence[Any] = made.load_row(0, tuple)
        return row

    def _require_open(self) -> None:
        if not self.is_open or self._is_reset:
            raise OperationalError("the connection was lost")

    async def break_off(self) -> None:
        """Have the server stop what it is at, and close."""
        try:
            if self.is_open:
                with suppress(Error, OSError):
                    await self._connection.cancel_safe(timeout=CANCELLING_S)
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back to the server."""
        self._unregister()
        self._pgconn.finish()

    async def _name_of(self, statement: Statement) -> bytes | None:
        """The name that the statement is prepared by; None for the first time."""
        sql = statement.sql
        if sql not in self._prepared:
            if len(self._prepared) >= MOST_PREPARED:
                await self._forget(next(iter(self._prepared)))
            self._prepared[sql] = None
            return None
        name = self._prepared.pop(sql)
        if name is None:
            self._numbers += 1
            name = b"wire_%d" % self._numbers
            self._pgconn.send_prepare(name, statement.text)
            await self._result()
        self._prepared[sql] = name
        return name

    async def _forget(self, sql: str) -> None:
        name = self._prepared.pop(sql)
        if name is not None:
            self._pgconn.send_query(b"DEALLOCATE " + name)
            await self._result()

    async def _result(self) -> PGresult:
        """The result of what was sent. Raises Error."""
        if self._pgconn.flush():
            self._loop.add_writer(self._socket, self._writable)
        while not self._is_whole():
            await self._input()
        return self._taken()

    def _is_whole(self) -> bool:
        """Whether all has come that is answered to what was sent. What has come is kept."""
        while not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None:
                return True
            self._last = result
        return False

    def _taken(self) -> PGresult:
        """What has come. Raises Error."""
        last, self._last = self._last, None
        if last is None:
            raise OperationalError("the connection was lost")
        if last.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise error_from_result(last)
        return last

    async def _input(self) -> None:
        """Wait until more has come. Raises OperationalError when the connection is lost."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _readable(self) -> None:
        """As the event loop calls it: read what has come, whether somebody waits for it or the server is leaving.

        A reset may be there behind it. Libuv tells so together with the last that came, and then lets go of the socket
        (`uv__poll_io`), so that nobody would be called any more.
        """
        while True:
            try:
                self._pgconn.consume_input()
            except OperationalError as error:
                self._lost(error)
                return
            if self._pgconn.status == ConnStatus.BAD:
                self._lost(OperationalError("the connection was lost"))
                return
            is_reset = bool(self._resets.poll(0))
            if not self._pgconn.is_busy():
                break
            if not is_reset:
                return  # a long answer comes in many parts, and is waited for once
        self._is_reset = is_reset
        if self._answer is not None:
            self._give_answer(self._answer)
        elif self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
        elif is_reset:
            self._lost(OperationalError("the connection was lost"))

    def _give_answer(self, answer: asyncio.Future[Any]) -> None:
        try:
            if not self._is_whole():
                return
            row = self._row_of(self._taken())
        except Error as error:
            self._answer = None
            self._failed(self, answer, error)
            return
        self._answer = None
        if not answer.done():
            answer.set_result(row)
        self._freed(self)

    def _writable(self) -> None:
        """As the event loop calls it: send the rest of a statement that the socket did not take at once."""
        try:
            if not self._pgconn.flush():
                self._loop.remove_writer(self._socket)
        except OperationalError as error:
            self._lost(error)

    def _lost(self, error: OperationalError) -> None:
        self._unregister()
        answer, self._answer = self._answer, None
        if answer is not None:
            self._failed(self, answer, error)
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def _unregister(self) -> None:
        if self.is_open and not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
        self.is_open = False


@lru_cache(MOST_NUMBERED)
def _numbered(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """The statement with PostgreSQL's own placeholders, and the names of its parameters in their order."""
    names: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return "%" if found[1] is None else f"${names.setdefault(found[1], len(names) + 1)}"

    return _PLACEHOLDER.sub(numbered, sql).encode(), tuple(names)


def _text_of(value: Any) -> bytes | None:
    """A parameter as PostgreSQL reads it; of which type it is says the statement, by a cast."""
    match value:
        case None:
            return None
        case bool():
            return b"true" if value else b"false"
        case str():
            return value.encode()
        case int() | float():
            return repr(value).encode()
        case date():
            return value.isoformat().encode()
        case list():
            return b"{" + b",".join(_item_of(item) for item in value) + b"}"
        case _:
            raise TypeError(f"no parameter can be a {type(value).__name__}")


def _item_of(value: Any) -> bytes:
    text = _text_of(value)
    if text is None:
        return b"NULL"
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
