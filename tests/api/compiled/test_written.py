"""What a database writes by itself is what the ordinary executor answers, column by column and order by order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from random import sample
from types import SimpleNamespace
from typing import Any, cast

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    parse,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.compiled import CompiledQuery, compile_query
from connector.api.context import ApiContext, Reader
from connector.api.roots import ROOT, page_root
from connector.api.schema import build_schema
from connector.storage.query import Read, WrittenPage, WrittenRow
from tests.api.compiled.plain import PlainExecutor, as_json
from tests.conftest import DATABASES, MovableClock

LONG = "a" * 64
WIDE = f"{{ tickets {{ totalCount nodes {{ {' '.join(f'm{n}: title' for n in range(200))} }} }} }}"
"""More members than a function of a database takes."""
NAMED = f"{{ tickets {{ {' '.join(f'm{n}: totalCount' for n in range(60))} nodes {{ {LONG}: title }} }} }}"
"""The same about a page, and a name that is longer than PostgreSQL's."""
PAGES = 60
"""Of all that there are; `CONNECTOR_SEED=new` draws other ones."""
SHOWN = "number title state openedAt slaDueAt asset { id serial site { name } } shipments { trackingNumber }"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema()._schema


def compiled(schema: GraphQLSchema, text: str, dialect: str) -> CompiledQuery:
    return compile_query(schema, parse(text), operation=None, variables={}, dialect=dialect)


def reads(query: CompiledQuery) -> list[type[Read]]:
    return [type(read) for read in query._reads._reads]


@pytest.mark.parametrize("dialect", DATABASES)
@pytest.mark.parametrize(
    ("text", "read"),
    [
        (f"{{ tickets {{ nodes {{ {SHOWN} }} }} }}", WrittenPage),
        (f"{{ tickets {{ nodes {{ {LONG}: title }} }} }}", WrittenPage),
        (f"{{ tickets {{ totalCount edges {{ cursor node {{ {SHOWN} }} }} pageInfo {{ endCursor }} }} }}", WrittenPage),
        (f'{{ ticket(id: "VGlja2V0OjE=") {{ {SHOWN} }} }}', WrittenRow),
        (f'{{ node(id: "VGlja2V0OjE=") {{ ... on Ticket {{ {SHOWN} }} }} }}', WrittenRow),
    ],
)
def test_columns_ids_and_relations_are_written_by_the_database(
    schema: GraphQLSchema, dialect: str, text: str, read: type[Read]
):
    assert reads(compiled(schema, text, dialect)) == [read]


@pytest.mark.parametrize("dialect", DATABASES)
@pytest.mark.parametrize(
    "text",
    [
        "{ tickets { nodes { title } more: nodes { state } } }",
        "{ tickets(last: 1) { nodes { title } } }",
        "{ hubs { nodes { packTime } } }",
    ],
)
def test_everything_else_is_shaped(schema: GraphQLSchema, dialect: str, text: str):
    assert WrittenPage not in reads(compiled(schema, text, dialect))


async def test_every_column_and_the_cursors_of_every_order_are_written_as_the_executor_does(
    engine: AsyncEngine, schema: GraphQLSchema, clock: MovableClock, plain: PlainExecutor
):
    around: Any = SimpleNamespace(clock=clock, reader=Reader(engine), principal=None)
    written = 0

    dialect = engine.dialect.name
    for text in (WIDE, NAMED, *sample(list(pages(schema, dialect)), PAGES)):
        if is_written(schema, text, dialect):
            query = compiled(schema, text, dialect)
            written += 1
            expected = plain.execute(parse(text), {}, around)
            assert expected.errors is None
            assert as_json(await query.run(cast("ApiContext", around))) == as_json(expected.data), text

    assert written > PAGES / 3


def pages(schema: GraphQLSchema, dialect: str) -> Iterator[str]:
    """Pages of all that is paged: all columns at once, then the cursors of every order."""
    assert schema.query_type is not None
    for name, field in schema.query_type.fields.items():
        if field.extensions["strawberry-definition"].metadata.get(ROOT) is not page_root:
            continue
        connection = get_named_type(field.type)
        assert isinstance(connection, GraphQLObjectType)
        row = get_named_type(connection.fields["nodes"].type)
        assert isinstance(row, GraphQLObjectType)
        columns = [column for column, shown in row.fields.items() if is_leaf_type(get_named_type(shown.type))]
        own = [column for column in columns if is_written(schema, f"{{ {name} {{ nodes {{ {column} }} }} }}", dialect)]
        yield f"{{ {name} {{ nodes {{ __typename {' '.join(own)} }} }} }}"
        order = get_named_type(field.args["orderBy"].type)
        assert isinstance(order, GraphQLInputObjectType)
        orders = get_named_type(order.fields["field"].type)
        assert isinstance(orders, GraphQLEnumType)
        keys = [(key, ("ASC", "DESC")[number % 2]) for number, key in enumerate(orders.values)]
        for first, second in zip_longest(keys[::2], keys[1::2], fillvalue=("ID", "ASC")):
            order_by = ", ".join(f"{{field: {key}, direction: {way}}}" for key, way in dict((first, second)).items())
            yield (
                f"{{ {name}(first: 7, orderBy: [{order_by}]) {{ edges {{ cursor node {{ id }} }} "
                "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }"
            )


def is_written(schema: GraphQLSchema, text: str, dialect: str) -> bool:
    return reads(compiled(schema, text, dialect)) == [WrittenPage]
