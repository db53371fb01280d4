"""Swaps that close the loop: the CMDB shows what stands at the site, and the hub is not told its own news."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.fulfilment.cmdb import Cmdb
from tests.fulfilment.scene import Scene, make_engine, make_scene
from tests.fulfilment.world import World

from connector.fulfilment.engine import FulfilmentEngine
from connector.model.lifecycle import AssetState, ShipmentStatus
from connector.model.refs import EntityKind
from connector.rules.policy.reading import Policy, read_policy
from connector.sdk import Clock
from connector.storage import tables

Launch = Callable[..., Awaitable[FulfilmentEngine]]
VENDOR = """
name: test
rules:
  - {name: any, when: "true", hardware: replace, ladder: [vendor_replacement, person]}
sourcing:
  suppliers:
    acme: {offers: [vendor_replacement], lead_hours: 24, cost_cents: 9000}
  courier: {transit: [{hours: 24, cost_cents: 3000}]}
"""


@pytest.fixture
def cmdb(clock: Clock) -> Cmdb:
    return Cmdb(clock)


@pytest.fixture
async def launch(engine: AsyncEngine, database: str, world: World, clock: Clock) -> AsyncIterator[Launch]:
    launched: list[FulfilmentEngine] = []

    async def start(cmdb: Cmdb, policy: Policy | None = None) -> FulfilmentEngine:
        connections = world.connections(clock) | {"cmdb": cmdb.connection}
        hub = make_engine(engine, database, connections, clock, policy=policy)
        await hub.launch()
        launched.append(hub)
        return hub

    yield start
    for hub in launched:
        await hub.close()


async def sent(scene: Scene) -> None:
    """A ticket is served, and its parcel is on its way."""
    await scene.open_ticket()
    await scene.finished(1)


async def delivered(scene: Scene) -> int:
    """The courier reports that the parcel of a ticket, which is served if need be, was delivered; the unit's id."""
    if not await scene.rows(tables.shipment):
        await sent(scene)
    parcel = await scene.row(tables.shipment)
    await scene.change(tables.shipment, EntityKind.SHIPMENT, parcel["id"], status=ShipmentStatus.DELIVERED)
    reservation = await scene.row(tables.reservation, id=parcel["reservation_id"])
    return int(reservation["asset_id"] or 0)


async def told(scene: Scene) -> None:
    """Wait until the CMDB was told and the hub has noted it."""
    parcel = await scene.row(tables.shipment)
    await eventually(lambda: scene.has_receipt(f"swap-{parcel['id']}:cmdb"))


async def place_of(scene: Scene, asset_id: int) -> tuple[AssetState, int | None, int | None]:
    row = await scene.row(tables.asset, id=asset_id)
    return row["state"], row["site_id"], row["hub_id"]


async def reviews(scene: Scene) -> list[dict[str, Any]]:
    return [dict(row) for row in await scene.rows(tables.task) if row["key"].startswith("swap-")]


async def test_a_spare_that_the_cmdb_lists_is_in_use_there_and_here(engine: AsyncEngine, launch: Launch, cmdb: Cmdb):
    scene = await make_scene(engine)
    await cmdb.knows(scene, spares=True)
    await launch(cmdb)

    unit = await delivered(scene)
    await told(scene)

    assert (cmdb.device(unit)["location"], cmdb.status(unit)) == (cmdb.site, "Active")
    assert cmdb.status(scene.failed_id) == "Decommissioning"
    assert "Ticket 4711: put in place of" in cmdb.device(unit)["comments"]
    assert await place_of(scene, unit) == (AssetState.DEPLOYED, scene.site_id, None)
    assert (await cmdb.stands_for(scene, unit), await cmdb.stands_for(scene, scene.failed_id)) == (
        unit,
        scene.failed_id,
    )
    await scene.change(
        tables.asset, EntityKind.ASSET, scene.failed_id, state=AssetState.RETURN_PENDING
    )  # unless the hub has
    assert await cmdb.pulled(scene) == 0
    assert await reviews(scene) == []


async def test_a_failed_device_that_has_come_back_already_is_not_put_at_the_site_again(
    engine: AsyncEngine, launch: Launch, cmdb: Cmdb
):
    scene = await make_scene(engine)
    await cmdb.knows(scene, spares=True)
    await launch(cmdb)
    await sent(scene)

    back = {"state": AssetState.QUARANTINED, "hub_id": scene.hub_id, "site_id": None}
    await scene.change(tables.asset, EntityKind.ASSET, scene.failed_id, **back)
    await delivered(scene)
    await told(scene)

    assert cmdb.status(scene.failed_id) == "Decommissioning"
    assert await cmdb.pulled(scene) == 0
    assert await place_of(scene, scene.failed_id) == (AssetState.QUARANTINED, None, scene.hub_id)


async def test_without_a_record_of_its_own_the_spare_takes_that_of_the_failed_device(
    engine: AsyncEngine, launch: Launch, cmdb: Cmdb
):
    scene = await make_scene(engine)
    await cmdb.knows(scene)
    failed = await scene.row(tables.asset, id=scene.failed_id)
    await launch(cmdb)

    unit = await delivered(scene)
    await told(scene)

    row, was = await scene.row(tables.asset, id=unit), await scene.row(tables.asset, id=scene.failed_id)
    device = cmdb.device(scene.failed_id)
    assert (device["serial"], device["asset_tag"]) == (row["serial"], row["asset_tag"])
    assert (device["name"], device["location"], cmdb.status(scene.failed_id)) == (failed["name"], cmdb.site, "Active")
    assert await cmdb.stands_for(scene, scene.failed_id) == unit
    assert await place_of(scene, unit) == (AssetState.DEPLOYED, scene.site_id, None)
    assert (row["name"], row["url"]) == (failed["name"], failed["url"])
    assert (was["serial"], was["name"], was["url"]) == (failed["serial"], None, None)
    assert await cmdb.pulled(scene) == 0


async def test_a_pull_that_sees_the_new_serial_first_makes_no_other_device_of_the_failed_one(
    engine: AsyncEngine, launch: Launch, cmdb: Cmdb
):
    scene = await make_scene(engine)
    await cmdb.knows(scene)
    failed = await scene.row(tables.asset, id=scene.failed_id)
    cmdb.meanwhile = lambda: cmdb.pulled(scene)
    await launch(cmdb)

    unit = await delivered(scene)
    await told(scene)

    row, was = await scene.row(tables.asset, id=unit), await scene.row(tables.asset, id=scene.failed_id)
    assert (was["serial"], was["asset_tag"], was["name"]) == (failed["serial"], failed["asset_tag"], None)
    assert (row["serial"], row["name"]) == (cmdb.device(scene.failed_id)["serial"], failed["name"])
    assert await place_of(scene, unit) == (AssetState.DEPLOYED, scene.site_id, None)
    assert await cmdb.stands_for(scene, scene.failed_id) == unit
    assert (cmdb.changes, await cmdb.pulled(scene)) == (1, 0)


@pytest.mark.parametrize("spares", [True, False])
async def test_a_page_that_was_read_before_and_is_applied_after_changes_nothing(
    engine: AsyncEngine, launch: Launch, cmdb: Cmdb, clock: MovableClock, spares: bool
):
    scene = await make_scene(engine)
    await cmdb.knows(scene, spares=spares)
    await launch(cmdb)
    await sent(scene)
    for external_id in cmdb.devices.values():
        clock.advance(timedelta(minutes=1))
        cmdb.nautobot.change(external_id, comments="Checked", name=f"renamed {external_id}")
    page = await cmdb.page()
    clock.advance(timedelta(minutes=1))
    unit = await delivered(scene)
    await told(scene)
    await scene.change(tables.asset, EntityKind.ASSET, scene.failed_id, state=AssetState.RETURN_PENDING)
    before = [await scene.row(tables.asset, id=asset_id) for asset_id in (unit, scene.failed_id)]

    await cmdb.applied(scene, page)

    after = [await scene.row(tables.asset, id=asset_id) for asset_id in (unit, scene.failed_id)]
    told_by_cmdb = ("name", "updated_at", "url")
    for was, row in zip(before, after, strict=True):
        assert {**row, **{name: was[name] for name in told_by_cmdb}} == was


async def test_a_lost_answer_is_looked_for_and_nothing_is_written_twice(
    engine: AsyncEngine, launch: Launch, cmdb: Cmdb
):
    scene = await make_scene(engine)
    await cmdb.knows(scene)
    cmdb.lose_answer = True
    await launch(cmdb)

    unit = await delivered(scene)
    await told(scene)

    assert (cmdb.changes, await cmdb.stands_for(scene, scene.failed_id)) == (1, unit)


async def test_a_cmdb_that_is_away_is_told_later_and_a_person_is_shown_it_meanwhile(
    engine: AsyncEngine, launch: Launch, cmdb: Cmdb
):
    scene = await make_scene(engine)
    await cmdb.knows(scene)
    cmdb.down = True
    await launch(cmdb)
    unit = await delivered(scene)

    await eventually(lambda: reviews(scene))
    [task] = await reviews(scene)
    assert task["title"].startswith("The swap of dev-")
    assert task["title"].endswith(" for ticket 4711 does not get to cmdb")
    serial = (await scene.row(tables.asset, id=unit))["serial"]
    assert f"serial {serial}, asset tag " in task["instructions"]

    cmdb.down = False
    await told(scene)
    assert [row["state"].value for row in await reviews(scene)] == ["done"]


async def test_what_the_cmdb_refuses_is_entered_by_a_person(engine: AsyncEngine, launch: Launch, cmdb: Cmdb):
    scene = await make_scene(engine)
    await cmdb.knows(scene)
    tags = [(await scene.row(tables.asset, id=spare))["asset_tag"] for spare in scene.spare_ids]
    model = cmdb.device(scene.failed_id)["device_type"]
    for tag in tags:
        cmdb.nautobot.add_device(f"has {tag}", device_type=model, location=cmdb.site, asset_tag=tag)
    await launch(cmdb)

    unit = await delivered(scene)
    await eventually(lambda: reviews(scene))

    row = await scene.row(tables.asset, id=unit)
    [task] = await reviews(scene)
    record = cmdb.devices[scene.failed_id]
    assert task["title"].startswith("Enter the swap of dev-")
    assert f"In cmdb, record {record} of dev-" in task["instructions"]
    assert (
        f"stands for Acme SW-48 now: serial {row['serial']}, asset tag {row['asset_tag']}, in use at Hamburg Port."
        in task["instructions"]
    )
    assert "The hub could not write it: cmdb: Nautobot refuses to record swap: asset_tag" in task["instructions"]
    assert cmdb.device(scene.failed_id)["serial"] != row["serial"]


async def test_a_person_who_enters_the_swap_by_hand_is_followed(engine: AsyncEngine, launch: Launch, clock: Clock):
    cmdb = Cmdb(clock, write_back=False)
    scene = await make_scene(engine)
    await cmdb.knows(scene)
    failed = await scene.row(tables.asset, id=scene.failed_id)
    await launch(cmdb)
    unit = await delivered(scene)
    await eventually(lambda: _has_left(scene, unit))

    row = await scene.row(tables.asset, id=unit)
    cmdb.nautobot.change(cmdb.devices[scene.failed_id], serial=row["serial"].lower(), asset_tag=row["asset_tag"])
    await cmdb.pulled(scene)

    was = await scene.row(tables.asset, id=scene.failed_id)
    assert (was["serial"], was["asset_tag"], was["name"]) == (failed["serial"], failed["asset_tag"], None)
    assert await cmdb.stands_for(scene, scene.failed_id) == unit
    assert await place_of(scene, unit) == (AssetState.DEPLOYED, scene.site_id, None)
    assert (cmdb.changes, await reviews(scene)) == (0, [])


async def _has_left(scene: Scene, unit: int) -> bool:
    return (await scene.row(tables.asset, id=unit))["state"] is AssetState.IN_TRANSIT


async def test_a_corrected_serial_makes_no_other_device(engine: AsyncEngine, launch: Launch, cmdb: Cmdb):
    scene = await make_scene(engine)
    await cmdb.knows(scene)

    cmdb.nautobot.change(cmdb.devices[scene.failed_id], serial="SN-CORRECTED")
    await cmdb.pulled(scene)

    assert (await scene.row(tables.asset, id=scene.failed_id))["serial"] == "SN-CORRECTED"
    assert await cmdb.stands_for(scene, scene.failed_id) == scene.failed_id


async def test_units_without_serial_are_asked_for_and_what_is_entered_is_a_new_device(
    engine: AsyncEngine, launch: Launch, cmdb: Cmdb
):
    scene = await make_scene(engine, spares=0)
    await cmdb.knows(scene)
    failed = await scene.row(tables.asset, id=scene.failed_id)
    hub = await launch(cmdb, read_policy(VENDOR))
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.procurement))
    order = await scene.row(tables.procurement)
    await hub.commands.procurements.receive(order["id"], key="r1", actor="anna")

    await eventually(lambda: reviews(scene))
    [task] = await reviews(scene)
    assert task["title"] == f"Say in cmdb what replaced {failed['name']} for ticket 4711"
    assert "Which unit it was is not known: it is counted, or came without its serial." in task["instructions"]

    cmdb.nautobot.change(cmdb.devices[scene.failed_id], serial="NEW-1", asset_tag="AT-NEW")
    await cmdb.pulled(scene)

    was, [new] = await scene.row(tables.asset, id=scene.failed_id), await scene.rows(tables.asset, serial="NEW-1")
    assert (was["serial"], was["name"]) == (failed["serial"], None)
    assert (new["name"], new["state"], new["site_id"]) == (failed["name"], AssetState.DEPLOYED, scene.site_id)
    assert await cmdb.stands_for(scene, scene.failed_id) == new["id"]


async def test_a_makers_replacement_that_comes_to_the_site_is_told_with_its_serial(
    engine: AsyncEngine, launch: Launch, cmdb: Cmdb
):
    scene = await make_scene(engine, spares=0)
    await cmdb.knows(scene)
    hub = await launch(cmdb, read_policy(VENDOR))
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.procurement))
    order = await scene.row(tables.procurement)

    await hub.commands.procurements.receive(order["id"], key="r1", actor="anna", serials=["new-1"])
    await eventually(lambda: scene.has_receipt(f"swap-order-{order['id']}:cmdb"))

    [new] = await scene.rows(tables.asset, serial="NEW-1")
    assert (cmdb.device(scene.failed_id)["serial"], cmdb.device(scene.failed_id)["asset_tag"]) == ("NEW-1", None)
    assert await cmdb.stands_for(scene, scene.failed_id) == new["id"]
    assert await cmdb.pulled(scene) == 0
