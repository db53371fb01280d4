"""The database: one engine, one way to begin a transaction, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import orjson
from sqlalchemy import event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from connector.model.errors import InvalidConfiguration, InvalidInput
from connector.storage.database.checkpoint import LOG_PAGES, Checkpointer
from connector.storage.database.functions import add_functions
from connector.storage.database.one_visit import connect_in_one_visit
from connector.storage.database.outages import outages
from connector.storage.database.sqlite_memory import spare_memory_count

if TYPE_CHECKING:
    from connector.storage.database.direct import DirectConnections
    from connector.storage.database.readers import Readers

BUSY_TIMEOUT_MS = 30_000
DEADLOCK_ATTEMPTS = 3
BROKEN_OFF = frozenset({"40001", "40P01"})
"""PostgreSQL's codes for a transaction that lost to another one: serialisation failure, deadlock."""
T = TypeVar("T")
LOGGED = "connector_logged"
"""Set in a connection's info when its transaction wrote to the change log."""
DURABLE = "connector_durable"
"""Set in a connection's info when its commits wait for the disk."""
WOKEN = "connector_woken"
CHECKPOINTER = "connector_checkpointer"
DIRECT = "connector_direct"
READERS = "connector_readers"
SESSION = "connector_session"
POOL_SIZE = 10
"""Connections that transactions share; who comes when all are taken waits."""
READING = (f"busy_timeout = {BUSY_TIMEOUT_MS}", "cache_size = -16000")
"""Pragmas of every connection to SQLite."""

Database: TypeAlias = AsyncEngine
Transaction: TypeAlias = AsyncConnection
"""What layers above storage call these two; they hand them on and never use them."""


class DatabaseRefusal(InvalidInput):
    """The database does not store this: it breaks a rule of the schema, or is out of a column's range."""

    code = "REFUSED_BY_DATABASE"


def database_url(text: str) -> URL:
    """The URL with the async driver of its database.

    text: `sqlite:///path/to/file.db` or `postgresql://user:password@host/name`.
    Raises InvalidConfiguration for any other database.
    """
    url = make_url(text)
    match url.get_backend_name():
        case "sqlite":
            return url.set(drivername="sqlite+aiosqlite")
        case "postgresql":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise InvalidConfiguration(
                f"database {other!r} is not supported",
                hint="Write 'sqlite:///var/connector.db' or 'postgresql://user:password@host/name'.",
            )


def open_engine(
    text: str, *, pool_size: int = POOL_SIZE, direct: str | None = None, direct_connections: int | None = None
) -> AsyncEngine:
    """An engine for the database; the directory of a SQLite file is made when it is missing.

    direct: the own address of a PostgreSQL database that `text` reaches through a pooler, for what needs a session that
    stays the same. direct_connections: most of those that single statements go through.
    """
    url = database_url(text)
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url, pool_size)
    own = database_url(direct) if direct else url
    engine = create_async_engine(
        url,
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"prepare_threshold": None} if direct else {},
    )
    from connector.storage.database.direct import CONNECTIONS, DirectConnections  # the driver takes a while to import

    connections = DirectConnections(own, most=CONNECTIONS if direct_connections is None else direct_connections)
    event.listen(engine.sync_engine, "engine_disposed", lambda _engine: connections.close())
    engine.update_execution_options(**{DIRECT: connections})
    if direct:
        engine.update_execution_options(**{SESSION: create_async_engine(own, poolclass=NullPool)})
    return engine


def _open_sqlite(url: URL, pool_size: int) -> AsyncEngine:
    from connector.storage.database.readers import Readers

    spare_memory_count()
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url, json_serializer=_dumps, json_deserializer=orjson.loads, pool_size=pool_size, max_overflow=0
    )
    event.listen(engine.sync_engine, "do_connect", connect_in_one_visit)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    if url.database and url.database != ":memory:":
        readers = Readers(url.database, READING, add_functions)
        event.listen(engine.sync_engine, "engine_disposed", lambda _engine: readers.close())
        engine.update_execution_options(**{CHECKPOINTER: Checkpointer(url.database), READERS: readers})
    return engine


@asynccontextmanager
async def transaction(engine: AsyncEngine, *, durable: bool = False) -> AsyncIterator[AsyncConnection]:
    """A writing transaction: commits at the end, rolls back on any exception.

    On SQLite it takes the write lock at once (BEGIN IMMEDIATE), so it never fails half-way for want of it. durable:
    what is written outlives a power cut as well, together with all that was written before; others there do only once
    the next durable one or a checkpoint has come. On PostgreSQL all are durable.
    Raises DatabaseAway when the database cannot be had.
    """
    with outages():
        async with engine.connect() as connection:
            connection = await connection.execution_options(writes=True, durable=durable)
            connection.info.pop(LOGGED, None)
            async with connection.begin():
                yield connection
            is_logged = connection.info.pop(LOGGED, False)
    checkpointer = engine.get_execution_options().get(CHECKPOINTER)
    if checkpointer is not None:
        checkpointer.committed()
    if is_logged:
        for woken in engine.get_execution_options().get(WOKEN, ()):
            woken()


def wake_on_commit(engine: AsyncEngine, wake: Callable[[], None]) -> None:
    """Call `wake` after each commit in this process that logged a change: a hint to look, not the news itself."""
    engine.update_execution_options(**{WOKEN: (*engine.get_execution_options().get(WOKEN, ()), wake)})


async def in_transaction(
    engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[T]], *, durable: bool = False
) -> T:
    """Do the work in a writing transaction; once more, and once more again, when it was the victim of a deadlock.

    The work must have no effect but through its transaction.
    Raises DatabaseRefusal when what is to be written breaks a rule of the schema or cannot be stored.
    """
    return await _attempt(partial(transaction, durable=durable), engine, work)


async def in_reading(engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Do the work in a reading transaction. Raises DatabaseRefusal when what is asked for could not be stored."""
    return await _attempt(reading, engine, work)


async def _attempt(
    begin: Callable[[AsyncEngine], AbstractAsyncContextManager[AsyncConnection]],
    engine: AsyncEngine,
    work: Callable[[AsyncConnection], Awaitable[T]],
) -> T:
    for attempt in range(1, DEADLOCK_ATTEMPTS + 1):
        try:
            with refusals():
                async with begin(engine) as tx:
                    return await work(tx)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in BROKEN_OFF or attempt == DEADLOCK_ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


@contextmanager
def refusals() -> Iterator[None]:
    """Raises DatabaseRefusal when what is written breaks a rule of the schema or cannot be stored."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise DatabaseRefusal(_first_line(error.orig)) from error
    except StatementError as error:
        if isinstance(error, DBAPIError):
            raise
        raise DatabaseRefusal(_first_line(error.orig)) from error


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for reads: one snapshot of the data, nothing is written.

    Raises DatabaseAway when the database cannot be had.
    """
    with outages():
        async with engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection = await connection.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin() as snapshot:
                yield connection
                if connection.invalidated:  # a statement was broken off, and its connection given up
                    await snapshot.rollback()


def session_engine(engine: AsyncEngine) -> AsyncEngine:
    """Whose connections are sessions that stay the same from one transaction to the next, past any pooler."""
    direct: AsyncEngine = engine.get_execution_options().get(SESSION, engine)
    return direct


def direct_connections(engine: AsyncEngine) -> DirectConnections | None:
    """What single statements go through; None where they go as all others."""
    direct: DirectConnections | None = engine.sync_engine.get_execution_options().get(DIRECT)
    return direct


def readers_of(engine: AsyncEngine) -> Readers | None:
    """The threads that single statements go to, on a SQLite file; None on any other database."""
    readers: Readers | None = engine.sync_engine.get_execution_options().get(READERS)
    return readers


def single_statements(engine: AsyncEngine) -> DirectConnections | Readers | None:
    """Whichever of both there is."""
    return direct_connections(engine) or readers_of(engine)


def _first_line(error: object) -> str:
    """What the database says, without the statement and the values that it may add in further lines."""
    return str(error).replace("\x00", "").strip().split("\n", 1)[0]


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()


def _prepare_sqlite(dbapi_connection: Any, _record: object) -> None:
    """WAL lets readers go on while one writes; the driver's own transaction handling is switched off."""
    try:
        _set_up(dbapi_connection)
    except BaseException:
        dbapi_connection.terminate()
        raise


def _set_up(dbapi_connection: Any) -> None:
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    for pragma in (
        *READING,
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        f"wal_autocheckpoint = {LOG_PAGES}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    add_functions(dbapi_connection)


def _begin_sqlite(connection: Any) -> None:
    options = connection.get_execution_options()
    durable = options.get("durable", False)
    if connection.info.get(DURABLE, False) != durable:
        connection.info[DURABLE] = durable
        connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes", False) else "BEGIN")
