"""Which processes are there: on PostgreSQL each holds a lock of its name for as long as its connection lives.

Nothing has to be written or cleaned up: the server lets the lock go when the process dies, however it dies. For
PostgreSQL alone; a SQLite database serves one process, so there is nobody else to ask about.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

PREFIX = "connector.process:"
PATIENCE: Final = timedelta(seconds=5)
PAUSE_S: Final = 0.1
_HELD: Final = text("""
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (classid::bigint << 32 | objid::bigint) = hashtextextended(:name, 0)
    )
""")
"""Looked up among the locks: who tried to take it would keep it for a moment from a process that begins."""


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

    async def claim(self, patience: timedelta = PATIENCE) -> bool:
        """Hold the name, at a start: the server may need a moment to see that the process that had it is gone."""
        deadline = asyncio.get_running_loop().time() + patience.total_seconds()
        while not await self.hold():
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(PAUSE_S)
        return True

    async def drop(self) -> None:
        """Let the name go, together with the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                await connection.execute(select(func.pg_advisory_unlock_all()))
            await connection.invalidate()
            await connection.close()


async def is_present(tx: AsyncConnection, name: str) -> bool:
    """Whether a process of that name is there."""
    return bool((await tx.execute(_HELD, {"name": PREFIX + name})).scalar_one())


def _lock(name: str) -> ColumnElement[bool]:
    return func.pg_try_advisory_lock(func.hashtextextended(PREFIX + name, 0))
