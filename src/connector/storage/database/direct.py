"""Statements that are a transaction of their own, sent on connections kept for them.

What a statement reads, it reads at one moment; a transaction around it adds two round trips and nothing else.
PostgreSQL only: SQLite has no round trips.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg import AsyncConnection, Error, OperationalError
from psycopg.errors import InvalidParameterValue
from sqlalchemy.engine import URL

from connector.storage.database.refusals import NotAnswered, unknown_zone
from connector.storage.database.wire import Wire

CONNECTIONS: Final = 10
"""Kept at most: a server has a hundred for all processes together, so who comes beyond them waits."""

SETTINGS: Final = "SELECT set_config('TimeZone', 'UTC', false), set_config('jit', 'off', false)"
"""Machine code pays off for statements that run for seconds; making it takes longer than a page does."""


class DirectConnections:
    """Connections to one database, opened when they are needed and kept. url: with any driver."""

    def __init__(self, url: URL) -> None:
        self._address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._idle: list[Wire] = []
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._ending: set[asyncio.Task[None]] = set()

    async def row(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """The one row that a statement answers, its texts as bytes. It must change nothing: it may be sent twice.

        Raises NotAnswered, and UnknownZone.
        """
        await self._free.acquire()
        try:
            while self._idle:
                try:
                    return await self._ask(self._idle.pop(), sql, parameters)
                except OperationalError:  # the server may have gone, and come back, since it was used
                    continue
            return await self._ask(await self._connect(), sql, parameters)
        except InvalidParameterValue as error:
            raise (unknown_zone() if "time zone" in str(error) else NotAnswered(str(error))) from error
        except Error as error:
            raise NotAnswered(str(error)) from error
        finally:
            self._free.release()

    async def _connect(self) -> Wire:
        connection = await AsyncConnection.connect(self._address, autocommit=True)
        try:
            await connection.execute(SETTINGS)
            return Wire(connection)
        except BaseException:
            await connection.close()
            raise

    async def _ask(self, wire: Wire, sql: str, parameters: Mapping[str, Any]) -> Sequence[Any]:
        try:
            row = await wire.row(sql, parameters)
        except Exception:
            wire.close()
            raise
        except BaseException:
            self._end(wire)
            raise
        self._idle.append(wire)
        if row is None:
            raise NotAnswered("no row came")
        return row

    def _end(self, wire: Wire) -> None:
        """Nobody waits for the answer: the server is told, and nobody waits for that."""
        task = asyncio.create_task(wire.break_off(), name="break-off")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def close(self) -> None:
        """Close those that nobody uses, and tell the server no more of what nobody waits for."""
        for task in self._ending:
            task.cancel()
        while self._idle:
            self._idle.pop().close()
