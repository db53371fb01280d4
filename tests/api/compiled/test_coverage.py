"""What is compiled and what is left to the ordinary executor, by walking the schema."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from datetime import timedelta

import pytest
from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, get_named_type, is_leaf_type, parse, validate
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api import compiled, roots, shape
from connector.api.compiled import compile_query
from connector.api.roots import ROOT
from connector.api.schema import build_schema
from connector.api.schema.fields import RELATION
from connector.api.schema.nodes import TYPE_NAMES, global_id
from connector.api.shape import NotCompiled
from connector.storage.database.engine import transaction
from tests.api.conftest import Hub, OpenHub
from tests.api.seed import seed
from tests.api.test_queries import statements
from tests.factories import make_source, make_ticket

COMPUTED = {
    "breakGlassUse", "dataQuality", "dataQualityTrend", "explain", "explainMatch", "placements", "syncPlanPage",
    "whatIf",
}  # fmt: skip
"""Root fields that work something out, with policies, rules and measures that are no rows."""


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    found: GraphQLSchema = build_schema()._schema
    return found


def selected(field: GraphQLField, *, relations: int = 1, depth: int = 4) -> str:
    """Everything that can be asked of a field, of related rows all columns; objects within objects to a depth."""
    type_ = get_named_type(field.type)
    if is_leaf_type(type_):
        return ""
    if type_.name == "Node":
        return "{ __typename id }"
    assert isinstance(type_, GraphQLObjectType)
    if type_.name.endswith("Connection"):
        inner = selected(type_.fields["nodes"], relations=relations, depth=depth)
        return f"{{ totalCount pageInfo {{ endCursor hasNextPage }} edges {{ cursor node {inner} }} nodes {inner} }}"
    parts = []
    for name, one in type_.fields.items():
        is_related = RELATION in one.extensions["strawberry-definition"].metadata
        if relations >= is_related and (depth or is_leaf_type(get_named_type(one.type))):
            parts.append(f"{name} {selected(one, relations=relations - is_related, depth=depth - 1)}")
    return f"{{ {' '.join(parts)} }}"


def asked(schema: GraphQLSchema, name: str, field: GraphQLField, *, relations: int = 1) -> str:
    """The root field with arguments that are enough, and all that can be asked below it."""
    type_ = get_named_type(field.type).name
    arguments = {
        "node": f'(id: "{global_id("Site", 1)}")',
        "nodes": f'(ids: ["{global_id("Site", 1)}", "{global_id("Ticket", 1)}"])',
    }.get(name, "")
    if "id" in field.args and type_ in TYPE_NAMES:
        arguments = f'(id: "{global_id(type_, 1)}")'
    return f"{{ {name}{arguments} {selected(field, relations=relations)} }}"


def test_all_stored_data_is_compiled_and_nothing_else_is_left_to_the_ordinary_executor(schema: GraphQLSchema):
    query = schema.query_type
    assert query is not None
    subgraph = build_schema(subgraph=True)._schema.query_type
    assert subgraph is not None

    added = {
        name: ROOT in subgraph.fields[name].extensions["strawberry-definition"].metadata
        for name in subgraph.fields.keys() - query.fields.keys()
    }
    assert added == {"_entities": True, "_service": False}
    left = {name for name, one in query.fields.items() if ROOT not in one.extensions["strawberry-definition"].metadata}

    assert left == COMPUTED
    for dialect in ("sqlite", "postgresql"):
        for name in query.fields.keys() - COMPUTED:
            document = parse(asked(schema, name, query.fields[name]))
            assert validate(schema, document) == []
            compile_query(schema, document, operation=None, variables={}, dialect=dialect)


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("{ sites { totalCount } __schema { queryType { name } } }", None),
        ("{ sites { totalCount } breakGlassUse { product } }", None),
        ("mutation A { __typename } query B { me { name } }", "A"),
        ("subscription { tickets { cursor } }", None),
        ("query ($n: Int!) { sites(first: $n) { totalCount } }", None),
        ("{ ticket { id } }", None),
        ('{ asset(id: "QXNzZXQ6MQ", at: "2026-11-25T09:00:00Z") { serial } }', None),
    ],
)
def test_what_is_no_query_of_stored_data_is_left_whole(schema: GraphQLSchema, text: str, operation: str | None):
    with pytest.raises(NotCompiled):
        compile_query(schema, parse(text), operation=operation, variables={}, dialect="sqlite")


LEFT = {
    "it is no query": "mutations, subscriptions",
    "{} is not stored data": "what is computed, introspection, what a gateway is told",
    "what was is worked out from the change log": "an asset as it was",
    "variables cannot be used": "an error of the variables",
    "problem.message": "an error of the variables",
    "{} needs one of id and {}": "an error of the arguments",
    "too many ids": "an error of the arguments",
    "more than one thing has this name": "an error of the arguments, as the rows are",
    "{} is missing": "an error in the answer: null for what is never null",
    "a value is missing that never may": "an error in the answer: null for what is never null",
    "{} does not fit into Int": "an error in the answer",
    "{} is no value of the enum": "an error in the answer",
    "a derived value cannot be made": "an error in the answer",
    "{} is no type of a derived value": "never: a mistake in the schema",
    "{} is no type of a column": "never: a mistake in the schema",
    "{}.{} is no part of a page": "never: a mistake in the schema",
}
"""Every reason to leave a query, or its answer, to the ordinary executor -> when that is."""


def reasons() -> Iterator[str]:
    """Those that the code knows, what differs from case to case being left open."""
    for module in (compiled, roots, shape):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            match node:
                case ast.Raise(exc=ast.Call(func=ast.Name(id="NotCompiled"), args=[ast.Constant(value=str(reason))])):
                    yield reason
                case ast.Raise(exc=ast.Call(func=ast.Name(id="NotCompiled"), args=[ast.JoinedStr(values=parts)])):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
                case ast.Raise(exc=ast.Call(func=ast.Name(id="NotCompiled"), args=[reason])):
                    yield ast.unparse(reason)


def test_nothing_is_left_for_another_reason():
    assert set(reasons()) == LEFT.keys()


async def test_a_page_of_a_portal_is_one_statement(open_hub: OpenHub, engine: AsyncEngine):
    seeded = await seed(engine)

    async with open_hub(poll=timedelta(hours=1)) as hub:
        await hub.feed.now()
        with statements(hub.engine) as seen:
            data = await hub.query(
                """query ($ids: [ID!]!, $id: ID!) {
                  me { name roles } feedCursor
                  ticket(number: "INC-1") { title }
                  site(id: $id) { name assets(last: 1) { totalCount nodes { product { model } } } }
                  nodes(ids: $ids) { __typename ... on Hub { stock { nodes { free } } } ... on Ticket { number } }
                  tasks(filter: {state: {eq: OPEN}}) { totalCount }
                }""",
                id=seeded.id("Site"),
                ids=[seeded.id("Ticket"), seeded.id("Hub"), global_id("Hub", 99)],
            )

    read = [text for text in seen if "pg_advisory" not in text]  # the feed takes its lock when it looks
    assert len(read) == 1
    assert data == {
        "me": {"name": "api", "roles": ["admin"]},
        "feedCursor": "11",
        "ticket": {"title": "Switch is dead"},
        "site": {"name": "Hamburg", "assets": {"totalCount": 1, "nodes": [{"product": {"model": "Switch 48"}}]}},
        "nodes": [
            {"__typename": "Ticket", "number": "INC-1"},
            {"__typename": "Hub", "stock": {"nodes": [{"free": 2}, {"free": 2}]}},
            None,
        ],
        "tasks": {"totalCount": 1},
    }


async def test_an_error_stays_with_its_field_and_the_rest_is_answered(hub: Hub):
    async with transaction(hub.engine) as tx:
        for name in ("a", "b"):
            await make_ticket(tx, source_id=await make_source(tx, name), number="1")

    found = await hub.execute('{ ticket(number: "1") { title } sites { totalCount } }')

    assert found["data"] == {"ticket": None, "sites": {"totalCount": 0}}
    assert [(error["path"], error["message"]) for error in found["errors"]] == [
        (["ticket"], "more than one ticket has the number '1'")
    ]


async def test_a_page_of_which_nothing_is_asked_is_not_read(hub: Hub):
    with statements(hub.engine) as seen:
        data = await hub.query("{ sites { __typename } }")

    assert data == {"sites": {"__typename": "SiteConnection"}}
    assert [text for text in seen if "AS r0" in text] == []
