from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query
from sqlalchemy import text

from connector.api.access import Access, Unauthenticated
from connector.storage.database.engine import transaction
from connector.storage.migrations import HEAD
from tests.api.conftest import TOKEN, Hub, OpenHub
from tests.api.seed import seed


def first_error(response: httpx.Response) -> dict[str, Any]:
    (error,) = response.json()["errors"]
    found: dict[str, Any] = error
    return found


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "a bearer token is needed"),
        ("Bearer wrong", "the bearer token is wrong"),
        (f"Basic {TOKEN}", "the bearer token is wrong"),
        (TOKEN, "the bearer token is wrong"),
        (f"Bearer {TOKEN}x", "the bearer token is wrong"),
        ("Bearer ü", "the bearer token is wrong"),
    ],
)
async def test_only_the_right_token_comes_in(header: str | None, message: str):
    access = Access(TOKEN)

    with pytest.raises(Unauthenticated) as refused:
        await access.check(header)

    assert refused.value.message == message
    assert TOKEN not in str(refused.value)
    await access.check(f"Bearer {TOKEN}")
    await access.check(f"bearer {TOKEN} ")


async def test_with_a_token_configured_data_needs_it_and_health_does_not(open_hub: OpenHub):
    async with open_hub(token=TOKEN) as hub:
        seeded = await seed(hub.engine)
        bearer = {"authorization": f"Bearer {TOKEN}"}
        query = {"query": "{ tickets { totalCount } }"}

        refused = await hub.client.post("/graphql", json=query)
        answered = await hub.client.post("/graphql", json=query, headers=bearer)
        label = f"/labels/{seeded.document}"

        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert first_error(refused)["extensions"]["code"] == "UNAUTHENTICATED"
        assert answered.json() == {"data": {"tickets": {"totalCount": 1}}}
        assert (await hub.client.get(label)).status_code == 401
        assert (await hub.client.get(label, headers=bearer)).status_code == 200
        for path in ("/healthz", "/readyz", "/static/graphiql.js", "/graphql"):
            assert (await hub.client.get(path, headers={"accept": "text/html"})).status_code == 200, path


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000"])
async def test_without_a_token_the_loopback_is_open(open_hub: OpenHub, host: str):
    async with open_hub(host=host) as hub:
        assert await hub.query("{ tickets { totalCount } }") == {"tickets": {"totalCount": 0}}


async def test_without_a_token_another_name_for_this_machine_is_turned_away(open_hub: OpenHub):
    async with open_hub(host="rebound.example:8000") as hub:
        for response in (await hub.client.post("/graphql", json={"query": "{ __typename }"}),
                         await hub.client.get("/labels/1")):  # fmt: skip
            assert response.status_code == 401
            assert first_error(response)["message"] == "host 'rebound.example' is not this machine"


async def test_every_response_carries_the_security_headers(hub: Hub):
    for path in ("/healthz", "/graphql", "/static/graphiql.css", "/labels/1", "/nowhere"):
        headers = (await hub.client.get(path, headers={"accept": "text/html"})).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
    page = await hub.client.get("/graphql", headers={"accept": "text/html"})
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert "http" not in page.text.replace("https-equiv", "")
    assert (await hub.client.get("/healthz")).headers["content-security-policy"] == (
        "default-src 'none'; frame-ancestors 'none'"
    )


async def test_a_query_that_is_too_large_is_refused_with_what_is_allowed(hub: Hub):
    deep = "{ tickets(first: 1) { nodes " + "{ site { tickets(first: 1) { nodes " * 4 + "{ id }" + "} } }" * 4 + " } }"
    spread = (
        "{ tickets(first: 1) { nodes { ...A } } } "
        "fragment A on Ticket { site { tickets(first: 1) { nodes { ...B } } } } "
        "fragment B on Ticket { site { tickets(first: 1) { nodes { ...C } } } } "
        "fragment C on Ticket { site { tickets(first: 1) { nodes { site { name } } } } }"
    )
    aliases = "{ me {" + " ".join(f"a{i}: name" for i in range(51)) + "} }"
    roots = "{ ...A } fragment A on Query {" + " ".join(f"a{i}: feedCursor" for i in range(31)) + "}"

    for query, message, code in (
        (deep, "the query is nested 15 fields deep, 12 are allowed", "QUERY_TOO_DEEP"),
        (spread, "the query is nested 13 fields deep, 12 are allowed", "QUERY_TOO_DEEP"),
        (aliases, "the query has 51 aliases, 50 are allowed", "TOO_MANY_ALIASES"),
        (roots, "the query has 31 root fields, 30 are allowed", "TOO_MANY_ROOT_FIELDS"),
    ):
        error = await hub.error(query)
        assert (error["message"], error["extensions"]["code"]) == (message, code)
    broken = await hub.error("{ tickets { ")
    assert broken["message"] == "Syntax Error: Expected Name, found <EOF>."
    assert broken["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    long = await hub.error("{" + "feedCursor " * 5000 + "}")
    assert long["message"] == "Syntax Error: Document contains more than 4000 tokens. Parsing aborted."
    assert long["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"


async def test_fragments_that_spread_each_other_are_refused(hub: Hub):
    answer = await hub.execute(
        "{ tickets { nodes { ...A } } } fragment A on Ticket { ...B } fragment B on Ticket { ...A }"
    )

    assert answer["errors"][0]["message"] == "Cannot spread fragment 'A' within itself via 'B'."
    assert answer["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_introspection_is_not_too_deep(hub: Hub):
    data = await hub.query(get_introspection_query())

    assert data["__schema"]["queryType"]["name"] == "Query"


async def test_an_internal_error_is_masked_and_logged_under_a_reference(
    open_hub: OpenHub, caplog: pytest.LogCaptureFixture
):
    async with open_hub() as hub:
        await seed(hub.engine)
        hub.clock.now = lambda: 1 / 0  # type: ignore[method-assign,return-value]

        with caplog.at_level(logging.ERROR):
            error = await hub.error("{ sources { nodes { name freshness } } }")

    assert error["message"] == "an internal error occurred; nothing that you sent is known to be wrong"
    assert error["path"] == ["sources", "nodes", 0, "freshness"]
    assert error["extensions"]["code"] == "INTERNAL"
    (record,) = [record for record in caplog.records if record.name == "connector.api.errors"]
    assert error["extensions"]["reference"] in record.message
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


async def test_a_fault_of_the_hub_in_a_mutation_is_an_error_not_a_refusal(hub: Hub):
    seeded = await seed(hub.engine)

    receive = 'mutation ($id: ID!) { receive(input: {shipmentId: $id, idempotencyKey: "k"}) { errors { message } } }'

    answer = await hub.client.post("/graphql", json={"query": receive, "variables": {"id": seeded.id("Shipment")}})

    [error] = answer.json()["errors"]
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert error["message"] == "this hub has no workflows"
    assert error["extensions"] == {"code": "UNAVAILABLE", "hint": "Start one that has."}


async def test_the_hub_is_ready_when_its_database_is(hub: Hub):
    assert (await hub.client.get("/healthz")).json() == {"status": "ok"}
    assert (await hub.client.get("/readyz")).json() == {
        "status": "ready", "database": True, "schema": HEAD, "readers": {}, "draining": False,
    }  # fmt: skip


async def test_the_hub_is_not_ready_on_a_database_of_another_schema(hub: Hub):
    async with transaction(hub.engine) as tx:
        await tx.execute(text("UPDATE alembic_version SET version_num = '0000'"))

    response = await hub.client.get("/readyz")

    assert response.status_code == 503
    error = first_error(response)
    assert error["message"].startswith("the database is at schema '0000', this version of the hub needs '")
    assert error["extensions"] == {"code": "UNAVAILABLE", "hint": "Run `connector migrate`."}
