"""Rollouts whose labels a courier's system sells over HTTP, followed by a subscription until they are complete or halt.

The courier is the sandbox of Karrio on a loopback port, with its adapter; its scans are pulled as those of any source.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.fulfilment.rollout_draft import SiteOrder
from connector.ingest.pull import pull_source
from connector.sdk.connection import Connection, connect
from connector.storage import tables
from connector_karrio.sandbox import KarrioSandbox
from tests.api.conftest import Hub, Subscriber, connected, served, until
from tests.conftest import MovableClock
from tests.fulfilment.rollout_scene import Yard, make_yard

FOLLOW = (Path(__file__).parents[2] / "graphql" / "operations" / "RolloutProgress.graphql").read_text(encoding="utf-8")

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def karrio(clock: MovableClock) -> KarrioSandbox:
    return KarrioSandbox(clock)


@pytest.fixture
async def courier(karrio: KarrioSandbox, clock: MovableClock) -> AsyncIterator[Connection]:
    """The hub's connection to the courier's system, over a real socket."""
    async with served(karrio.app()) as address:
        connection = connect("courier", "karrio", {**karrio.settings(), "base_url": f"http://{address}"}, clock=clock)
        yield connection
        await connection.aclose()


async def hear(yard: Yard, courier: Connection) -> None:
    """The hub pulls the courier's scans and follows them."""
    await pull_source(yard.engine, courier, clock=yard.clock)
    await yard.settle()


async def followed(client: Subscriber, state: str, **lines: int) -> None:
    """The subscription tells of a rollout in a state, with so many lines in each state; earlier events are passed."""
    while True:
        rollout = (await client.event())["rollout"]
        if (rollout["state"], {item["state"]: item["lines"] for item in rollout["counts"]}) == (state, lines):
            return


async def begun(hub: Hub, client: Subscriber) -> None:
    before = hub.streams.subscribers
    await client.subscribe(FOLLOW)
    await until(lambda: hub.streams.subscribers == before + 1)


async def test_parcels_that_the_courier_delivers_complete_a_rollout_and_parcels_that_come_back_halt_another(
    hub: Hub, engine: AsyncEngine, clock: MovableClock, karrio: KarrioSandbox, courier: Connection
):
    yard = await make_yard(engine, clock, courier=courier)
    good, bad = ([SiteOrder(site_id) for site_id in ids] for ids in (yard.site_ids[:2], yard.site_ids[2:]))

    async with served(hub.app) as address:
        async with connected(address) as client:
            await begun(hub, client)
            rollout_id = await yard.running(name="Good", sites=good)
            await followed(client, "RUNNING", RESERVED=2)
            await yard.stage()
            await followed(client, "RUNNING", LABELLED=2)
            sold = await parcels(yard)
            await yard.hand_over()
            await followed(client, "RUNNING", DISPATCHED=2)
            clock.advance(timedelta(minutes=2))
            karrio.office.advance()
            await hear(yard, courier)
            await followed(client, "COMPLETED", DELIVERED=2)
        async with connected(address) as client:
            await begun(hub, client)
            await yard.running(name="Bad", sites=bad, first_wave_size=2)
            await yard.stage()
            await yard.hand_over()
            for tracker in list(karrio.office.trackers.values())[2:]:
                clock.advance(timedelta(minutes=1))
                karrio.office.scan(tracker, "return_to_sender", "Refused by the recipient", "Hamburg", clock.now())
            await hear(yard, courier)
            await followed(client, "HALTED", PLANNED=1, FAILED=2)

    assert [parcel["status"].value for parcel in sold] == ["label_created", "label_created"]
    assert {parcel["tracking_number"] for parcel in sold} <= {
        tracker["tracking_number"] for tracker in karrio.office.trackers.values()
    }
    assert [document["media_type"] for document in await yard.rows(tables.document)] == ["application/pdf"] * 4
    assert {event["status"].value for event in await yard.rows(tables.shipment_event, shipment_id=sold[0]["id"])} == {
        "label_created", "picked_up", "in_transit", "out_for_delivery", "delivered",
    }  # fmt: skip
    assert (await yard.rollout(rollout_id))["reason"] == "2 lines succeeded, 0 failed"

    assert len(await parcels(yard)) == 4
    assert await yard.live() == 0
    [halt] = await yard.rows(tables.rollout, name="Bad")
    assert halt["reason"] == "2 of 2 finished lines failed (100 %): the limit is 50 %"


async def parcels(yard: Yard) -> list[dict[str, Any]]:
    return await yard.rows(tables.shipment)
