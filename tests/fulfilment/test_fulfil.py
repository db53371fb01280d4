"""From a ticket to a parcel: what happens, and what happens when something does not work."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.fulfilment import world as world_module
from tests.fulfilment.scene import make_scene
from tests.fulfilment.world import World

from connector.fulfilment.options import TicketWrites
from connector.model.lifecycle import ReservationState, ShipmentStatus, TaskState, TicketState
from connector.rules.sourcing.told import told
from connector.storage import tables


async def test_a_ticket_becomes_a_reservation_a_label_a_task_and_a_note(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_scene(engine)
    await launch()

    ticket_id = await scene.open_ticket()
    await scene.finished(1)

    reservation = await scene.row(tables.reservation)
    assert (reservation["ticket_id"], reservation["state"]) == (ticket_id, ReservationState.COMMITTED)
    assert await scene.shelf() == (2, 1)
    shipment = await scene.row(tables.shipment)
    assert (shipment["status"], shipment["carrier"], shipment["service"], shipment["tracking_number"]) == (
        ShipmentStatus.LABEL_CREATED, "dhl", "express", "TRK0001",
    )  # fmt: skip
    label = await scene.row(tables.document)
    assert label["content"] == b"%PDF label TRK0001"
    assert label["sha256"] == hashlib.sha256(b"%PDF label TRK0001").hexdigest()
    assert (label["name"], label["media_type"]) == ("TRK0001.pdf", "application/pdf")
    task = await scene.row(tables.task)
    assert (task["key"], task["state"]) == (f"pickup:{reservation['id']}", TaskState.OPEN)
    assert task["title"] == "Pick Acme SW-48 for ticket 4711"
    spare = await scene.row(tables.asset, id=reservation["asset_id"])
    assert task["packing_list"] == [
        {"product": "Acme SW-48", "part_number": "P-48", "quantity": 1, "serial": spare["serial"],
         "asset_tag": spare["asset_tag"], "is_device": True},
        {"product": "Acme Bracket", "part_number": "BR-1", "quantity": 2, "serial": None, "asset_tag": None,
         "is_device": False},
    ]  # fmt: skip
    decision = await scene.row(tables.decision)
    assert task["due_at"].isoformat().startswith(told(decision["explanation"])["chosen"]["departs_at"][:16])
    assert world.bought() == ["TRK0001"]
    assert world.tracked == ["TRK0001"]
    [note] = world.notes
    assert note["is_public"] is True
    assert note["body"].splitlines() == [
        "A replacement is on its way.",
        "",
        f"Device: Acme SW-48 (serial {spare['serial']}, asset tag {spare['asset_tag']})",
        "From: Berlin Depot (BER)",
        "To: Hamburg Port (HAM)",
        f"Expected: {note['body'].splitlines()[5].removeprefix('Expected: ')}",
        "Carrier: dhl express",
        "Tracking: TRK0001 https://track.example/TRK0001",
        f"Reference: reservation {reservation['id']}",
    ]
    assert note["body"].splitlines()[5].endswith("(Europe/Berlin)")


async def test_what_another_hub_bought_under_the_same_number_is_left_alone(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    theirs = [f"fulfil-1:{step}:20261125T085959.999999Z" for step in ("label", "note")]
    world.labels["TRK0001"] = {
        "key": theirs[0], "number": "TRK0001", "status": "picked_up", "carrier": "dhl", "service": "economy",
        "reference": "4711",
    }  # fmt: skip
    world.notes.append({"key": theirs[1], "ticket": "4711", "body": "Of another hub.", "is_public": True, "id": "1"})
    scene = await make_scene(engine)
    await launch()

    await scene.open_ticket()
    await scene.finished(1)

    assert (await scene.row(tables.reservation))["id"] == 1
    assert (await scene.row(tables.shipment))["tracking_number"] == "TRK0002"
    assert world.labels["TRK0002"]["key"] == "fulfil-1:label:20261125T090000.000000Z"
    assert world.told("4711") == ["Of another hub.", "A replacement is on its way."]


async def test_fields_and_state_are_written_where_they_are_configured(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_scene(engine)
    fields = {"Tracking": "{carrier}: {tracking_number}", "Asset": "{asset_tag}", "Empty": ""}
    await launch(ticket_writes={"itsm": TicketWrites(fields=fields, state=TicketState.IN_PROGRESS)})

    await scene.open_ticket()
    await scene.finished(1)

    spare = await scene.row(tables.asset, id=scene.spare_ids[0])
    assert world.fields == {"4711": {"Tracking": "dhl express: TRK0001", "Asset": spare["asset_tag"]}}
    assert world.states == [("4711", "in_progress")]


async def test_a_near_site_is_served_by_our_own_people_without_a_label(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_scene(engine, near=True)
    await launch()

    await scene.open_ticket()
    await scene.finished(1)

    shipment = await scene.row(tables.shipment)
    assert (shipment["carrier"], shipment["service"], shipment["source_id"]) == ("own", "drive", None)
    assert (shipment["status"], shipment["label_document_id"]) == (ShipmentStatus.PENDING, None)
    assert world.labels == {}
    assert "Transport: brought by our own people, no courier" in world.notes[0]["body"]
    task = await scene.row(tables.task)
    assert task["instructions"] == ("Pick and check the unit at Berlin Depot (BER) and take it to Hamburg Port (HAM).")


async def test_a_lost_answer_does_not_buy_a_second_label_or_write_a_second_note(
    engine: AsyncEngine, launch: Any, world: World
):
    scene = await make_scene(engine)
    world.drop_answer = {"POST labels": 1, "POST notes": 1}
    await launch()

    await scene.open_ticket()
    await scene.finished(1)

    assert len(world.labels) == 1
    assert world.told("4711") == ["A replacement is on its way."]
    assert len(await scene.rows(tables.shipment)) == 1


async def test_a_courier_that_is_down_is_waited_for_and_a_person_is_told(
    engine: AsyncEngine, launch: Any, world: World
):
    scene = await make_scene(engine)
    world.refuse = {"POST quotes": (503, 3)}
    await launch()

    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))
    stalled = await scene.row(tables.task)
    await scene.finished(1)

    assert stalled["title"] == "Sending a spare for ticket 4711 does not get on"
    assert stalled["instructions"].startswith("Step 'offer' is tried again and again: courier: ")
    assert await scene.tasks() == [("stalled", "done"), ("pickup", "open")]
    assert world.bought() == ["TRK0001"]


async def test_a_label_without_service_and_price_has_those_of_its_offer(
    engine: AsyncEngine, launch: Any, world: World, monkeypatch: pytest.MonkeyPatch
):
    """As UPS gives out one whose answer was lost."""
    whole = world_module._label
    monkeypatch.setattr(
        world_module, "_label", lambda label: replace(whole(label), service="", amount_cents=None, currency=None)
    )
    scene = await make_scene(engine)
    await launch()

    await scene.open_ticket()
    await scene.finished(1)

    shipment = await scene.row(tables.shipment)
    offer = next(offer for offer in world.offers if offer["service"] == shipment["service"])
    assert (shipment["service"], shipment["cost_cents"], shipment["currency"]) == (
        "express", offer["amount_cents"], "EUR",
    )  # fmt: skip


async def test_a_refused_label_frees_the_unit_and_asks_a_person(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_scene(engine)
    world.refuse = {"POST labels": (422, 1)}
    await launch()

    await scene.open_ticket()
    await scene.undone(1)

    reservation = await scene.row(tables.reservation)
    assert reservation["state"] is ReservationState.RELEASED
    assert reservation["reason"].startswith("it could not be sent (label): courier: ")
    assert await scene.shelf() == (2, 0)
    assert await scene.tasks() == [("failed", "open")]
    assert (await scene.row(tables.task))["title"] == "A step for ticket 4711 failed: label"
    assert world.notes == []
    assert world.bought() == []


async def test_a_refused_note_voids_the_label_and_calls_off_the_pickup(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_scene(engine)
    world.refuse = {"POST notes": (404, 1)}
    await launch()

    await scene.open_ticket()
    await scene.undone(1)

    assert world.labels["TRK0001"]["status"] == "voided"
    assert (await scene.row(tables.shipment))["status"] is ShipmentStatus.CANCELLED
    assert await scene.tasks() == [("pickup", "cancelled"), ("failed", "open")]
    assert await scene.shelf() == (2, 0)
    assert world.notes == []


async def test_an_unknown_field_is_shown_to_a_person_and_the_parcel_goes_all_the_same(
    engine: AsyncEngine, launch: Any, world: World
):
    scene = await make_scene(engine)
    world.refuse = {"PATCH tickets": (400, 1)}
    await launch(ticket_writes={"itsm": TicketWrites(fields={"Nope": "x"})})

    await scene.open_ticket()
    await scene.finished(1)

    assert world.bought() == ["TRK0001"]
    assert await scene.tasks() == [("pickup", "open"), ("failed", "open")]
    assert (await scene.row(tables.reservation))["state"] is ReservationState.COMMITTED


async def test_a_site_without_a_country_is_named_in_the_task(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_scene(engine, country=None, address=None)
    await launch()

    await scene.open_ticket()
    await scene.undone(1)

    task = await scene.row(tables.task)
    assert task["instructions"] == (
        "Acme SW-48 from Berlin Depot (BER): site 'Hamburg Port (HAM)' has no country in its address, so no courier "
        "can be asked. Complete the site's address at its source."
    )
    assert await scene.shelf() == (2, 0)


async def test_without_a_courier_everything_but_the_label_is_done(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_scene(engine)
    await launch(courier=None)

    await scene.open_ticket()
    await scene.finished(1)

    assert (await scene.row(tables.shipment))["carrier"] == "own"
    assert await scene.tasks() == [("pickup", "open")]
    assert world.told("4711") == ["A replacement is on its way."]
