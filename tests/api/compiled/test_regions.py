"""Who is limited to regions, or does not read every field, gets the answers of a hub that holds nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from graphql import GraphQLNonNull, GraphQLObjectType, GraphQLSchema, get_named_type, parse
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.compiled import compile_query
from connector.api.context import NOBODY, ApiContext, Reader
from connector.api.field_names import fields_that_can_be_kept, rights_of
from connector.api.field_rights import FieldRights
from connector.api.schema import build_schema
from connector.api.schema.fields import PAGED, RELATION
from connector.api.schema.nodes import TYPE_NAMES
from connector.model.refs import EntityKind
from connector.rules.golden.fields import field_of
from connector.storage.database.engine import reading
from connector.storage.database.refusals import TooDeep
from connector.storage.query import (
    BELONGING,
    ENTITIES,
    EVERYTHING,
    AggregateRead,
    Column,
    Compare,
    GroupKey,
    Page,
    Row,
    Selection,
    Sight,
    ToOne,
    fetch,
    groups_of,
)
from connector.storage.query.sight import AS_SENT, MOST_VIEWS, Ground, ReferredTo, Through, Whole
from connector.storage.query.statement import PageRead, statement_of
from tests.api.compiled.conftest import Compared
from tests.api.compiled.operations import Operation, operations
from tests.api.compiled.plain import PlainExecutor, Rows, as_json
from tests.api.test_queries import statements
from tests.conftest import SEED, MovableClock

CASES = 200
"""Operations on each database."""
SIGHTS = [Random(f"{SEED} {n}").getrandbits(32) for n in range(16)]  # noqa: S311
"""Seeds of what is seen; few, so that their views need not be made for every operation."""


def within(rows: Rows, regions: frozenset[str]) -> Rows:
    """What a hub would hold that knows these regions only: found by loops, row by row."""
    by_key = {(entity, row.id): row for entity, all_rows in rows.items() for row in all_rows}

    def is_there(entity: str, row: Row) -> bool:
        match BELONGING[entity]:
            case Ground.EVERYBODYS:
                return True
            case Ground.HUB_WIDE:
                return False
            case Ground.OWN:
                return row.values["region"] in regions
            case Through(names):
                relations = [cast("ToOne", ENTITIES[entity].relations[name]) for name in names]
                return any(leads(relation, row) for relation in relations)
            case Whole(name):
                relation = ENTITIES[entity].relations[name]
                members = [other for other in rows[relation.target] if other.values[relation.key] == row.id]
                return bool(members) and all(is_there(relation.target, other) for other in members)
            case ReferredTo(other_entity, key):
                return any(
                    other.values[key] == row.id and is_there(other_entity, other) for other in rows[other_entity]
                )

    def leads(relation: ToOne, row: Row) -> bool:
        target = by_key.get((relation.target, row.values[relation.key]))
        return target is not None and is_there(relation.target, target)

    def shown(entity: str, row: Row) -> Row:
        belonging = BELONGING[entity]
        lost = {
            relation.key
            for relation in ENTITIES[entity].relations.values()
            if isinstance(relation, ToOne) and not leads(relation, row)
        } | (belonging.hidden if isinstance(belonging, Through | Whole) else set())
        values = row.values | dict.fromkeys(lost)
        if isinstance(belonging, Through):
            lost_here = [name for name, (by, value) in belonging.hidden_where.items() if values[by] == value]
            values |= dict.fromkeys(lost_here)
        if entity in ("asset", "shipment"):
            at_site = values["site_id"] is not None
            place = by_key.get(("site", values["site_id"]) if at_site else ("hub", values["hub_id"]))
            values = values | {"region": None if place is None else place.values["region"]}
        return Row(entity, values | measured(values) if entity == "ticket" else values)

    def measured(ticket: Mapping[str, Any]) -> dict[str, Any]:
        """What a ticket counts towards, when its device is known only as far as it is there."""
        device = by_key.get(("asset", ticket["asset_id"]))
        place, needed = ticket["site_id"], ticket["product_id"]
        if device is not None:
            place = device.values["site_id"] if place is None else place
            needed = needed if device.values["product_id"] is None else device.values["product_id"]
        site, product = by_key.get(("site", place)), by_key.get(("product", needed))
        return {
            "region": None if site is None else site.values["region"],
            "asset_class": None if product is None else product.values["asset_class"],
        }

    return {name: [shown(name, row) for row in found if is_there(name, row)] for name, found in rows.items()}


def without(rows: Rows, hidden: frozenset[Column]) -> Rows:
    """What a hub would hold in which nobody ever said these things."""
    gone = {name: {column for entity, column in hidden if entity == name} for name in rows}

    def shown(row: Row) -> Row:
        values = row.values | dict.fromkeys(gone[row.entity])
        if values.get("provenance") is not None:
            known = ENTITIES[row.entity].columns
            columns = {known[name].name for name in gone[row.entity] if name in known}
            values["provenance"] = [one for one in values["provenance"] if one[0] not in columns]
            fields = {field_of(EntityKind(row.entity), column) for column in columns}
            names = {field.name for field in fields if field is not None}
            values["overridden"] = [one for one in values["overridden"] if one[0] not in names]
        return Row(row.entity, values)

    as_sent = AS_SENT if "raw" in gone["quarantine"] else frozenset[str]()
    return {name: [] if name in as_sent else [shown(row) for row in found] for name, found in rows.items()}


def some_regions(rows: Rows, seed: int) -> frozenset[str]:
    known = sorted({row.values["region"] for name in ("site", "hub") for row in rows[name]} - {None})
    return frozenset(Random(seed).sample(known, k=seed % (len(known) + 1)))  # noqa: S311


def some_kept(schema: GraphQLSchema, seed: int) -> tuple[FieldRights, frozenset[Column]]:
    """Fields at random that one role reads, none, few or most of them, and what is hidden from everybody else."""
    names = fields_that_can_be_kept(schema)
    kept = Random(seed).sample(names, k=(0, 1, 3, 20, len(names) - 9)[seed % 5])  # noqa: S311
    rights = rights_of({name: ("finance",) for name in kept}, schema)
    return rights, rights.sight(NOBODY).hidden


@settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_a_query_of_somebody_limited_answers_what_a_hub_of_what_they_see_would(
    data: st.DataObject, engine: AsyncEngine, rows: Rows, plain: PlainExecutor, clock: MovableClock, compared: Compared
):
    compared.least = CASES * 4 // 5
    seed = data.draw(st.sampled_from(SIGHTS), label="seed")
    regions = some_regions(rows, seed) if data.draw(st.booleans(), label="limited") else None
    _, hidden = some_kept(plain.schema, seed)
    seen_rows = without(rows if regions is None else within(rows, regions), hidden)
    plain.rows = rows if data.draw(st.booleans()) else seen_rows  # ids and values of what is outside are tried, too
    operation: Operation = data.draw(operations(plain), label="operation")
    plain.rows = seen_rows
    compared.begin((regions, sorted(hidden), operation))
    note(f"{regions} {sorted(hidden)} {operation!r}")
    document = parse(operation.document)
    around: Any = SimpleNamespace(
        clock=clock, label_url=lambda key: f"/labels/{key}", reader=(reader := Reader(engine)), principal=None
    )

    expected = plain.execute(document, operation.variables, around)
    with statements(engine) as seen:
        query = compile_query(
            plain.schema, document, operation=None, variables=operation.variables, dialect=engine.dialect.name,
            sight=Sight(regions, hidden),
        )  # fmt: skip
        try:
            found = await query.run(cast("ApiContext", around))
        except TooDeep:  # of SQLite alone, and of few
            compared.done("too deep for SQLite")
            return
        finally:
            await reader.aclose()

    assert expected.errors is None
    assert as_json(found) == as_json(expected.data)
    assert len(seen) <= 1
    compared.done()


async def test_groups_and_counts_of_keys_tell_nothing_of_what_is_outside(engine: AsyncEngine, rows: Rows):
    regions = some_regions(rows, 4)
    seen = within(rows, regions)
    keys: Mapping[str, list[str]] = {
        name: [relation.key for relation in entity.relations.values() if isinstance(relation, ToOne)]
        for name, entity in ENTITIES.items()
    }

    for name, columns in keys.items():
        for column in columns:
            read = AggregateRead(name, (GroupKey(column),), (), size=500, include_retired=True)
            async with reading(engine) as tx:
                (answer,) = await fetch(tx, [read], Sight(regions))
            expected: dict[Any, int] = {}
            for row in seen[name]:
                expected[row.values[column]] = expected.get(row.values[column], 0) + 1
            assert {group.keys[0]: group.count for group in groups_of(read)(answer)} == expected, (name, column)


def test_every_entity_says_how_it_belongs_to_regions():
    assert BELONGING.keys() == ENTITIES.keys()


def test_a_relation_that_is_never_null_leads_to_what_is_there_whenever_its_row_is():
    schema = build_schema()._schema
    for type_name, entity in TYPE_NAMES.items():
        type_ = schema.type_map[type_name]
        assert isinstance(type_, GraphQLObjectType)
        for name, field in type_.fields.items():
            metadata = field.extensions["strawberry-definition"].metadata
            if RELATION not in metadata or metadata.get(PAGED) or not isinstance(field.type, GraphQLNonNull):
                continue
            relation = ENTITIES[entity].relations[metadata[RELATION]]
            if isinstance(relation, ToOne):
                is_everybodys = BELONGING[relation.target] is Ground.EVERYBODYS
                way = BELONGING[entity]
                is_the_way = isinstance(way, Through) and way.relations == (metadata[RELATION],)
                assert is_everybodys or is_the_way, f"{type_name}.{name} must be nullable: {get_named_type(field.type)}"


def test_who_is_not_limited_pays_nothing():
    page = PageRead(
        Selection("reservation", frozenset({"hub_id", "state"})), Page(size=1, where=Compare("quantity", "eq", 1))
    )

    text = str(statement_of([page], "sqlite", EVERYTHING))

    assert "EXISTS" not in text
    assert "CASE" not in text
    assert "EXISTS" in str(statement_of([page], "sqlite", Sight(frozenset({"EU"}))))


def test_views_are_remembered_for_some_limits_and_a_statement_has_one_of_each():
    """Those of one limit refer to each other: were some of them forgotten before others, a name would mean two."""
    votes, mine = ENTITIES["approval_vote"], Sight(frozenset({"EU"}))
    for number in range(MOST_VIEWS + 10):
        mine.rows_at(votes, 0)
        for entity in ENTITIES.values():
            Sight(frozenset({f"R{number}"})).rows_at(entity, 0)

    both = select(mine.rows_at(votes, 0).c.id, mine.rows_at(ENTITIES["approval"], 1).c.id)

    assert str(both.compile(dialect=postgresql.dialect())).count("seen_ticket AS NOT MATERIALIZED") == 1
