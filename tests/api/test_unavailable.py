"""While the database cannot be had, whoever asks is told so and when to come again; afterwards everything goes on."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from httpx import Response
from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.ingest import receiving
from tests.api.conftest import Hub, OpenHub
from tests.conftest import MovableClock
from tests.ingest.adapters import SECRET, scripted

QUERY = "{ tickets(first: 1) { totalCount } }"
BOTH = "{ a: tickets { totalCount } b: __typename }"


class Outage:
    """While it lasts PostgreSQL lets nobody in, and SQLite has no room left."""

    def __init__(self, engine: AsyncEngine, database: str, postgres: str) -> None:
        self._engine, self._postgres = engine, postgres
        self._name = make_url(database).database
        self._since: Any = None
        if engine.dialect.name == "postgresql":
            with psycopg.connect(postgres) as admin:
                self._since = (admin.execute("SELECT clock_timestamp()").fetchone() or ())[0]

    async def __aenter__(self) -> None:
        if self._since is None:
            event.listen(self._engine.sync_engine, "begin", full)
            return
        with psycopg.connect(self._postgres, autocommit=True) as admin:
            admin.execute(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS false')
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND backend_start > %s"
            admin.execute(ended, [self._name, self._since])

    async def __aexit__(self, *_: object) -> None:
        if self._since is not None:
            with psycopg.connect(self._postgres, autocommit=True) as admin:
                admin.execute(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS true')
            return
        event.remove(self._engine.sync_engine, "begin", full)
        await self._engine.dispose()  # each connection has the limit for itself


@pytest.fixture
def outage(engine: AsyncEngine, database: str, postgres: str) -> Outage:
    return Outage(engine, database, postgres)


def full(connection: Any) -> None:
    """The disk is full: the file cannot grow."""
    connection.exec_driver_sql("PRAGMA max_page_count = 1")


def told(answer: Response) -> tuple[int, str | None, str]:
    """Status, when to come again, and the code of the one error."""
    (error,) = answer.json()["errors"]
    return answer.status_code, answer.headers.get("retry-after"), error["extensions"]["code"]


async def post(hub: Hub, body: bytes) -> Response:
    return await hub.client.post("/webhooks/cmdb", content=body, headers={"x-signature": SECRET})


AWAY = (503, "2", "UNAVAILABLE")


async def test_a_webhook_that_cannot_be_kept_is_to_be_sent_again(
    clock: MovableClock, open_hub: OpenHub, outage: Outage
):
    _, connection = scripted(clock)
    large = b"x" * 500_000
    async with open_hub(connections={"cmdb": connection}) as hub:
        assert (await post(hub, b"before")).status_code == 202
        async with outage:
            assert told(await post(hub, large)) == AWAY
        again = await post(hub, large)

    assert (again.status_code, again.json()["new"]) == (202, True)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_a_query_that_nothing_can_answer_is_to_be_asked_again(open_hub: OpenHub, outage: Outage, accept: str):
    async with open_hub() as hub:

        async def ask(query: str) -> Response:
            return await hub.client.post("/graphql", json={"query": query}, headers={"accept": accept})

        for _ in range(3):  # the third one goes the short way
            assert (await ask(QUERY)).json() == {"data": {"tickets": {"totalCount": 0}}}
        async with outage:
            answer = await ask(QUERY)
            assert told(answer) == AWAY
            assert answer.headers["content-type"].startswith(accept)
            assert "psycopg" not in answer.text
            assert "idempotency key" in answer.json()["errors"][0]["extensions"]["hint"]
            partly = await ask("{ __typename }")
            ready = await hub.client.get("/readyz")
        assert (await ask(QUERY)).json() == {"data": {"tickets": {"totalCount": 0}}}

    assert (partly.status_code, partly.json()) == (200, {"data": {"__typename": "Query"}})
    assert ready.status_code == 503


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_labels_and_keys_are_told_so_as_well(open_hub: OpenHub, outage: Outage):
    async with open_hub() as hub:
        async with outage:
            label = await hub.client.get("/labels/1")
        after = await hub.client.get("/labels/1")

    assert told(label) == AWAY
    assert after.status_code == 404


async def test_more_webhooks_than_can_be_kept_are_to_be_sent_again(
    clock: MovableClock, open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(receiving, "MOST_WAITING", 0)
    _, connection = scripted(clock)
    async with open_hub(connections={"cmdb": connection}) as hub:
        refused = await post(hub, b"1")
        monkeypatch.setattr(receiving, "MOST_WAITING", 1)
        taken = await post(hub, b"1")

    assert told(refused) == (503, "2", "OVERLOADED")
    assert (taken.status_code, taken.json()["new"]) == (202, True)
