"""What nobody foresaw: told under a reference that leads to the log, and nothing of what the database said."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from connector.api.access import Admitted, Again
from connector.model.principals import Principal
from connector.storage.database.engine import DatabaseRefusal, transaction
from tests.api.conftest import NO_COMMANDS, Hub, OpenHub, connected, served, until
from tests.api.seed import seed
from tests.api.test_events import Sent, followed
from tests.api.test_sharing import CURSORS
from tests.api.test_subscriptions import begin, give_task
from tests.api.test_transport_ws import closed

COUNT = "{ tickets { totalCount } }"
ORDINARY = "{ tickets { totalCount } __schema { __typename } }"
DISCARD = 'mutation { discardQuarantine(input: {ids: [], idempotencyKey: "k"}) { settled errors { message } } }'


def check_masked(error: dict[str, Any], log: str) -> None:
    assert error["message"] == "an internal error occurred; nothing that you sent is known to be wrong"
    assert error["extensions"].keys() == {"code", "reference"}
    assert error["extensions"]["code"] == "INTERNAL"
    assert f"internal error {error['extensions']['reference']} at" in log
    assert "Traceback" in log


async def lose_tickets(hub: Hub) -> None:
    async with transaction(hub.engine) as tx:
        await tx.execute(text("ALTER TABLE ticket RENAME TO ticket_lost"))


async def test_a_query_that_the_database_cannot_answer_tells_nothing_of_it(hub: Hub, caplog: pytest.LogCaptureFixture):
    await hub.query(COUNT)  # ready from now on
    await lose_tickets(hub)

    with caplog.at_level(logging.ERROR):
        for query in (COUNT, "{ tickets(first: 1) { totalCount } }", ORDINARY):
            answer = await hub.client.post("/graphql", json={"query": query})
            (error,) = answer.json()["errors"]
            check_masked(error, caplog.text)
            assert not any(word in answer.text for word in ("SELECT", "no such", "relation", "ticket_", "Traceback"))


async def test_a_subscription_that_the_database_cannot_answer_tells_nothing_of_it(
    hub: Hub, caplog: pytest.LogCaptureFixture
):
    await seed(hub.engine)
    await hub.feed.now()
    await lose_tickets(hub)

    async with served(hub.app) as address, connected(address) as client:
        with caplog.at_level(logging.ERROR):
            await client.subscribe('subscription { tickets(after: "0") { cursor ticket { number } } }')
            told = await client.receive()

    found = told["payload"] if told["type"] == "error" else told["payload"]["errors"]
    check_masked(found[0], caplog.text)
    assert not any(word in str(told) for word in ("SELECT", "no such", "relation", "ticket_lost", "Traceback"))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_a_fault_before_the_operation_is_500_and_tells_nothing_of_it(
    open_hub: OpenHub, caplog: pytest.LogCaptureFixture, method: str
):
    async def fails(_token: str) -> None:
        raise OSError("/etc/secret")

    async with open_hub(others=[fails]) as hub:
        sent = {"json": {"query": COUNT}} if method == "POST" else {"params": {"query": COUNT}}
        with caplog.at_level(logging.ERROR):
            answer = await hub.client.request(method, "/graphql", **sent, headers={"authorization": "Bearer x"})

    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "secret" not in answer.text
    if method != "HEAD":
        (error,) = answer.json()["errors"]
        check_masked(error, caplog.text)


class Breaking:
    """Lets everybody in, and cannot look at them again once it is broken."""

    def __init__(self) -> None:
        self.is_broken = False

    async def admit(self, _token: str) -> Admitted:
        return Admitted(Principal("ada", frozenset({"viewer"})), again=Again(self.check, timedelta(seconds=0.05)))

    async def check(self) -> None:
        if self.is_broken:
            raise RuntimeError("/etc/secret")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_socket_that_breaks_is_closed_under_a_reference(open_hub: OpenHub, caplog: pytest.LogCaptureFixture):
    bearer, breaking = {"authorization": "Bearer x"}, Breaking()
    async with (
        open_hub(others=[breaking.admit]) as hub,
        served(hub.app) as address,
        connected(address, bearer) as client,
    ):
        await begin(hub, client, CURSORS)
        breaking.is_broken = True
        hub.clock.advance(timedelta(seconds=1))
        code, reason = await closed(client)
        await until(lambda: hub.streams.subscribers == 0)

    assert code == 4500
    told, _, reference = reason.partition(", reference ")
    assert told == "Internal server error"
    assert f"internal error {reference} at a socket" in caplog.text
    assert "Exception in ASGI application" not in caplog.text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_stream_of_events_that_breaks_says_so_and_from_where_to_resume(
    open_hub: OpenHub, caplog: pytest.LogCaptureFixture
):
    bearer, breaking = {"authorization": "Bearer x"}, Breaking()
    async with (
        open_hub(others=[breaking.admit]) as hub,
        served(hub.app) as address,
        followed(address, CURSORS, bearer) as client,
    ):
        await until(lambda: hub.streams.subscribers == 1)
        await give_task(hub.engine, "1")
        assert await client.next() == Sent("next", {"data": {"tasks": {"cursor": "1"}}}, "1")
        breaking.is_broken = True
        hub.clock.advance(timedelta(seconds=1))
        told, complete = await client.next(), await client.next()
        await until(lambda: hub.streams.subscribers == 0)

    assert told is not None
    (error,) = told.data["errors"]
    assert error["extensions"].pop("cursor") == "1"
    check_masked(error, caplog.text)
    assert complete == Sent("complete")
    assert "Exception in ASGI application" not in caplog.text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", [DatabaseRefusal("UNIQUE constraint failed: ticket.x"), OSError("/etc/secret")])
async def test_a_mutation_that_fails_tells_nothing_of_the_database_even_as_a_refusal(
    open_hub: OpenHub, caplog: pytest.LogCaptureFixture, fault: Exception
):
    async def fails(*_arguments: Any) -> int:
        raise fault

    async with open_hub(commands=replace(NO_COMMANDS, discard_quarantine=fails)) as hub:
        with caplog.at_level(logging.ERROR):
            answer = await hub.client.post("/graphql", json={"query": DISCARD})

    (error,) = answer.json()["errors"]
    check_masked(error, caplog.text)
    assert "constraint" not in answer.text
    assert "secret" not in answer.text
