"""Which processes are there: on PostgreSQL each holds locks of its name for as long as its connection lives.

Nothing has to be written or cleaned up to tell that a process is gone: the server lets its locks go when it dies,
however it dies. A SQLite database serves one process, so whoever else it knows of is gone.

What a process works on (a webhook, a pull) is marked with its incarnation, which no other start of it has; when that
is gone, others may have the work at once instead of waiting until a claim runs out by the clock.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from connector.storage.database.engine import session_engine
from connector.storage.database.outages import outages
from connector.storage.tables import process

PREFIX = "connector.process:"
LEADS: Final = "leads:"
HOLDER = "connector_holder"
"""Execution option of an engine: the incarnation of the process that it belongs to."""
PATIENCE: Final = timedelta(seconds=5)
PAUSE_S: Final = 0.1
_UNHEARD: Final = ("tcp_keepalives_idle = 5", "tcp_keepalives_interval = 2", "tcp_keepalives_count = 3")
"""By when the server gives up a connection whose machine went without a word; that of a process that dies ends at once.
"""
_LOCKS: Final = """
    SELECT classid::bigint << 32 | objid::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""Looked up among the locks: who tried to take one would keep it for a moment from a process that begins."""
_HELD: Final = text(f"SELECT hashtextextended(:name, 0) IN ({_LOCKS})")
_NOT_HELD: Final = text(f"hashtextextended(:prefix || incarnation, 0) NOT IN ({_LOCKS})").bindparams(
    bindparam("prefix", PREFIX)
)
_IS_HELD: Final = text(f"hashtextextended(:prefix || incarnation, 0) IN ({_LOCKS})").bindparams(
    bindparam("prefix", PREFIX)
)


@dataclass(frozen=True, slots=True)
class Present:
    """A process that is known. name: among those that share the database. incarnation: of one start of it."""

    name: str
    incarnation: str


class Presence:
    """That this process is there: its name and its incarnation, held on a connection of its own.

    lost: whether the connection was lost and is there again; what was seen before that tells nothing of others, who may
    have lost theirs as well.
    """

    def __init__(self, engine: AsyncEngine, name: str) -> None:
        self.me = Present(name, f"{name}#{uuid4().hex[:12]}")
        self.lost = False
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._has_name = False
        self._leading: set[str] = set()
        self._one_at_a_time = asyncio.Lock()
        engine.update_execution_options(**{HOLDER: self.me.incarnation})

    async def hold(self) -> bool:
        """Hold both, anew when the connection was lost; False while another process has the name.

        Raises DatabaseAway.
        """
        if self._engine.dialect.name != "postgresql":
            return True
        with outages():
            async with self._one_at_a_time:
                return await self._hold()

    async def lead(self, what: str) -> bool:
        """Whether this process, of all that ask, is the one that does something; it stays so as long as it is there.

        Raises DatabaseAway; by the time that the database is back another one may do it.
        """
        if self._engine.dialect.name != "postgresql":
            return True
        with outages():
            async with self._one_at_a_time:
                await self._hold()
                if what not in self._leading and self._connection is not None:
                    is_free = (await self._connection.execute(select(_lock(f"{LEADS}{what}")))).scalar_one()
                    self._leading |= {what} if is_free else set()
                return what in self._leading

    async def _hold(self) -> bool:
        if self._connection is not None:
            try:
                await self._connection.execute(select(1))
            except DBAPIError:
                await self.drop()
                self.lost = True
        if self._connection is None:
            self._connection = await self._connected()
        if not self._has_name:
            self._has_name = bool((await self._connection.execute(select(_lock(self.me.name)))).scalar_one())
        return self._has_name

    async def claim(self, patience: timedelta = PATIENCE) -> bool:
        """Hold the name, at a start: the server may need a moment to see that the process that had it is gone."""
        deadline = asyncio.get_running_loop().time() + patience.total_seconds()
        while not await self.hold():
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(PAUSE_S)
        return True

    async def drop(self) -> None:
        """Let both go, together with the connection."""
        connection, self._connection, self._has_name = self._connection, None, False
        self._leading.clear()
        if connection is not None:
            with suppress(SQLAlchemyError):  # the server has let them go with a connection that was lost
                await connection.execute(select(func.pg_advisory_unlock_all()))
            await connection.invalidate()
            await connection.close()

    async def _connected(self) -> AsyncConnection:
        connection = await session_engine(self._engine).connect()
        try:
            connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
            for setting in _UNHEARD:
                await connection.execute(text(f"SET {setting}"))
            await connection.execute(select(_lock(self.me.incarnation)))
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise
        return connection


def holder_of(tx: AsyncConnection) -> str | None:
    """The incarnation of the process whose transaction this is; None for one that does not say that it is there."""
    holder: str | None = tx.sync_connection.get_execution_options().get(HOLDER) if tx.sync_connection else None
    return holder


async def is_present(tx: AsyncConnection, name: str) -> bool:
    """Whether a process of that name is there. For PostgreSQL alone."""
    return bool((await tx.execute(_HELD, {"name": PREFIX + name})).scalar_one())


async def enter(tx: AsyncConnection, me: Present, *, version: str, at: datetime) -> None:
    """Have the others know of this process; nothing happens when they do."""
    insert = pg_insert if tx.dialect.name == "postgresql" else sqlite_insert
    values = {"name": me.name, "incarnation": me.incarnation, "version": version, "began_at": at}
    await tx.execute(insert(process).values(**values).on_conflict_do_nothing(index_elements=[process.c.incarnation]))


async def leave(tx: AsyncConnection, incarnation: str) -> None:
    """Forget a process."""
    await tx.execute(delete(process).where(process.c.incarnation == incarnation))


async def hub_since(tx: AsyncConnection, me: Present) -> datetime:
    """When the hub began: the process of those that are there that began first. This one has entered."""
    c = process.c
    is_there: ColumnElement[bool] = c.incarnation == me.incarnation
    if tx.dialect.name == "postgresql":
        is_there = or_(is_there, _IS_HELD)
    first = select(c.began_at).where(is_there).order_by(c.began_at).limit(1)
    began: datetime = (await tx.execute(first)).scalar_one()
    return began


async def departed(tx: AsyncConnection, me: Present, *, taking: Present | None = None) -> list[Present]:
    """Which processes are known and not there.

    taking: only that one, and only if nobody else is just taking over from it; nobody will until the transaction ends.
    """
    c = process.c
    statement = select(c.name, c.incarnation).where(c.incarnation != me.incarnation)
    if tx.dialect.name == "postgresql":
        statement = statement.where(_NOT_HELD)
    if taking is not None:
        statement = statement.where(c.incarnation == taking.incarnation).with_for_update(skip_locked=True)
    return [Present(row.name, row.incarnation) for row in await tx.execute(statement)]


def _lock(name: str) -> ColumnElement[bool]:
    return func.pg_try_advisory_lock(func.hashtextextended(PREFIX + name, 0))
