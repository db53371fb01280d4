"""What executives and requesters ask with the published operations, counted by hand."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.model.principals import Principal
from connector.storage import tables
from connector.storage.database.engine import transaction
from tests.api.conftest import TOKEN, Hub, OpenHub
from tests.api.seed import seed
from tests.factories import (
    NOW,
    make_asset,
    make_counted_stock,
    make_hub,
    make_product,
    make_site,
    make_source,
    make_ticket,
)

PUBLISHED = Path(__file__).parents[2] / "graphql" / "operations"
HOUR = timedelta(hours=1)


def published(name: str) -> str:
    return (PUBLISHED / f"{name}.graphql").read_text(encoding="utf-8")


async def measures(hub: Hub) -> Any:
    period = {"since": "2026-11-01T00:00:00Z", "until": "2026-12-31T00:00:00Z", "timeZone": "UTC"}
    return await hub.query(published("ExecutiveMeasures"), **period)


async def test_attainment_and_time_to_resolve_are_told_by_month_region_and_class(hub: Hub):
    async with transaction(hub.engine) as tx:
        source = await make_source(tx)
        switch = await make_product(tx, asset_class="switch")
        laptop = await make_product(tx, asset_class="laptop")
        north, south = await make_site(tx, region="NORTH"), await make_site(tx, region="SOUTH")
        device = await make_asset(tx, product_id=switch, site_id=south)
        due = {"opened_at": NOW, "sla_due_at": NOW + 4 * HOUR, "state": "resolved"}
        for hours, values in (
            (3, {"site_id": north, "product_id": switch}),
            (4, {"site_id": north, "product_id": switch}),
            (5, {"site_id": north, "product_id": laptop}),
            (1, {"asset_id": device}),  # names no site and no product
        ):
            await make_ticket(tx, source_id=source, **due, **values, resolved_at=NOW + hours * HOUR)
        without_due = {"site_id": north, "opened_at": NOW, "resolved_at": NOW + timedelta(days=30, seconds=59.9)}
        await make_ticket(tx, source_id=source, state="closed", **without_due)
        await make_ticket(tx, source_id=source, site_id=north, sla_due_at=NOW)

    data = await measures(hub)

    november, december = "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"
    assert [(*group["key"].values(), group["count"]) for group in data["attainment"]["groups"]] == [
        (november, "NORTH", "laptop", False, 1),
        (november, "NORTH", "switch", True, 2),
        (november, "SOUTH", "switch", True, 1),
    ]
    assert [
        (*group["key"].values(), group["sum"]["minutesToResolve"], group["max"]["minutesToResolve"])
        for group in data["restoration"]["groups"]
    ] == [
        (november, "NORTH", "laptop", 300, 300),
        (november, "NORTH", "switch", 420, 240),
        (november, "SOUTH", "switch", 60, 60),
        (december, "NORTH", None, 43_200, 43_200),
    ]
    assert [(*group["key"].values(), group["count"]) for group in data["overdue"]["groups"]] == [("NORTH", "P1", 1)]


async def test_empty_shelves_are_told_beside_all_that_should_hold_something(hub: Hub):
    async with transaction(hub.engine) as tx:
        berlin = await make_hub(tx)
        for on_hand, reserved, target in ((2, 2, 3), (1, 0, 2), (0, 0, 0), (0, 0, None)):
            product = await make_product(tx, tracking="counted")
            shelf = {"on_hand": on_hand, "reserved": reserved, "target": target}
            await make_counted_stock(tx, hub_id=berlin, product_id=product, **shelf)

    data = await measures(hub)

    assert [group["count"] for group in data["emptyShelves"]["groups"]] == [1]
    assert [(group["count"], group["sum"]) for group in data["shelves"]["groups"]] == [(2, {"free": 1})]


async def test_a_requester_who_sees_one_region_tracks_what_is_theirs_and_nothing_else(
    open_hub: OpenHub, engine: AsyncEngine
):
    seeded = await seed(engine)
    async with transaction(engine) as tx:
        await tx.execute(update(tables.hub).values(region="US"))
    here, there = "the-token-of-someone-here", "the-token-of-someone-there"
    keys = tuple(
        ApiKey.of(token, Principal(token, frozenset({"viewer"}), frozenset({region})))
        for token, region in ((here, "EU"), (there, "APAC"))
    )

    async with open_hub(token=TOKEN, keys=keys) as hub:
        found: dict[str, list[Any]] = {}
        for token in (here, there):
            for name, variables in (
                ("TrackReplacement", {"number": "INC-1"}),
                ("TrackReservation", {"id": seeded.id("Reservation")}),
            ):
                body = {"query": published(name), "variables": variables}
                answer = await hub.client.post("/graphql", json=body, headers={"authorization": f"Bearer {token}"})
                found.setdefault(token, []).append(answer.json()["data"])

    replacement, claim = found[here]
    assert replacement["ticket"]["shipments"][0]["trackingNumber"] == "1Z1"
    assert claim["reservation"]["shipments"][0]["events"][0]["status"] == "PICKED_UP"
    assert [data.get("ticket", data.get("reservation")) for data in found[there]] == [None, None]
