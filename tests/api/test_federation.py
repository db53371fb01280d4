"""The hub as a subgraph of Apollo Federation: what a gateway asks, as a gateway asks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from graphql import GraphQLObjectType, parse
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel

from connector.api.access import ApiKey
from connector.api.limits import Limits
from connector.api.representations import MOST_REPRESENTATIONS, NATURAL_KEYS
from connector.api.schema import build_schema
from connector.api.schema.nodes import TYPE_NAMES, global_id
from connector.model.principals import Principal
from connector.storage import tables
from connector.storage.database.engine import transaction
from tests.api.conftest import Hub, OpenHub
from tests.api.test_queries import statements
from tests.factories import make_hub, make_product, make_site

ENTITIES = """query Graph__connector__1($representations: [_Any!]!) { _entities(representations: $representations) {
  __typename
  ... on Site { name }
  ... on Hub { code stock { totalCount } }
  ... on Product { model sku }
} }"""
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For what no database has a part in."""


def site(key: int) -> dict[str, str]:
    return {"__typename": "Site", "id": global_id("Site", key)}


def errors(answer: dict[str, Any]) -> list[tuple[Any, str, str]]:
    return [(error["path"], error["extensions"]["code"], error["message"]) for error in answer["errors"]]


async def two_of_each(engine: AsyncEngine) -> Sequence[int]:
    """Sites in Hamburg and Boston, hubs BER and BOS, products with and without an article number; keys of the sites."""
    async with transaction(engine) as tx:
        sites = [
            await make_site(tx, name=name, region=region) for name, region in (("Hamburg", "EU"), ("Boston", "US"))
        ]
        for code, region in (("BER", "EU"), ("BOS", "US")):
            await make_hub(tx, name=code, code=code, region=region)
        await make_product(tx, model="Switch 24")
        await make_product(tx, model="Switch 48", sku="SW-48")
    return sites


async def test_things_are_found_by_any_of_their_keys_with_one_statement(open_hub: OpenHub, engine: AsyncEngine):
    hamburg, boston = await two_of_each(engine)
    named = [
        site(boston),
        {"__typename": "Hub", "code": "BOS"},
        {"__typename": "Product", "sku": "SW-48", "costCentre": {"more": "than a key"}},
        site(99),
        site(hamburg),
        {"__typename": "Product", "sku": "none"},
        {"__typename": "Hub", "code": "BER"},
        site(boston),
    ]

    async with open_hub(subgraph=True) as hub:
        with statements(hub.engine) as seen:
            data = await hub.query(ENTITIES, representations=named)

    assert data["_entities"] == [
        {"__typename": "Site", "name": "Boston"},
        {"__typename": "Hub", "code": "BOS", "stock": {"totalCount": 0}},
        {"__typename": "Product", "model": "Switch 48", "sku": "SW-48"},
        None,
        {"__typename": "Site", "name": "Hamburg"},
        None,
        {"__typename": "Hub", "code": "BER", "stock": {"totalCount": 0}},
        {"__typename": "Site", "name": "Boston"},
    ]
    assert len([text for text in seen if "AS r0" in text]) == 1


async def test_what_names_nothing_of_ours_is_said_in_its_place_and_the_rest_is_answered(
    open_hub: OpenHub, engine: AsyncEngine
):
    hamburg, boston = await two_of_each(engine)
    ticket = global_id("Ticket", 1)
    named = [
        site(hamburg),
        {"__typename": "Site", "id": ticket},
        {"__typename": "Site", "id": "17"},
        {"__typename": "Site", "id": 17},
        {"__typename": "Site", "name": "Hamburg"},
        {"__typename": "Hub", "code": None},
        {"__typename": "Hub", "name": "BER"},
        {"__typename": "CostCentre", "code": "4711"},
        {"__typename": "Query", "id": ticket},
        {"id": ticket},
        "Site",
        {"__typename": ["Site"] * 99},
        site(boston),
        {"__typename": "Hub", "code": "BER"},
    ]

    async with open_hub(subgraph=True) as hub:
        with statements(hub.engine) as seen:
            answer = await hub.execute(ENTITIES, representations=named)

    assert [one and one["__typename"] for one in answer["data"]["_entities"]] == ["Site", *[None] * 11, "Site", "Hub"]
    long = str(["Site"] * 99)[:100]
    assert errors(answer) == [
        (["_entities", place], "INVALID_INPUT", message)
        for place, message in enumerate(
            [
                f"id '{ticket}' is the id of a Ticket, not of a Site",
                "id '17' is not one of ours",
                "'id' of a representation is 17, not a string",
                "the representation of a Site has no 'id'",
                "'code' of a representation is None, not a string",
                "the representation of a Hub has no 'id' or 'code'",
                "__typename 'CostCentre' is no type of this subgraph that has a key",
                "__typename 'Query' is no type of this subgraph that has a key",
                "__typename None is no type of this subgraph that has a key",
                "'Site' is no representation",
                f"__typename {long}... is no type of this subgraph that has a key",
            ],
            start=1,
        )
    ]
    assert len([text for text in seen if "AS r0" in text]) == 2  # one for each type


async def test_what_somebody_may_not_see_is_null_by_whatever_key(open_hub: OpenHub, engine: AsyncEngine):
    sites = await two_of_each(engine)
    europe = ApiKey.of("the-token-of-europe-1", Principal("europe", frozenset({"viewer"}), frozenset({"EU"})))
    named = [*map(site, sites), {"__typename": "Hub", "code": "BER"}, {"__typename": "Hub", "code": "BOS"}]

    async with open_hub(subgraph=True, keys=[europe]) as hub:
        hub.client.headers["authorization"] = "Bearer the-token-of-europe-1"
        compiled = await hub.query(ENTITIES, representations=named)
        ordinary = await hub.execute(ENTITIES, representations=[*named, "wrong"])
        node = await hub.query("query ($id: ID!) { node(id: $id) { id } }", id=global_id("Site", sites[1]))

    expected = [
        {"__typename": "Site", "name": "Hamburg"},
        None,
        {"__typename": "Hub", "code": "BER", "stock": {"totalCount": 0}},
        None,
    ]
    assert compiled["_entities"] == expected
    assert ordinary["data"]["_entities"] == [*expected, None]
    assert node == {"node": None}


async def test_a_thing_that_its_source_has_deleted_is_still_known_to_the_graph(open_hub: OpenHub, engine: AsyncEngine):
    await two_of_each(engine)
    async with transaction(engine) as tx:
        await tx.execute(update(tables.hub).values(retired_at=tables.hub.c.created_at))

    async with open_hub(subgraph=True) as hub:
        data = await hub.query(ENTITIES, representations=[{"__typename": "Hub", "code": "BER"}])

    assert data["_entities"] == [{"__typename": "Hub", "code": "BER", "stock": {"totalCount": 0}}]


@on_sqlite
async def test_representations_are_bounded_in_number_and_charged(open_hub: OpenHub):
    many = [site(1)] * MOST_REPRESENTATIONS
    mixed = [site(1), site(2), {"__typename": "Hub", "code": "a"}, {"__typename": "Hub", "id": "x"}, 5]
    asked = {"query": ENTITIES, "variables": {"representations": mixed}, "extensions": {"cost": True}}

    async with open_hub(subgraph=True, limits=Limits(largest_cost=1_000)) as hub:
        assert (await hub.query(ENTITIES, representations=many))["_entities"] == [None] * 1_000
        told = (await hub.client.post("/graphql", json=asked)).json()
        dear = await hub.error(ENTITIES, representations=[*many, site(1)])
    async with open_hub(subgraph=True) as hub:
        more = await hub.execute(ENTITIES, representations=[*many, site(1)])

    assert told["extensions"]["cost"]["requested"] == 5 + 2 * 10  # each of them, and a count for each hub
    assert dear["extensions"]["code"] == "QUERY_TOO_COSTLY"
    assert more["data"] is None
    assert errors(more) == [(["_entities"], "INVALID_INPUT", "1,001 representations are given, 1,000 are allowed")]


@on_sqlite
async def test_representations_may_be_written_into_the_document(open_hub: OpenHub, engine: AsyncEngine):
    hamburg, _ = await two_of_each(engine)
    text = """query ($id: ID!) { _entities(representations: [{__typename: "Site", id: $id}, %s]) { __typename } }"""

    async with open_hub(subgraph=True) as hub:
        found = await hub.query(text % '{__typename: "Hub", code: "none"}', id=global_id("Site", hamburg))
        wrong = await hub.execute(text % "5", id=global_id("Site", hamburg))
        invalid = await hub.error(text % "null", id=global_id("Site", hamburg))

    assert found == {"_entities": [{"__typename": "Site"}, None]}
    assert wrong["data"] == found
    assert errors(wrong) == [(["_entities", 1], "INVALID_INPUT", "5 is no representation")]
    assert invalid["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


@on_sqlite
async def test_the_gateway_is_told_the_schema_with_its_keys(open_hub: OpenHub):
    async with open_hub(subgraph=True) as hub:
        text = (await hub.query("{ _service { sdl } }"))["_service"]["sdl"]

    assert text.startswith('extend schema @link(url: "https://specs.apollo.dev/federation/v2.4", import: ["@key", "@sh')
    keys = {
        node.name.value: [directive.arguments[0].value.value for directive in node.directives]
        for node in parse(text).definitions
        if getattr(node, "directives", ()) and node.kind == "object_type_definition" and node.name.value in TYPE_NAMES
    }
    assert keys.keys() == TYPE_NAMES.keys()
    assert keys["Site"] == ["id"]
    assert {name: found[1] for name, found in keys.items() if len(found) > 1} == NATURAL_KEYS
    assert "type PageInfo @shareable {" in text


@on_sqlite
async def test_who_tells_nobody_the_schema_does_not_tell_a_gateway_either(open_hub: OpenHub):
    async with open_hub(subgraph=True, limits=Limits(introspection=False)) as hub:
        error = await hub.error("{ _service { sdl } }")

    assert error["extensions"]["code"] == "INTROSPECTION_DISABLED"


@on_sqlite
async def test_a_hub_that_is_no_subgraph_has_nothing_of_it(hub: Hub):
    found = await hub.query("{ __schema { queryType { fields { name } } types { name } } }")

    names = {one["name"] for one in (*found["__schema"]["queryType"]["fields"], *found["__schema"]["types"])}
    assert not names & {"_service", "_entities", "_Any", "_Entity", "_Service"}


def test_a_natural_key_names_one_thing_and_is_a_field_of_its_type():
    schema = build_schema(subgraph=True)._schema
    for name, column in NATURAL_KEYS.items():
        type_ = schema.type_map[name]
        assert isinstance(type_, GraphQLObjectType)
        assert column in type_.fields
        assert SQLModel.metadata.tables[TYPE_NAMES[name]].c[column].unique
