from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.api.schema import aggregates
from connector.api.schema.nodes import global_id
from connector.storage import tables
from connector.storage.database.engine import transaction
from tests.api.conftest import Hub
from tests.api.test_queries import statements
from tests.factories import (
    NOW,
    insert_row,
    make_asset,
    make_counted_stock,
    make_hub,
    make_product,
    make_site,
    make_source,
    make_ticket,
)


async def tickets(hub: Hub, *rows: dict[str, Any]) -> None:
    async with transaction(hub.engine) as tx:
        source = await make_source(tx)
        for number, row in enumerate(rows):
            await make_ticket(tx, **{"source_id": source, "number": str(number), **row})


async def test_tickets_are_counted_and_summed_up_by_what_they_have_in_common(hub: Hub):
    async with transaction(hub.engine) as tx:
        site = await make_site(tx, region="EU")
    await tickets(
        hub,
        {"priority": "P1", "site_id": site, "quantity": 2},
        {"priority": "P1", "site_id": site, "quantity": 3, "sla_due_at": NOW},
        {"priority": None, "quantity": 7},
        {"priority": "P2", "quantity": 2_147_483_647, "state": "closed"},
        {"priority": "P2", "quantity": 2_147_483_647, "state": "closed", "sla_due_at": NOW + timedelta(hours=1)},
        {"priority": "P1", "retired_at": NOW},
    )
    query = """query ($first: Int!, $skip: Int!) {
      ticketAggregate(groupBy: [{field: PRIORITY}, {field: SITE_ID}], first: $first, skip: $skip) {
        hasMore
        groups {
          __typename key { priority siteId state } count
          sum { quantity } max { slaDueAt quantity } min { slaDueAt }
        }
      }
    }"""

    with statements(hub.engine) as seen:
        found = (await hub.query(query, first=2, skip=0))["ticketAggregate"]
    rest = (await hub.query(query, first=2, skip=2))["ticketAggregate"]

    assert len([text for text in seen if "pg_advisory" not in text]) == 1
    assert found["hasMore"] is True
    assert found["groups"] == [
        {
            "__typename": "TicketGroup",
            "key": {"priority": "P1", "siteId": global_id("Site", site), "state": None},
            "count": 2,
            "sum": {"quantity": 5},
            "max": {"slaDueAt": "2026-11-25T09:00:00Z", "quantity": 3},
            "min": {"slaDueAt": "2026-11-25T09:00:00Z"},
        },
        {
            "__typename": "TicketGroup",
            "key": {"priority": "P2", "siteId": None, "state": None},
            "count": 2,
            "sum": {"quantity": 4_294_967_294},
            "max": {"slaDueAt": "2026-11-25T10:00:00Z", "quantity": 2_147_483_647},
            "min": {"slaDueAt": "2026-11-25T10:00:00Z"},
        },
    ]
    assert (rest["hasMore"], [group["key"]["priority"] for group in rest["groups"]]) == (False, [None])


async def test_devices_shelves_and_parcels_are_counted_by_region_product_state_and_day(hub: Hub):
    async with transaction(hub.engine) as tx:
        north, south = await make_site(tx, region="N"), await make_site(tx, region="S")
        nowhere = await make_site(tx, region=None)
        depot = await make_hub(tx, region="S")
        switch = await make_product(tx)
        for site, shelf in ((north, None), (north, depot), (nowhere, depot), (None, depot), (None, None)):
            await make_asset(tx, site_id=site, hub_id=shelf, product_id=switch)
        for lane, on_hand in (("normal", 3), ("break_glass", 2)):
            await insert_row(
                tx,
                tables.stock,
                {
                    "hub_id": depot,
                    "product_id": switch,
                    "lane": lane,
                    "tracking": "counted",
                    "on_hand": on_hand,
                    "updated_at": NOW,
                },
            )
        for site, cost, day in ((south, 700, 0), (south, 50, 1), (None, 20, 1)):
            at = NOW + timedelta(days=day)
            parcel = {"hub_id": depot, "site_id": site, "cost_cents": cost, "created_at": at, "updated_at": at}
            await insert_row(tx, tables.shipment, {"direction": "outbound", "status": "delivered", **parcel})

    data = await hub.query(
        """{
          assetAggregate(groupBy: [{field: REGION}, {field: PRODUCT_ID}, {field: STATE}]) {
            groups { key { region productId state } count }
          }
          stockAggregate(groupBy: [{field: REGION}, {field: PRODUCT_ID}]) {
            groups { key { region } sum { free } min { onHand } max { onHand } }
          }
          shipmentAggregate(groupBy: [{field: REGION}, {field: CREATED_AT, truncate: DAY}]) {
            groups { key { region createdAt } count sum { costCents } }
          }
          assets(filter: {region: {eq: "S"}}, orderBy: [{field: REGION}]) { totalCount nodes { region } }
        }"""
    )

    product = global_id("Product", switch)
    assert [group["key"] for group in data["assetAggregate"]["groups"]] == [
        {"region": region, "productId": product, "state": "DEPLOYED"} for region in ("N", "S", None)
    ]
    assert [group["count"] for group in data["assetAggregate"]["groups"]] == [2, 1, 2]
    assert data["stockAggregate"]["groups"] == [
        {"key": {"region": "S"}, "sum": {"free": 5}, "min": {"onHand": 2}, "max": {"onHand": 3}}
    ]
    assert data["shipmentAggregate"]["groups"] == [
        {"key": {"region": "S", "createdAt": "2026-11-25T00:00:00Z"}, "count": 1, "sum": {"costCents": 700}},
        {"key": {"region": "S", "createdAt": "2026-11-26T00:00:00Z"}, "count": 2, "sum": {"costCents": 70}},
    ]
    assert data["assets"] == {"totalCount": 1, "nodes": [{"region": "S"}]}


async def test_without_groups_all_that_the_filter_leaves_is_one(hub: Hub):
    await tickets(hub, {"priority": "P1"}, {"priority": "P2"}, {"priority": "P1", "retired_at": NOW})

    data = await hub.query(
        """{
          all: ticketAggregate { groups { count sum { quantity } } }
          urgent: ticketAggregate(filter: {priority: {eq: P1}}, includeRetired: true) { groups { count } }
          none: ticketAggregate(filter: {priority: {eq: P5}}) { hasMore groups { count sum { quantity } } }
          low: stockAggregate(filter: {isLow: {eq: true}}, groupBy: [{field: IS_LOW}]) { groups { count } }
          tickets { totalCount }
        }"""
    )

    assert data == {
        "all": {"groups": [{"count": 2, "sum": {"quantity": 2}}]},
        "urgent": {"groups": [{"count": 2}]},
        "none": {"hasMore": False, "groups": [{"count": 0, "sum": {"quantity": None}}]},
        "low": {"groups": []},
        "tickets": {"totalCount": 2},
    }


async def test_what_is_computed_is_summed_up_like_a_column(hub: Hub):
    async with transaction(hub.engine) as tx:
        berlin, paris = await make_hub(tx), await make_hub(tx)
        for place, on_hand in ((berlin, 3), (berlin, 4), (paris, 5)):
            await make_counted_stock(tx, hub_id=place, product_id=await make_product(tx), on_hand=on_hand, reserved=1)

    data = await hub.query("{ stockAggregate(groupBy: [{field: HUB_ID}]) { groups { key { hubId } sum { free } } } }")

    assert data["stockAggregate"]["groups"] == [
        {"key": {"hubId": global_id("Hub", berlin)}, "sum": {"free": 5}},
        {"key": {"hubId": global_id("Hub", paris)}, "sum": {"free": 4}},
    ]


def beginning(at: datetime, unit: str, zone: str) -> str:
    """By a second method: of the day, week ... in the zone, as an instant."""
    local = at.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case "WEEK":
            local -= timedelta(days=local.weekday())
        case "MONTH":
            local = local.replace(day=1)
        case "QUARTER":
            local = local.replace(day=1, month=local.month - (local.month - 1) % 3)
        case "YEAR":
            local = local.replace(day=1, month=1)
    return local.astimezone(UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
async def test_a_day_begins_when_it_does_in_the_zone_whatever_the_clocks_do(hub: Hub, zone: str):
    chance = Random(zone)  # noqa: S311
    near_a_change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    moments = [near_a_change + timedelta(minutes=30 * step) for step in range(-4, 5)]
    moments += [datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]
    moments += [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(10**8)) for _ in range(40)]
    await tickets(hub, *({"opened_at": at} for at in moments), {"opened_at": None})

    found: defaultdict[str, dict[str | None, int]] = defaultdict(dict)
    for unit in ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR"):
        data = await hub.query(
            """query ($by: [TicketGroupBy!]) {
              ticketAggregate(groupBy: $by, first: 500) { groups { key { openedAt } count } }
            }""",
            by=[{"field": "OPENED_AT", "truncate": unit, "timeZone": zone}],
        )
        groups = data["ticketAggregate"]["groups"]
        found[unit] = {group["key"]["openedAt"]: group["count"] for group in groups}
        assert [group["key"]["openedAt"] for group in groups[:-1]] == sorted(found[unit].keys() - {None})

    for unit, counts in found.items():
        assert counts == Counter([*(beginning(at, unit, zone) for at in moments), None])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("groupBy: [{field: STATE}, {field: STATE}]", "groupBy names a field twice"),
        ("groupBy: [{field: STATE, truncate: DAY}]", "'state' cannot be truncated so"),
        ('groupBy: [{field: OPENED_AT, timeZone: "UTC"}]', "'openedAt' cannot be truncated so"),
        ('groupBy: [{field: OPENED_AT, truncate: DAY, timeZone: "Mars"}]', "there is no time zone 'Mars'"),
        *(
            (f'groupBy: [{{field: OPENED_AT, truncate: DAY, timeZone: "{zone}"}}]', f"there is no time zone {zone!r}")
            for zone in ("", ".", "localtime", "posixrules", "../../etc/passwd", "/etc/localtime", "europe/berlin")
        ),
        ("first: 501", "first: 501, skip: 0 below 'ticket' cannot be"),
        ("skip: -1", "first: 100, skip: -1 below 'ticket' cannot be"),
    ],
)
async def test_groups_that_cannot_be_are_refused(hub: Hub, arguments: str, message: str):
    error = await hub.error(f"{{ ticketAggregate({arguments}) {{ groups {{ count }} }} }}")

    assert error["message"] == message
    assert error["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_zone_that_python_has_heard_of_and_the_database_has_not_is_refused(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(aggregates, "_is_zone", lambda _name: True)
    query = '{ ticketAggregate(groupBy: [{field: OPENED_AT, truncate: DAY, timeZone: "localtime"}]) { hasMore } }'
    await hub.query(query)  # there is no row that the zone matters to, and the query is ready from now on
    await tickets(hub, {"opened_at": NOW})

    error = await hub.error(query)

    assert error["message"] == "the database does not know a time zone that is asked for"
    assert (error["extensions"]["code"], error["path"]) == ("INVALID_INPUT", ["ticketAggregate"])
