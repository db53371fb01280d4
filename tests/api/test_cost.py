"""What an operation costs: known before anything is read, told when asked, refused above the maximum."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_operation_ast, parse
from hypothesis import given
from hypothesis import strategies as st

from connector.api.cost import cost_of
from connector.api.limits import Limits
from connector.api.schema import build_schema
from connector.api.schema.nodes import global_id
from tests.api.conftest import Hub, OpenHub, connected, served
from tests.api.test_queries import statements

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""Nothing here reaches the database but through queries that others test on both."""

TICKETS = "query ($n: Int) { tickets(first: $n) { nodes { number site { name } } } }"


def cost(text: str, **variables: Any) -> tuple[int, str]:
    """What the only operation of a document costs, and its dearest part."""
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    found = cost_of(build_schema()._schema, document, operation, variables)
    assert found is not None
    return found.total, ".".join(found.dearest)


@pytest.mark.parametrize(
    ("text", "expected", "dearest"),
    [
        ("{ me { name } feedCursor __typename }", 0, ""),
        ('{ ticket(number: "INC-1") { number site { name } } }', 2, "ticket"),
        ("{ tickets { nodes { number } } }", 50, "tickets"),
        ("{ tickets(last: 7) { edges { cursor node { number } } } }", 7, "tickets"),
        ("{ tickets { totalCount } }", 10, "tickets.totalCount"),
        ("{ tickets(first: 3) { totalCount pageInfo { hasNextPage } } }", 13, "tickets.totalCount"),
        ("{ tickets(first: 9) { nodes { site { name } } } }", 18, "tickets"),
        ("{ tickets(first: 2) { nodes { shipments { trackingNumber } } } }", 12, "tickets.nodes.shipments"),
        ("{a: sites(first: 20) {nodes {tickets(first: 30) {totalCount nodes {id}}}}}", 820, "a.nodes.tickets"),
        ("{ ticketAggregate(first: 5) { groups { count } } }", 105, "ticketAggregate"),
        ('{ explain(ticketId: "x") { outcome } }', 500, "explain"),
        ('{ nodes(ids: ["a", "b", "c"]) { id ... on Ticket { site { name } } ... on Site { name } } }', 6, "nodes"),
        ("{ tickets(first: 5) { nodes { id @skip(if: true) site @skip(if: true) { name } } } }", 5, "tickets"),
        ('mutation { syncSource(input: {sourceId: "x", idempotencyKey: "k"}) { __typename } }', 100, "syncSource"),
    ],
)  # fmt: skip
def test_parts_of_a_query_have_stated_weights(text: str, expected: int, dearest: str):
    assert cost(text) == (expected, dearest)


def test_what_two_fragments_ask_for_alike_is_charged_once():
    twice = "{ tickets(first: 4) { nodes { ...A ...B } edges { node { ...A } } } }"
    fragments = "fragment A on Ticket { site { name } } fragment B on Ticket { site { region } }"

    assert cost(f"{twice} {fragments}") == (8, "tickets")


@given(outer=st.integers(0, 500), inner=st.integers(0, 500), innermost=st.integers(0, 500))
def test_nested_pages_multiply(outer: int, inner: int, innermost: int):
    text = """query ($a: Int, $b: Int, $c: Int!) { sites(first: $a) { nodes { assets(first: $b) { edges { node {
      tickets(last: $c) { nodes { id } } } } } } } }"""

    total, _ = cost(text, a=outer, b=inner, c=innermost)

    assert total == outer + outer * inner + outer * inner * innermost


@on_sqlite
async def test_the_cost_is_told_on_request_alone_whichever_way_the_query_goes(hub: Hub):
    asked = {"query": TICKETS, "variables": {"n": 4}, "extensions": {"cost": True}}
    introspecting = f"{TICKETS[:-1]} __schema {{ __typename }} }}"
    expected = {"requested": 8, "maximum": 50_000}

    first = (await hub.client.post("/graphql", json=asked)).json()
    ready = (await hub.client.post("/graphql", json=asked)).json()
    ordinary = (await hub.client.post("/graphql", json=asked | {"query": introspecting})).json()
    unasked = (await hub.client.post("/graphql", json=asked | {"extensions": {}})).json()

    assert [answer["extensions"]["cost"] for answer in (first, ready, ordinary)] == [expected] * 3
    assert unasked == {"data": {"tickets": {"nodes": []}}}


@on_sqlite
async def test_what_costs_too_much_is_refused_before_anything_is_read(open_hub: OpenHub):
    async with open_hub(limits=Limits(largest_cost=20)) as hub:
        assert (await hub.query(TICKETS, n=10))["tickets"]["nodes"] == []
        with statements(hub.engine) as seen:
            answer = await hub.client.post(
                "/graphql", json={"query": TICKETS, "variables": {"n": 11}, "extensions": {"cost": True}}
            )

    assert seen == []
    assert answer.json() == {
        "errors": [
            {
                "message": "this query may cost 22, more than the 20 that are allowed; "
                "its dearest part is 'tickets' with 11",
                "extensions": {
                    "code": "QUERY_TOO_COSTLY",
                    "hint": "Ask for smaller pages with `first`, above all in the inner lists, and for less of what is "
                    "listed there; or ask in several requests.",
                    "requested": 22,
                    "maximum": 20,
                    "dearest": ["tickets"],
                },
            }
        ],
        "extensions": {"cost": {"requested": 22, "maximum": 20}},
    }


@on_sqlite
async def test_mutations_and_subscriptions_have_a_cost_too(open_hub: OpenHub):
    mutation = 'mutation { syncSource(input: {sourceId: "x", idempotencyKey: "k"}) { errors { code } } }'
    subscription = "subscription { tasks { task { hub { stock(first: 100) { nodes { id } } } } } }"
    async with open_hub(limits=Limits(largest_cost=99)) as hub:
        changed = await hub.error(mutation)
        async with served(hub.app) as address, connected(address) as client:
            await client.subscribe(subscription)
            followed = await client.receive()

    assert (changed["extensions"]["code"], changed["extensions"]["requested"]) == ("QUERY_TOO_COSTLY", 100)
    assert (followed["type"], followed["payload"][0]["extensions"]["code"]) == ("error", "QUERY_TOO_COSTLY")


@on_sqlite
async def test_ids_that_are_asked_for_count_each(open_hub: OpenHub):
    ids = [global_id("Ticket", key) for key in range(1, 7)]
    async with open_hub(limits=Limits(largest_cost=5)) as hub:
        error = await hub.error("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids)

    assert error["extensions"]["dearest"] == ["nodes"]
