from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from connector.api.schema.nodes import global_id
from connector.storage import tables
from connector.storage.database.engine import transaction
from tests.api.conftest import Hub
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


async def numbers(hub: Hub, where: Any) -> list[str]:
    """Numbers of the tickets that a filter leaves."""
    data = await hub.query("query ($f: TicketFilter) { tickets(filter: $f) { totalCount nodes { number } } }", f=where)
    assert data["tickets"]["totalCount"] == len(data["tickets"]["nodes"])
    return [node["number"] for node in data["tickets"]["nodes"]]


@pytest.fixture
async def tickets(hub: Hub) -> None:
    """1 and 2 at the sites A (EU) and B (US), 3 nowhere; 1 about a device at A."""
    async with transaction(hub.engine) as tx:
        source = await make_source(tx)
        a = await make_site(tx, name="A", region="EU")
        b = await make_site(tx, name="B", region="US")
        device = await make_asset(tx, serial="FOC1", site_id=a)
        common = {"source_id": source}
        await make_ticket(tx, **common, number="1", priority="P1", site_id=a, asset_id=device, title="Switch 100% dead")
        await make_ticket(
            tx, **common, number="2", priority="P3", site_id=b, title="switch_2", opened_at=NOW + timedelta(days=1)
        )
        await make_ticket(tx, **common, number="3", priority=None, state="closed", title="Disk", category=None)


SITE_A, SITE_B = global_id("Site", 1), global_id("Site", 2)


CASES: list[tuple[Any, list[str]]] = [
    (None, ["1", "2", "3"]),
    ({}, ["1", "2", "3"]),
    ({"priority": {"eq": "P1"}}, ["1"]),
    ({"priority": {"ne": "P1"}}, ["2", "3"]),
    ({"priority": {"in": ["P1", "P3"]}}, ["1", "2"]),
    ({"priority": {"in": []}}, []),
    ({"priority": {"notIn": ["P1"]}}, ["2", "3"]),
    ({"priority": {"isNull": True}}, ["3"]),
    ({"priority": {"isNull": False}}, ["1", "2"]),
    ({"priority": {"eq": None}}, ["3"]),
    ({"priority": None}, ["1", "2", "3"]),
    ({"state": {"in": ["NEW", "IN_PROGRESS"]}}, ["1", "2"]),
    ({"title": {"contains": "SWITCH"}}, ["1", "2"]),
    ({"title": {"contains": "100%"}}, ["1"]),
    ({"title": {"contains": "%"}}, ["1"]),
    ({"title": {"contains": "h_"}}, ["2"]),
    ({"title": {"startsWith": "dis"}}, ["3"]),
    ({"title": {"endsWith": "DEAD"}}, ["1"]),
    ({"title": {"contains": "switch", "endsWith": "2"}}, ["2"]),
    ({"openedAt": {"gt": "2026-11-25T09:00:00Z"}}, ["2"]),
    ({"openedAt": {"gte": "2026-11-25T10:00:00+01:00", "lt": "2026-11-26T00:00:00Z"}}, ["1", "3"]),
    ({"openedAt": {"lte": "2026-11-25T08:59:59.999999Z"}}, []),
    ({"id": {"in": [global_id("Ticket", 1), global_id("Ticket", 3)]}}, ["1", "3"]),
    ({"site": {"id": {"eq": SITE_A}}}, ["1"]),
    ({"site": {"id": {"in": [SITE_A, SITE_B]}}}, ["1", "2"]),
    ({"site": {"id": {"isNull": True}}}, ["3"]),
    ({"site": {"region": {"eq": "US"}}}, ["2"]),
    ({"site": {"region": {"ne": "US"}}}, ["1"]),
    ({"site": {}}, ["1", "2"]),
    ({"asset": {"serial": {"eq": "FOC1"}, "site": {"name": {"eq": "A"}}}}, ["1"]),
    ({"asset": {"site": {"name": {"eq": "B"}}}}, []),
    ({"or": [{"priority": {"eq": "P1"}}, {"state": {"eq": "CLOSED"}}]}, ["1", "3"]),
    ({"or": []}, []),
    ({"and": [{"priority": {"ne": "P1"}}, {"title": {"contains": "switch"}}]}, ["2"]),
    ({"and": []}, ["1", "2", "3"]),
    ({"not": {"priority": {"eq": "P1"}}}, ["2", "3"]),
    ({"not": {"or": [{"priority": {"eq": "P1"}}, {"priority": {"isNull": True}}]}}, ["2"]),
    ({"not": {"site": {"region": {"eq": "US"}}}}, ["1", "3"]),
    ({"title": {"eq": "'; DROP TABLE ticket; --"}}, []),
]
"""Filter, and the numbers of the tickets that it leaves."""


@pytest.mark.usefixtures("tickets")
async def test_a_filter_leaves_what_satisfies_it(hub: Hub):
    found = [(where, await numbers(hub, where)) for where, _ in CASES]

    assert found == CASES


async def test_numbers_and_truth_values_are_compared_too(hub: Hub):
    async with transaction(hub.engine) as tx:
        shelf = {"hub_id": await make_hub(tx, latitude=52.5), "reorder_point": 3, "safety_stock": 2}
        for on_hand in (2, 3, 4):
            await make_counted_stock(tx, **shelf, product_id=await make_product(tx), on_hand=on_hand)

    data = await hub.query(
        """{
          low: stock(filter: {isLow: {eq: true}}) { nodes { onHand } }
          free: stock(filter: {free: {gte: 3}}, orderBy: [{field: FREE, direction: DESC}]) { nodes { onHand } }
          usable: stock(filter: {usable: {gt: 0}}, orderBy: [{field: USABLE}]) { nodes { usable safetyStock } }
          here: hubs(filter: {latitude: {gt: 52.4, lt: 52.6}}) { totalCount }
          there: hubs(filter: {latitude: {gt: 52.6}}) { totalCount }
        }"""
    )

    assert data == {
        "low": {"nodes": [{"onHand": 2}]},
        "free": {"nodes": [{"onHand": 4}, {"onHand": 3}]},
        "usable": {"nodes": [{"usable": 1, "safetyStock": 2}, {"usable": 2, "safetyStock": 2}]},
        "here": {"totalCount": 1},
        "there": {"totalCount": 0},
    }


async def test_a_shelf_that_keeps_far_more_than_it_has_breaks_no_list(hub: Hub):
    largest = 2**31 - 1
    async with transaction(hub.engine) as tx:
        shelf = {"hub_id": await make_hub(tx), "safety_stock": largest, "emergency_buffer": largest}
        await make_counted_stock(tx, **shelf, product_id=await make_product(tx), on_hand=2)

    data = await hub.query("{ stock(orderBy: [{field: USABLE}]) { nodes { free usable } } }")

    assert data["stock"]["nodes"] == [{"free": 2, "usable": 0}]


async def test_things_within_a_distance_of_a_point_are_found(hub: Hub):
    async with transaction(hub.engine) as tx:
        for name, latitude, longitude in (
            ("Berlin", 52.52, 13.40),
            ("Potsdam", 52.39, 13.06),
            ("Munich", 48.14, 11.58),
        ):
            site = await make_site(tx, name=name, latitude=latitude, longitude=longitude)
            await make_asset(tx, serial=name, site_id=site)
        await make_site(tx, name="Nowhere", latitude=None, longitude=None)
    around = {"latitude": 52.5, "longitude": 13.4, "withinKm": 30}
    query = """query ($near: Near!) {
      sites(filter: {near: $near}) { totalCount nodes { name } }
      others: sites(filter: {not: {near: $near}}) { nodes { name } }
      assets(filter: {site: {near: $near}}) { nodes { serial } }
      siteAggregate(filter: {near: $near}) { groups { count } }
    }"""

    data = await hub.query(query, near=around)
    assert data["sites"] == {"totalCount": 2, "nodes": [{"name": "Berlin"}, {"name": "Potsdam"}]}
    assert data["others"]["nodes"] == [{"name": "Munich"}, {"name": "Nowhere"}]
    assert data["assets"]["nodes"] == [{"serial": "Berlin"}, {"serial": "Potsdam"}]
    assert data["siteAggregate"]["groups"] == [{"count": 2}]

    point = {"type": "Point", "coordinates": [13.4, 52.5]}
    assert await hub.query(query, near={"point": point, "withinKm": 30}) == data
    places = await hub.query("{ sites { nodes { location } } }")
    assert [site["location"] for site in places["sites"]["nodes"]][::3] == [
        {"type": "Point", "coordinates": [13.4, 52.52]},
        None,
    ]

    twice = await hub.error(query, near={**around, "point": point})
    assert twice["message"] == "near: it takes either `point` or both `latitude` and `longitude`"
    half = await hub.error(query, near={"latitude": 52.5, "withinKm": 30})
    assert half["message"] == twice["message"]
    flipped = await hub.error(query, near={"point": {**point, "coordinates": [52.5, 113.4]}, "withinKm": 30})
    assert "latitude 113.4 is outside [-90, 90]" in flipped["message"]
    north = await hub.error(query, near=around | {"latitude": 91})
    assert north["message"] == "near: latitude 91.0 is outside [-90, 90]"
    far = await hub.error(query, near=around | {"withinKm": 30_000})
    assert far["message"] == "near: withinKm 30000.0 is not between 0 and 20,016"
    assert far["extensions"] == {
        "code": "INVALID_INPUT", "hint": "Nothing on the Earth is farther away; leave `near` out.",
    }  # fmt: skip


async def sites(hub: Hub, where: Any) -> list[str]:
    data = await hub.query("query ($f: SiteFilter) { sites(filter: $f) { nodes { name } } }", f=where)
    return [node["name"] for node in data["sites"]["nodes"]]


@pytest.mark.usefixtures("tickets")
async def test_what_belongs_to_a_thing_can_be_asked_about(hub: Hub):
    async with transaction(hub.engine) as tx:
        c = await make_site(tx, name="C")
        await make_ticket(tx, source_id=1, number="4", site_id=c, priority="P1", retired_at=NOW)

    cases: list[tuple[Any, list[str]]] = [
        ({"tickets": {"some": {}}}, ["A", "B"]),
        ({"tickets": {"none": {}}}, ["C"]),
        ({"tickets": {"some": {"priority": {"eq": "P1"}}}}, ["A"]),
        ({"tickets": {"none": {"priority": {"eq": "P1"}}}}, ["B", "C"]),
        ({"tickets": {"every": {"priority": {"eq": "P3"}}}}, ["B", "C"]),
        ({"tickets": {"some": {}, "every": {"priority": {"eq": "P3"}}}}, ["B"]),
        ({"tickets": {"every": {"slaDueAt": {"gt": "2026-11-25T09:00:00Z"}}}}, ["C"]),
        ({"not": {"tickets": {"some": {"asset": {"serial": {"eq": "FOC1"}}}}}}, ["B", "C"]),
        ({"assets": {"some": {"tickets": {"some": {"title": {"contains": "dead"}}}}}}, ["A"]),
        ({"tickets": {}}, ["A", "B", "C"]),
    ]

    assert [(where, await sites(hub, where)) for where, _ in cases] == cases


@pytest.mark.usefixtures("tickets")
async def test_tickets_are_found_by_their_newest_decision(hub: Hub):
    async with transaction(hub.engine) as tx:
        for ticket, outcome in ((1, "review"), (1, "reserve"), (2, "review")):
            decided = {"ticket_id": ticket, "outcome": outcome, "reason": "sourced", "policy_version": "p@1"}
            times = {"decided_at": NOW, "looked_at": NOW}
            await insert_row(tx, tables.decision, {**decided, **times, "explanation": {}})

    assert await numbers(hub, {"decision": {"outcome": {"eq": "reserve"}}}) == ["1"]
    assert await numbers(hub, {"decision": {"outcome": {"eq": "review"}}}) == ["2"]
    assert await numbers(hub, {"decisions": {"some": {"outcome": {"eq": "review"}}}}) == ["1", "2"]
    assert await numbers(hub, {"not": {"decision": {}}}) == ["3"]


async def test_a_filter_within_filters_without_end_is_refused(hub: Hub):
    where: Any = {"priority": {"eq": "P1"}}
    for _ in range(9):
        where = {"not": where}

    error = await hub.error("query ($f: TicketFilter) { tickets(filter: $f) { totalCount } }", f=where)

    assert error["message"] == "the filter is nested more than 8 levels deep"
    assert error["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("where", "part"),
    [
        ({"openedAt": {"gt": "2026-11-25T09:00:00"}}, "has no time zone"),
        ({"openedAt": {"gt": "yesterday"}}, "'yesterday' is no instant; write it like '2026-11-25T09:00:00Z'"),
        ({"priority": {"eq": "P9"}}, "Value 'P9' does not exist in 'Priority' enum"),
        ({"nonsense": {"eq": 1}}, "nonsense"),
        ({"title": {"eq": "a\0b"}}, "holds a zero character"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(hub: Hub, where: Any, part: str):
    error = await hub.error("query ($f: TicketFilter) { tickets(filter: $f) { totalCount } }", f=where)

    assert part in error["message"]
    assert error["extensions"]["code"] in ("INVALID_INPUT", "GRAPHQL_VALIDATION_FAILED")


async def test_devices_are_found_by_revision_and_by_the_end_of_their_warranty_page_by_page(hub: Hub):
    async with transaction(hub.engine) as tx:
        for number, day in enumerate([date(2027, 3, 1), None, date(2026, 12, 31)], 1):
            await make_asset(tx, serial=f"S{number}", revision="V03" if day else None, warranty_ends_on=day)
    query = """query ($after: String) {
      assets(first: 1, after: $after, filter: {revision: {eq: "V03"}, warrantyEndsOn: {gte: "2026-12-31"}},
             orderBy: [{field: WARRANTY_ENDS_ON}]) { nodes { serial warrantyEndsOn } pageInfo { endCursor } }
      ended: assets(filter: {warrantyEndsOn: {lt: "2027-01-01"}}) { nodes { serial } }
      unknown: assets(filter: {warrantyEndsOn: {isNull: true}}) { nodes { serial revision } }
    }"""

    first = await hub.query(query)
    second = await hub.query(query, after=first["assets"]["pageInfo"]["endCursor"])

    assert first["assets"]["nodes"] == [{"serial": "S3", "warrantyEndsOn": "2026-12-31"}]
    assert second["assets"]["nodes"] == [{"serial": "S1", "warrantyEndsOn": "2027-03-01"}]
    assert first["ended"]["nodes"] == [{"serial": "S3"}]
    assert first["unknown"]["nodes"] == [{"serial": "S2", "revision": None}]
