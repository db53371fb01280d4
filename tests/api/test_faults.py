"""What nobody foresaw: told under a reference that leads to the log, and nothing of what the database said."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from connector.storage.database.engine import DatabaseRefusal, transaction
from tests.api.conftest import NO_COMMANDS, Hub, OpenHub, connected, served
from tests.api.seed import seed

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
