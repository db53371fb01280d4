"""What follows from changes: decisions, second thoughts, and nothing at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import NOW, insert_row, make_asset
from tests.fulfilment.scene import Scene, make_engine, make_scene
from tests.fulfilment.world import World

from connector.fulfilment.engine import FulfilmentEngine
from connector.fulfilment.options import TicketWrites
from connector.fulfilment.react import READER
from connector.model.errors import Unavailable
from connector.model.lifecycle import AssetState, ReservationState, ShipmentStatus, TicketState
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.changes import NewChange, last_position, log_changes, reader_position
from connector.storage.database.engine import reading, transaction

UNPUBLISHED = select(tables.change.c.id).where(tables.change.c.position.is_(None)).limit(1)
"""What no reader of the log can see yet."""


async def caught_up(scene: Scene) -> None:
    """Wait until the reactor has read everything."""

    async def is_level() -> bool:
        async with reading(scene.database) as tx:
            is_published = (await tx.execute(UNPUBLISHED)).first() is None
            return is_published and await reader_position(tx, READER) == await last_position(tx)

    await eventually(is_level)


async def test_a_ticket_whose_device_is_unknown_waits_for_a_person_and_is_served_once_it_is_known(
    engine: AsyncEngine, launch: Any
):
    scene = await make_scene(engine)
    await launch()

    ticket_id = await scene.open_ticket(asset_id=None, asset_hint="AT-?", site_id=scene.site_id)
    await eventually(lambda: scene.rows(tables.task))
    task = await scene.row(tables.task)
    assert (task["key"], task["title"]) == (
        f"review:{ticket_id}:asset_unknown",
        "Ticket 4711 needs a decision: asset unknown",
    )
    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, asset_id=scene.failed_id)
    await scene.finished(1)

    assert await scene.tasks() == [("review", "done"), ("pickup", "open")]


async def test_stock_that_arrives_serves_the_tickets_that_waited_for_it(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine, spares=0)
    await launch()
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))
    assert [row["key"].split(":")[2] for row in await scene.rows(tables.task)] == ["no_compatible_stock"]

    async with engine.begin() as tx:
        await make_asset(tx, hub_id=scene.hub_id, product_id=scene.product_id, state="in_stock")
    stock = await scene.row(tables.stock, product_id=scene.product_id)
    await scene.change(tables.stock, EntityKind.STOCK, stock["id"], on_hand=1)
    await scene.finished(1)

    assert await scene.tasks() == [("review", "done"), ("pickup", "open")]
    assert await scene.shelf() == (1, 1)


async def test_stock_that_helps_nobody_is_looked_at_and_leaves_no_second_decision(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine, spares=0)
    await launch()
    ticket_id = await scene.open_ticket(priority="P4")
    await eventually(lambda: scene.rows(tables.task))
    stock = await scene.row(tables.stock, product_id=scene.product_id)
    await scene.change(tables.stock, EntityKind.STOCK, stock["id"], on_hand=1, safety_stock=9)
    await eventually(lambda: scene.rows(tables.decision, reason="nothing_allowed"))

    for units in (2, 3):
        await scene.change(tables.stock, EntityKind.STOCK, stock["id"], on_hand=units)
        await caught_up(scene)

    reasons = [row["reason"] for row in await scene.rows(tables.decision, ticket_id=ticket_id)]
    assert reasons == ["no_compatible_stock", "nothing_allowed"]
    assert len(await scene.rows(tables.change, kind="decision")) == 2
    assert [row["key"].split(":")[2] for row in await scene.rows(tables.task, state="open")] == ["nothing_allowed"]


async def test_a_site_that_gets_its_position_is_decided_about_again(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine, latitude=None, longitude=None)
    await launch()
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))

    await scene.change(tables.site, EntityKind.SITE, scene.site_id, latitude=53.55, longitude=9.993)
    await scene.finished(1)

    assert await scene.tasks() == [("review", "done"), ("pickup", "open")]


async def test_our_own_writes_coming_back_decide_nothing(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_scene(engine)
    await launch(ticket_writes={"itsm": TicketWrites(state=TicketState.IN_PROGRESS)})
    ticket_id = await scene.open_ticket()
    await scene.finished(1)

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.IN_PROGRESS)
    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, assignee="ada", url="https://itsm.example/4711")
    await caught_up(scene)

    assert len(await scene.rows(tables.decision)) == 1
    assert len(await scene.rows(tables.reservation)) == 1
    assert len(world.notes) == 1


async def test_a_ticket_that_is_edited_after_it_was_served_gets_no_second_unit(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine)
    await launch()
    ticket_id = await scene.open_ticket()
    await scene.finished(1)

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, title="Switch is very dead", priority="P2")
    await caught_up(scene)

    assert len(await scene.rows(tables.decision)) == 1
    assert await scene.shelf() == (2, 1)


async def test_a_second_ticket_about_a_device_is_served_when_the_first_is_cancelled(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine)
    await launch()
    first = await scene.open_ticket()
    await scene.finished(1)
    second = await scene.open_ticket("4712", asset_id=scene.failed_id)
    await caught_up(scene)
    assert [row["reason"] for row in await scene.rows(tables.decision)] == ["sourced", "relieved"]
    assert await scene.shelf() == (2, 1)

    await scene.change(tables.ticket, EntityKind.TICKET, first, state=TicketState.CANCELLED)
    await scene.finished(2)

    live = [row for row in await scene.rows(tables.reservation) if row["state"] is ReservationState.COMMITTED]
    assert [row["ticket_id"] for row in live] == [second]
    assert await scene.shelf() == (2, 1)


async def test_a_ticket_that_turns_out_to_be_about_another_device_is_for_a_person_to_judge(
    engine: AsyncEngine, launch: Any
):
    scene = await make_scene(engine)
    await launch()
    ticket_id = await scene.open_ticket()
    await scene.finished(1)
    async with engine.begin() as tx:
        other = await make_asset(tx, site_id=scene.site_id, product_id=scene.product_id + 1)

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, asset_id=other)
    await caught_up(scene)

    assert await scene.tasks() == [("pickup", "open"), ("review", "open")]
    assert (await scene.rows(tables.task))[1]["key"] == f"review:{ticket_id}:hardware_changed"


@pytest.mark.parametrize("state", ["cancelled", "resolved", "closed"])
async def test_a_ticket_that_ends_before_the_pickup_has_everything_undone(
    engine: AsyncEngine, launch: Any, world: World, state: str
):
    scene = await make_scene(engine)
    await launch()
    ticket_id = await scene.open_ticket()
    await scene.finished(1)

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState(state))
    await scene.undone(1)

    reservation = await scene.row(tables.reservation)
    assert (reservation["state"], reservation["reason"]) == (ReservationState.RELEASED, f"ticket 4711 is {state}")
    assert await scene.shelf() == (2, 0)
    assert (await scene.row(tables.shipment))["status"] is ShipmentStatus.CANCELLED
    assert await scene.tasks() == [("pickup", "cancelled")]
    assert world.bought() == []
    spare = await scene.row(tables.asset, id=reservation["asset_id"])
    assert world.notes[1]["body"].splitlines() == [
        f"The replacement announced earlier (Acme SW-48 (serial {spare['serial']}, asset tag {spare['asset_tag']}) "
        "from Berlin Depot (BER)) was called back.",
        "",
        f"Reason: ticket 4711 is {state}",
        "The courier's label was cancelled.",
        f"Reference: reservation {reservation['id']}",
    ]


async def test_a_cancelled_ticket_whose_courier_is_down_is_undone_although_the_fulfilment_waits(
    engine: AsyncEngine, launch: Any, world: World
):
    scene = await make_scene(engine)
    world.refuse = {"POST quotes": (503, 1_000)}
    await launch()
    ticket_id = await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.CANCELLED)
    await scene.undone(1)

    assert await scene.shelf() == (2, 0)
    assert world.bought() == []
    assert await scene.tasks() == [("stalled", "cancelled")]


async def test_a_label_that_is_under_way_already_is_brought_back_by_a_person(
    engine: AsyncEngine, launch: Any, world: World
):
    scene = await make_scene(engine)
    await launch()
    ticket_id = await scene.open_ticket()
    await scene.finished(1)
    world.labels["TRK0001"]["status"] = "picked_up"

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.CANCELLED)
    await scene.undone(1)

    assert await scene.tasks() == [("pickup", "cancelled"), ("bring-back", "open")]
    task = (await scene.rows(tables.task))[1]
    assert task["title"] == "Bring back shipment TRK0001 of ticket 4711"
    assert (await scene.row(tables.reservation))["state"] is ReservationState.FULFILLED
    assert await scene.shelf() == (1, 0)
    assert "is no longer needed, but is already under way." in world.notes[1]["body"]


async def test_a_label_that_its_courier_does_not_take_back_is_destroyed_by_a_person(
    engine: AsyncEngine, launch: Any, world: World
):
    scene = await make_scene(engine)
    world.refuse = {"POST void": (405, 1)}
    await launch()
    ticket_id = await scene.open_ticket()
    await scene.finished(1)

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.CANCELLED)
    await scene.undone(1)

    assert await scene.tasks() == [("pickup", "cancelled"), ("destroy", "open")]
    task = (await scene.rows(tables.task))[1]
    assert task["title"] == "Destroy the label of shipment TRK0001 of ticket 4711"
    assert (await scene.row(tables.shipment))["status"] is ShipmentStatus.CANCELLED
    assert await scene.shelf() == (2, 0)
    assert "label was cancelled" not in world.notes[1]["body"]


async def test_a_scan_by_the_courier_books_the_unit_out_of_the_hub(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine)
    await launch()
    await scene.open_ticket()
    await scene.finished(1)
    shipment = await scene.row(tables.shipment)

    await scene.change(tables.shipment, EntityKind.SHIPMENT, shipment["id"], status=ShipmentStatus.IN_TRANSIT)
    await caught_up(scene)

    reservation = await scene.row(tables.reservation)
    assert reservation["state"] is ReservationState.FULFILLED
    assert await scene.shelf() == (1, 0)
    assert await scene.tasks() == [("pickup", "done")]
    assert (await scene.row(tables.asset, id=reservation["asset_id"]))["state"] is AssetState.IN_TRANSIT


async def test_a_delivery_is_told_once(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_scene(engine)
    hub = await launch()
    await scene.open_ticket()
    await scene.finished(1)
    shipment = await scene.row(tables.shipment)
    world.drop_answer = {"POST notes": 1}

    await scene.change(tables.shipment, EntityKind.SHIPMENT, shipment["id"], status=ShipmentStatus.DELIVERED)
    await eventually(lambda: scene.has_receipt(f"delivered-{shipment['id']}:note"))
    await scene.change(tables.shipment, EntityKind.SHIPMENT, shipment["id"], tracking_url="https://track.example/new")
    await hub.commands.receive(shipment["id"], key="r1", actor="ada")
    await caught_up(scene)

    first, *others = [line.split(" at ")[0] for line in world.told("4711")]
    assert first == "A replacement is on its way."
    assert sorted(others) == [  # by two workflows
        "The replacement is there: the unit that has failed is to come back.",
        "The replacement was delivered.",
    ]


async def test_a_lost_parcel_is_shown_to_a_person(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine)
    await launch()
    await scene.open_ticket()
    await scene.finished(1)
    shipment = await scene.row(tables.shipment)

    await scene.change(tables.shipment, EntityKind.SHIPMENT, shipment["id"], status=ShipmentStatus.LOST)
    await eventually(lambda: scene.rows(tables.task, kind="review"))

    assert (await scene.row(tables.task, kind="review"))["title"] == "Shipment TRK0001: lost"


async def test_a_ticket_that_comes_in_closed_is_not_decided_about(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine)
    await launch()

    await scene.open_ticket(state="closed")
    await caught_up(scene)

    assert await scene.rows(tables.decision) == []


async def test_two_processes_react_to_each_change_once(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_scene(engine, spares=8)
    hub = await launch()
    for number in range(5):
        await scene.open_ticket(number=f"T{number}")

    for _ in range(3):
        await hub.reactor.catch_up()
    await scene.finished(5)

    assert len(await scene.rows(tables.decision)) == 5
    assert len(world.bought()) == 5
    assert await scene.shelf() == (8, 5)


async def test_a_hold_that_was_not_committed_in_time_is_given_back_and_shown(
    engine: AsyncEngine, database: str, world: World, clock: MovableClock
):
    scene = await make_scene(engine)
    hub = make_engine(engine, database, world.connections(clock), clock)
    await scene.open_ticket()
    with pytest.raises(Unavailable):
        await hub.commands.cancel(await held_ticket(hub, scene), reason="x", key="k", actor="ada")
    assert await scene.shelf() == (2, 1)

    clock.advance(timedelta(minutes=59))
    assert await hub.expire() == 0
    clock.advance(timedelta(minutes=1))
    assert await hub.expire() == 1

    assert (await scene.row(tables.reservation))["state"] is ReservationState.EXPIRED
    assert await scene.shelf() == (2, 0)
    assert (await scene.row(tables.task))["title"] == "Ticket 4711 needs a decision: reservation expired"


async def held_ticket(hub: FulfilmentEngine, scene: Scene) -> int:
    """Reserve without anything that fulfils it."""
    ticket = await scene.row(tables.ticket)
    await hub.commands.reserve_for_ticket(ticket["id"], key="r", actor="ada")
    return int(ticket["id"])


async def test_a_change_that_cannot_be_dealt_with_is_shown_and_the_next_ones_go_on(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine)
    broken = await scene.open_ticket("4710", state="closed")
    async with transaction(engine) as tx:
        nonsense = NewChange(EntityKind.TICKET, broken, "updated", {"state": ("new", "teleported")})
        unknown = NewChange(EntityKind.TICKET, 999, "created", {"state": (None, "new")})
        await log_changes(tx, [nonsense, unknown], actor="itsm", at=NOW)
    await launch()

    await scene.open_ticket("4711")
    await scene.finished(1)

    assert await scene.tasks() == [("error", "open"), ("pickup", "open")]
    assert (await scene.rows(tables.task))[0]["title"] == f"A change of ticket {broken} could not be dealt with"


async def test_a_ticket_that_turns_out_to_be_a_duplicate_gives_its_unit_back_and_gets_one_when_its_master_is_cancelled(
    engine: AsyncEngine, launch: Any
):
    scene = await make_scene(engine)
    await launch()
    first, second = await scene.open_ticket("INC-1"), await scene.open_ticket("INC-2")
    await scene.finished(2)

    link = {"ticket_id": second, "kind": "duplicate_of", "source_id": scene.source_id, "external_id": "INC-1"}
    async with transaction(engine) as tx:
        await insert_row(tx, tables.ticket_link, {**link, "other_id": first, "created_at": NOW})
        fields = {"duplicate_of": (None, "INC-1")}
        await log_changes(tx, [NewChange(EntityKind.TICKET, second, "updated", fields)], actor="itsm", at=NOW)
    await scene.undone(1)
    await caught_up(scene)
    taken_back = await scene.row(tables.reservation, ticket_id=second)
    assert taken_back["state"] is ReservationState.RELEASED
    assert taken_back["reason"] == "duplicate of ticket INC-1, which has a unit (reservation 1)"
    assert await scene.shelf() == (2, 1)

    await scene.change(tables.ticket, EntityKind.TICKET, first, state=TicketState.CANCELLED)
    await scene.undone(2)
    await scene.finished(3)

    states = [row["state"] for row in await scene.rows(tables.reservation, ticket_id=second)]
    assert states == [ReservationState.RELEASED, ReservationState.COMMITTED]
