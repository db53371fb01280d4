"""What says that the database itself is not to be had now, whatever was asked of it: trying again later is right.

PostgreSQL's classes of codes are those of its manual, appendix A; SQLite's are its primary result codes.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from connector.model.errors import Unavailable

log = logging.getLogger("connector")
T = TypeVar("T")

POSTGRESQL: Final = ("08", "53", "57P", "58", "25006")
"""Beginnings of codes: no connection; no room, memory or place; being shut down or not yet up; files that cannot be
read or written; a server that takes no writes, as one that another took over from.
"""
SQLITE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)  # fmt: skip
"""Locked for longer than anybody waits, no memory, not writable, not readable, no room, not there."""
_NO_ROOM: Final = ("53100", "58030")


class DatabaseAway(Unavailable):
    """The database cannot be had now. Whether what was being written is kept is not known when it went at the end."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the database cannot be used now: {why}",
            hint="Try again in a moment; what is sent again with its idempotency key is done once.",
        )


@contextmanager
def outages() -> Iterator[None]:
    """Raises DatabaseAway instead of what the database, the way to it or the wait for it failed with."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseAway("all connections to it are taken") from error
    except DBAPIError as error:
        if (why := outage(error)) is None:
            raise
        raise DatabaseAway(why) from error


async def until_there(do: Callable[[], Awaitable[T]], *, patience_s: float, pause_s: float = 1.0) -> T:
    """What something comes to that needs the database, tried again while that is away, which is said once.

    Raises DatabaseAway when it is for longer than somebody has patience.
    """
    deadline = asyncio.get_running_loop().time() + patience_s
    is_told = False
    while True:
        try:
            return await do()
        except DatabaseAway as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise
            if not is_told:
                log.warning("%s: waiting for it", error.message)
            is_told = True
            await asyncio.sleep(pause_s)


def outage_of(error: BaseException) -> str | None:
    """The same of any error, whoever raised it."""
    if isinstance(error, DatabaseAway):
        return error.message
    if isinstance(error, PoolTimeout):
        return "all connections to it are taken"
    return outage(error) if isinstance(error, DBAPIError) else None


def outage(error: DBAPIError) -> str | None:
    """Why the database cannot be had, for people; None for an error of what was asked."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return "there is no room left on its disk"
        return "its file cannot be read, written or locked" if code in SQLITE else None
    sqlstate: str | None = getattr(cause, "sqlstate", None)
    if sqlstate in _NO_ROOM:
        return "there is no room left on its disk"
    if sqlstate is None:
        if not (error.connection_invalidated or _is_of_connection(cause)):
            return None
        return "it cannot be reached" if error.statement is None else "the connection to it was lost"
    return "its server is not there, or takes nothing" if sqlstate.startswith(POSTGRESQL) else None


def _is_of_connection(cause: BaseException | None) -> bool:
    """Whether the driver says without a code of the server's that it has no connection."""
    return type(cause).__name__ in {"OperationalError", "InterfaceError", "ConnectionTimeout"}
