"""The licence of compiled events: the engine and graphql-core make the same bytes of what happens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random, getrandbits
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from graphql import (
    ExecutionResult,
    GraphQLObjectType,
    GraphQLOutputType,
    execute_sync,
    get_named_type,
    parse,
    validate,
)
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.context import ApiContext
from connector.api.feed import KINDS, Stretch
from connector.api.limits import Limits
from connector.api.schema import build_schema, subscription
from connector.api.schema.nodes import parse_global_id
from connector.api.schema.topic import Topic
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.changes import LoggedChange, NewChange, log_changes, publish_changes, read_changes
from connector.storage.database.engine import reading, transaction
from connector.storage.database.refusals import TooDeep
from connector.storage.query import Row, Sight, Together
from tests.api.compiled.furnished import TEXTS
from tests.api.compiled.operations import Operation, subscription_of
from tests.api.compiled.plain import PlainExecutor, Rows
from tests.api.compiled.test_regions import some_kept, some_regions, within, without
from tests.api.conftest import Hub, OpenHub, connected, served, until
from tests.api.test_subscriptions import give_task
from tests.factories import NOW

CASES = 30
CHANGES = 6
"""Of each kind."""
TOPICS: Mapping[EntityKind, Topic[Any]] = {
    topic.kind: topic for topic in vars(subscription).values() if isinstance(topic, Topic)
}
FIELDS = {
    "approvals": EntityKind.APPROVAL,
    "incidentGroups": EntityKind.INCIDENT_GROUP,
    "recoveries": EntityKind.RECOVERY,
    "replenishments": EntityKind.REPLENISHMENT,
    "reservations": EntityKind.RESERVATION,
    "rolloutProgress": EntityKind.ROLLOUT,
    "shipmentStatus": EntityKind.SHIPMENT,
    "tasks": EntityKind.TASK,
    "tickets": EntityKind.TICKET,
}


async def let_things_happen(engine: AsyncEngine, rows: Rows) -> Sequence[LoggedChange]:
    """Changes of all kinds, some of things that are not there, with awkward fields."""
    chance = Random(20_261_125)  # noqa: S311
    async with transaction(engine) as tx:
        for kind in KINDS:
            ids = [row.id for row in rows[kind.value]]
            for number in range(CHANGES):
                key = 999 if number == 0 else chance.choice(ids)
                operation = chance.choice(("created", "updated", "deleted"))
                change = NewChange(kind, key, operation, fields_of(kind, chance))
                at = NOW + timedelta(microseconds=chance.choice((0, 1, 120_000)))
                await log_changes(tx, [change], actor=chance.choice(TEXTS), at=at)
    async with transaction(engine) as tx:
        await publish_changes(tx)
    async with reading(engine) as tx:
        return await read_changes(tx, 0)


def fields_of(kind: EntityKind, chance: Random) -> dict[str, tuple[Any, Any]]:
    topic = TOPICS[kind]
    values = [None, "a", "日\u2028", 1, 2**53 + 1, 0.1, True, [1, {"ß": None}], {}]
    states: list[Any] = [None, *(state.value for state in topic.states)]
    names = ("title", "hub_id", "no_column", "reason", "assignee", "cost_cents")
    fields = {name: (chance.choice(values), chance.choice(values)) for name in names}
    fields[topic.state] = (chance.choice(states), chance.choice(states))
    return {name: pair for name, pair in fields.items() if chance.random() < 0.6}


def expected(
    plain: PlainExecutor, name: str, narrowed: Mapping[str, str], operation: Operation, changes: Sequence[LoggedChange],
    sight: Sight, all_rows: Rows, around: Any,
) -> list[bytes]:  # fmt: skip
    """What graphql-core makes of the changes, one by one."""
    topic = TOPICS[FIELDS[name]]
    found: list[bytes] = []
    for change in changes:
        if change.kind is not topic.kind or not topic.is_news(change):
            continue
        now = find(all_rows, topic, change.entity_id)
        if not all(holds(topic, change, now, argument, id_) for argument, id_ in narrowed.items()):
            continue
        row = find(plain.rows, topic, change.entity_id)
        if row is None and sight.is_limited:
            continue
        result = execute_sync(
            plain.schema,
            parse(operation.document),
            topic.event_of(change, row, sight),
            context_value=around,
            variable_values=dict(operation.variables),
        )
        assert isinstance(result, ExecutionResult)
        assert result.errors is None
        found.append(orjson.dumps({"data": result.data}))
    return found


def find(rows: Rows, topic: Topic[Any], key: int) -> Row | None:
    return next((row for row in rows[topic.row] if row.id == key), None)


def holds(topic: Topic[Any], change: LoggedChange, row: Row | None, argument: str, id_: str) -> bool:
    if argument == topic.state:
        return topic.state in change.fields and change.fields[topic.state][1] == topic.states[id_]
    key = parse_global_id(id_)[1]
    of = "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in argument)
    if of == f"{topic.row}_id":
        return change.entity_id == key
    return row is not None and row.values[of] == key


async def made(context: ApiContext, operation: Operation, until: int, together: Together) -> tuple[list[bytes], int]:
    """The texts that a subscription gets, and how many of its events the ordinary executor had to make."""
    told: list[bytes] = []

    async def tell(text: bytes) -> None:
        told.append(text)

    results = await build_schema().stream(
        operation.document,
        variable_values=dict(operation.variables),
        context_value=replace(context, stretch=Stretch(None, until, together, tell)),
    )
    left = [result async for result in results]
    for error in (error for result in left for error in result.errors or ()):
        if (error.extensions or {}).get("code") == TooDeep.code:
            raise TooDeep(error.message)
        raise AssertionError(error)
    return told, len(left)


@pytest.fixture
async def furnished(
    rows: Rows, engine: AsyncEngine, open_hub: OpenHub
) -> AsyncIterator[tuple[Hub, Sequence[LoggedChange]]]:
    changes = await let_things_happen(engine, rows)
    async with open_hub(poll=timedelta(hours=1)) as hub:
        yield hub, changes


async def test_a_compiled_event_is_what_the_ordinary_executor_makes_of_it(
    furnished: tuple[Hub, Sequence[LoggedChange]], engine: AsyncEngine, rows: Rows, plain: PlainExecutor
):
    hub, changes = furnished
    together = Together(engine, timedelta(seconds=60))
    around: Any = SimpleNamespace(clock=hub.clock, label_url=lambda key: f"/labels/{key}", principal=None)
    told = 0
    for _ in range(CASES):
        seed = getrandbits(48)
        regions = some_regions(rows, seed) if seed % 2 else None
        plain.rows = rows
        name, narrowed, operation = subscription_of(seed, plain)
        fields, hidden = some_kept(plain.schema, seed // 2)
        plain.rows = without(rows if regions is None else within(rows, regions), hidden)
        sight = Sight(regions, hidden)
        who = Principal("ada", frozenset({"dispatcher"}), regions)
        context = replace(hub.streams._context(), fields=fields, principal=who)
        case = f"seed {seed}, {validate(plain.schema, parse(operation.document))}, {regions}, {hidden}, {operation!r}"

        wanted = expected(plain, name, narrowed, operation, changes, sight, rows, around)
        try:
            found, left = await made(context, operation, changes[-1].position, together)
        except TooDeep:  # of SQLite alone, and of few
            assert engine.dialect.name == "sqlite"
            continue

        assert (found, left) == (wanted, 0), case
        told += len(found)
    assert told > CASES


def whole(type_: GraphQLOutputType, depth: int) -> str:
    """Every field of a type that needs no arguments, relations to some depth."""
    named = get_named_type(type_)
    if not isinstance(named, GraphQLObjectType):
        return ""
    fields = [
        f"{name} {whole(field.type, depth - 1)}"
        for name, field in named.fields.items()
        if depth or not isinstance(get_named_type(field.type), GraphQLObjectType)
    ]
    return f"{{ __typename {' '.join(fields)} }}"


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("rolloutProgress", 'rollout { lines(filter: {createdAt: {eq: "%s"}}) { nodes { id } } }'),
        ("rolloutProgress", 'rollout { lines(filter: {createdAt: {gt: "%s"}}) { nodes { id } } }'),
        ("tickets", 'ticket { site { tickets(filter: {openedAt: {lte: "%s"}}) { nodes { id } } } }'),
        ("tickets", 'ticket { site { tickets(filter: {title: {contains: "%%"}}) { nodes { id } } } }'),
        ("tickets", 'ticket { site { tickets(filter: {title: {startsWith: "_"}}) { nodes { id } } } }'),
    ],
)
async def test_filters_within_events_hold_values_as_their_types_say(
    furnished: tuple[Hub, Sequence[LoggedChange]],
    engine: AsyncEngine,
    rows: Rows,
    plain: PlainExecutor,
    name: str,
    below: str,
):
    hub, changes = furnished
    plain.rows = rows
    around: Any = SimpleNamespace(clock=hub.clock, label_url=lambda key: f"/labels/{key}", principal=None)
    instants = {str(line.values["created_at"]) for line in rows["rollout_line"]} if "%s" in below else {""}

    for instant in instants:
        filtered = below % instant.replace(" ", "T") if instant else below % ()
        operation = Operation(f'subscription {{ {name}(after: "0") {{ {filtered} }} }}', {}, {})
        found, left = await made(
            hub.streams._context(), operation, changes[-1].position, Together(engine, timedelta(seconds=60))
        )
        assert (found, left) == (expected(plain, name, {}, operation, changes, Sight(), rows, around), 0)


async def test_every_field_of_every_event_is_compiled_and_none_is_left_to_the_ordinary_executor(
    furnished: tuple[Hub, Sequence[LoggedChange]], engine: AsyncEngine, plain: PlainExecutor
):
    hub, changes = furnished
    type_ = plain.schema.subscription_type
    assert type_ is not None
    assert FIELDS.keys() == type_.fields.keys()
    assert {topic.kind for topic in TOPICS.values()} == set(KINDS)
    together = Together(engine, timedelta(seconds=60))
    for name, kind in FIELDS.items():
        document = f'subscription {{ {name}(after: "0") {whole(type_.fields[name].type, 2)} }}'
        assert validate(plain.schema, parse(document)) == []

        context = replace(hub.streams._context(), limits=Limits(largest_cost=10**9))
        told, left = await made(context, Operation(document, {}, {}), changes[-1].position, together)

        assert (len(told), left) == (sum(TOPICS[kind].is_news(one) for one in changes if one.kind is kind), 0)


async def test_an_event_that_holds_an_error_is_made_by_the_ordinary_executor_in_its_place(
    furnished: tuple[Hub, Sequence[LoggedChange]], engine: AsyncEngine, rows: Rows
):
    hub, changes = furnished
    broken, sound = (row.id for row in rows["rollout"][:2])
    async with transaction(engine) as tx:
        for key, plan in ((broken, {"hubs": [{}]}), (sound, {})):
            await tx.execute(update(tables.rollout).where(tables.rollout.c.id == key).values(plan=plan))
        for key in (broken, sound, broken):
            await log_changes(tx, [NewChange(EntityKind.ROLLOUT, key, "updated", {})], actor="test", at=NOW)
    last = changes[-1].position
    query = f'subscription {{ rolloutProgress(after: "{last}") {{ cursor rollout {{ hubs {{ free }} }} }} }}'

    async with served(hub.app) as address, connected(address) as client:
        await client.subscribe(query)
        told = [(await client.receive())["payload"] for _ in range(3)]

    cursors = [payload["data"]["rolloutProgress"]["cursor"] for payload in told]
    assert cursors == [str(last + 1), str(last + 2), str(last + 3)]
    assert [payload["data"]["rolloutProgress"]["rollout"] for payload in told] == [
        {"hubs": None}, {"hubs": []}, {"hubs": None},
    ]  # fmt: skip
    codes = [[error["extensions"]["code"] for error in payload.get("errors", ())] for payload in told]
    assert codes == [["INTERNAL"], [], ["INTERNAL"]]


async def test_an_argument_that_cannot_be_used_is_refused_to_the_one_who_gave_it_and_harms_nobody_else(
    hub: Hub,
):
    task = await give_task(hub.engine, "x")
    good = "subscription { tasks { cursor task { title } } }"
    bad = 'subscription { tasks { task { hub { stock(after: "x") { nodes { id } } } } } }'
    async with served(hub.app) as address, connected(address) as client:
        await client.subscribe(good, "good")
        await until(lambda: hub.feed.readers == 1)
        await client.subscribe(bad, "bad")
        refused = await client.receive()  # before anything happens

        async with transaction(hub.engine) as tx:
            await log_changes(tx, [NewChange(EntityKind.TASK, task, "updated", {})], actor="test", at=NOW)
        told = await client.receive()

    assert (refused["id"], refused["type"]) == ("bad", "error")
    assert refused["payload"][0]["extensions"]["code"] == "INVALID_INPUT"
    assert (told["id"], told["payload"]["data"]["tasks"]["task"]["title"]) == ("good", "Task x")
