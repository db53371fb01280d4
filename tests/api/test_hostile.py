"""What no client of ours would send: it gets an error with a code, a place and what was expected, and nothing breaks.

What schemathesis makes up of the schema is asked in `tests/clients/test_fuzzing.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.limits import MOST_ROOT_FIELDS
from connector.api.schema import build_schema
from connector.api.schema.nodes import TYPE_NAMES, global_id
from connector.storage.query import ENTITIES, encode_cursor
from connector.storage.query.selection import Order
from tests.api.conftest import Hub, OpenHub, connected, served
from tests.api.seed import seed

PUBLISHED = Path(__file__).parents[2] / "graphql" / "operations"
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For what is refused before a database is asked."""

STRANGE: tuple[Any, ...] = (
    "x", "", "1", "\u0000", "2026-11-25T09:00:00Z", "2026-11-25", "0001-01-01T00:00:00+14:00", "in_use",
    0, -1, 1.5, 2**31, 2**63 - 1, -(2**63), 2**64 - 1, 1e300, True, None, [], [1], {}, {"a": 1},
)  # fmt: skip


def listings() -> dict[str, str]:
    """Root field that lists -> entity."""
    query = build_schema()._schema.query_type
    assert query is not None
    found = {}
    for name, field in query.fields.items():
        row = str(field.type).removesuffix("Connection!")
        if row in TYPE_NAMES and str(field.type) != row:
            found[name] = TYPE_NAMES[row]
    return found


def forged() -> Iterator[tuple[str, str, str]]:
    """Root field, its ordering and a cursor of that very ordering with strange values, each column with some."""
    chance = Random(20_261_125)  # noqa: S311
    for name, entity in listings().items():
        for column in ENTITIES[entity].names():
            for value in chance.sample(STRANGE, 2):
                order = (Order("id"),) if column == "id" else (Order(column), Order("id"))
                values = [value] if column == "id" else [value, chance.choice((1, value))]
                yield name, f"[{{field: {column.upper()}}}]", encode_cursor(ENTITIES[entity], order, values)


def check(errors: list[dict[str, Any]], *, keys: tuple[str, ...]) -> None:
    """Each says what kind of error it is and where, and none is our fault."""
    for error in errors:
        assert error["extensions"]["code"] not in ("INTERNAL", None), error
        assert error["message"]
        assert any(error.get(key) for key in keys), error


async def test_a_cursor_that_somebody_made_up_is_refused_or_is_a_place_like_any_other(hub: Hub):
    cursors = list(forged())
    refused = 0
    for start in range(0, len(cursors), MOST_ROOT_FIELDS):
        some = cursors[start : start + MOST_ROOT_FIELDS]
        parts = [
            f'c{place}: {name}(first: 1, orderBy: {order}, after: "{cursor}") {{ pageInfo {{ hasNextPage }} }}'
            for place, (name, order, cursor) in enumerate(some)
        ]
        errors = (await hub.execute(f"{{ {' '.join(parts)} }}")).get("errors", [])
        check(errors, keys=("path",))
        assert {error["extensions"]["code"] for error in errors} <= {"INVALID_INPUT"}, errors
        refused += len(errors)

    assert refused >= len(cursors) // (2 * MOST_ROOT_FIELDS)


DOCUMENTS = sorted(PUBLISHED.rglob("*.graphql"))
SPLINTERS = ("{", "}", "(", ")", "[", "]", "$", "!", "...", "@skip(if: true)", '"', '"""', ":", "0", "\x00", "é", " ")


def broken() -> Iterator[str]:
    """Published documents of which a piece is missing, is there twice, or is something else."""
    chance = Random(20_261_125)  # noqa: S311
    for _ in range(150):
        text = chance.choice(DOCUMENTS).read_text(encoding="utf-8")
        start = chance.randrange(len(text))
        end = min(len(text), start + chance.choice((1, 1, 3, 20)))
        yield text[:start] + chance.choice(("", text[start:end] * 2, chance.choice(SPLINTERS))) + text[end:]


@on_sqlite
async def test_a_broken_document_is_told_where_it_breaks(hub: Hub):
    refused = 0
    for text in broken():
        answer = (await hub.client.post("/graphql", json={"query": text})).json()
        errors = answer.get("errors", [])
        check(errors, keys=("locations", "path", "message"))
        parsing = [error for error in errors if error["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"]
        check(parsing, keys=("locations",))
        refused += bool(errors)

    assert refused > 50


GIVEN = """query ($id: ID!, $ids: [ID!]!, $first: Int, $after: String, $filter: TicketFilter, $order: [TicketOrder!],
  $at: DateTime) {
  node(id: $id) { id } nodes(ids: $ids) { id } asset(id: $id, at: $at) { id }
  tickets(first: $first, after: $after, filter: $filter, orderBy: $order) { nodes { number } }
}"""
RIGHT: dict[str, Any] = {"id": global_id("Asset", 1), "ids": [], "first": 1}


@on_sqlite
async def test_a_variable_of_another_kind_is_named_with_what_it_should_be(hub: Hub):
    for name in ("id", "ids", "first", "after", "filter", "order", "at"):
        for value in STRANGE:
            answer = await hub.execute(GIVEN, **{**RIGHT, name: value})
            errors = answer.get("errors", [])
            check(errors, keys=("path", "locations", "message"))
            for error in errors:
                in_variable = "data" not in answer and error["extensions"]["code"] != "INVALID_INPUT"
                assert not in_variable or f"'${name}'" in error["message"], error


def nested(depth: int) -> str:
    return f"{{ tickets {'{ nodes { site { tickets ' * depth}{{ totalCount }}{' } } }' * depth} }}"


TOO_MUCH = {
    nested(5): "QUERY_TOO_DEEP",
    f"{{ {' '.join(f'a{n}: __typename' for n in range(31))} }}": "TOO_MANY_ROOT_FIELDS",
    f"{{ tickets {{ {' '.join(f'a{n}: totalCount' for n in range(51))} }} }}": "TOO_MANY_ALIASES",
    f"{{ {'__typename ' * 4_001} }}": "GRAPHQL_PARSE_FAILED",
    "{ sites(first: 500) { nodes { tickets(first: 500) { nodes { id } } } } }": "QUERY_TOO_COSTLY",
    "{ tickets(first: 501) { totalCount } }": "INVALID_INPUT",
    "{ tickets(first: 1, last: 1) { totalCount } }": "INVALID_INPUT",
    f"{{ nodes(ids: [{', '.join([chr(34) + global_id('Site', 1) + chr(34)] * 501)}]) {{ id }} }}": "INVALID_INPUT",
    '{ tickets(after: "x") { totalCount nodes { id } } }': "INVALID_INPUT",
    '{ tickets(before: "x") { totalCount } }': "INVALID_INPUT",
    f'{{ site(id: "{global_id("Ticket", 1)}") {{ id }} }}': "INVALID_INPUT",
    '{ asset(id: "x", at: "0001-01-01T00:00:00+14:00") { id } }': "GRAPHQL_VALIDATION_FAILED",
    "{ ...A } fragment A on Query { ...A }": "GRAPHQL_VALIDATION_FAILED",
    "mutation { nothing }": "GRAPHQL_VALIDATION_FAILED",
    'subscription { tickets(after: "x") { cursor } }': "INVALID_INPUT",
    "{": "GRAPHQL_PARSE_FAILED",
    "": "BAD_REQUEST",
}
"""Document -> code."""


@on_sqlite
async def test_a_socket_lives_on_whatever_is_asked_over_it(open_hub: OpenHub, engine: AsyncEngine):
    await seed(engine)
    told = {}
    async with open_hub() as hub, served(hub.app) as address, connected(address) as socket:
        for key, text in enumerate(TOO_MUCH):
            await socket.subscribe(text, str(key))
            message = await socket.receive()
            payload = message["payload"]
            errors = payload if message["type"] == "error" else payload["errors"]
            check(errors, keys=("path", "locations", "message"))
            told[text] = errors[0]["extensions"]["code"]
            if message["type"] == "next":
                assert (await socket.receive())["type"] == "complete"
        await socket.subscribe("{ tickets { totalCount } }", "last")
        answered = await socket.event()

    assert told == TOO_MUCH
    assert answered == {"totalCount": 1}
