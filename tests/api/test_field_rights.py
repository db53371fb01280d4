"""Fields that are for some roles: over every way into the hub nobody else is told anything of their values."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.field_names import fields_that_can_be_kept, problems_of, rights_of, told_with
from connector.api.field_rights import EVERY_FIELD
from connector.api.kept import KeptAnswers
from connector.api.matrix import matrix
from connector.api.schema import build_schema
from connector.api.schema.nodes import TYPE_NAMES
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import transaction
from connector.storage.database.growth import LogGrowth
from connector.storage.query import ENTITIES, EVERYTHING, Sight
from connector.storage.query.telling import WORKED_OUT_OF
from tests.api.conftest import TOKEN, Hub, OpenHub, connected, served
from tests.api.seed import LABEL, Seeded, seed
from tests.api.test_events import followed
from tests.factories import NOW

SCHEMA = build_schema()._schema
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Product.unitCostCents": ("approver", "planner"),
    "Product.sku": ("approver",),
    "Asset.serial": ("approver", "technician"),
    "Asset.holder": ("approver",),
    "Ticket.description": ("approver",),
    "Ticket.slaDueAt": ("approver",),
    "Site.address": ("approver",),
    "Site.region": ("approver",),
    "Site.latitude": ("approver",),
}
TOKENS = {name: f"the-token-of-{name}-12345" for name in ("dispatcher", "chief", "technician", "several", "admin")}
ROLES = {name: frozenset({name}) for name in TOKENS} | {
    "chief": frozenset({"dispatcher", "approver"}),
    "several": frozenset({"planner", "technician"}),
}
KEYS = tuple(ApiKey.of(TOKENS[name], Principal(name, roles)) for name, roles in ROLES.items())


def bearer(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {TOKENS[name]}"}


async def ask(hub: Hub, name: str, query: str, **variables: Any) -> bytes:
    body = {"query": query, "variables": variables}
    return (await hub.client.post("/graphql", json=body, headers=bearer(name))).content


async def data(hub: Hub, name: str, query: str, **variables: Any) -> Any:
    body = {"query": query, "variables": variables}
    answer = (await hub.client.post("/graphql", json=body, headers=bearer(name))).json()
    assert "errors" not in answer, answer
    return answer["data"]


@pytest.fixture
async def seeded(engine: AsyncEngine) -> Seeded:
    return await seed(engine)


@asynccontextmanager
async def guarded(open_hub: OpenHub, **options: Any) -> AsyncIterator[Hub]:
    async with open_hub(token=TOKEN, keys=KEYS, fields=rights_of(FIELDS, SCHEMA), **options) as hub:
        yield hub


LATER = NOW + timedelta(hours=1)
VALUES: tuple[Mapping[str, Any], Mapping[str, Any]] = (
    {
        "cost": 100, "sku": "SW-1", "serial": "AAA", "holder": "ada", "description": "cracked", "due": 1, "city": "Ulm",
        "region": "EU", "latitude": 53.5, "before": "A", "after": "B", "part": [],
    },
    {
        "cost": 900, "sku": "XX-9", "serial": "ZZZ", "holder": None, "description": "burnt", "due": 9, "city": "Rom",
        "region": "US", "latitude": -1.0, "before": None, "after": "C", "part": [{"product": "x"}],
    },
)  # fmt: skip
"""Two worlds that differ in what is kept, and in nothing else."""


async def become(engine: AsyncEngine, seeded: Seeded, world: Mapping[str, Any], *, changes: tuple[int, int]) -> None:
    """Have what is kept, and nothing else, be as in that world. changes: of the ticket, and of the asset."""
    t, due = tables, NOW + timedelta(hours=world["due"])
    address = {"line1": "Kai 1", "city": world["city"], "country": "DE"}
    pair = [world["before"], world["after"]]
    line = {"product": "Acme Switch 48", "part_number": "SW-48", "quantity": 1, "serial": world["serial"]}
    async with transaction(engine) as tx:
        for table, key, values in (
            (t.product, seeded.product, {"unit_cost_cents": world["cost"], "sku": world["sku"], "currency": "EUR"}),
            (t.asset, seeded.asset, {"serial": world["serial"], "holder": world["holder"]}),
            (t.ticket, seeded.ticket, {"description": world["description"], "sla_due_at": due, "resolved_at": NOW}),
            (t.site, seeded.site, {"address": address, "region": world["region"], "latitude": world["latitude"]}),
            (t.task, seeded.task, {"packing_list": [{**line, "asset_tag": None, "is_device": True}]}),
            (t.quarantine, seeded.quarantine, {"raw": world["serial"].encode()}),
            (t.change, changes[0], {"fields": {"description": pair, "sla_due_at": pair, "title": ["a", "b"]}}),
            (t.change, changes[1], {"fields": {"serial": pair, "holder": pair, "name": ["x", "ham-sw1"]}}),
        ):
            await tx.execute(update(table).where(table.c.id == key).values(**values))
        await tx.execute(update(t.document).values(content=world["serial"].encode()))


async def logged(engine: AsyncEngine, seeded: Seeded) -> tuple[int, int]:
    """A change of the ticket and one of the asset; their places in the log."""
    async with transaction(engine) as tx:
        for kind, key in ((EntityKind.TICKET, seeded.ticket), (EntityKind.ASSET, seeded.asset)):
            await log_changes(tx, [NewChange(kind, key, "updated", {"title": ("a", "b")})], actor="test", at=LATER)
        newest = (await tx.execute(tables.change.select().order_by(tables.change.c.id.desc()).limit(2))).all()
    return newest[1].id, newest[0].id


QUERIES = {
    "values": """{ products { nodes { sku unitCostCents unitCost { amount } } } assets { nodes { serial holder } }
        tickets { nodes { description slaDueAt isWithinSla region } }
        sites { nodes { address { city } region latitude position { latitude } location } } }""",
    "filters": """{
        cheap: products(filter: {unitCostCents: {lt: 500}}) { totalCount }
        known: products(filter: {unitCostCents: {isNull: false}}) { totalCount }
        other: products(filter: {not: {sku: {startsWith: "SW"}}}) { nodes { model } }
        found: assets(filter: {serial: {contains: "AA"}}) { nodes { name } }
        through: tickets(filter: {asset: {holder: {eq: "ada"}}}) { totalCount }
        of: sites(filter: {tickets: {some: {description: {contains: "crack"}}}}) { totalCount }
        every: sites(filter: {tickets: {every: {slaDueAt: {lt: "2026-11-25T12:00:00Z"}}}}) { totalCount }
        none: products(filter: {assets: {none: {serial: {eq: "AAA"}}}}) { totalCount }
        near: sites(filter: {near: {latitude: 53.5, longitude: 10, withinKm: 500}}) { totalCount }
        within: tickets(filter: {isWithinSla: {eq: true}}) { totalCount }
        here: tickets(filter: {region: {eq: "EU"}}) { totalCount } }""",
    "orders": """{ products(orderBy: [{field: UNIT_COST_CENTS}, {field: SKU, direction: DESC}], first: 2) {
        edges { cursor node { model } } pageInfo { endCursor } }
        assets(orderBy: [{field: SERIAL}]) { edges { cursor node { name } } } }""",
    "groups": """{ productAggregate(groupBy: [{field: UNIT_COST_CENTS}]) {
          groups { key { unitCostCents } count sum { unitCostCents } min { unitCostCents } max { unitCostCents } } }
        ticketAggregate(groupBy: [{field: REGION}, {field: SLA_DUE_AT, truncate: DAY}, {field: IS_WITHIN_SLA}]) {
          groups { key { region slaDueAt isWithinSla } count min { slaDueAt } } } }""",
    "single": """query ($ids: [ID!]!, $product: ID!, $asset: ID!) { nodes(ids: $ids) { __typename
          ... on Product { sku unitCostCents } ... on Asset { serial } ... on Ticket { description } }
        node(id: $product) { ... on Product { unitCost { amount } } } product(id: $product) { sku }
        asset(id: $asset) { serial provenance { field at actor } } }""",
    "then": """query ($asset: ID!) { asset(id: $asset, at: "2026-11-25T09:30:00Z") { name serial holder }
        later: asset(id: $asset, at: "2026-11-25T10:00:00Z") { name serial holder provenance { field actor } } }""",
    "machine": """query ($things: [_Any!]!) { _entities(representations: $things) {
          ... on Product { model sku unitCostCents } ... on Asset { serial } } }""",
    "documents": """{ decisions { nodes { reason explanation { text inputs } } }
        tasks { nodes { packingList { serial } } }
        rollouts { nodes { hubs { free } } } quarantine { totalCount nodes { raw } } }""",
    "explained": "query ($ticket: ID!) { explain(ticketId: $ticket) { text inputs } }",
    "supposed": """query ($ticket: ID!) { whatIf(ticketId: $ticket) {
        explanation { text inputs } errors { message } } }""",
    "placed": "{ placements { nodes { region product used } } }",
    "used": "{ breakGlassUse { region draws } }",
}


BEHIND = """query ($after: String!) {
  products(after: $after, orderBy: [{field: UNIT_COST_CENTS}, {field: SKU, direction: DESC}]) { nodes { model } } }"""
CURSOR = base64.urlsafe_b64encode(b'["product:unit_cost_cents,-sku,-id",500,"SW",1]').decode().rstrip("=")
"""Made up by somebody who searches for a price: behind 500."""
QUERIES["behind"] = BEHIND
MUTATION = """mutation ($input: AcceptTaskInput!) { acceptTask(input: $input) { errors { message } task { assignee
    packingList { serial } ticket { description slaDueAt asset { holder product { unitCostCents } } } } } }"""


def variables_of(seeded: Seeded) -> dict[str, dict[str, Any]]:
    product, asset, ticket = (seeded.id(name) for name in ("Product", "Asset", "Ticket"))
    things = [
        {"__typename": "Product", "id": product},
        {"__typename": "Product", "sku": "SW-1"},
        {"__typename": "Asset", "id": asset},
    ]
    return {
        "single": {"ids": [product, asset, ticket], "product": product, "asset": asset},
        "then": {"asset": asset},
        "behind": {"after": CURSOR},
        "machine": {"things": things},
        "explained": {"ticket": ticket},
        "supposed": {"ticket": ticket},
    }


async def told(hub: Hub, seeded: Seeded, name: str, world: int) -> dict[str, bytes]:
    """What somebody is told by every query, by a mutation, on paper, and by label."""
    variables = variables_of(seeded)
    answers = {key: await ask(hub, name, query, **variables.get(key, {})) for key, query in QUERIES.items()}
    again = {key: await ask(hub, name, query, **variables.get(key, {})) for key, query in QUERIES.items()}
    assert again == answers  # from what is kept ready
    for field, more in (("acceptTask", {}), ("handBackTask", {"reason": "ill"})):
        given = {"taskId": seeded.id("Task"), "idempotencyKey": f"{field}-{name}-{world}", **more}
        mutation = MUTATION.replace("accept", field.removesuffix("Task")).replace(
            "Accept", f"{field[0].upper()}{field[1:-4]}"
        )
        answers[field] = await ask(hub, name, mutation, input=given)
    for key, path in (("label", "/labels/1"), ("paper", "/worksheets/Berlin")):
        answers[key] = (await hub.client.get(path, headers=bearer(name))).content
    return answers


async def test_nobody_is_told_anything_of_what_is_for_other_roles(
    open_hub: OpenHub, seeded: Seeded, engine: AsyncEngine
):
    changes = await logged(engine, seeded)
    found: dict[str, list[dict[str, bytes]]] = {"dispatcher": [], "chief": []}
    async with guarded(open_hub, subgraph=True) as hub:
        for number, world in enumerate(VALUES):
            await become(engine, seeded, world, changes=changes)
            for name, answers in found.items():
                answers.append(await told(hub, seeded, name, number))

    (one, other), (seen, seen_then) = found["dispatcher"], found["chief"]
    assert one == other
    same = {key for key in seen if seen[key] == seen_then[key]}
    assert same == {"used"}, "what tells them nothing cannot fail for the others"
    assert b'"unitCostCents":null' in one["values"]
    then = {name: json.loads(answers[0]["then"])["data"] for name, answers in found.items()}
    assert then["chief"]["asset"] == {"name": "x", "serial": "A", "holder": "A"}
    assert then["dispatcher"]["asset"] == {"name": "x", "serial": None, "holder": None}
    fields = {name: [one["field"] for one in answer["later"]["provenance"]] for name, answer in then.items()}
    assert fields == {"chief": ["name", "serial", "holder"], "dispatcher": ["name"]}
    now = json.loads(one["single"])["data"]["asset"]
    assert (now["serial"], [each["field"] for each in now["provenance"]]) == (None, ["name"])
    assert json.loads(one["documents"])["data"]["quarantine"] == {"totalCount": 0, "nodes": []}
    assert b"INTERNAL" not in b"".join(one.values())
    assert b"AAA" not in b"".join(one.values())


TICKETS = """subscription ($after: String) { tickets(after: $after) {
  changes { field before after } ticket { number description slaDueAt asset { serial } } } }"""


@pytest.mark.parametrize("protocol", ["graphql-transport-ws", "graphql-sse"])
async def test_events_tell_of_changes_and_things_without_what_is_kept_live_and_behind_a_cursor(
    open_hub: OpenHub, seeded: Seeded, protocol: str
):
    async def happen(before: str, after: str) -> None:
        fields = {"title": ("a", "b"), "description": (before, after)}
        async with transaction(hub.engine) as tx:
            change = NewChange(EntityKind.TICKET, seeded.ticket, "updated", fields)
            await log_changes(tx, [change], actor="test", at=NOW)

    async def followed_by(address: str, name: str, after: str) -> list[Any]:
        if protocol == "graphql-sse":
            async with followed(address, TICKETS, bearer(name), after=after) as client:
                first = await client.next()
                await happen("b", "c")
                found = [first, await client.next()]
            return [one.data["data"]["tickets"] for one in found if one is not None]
        async with connected(address, {"authorization": bearer(name)["authorization"]}) as socket:
            await socket.subscribe(TICKETS, after=after)
            first_event = await socket.event()
            await happen("b", "c")
            return [first_event, await socket.event()]

    async with guarded(open_hub) as hub, served(hub.app) as address:
        told_to: dict[str, list[Any]] = {}
        for name in ("dispatcher", "chief"):
            after = (await data(hub, name, "{ feedCursor }"))["feedCursor"]
            await happen("a", "b")
            told_to[name] = await followed_by(address, name, after)

    assert [event["changes"] for event in told_to["dispatcher"]] == [
        [{"field": "title", "before": "a", "after": "b"}]
    ] * 2
    nothing = {"number": "INC-1", "description": None, "slaDueAt": None, "asset": {"serial": None}}
    assert [event["ticket"] for event in told_to["dispatcher"]] == [nothing] * 2
    assert [[one["field"] for one in event["changes"]] for event in told_to["chief"]] == [["description", "title"]] * 2
    assert told_to["chief"][1]["changes"][0] == {"field": "description", "before": "b", "after": "c"}
    assert told_to["chief"][0]["ticket"]["asset"] == {"serial": "FOC1"}


async def test_who_has_several_roles_reads_what_any_of_them_may_and_admin_everything(open_hub: OpenHub, seeded: Seeded):
    query = """{ me { hiddenFields } products(first: 1) { nodes { unitCostCents unitCost { amount } } }
      assets(first: 1) { nodes { serial holder } } }"""
    async with guarded(open_hub) as hub:
        found = {name: await data(hub, name, query) for name in TOKENS}

    shown = {
        name: (one["products"]["nodes"][0]["unitCostCents"], one["assets"]["nodes"][0]["serial"])
        for name, one in found.items()
    }
    assert shown == {
        "dispatcher": (None, None),
        "chief": (180_000, "FOC1"),
        "technician": (None, "FOC1"),
        "several": (180_000, "FOC1"),
        "admin": (180_000, "FOC1"),
    }
    assert found["dispatcher"]["products"]["nodes"] == [{"unitCostCents": None, "unitCost": None}]
    assert (found["admin"]["me"], found["chief"]["me"]) == ({"hiddenFields": []}, {"hiddenFields": []})
    hidden = found["several"]["me"]["hiddenFields"]
    assert {"Asset.holder", "Decision.explanation", "Ticket.isWithinSla", "QuarantinedRecord"} <= set(hidden)
    assert {"Asset.serial", "Product.unitCost"}.isdisjoint(hidden)


async def test_whoever_comes_in_without_a_token_is_everybody_and_reads_everything(open_hub: OpenHub, seeded: Seeded):
    async with open_hub(fields=rights_of(FIELDS, SCHEMA)) as hub:
        found = await hub.query("{ assets(first: 1) { nodes { serial } } }")

    assert found == {"assets": {"nodes": [{"serial": "FOC1"}]}}


async def test_answers_that_are_kept_are_those_of_who_sees_the_same(
    open_hub: OpenHub, seeded: Seeded, engine: AsyncEngine
):
    query = "{ tickets { nodes { slaDueAt } } }"

    async def answer(name: str, tag: str = "") -> Any:
        headers = {**bearer(name), **({"if-none-match": tag} if tag else {})}
        return await hub.client.get("/graphql", params={"query": query}, headers=headers)

    kept = KeptAnswers(LogGrowth(engine))
    async with guarded(open_hub, kept=kept) as hub:
        first = {name: await answer(name) for name in ("dispatcher", "chief", "technician")}
        second = {name: await answer(name) for name in first}
        with_tags_of_others = await answer("dispatcher", first["chief"].headers["etag"])

    assert {name: one.content for name, one in second.items()} == {name: one.content for name, one in first.items()}
    assert first["dispatcher"].content == first["technician"].content != first["chief"].content
    assert with_tags_of_others.status_code == 200
    assert len(kept) == 3


async def test_labels_and_paper_are_for_whoever_reads_what_stands_on_them(open_hub: OpenHub, seeded: Seeded):
    async with guarded(open_hub) as hub:
        answers = {
            (name, path): await hub.client.get(path, headers=bearer(name))
            for name in ("dispatcher", "chief")
            for path in ("/labels/1", "/worksheets/Berlin")
        }

    assert {key: answer.status_code for key, answer in answers.items()} == {
        ("dispatcher", "/labels/1"): 404,
        ("dispatcher", "/worksheets/Berlin"): 403,
        ("chief", "/labels/1"): 200,
        ("chief", "/worksheets/Berlin"): 200,
    }
    assert answers["chief", "/labels/1"].content == LABEL
    (error,) = answers["dispatcher", "/worksheets/Berlin"].json()["errors"]
    assert error["message"] == "'dispatcher' may not print work: paper shows fields that its roles do not read"


async def test_what_the_rules_work_out_of_it_is_refused_saying_why(open_hub: OpenHub, seeded: Seeded):
    async with guarded(open_hub) as hub:
        body = {"query": QUERIES["explained"], "variables": {"ticket": seeded.id("Ticket")}}
        (error,) = (await hub.client.post("/graphql", json=body, headers=bearer("dispatcher"))).json()["errors"]

    assert error["message"] == "'dispatcher' may not explain: it tells of fields that its roles do not read"
    assert error["extensions"]["code"] == "FORBIDDEN"


def test_whoever_nothing_is_kept_from_sees_what_everybody_does_without_a_view():
    rights = rights_of(FIELDS, SCHEMA)
    chief, viewer = (Principal("x", frozenset({role})) for role in ("approver", "viewer"))

    assert EVERY_FIELD.sight(viewer) == EVERYTHING
    assert rights.sight(Principal("x", frozenset({"approver", "viewer"}))) == rights.sight(chief) == EVERYTHING
    hidden = rights.sight(viewer)
    assert hidden != EVERYTHING
    assert hidden.rows_at(ENTITIES["hub"], 0) is not EVERYTHING.rows_at(ENTITIES["hub"], 0)
    assert hidden._source(ENTITIES["hub"]) is ENTITIES["hub"].table  # nothing of it is kept
    assert hidden._source(ENTITIES["product"]) is not ENTITIES["product"].table
    assert Sight()._source(ENTITIES["product"]) is ENTITIES["product"].table


def test_everything_that_is_worked_out_says_of_what():
    computed = {(name, column) for name, entity in ENTITIES.items() for column in entity.computed}

    assert WORKED_OUT_OF.keys() == computed
    for of in WORKED_OUT_OF.values():
        assert all(column in ENTITIES[name].columns for name, column in of)
    assert all(entity.computed.keys().isdisjoint(entity.table.c.keys()) for entity in ENTITIES.values())


def test_names_that_cannot_be_kept_are_told_with_the_reason():
    given = dict.fromkeys(
        ("Money.amount", "Product.price", "Product.id", "Ticket.retiredAt", "Ticket.site", "Site.tickets",
         "Product.model", "Product.unitCost", "Stock.safetyStock", "Site.code", "Source.lastSuccessAt"),
        ("planner",),
    )  # fmt: skip
    can_be_kept = (
        "those that can be kept are partNumber, sku, assetClass, criticality, unitCostCents, currency, weightG, "
        "lengthMm, widthMm, heightMm, isDataBearing, dataQuality"
    )
    leads = "it leads to other things, by which those are found: keep their fields, or limit keys to regions"

    assert list(problems_of({**given, "Source.freshness": ("admin",)}, SCHEMA)) == [
        f"Money.amount: there is no type 'Money' of stored things; there are {', '.join(sorted(TYPE_NAMES))}",
        f"Product.price: Product has no field 'price'; {can_be_kept}",
        "Product.id: it cannot be kept: things are found and listed by it",
        "Ticket.retiredAt: it cannot be kept: things are found and listed by it",
        f"Ticket.site: {leads}",
        f"Site.tickets: {leads}",
        f"Product.model: it is never null, so it cannot read as missing; {can_be_kept}",
        "Product.unitCost: it is made of several fields: keep those of Product.currency, Product.unitCostCents that "
        "are meant",
        "Stock.safetyStock: it cannot be kept: Stock.usable, which is never null, would tell it",
        "Site.code: it cannot be kept: sentences and labels call the thing by it",
        "Source.freshness: it shows what Source.lastSuccessAt shows, which is for other roles; give both the same",
    ]


def test_what_tells_a_field_is_kept_with_it():
    assert told_with("Site.region", SCHEMA) == [
        "Asset.region", "Decision.explanation", "FieldConflict.statements", "FieldOverride.replaced",
        "FieldOverride.value", "QuarantinedRecord", "Replenishment.candidates", "Rollout.hubs", "Shipment.region",
        "Ticket.region",
    ]  # fmt: skip
    assert told_with("Procurement.costCents", SCHEMA) == [
        "Approval.costCents", "Decision.explanation", "Procurement.cost", "QuarantinedRecord",
        "Replenishment.candidates", "Replenishment.cost", "Replenishment.costCents",
    ]  # fmt: skip
    assert told_with("Rma.reason", SCHEMA) == []


def test_a_page_of_rights_has_the_fields_that_are_configured():
    page = matrix(SCHEMA, {"Shipment.costCents": ("approver",), "Rma.reason": ("technician",)})

    lines = page.split("## Fields")[1].splitlines()
    assert lines[-2:] == [
        "| `Rma.reason` | - | yes | - | - | - | - | - | yes | - |",
        "| `Shipment.costCents` | - | - | - | yes | - | - | - | yes | `QuarantinedRecord`, `Shipment.cost` |",
    ]
    assert "## Fields" not in matrix(SCHEMA)


def test_every_field_that_can_be_missing_can_be_kept_or_says_why_not():
    can = set(fields_that_can_be_kept(SCHEMA))

    assert {"Product.unitCostCents", "Ticket.region", "Shipment.trackingNumber", "Decision.explanation"} <= can
    assert can.isdisjoint({"Site.code", "Stock.usable", "Ticket.site", "Ticket.retiredAt", "Product.unitCost"})
    for name in can:
        assert list(problems_of({name: ("admin",)}, SCHEMA)) == []
