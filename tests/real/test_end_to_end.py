"""From a ticket in the real service desk to a tracked parcel of the real courier, with the hub as a customer runs it.

Nautobot, Request Tracker and Karrio are as their makers ship them; the hub is `connector serve` on SQLite.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest

from connector.demo.fleet import Device, demo_fleet
from connector.model.geo import great_circle_km
from connector.model.kinds import HubTier
from tests.real.hub import Hub, Subscriber
from tests.real.karrio import CARRIER, SERVICES
from tests.real.observed import Observed
from tests.real.settings import start_hub
from tests.real.systems import Systems

BEYOND_DRIVING_KM = 250
"""So far from every hub nobody drives, and a courier is asked."""
MODEL = "PA-220"
"""Held in most hubs, and nothing may stand in for it."""

COUNTS = """
{ assets { totalCount } tickets { totalCount } sites { totalCount } hubs { totalCount }
  locals: hubs(filter: { tier: { eq: LOCAL } }) { totalCount }
  quarantine(filter: { resolvedAt: { isNull: true }, source: { name: { in: ["cmdb", "itsm"] } } }) {
    totalCount nodes { reason }
  }
  sources { nodes { name state lastError } } }
"""
TICKET = """
query Ticket($number: String!) {
  ticket(number: $number) {
    id state priority asset { serial } site { name } decision { outcome reason }
    reservations { id state hub { name } product { model } asset { serial state } }
    shipments { id externalId status carrier service costCents currency trackingNumber label { url }
                events { status description occurredAt } }
    tasks { kind state title }
  }
}
"""
ASSETS = """
query Assets($filter: AssetFilter!) {
  assets(filter: $filter, includeRetired: true) { totalCount nodes { assetTag serial state retiredAt } }
}
"""
RESERVATIONS = """
subscription Reservations($after: String) { reservations(after: $after) {
  cursor actor before after reservation { state ticket { number } hub { name } product { model } } } }
"""
SHIPMENTS = """
subscription Shipments($after: String) { shipmentStatus(after: $after) {
  cursor actor before after shipment { trackingNumber ticket { number } } } }
"""


@pytest.fixture(scope="module")
def observed() -> Iterator[Observed]:
    seen = Observed()
    yield seen
    seen.tell()


@pytest.fixture(scope="module")
def hub(systems: Systems, observed: Observed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    for system in (systems.cmdb, systems.desk, systems.parcels):
        observed.seconds(f"{type(system).__name__} up", sum(system.durations.values()))
    hub = start_hub(tmp_path_factory.mktemp("hub"), systems)
    observed.seconds("hub start to first answered query", hub.start_seconds)
    yield hub
    hub.stop()


@pytest.fixture
async def loaded(hub: Hub, observed: Observed) -> Hub:
    """The hub, when everything of the systems is in it."""
    began = time.monotonic()
    devices, tickets = len(demo_fleet().devices), 240
    counts = await hub.ask_until(
        COUNTS,
        lambda data: (
            data["assets"]["totalCount"] >= devices
            and data["tickets"]["totalCount"] >= tickets
            and data["locals"]["totalCount"] > 0
        ),
        seconds=600,
    )
    if not observed.has("devices"):
        observed.seconds("devices and tickets pulled", time.monotonic() - began)
        observed.count("devices", counts["assets"]["totalCount"])
        observed.count("tickets", counts["tickets"]["totalCount"])
        observed.count("sites", counts["sites"]["totalCount"])
        observed.count("hubs", counts["hubs"]["totalCount"])
    return hub


@pytest.fixture
async def followed(loaded: Hub) -> AsyncIterator[tuple[Subscriber, Subscriber]]:
    """Clients that follow reservations and shipments from now on."""
    after = (await loaded.ask("{ feedCursor }"))["feedCursor"]
    async with AsyncExitStack() as stack:
        followers = (
            Subscriber(loaded.url, RESERVATIONS, "reservations", {"after": after}),
            Subscriber(loaded.url, SHIPMENTS, "shipmentStatus", {"after": after}),
        )
        for follower in followers:
            await stack.enter_async_context(follower)
        yield followers


async def test_everything_of_the_real_systems_is_in_the_hub(loaded: Hub) -> None:
    counts = await loaded.ask(COUNTS)

    fleet = demo_fleet()
    assert counts["assets"]["totalCount"] >= 2_000
    assert counts["assets"]["totalCount"] == len(fleet.devices)
    assert counts["tickets"]["totalCount"] >= 200
    assert counts["sites"]["totalCount"] == len(fleet.sites)
    assert counts["hubs"]["totalCount"] == len(fleet.hubs)
    assert counts["locals"]["totalCount"] == len([hub for hub in fleet.hubs if hub.tier is HubTier.LOCAL])
    assert counts["quarantine"] == {"totalCount": 0, "nodes": []}
    assert [source for source in counts["sources"]["nodes"] if source["lastError"] is not None] == []


async def test_a_p1_becomes_a_reserved_labelled_tracked_spare(
    systems: Systems, loaded: Hub, followed: tuple[Subscriber, Subscriber], observed: Observed
) -> None:
    reservations, shipments = followed
    device = next_remote_device()
    began = time.monotonic()

    number = open_p1(systems, device)

    told = await reservations.until(lambda event: _of(event, "reservation", number), seconds=120)
    observed.seconds("ticket opened to reservation event at the subscriber", time.monotonic() - began)
    assert (told["before"], told["after"]) == (None, "HELD")
    assert told["reservation"]["product"] == {"model": MODEL}
    labelled = await shipments.until(
        lambda event: _of(event, "shipment", number) and event["after"] == "LABEL_CREATED", seconds=120
    )
    observed.seconds("ticket opened to label event at the subscriber", time.monotonic() - began)

    note = await wait_for_note(systems, number, labelled["shipment"]["trackingNumber"])
    observed.seconds("ticket opened to note on the ticket", time.monotonic() - began)
    ticket = (await loaded.ask(TICKET, number=number))["ticket"]
    assert (ticket["priority"], ticket["asset"], ticket["site"]) == (
        "P1", {"serial": device.serial}, {"name": device.place.name},
    )  # fmt: skip
    (reservation,) = ticket["reservations"]
    assert (reservation["state"], reservation["product"]) == ("COMMITTED", {"model": MODEL})
    assert reservation["asset"]["state"] == "RESERVED"
    assert reservation["asset"]["serial"] in spares_at(reservation["hub"]["name"])
    (shipment,) = ticket["shipments"]
    prices = {service.code: service.cents for service in SERVICES}
    assert (shipment["carrier"], shipment["currency"]) == (CARRIER, "USD")
    assert shipment["costCents"] == prices[shipment["service"]]
    assert [(task["kind"], task["state"]) for task in ticket["tasks"]] == [("PICKUP", "OPEN")]

    real = parcel_of(systems, shipment["externalId"])
    assert (real["status"], real["tracking_number"]) == ("created", shipment["trackingNumber"])
    label = await label_of(loaded, shipment)
    assert label[:4] == b"%PDF"
    assert label == real_label(systems, real)
    observed.count("bytes of the label", len(label))
    assert f"Tracking: {shipment['trackingNumber']}" in note
    assert f"From: {reservation['hub']['name']}" in note
    assert real_ticket_field(systems, number, "Tracking Number") == [shipment["trackingNumber"]]

    began = time.monotonic()
    left = scan("transit", "left the depot", datetime.now(UTC) - timedelta(minutes=1))
    report(systems, shipment["trackingNumber"], left)
    moved = await shipments.until(
        lambda event: _of(event, "shipment", number) and event["after"] == "IN_TRANSIT", seconds=180
    )
    observed.seconds("courier's scan to event at the subscriber, through Karrio's tracker", time.monotonic() - began)
    assert moved["actor"] == "webhook:parcels"
    report(systems, shipment["trackingNumber"], left, scan("delivered", "handed over", datetime.now(UTC)))
    delivered = await shipments.until(
        lambda event: _of(event, "shipment", number) and event["after"] == "DELIVERED", seconds=180
    )
    assert delivered["actor"] == "webhook:parcels"
    ticket = (await loaded.ask(TICKET, number=number))["ticket"]
    assert [event["description"] for event in ticket["shipments"][0]["events"]] == ["left the depot", "handed over"]


async def test_cancelling_the_ticket_voids_the_real_label_and_frees_the_spare(
    systems: Systems, loaded: Hub, followed: tuple[Subscriber, Subscriber], observed: Observed
) -> None:
    reservations, shipments = followed
    number = open_p1(systems, next_remote_device())
    await shipments.until(
        lambda event: _of(event, "shipment", number) and event["after"] == "LABEL_CREATED", seconds=120
    )
    before = (await loaded.ask(TICKET, number=number))["ticket"]
    await wait_for_note(systems, number, before["shipments"][0]["trackingNumber"])
    began = time.monotonic()

    with systems.desk.client() as client:
        client.put(f"ticket/{number}", json={"Status": "rejected"}).raise_for_status()

    await reservations.until(
        lambda event: _of(event, "reservation", number) and event["after"] == "RELEASED", seconds=120
    )
    await shipments.until(lambda event: _of(event, "shipment", number) and event["after"] == "CANCELLED", seconds=120)
    observed.seconds("ticket cancelled to label voided and spare released", time.monotonic() - began)
    note = await wait_for_note(systems, number, "was called back")
    assert "The courier's label was cancelled." in note
    assert parcel_of(systems, before["shipments"][0]["externalId"])["status"] == "cancelled"
    after = await loaded.ask_until(
        TICKET,
        lambda data: data["ticket"]["tasks"][0]["state"] == "CANCELLED",
        number=number, seconds=60,
    )  # fmt: skip
    assert after["ticket"]["state"] == "CANCELLED"
    assert [(item["id"], item["state"]) for item in after["ticket"]["reservations"]] == [
        (before["reservations"][0]["id"], "RELEASED")
    ]
    serial = before["reservations"][0]["asset"]["serial"]
    freed = await loaded.ask(ASSETS, filter={"serial": {"eq": serial}})
    assert freed["assets"]["nodes"][0]["state"] == "IN_STOCK"


async def test_a_device_deleted_in_nautobot_is_retired(systems: Systems, loaded: Hub, observed: Observed) -> None:
    tag = f"AT-NEW-{datetime.now(UTC):%H%M%S}"
    with systems.cmdb.client() as client:
        like = client.get("/api/dcim/devices/", params={"limit": 1, "asset_tag": "AT-000001"}).json()["results"][0]
        parts = {name: like[name]["id"] for name in ("device_type", "role", "location", "status")}
        made = client.post("/api/dcim/devices/", json={"name": tag.lower(), "asset_tag": tag, **parts})
        device = made.raise_for_status().json()["id"]
        began = time.monotonic()
        await loaded.ask_until(
            ASSETS, lambda data: data["assets"]["totalCount"] == 1, filter={"assetTag": {"eq": tag}}, seconds=400
        )
        observed.seconds("device made in Nautobot to asset in the hub", time.monotonic() - began)
        began = time.monotonic()

        client.delete(f"/api/dcim/devices/{device}/").raise_for_status()

    gone = await loaded.ask_until(
        ASSETS,
        lambda data: data["assets"]["nodes"][0]["retiredAt"] is not None,
        filter={"assetTag": {"eq": tag}},
        seconds=400,
    )
    observed.seconds("device deleted in Nautobot to asset retired", time.monotonic() - began)
    assert gone["assets"]["nodes"][0]["state"] == "RETIRED"


_taken = count()


def next_remote_device() -> Device:
    """A device in use that no test has had yet, of the model, far from every hub."""
    fleet = demo_fleet()
    remote = [
        device
        for device in fleet.devices
        if not device.is_spare
        and device.model.model == MODEL
        and min(great_circle_km(device.place.point, hub.point) for hub in fleet.hubs) > BEYOND_DRIVING_KM
    ]
    return remote[next(_taken)]


def spares_at(hub_name: str) -> set[str]:
    """Serials of the model's units that the fleet has in a hub."""
    return {
        device.serial
        for device in demo_fleet().devices
        if device.is_spare and device.model.model == MODEL and device.place.name == hub_name
    }


def open_p1(systems: Systems, device: Device) -> str:
    """Open a ticket as a person at the service desk does; its number."""
    with systems.desk.client() as client:
        made = client.post(
            "ticket",
            json={
                "Queue": systems.desk.queue,
                "Subject": f"{device.name} is dead, the site is offline",
                "Content": "No power on either supply.",
                "CustomFields": {"Asset Tag": device.asset_tag, "Hub Priority": "P1"},
            },
        )
        return str(made.raise_for_status().json()["id"])


async def wait_for_note(systems: Systems, number: str, text: str) -> str:
    """A note on the real ticket that has the text, waited for; read as any client of Request Tracker would."""
    deadline = time.monotonic() + 120
    while True:
        with systems.desk.client() as client:
            found = client.get(f"ticket/{number}/attachments", params={"fields": "Content", "per_page": 100})
        notes: list[str] = [item["Content"] for item in found.raise_for_status().json()["items"]]
        for note in notes:
            if text in note:
                return note
        assert time.monotonic() < deadline, f"no note of ticket {number} says {text!r}: {notes}"
        await asyncio.sleep(0.5)


def real_ticket_field(systems: Systems, number: str, name: str) -> list[str]:
    """Values of a custom field of the real ticket."""
    with systems.desk.client() as client:
        ticket = client.get(f"ticket/{number}").raise_for_status().json()
    values: list[str] = next(field["values"] for field in ticket["CustomFields"] if field["name"] == name)
    return values


def parcel_of(systems: Systems, external_id: str) -> dict[str, Any]:
    """The shipment as Karrio has it."""
    with systems.parcels.client() as client:
        shipment: dict[str, Any] = client.get(f"/v1/shipments/{external_id}").raise_for_status().json()
    return shipment


def real_label(systems: Systems, parcel: dict[str, Any]) -> bytes:
    """The label's file as Karrio has it."""
    with systems.parcels.client() as client:
        return client.get(parcel["label_url"]).raise_for_status().content


async def label_of(hub: Hub, shipment: dict[str, Any]) -> bytes:
    """The label's file as the hub serves it."""
    async with httpx.AsyncClient(base_url=hub.url) as client:
        return (await client.get(shipment["label"]["url"])).raise_for_status().content


def scan(status: str, text: str, at: datetime) -> dict[str, str]:
    """A scan as the tracking feed is told of it."""
    return {"status": status, "at": f"{at:%Y-%m-%dT%H:%M:%S}", "place": "Leipzig", "text": text}


def report(systems: Systems, tracking_number: str, *scans: dict[str, str]) -> None:
    """Have the courier report a parcel's scans, all that there are, newest last."""
    told = {"events": list(scans)}
    httpx.put(f"{systems.parcels.feed_url}/parcels/{tracking_number}", json=told).raise_for_status()


def _of(event: dict[str, Any], what: str, number: str) -> bool:
    return bool(event[what] and event[what]["ticket"] and event[what]["ticket"]["number"] == number)
