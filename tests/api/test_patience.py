"""A query that takes too long, or for which nobody waits any more, is broken off together with its statement."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.limits import Limits
from connector.model.refs import EntityKind
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import transaction
from tests.api.conftest import NO_COMMANDS, OpenHub, connected, served, until
from tests.api.test_subscriptions import give_task
from tests.factories import NOW, make_source, make_ticket

SHORT = Limits(longest_query=timedelta(seconds=0.2))
COUNT = "{ tickets { totalCount } }"
ORDINARY = "{ tickets { totalCount } __schema { __typename } }"
"""Not compiled, because of the introspection."""

TIMEOUT = {
    "code": "TIMEOUT",
    "hint": "Ask for smaller pages and fewer lists within lists, or filter by something narrower. "
    "The hub may also be busy: ask once more, later.",
}


@asynccontextmanager
async def endless(engine: AsyncEngine) -> AsyncIterator[None]:
    """While it is open, whoever reads tickets waits for ever: for a lock, on SQLite for a join without end."""
    if engine.dialect.name == "postgresql":
        async with engine.connect() as tx:
            await tx.execute(text("LOCK TABLE ticket IN ACCESS EXCLUSIVE MODE"))
            try:
                yield
            finally:
                await tx.rollback()
        return
    async with transaction(engine) as tx:
        await tx.execute(text("ALTER TABLE ticket RENAME TO ticket_kept"))
        await tx.execute(
            text(
                "CREATE VIEW ticket AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
                "SELECT ticket_kept.* FROM n CROSS JOIN ticket_kept WHERE n.x > 0"
            )
        )
    try:
        yield
    finally:
        async with transaction(engine) as tx:
            await tx.execute(
                text("SELECT count(*) FROM sqlite_master")
            )  # or a connection takes it for the table it was
            await tx.execute(text("DROP VIEW ticket"))
            await tx.execute(text("ALTER TABLE ticket_kept RENAME TO ticket"))


async def is_under_way(engine: AsyncEngine) -> bool:
    """Whether a statement waits for tickets; on SQLite, whether any reads on what was written since it began."""
    async with engine.connect() as tx:
        if engine.dialect.name == "postgresql":
            asked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'ticket'::regclass"
            return bool((await tx.execute(text(asked))).scalar_one())
    async with transaction(engine) as tx:
        await tx.execute(text("PRAGMA user_version = 1"))
    async with engine.connect() as tx:
        driver: Any = (await tx.get_raw_connection()).driver_connection
        _, written, brought_over = await (await driver.execute("PRAGMA wal_checkpoint(PASSIVE)")).fetchone()
        return bool(written != brought_over)


async def begun(engine: AsyncEngine) -> None:
    """Wait until a statement is under way."""
    async with asyncio.timeout(10):
        while not await is_under_way(engine):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def ended(engine: AsyncEngine) -> None:
    """Wait until none is."""
    async with asyncio.timeout(10):
        while await is_under_way(engine):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def one_ticket(engine: AsyncEngine) -> None:
    async with transaction(engine) as tx:
        await make_ticket(tx, source_id=await make_source(tx), number="INC-1")


@pytest.mark.parametrize("query", [COUNT, ORDINARY], ids=["compiled", "ordinary"])
async def test_a_query_that_takes_too_long_is_broken_off_with_its_statement(open_hub: OpenHub, query: str):
    async with open_hub(limits=SHORT) as hub:
        await one_ticket(hub.engine)
        assert (await hub.query(query))["tickets"] == {"totalCount": 1}
        async with endless(hub.engine):
            answers = [
                await hub.client.post("/graphql", json={"query": query}, headers={"accept": form})
                for form in ("application/json", "application/graphql-response+json")
            ]
            await ended(hub.engine)
            others = [await hub.query("{ sites { totalCount } __schema { __typename } }") for _ in range(12)]
        assert (await hub.query(query))["tickets"] == {"totalCount": 1}

    message = "the query took longer than the 0.2 s that are allowed and was broken off"
    for answer in answers:
        assert (answer.status_code, answer.json()) == (
            200,
            {"data": None, "errors": [{"message": message, "extensions": TIMEOUT}]},
        )
    assert others == [{"sites": {"totalCount": 0}, "__schema": {"__typename": "__Schema"}}] * 12


async def test_a_query_over_a_socket_is_broken_off_and_the_socket_lives_on(open_hub: OpenHub):
    async with open_hub(limits=SHORT) as hub:
        await one_ticket(hub.engine)
        async with served(hub.app) as address, connected(address) as client:
            await client.subscribe("subscription { tasks { cursor } }", "followed")
            async with endless(hub.engine):
                await client.subscribe(COUNT, "asked")
                told = await client.receive()
                await ended(hub.engine)
            await client.subscribe(COUNT, "again")
            again = await client.receive()

    assert (told["id"], told["payload"][0]["extensions"]) == ("asked", TIMEOUT)
    assert (again["id"], again["payload"]) == ("again", {"data": {"tickets": {"totalCount": 1}}})


@pytest.mark.parametrize(
    ("query", "is_ready"), [(COUNT, False), (COUNT, True), (ORDINARY, False)], ids=["compiled", "ready", "ordinary"]
)
async def test_a_query_whose_client_goes_away_is_broken_off(open_hub: OpenHub, query: str, is_ready: bool):
    async with open_hub() as hub, served(hub.app) as address:
        await one_ticket(hub.engine)
        if is_ready:
            await hub.query(query)
        async with endless(hub.engine):
            host, port = address.split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(posted(query))
            await begun(hub.engine)
            writer.close()
            await ended(hub.engine)
        assert (await hub.query(query))["tickets"] == {"totalCount": 1}


def posted(query: str) -> bytes:
    """A request as it goes over the wire."""
    body = json.dumps({"query": query}).encode()
    head = f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_changes_something_is_run_to_its_end(open_hub: OpenHub):
    async def slowly(*_arguments: Any) -> int:
        await asyncio.sleep(3 * SHORT.longest_query.total_seconds())
        return 7

    commands = replace(NO_COMMANDS, discard_quarantine=slowly)
    async with open_hub(limits=SHORT, commands=commands) as hub:
        answer = await hub.execute('mutation { discardQuarantine(input: {ids: [], idempotencyKey: "k"}) { settled } }')

    assert answer == {"data": {"discardQuarantine": {"settled": 7}}}


MUTATION = 'mutation { discardQuarantine(input: {ids: [], idempotencyKey: "k"}) { settled } }'


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("way", ["socket", "completed", "events"])
async def test_what_changes_something_is_run_to_its_end_though_its_client_goes(open_hub: OpenHub, way: str):
    begins, goes_on, is_done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slowly(*_arguments: Any) -> int:
        begins.set()
        await goes_on.wait()
        is_done.set()
        return 7

    commands = replace(NO_COMMANDS, discard_quarantine=slowly)
    async with open_hub(commands=commands) as hub, served(hub.app) as address, asyncio.timeout(20):
        if way == "events":
            host, port = address.split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(posted(MUTATION).replace(b"Host:", b"Accept: text/event-stream\r\nHost:"))
            await begins.wait()
            writer.close()
        else:
            async with connected(address) as client:
                await client.subscribe(MUTATION)
                await begins.wait()
                if way == "completed":
                    await client.send(type="complete", id="1")
        await until(
            lambda: {"socket", "operation", "events"}.isdisjoint(task.get_name() for task in asyncio.all_tasks())
        )
        assert not is_done.is_set()

        goes_on.set()
        await is_done.wait()
        await until(lambda: "mutation" not in {task.get_name() for task in asyncio.all_tasks()})


async def test_an_event_that_takes_too_long_to_read_ends_those_who_asked_for_it_and_nobody_else(open_hub: OpenHub):
    async with open_hub(limits=SHORT) as hub, served(hub.app) as address, connected(address) as client:
        await one_ticket(hub.engine)
        task = await give_task(hub.engine, "x")
        await client.subscribe("subscription { tickets { ticket { number } } }", "endless")
        await client.subscribe("subscription { tasks { task { title } } }", "quick")
        await until(lambda: hub.feed.readers == 2)

        async with endless(hub.engine):
            async with transaction(hub.engine) as tx:
                changes = [
                    NewChange(kind, key, "updated", {})
                    for kind, key in ((EntityKind.TICKET, 1), (EntityKind.TASK, task))
                ]
                await log_changes(tx, changes, actor="test", at=NOW)
            told = {message["id"]: message for message in [await client.receive(), await client.receive()]}
            await ended(hub.engine)

    assert told["quick"]["payload"] == {"data": {"tasks": {"task": {"title": "Task x"}}}}
    assert told["endless"]["type"] == "error"
    assert [(error["message"], error["extensions"]) for error in told["endless"]["payload"]] == [
        ("the event took longer than the 0.2 s that are allowed and was broken off", TIMEOUT)
    ]
