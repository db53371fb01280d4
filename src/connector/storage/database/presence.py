"""Which processes are there: on PostgreSQL each holds a lock of its name for as long as its connection lives.

Nothing has to be written or cleaned up: the server lets the lock go when the process dies, however it dies. For
PostgreSQL alone; a SQLite database serves one process, so there is nobody else to ask about.
"""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

PREFIX = "connector.process:"


class Presence:
    """This process's name, held on a connection of its own."""

    def __init__(self, engine: AsyncEngine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._connection: AsyncConnection | None = None

    async def hold(self) -> bool:
        """Hold the name, anew when the connection was lost; False while another process has it."""
        if self._connection is not None:
            try:
                return bool((await self._connection.execute(select(_lock(self._name)))).scalar_one())
            except DBAPIError:
                await self.drop()
        connection = await self._engine.connect()
        self._connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        return bool((await self._connection.execute(select(_lock(self._name)))).scalar_one())

    async def drop(self) -> None:
        """Let the name go, together with the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                await connection.execute(select(func.pg_advisory_unlock_all()))
            await connection.invalidate()
            await connection.close()


async def is_present(tx: AsyncConnection, name: str) -> bool:
    """Whether another process of that name is there."""
    return not (await tx.execute(select(func.pg_try_advisory_xact_lock(_key(name))))).scalar_one()


def _lock(name: str) -> ColumnElement[bool]:
    return func.pg_try_advisory_lock(_key(name))


def _key(name: str) -> ColumnElement[int]:
    return func.hashtextextended(PREFIX + name, 0)
