"""What a plan of a rollout says of each line: by which way it goes, when it arrives, when a short one gets a unit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import HAMBURG, NOW, insert_row, make_hub, make_source, make_spares, make_ticket
from tests.fulfilment.rollout_scene import POLICY, key, make_yard, rollout_policy
from tests.fulfilment.world import World

from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.facts.lanes import STATISTICS, lanes_were_written


async def test_what_was_delivered_before_says_which_hub_is_in_time(engine: AsyncEngine, clock: MovableClock):
    yard = await make_yard(engine, clock, sites=2)
    async with transaction(engine) as tx:
        near = await make_hub(tx, name="Hamburg Depot", code="HAM", **HAMBURG)
        await make_spares(tx, hub_id=near, product_id=yard.product_id, count=4)
    rollout_id = await yard.make()

    await yard.rollouts.plan(rollout_id, key=key(), actor="ada")
    before = await yard.lines()
    async with transaction(engine) as tx:
        await insert_row(tx, tables.lane_statistic, slow(near, yard.site_ids[0]))
        await lanes_were_written(tx, [STATISTICS])
    await yard.rollouts.plan(rollout_id, key=key(), actor="ada")

    assert {line["hub_id"] for line in before} == {near}
    assert {line["site_id"]: line["hub_id"] for line in await yard.lines()} == {
        yard.site_ids[0]: yard.hub_ids["BER"], yard.site_ids[1]: near,
    }  # fmt: skip


def slow(hub_id: int, site_id: int) -> dict[str, Any]:
    """Nine deliveries on a lane, each of which took ten days."""
    minutes = 10 * 1440
    return {
        "key": f"site|{hub_id}|{site_id}||", "scope": "site", "hub_id": hub_id, "site_id": site_id, "service": "",
        "deliveries": 9, "p10_minutes": minutes, "p50_minutes": minutes, "p90_minutes": minutes,
        "p95_minutes": minutes, "minutes": [minutes] * 9, "newest_at": NOW, "computed_at": NOW,
    }  # fmt: skip


async def test_each_line_says_when_it_should_arrive_and_then_what_the_courier_says(
    engine: AsyncEngine, clock: MovableClock, world: World
):
    yard = await make_yard(engine, clock, world, sites=3)
    rollout_id = await yard.make()
    await yard.rollouts.plan(rollout_id, key=key(), actor="ada")
    first, last = sorted((await yard.lines()), key=lambda line: line["wave"])[0::2]

    await yard.rollouts.start(rollout_id, key="start", actor="ada")
    await yard.settle()
    await yard.stage()
    await yard.hand_over()
    told = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
    async with transaction(engine) as tx:
        await tx.execute(update(tables.shipment).values(estimated_delivery_at=told))
    await yard.deliver()
    sent = next(line for line in await yard.lines() if line["id"] == first["id"])

    # Collected at 17:00 in Berlin, which is 16:00; over night; handed over from 08:00 on. An hour later the second wave
    # begins, is collected on the same day, and is there the next morning.
    assert first["estimated_arrival_at"] == datetime(2026, 11, 26, 7, 0, tzinfo=UTC)
    assert last["estimated_arrival_at"] == datetime(2026, 11, 27, 7, 0, tzinfo=UTC)
    assert sent["estimated_arrival_at"] == told


async def test_a_short_line_says_when_stock_is_expected_that_is_ordered_for_its_rollout_or_for_nobody(
    engine: AsyncEngine, clock: MovableClock
):
    yard = await make_yard(engine, clock, sites=4, spares=1)
    rollout_id = await yard.make()
    soon, later = NOW + timedelta(days=3), NOW + timedelta(days=5)
    async with transaction(engine) as tx:
        other = await make_ticket(tx, source_id=await make_source(tx))
        ticket_id = (await yard.rollout(rollout_id))["ticket_id"]
        base = {"kind": "purchase", "state": "ordered", "product_id": yard.product_id, "hub_id": yard.hub_ids["BER"]}
        for supplier, values in {
            "acme": {"ticket_id": ticket_id, "expected_at": soon, "order_number": "PO-7"},
            "brix": {"ticket_id": other, "expected_at": later, "is_wanted": False},
            "cost": {"ticket_id": other, "expected_at": NOW, "is_wanted": True},
            "dell": {"ticket_id": ticket_id, "expected_at": NOW, "state": "received"},
        }.items():
            row = {**base, "supplier": supplier, "created_at": NOW, "updated_at": NOW, **values}
            await insert_row(tx, tables.procurement, row)

    await yard.rollouts.plan(rollout_id, key=key(), actor="ada")

    placed, *short = sorted(await yard.lines(), key=lambda line: (line["wave"] is None, line["risk"], line["line"]))
    assert (placed["expected_at"], placed["reason"]) == (None, None)
    assert [line["expected_at"] for line in short] == [soon, later, None]
    assert [line["reason"].rpartition("; ")[2] for line in short] == [
        "1 come to BER by order PO-7 of acme: 2026-11-28 09:00Z",
        "1 come to BER by procurement 2 of brix: 2026-11-30 09:00Z",
        "nothing more is on order for the rollout",
    ]
    assert {(line["mode"], line["estimated_arrival_at"]) for line in short} == {(None, None)}


async def test_what_our_own_people_bring_needs_no_label(engine: AsyncEngine, clock: MovableClock, world: World):
    by_car = rollout_policy(POLICY.replace("rollouts:", "rollouts:\n  transport: [drive]"))
    yard = await make_yard(engine, clock, world, sites=2, policy=by_car)
    async with transaction(engine) as tx:
        await tx.execute(update(tables.hub).values(**HAMBURG))

    await yard.running()
    await yard.stage()
    await yard.hand_over()

    assert {line["mode"].value for line in await yard.lines()} == {"drive"}
    parcels = await yard.rows(tables.shipment)
    assert {(p["carrier"], p["service"], p["label_document_id"], p["status"].value) for p in parcels} == {
        ("own", "drive", None, "picked_up")
    }
    assert await yard.states() == {"dispatched": 2}
