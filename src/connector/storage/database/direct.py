"""Statements that are a transaction of their own, sent on connections kept for them.

What a statement reads, it reads at one moment; a transaction around it adds two round trips and nothing else.
PostgreSQL only: SQLite has no round trips.

There are so many places for connections. Whoever comes when all are taken waits; the connection that is done with a
statement is sent the next one at once, before anybody hears of its answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from psycopg import AsyncConnection, Error, OperationalError
from psycopg.errors import InvalidParameterValue
from sqlalchemy.engine import URL

from connector.storage.database.refusals import NotAnswered, unknown_zone
from connector.storage.database.wire import Statement, Wire

CONNECTIONS: Final = 10
"""Kept at most, if not configured: a server has a hundred for all processes, so who comes beyond them waits."""

LOOK_S: Final = 1.0
"""From one look to the next at connections that were reset. Who waits is told by the event loop, but not always: libuv
lets go of a socket that has an error, and a PostgreSQL that crashed behind a proxy has left some unheard of since.
"""

SETTINGS: Final = "SELECT set_config('TimeZone', 'UTC', false), set_config('jit', 'off', false)"
"""Machine code pays off for statements that run for seconds; making it takes longer than a page does."""


class _Vacant:
    """A place for a connection is free, and is that of whoever hears of it."""


_VACANT: Final = _Vacant()

_Row: TypeAlias = Sequence[Any] | None
_Answer: TypeAlias = asyncio.Future[_Row | Wire | _Vacant]
"""Of a statement its row; or a connection that it has to be prepared on first; or a place."""


class _Waiting(NamedTuple):
    statement: Statement
    answer: _Answer


class DirectConnections:
    """Connections to one database, opened when they are needed and kept. url: with any driver. most: of them."""

    def __init__(self, url: URL, *, most: int = CONNECTIONS) -> None:
        self._most = most
        self._address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._taken = 0
        """Places that have a connection, or somebody who opens one."""
        self._wires: set[Wire] = set()
        self._idle: list[Wire] = []
        self._waiting: deque[_Waiting] = deque()
        self._ending: set[asyncio.Task[None]] = set()
        self._looking: asyncio.TimerHandle | None = None

    async def row(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """The one row that a statement answers, its texts as bytes. It must change nothing: it may be sent twice.

        Raises NotAnswered, and UnknownZone.
        """
        statement = Statement.of(sql, parameters)
        try:
            row: _Row | _Vacant = _VACANT
            if self._idle or self._taken >= self._most:
                row = await self._over_kept(statement)
            else:
                self._taken += 1
            if isinstance(row, _Vacant):
                row = await self._over_new(statement)
        except InvalidParameterValue as error:
            raise (unknown_zone() if "time zone" in str(error) else NotAnswered(str(error))) from error
        except Error as error:
            raise NotAnswered(str(error)) from error
        if row is None:
            raise NotAnswered("no row came")
        return row

    async def _over_kept(self, statement: Statement) -> _Row | _Vacant:
        """The row; or a place, where there is one, as where the server has gone, and come back, since it was used."""
        answer: _Answer = asyncio.get_running_loop().create_future()
        if self._idle:
            self._give(self._idle.pop(), statement, answer)
        else:
            self._waiting.append(_Waiting(statement, answer))
        try:
            found = await answer
        except OperationalError:
            return _VACANT
        except Error:
            self._vacate()
            raise
        except BaseException:
            answer.cancel()
            self._leave(answer)
            raise
        if not isinstance(found, Wire):
            return found
        try:
            return await self._ask(found, statement)
        except OperationalError:
            return _VACANT
        except BaseException:
            self._vacate()
            raise

    async def _over_new(self, statement: Statement) -> _Row:
        """The same, over a connection for a place that is taken."""
        try:
            return await self._ask(await self._connect(), statement)
        except BaseException:
            self._vacate()
            raise

    async def _connect(self) -> Wire:
        connection = await AsyncConnection.connect(self._address, autocommit=True)
        try:
            await connection.execute(SETTINGS)
            wire = Wire(connection, self._freed, self._failed)
        except BaseException:
            await connection.close()
            raise
        self._wires.add(wire)
        if self._looking is None:
            self._look_later()
        return wire

    def _look_later(self) -> None:
        self._looking = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        """See which connections were reset, each second, as long as there are any."""
        for wire in list(self._wires):
            wire.look()
        self._looking = None
        if self._wires:
            self._look_later()

    async def _ask(self, wire: Wire, statement: Statement) -> _Row:
        """The row, however many round trips it takes. The place of a connection that fails stays taken."""
        try:
            row = await wire.row(statement)
        except Exception:
            self._drop(wire)
            raise
        except BaseException:
            self._end(wire)
            raise
        self._freed(wire)
        return row

    def _give(self, wire: Wire, statement: Statement, answer: _Answer) -> None:
        try:
            if not wire.begin(statement, answer):
                answer.set_result(wire)
        except OperationalError as error:
            self._drop(wire)
            answer.set_exception(error)

    def _freed(self, wire: Wire) -> None:
        """A connection can be asked the next thing."""
        while self._waiting:
            statement, answer = self._waiting.popleft()
            if not answer.done():
                self._give(wire, statement, answer)
                return
        self._idle.append(wire)

    def _failed(self, wire: Wire, answer: _Answer, error: Error) -> None:
        """What a connection was asked came to nothing: its place is that of who waits for the answer."""
        self._drop(wire)
        if answer.done():
            self._vacate()
        else:
            answer.set_exception(error)

    def _vacate(self) -> None:
        """A place is free."""
        while self._waiting:
            answer = self._waiting.popleft().answer
            if not answer.done():
                answer.set_result(_VACANT)
                return
        self._taken -= 1

    def _leave(self, answer: _Answer) -> None:
        """Whoever waited for this does so no more."""
        if answer.cancelled():
            asked = next((wire for wire in self._wires if wire.is_asked(answer)), None)
            if asked is not None:
                self._end(asked)
                self._vacate()
        elif answer.exception() is not None or isinstance(answer.result(), _Vacant):
            self._vacate()
        elif isinstance(wire := answer.result(), Wire):
            self._freed(wire)

    def _drop(self, wire: Wire) -> None:
        self._wires.discard(wire)
        wire.close()

    def _end(self, wire: Wire) -> None:
        """Nobody waits for the answer: the server is told, and nobody waits for that."""
        self._wires.discard(wire)
        wire.abandon()
        task = asyncio.create_task(wire.break_off(), name="break-off")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def close(self) -> None:
        """Close those that nobody uses, and tell the server no more of what nobody waits for."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        for task in self._ending:
            task.cancel()
        while self._idle:
            self._taken -= 1
            self._drop(self._idle.pop())
