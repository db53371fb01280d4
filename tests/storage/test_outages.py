"""That the database is away is told apart from what is wrong with what was asked."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.commits import eventually

from connector.storage.database.engine import in_reading, open_engine, reading, transaction
from connector.storage.database.outages import DatabaseAway, until_there

postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
FILL = "INSERT INTO filling VALUES (zeroblob(10000000))"
END = text("SELECT pg_terminate_backend(pg_backend_pid())")


async def ask(beginning: AbstractAsyncContextManager[AsyncConnection], *statements: str) -> None:
    async with beginning as tx:
        for statement in statements:
            await tx.execute(text(statement))


@postgresql
async def test_a_connection_that_is_lost_in_a_transaction_is_an_outage_and_the_next_one_works(engine: AsyncEngine):
    for begin in (transaction, reading):
        with pytest.raises(DatabaseAway, match="the database cannot be used now") as told:
            async with begin(engine) as tx:
                await tx.execute(END)
        assert told.value.code == "UNAVAILABLE"
        async with begin(engine) as tx:
            assert (await tx.execute(text("SELECT 1"))).scalar_one() == 1


@postgresql
async def test_a_server_that_is_not_there_is_an_outage_and_its_address_stays_secret(database: str):
    engine = open_engine("postgresql://somebody:hunter2@127.0.0.1:9/nothing?connect_timeout=2")

    with pytest.raises(DatabaseAway, match="it cannot be reached") as told:
        async with transaction(engine):
            pass

    assert "hunter2" not in str(told.value)
    await engine.dispose()


async def test_all_connections_being_taken_is_an_outage(database: str):
    engine = open_engine(database, pool_size=1)
    engine.sync_engine.pool._timeout = 0.05  # type: ignore[attr-defined]

    async with reading(engine):
        with pytest.raises(DatabaseAway, match="all connections to it are taken"):
            async with reading(engine):
                pass
    await engine.dispose()


async def test_a_statement_that_is_wrong_is_none(engine: AsyncEngine):
    for begin in (transaction, reading):
        with pytest.raises(DBAPIError):
            async with begin(engine) as tx:
                await tx.execute(text("SELECT nothing FROM nowhere"))


@postgresql
async def test_a_statement_that_was_broken_off_is_none(engine: AsyncEngine):
    with pytest.raises(DBAPIError):
        await ask(reading(engine), "SET LOCAL statement_timeout = 20", "SELECT pg_sleep(5)")


@sqlite
async def test_a_disk_that_is_full_is_an_outage_that_loses_nothing(engine: AsyncEngine):
    async with transaction(engine) as tx:
        await tx.execute(text("CREATE TABLE filling (what BLOB)"))

        pages = (await tx.execute(text("PRAGMA page_count"))).scalar_one() + 2

    with pytest.raises(DatabaseAway, match="there is no room left on its disk"):
        await ask(transaction(engine), f"PRAGMA max_page_count = {pages}", FILL)

    async with transaction(engine) as tx:
        await tx.execute(text("PRAGMA max_page_count = 1000000"))
        await tx.execute(text(FILL))
        assert (await tx.execute(text("SELECT count(*) FROM filling"))).scalar_one() == 1
        assert (await tx.execute(text("PRAGMA integrity_check"))).scalar_one() == "ok"


@sqlite
async def test_a_file_that_somebody_else_keeps_locked_is_an_outage(engine: AsyncEngine, database: str):
    other = open_engine(database)
    await ask(reading(other), "PRAGMA busy_timeout = 10")

    async with transaction(engine):
        with pytest.raises(DatabaseAway, match="cannot be read, written or locked"):
            await ask(transaction(other), "SELECT 1")
    await other.dispose()


async def test_a_file_that_is_not_there_is_an_outage(tmp_path: Path):
    (tmp_path / "a directory").mkdir()
    engine = open_engine(f"sqlite:///{tmp_path / 'a directory'}")

    with pytest.raises(DatabaseAway, match="cannot be read, written or locked"):
        await in_reading(engine, lambda tx: asyncio.sleep(0))
    await engine.dispose()
    await eventually(is_no_driver_left)  # its thread says that it ends to the loop, which has to be there


async def is_no_driver_left() -> bool:
    return not any("_connection_worker_thread" in thread.name for thread in threading.enumerate())


async def test_a_start_waits_for_a_database_as_long_as_it_has_patience(caplog: pytest.LogCaptureFixture):
    tries: list[int] = []

    async def third_time() -> str:
        tries.append(len(tries))
        if len(tries) < 3:
            raise DatabaseAway("its server starts")
        return "there"

    async def never() -> str:
        raise DatabaseAway("its server starts")

    assert await until_there(third_time, patience_s=20, pause_s=0.001) == "there"
    assert len(tries) == 3
    assert caplog.text.count("its server starts: waiting for it") == 1
    with pytest.raises(DatabaseAway):
        await until_there(never, patience_s=0)
