"""Too much of what no page bounds: filters, lists of values, searched texts, nesting, and fields that are repeated.

Up to each limit both databases answer; beyond it the request is refused before anything is planned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from graphql import get_operation_ast, parse

from connector.api.cost import cost_of
from connector.api.errors import LONGEST_MESSAGE
from connector.api.schema import build_schema
from connector.api.schema.nodes import global_id
from connector.storage.database.engine import transaction
from tests.api.conftest import Hub, connected, served
from tests.api.test_queries import statements
from tests.api.test_transport_ws import closed
from tests.factories import make_source, make_ticket

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For what is refused before a database is asked."""

TICKETS = "query ($filter: TicketFilter) { tickets(filter: $filter) { totalCount nodes { number } } }"
FILTER_HINT = (
    "List values with `in` instead of comparing with each of them, fetch things by their ids with `nodes`, "
    "or ask in several requests."
)


async def one_ticket(hub: Hub, title: str = "broken") -> None:
    """INC-1."""
    async with transaction(hub.engine) as tx:
        await make_ticket(tx, source_id=await make_source(tx), number="INC-1", title=title)


def any_of(count: int) -> dict[str, Any]:
    """So many comparisons, of which the last one holds for INC-1."""
    return {"or": [{"number": {"eq": f"INC-{number}"}} for number in range(count, 0, -1)]}


@pytest.mark.parametrize(
    ("text", "comparisons", "values"),
    [
        ("{ tickets { totalCount } }", 0, 0),
        ('{ tickets(filter: {number: {eq: "a", ne: null}, title: {contains: "b"}}) { totalCount } }', 3, 0),
        ("{ tickets(filter: {priority: {in: [P1, P2]}, quantity: {notIn: 3}}) { totalCount } }", 2, 3),
        ("{ tickets(filter: {or: [{}, {site: {}}], not: {shipments: {none: {}}}}) { totalCount } }", 3, 0),
        ('{ sites(filter: {near: {point: {type: "Point", coordinates: [1, 2]}, withinKm: 3}}) { totalCount } }', 2, 0),
        ("{ ticketAggregate(filter: {priority: {eq: P1}}) { groups { count } } }", 1, 0),
        ('{ a: tickets(filter: {number: {eq: "a"}}) { nodes { site { tickets(filter: {number: {in: ["b"]}}) {'
         "totalCount } } } } sites(filter: {}) { totalCount } }", 3, 1),
        ('{ nodes(ids: []) { ... on Site { tickets(filter: {number: {eq: "a"}}) { totalCount } } '
         '... on Hub { stock(filter: {free: {gt: 1}}) { totalCount } } } }', 2, 0),
        ('mutation { createRollout(input: {name: "x", productId: "x", idempotencyKey: "x", filter: '
         "{region: {in: [\"EU\"]}}, sites: [{code: \"y\"}]}) { rollout { id } } }", 1, 1),
    ],
)  # fmt: skip
def test_all_filters_of_an_operation_are_counted_together(text: str, comparisons: int, values: int):
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None

    found = cost_of(build_schema()._schema, document, operation, {})

    assert found is not None
    assert (found.filters.comparisons, found.filters.values) == (comparisons, values)


async def test_as_many_comparisons_and_values_as_are_allowed_are_answered(hub: Hub):
    await one_ticket(hub)
    values = {"number": {"in": [f"INC-{number}" for number in range(5_000, 0, -1)]}}

    for given in (any_of(250), {"and": [{"not": any_of(1)}, any_of(249)]}, values):
        answer = await hub.query(TICKETS, filter=given)
        assert answer["tickets"]["totalCount"] == (0 if "and" in given else 1)


@on_sqlite
@pytest.mark.parametrize(
    ("given", "what"),
    [
        (any_of(251), "251 comparisons, 250"),
        ({"or": [{}] * 1_000}, "1,000 comparisons, 250"),
        ({"number": {"in": ["x"] * 5_001}}, "5,001 values in lists, 5,000"),
    ],
)
async def test_more_is_refused_before_anything_is_planned_or_read(hub: Hub, given: dict[str, Any], what: str):
    with statements(hub.engine) as seen:
        error = await hub.error(TICKETS, filter=given)

    assert seen == []
    assert error == {
        "message": f"the filters of this operation have {what} are allowed",
        "extensions": {"code": "FILTER_TOO_LARGE", "hint": FILTER_HINT},
    }


@on_sqlite
async def test_the_same_filter_counts_in_each_place(hub: Hub):
    places = " ".join(f"a{place}: tickets(filter: $filter) {{ totalCount }}" for place in range(25))
    twenty_five = f"query ($filter: TicketFilter) {{ {places} }}"

    assert len(await hub.query(twenty_five, filter=any_of(10))) == 25
    assert (await hub.error(twenty_five, filter=any_of(11)))["message"] == (
        "the filters of this operation have 275 comparisons, 250 are allowed"
    )


async def test_a_text_that_is_searched_for_has_a_longest_one_also_where_the_query_is_ready(hub: Hub):
    longest = "%_\\a" * 250
    await one_ticket(hub, title=f"x{longest}x")
    given: Callable[[str], dict[str, Any]] = lambda text: {"title": {"contains": text}}  # noqa: E731

    assert (await hub.query(TICKETS, filter=given(longest)))["tickets"]["totalCount"] == 1
    error = await hub.error(TICKETS, filter=given(longest + "x"))

    assert error["message"] == "a text of 1,001 signs is searched for, 1,000 are allowed"
    assert (error["extensions"]["code"], error["path"]) == ("INVALID_INPUT", ["tickets"])
    assert (await hub.query(TICKETS, filter={"title": {"eq": "x" * 100_000}}))["tickets"]["totalCount"] == 0


def within(levels: int) -> dict[str, Any]:
    """A filter in so many objects."""
    made: dict[str, Any] = {}
    for _ in range(levels - 1):
        made = {"not": made}
    return made


@on_sqlite
@pytest.mark.parametrize("part", ["variables", "extensions"])
async def test_what_is_nested_without_end_is_no_request(hub: Hub, part: str):
    """The body holds a level more than what is in it: 100 are looked at, JSON itself may have a thousand."""
    asked = {"query": "{ feedCursor }"}
    message = f"{part!r} is nested more than 100 levels deep"
    async with served(hub.app) as address:
        for levels in (100, 101, 900):
            body = asked | {part: {"x": within(levels - 1)}}
            answer = await hub.client.post("/graphql", json=body)
            streamed = await hub.client.post("/graphql", json=body, headers={"accept": "text/event-stream"})
            async with connected(address) as client:
                await client.send(type="subscribe", id="1", payload=body)
                if levels == 100:
                    assert answer.json() == {"data": {"feedCursor": "0"}}
                    assert '"feedCursor":"0"' in streamed.text
                    assert await client.event() == "0"
                    continue
                assert await closed(client) == (4400, f"Invalid message: {message}")
            for refused in (answer, streamed):
                (error,) = refused.json()["errors"]
                assert (refused.status_code, error["extensions"]["code"]) == (400, "BAD_REQUEST")
                assert error["message"] == message


@on_sqlite
async def test_a_filter_that_is_nested_too_deeply_says_so_up_to_where_it_is_no_request(hub: Hub):
    for levels, message in (
        (9, None),
        (10, "the filter is nested more than 8 levels deep"),
        (99, "the filter is nested more than 8 levels deep"),
    ):
        errors = (await hub.execute(TICKETS, filter=within(levels))).get("errors", [])
        assert [error["message"] for error in errors] == ([] if message is None else [message])


@on_sqlite
async def test_fields_that_are_asked_for_again_and_again_are_not_compared_for_ever(hub: Hub):
    """Whether equal response keys go together is found by comparing each with each other one."""
    again: Callable[[int], str] = lambda times: f"{{ tickets {{ nodes {{ {'site { id } ' * times}}} }} }}"  # noqa: E731

    assert (await hub.query(again(50)))["tickets"]["nodes"] == []
    chained = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(250))
    for text in (again(200), f"{{ ...F0 }} {chained} fragment F250 on Query {{ __typename }}"):
        error = await hub.error(text)
        assert (error["message"], error["extensions"]["code"]) == ("Validation aborted.", "GRAPHQL_VALIDATION_FAILED")
        assert error["extensions"]["hint"] == (
            "Ask for each field in one place, fragments in few others, and correct what is named."
        )


@on_sqlite
async def test_what_was_sent_is_quoted_to_a_length(hub: Hub):
    error = await hub.error("query ($id: ID!) { node(id: $id) { id } }", id=global_id("Site", 1) * 10_000)

    assert error["message"].startswith(f"id '{global_id('Site', 1)}")
    assert len(error["message"]) == LONGEST_MESSAGE + len("...")
