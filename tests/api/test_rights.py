"""The page of rights is what the code says, and what happens when each operation is called by each role."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)
from graphql.type import get_named_type
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.limits import MOST_ROOT_FIELDS
from connector.api.matrix import ROLES, matrix
from connector.api.schema import build_schema
from connector.api.schema.nodes import global_id
from connector.model.principals import Principal
from tests.api.conftest import Hub, OpenHub, connected, served
from tests.api.seed import seed

PAGE = Path(__file__).parents[2] / "docs" / "rights.md"
LIMITED = "limited to regions"
CALLERS = {role: (role,) for role in ROLES} | {f"{role} of the EU": (role, LIMITED) for role in ROLES}
"""Name of who asks -> the columns of the page that are about them: each role, everywhere and limited to a region."""
TOKENS = {name: f"the-token-of-{name.replace(' ', '-')}" for name in CALLERS}
KEYS = [
    ApiKey.of(TOKENS[name], Principal(name, frozenset({role}), frozenset({"EU"}) if limited else None))
    for name, (role, *limited) in CALLERS.items()
]

Told = Mapping[str, Mapping[str, str]]
"""Root field -> role, or `limited to regions` -> what the page says."""


def told(title: str) -> Told:
    """A table of the page as it is checked in."""
    text = PAGE.read_text(encoding="utf-8").split(f"## {title}\n\n")[1].split("\n\n")[0].strip()
    head, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines())
    return {line[0].strip("`"): dict(zip(head[1:], line[1:], strict=True)) for line in lines}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema()._schema


def test_the_page_is_what_the_code_says(schema: GraphQLSchema):
    assert PAGE.read_text(encoding="utf-8") == matrix(schema), "connector schema --rights docs/rights.md"


def value(type_: Any) -> str:
    """Some value of an input type, written as a document has it."""
    match type_:
        case GraphQLNonNull(of_type=inner):
            return value(inner)
        case GraphQLList(of_type=inner):
            return f"[{value(inner)}]"
        case GraphQLEnumType():
            return next(iter(type_.values))
        case GraphQLInputObjectType():
            given = {name: one for name, one in type_.fields.items() if is_required_input_field(one)}
            return "{" + ", ".join(f"{name}: {value(one.type)}" for name, one in given.items()) + "}"
    ready = {"Int": "1", "Float": "1", "Boolean": "true", "DateTime": '"2026-12-01T09:00:00Z"'}
    return ready.get(type_.name, f'"{global_id("Ticket", 999)}"' if type_.name == "ID" else '"x"')


def call(name: str, field: GraphQLField) -> str:
    """The field with what it requires, asking for as little as can be."""
    given = {key: one for key, one in field.args.items() if is_required_argument(one)}
    arguments = ", ".join(f"{key}: {value(one.type)}" for key, one in given.items())
    below = "{ errors { code message } }" if "errors" in getattr(get_named_type(field.type), "fields", {}) else ""
    if not below and not is_leaf_type(get_named_type(field.type)):
        below = "{ __typename }"
    return f"{name}{f'({arguments})' if arguments else ''} {below}"


async def is_refused(hub: Hub, who: str, name: str, operation: str) -> bool:
    """Whether the field itself is refused, however: in the errors of the response, or of the payload."""
    answer = await hub.client.post(
        "/graphql", json={"query": operation}, headers={"authorization": f"Bearer {TOKENS[who]}"}
    )
    body = answer.json()
    payload = (body.get("data") or {}).get(name)
    found = [(error["extensions"]["code"], error["message"]) for error in body.get("errors", ())]
    assert not [error for error in found if error[0] in ("GRAPHQL_VALIDATION_FAILED", "INTERNAL")], body
    if isinstance(payload, dict):
        found += [(error["code"], error["message"]) for error in payload.get("errors", ())]
    return any(code == "FORBIDDEN" and f"{who!r} may not {name}" in message for code, message in found)


async def differences(hub: Hub, table: Told, kind: str, fields: Mapping[str, GraphQLField]) -> list[tuple[str, str]]:
    """Where something else happens than the table says."""
    found = []
    for name, field in fields.items():
        operation = f"{kind} {{ {call(name, field)} }}"
        refused = await asyncio.gather(*(is_refused(hub, who, name, operation) for who in TOKENS))
        happened = dict(zip(TOKENS, refused, strict=True))
        for who, columns in CALLERS.items():
            if happened[who] != any(table[name][column] == "-" for column in columns):
                found.append((name, who))
    return found


async def test_mutations_are_begun_or_refused_as_the_page_says(
    open_hub: OpenHub, engine: AsyncEngine, schema: GraphQLSchema
):
    type_, table = schema.mutation_type, told("Mutations")
    assert type_ is not None
    assert table.keys() == type_.fields.keys()
    await seed(engine)

    async with open_hub(keys=KEYS) as hub:
        assert await differences(hub, table, "mutation", type_.fields) == []


async def test_queries_are_answered_or_refused_as_the_page_says(
    open_hub: OpenHub, engine: AsyncEngine, schema: GraphQLSchema
):
    type_, table = schema.query_type, told("Queries")
    assert type_ is not None
    assert table.keys() == type_.fields.keys()
    await seed(engine)
    for_some = {name for name, row in table.items() if "-" in row.values()}
    computed = {name: type_.fields[name] for name in {*for_some, "node", "nodes"}}
    stored = [call(name, field) for name, field in type_.fields.items() if name not in computed]

    async with open_hub(keys=KEYS) as hub:
        assert await differences(hub, table, "query", computed) == []
        for who in TOKENS:
            for start in range(0, len(stored), MOST_ROOT_FIELDS):
                query = " ".join(stored[start : start + MOST_ROOT_FIELDS])
                assert not await is_refused(hub, who, "", f"{{ {query} }}")


async def test_every_role_may_follow_what_the_page_says(open_hub: OpenHub, schema: GraphQLSchema):
    type_ = schema.subscription_type
    assert type_ is not None
    table = told("Subscriptions")
    assert table.keys() == type_.fields.keys()
    assert {cell for row in table.values() for cell in row.values()} == {"yes"}

    async with open_hub(keys=KEYS) as hub, served(hub.app) as address:
        for who in TOKENS:
            async with connected(address, {"authorization": f"Bearer {TOKENS[who]}"}) as socket:
                for name in type_.fields:
                    await socket.subscribe(f"subscription {{ {name} {{ cursor }} }}", name)
                await socket.subscribe("{ me { name } }", "me")
                assert await socket.event() == {"name": who}  # comes behind any refusal
