"""What HTTP owes a portal: pages of other origins, copies that still hold, a schema that is not for everybody."""

from __future__ import annotations

import pytest
from graphql import get_introspection_query

from connector.api.limits import Limits
from tests.api.conftest import Hub, OpenHub, connected, served

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

PORTAL = "https://portal.example.com"
COUNT = "{ tickets { totalCount } }"
ASKED = {"origin": PORTAL, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}


async def test_pages_of_a_configured_origin_may_ask_and_no_others(open_hub: OpenHub):
    async with open_hub(origins=[PORTAL]) as hub:
        asked = await hub.client.options("/graphql", headers=ASKED)
        other = await hub.client.options("/graphql", headers=ASKED | {"origin": f"{PORTAL}.evil.example.org"})
        posted = await hub.client.post("/graphql", json={"query": COUNT}, headers={"origin": PORTAL})
        site = {"sec-fetch-site": "cross-site"}
        got = await hub.client.get("/graphql", params={"query": COUNT}, headers={"origin": PORTAL, **site})
        image = await hub.client.get("/graphql", params={"query": COUNT}, headers=site)
        async with served(hub.app) as address, connected(address, origin=PORTAL) as client:
            await client.subscribe(COUNT)
            told = await client.receive()

    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, PORTAL)
    assert "content-type" in asked.headers["access-control-allow-headers"]
    assert (other.status_code, "access-control-allow-origin" in other.headers) == (400, False)
    for answer in (posted, got):
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PORTAL)
        assert "origin" in answer.headers["vary"].lower()
        assert "access-control-allow-credentials" not in answer.headers
    assert image.status_code == 403
    assert told["payload"] == {"data": {"tickets": {"totalCount": 0}}}


async def test_without_configuration_no_other_origin_may_ask(hub: Hub):
    asked = await hub.client.options("/graphql", headers=ASKED)
    posted = await hub.client.post("/graphql", json={"query": COUNT}, headers={"origin": PORTAL})

    assert (asked.status_code, asked.json()["errors"][0]["extensions"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert "access-control-allow-origin" not in posted.headers


@pytest.mark.parametrize("query", [COUNT, "{ tickets { totalCount } __schema { __typename } }"])
async def test_a_copy_that_still_holds_is_not_sent_again(hub: Hub, query: str):
    for _ in range(2):  # the second time the query is ready
        got = await hub.client.get("/graphql", params={"query": query})
        tag = got.headers["etag"]
        kept = await hub.client.get("/graphql", params={"query": query}, headers={"if-none-match": f'"old", W/{tag}'})
        assert (got.status_code, got.headers["cache-control"]) == (200, "private, no-cache")
        assert (kept.status_code, kept.content, kept.headers["etag"]) == (304, b"", tag)

    other = await hub.client.get(
        "/graphql", params={"query": "{ sites { totalCount } }"}, headers={"if-none-match": tag}
    )
    wrong = await hub.client.get("/graphql", params={"query": "{ nothing }"})
    posted = await hub.client.post("/graphql", json={"query": query}, headers={"if-none-match": tag})

    assert (other.status_code, posted.status_code, "etag" in posted.headers) == (200, 200, False)
    assert ("etag" in wrong.headers, wrong.headers["cache-control"]) == (False, "no-store")


NEARLY_RIGHT = {
    "{ ticket { id } siets { nodes { id } } }": "Cannot query field 'siets' on type 'Query'.",
    "{ sites(frist: 1) { totalCount } }": "Unknown argument 'frist' on field 'Query.sites'.",
    '{ node(id: "x") { name } }': "Cannot query field 'name' on type 'Node'.",
    "{ tickets(filter: { priority: { eq: P11 } }) { totalCount } }": "Value 'P11' does not exist in 'Priority' enum.",
    "{ ... on Ticke { id } }": "Unknown type 'Ticke'.",
    "query ($f: TicketFilter) { tickets(filter: $f) { totalCount } }": "Variable '$f' has invalid value: Expected "
    "value of type 'TicketFilter' not to include unknown field 'priorty'. Found: {'priorty': {'eq': 'P1'}}.",
    "subscription { tickets { curser } }": "Cannot query field 'curser' on type 'TicketEvent'.",
}
"""Document -> what is said of it without naming anything of the schema that it does not name."""


@pytest.mark.parametrize("introspection", [True, False])
async def test_names_that_come_near_are_suggested_only_where_the_schema_is_told(
    open_hub: OpenHub, *, introspection: bool
):
    given = {"f": {"priorty": {"eq": "P1"}}}
    async with open_hub(limits=Limits(introspection=introspection)) as hub, served(hub.app) as address:
        told = {text: (await hub.execute(text, **given))["errors"] for text in NEARLY_RIGHT if "subs" not in text}
        async with connected(address) as socket:
            for text in NEARLY_RIGHT:
                await socket.subscribe(text, text, **given)
                message = await socket.receive()
                payload = message["payload"]
                told[f"socket {text}"] = payload if message["type"] == "error" else payload["errors"]
                if message["type"] == "next":
                    assert (await socket.receive())["type"] == "complete"

    assert all(
        error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED" for errors in told.values() for error in errors
    )
    for text, errors in told.items():
        expected = NEARLY_RIGHT[text.removeprefix("socket ")]
        assert ("Did you mean" in str(errors)) == introspection, (text, errors)
        if not introspection:
            assert [error["message"] for error in errors] == [expected]


async def test_the_schema_is_not_told_where_introspection_is_off(open_hub: OpenHub):
    async with open_hub(limits=Limits(introspection=False)) as hub:
        refused = [
            await hub.error(query)
            for query in (
                get_introspection_query(),
                '{ hidden: __type(name: "Ticket") { name } }',
                "{ ...A } fragment A on Query { ... { __schema { __typename } } }",
            )
        ]
        answered = await hub.query("{ __typename tickets { __typename totalCount } }")

    assert [error["extensions"]["code"] for error in refused] == ["INTROSPECTION_DISABLED"] * 3
    assert answered == {"__typename": "Query", "tickets": {"__typename": "TicketConnection", "totalCount": 0}}
