"""Answers that are kept: which, until when, for whom, and how many."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import httpx
import orjson
import pytest
from graphql import GraphQLField, get_named_type, parse
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.compiled import compile_query
from connector.api.kept import KeptAnswers, key_of
from connector.api.schema import build_schema
from connector.api.schema.fields import RELATION
from connector.api.schema.nodes import TYPE_NAMES, global_id
from connector.model.principals import ADMIN, Principal
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.database.growth import LogGrowth
from connector.storage.database.rows import update_logged
from connector.storage.query import EVERYTHING, PreparedReads, Unannounced
from tests.api.compiled.test_coverage import COMPUTED, asked, selected
from tests.api.conftest import Hub, OpenHub
from tests.api.seed import Seeded, seed
from tests.factories import NOW

SITES = "{ sites { nodes { name } } }"
PULLS = "how a pull goes is noted without a line in the log"
SAME = "decision.looked_at: that the rules came to the same is noted without a line in the log"
JOINS = "incident_group_ticket: a ticket joins a group without a line in the log"
ATTEMPTS = "quarantine: further attempts at a record are counted without a line in the log"
COUNTED = "source_stream: pulls are counted without a line in the log"
PLANNED = "sync_plan: plans of syncs are made and decided without a line in the log"
RAN = "sync_run: pulls are counted without a line in the log"
FRESHNESS = "Source.freshness: depends on who asks, or when"
LISTED = "listed(): nobody says that it is a function of its arguments alone"
NOTED = "field_conflict: conflicts are noted without a line in the log"
OF_THE_THING = "field_override: the line in the log is one of the thing, of whatever kind that is"
NEVER = {
    **{
        name: LISTED
        for one, many, type_ in (
            ("asset", "assets", "Asset"),
            ("hub", "hubs", "Hub"),
            ("product", "products", "Product"),
            ("site", "sites", "Site"),
        )
        for name in (one, many, f"{type_}.provenance", f"{type_}.sourceRecords")
    },
    **{f"{type_}.fieldConflicts": NOTED for type_ in ("Asset", "Hub", "Product", "Site")},
    **{f"{type_}.fieldOverrides": OF_THE_THING for type_ in ("Asset", "Hub", "Product", "Site")},
    **dict.fromkeys(("fieldConflict", "fieldConflicts", "fieldConflictAggregate", "FieldConflict"), NOTED),
    **dict.fromkeys(("fieldOverride", "fieldOverrides", "fieldOverrideAggregate", "FieldOverride"), OF_THE_THING),
    "decision": SAME,
    "decisions": SAME,
    "decisionAggregate": SAME,
    "feedCursor": "change: the log itself, where positions are given after the commit",
    "me": "me: depends on who asks, or when",
    "quarantine": ATTEMPTS,
    "quarantineAggregate": ATTEMPTS,
    "quarantinedRecord": ATTEMPTS,
    "source": FRESHNESS,
    "sources": FRESHNESS,
    "sourceAggregate": f"source.failures: {PULLS}",
    "Decision.lookedAt": SAME,
    "IdentityReview.record": ATTEMPTS,
    "IncidentGroup.members": JOINS,
    "IncidentGroupTicket": JOINS,
    "QuarantinedRecord": ATTEMPTS,
    "Source.failures": f"source.failures: {PULLS}",
    "Source.freshness": FRESHNESS,
    "Source.lastError": f"source.last_error: {PULLS}",
    "Source.lastErrorAt": f"source.last_error_at: {PULLS}",
    "Source.lastSuccessAt": f"source.last_success_at: {PULLS}",
    "Source.quarantine": ATTEMPTS,
    "Source.state": f"source.state: {PULLS}",
    "Source.streams": COUNTED,
    "Source.updatedAt": f"source.updated_at: {PULLS}",
    "Source.plans": PLANNED,
    "Source.runs": RAN,
    "SourceStream": COUNTED,
    "SyncPlan": PLANNED,
    "SyncRun": RAN,
    "syncPlan": PLANNED,
    "syncPlanAggregate": PLANNED,
    "syncPlans": PLANNED,
    "syncRunAggregate": RAN,
    "syncRuns": RAN,
    "Ticket.groups": JOINS,
}
"""Root fields with all that a thing says of itself, types, fields of types: what is in no answer that is kept -> why.

What is COMPUTED is not either: it is not compiled.
"""


@pytest.fixture
async def seeded(engine: AsyncEngine) -> Seeded:
    return await seed(engine)


@pytest.fixture
def kept(engine: AsyncEngine) -> KeptAnswers:
    return KeptAnswers(LogGrowth(engine))


@pytest.fixture
async def keeping(open_hub: OpenHub, seeded: Seeded, kept: KeptAnswers) -> AsyncIterator[Hub]:
    async with open_hub(kept=kept) as hub:
        yield hub


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[PreparedReads]:
    """What compiled queries read from the database."""
    done: list[PreparedReads] = []
    fetch = PreparedReads.fetch

    async def noted(self: PreparedReads, engine: AsyncEngine, values: Mapping[str, Any]) -> list[Any]:
        done.append(self)
        return await fetch(self, engine, values)

    monkeypatch.setattr(PreparedReads, "fetch", noted)
    return done


async def rename(engine: AsyncEngine, site: int, name: str) -> None:
    async with transaction(engine) as tx:
        await update_logged(tx, tables.site, EntityKind.SITE, site, {"name": name}, actor="test", at=NOW)


async def ask_three_times(hub: Hub, query: str, **variables: Any) -> list[dict[str, Any]]:
    """The first time it is checked and planned, the second time kept, the third time given again."""
    return [await hub.query(query, **variables) for _ in range(3)]


async def test_an_answer_is_given_again_without_asking_the_database_for_it(keeping: Hub, reads: list[PreparedReads]):
    answers = await ask_three_times(keeping, SITES)

    assert answers == [{"sites": {"nodes": [{"name": "Hamburg"}]}}] * 3
    assert len(reads) == 2


async def test_a_change_of_what_was_read_ends_an_answer_and_one_of_something_else_does_not(
    keeping: Hub, seeded: Seeded, reads: list[PreparedReads]
):
    await ask_three_times(keeping, SITES)
    async with transaction(keeping.engine) as tx:
        await update_logged(
            tx, tables.ticket, EntityKind.TICKET, seeded.ticket, {"title": "Burning"}, actor="test", at=NOW
        )
    assert await keeping.query(SITES) == {"sites": {"nodes": [{"name": "Hamburg"}]}}
    assert len(reads) == 2

    await rename(keeping.engine, seeded.site, "Altona")

    assert await keeping.query(SITES) == {"sites": {"nodes": [{"name": "Altona"}]}}


async def test_what_a_filter_looks_at_is_read_as_well(keeping: Hub, seeded: Seeded):
    query = '{ tickets(filter: {site: {name: {eq: "Altona"}}}) { totalCount } }'
    await ask_three_times(keeping, query)

    await rename(keeping.engine, seeded.site, "Altona")

    assert await keeping.query(query) == {"tickets": {"totalCount": 1}}


async def test_who_sees_less_has_answers_of_their_own_that_end_when_regions_change(
    open_hub: OpenHub, seeded: Seeded, kept: KeptAnswers
):
    keys = [
        ApiKey.of("of-everything", Principal("ada", frozenset({ADMIN}))),
        ApiKey.of("of-europe", Principal("eve", frozenset({ADMIN}), frozenset({"EU"}))),
        ApiKey.of("of-america", Principal("amy", frozenset({ADMIN}), frozenset({"US"}))),
    ]
    query = "{ tickets { nodes { number } } }"

    async def numbers(hub: Hub, token: str) -> list[str]:
        answer = await hub.client.post(
            "/graphql", json={"query": query}, headers={"authorization": f"Bearer of-{token}"}
        )
        return [node["number"] for node in answer.json()["data"]["tickets"]["nodes"]]

    async with open_hub(kept=kept, keys=keys) as hub:
        for _ in range(3):
            assert [await numbers(hub, who) for who in ("everything", "europe", "america")] == [
                ["INC-1"],
                ["INC-1"],
                [],
            ]
        async with transaction(hub.engine) as tx:
            values = {"region": "US"}
            await update_logged(tx, tables.site, EntityKind.SITE, seeded.site, values, actor="test", at=NOW)

        assert [await numbers(hub, who) for who in ("everything", "europe", "america")] == [["INC-1"], [], ["INC-1"]]


async def test_people_of_one_sight_share_answers_but_not_what_is_said_of_themselves(
    open_hub: OpenHub, seeded: Seeded, kept: KeptAnswers
):
    keys = [ApiKey.of(f"of-{name}", Principal(name, frozenset({ADMIN}))) for name in ("ada", "eve")]
    query = "{ me { name } sites { nodes { name } } }"

    async with open_hub(kept=kept, keys=keys) as hub:
        for _ in range(3):
            for name in ("ada", "eve"):
                headers = {"authorization": f"Bearer of-{name}"}
                told = await hub.client.post("/graphql", json={"query": query}, headers=headers)
                assert told.json()["data"]["me"] == {"name": name}
                await hub.client.post("/graphql", json={"query": SITES}, headers=headers)

    assert len(kept) == 1


async def test_labels_lie_where_the_hub_was_called(keeping: Hub, seeded: Seeded):
    query = "query ($id: ID!) { shipment(id: $id) { label { url } } }"

    async def url(host: str) -> str:
        body = {"query": query, "variables": {"id": seeded.id("Shipment")}}
        answer = await keeping.client.post("/graphql", json=body, headers={"host": host})
        found: str = answer.json()["data"]["shipment"]["label"]["url"]
        return found

    for _ in range(3):
        assert await url("localhost") == f"http://localhost/labels/{seeded.document}"
        assert await url("127.0.0.1:8000") == f"http://127.0.0.1:8000/labels/{seeded.document}"


async def test_what_an_operation_costs_is_told_to_those_who_wish_it(keeping: Hub):
    wish = {"query": SITES, "extensions": {"cost": True}}
    for _ in range(3):
        assert "extensions" in (await keeping.client.post("/graphql", json=wish)).json()
        assert "extensions" not in (await keeping.client.post("/graphql", json={"query": SITES})).json()


async def test_a_copy_is_confirmed_without_asking_the_database_for_the_answer(
    keeping: Hub, seeded: Seeded, reads: list[PreparedReads]
):
    async def get(tag: str | None = None, method: str = "GET") -> httpx.Response:
        headers = {} if tag is None else {"if-none-match": tag}
        return await keeping.client.request(method, "/graphql", params={"query": SITES}, headers=headers)

    await get()
    (tag,) = {(await get()).headers["etag"] for _ in range(2)}
    confirmed, head = await get(tag), await get(method="HEAD")
    assert (confirmed.status_code, confirmed.content, confirmed.headers["etag"]) == (304, b"", tag)
    assert (head.status_code, head.headers["etag"]) == (200, tag)
    assert len(reads) == 2

    await rename(keeping.engine, seeded.site, "Altona")

    changed = await get(tag)
    assert (changed.status_code, changed.json()) == (200, {"data": {"sites": {"nodes": [{"name": "Altona"}]}}})
    assert changed.headers["etag"] != tag


@pytest.mark.parametrize("form", ["hash", "id"])
async def test_a_copy_of_a_persisted_querys_answer_is_confirmed_by_the_log_alone(
    keeping: Hub, seeded: Seeded, reads: list[PreparedReads], form: str
):
    hashed = sha256(SITES.encode()).hexdigest()
    named = {"persistedQuery": {"version": 1, "sha256Hash": hashed}}
    address = {"extensions": orjson.dumps(named).decode()} if form == "hash" else {"documentId": f"sha256:{hashed}"}

    async def get(**headers: str) -> httpx.Response:
        return await keeping.client.get("/graphql", params=address, headers=headers)

    unknown = await get()
    await keeping.client.post("/graphql", json={"query": SITES, "extensions": named})
    tag = (await get()).headers["etag"]
    read = len(reads)
    confirmed = await get(**{"if-none-match": tag})
    assert ("etag" in unknown.headers, unknown.headers["cache-control"]) == (False, "no-store")
    assert (confirmed.status_code, confirmed.content, len(reads)) == (304, b"", read)

    await rename(keeping.engine, seeded.site, "Altona")

    changed = await get(**{"if-none-match": tag})
    assert (changed.status_code, changed.json()) == (200, {"data": {"sites": {"nodes": [{"name": "Altona"}]}}})
    assert changed.headers["etag"] != tag


async def test_while_the_log_cannot_be_looked_at_everything_is_read(keeping: Hub, seeded: Seeded):
    await ask_three_times(keeping, SITES)
    async with transaction(keeping.engine) as tx:
        await tx.exec_driver_sql("ALTER TABLE change RENAME TO away")
        await tx.execute(update(tables.site).values(name="Altona"))

    assert await keeping.query(SITES) == {"sites": {"nodes": [{"name": "Altona"}]}}

    async with transaction(keeping.engine) as tx:
        await tx.exec_driver_sql("ALTER TABLE away RENAME TO change")


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_with_what_answers_are_never_kept_and_why(dialect: str):
    schema: Any = build_schema()._schema  # type: ignore[attr-defined]

    def why_not(document: str) -> str | None:
        query = compile_query(schema, parse(document), operation=None, variables={}, dialect=dialect)
        try:
            query.require_announced(dialect)
        except Unannounced as error:
            return str(error)
        return None

    found: dict[str, str | None] = {}
    for name, field in schema.query_type.fields.items():
        if name not in COMPUTED:
            found[name] = why_not(asked(schema, name, field, relations=0))
    for type_ in TYPE_NAMES if dialect == "sqlite" else ():  # what is read is the same on both
        of_fields = {
            f"{type_}.{name}": why_not(
                f'{{ node(id: "{global_id(type_, 1)}") {{ ... on {type_} {{ {name} {below(field)} }} }} }}'
            )
            for name, field in schema.get_type(type_).fields.items()
        }
        if of_fields[f"{type_}.id"] is None:
            found |= of_fields
        else:
            assert None not in of_fields.values()
            found[type_] = of_fields[f"{type_}.id"]

    never = {name: why for name, why in NEVER.items() if dialect == "sqlite" or name[0].islower()}
    assert {name: why for name, why in found.items() if why is not None} == never


def below(field: GraphQLField) -> str:
    """As little as can be asked of related things, everything of others."""
    if RELATION not in field.extensions["strawberry-definition"].metadata:
        return selected(field, relations=0)
    return "{ nodes { id } }" if get_named_type(field.type).name.endswith("Connection") else "{ id }"


def key(number: int) -> Any:
    return key_of(f"{{ q{number} }}", None, None, EVERYTHING, "http://localhost", told=False)


@asynccontextmanager
async def filled(kept: KeptAnswers, numbers: range, size: int) -> AsyncIterator[list[int]]:
    """Asks once for each number; gives those that had to be read."""
    read: list[int] = []
    for number in numbers:

        async def answer(number: int = number) -> bytes:
            read.append(number)
            return bytes(size)

        await kept.answer(key(number), frozenset({EntityKind.SITE}), answer)
    yield read


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_those_not_asked_for_longest_go_when_there_are_too_many(engine: AsyncEngine):
    kept = KeptAnswers(LogGrowth(engine), most=3)
    async with filled(kept, range(3), 10), filled(kept, range(1), 10) as read:
        assert read == []
    async with filled(kept, range(3, 4), 10), filled(kept, range(1), 10) as read:
        assert (len(kept), read) == (3, [])
    async with filled(kept, range(1, 2), 10) as read:
        assert read == [1]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_is_kept_takes_no_more_memory_than_it_may(engine: AsyncEngine):
    kept = KeptAnswers(LogGrowth(engine), most=10_000, most_bytes=4_000_000)
    async with filled(kept, range(1), 10):
        pass
    gc.collect()
    tracemalloc.start()

    async with filled(kept, range(1, 4_000), 2_000):
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 3_900_000 < kept.bytes <= 4_000_000
    assert taken < 1.05 * kept.bytes


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_an_answer_that_would_push_too_many_others_out_is_not_kept(engine: AsyncEngine):
    kept = KeptAnswers(LogGrowth(engine), most_bytes=80_000)
    async with filled(kept, range(1), 10_000):
        assert (len(kept), kept.bytes) == (0, 0)
