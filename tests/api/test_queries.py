from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.schema.nodes import global_id
from connector.storage import tables
from connector.storage.database.engine import single_statements, transaction
from connector.storage.query import RowsByIds
from tests.api.conftest import Hub, OpenHub
from tests.api.seed import LABEL, seed
from tests.factories import NOW, insert_row, make_asset, make_site, make_source, make_ticket

TICKET_PAGE = """
query ($first: Int) {
  tickets(first: $first) {
    totalCount
    nodes {
      number
      source { name }
      asset { serial product { model } }
      site { name serviceClass { maximumOutage } }
      decision { outcome explanation { chosen { hub } } }
      reservations { state hub { name } product { model } }
      shipments { trackingNumber status events { status occurredAt } label { format url } }
      tasks { title state }
    }
  }
}
"""


@contextmanager
def statements(engine: AsyncEngine) -> Iterator[list[str]]:
    """The SELECT statements that are run inside, but for the feed's, which comes when it likes: it numbers the log's
    changes, under a lock on PostgreSQL, and looks how far the log goes."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        of_the_feed = statement.rstrip().endswith("FROM change") or "pg_advisory_xact_lock" in statement
        if statement.startswith("SELECT") and not of_the_feed:
            seen.append(statement)

    is_sqlite = engine.dialect.name == "sqlite"
    direct: Any = single_statements(engine)
    event.listen(engine.sync_engine, "before_cursor_execute", note)
    if direct is not None:
        send = direct.row

        async def noted(sql: str, parameters: Any) -> Sequence[Any]:
            note(None, None, sql)
            return await send(sql, parameters)

        direct.row = noted
    sent = RowsByIds.sent

    def noted_sent(read: RowsByIds, dialect: Dialect, ids: Sequence[int]) -> tuple[str, Any]:
        sql, parameters = sent(read, dialect, ids)
        if is_sqlite:  # what goes to a thread of SQLite by itself
            note(None, None, sql)
        return sql, parameters

    RowsByIds.sent = noted_sent  # type: ignore[method-assign, assignment]
    try:
        yield seen
    finally:
        RowsByIds.sent = sent  # type: ignore[method-assign]
        event.remove(engine.sync_engine, "before_cursor_execute", note)
        if direct is not None:
            del direct.row


async def test_a_ticket_shows_its_way_from_decision_to_parcel(hub: Hub):
    seeded = await seed(hub.engine)

    data = await hub.query(
        """query ($id: ID!) { ticket(id: $id) {
          id number type priority state slaDueAt
          asset { serial state site { name position { latitude } address { line1 city country } } }
          decision { outcome explanation {
            text dueAt marginMinutes considered
            chosen { hub hubId arrivesAt isWithinSla marginMinutes } losers { code count hubIds }
          } }
          reservations { state quantity asset { id } decision { id } }
          shipments {
            trackingNumber status carrier costCents direction
            events { status occurredAt } label { format url mediaType name }
          }
          tasks { kind state packingList { product serial isDevice } }
        } }""",
        id=seeded.id("Ticket"),
    )

    assert data["ticket"] == {
        "id": seeded.id("Ticket"),
        "number": "INC-1",
        "type": "INCIDENT",
        "priority": "P1",
        "state": "NEW",
        "slaDueAt": "2026-11-25T13:00:00Z",
        "asset": {
            "serial": "FOC1",
            "state": "DEPLOYED",
            "site": {
                "name": "Hamburg",
                "position": {"latitude": 53.55},
                "address": {"line1": "Kai 1", "city": "Hamburg", "country": "DE"},
            },
        },
        "decision": {
            "outcome": "reserve",
            "explanation": {
                "text": "from Berlin by courier",
                "dueAt": "2026-11-25T13:00:00Z",
                "marginMinutes": -1200,
                "considered": 3,
                "chosen": {
                    "hub": "Berlin",
                    "hubId": global_id("Hub", 1),
                    "arrivesAt": "2026-11-26T09:00:00Z",
                    "isWithinSla": False,
                    "marginMinutes": -1200,
                },
                "losers": [{"code": "too_far", "count": 2, "hubIds": [global_id("Hub", 2), global_id("Hub", 3)]}],
            },
        },
        "reservations": [
            {
                "state": "COMMITTED",
                "quantity": 1,
                "asset": {"id": global_id("Asset", seeded.spare)},
                "decision": {"id": seeded.id("Decision")},
            }
        ],
        "shipments": [
            {
                "trackingNumber": "1Z1",
                "status": "IN_TRANSIT",
                "carrier": "ups",
                "costCents": 1250,
                "direction": "OUTBOUND",
                "events": [
                    {"status": "PICKED_UP", "occurredAt": "2026-11-25T10:00:00Z"},
                    {"status": "IN_TRANSIT", "occurredAt": "2026-11-25T11:00:00Z"},
                ],
                "label": {
                    "format": "PDF",
                    "url": f"http://localhost/labels/{seeded.document}",
                    "mediaType": "application/pdf",
                    "name": "label.pdf",
                },
            }
        ],
        "tasks": [
            {
                "kind": "PICKUP",
                "state": "OPEN",
                "packingList": [{"product": "Acme Switch 48", "serial": "SN1", "isDevice": True}],
            }
        ],
    }


async def test_a_source_tells_how_fresh_it_is(hub: Hub):
    seeded = await seed(hub.engine)
    hub.clock.advance(timedelta(minutes=5, seconds=30))

    data = await hub.query(
        """query ($id: ID!) { source(id: $id) {
          name adapter state lastSuccessAt lastError lastErrorAt freshness failures
          streams { name lastSuccessAt freshness recordsSeen recordsChanged }
          quarantine { totalCount nodes { externalRef reason path raw record source { name } } }
        } }""",
        id=seeded.id("Source"),
    )

    assert data["source"] == {
        "name": "itsm",
        "adapter": "request_tracker",
        "state": "BACKING_OFF",
        "lastSuccessAt": "2026-11-25T07:30:00Z",
        "lastError": "timed out",
        "lastErrorAt": "2026-11-25T09:00:00Z",
        "freshness": "PT1H35M30S",
        "failures": 2,
        "streams": [
            {
                "name": "tickets",
                "lastSuccessAt": "2026-11-25T07:00:00Z",
                "freshness": "PT2H5M30S",
                "recordsSeen": 10,
                "recordsChanged": 4,
            }
        ],
        "quarantine": {
            "totalCount": 1,
            "nodes": [
                {
                    "externalRef": "9",
                    "reason": "priority 'urgent' is not known",
                    "path": "/priority",
                    "raw": '{"id": 9�}',
                    "record": None,
                    "source": {"name": "itsm"},
                }
            ],
        },
    }


async def test_hub_product_and_kit_hang_together(hub: Hub):
    seeded = await seed(hub.engine)

    data = await hub.query(
        """query ($hub: ID!, $product: ID!) {
          hub(id: $hub) {
            tier courierCutOffs handlingTime
            stock(orderBy: [{field: FREE}]) { nodes { product { model } onHand reserved free isLow tracking lane } }
          }
          product(id: $product) {
            substitutes { preference condition substitute { model } }
            kits { name components { quantity product { sku } } }
          }
        }""",
        hub=seeded.id("Hub"),
        product=seeded.id("Product"),
    )

    counts = {"lane": "NORMAL"}
    assert data["hub"] == {
        "tier": "REGIONAL",
        "courierCutOffs": ["12:00", "17:00"],
        "handlingTime": "PT30M",
        "stock": {
            "nodes": [
                {**counts, "product": {"model": "Switch 48"}, "onHand": 2, "reserved": 0, "free": 2, "isLow": None,
                 "tracking": "SERIALISED"},
                {**counts, "product": {"model": "Bracket"}, "onHand": 3, "reserved": 1, "free": 2, "isLow": True,
                 "tracking": "COUNTED"},
            ]
        },
    }  # fmt: skip
    assert data["product"] == {
        "substitutes": [
            {"preference": 2, "condition": "ticket.priority == 'P1'", "substitute": {"model": "Switch 24"}}
        ],
        "kits": [{"name": "Swap kit", "components": [{"quantity": 2, "product": {"sku": "BR-1"}}]}],
    }


async def test_a_query_costs_one_statement_however_deep_and_however_long_it_is(open_hub: OpenHub, engine: AsyncEngine):
    await seed(engine)
    async with transaction(engine) as tx:
        for _ in range(49):
            site = await make_site(tx)
            asset = await make_asset(tx, site_id=site, product_id=1)
            ticket = await make_ticket(tx, source_id=1, site_id=site, asset_id=asset)
            shipment = {"ticket_id": ticket, "source_id": 1, "status": "pending", "created_at": NOW, "updated_at": NOW}
            await insert_row(tx, tables.shipment, shipment)

    async with open_hub(poll=timedelta(hours=1)) as hub:
        await hub.query(TICKET_PAGE, first=1)
        with statements(engine) as one:
            await hub.query(TICKET_PAGE, first=1)
        with statements(engine) as fifty:
            data = await hub.query(TICKET_PAGE, first=50)

    assert len(data["tickets"]["nodes"]) == 50
    assert len(one) == len(fifty) == 1


async def test_the_same_relation_is_loaded_for_each_alias_with_its_own_arguments(hub: Hub):
    seeded = await seed(hub.engine)

    data = await hub.query(
        """query ($id: ID!, $no: Boolean!) { site(id: $id) {
          __typename
          none: assets(filter: {serial: {eq: "x"}}) { totalCount nodes { id } }
          all: assets { totalCount }
          ...Named
          ... on Site { code @skip(if: $no) name @include(if: $no) }
          ... on Node { id }
        } }
        fragment Named on Site { named: name region }""",
        id=seeded.id("Site"),
        no=False,
    )

    assert data["site"] == {
        "__typename": "Site",
        "none": {"totalCount": 0, "nodes": []},
        "all": {"totalCount": 1},
        "named": "Hamburg",
        "region": "EU",
        "code": "HAM",
        "id": seeded.id("Site"),
    }


async def test_conflicting_arguments_under_two_aliases_of_edges_are_refused(hub: Hub):
    await seed(hub.engine)

    error = await hub.error(
        """{ sites {
          a: edges { node { assets(first: 1) { nodes { id } } } }
          b: edges { node { assets(first: 2) { nodes { id } } } }
        } }"""
    )

    assert error["message"] == "'assets' is asked for with different arguments in two places of one page"
    assert error["extensions"]["hint"] == "Give one of them an alias of its own."


async def test_anything_is_found_by_its_id(hub: Hub):
    seeded = await seed(hub.engine)
    types = ["Ticket", "Site", "Hub", "Product", "Asset", "Decision", "Reservation", "Shipment", "Task", "Source",
             "QuarantinedRecord", "ShipmentLabel"]  # fmt: skip
    ids = [seeded.id(name) for name in types]

    data = await hub.query(
        """query ($ids: [ID!]!, $id: ID!) {
          nodes(ids: $ids) { __typename id ... on Ticket { number site { name } } ... on Hub { code } }
          node(id: $id) { ... on Site { name assets { totalCount } } }
        }""",
        ids=[*ids, global_id("Ticket", 999)],
        id=seeded.id("Site"),
    )

    assert [node and node["__typename"] for node in data["nodes"]] == [*types, None]
    assert [node["id"] for node in data["nodes"][:-1]] == ids
    assert data["nodes"][0]["number"] == "INC-1"
    assert data["nodes"][0]["site"] == {"name": "Hamburg"}
    assert data["nodes"][2]["code"] == "BER"
    assert data["node"] == {"name": "Hamburg", "assets": {"totalCount": 1}}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('{ ticket(id: "12") { id } }', "id '12' is not one of ours"),
        ('{ node(id: "VGlja2V0OjA=") { id } }', "id 'VGlja2V0OjA=' is not one of ours"),
        ('{ ticket(id: "SHViOjE=") { id } }', "id 'SHViOjE=' is the id of a Hub, not of a Ticket"),
        ("{ ticket { id } }", "ticket needs either `id` or `number`, and only one of them"),
        ('{ tickets(filter: {site: {id: {eq: "SHViOjE="}}}) { totalCount } }',
         "id 'SHViOjE=' is the id of a Hub, not of a Site"),
    ],
)  # fmt: skip
async def test_an_id_that_does_not_fit_is_refused(hub: Hub, query: str, message: str):
    error = await hub.error(query)

    assert error["message"] == message
    assert error["extensions"]["code"] == "INVALID_INPUT"


async def test_a_ticket_is_found_by_its_number_unless_two_systems_use_it(hub: Hub):
    await seed(hub.engine)
    async with transaction(hub.engine) as tx:
        other = await make_source(tx, "other")
        await make_ticket(tx, source_id=other, number="INC-2")
    by_number = "query ($number: String!) { ticket(number: $number) { number source { name } } }"

    assert (await hub.query(by_number, number="INC-2"))["ticket"] == {"number": "INC-2", "source": {"name": "other"}}
    assert (await hub.query(by_number, number="INC-3"))["ticket"] is None

    async with transaction(hub.engine) as tx:
        await make_ticket(tx, source_id=other, number="INC-1")
    assert (await hub.error(by_number, number="INC-1"))["message"] == "more than one ticket has the number 'INC-1'"


async def test_a_dry_run_explains_what_the_rules_would_do(hub: Hub):
    seeded = await seed(hub.engine)

    data = await hub.query(
        """query ($ticket: ID!) { explain(ticketId: $ticket) {
          outcome reason decidedAt productId chosen { hub isExact } candidates { hub why }
        } }""",
        ticket=seeded.id("Ticket"),
    )

    explained = data["explain"]
    assert (explained["outcome"], explained["reason"]) == ("reserve", "sourced")
    assert explained["decidedAt"] == "2026-11-25T09:00:00Z"
    assert explained["productId"] == seeded.id("Product")
    assert explained["chosen"] == {"hub": "BER", "isExact": True}
    error = await hub.error("query ($t: ID!) { explain(ticketId: $t) { outcome } }", t=global_id("Ticket", 999))
    assert error["extensions"]["code"] == "NOT_FOUND"


async def test_the_feed_cursor_stands_where_the_data_does(hub: Hub):
    assert (await hub.query("{ feedCursor }"))["feedCursor"] == "0"
    await seed(hub.engine)
    await hub.feed.now()

    assert (await hub.query("{ feedCursor tickets { totalCount } }"))["feedCursor"] == "11"


async def test_a_label_is_served_as_it_came(hub: Hub):
    seeded = await seed(hub.engine)

    response = await hub.client.get(f"/labels/{seeded.document}")

    assert response.content == LABEL
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["content-disposition"] == 'inline; filename="label.pdf"'
    missing = await hub.client.get("/labels/99")
    assert (missing.status_code, missing.json()["errors"][0]["extensions"]["code"]) == (404, "NOT_FOUND")
