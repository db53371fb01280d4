"""A connection that is reset while something is to come over it is found out, also on the event loop that hubs have."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url
from tests.proxy import Wire

from connector.serve import new_event_loop
from connector.storage.database.direct import DirectConnections


@pytest.fixture
def wire(database: str) -> Iterator[Wire]:
    """The way to the database, on an event loop of its own, which goes on while a test's stands still."""
    socket = Path(str(conninfo_to_dict(database)["host"])) / ".s.PGSQL.5432"
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    wire = Wire(lambda: asyncio.open_unix_connection(socket))
    asyncio.run_coroutine_threadsafe(wire.begin(), loop).result(20)
    yield wire
    asyncio.run_coroutine_threadsafe(wire.close(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.parametrize("kept", [0, 3])
@pytest.mark.parametrize("new_loop", [new_event_loop, asyncio.new_event_loop], ids=["libuv", "asyncio"])
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("is_prepared", [False, True], ids=["first time", "prepared"])
def test_an_answer_that_is_lost_is_asked_for_again(
    database: str, wire: Wire, new_loop: Callable[[], asyncio.AbstractEventLoop], is_prepared: bool, kept: int
):
    """Some of it and the reset are there together when the event loop comes to look."""

    async def ask() -> None:
        url = make_url(database).set(host="127.0.0.1", port=wire.port, username="postgres")
        connections = DirectConnections(url.set(query={"sslmode": "disable"}))
        for _ in range(3):
            assert list(await connections.row("SELECT 1", {})) == [1]
        wire.losing, wire.kept = 1, kept

        asking = asyncio.create_task(connections.row("SELECT 1" if is_prepared else "SELECT 1 + 0", {}))
        await asyncio.sleep(0)
        deadline = time.monotonic() + 20
        while (not wire.lost or wire.open) and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: ASYNC251 - this is how an event loop stands still

        assert list(await asyncio.wait_for(asking, 20)) == [1]
        assert wire.lost == 1
        connections.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(ask())


@pytest.mark.parametrize("new_loop", [new_event_loop, asyncio.new_event_loop], ids=["libuv", "asyncio"])
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_connection_that_ends_with_a_word_while_nothing_is_asked_is_not_used_again(
    database: str, wire: Wire, new_loop: Callable[[], asyncio.AbstractEventLoop]
):
    """As when the server sends everybody away: what it says of that is there together with the reset."""

    async def ask() -> None:
        url = make_url(database).set(host="127.0.0.1", port=wire.port, username="postgres")
        connections = DirectConnections(url.set(query={"sslmode": "disable"}))
        for _ in range(3):
            [pid] = await connections.row("SELECT pg_backend_pid()", {})

        with psycopg.connect(database, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        deadline = time.monotonic() + 20
        while wire.open and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: ASYNC251 - this is how an event loop stands still
        await asyncio.sleep(0)

        for _ in range(3):
            [other] = await asyncio.wait_for(connections.row("SELECT pg_backend_pid()", {}), 20)
            assert other != pid
        connections.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(ask())
