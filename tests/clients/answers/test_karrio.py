"""What Karrio's description says that it answers."""

from __future__ import annotations

import base64
from contextlib import aclosing
from datetime import timedelta

from connector.sdk import Address, BuyLabel, Party, TrackShipment, VoidLabel
from connector.sdk.courier import CancelPickup
from connector.sdk.testing import MovableClock, shipment_ref
from connector_karrio.adapter import TRACKERS
from connector_karrio.pickups import SchedulePickup
from connector_karrio.sandbox import KarrioSandbox
from connector_karrio.sandbox.system import PARCEL
from tests.clients.answers.documented import Description
from tests.clients.answers.trials import NOON, Trial, tried
from tests.clients.described import description

PUBLIC = "public in github.com/karrioapi/karrio: schemas/openapi.yml at commit deea10f"
DEPOT = Party("Depot Berlin", Address(line1="1 Yard", city="Berlin", postal_code="10115", country="DE"))
HOUR = timedelta(hours=1)
KNOWN = {
    "events.timestamp": "2026-11-25T10:00:00Z", "created_at": "2026-11-25T10:00:00Z", "currency": "EUR",
    "base64": base64.b64encode(b"%PDF-1.4 label").decode(),
}  # fmt: skip
"""Times, a currency and a file, where Karrio's description has any text."""


def sandbox(clock: MovableClock) -> KarrioSandbox:
    return KarrioSandbox(clock, journey=())


async def check(trial: Trial) -> object:
    return await trial.adapter.check()


async def quote(trial: Trial) -> object:
    return await trial.adapter.quote(PARCEL)


def known(trial: Trial) -> None:
    """Have the sandbox know the shipment that a documented answer is about."""
    number = (trial.body or {}).get("id")
    if number is not None:
        trial.sandbox.office.shipments[number] = trial.sandbox.bought("another")


async def buy(trial: Trial) -> object:
    known(trial)
    return await trial.adapter.buy_label(BuyLabel("k1", PARCEL, "INC-1"))


async def find(trial: Trial) -> object:
    trial.sandbox.bought("k1")
    return await trial.adapter.find_label("k1")


async def void(trial: Trial) -> object:
    return await trial.adapter.void_label(VoidLabel("k2", shipment_ref(trial.sandbox.bought("k1"))))


async def schedule(trial: Trial) -> object:
    times = {"earliest": NOON + HOUR, "latest": NOON + 5 * HOUR}
    shipment = shipment_ref(trial.sandbox.bought("k1"))
    return await trial.adapter.schedule_pickup(SchedulePickup("k3", shipment, DEPOT, **times))


async def cancel(trial: Trial) -> object:
    number = (trial.body or {}).get("id", "pck_1")
    trial.sandbox.office.pickups[number] = {"id": number, "status": "scheduled"}
    return await trial.adapter.cancel_pickup(CancelPickup("k4", number))


async def track(trial: Trial) -> object:
    return await trial.adapter.track(TrackShipment("k5", "70009999999999", "sandpost"))


async def pull(trial: Trial) -> object:
    """The first page: where a documented answer says that another follows, that is the same again."""
    trial.sandbox.add_tracker("70009999999999", NOON - HOUR)
    async with aclosing(trial.adapter.pull(TRACKERS, None)) as batches:
        return [await anext(batches)]


async def test_what_karrio_documents_is_read():
    description("karrio-server.yml", PUBLIC)
    found = await tried(
        "karrio",
        sandbox,
        [check, quote, buy, find, void, schedule, cancel, track, pull],
        [Description("karrio-server.yml", known=KNOWN)],
    )

    assert found.undescribed == set()
    assert found.asked == {
        "GET /", "GET /v1/connections", "POST /v1/proxy/rates", "GET /v1/shipments", "POST /v1/shipments",
        "GET /v1/shipments/{id}", "POST /v1/shipments/{id}/purchase", "POST /v1/shipments/{id}/cancel",
        "POST /v1/shipments/{id}/documents/{doc}", "GET /v1/pickups", "POST /v1/pickups", "GET /v1/pickups/{id}",
        "POST /v1/pickups/{id}/cancel", "GET /v1/trackers", "POST /v1/trackers",
    }  # fmt: skip
    assert found.departures == {**HANDLED, **IMAGES, **OF_ANOTHER_REQUEST, **AGAINST_ITSELF}


HANDLED = {
    # the label is bought: that its file is missing is no reason to give it up
    "buy: POST /v1/shipments/{id}/documents/{doc} 404": "UnexpectedResponse",
    "find: POST /v1/shipments/{id}/documents/{doc} 404": "UnexpectedResponse",
    # there was nothing to cancel, and yet the shipment is not cancelled
    "void: POST /v1/shipments/{id}/cancel 304": "UnexpectedResponse",
    # pages of pickups that are the same again, without end
    "schedule: GET /v1/pickups 200 full": (
        "UnexpectedResponse: Karrio's list of pickups does not go on: behind 1 is nothing new, and more follow"
    ),
}
IMAGES = {
    # the third of four words for a label's form, where PDF was asked for
    f"buy: {purchase} full {turn}": "UnexpectedResponse: the label of shipment string is a PNG, not PDF or ZPL"
    for purchase in ("POST /v1/shipments 201", "POST /v1/shipments/{id}/purchase 200")
    for turn in range(2, 39, 4)
}
OF_ANOTHER_REQUEST = {
    # the documented shipment is carried by nobody whom the sandbox knows
    "schedule: GET /v1/shipments/{id} 200 full": "NotFound: schedule pickup: the system answered 404",
}
NO_LIST = "UnexpectedResponse: the answer to find label has no list `results`"
AGAINST_ITSELF = {
    # by its schema the list is one shipment; the server that was measured answers a list
    "buy: GET /v1/shipments 200 full": NO_LIST,
    "find: GET /v1/shipments 200 full": NO_LIST,
}
