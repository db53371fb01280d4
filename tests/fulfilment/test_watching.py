"""A parcel in trouble heals itself: noticed, replaced where that helps, and of two units one stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import NOW, insert_row
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.test_react import caught_up
from tests.fulfilment.world import World

from connector.fulfilment.engine import FulfilmentEngine
from connector.model.kinds import Direction, TaskKind, Trouble
from connector.model.lifecycle import (
    AssetState,
    RecoveryState,
    ReservationState,
    RmaState,
    ShipmentStatus,
    TaskState,
)
from connector.model.refs import EntityKind
from connector.rules.policy.reading import default_policy
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.facts.lane_statistics import learn_lanes

SILENT = timedelta(hours=30)
"""Without a scan for so long, the shipped policy looks for a second unit."""


async def under_way(scene: Scene, hub: FulfilmentEngine) -> int:
    """A ticket whose unit has left the hub; the id of its parcel."""
    await scene.open_ticket()
    await scene.finished(1)
    [task] = await scene.rows(tables.task, kind=TaskKind.PICKUP)
    await hub.commands.confirm_pickup(task["id"], key="picked", actor="lee")
    shipment = await scene.row(tables.shipment)
    assert shipment["status"] is ShipmentStatus.PICKED_UP
    return int(shipment["id"])


async def reported(scene: Scene, shipment_id: int, status: ShipmentStatus) -> None:
    """The courier says so."""
    await scene.change(tables.shipment, EntityKind.SHIPMENT, shipment_id, status=status)
    await caught_up(scene)


async def recovery(scene: Scene) -> Any:
    return await scene.row(tables.recovery)


async def test_for_a_silent_parcel_a_second_unit_is_sent_once_and_the_ticket_is_told(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    scene = await make_scene(engine, spares=3)
    hub = await launch()
    first = await under_way(scene, hub)
    assert await hub.watch() == 0

    clock.advance(SILENT)
    assert await hub.watch() == 1
    assert await hub.watch() == 0
    await scene.finished(2)
    await eventually(lambda: scene.has_receipt("recovery-1-sourced:note"))

    states = [row["state"] for row in await scene.rows(tables.reservation)]
    assert states == [ReservationState.FULFILLED, ReservationState.COMMITTED]
    assert await scene.shelf() == (2, 1)
    row = await recovery(scene)
    assert (row["shipment_id"], row["reservation_id"], row["line"]) == (first, 2, 1)
    assert (row["trouble"], row["state"]) == (Trouble.SILENT, RecoveryState.SOURCED)
    decision = (await scene.rows(tables.decision))[-1]
    assert (decision["outcome"], decision["reason"]) == ("reserve", "recovery")
    assert decision["explanation"]["recovery"]["shipment"] == "shipment TRK0001"
    assert decision["explanation"]["text"].startswith(
        "A second unit: shipment TRK0001 is in trouble (silent). It was last seen 2026-11-25 09:00Z;"
    )
    assert sorted(world.told("4711")[1:]) == sorted(
        [
            f"The replacement sent earlier ({await device(scene, 0)} from Berlin Depot (BER)) is in trouble: silent.",
            "A replacement is on its way.",
        ]
    )
    assert world.bought() == ["TRK0001", "TRK0002"]


async def device(scene: Scene, number: int) -> str:
    row = await scene.row(tables.asset, id=scene.spare_ids[number])
    return f"Acme SW-48 (serial {row['serial']}, asset tag {row['asset_tag']})"


@pytest.mark.parametrize(("deliveries", "expected"), [(9, None), (10, Trouble.LATE)])
async def test_a_parcel_is_late_by_what_its_own_lane_took_once_enough_was_delivered_there(
    engine: AsyncEngine, launch: Any, clock: MovableClock, deliveries: int, expected: Trouble | None
):
    scene = await make_scene(engine, spares=3)
    hub = await launch()
    await under_way(scene, hub)
    async with transaction(engine) as tx:
        for number in range(deliveries):
            delivered = NOW - timedelta(days=2, minutes=number)
            lane = {"hub_id": scene.hub_id, "site_id": scene.site_id, "source_id": scene.source_id, "carrier": "x"}
            times = {"created_at": delivered - timedelta(hours=5), "delivered_at": delivered, "updated_at": delivered}
            row = {**lane, **times, "direction": "outbound", "status": "delivered", "service": "fast"}
            await insert_row(tx, tables.shipment, row)
        await learn_lanes(tx, at=NOW)

    clock.advance(timedelta(hours=4))
    assert await hub.watch() == 0
    clock.advance(timedelta(hours=2))
    await hub.watch()

    found = await scene.rows(tables.recovery)
    assert [row["trouble"] for row in found] == ([expected] if expected else [])
    assert all("than 5 h 00 min, within which 95% of 10 deliveries came (site)" in row["reason"] for row in found)


async def test_a_first_unit_that_turns_up_before_the_second_has_left_has_it_taken_back(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    scene = await make_scene(engine, spares=3)
    hub = await launch()
    first = await under_way(scene, hub)
    clock.advance(SILENT)
    await hub.watch()
    await scene.finished(2)

    await reported(scene, first, ShipmentStatus.DELIVERED)
    await scene.undone(1)

    second = await scene.row(tables.reservation, id=2)
    assert (second["state"], second["reason"]) == (
        ReservationState.RELEASED, "the first unit has arrived (shipment TRK0001)",
    )  # fmt: skip
    assert (await recovery(scene))["state"] is RecoveryState.RECALLED
    assert await scene.shelf() == (2, 0)
    assert world.bought() == ["TRK0001"]
    clock.advance(SILENT)
    assert await hub.watch() == 0


async def test_a_first_unit_that_turns_up_after_the_second_has_left_is_a_return(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    scene = await make_scene(engine, spares=3)
    hub = await launch()
    first = await under_way(scene, hub)
    clock.advance(SILENT)
    await hub.watch()
    await scene.finished(2)
    [pickup] = await scene.rows(tables.task, kind=TaskKind.PICKUP, state=TaskState.OPEN)
    await hub.commands.confirm_pickup(pickup["id"], key="second", actor="lee")

    await reported(scene, first, ShipmentStatus.DELIVERED)
    await eventually(lambda: scene.has_receipt("recovery-1-returning:note"))

    assert (await recovery(scene))["state"] is RecoveryState.RETURNING
    assert await scene.tasks(kind=TaskKind.REVIEW) == []
    rma = await scene.row(tables.rma, asset_id=scene.spare_ids[0])
    [task] = await scene.rows(tables.task, key=f"rma:{rma['id']}:return")
    assert (task["kind"], task["state"], task["due_at"]) == (TaskKind.RETURN, TaskState.OPEN, rma["due_back_at"])
    assert (rma["state"], rma["hub_id"], rma["site_id"], rma["reservation_id"]) == (
        RmaState.EXPECTED, scene.hub_id, scene.site_id, None,
    )  # fmt: skip
    assert rma["reason"] == (
        "shipment TRK0001 has arrived after all, and a second unit was sent in its place (reservation 2)"
    )
    units = [(await scene.row(tables.asset, id=spare))["state"] for spare in scene.spare_ids]
    assert units == [AssetState.RETURN_PENDING, AssetState.IN_TRANSIT, AssetState.IN_STOCK]
    assert await scene.shelf() == (1, 0)

    await reported(scene, 2, ShipmentStatus.DELIVERED)
    assert (await recovery(scene))["state"] is RecoveryState.RETURNING
    devices = sorted(row["asset_id"] for row in await scene.rows(tables.rma))
    assert devices == sorted([scene.failed_id, scene.spare_ids[0]]), "what has failed comes back as well, once"

    serial = (await scene.row(tables.asset, id=scene.spare_ids[0]))["serial"]
    await hub.commands.returns.receive(rma["id"], serial=serial, key="back", actor="lee")
    back = await scene.row(tables.asset, id=scene.spare_ids[0])
    assert (back["state"], back["hub_id"]) == (AssetState.QUARANTINED, scene.hub_id)
    assert (await scene.row(tables.task, id=task["id"]))["state"] is TaskState.DONE


async def test_a_first_unit_that_is_put_to_use_after_all_does_not_come_back(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene = await make_scene(engine, spares=3)
    hub = await launch()
    first = await under_way(scene, hub)
    clock.advance(SILENT)
    await hub.watch()
    await scene.finished(2)
    [pickup] = await scene.rows(tables.task, kind=TaskKind.PICKUP, state=TaskState.OPEN)
    await hub.commands.confirm_pickup(pickup["id"], key="second", actor="lee")
    await reported(scene, first, ShipmentStatus.DELIVERED)

    await hub.commands.receive(first, key="used", actor="kim")

    rma = await scene.row(tables.rma, asset_id=scene.spare_ids[0])
    assert (rma["state"], rma["cancelled_by"], rma["reason"]) == (
        RmaState.CANCELLED, "kim", "it is used (shipment TRK0001)",
    )  # fmt: skip
    assert (await scene.row(tables.asset, id=scene.spare_ids[0]))["state"] is AssetState.DEPLOYED


async def test_a_first_unit_that_turns_up_where_nothing_comes_back_is_a_persons(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene = await make_scene(engine, spares=3)
    hub = await launch(policy=default_policy().model_copy(update={"returns": None}))
    first = await under_way(scene, hub)
    clock.advance(SILENT)
    await hub.watch()
    await scene.finished(2)
    [pickup] = await scene.rows(tables.task, kind=TaskKind.PICKUP, state=TaskState.OPEN)
    await hub.commands.confirm_pickup(pickup["id"], key="second", actor="lee")

    await reported(scene, first, ShipmentStatus.DELIVERED)

    [task] = await scene.rows(tables.task, kind=TaskKind.REVIEW)
    assert (task["key"], task["state"], task["title"]) == (
        f"bring-back:{first}", TaskState.OPEN, "Bring back shipment TRK0001 of ticket 4711",
    )  # fmt: skip
    assert await scene.rows(tables.rma) == []


async def test_a_parcel_that_the_courier_brings_back_is_replaced_and_taken_in(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene = await make_scene(engine, spares=3)
    hub = await launch()
    first = await under_way(scene, hub)

    await reported(scene, first, ShipmentStatus.RETURNED)
    await scene.finished(2)

    row, parcel = await recovery(scene), await scene.row(tables.shipment, id=first)
    assert (row["trouble"], row["state"]) == (Trouble.RETURNED, RecoveryState.RETURNING)
    assert (parcel["direction"], parcel["status"]) == (Direction.RETURN, ShipmentStatus.RETURNED)
    [rma] = await scene.rows(tables.rma)
    assert rma["asset_id"] == scene.spare_ids[0]
    assert "shipment TRK0001 has come back, and a second unit was sent" in rma["reason"]
    assert await scene.tasks(kind=TaskKind.REVIEW) == []
    assert (await scene.row(tables.asset, id=scene.spare_ids[0]))["state"] is AssetState.RETURN_PENDING


async def test_where_nothing_is_found_one_person_is_asked_and_told_what_was_tried_whatever_the_courier_says_later(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    scene = await make_scene(engine, spares=1)
    hub = await launch()
    first = await under_way(scene, hub)
    clock.advance(SILENT)

    assert await hub.watch() == 1
    await reported(scene, first, ShipmentStatus.EXCEPTION)
    await eventually(lambda: scene.has_receipt("recovery-1-asked:note"))

    [task] = await scene.rows(tables.task, kind=TaskKind.REVIEW)
    assert task["title"] == "Shipment TRK0001: silent"
    assert "A second unit was looked for: No hub has a free unit of 'Acme SW-48'." in task["instructions"]
    row = await recovery(scene)
    assert (row["trouble"], row["state"], row["reservation_id"]) == (Trouble.EXCEPTION, RecoveryState.ASKED, None)

    await reported(scene, first, ShipmentStatus.DELIVERED)
    assert await scene.tasks(kind=TaskKind.REVIEW) == [("shipment", "done")]
    assert (await recovery(scene))["state"] is RecoveryState.SETTLED


async def test_a_parcel_that_is_lost_after_all_is_replaced_although_a_person_was_asked_before(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene = await make_scene(engine, spares=3, service_class_id=None)
    hub = await launch()
    first = await under_way(scene, hub)
    await reported(scene, first, ShipmentStatus.EXCEPTION)
    asked = await recovery(scene)
    assert asked["state"] is RecoveryState.ASKED, "the second unit would not have been two hours sooner"
    assert "A second unit does not help: none arrives 120 min sooner" in asked["reason"]

    await reported(scene, first, ShipmentStatus.LOST)
    await scene.finished(2)

    row = await recovery(scene)
    assert (row["trouble"], row["state"], row["predicted_at"]) == (Trouble.LOST, RecoveryState.SOURCED, None)
    assert await scene.tasks(kind=TaskKind.REVIEW) == [("shipment", "done")]


@pytest.mark.parametrize("how", ["task", "unit"])
async def test_what_a_person_has_taken_in_hand_is_left_alone(
    engine: AsyncEngine, launch: Any, clock: MovableClock, how: str
):
    scene = await make_scene(engine, spares=3)
    hub = await launch()
    first = await under_way(scene, hub)
    ticket = await scene.row(tables.ticket)
    if how == "unit":
        await hub.commands.reserve_for_ticket(ticket["id"], key="by-hand", actor="ada", hub_id=scene.hub_id)
        await scene.finished(2)
    else:
        clock.advance(timedelta(hours=1))
        await reported(scene, first, ShipmentStatus.EXCEPTION)
        [task] = await scene.rows(tables.task, kind=TaskKind.REVIEW)
        await scene.change(tables.task, EntityKind.TASK, task["id"], assignee="ada")
        await reported(scene, first, ShipmentStatus.LOST)
    before = len(await scene.rows(tables.reservation))

    clock.advance(2 * SILENT)

    assert await hub.watch() == 0
    assert len(await scene.rows(tables.reservation)) == before
