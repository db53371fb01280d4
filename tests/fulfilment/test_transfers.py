"""Units that go from hub to hub: one parcel, picked there and taken in here; called off, lost, given to an incident."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import make_asset
from tests.fulfilment.depots import Depots, make_depots, policy
from tests.fulfilment.test_react import caught_up
from tests.fulfilment.world import World

from connector.fulfilment.engine import FulfilmentEngine
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.overdue import watch_transfers
from connector.fulfilment.replenishment import Replenishments
from connector.fulfilment.work import Work
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import Direction, Lane
from connector.model.lifecycle import AssetState, ReplenishmentState, ReservationState, ShipmentStatus, TicketState
from connector.model.refs import EntityKind
from connector.rules.policy.reading import Policy
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.stock.succession import move_reservation
from connector.storage.stock.units import ShelfKey

S = ReplenishmentState


async def approved(depots: Depots, clock: MovableClock, active: Policy) -> int:
    """The proposal, approved by somebody, with its pickup tasks."""
    row = await depots.comes_to(S.PROPOSED)
    await Replenishments(depots.scene.database, clock, active).approve(row["id"], key="yes", actor="ada")
    await eventually(lambda: depots.scene.rows(tables.task, kind="pickup"))
    return int(row["id"])


async def picked(depots: Depots, hub: FulfilmentEngine) -> None:
    """The units have left the central depot."""
    task = await depots.scene.row(tables.task, kind="pickup")
    await hub.commands.confirm_pickup(task["id"], key="pick", actor="tom")


async def reported(depots: Depots, status: ShipmentStatus) -> int:
    """The courier says something of the parcel."""
    parcel = await depots.parcel()
    await depots.scene.change(tables.shipment, EntityKind.SHIPMENT, parcel["id"], status=status)
    return int(parcel["id"])


async def test_units_come_in_one_parcel_from_the_hub_above_and_serve_who_waits_here(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    depots = await make_depots(engine)
    active = policy(tiers="local")
    hub = await launch(policy=active)
    async with transaction(engine) as tx:
        broken = await make_asset(tx, site_id=depots.scene.site_id, product_id=depots.product_id)
    waiting = await depots.scene.open_ticket(asset_id=broken)
    await approved(depots, clock, active)

    assert await depots.there() == (5, 3)
    first, *others = await depots.scene.rows(tables.reservation)
    assert {(row["ships_with_id"], row["to_hub_id"]) for row in others} == {(first["id"], depots.local_id)}
    task = await depots.scene.row(tables.task, kind="pickup")
    assert (task["title"], task["hub_id"], len(task["packing_list"])) == (
        f"Pick 3 × Acme R-1 for hub Local (LOC) (REPLENISH-{first['ticket_id']})", depots.central_id, 3,
    )  # fmt: skip
    assert "hand it to the courier for Local (LOC)" in task["instructions"]
    [label] = world.labels.values()
    parcel = await depots.parcel()
    assert (label["service"], parcel["direction"], parcel["to_hub_id"], parcel["site_id"]) == (
        "economy", Direction.TRANSFER, depots.local_id, None,
    )  # fmt: skip

    await picked(depots, hub)
    await depots.comes_to(S.UNDER_WAY)
    assert await depots.there() == (2, 0)
    number = await reported(depots, ShipmentStatus.DELIVERED)
    await eventually(lambda: depots.scene.rows(tables.task, kind="receive"))
    task = await depots.scene.row(tables.task, kind="receive")
    assert (task["hub_id"], task["title"].partition(" (R")[0], task["state"].value) == (
        depots.local_id, "Receive 3 × Acme R-1 at hub Local (LOC)", "open",
    )  # fmt: skip
    assert await depots.here() == (0, 0)
    await hub.commands.receive(number, key="in", actor="eva")
    await hub.commands.receive(number, key="again", actor="eva")
    row = await depots.comes_to(S.RECEIVED)
    await eventually(lambda: depots.scene.rows(tables.reservation, ticket_id=waiting))

    assert (row["received_quantity"], row["reason"]) == (3, "3 of 3 received")
    assert await depots.here() == (3, 1)
    assert (await depots.scene.row(tables.task, kind="receive"))["state"].value == "done"
    assert (await depots.scene.row(tables.ticket, id=row["ticket_id"]))["state"] is TicketState.CLOSED
    assert not [note for note in world.notes if note["ticket"] == str(row["ticket_id"])]


async def test_counted_units_are_brought_by_our_own_people_into_the_break_glass_lane(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    depots = await make_depots(engine, tracking="counted", lane=Lane.BREAK_GLASS)
    active = policy("transport: drive")
    hub = await launch(policy=active)
    number = await approved(depots, clock, active)
    [claim] = await depots.scene.rows(tables.reservation)
    assert (claim["quantity"], claim["lane"], claim["asset_id"], world.labels) == (3, Lane.NORMAL, None, {})

    await picked(depots, hub)
    await eventually(lambda: depots.scene.rows(tables.task, kind="receive"))
    people = Replenishments(engine, clock, active)
    done = await people.receive(number, key="in", actor="eva")
    assert await people.receive(number, key="in", actor="eva") == done
    await caught_up(depots.scene)

    assert (done.state, done.parcels) == (S.RECEIVED, 1)
    assert (await depots.here(), await depots.there()) == ((3, 0), (2, 0))
    with pytest.raises(IllegalTransition, match="no parcel of it is on its way"):
        await people.receive(number, key="again", actor="eva")


async def test_what_is_called_off_before_it_left_is_on_its_shelf_again_to_the_unit(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    depots = await make_depots(engine)
    active = policy()
    await launch(policy=active)
    number = await approved(depots, clock, active)
    assert await depots.there() == (5, 3)

    await Replenishments(engine, clock, active).cancel(number, reason="not now", key="c", actor="ada")
    row = await depots.comes_to(S.CANCELLED)
    await depots.scene.undone(1)
    await caught_up(depots.scene)

    assert (await depots.there(), await depots.here(), world.bought()) == ((5, 0), (0, 0), [])
    units = await depots.scene.rows(tables.asset, hub_id=depots.central_id)
    assert [unit["state"] for unit in units] == [AssetState.IN_STOCK] * 5
    assert (row["reason"], row["received_quantity"], await depots.count()) == ("0 of 3 received: not now", 0, 1)
    assert (await depots.scene.row(tables.task))["state"].value == "cancelled"


async def test_what_is_called_off_under_way_arrives_and_is_taken_in(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    depots = await make_depots(engine)
    active = policy()
    hub = await launch(policy=active)
    number = await approved(depots, clock, active)
    await picked(depots, hub)
    await depots.comes_to(S.UNDER_WAY)

    people = Replenishments(engine, clock, active)
    await people.cancel(number, reason="not now", key="c", actor="ada")
    await people.receive(number, key="in", actor="eva")

    assert (await depots.comes_to(S.RECEIVED))["received_quantity"] == 3
    assert (await depots.here(), await depots.there()) == ((3, 0), (2, 0))


async def test_a_parcel_that_comes_back_is_put_where_it_left_and_the_shelf_is_looked_at_anew(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    depots = await make_depots(engine)
    active = policy()
    hub = await launch(policy=active)
    await approved(depots, clock, active)
    await picked(depots, hub)
    await caught_up(depots.scene)
    number = await reported(depots, ShipmentStatus.RETURNED)
    await eventually(lambda: depots.scene.rows(tables.task, kind="receive"))

    assert (await depots.scene.row(tables.task, kind="receive"))["hub_id"] == depots.central_id
    await hub.commands.receive(number, key="in", actor="tom")
    await caught_up(depots.scene)

    assert (await depots.there(), await depots.here()) == ((5, 0), (0, 0))
    first, second = await depots.scene.rows(tables.replenishment)
    assert (first["state"], first["reason"]) == (S.CANCELLED, "0 of 3 received: its parcel is returned")
    assert (second["state"], second["transfer_quantity"]) == (S.PROPOSED, 3)


async def test_a_parcel_that_should_have_come_is_asked_about_once(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    depots = await make_depots(engine)
    active = policy()
    hub = await launch(policy=active)
    await approved(depots, clock, active)
    await picked(depots, hub)
    work = Work(engine, world.connections(clock), clock, FulfilmentOptions())
    due = clock.now() + timedelta(days=1)
    parcel = await depots.parcel()
    await depots.scene.change(tables.shipment, EntityKind.SHIPMENT, parcel["id"], estimated_delivery_at=due)

    assert await watch_transfers(work) == 0
    clock.advance(timedelta(days=2))
    assert (await watch_transfers(work), await watch_transfers(work)) == (1, 0)
    task = (await depots.scene.rows(tables.task, kind="review"))[-1]
    assert (task["hub_id"], task["title"]) == (depots.local_id, "Shipment TRK0001: late:20261126T0900Z")
    await hub.commands.receive(parcel["id"], key="in", actor="eva")
    assert (await depots.scene.row(tables.task, id=task["id"]))["state"].value == "done"


async def test_an_incident_that_has_nothing_else_takes_a_unit_that_has_not_left(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    depots = await make_depots(engine, there=3, keeps=0)
    active = policy()
    await launch(policy=active)
    await approved(depots, clock, active)
    async with transaction(engine) as tx:
        broken = await make_asset(tx, site_id=depots.scene.site_id, product_id=depots.product_id)
    ticket = await depots.scene.open_ticket(asset_id=broken, priority="P2")
    await eventually(lambda: depots.scene.rows(tables.reservation, ticket_id=ticket))
    await depots.comes_to(S.PROPOSED)
    await caught_up(depots.scene)

    [taken] = await depots.scene.rows(tables.reservation, ticket_id=ticket)
    first, second = await depots.scene.rows(tables.replenishment)
    assert taken["replaces_id"] == (await depots.scene.rows(tables.reservation))[0]["id"]
    assert (first["state"], second["transfer_quantity"], second["purchase_quantity"]) == (S.CANCELLED, 2, 1)
    assert await depots.there() == (3, 1)
    decision = await depots.scene.row(tables.decision, ticket_id=ticket)
    assert "REPLENISH-" in str(decision["explanation"])


async def test_a_transfer_cannot_be_moved_and_gives_its_units_back_when_it_is_released(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    depots = await make_depots(engine)
    active = policy()
    hub = await launch(policy=active)
    await approved(depots, clock, active)
    claim = (await depots.scene.rows(tables.reservation))[0]

    shelf = ShelfKey(depots.local_id, depots.product_id, Lane.NORMAL)
    async with transaction(engine) as tx:
        with pytest.raises(InvalidInput, match="is a transfer to another hub"):
            await move_reservation(tx, claim["id"], shelf, actor="ada", at=clock.now(), expires_at=clock.now())
    await hub.commands.release(claim["id"], reason="needed here", key="r", actor="tom")
    await depots.comes_to(S.PROPOSED)

    states = {row["state"] for row in await depots.scene.rows(tables.reservation)}
    assert (states, await depots.there()) == ({ReservationState.RELEASED}, (5, 0))


async def test_a_hub_that_stops_in_between_sends_one_parcel(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    depots = await make_depots(engine)
    active = policy("act: order")
    world.drop_answer = {"POST labels": 1}
    hub = await launch(policy=active)
    await depots.comes_to(S.APPROVED)
    await hub.close()
    hub = await launch(policy=active)
    await eventually(lambda: depots.scene.rows(tables.task, kind="pickup"))
    await picked(depots, hub)
    await depots.comes_to(S.UNDER_WAY)

    assert (len(world.bought()), len(await depots.scene.rows(tables.ticket)), await depots.count()) == (1, 1, 1)
    assert await depots.there() == (2, 0)
