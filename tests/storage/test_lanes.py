"""What is known of lanes: learnt from delivered parcels, and read anew only after it was written."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import NOW, insert_row, make_hub, make_site, make_source

from connector.model.kinds import LaneScope
from connector.rules.arrival.lanes import service_key
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.facts.lane_statistics import Learned, learn_lanes
from connector.storage.facts.lanes import lanes_of_sites

HOUR = timedelta(hours=1)
DELIVERED = NOW - timedelta(days=3)


async def parcel(tx: AsyncConnection, hub: int, site: int, hours: float, **values: Any) -> int:
    """A parcel that left with its label and took these hours."""
    defaults = {
        "hub_id": hub, "site_id": site, "source_id": 1, "direction": "outbound", "status": "delivered",
        "carrier": "DHL", "service": "express", "created_at": DELIVERED - hours * HOUR, "updated_at": NOW,
        "delivered_at": DELIVERED,
    }  # fmt: skip
    return await insert_row(tx, tables.shipment, {**defaults, **values})


@pytest.fixture
async def lane(engine: AsyncEngine) -> tuple[int, int]:
    """A hub and a site."""
    async with transaction(engine) as tx:
        await make_source(tx, "parcels", "karrio", id=1)
        return await make_hub(tx), await make_site(tx, region="north")


async def test_transit_is_learnt_by_lane_region_and_service(engine: AsyncEngine, lane: tuple[int, int]):
    hub, site = lane
    async with transaction(engine) as tx:
        neighbour = await make_site(tx, region="north")
        for hours in (20, 22, 24, 30):
            await parcel(tx, hub, site, hours)
        await parcel(tx, hub, site, 70, service="economy")
        await parcel(tx, hub, neighbour, 10)

        learned = await learn_lanes(tx, at=NOW)

    async with reading(engine) as tx:
        lanes = (await lanes_of_sites(tx, [site]))[site]
    express = service_key("dhl", "EXPRESS")
    assert learned == Learned(created=11)
    of_lane = lanes.history(hub, express, minimum=4)
    assert of_lane is not None
    assert (of_lane.scope, of_lane.service, of_lane.minutes) == (LaneScope.SITE, express, (1200, 1320, 1440, 1800))
    assert [of_lane.quantile(share) for share in (0.1, 0.5, 0.9, 0.95)] == [1236, 1380, 1692, 1746]
    any_service = lanes.history(hub, express, minimum=5)
    assert any_service is not None
    assert any_service.minutes == (1200, 1320, 1440, 1800, 4200)
    of_region = lanes.history(hub, minimum=6)
    assert of_region is not None
    assert (of_region.scope, of_region.minutes[0]) == (LaneScope.REGION, 600)
    everything = lanes.history(999, minimum=6)
    assert everything is not None
    assert everything.scope is LaneScope.EVERYWHERE
    assert lanes.history(hub, minimum=7) is None


async def test_transit_counts_from_the_departure_where_it_was_scanned(engine: AsyncEngine, lane: tuple[int, int]):
    hub, site = lane
    async with transaction(engine) as tx:
        shipment = await parcel(tx, hub, site, 40)
        for minutes, status in ((-9000, "label_created"), (-605.5, "picked_up"), (-300, "picked_up")):
            scan = {
                "occurred_at": DELIVERED + timedelta(minutes=minutes),
                "received_at": NOW,
                "fingerprint": str(minutes),
            }
            await tx.execute(insert(tables.shipment_event).values(shipment_id=shipment, status=status, **scan))

        await learn_lanes(tx, at=NOW)

    async with reading(engine) as tx:
        history = (await lanes_of_sites(tx, [site]))[site].history(hub, minimum=1)
    assert history is not None
    assert history.minutes == (606,)


@pytest.mark.parametrize(
    "values",
    [
        {"status": "cancelled"}, {"status": "returned"}, {"status": "lost"}, {"status": "in_transit"},
        {"direction": "return"}, {"source_id": None}, {"site_id": None}, {"hub_id": None},
        {"delivered_at": NOW - timedelta(days=366)}, {"created_at": NOW},
    ],
    ids=lambda values: " ".join(values),
)  # fmt: skip
async def test_what_says_nothing_about_the_next_parcel_is_not_counted(
    engine: AsyncEngine, lane: tuple[int, int], values: dict[str, Any]
):
    async with transaction(engine) as tx:
        await parcel(tx, *lane, 20, **values)

        assert await learn_lanes(tx, at=NOW) == Learned()


async def test_the_latest_hundred_deliveries_count_and_old_ones_are_forgotten(
    engine: AsyncEngine, lane: tuple[int, int]
):
    async with transaction(engine) as tx:
        for number in range(103):
            when = DELIVERED + timedelta(minutes=number)
            await parcel(tx, *lane, 0, delivered_at=when, created_at=when - timedelta(minutes=number))
        await learn_lanes(tx, at=NOW)
    async with reading(engine) as tx:
        rows = (await tx.execute(select(tables.lane_statistic))).mappings().all()
    assert {(row["deliveries"], row["p50_minutes"], row["p95_minutes"]) for row in rows} == {(100, 53, 98)}

    async with transaction(engine) as tx:
        assert await learn_lanes(tx, at=NOW) == Learned()
        assert await learn_lanes(tx, at=NOW + timedelta(days=400)) == Learned(deleted=6)


async def statements_of(engine: AsyncEngine, site: int) -> int:
    """How many statements reading the lanes of a site takes."""
    count = 0

    def counted(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal count
        count += statement.startswith("SELECT")

    event.listen(engine.sync_engine, "before_cursor_execute", counted)
    try:
        async with reading(engine) as tx:
            await lanes_of_sites(tx, [site])
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", counted)
    return count


async def test_lanes_are_read_again_only_after_they_were_written(engine: AsyncEngine, lane: tuple[int, int]):
    hub, site = lane
    assert await statements_of(engine, site) == 1  # nothing was ever written

    async with transaction(engine) as tx:
        await parcel(tx, hub, site, 20)
        await learn_lanes(tx, at=NOW)
    assert [await statements_of(engine, site) for _ in range(2)] == [2, 1]

    async with transaction(engine) as tx:
        await parcel(tx, hub, site, 10, delivered_at=datetime(2026, 11, 24, tzinfo=NOW.tzinfo))
        assert not (await learn_lanes(tx, at=NOW)).is_nothing
    assert [await statements_of(engine, site) for _ in range(2)] == [2, 1]
