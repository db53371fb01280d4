"""What dispatchers and technicians do."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.factories import make_asset, make_hub, make_spares
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.world import World

from connector.fulfilment.commands import PickupResult, ReceiveResult, ReserveResult
from connector.model.errors import IllegalTransition, InvalidInput, NotKnown, OutOfStock
from connector.model.lifecycle import AssetState, ReservationState, ShipmentStatus, TaskState
from connector.model.refs import EntityKind
from connector.rules.policy.reading import read_policy
from connector.storage import tables
from connector.storage.database.engine import transaction

SAYS_NONE = read_policy("""name: test
rules: [{name: any, when: "true", hardware: none}]
sourcing: {courier: {transit: [{hours: 24}]}}
""")
SOON = timedelta(seconds=20)


async def served(engine: AsyncEngine, launch: Any, **scene: Any) -> tuple[Scene, Any]:
    """A ticket whose fulfilment has run, and the hub."""
    made = await make_scene(engine, **scene)
    hub = await launch()
    await made.open_ticket()
    await made.finished(1)
    return made, hub


async def test_picked_up_and_received_the_device_is_deployed_at_its_site(engine: AsyncEngine, launch: Any):
    scene, hub = await served(engine, launch)
    [task], [shipment], [reservation] = [
        await scene.rows(table) for table in (tables.task, tables.shipment, tables.reservation)
    ]

    picked = await hub.commands.confirm_pickup(task["id"], key="p1", actor="ada")
    assert picked == PickupResult(task["id"], reservation["id"], shipment["id"])
    assert await scene.shelf() == (1, 0)
    assert (await scene.row(tables.shipment))["status"] is ShipmentStatus.PICKED_UP
    assert (await scene.row(tables.asset, id=reservation["asset_id"]))["state"] is AssetState.IN_TRANSIT
    done = await scene.row(tables.task)
    assert (done["state"], done["completed_at"]) == (TaskState.DONE, done["updated_at"])

    received = await hub.commands.receive(shipment["id"], key="r1", actor="bob")
    assert received == ReceiveResult(shipment["id"], reservation["id"], reservation["asset_id"])
    spare = await scene.row(tables.asset, id=reservation["asset_id"])
    assert (spare["state"], spare["site_id"], spare["hub_id"]) == (AssetState.DEPLOYED, scene.site_id, None)
    assert (await scene.row(tables.shipment))["status"] is ShipmentStatus.DELIVERED
    assert (await scene.row(tables.reservation))["state"] is ReservationState.FULFILLED
    assert await scene.shelf() == (1, 0)


async def test_a_parcel_can_be_received_although_nobody_confirmed_its_pickup(engine: AsyncEngine, launch: Any):
    scene, hub = await served(engine, launch)
    shipment = await scene.row(tables.shipment)

    await hub.commands.receive(shipment["id"], key="r1", actor="bob")
    again = await hub.commands.receive(shipment["id"], key="r2", actor="bob")

    assert again.asset_id == (await scene.row(tables.reservation))["asset_id"]
    assert await scene.tasks() == [("pickup", "done")]
    assert await scene.shelf() == (1, 0)


async def test_the_same_key_is_answered_with_the_first_result_and_serves_nothing_else(engine: AsyncEngine, launch: Any):
    scene, hub = await served(engine, launch)
    task = await scene.row(tables.task)

    first = await hub.commands.confirm_pickup(task["id"], key="p1", actor="ada")
    second = await hub.commands.confirm_pickup(task["id"], key="p1", actor="ada")
    with pytest.raises(InvalidInput) as refused:
        await hub.commands.confirm_pickup(9_999, key="p1", actor="ada")

    assert first == second
    assert refused.value.message == (f"key 'p1' was used before, for 'confirm-pickup' of {task['id']}, not of 9999")


async def test_a_release_undoes_what_was_done(engine: AsyncEngine, launch: Any, world: World):
    scene, hub = await served(engine, launch)
    reservation = await scene.row(tables.reservation)

    result = await hub.commands.release(reservation["id"], reason="sent by hand", key="k", actor="ada", patience=SOON)

    assert (result.reservation_ids, result.is_finished) == ((reservation["id"],), True)
    released = await scene.row(tables.reservation)
    assert (released["state"], released["reason"]) == (ReservationState.RELEASED, "sent by hand")
    assert await scene.shelf() == (2, 0)
    assert world.bought() == []
    with pytest.raises(IllegalTransition) as refused:
        await hub.commands.release(reservation["id"], reason="again", key="k2", actor="ada")
    assert str(refused.value) == (f"reservation {reservation['id']} cannot be released: it is released already")


async def test_what_has_left_the_hub_cannot_be_released_but_brought_back(
    engine: AsyncEngine, launch: Any, world: World
):
    scene, hub = await served(engine, launch)
    task, reservation = await scene.row(tables.task), await scene.row(tables.reservation)
    await hub.commands.confirm_pickup(task["id"], key="p1", actor="ada")

    with pytest.raises(IllegalTransition, match="its unit has left the hub"):
        await hub.commands.release(reservation["id"], reason="late", key="k", actor="ada")
    result = await hub.commands.cancel(
        reservation["ticket_id"], reason="not needed", key="c", actor="ada", patience=SOON
    )

    assert result.is_finished is True
    assert await scene.tasks() == [("pickup", "done"), ("bring-back", "open")]
    assert world.bought() == ["TRK0001"]
    assert await scene.shelf() == (1, 0)


async def test_a_unit_that_is_being_withdrawn_must_not_leave(engine: AsyncEngine, launch: Any):
    scene, hub = await served(engine, launch)
    task, reservation = await scene.row(tables.task), await scene.row(tables.reservation)
    await hub.commands.release(reservation["id"], reason="late", key="k", actor="ada", patience=SOON)

    with pytest.raises(IllegalTransition) as refused:
        await hub.commands.confirm_pickup(task["id"], key="p1", actor="ada")

    assert str(refused.value) == (
        "task 'Pick Acme SW-48 for ticket 4711' was cancelled, so its unit must not leave the hub. "
        "Put the unit back on its shelf."
    )


async def test_a_cancelled_parcel_cannot_be_received(engine: AsyncEngine, launch: Any):
    scene, hub = await served(engine, launch)
    reservation, shipment = await scene.row(tables.reservation), await scene.row(tables.shipment)
    await hub.commands.release(reservation["id"], reason="late", key="k", actor="ada", patience=SOON)

    with pytest.raises(IllegalTransition, match="shipment TRK0001 was cancelled: it cannot be received"):
        await hub.commands.receive(shipment["id"], key="r", actor="ada")


async def test_a_dispatcher_reserves_what_the_rules_would_not(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_scene(engine)
    hub = await launch()
    ticket_id = await scene.open_ticket(type="request")
    await eventually(lambda: scene.rows(tables.decision))

    refused = await hub.commands.reserve_for_ticket(ticket_id, key="a", actor="ada")
    chosen = await hub.commands.reserve_for_ticket(ticket_id, key="b", actor="ada", hub_id=scene.hub_id)
    again = await hub.commands.reserve_for_ticket(ticket_id, key="c", actor="ada", hub_id=scene.hub_id)
    await scene.finished(1)

    assert (refused.outcome, refused.reservation_ids) == ("not_needed", ())
    reservation = await scene.row(tables.reservation)
    assert chosen == ReserveResult(ticket_id, "reserve", "chosen by a dispatcher", (reservation["id"],), None, True)
    assert (again.reservation_ids, again.is_new) == (chosen.reservation_ids, False)
    assert world.bought() == ["TRK0001"]


async def test_a_dispatcher_chooses_all_units_that_a_ticket_lacks_or_some_of_them(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine)
    async with transaction(engine) as tx:
        other = await make_hub(tx, name="Other", code="OTH")
        await make_spares(tx, hub_id=other, product_id=scene.product_id, count=2)
    hub = await launch(policy=SAYS_NONE)
    reserve = partial(hub.commands.reserve_for_ticket, await scene.open_ticket(quantity=3), actor="ada")

    with pytest.raises(OutOfStock, match="fewer than 3 free units"):
        await reserve(key="a", hub_id=scene.hub_id)
    first = await reserve(key="b", hub_id=scene.hub_id, quantity=2)
    asked = await scene.rows(tables.task, kind="review")
    with pytest.raises(InvalidInput, match="2 units cannot be reserved for a ticket that lacks 1"):
        await reserve(key="c", hub_id=other, quantity=2)
    second = await reserve(key="d", hub_id=other)
    again = await reserve(key="d", hub_id=other)
    await scene.finished(3)

    rows = await scene.rows(tables.reservation)
    assert [(row["line"], row["hub_id"], row["quantity"]) for row in rows] == [
        (1, scene.hub_id, 1), (2, scene.hub_id, 1), (3, other, 1),
    ]  # fmt: skip
    assert (first.reservation_ids, second.reservation_ids) == ((rows[0]["id"], rows[1]["id"]), (rows[2]["id"],))
    assert again.reservation_ids == second.reservation_ids
    [(key, text)] = [(row["key"].split(":")[2], row["instructions"]) for row in asked]
    assert (key, "1 unit is missing" in text) == ("rest_to_be_chosen", True)
    assert [row["state"] for row in await scene.rows(tables.task, kind="review")] == [TaskState.DONE]


async def test_what_a_dispatcher_has_not_chosen_the_rules_find_when_there_is_stock(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine, spares=1)
    hub = await launch()
    ticket_id = await scene.open_ticket(quantity=2)
    await eventually(lambda: scene.rows(tables.task, kind="review"))
    await hub.commands.reserve_for_ticket(ticket_id, key="a", actor="ada", hub_id=scene.hub_id, quantity=1)

    async with transaction(engine) as tx:
        await make_asset(tx, hub_id=scene.hub_id, product_id=scene.product_id, state="in_stock")
    stock = await scene.row(tables.stock, product_id=scene.product_id)
    await scene.change(tables.stock, EntityKind.STOCK, stock["id"], on_hand=2)
    await scene.finished(2)

    assert [row["line"] for row in await scene.rows(tables.reservation)] == [1, 2]
    assert await scene.shelf() == (2, 2)
    reviews = [row["state"] for row in await scene.rows(tables.task, kind="review")]
    assert TaskState.OPEN not in reviews


async def test_reserving_where_nothing_is_left_is_refused(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine, spares=0)
    hub = await launch()
    ticket_id = await scene.open_ticket()

    with pytest.raises(OutOfStock, match="fewer than 1 free units"):
        await hub.commands.reserve_for_ticket(ticket_id, key="a", actor="ada", hub_id=scene.hub_id)


async def test_a_closed_ticket_gets_nothing(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine)
    hub = await launch()
    ticket_id = await scene.open_ticket(state="closed")

    with pytest.raises(IllegalTransition, match="ticket '4711' is closed: nothing is reserved for it"):
        await hub.commands.reserve_for_ticket(ticket_id, key="a", actor="ada")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_is_missing_or_unknown_is_named(engine: AsyncEngine, launch: Any):
    scene, hub = await served(engine, launch)
    reservation = await scene.row(tables.reservation)

    with pytest.raises(InvalidInput, match="command 'release' needs an idempotency key"):
        await hub.commands.release(reservation["id"], reason="x", key=" ", actor="ada")
    with pytest.raises(InvalidInput, match="a reason is needed"):
        await hub.commands.release(reservation["id"], reason=" ", key="k", actor="ada")
    with pytest.raises(InvalidInput, match="a product can be chosen only together with a hub"):
        await hub.commands.reserve_for_ticket(
            reservation["ticket_id"], key="k", actor="ada", product_id=scene.product_id
        )
    with pytest.raises(NotKnown, match="there is no task with id 99"):
        await hub.commands.confirm_pickup(99, key="k", actor="ada")
    with pytest.raises(NotKnown, match="there is no shipment with id 99"):
        await hub.commands.receive(99, key="k", actor="ada")
    with pytest.raises(NotKnown, match="there is no reservation with id 99"):
        await hub.commands.release(99, reason="x", key="k", actor="ada")
    with pytest.raises(NotKnown, match="there is no ticket with id 99"):
        await hub.commands.cancel(99, reason="x", key="k", actor="ada")
