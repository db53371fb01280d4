"""A van of one's own: from the ticket to the label, and by the code on it to the page and the parcel's events."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.ingest.inbox import process_inbox
from connector.model.kinds import LabelFormat
from connector.model.lifecycle import ReservationState, ShipmentStatus, TicketState
from connector.model.refs import EntityKind
from connector.sdk.connection import Connection, connect
from connector.storage import tables
from tests.api.conftest import OpenHub
from tests.conftest import MovableClock
from tests.fulfilment.scene import Scene, make_engine, make_scene
from tests.fulfilment.world import World
from tests.ingest.adapters import scripted

ADDRESS = "https://hub.example.com"
ON_THE_LABEL = re.compile(r"https://hub\.example\.com(/webhooks/courier\?\S+?)\^FS")


@pytest.fixture
async def van(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Connection]:
    settings = {
        "book": str(tmp_path / "book"), "carrier": "Van", "currency": "EUR", "time_zone": "Europe/Berlin",
        "report_secret": "label-3f9c11d0a7b2", "report_address": f"{ADDRESS}/webhooks/courier",
        "services": [{"name": "round", "base": "9", "per_km": "1", "transit_hours": 5}],
    }  # fmt: skip
    connection = connect("courier", "manual_courier", settings, clock=clock)
    await connection.adapter.check()
    yield connection
    await connection.aclose()


async def sent(scene: Scene, url: str, van: Connection, clock: MovableClock) -> str:
    """A ticket brings a parcel about; where the code on its label leads to."""
    hub = make_engine(
        scene.database, url, {**World().connections(clock), "courier": van}, clock, label_format=LabelFormat.ZPL
    )
    await hub.launch()
    try:
        await scene.open_ticket()
        await scene.finished(1)
    finally:
        await hub.close()
    label = (await scene.row(tables.document))["content"].decode()
    found = ON_THE_LABEL.search(label)
    assert found is not None
    return found[1].replace("_5F", "_")


async def press(client: httpx.AsyncClient, link: str, status: str) -> httpx.Response:
    """Open the page and press one of its buttons."""
    page = await client.get(link, headers={"accept": "text/html"})
    assert page.status_code == 200
    action = re.search(r'action="([^"]*)"', page.text)
    assert action is not None
    address = link.partition("?")[0] + html.unescape(action[1])
    return await client.post(address, data={"status": status, "by": "Kim"}, headers={"accept": "text/html"})


async def test_a_parcel_of_the_own_van_is_followed_by_the_phones_of_its_drivers(
    engine: AsyncEngine, database: str, clock: MovableClock, open_hub: OpenHub, van: Connection
):
    scene = await make_scene(engine)
    link = await sent(scene, database, van, clock)
    parcel = await scene.row(tables.shipment)
    assert (parcel["carrier"], parcel["service"], parcel["status"]) == ("Van", "round", ShipmentStatus.LABEL_CREATED)
    assert parcel["cost_cents"] == 900 + 332 * 100  # 255.2 km over the great circle, 331.8 by road

    async with open_hub(connections={"courier": van}) as hub:
        thanks = await press(hub.client, link, "picked_up")
        assert (thanks.status_code, "is recorded" in thanks.text) == (202, True)
        assert await process_inbox(engine, {"courier": van}, clock=clock) == 1
        assert (await scene.row(tables.shipment))["status"] is ShipmentStatus.PICKED_UP
        [event] = await scene.rows(tables.shipment_event)
        assert (event["description"], event["vendor_code"]) == ("Kim: Picked up", "picked_up")

        again = await press(hub.client, link, "picked_up")
        assert again.status_code == 202
        await process_inbox(engine, {"courier": van}, clock=clock)
        assert len(await scene.rows(tables.shipment_event)) == 1


async def test_a_withdrawn_parcel_is_void_on_the_page_as_well(
    engine: AsyncEngine, database: str, clock: MovableClock, open_hub: OpenHub, van: Connection
):
    scene = await make_scene(engine)
    link = await sent(scene, database, van, clock)
    connections = {**World().connections(clock), "courier": van}
    fulfilment = make_engine(engine, database, connections, clock)
    await fulfilment.launch()
    try:
        ticket_id = (await scene.row(tables.ticket))["id"]
        await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.CANCELLED)
        await scene.undone(1)
    finally:
        await fulfilment.close()

    async with open_hub(connections={"courier": van}) as hub:
        page = await hub.client.get(link)

    assert (await scene.row(tables.reservation))["state"] is ReservationState.RELEASED
    assert "do not carry the parcel" in page.text


async def test_only_addresses_that_were_given_out_show_a_page(clock: MovableClock, open_hub: OpenHub, van: Connection):
    _, cmdb = scripted(clock)
    async with open_hub(connections={"courier": van, "cmdb": cmdb}) as hub:
        answers = [await hub.client.get(f"/webhooks/{path}") for path in ("courier?parcel=VAN1&proof=x", "cmdb", "no")]

    assert [answer.status_code for answer in answers] == [401, 405, 405]
    assert answers[0].json()["errors"][0]["message"] == "the link's proof does not fit its parcel"
    assert answers[1].headers["allow"] == "POST"


async def test_a_page_may_do_nothing_but_send_its_form(
    engine: AsyncEngine, database: str, clock: MovableClock, open_hub: OpenHub, van: Connection
):
    link = await sent(await make_scene(engine), database, van, clock)
    async with open_hub(connections={"courier": van}) as hub:
        answer = await hub.client.get(link)

    policy = answer.headers["content-security-policy"]
    assert [part.strip() for part in policy.split(";")] == [
        "default-src 'none'", "style-src 'unsafe-inline'", "form-action 'self'", "base-uri 'none'",
        "frame-ancestors 'none'",
    ]  # fmt: skip
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
