"""What FedEx's descriptions say that it answers."""

from __future__ import annotations

import base64
from datetime import timedelta

from connector.sdk import BuyLabel, VoidLabel
from connector_fedex import CancelPickup, SchedulePickup
from connector_fedex.sandbox import FedExSandbox
from connector_fedex.sandbox.system import AUSTIN, PARCEL
from connector_fedex.shapes import parcel_ref
from tests.clients.answers.documented import Description
from tests.clients.answers.sampled import ABSENT
from tests.clients.answers.trials import NOON, READ, Trial, tried

PDF = base64.b64encode(b"%PDF-1.4 label").decode()
KNOWN = {
    "packageDocuments.encodedLabel": PDF, "packageDocuments.contentType": "LABEL", "trackResults.error": ABSENT,
    "completeTrackResults.trackingNumber": "128667043726",
}  # fmt: skip
"""A label and a number where FedEx's descriptions have any text; what is known of a parcel is told without an error."""
HOUR = timedelta(hours=1)


def told(trial: Trial) -> str | None:
    """The number of the parcel that a documented answer of tracking is about."""
    output = (trial.body or {}).get("output") or {}
    found = output.get("completeTrackResults")
    return found[0]["trackingNumber"] if found else None


async def check(trial: Trial) -> object:
    return await trial.adapter.check()


async def quote(trial: Trial) -> object:
    return await trial.adapter.quote(PARCEL)


async def buy(trial: Trial) -> object:
    return await trial.adapter.buy_label(BuyLabel("k1", PARCEL, "INC-1", service="FEDEX_GROUND"))


async def hand_back(trial: Trial) -> object:
    trial.sandbox.bought("k1")
    return await trial.adapter.find_label("k1")


async def void(trial: Trial) -> object:
    return await trial.adapter.void_label(VoidLabel("k2", parcel_ref(trial.sandbox.bought("k1")["id"])))


async def fetch(trial: Trial) -> object:
    return await trial.adapter.fetch(parcel_ref(told(trial) or trial.sandbox.bought("k1")["id"]))


async def schedule(trial: Trial) -> object:
    times = {"earliest": NOON + 3 * HOUR, "latest": NOON + 8 * HOUR}
    shipment = parcel_ref(trial.sandbox.bought("k1")["id"])
    return await trial.adapter.schedule_pickup(SchedulePickup("k4", shipment, AUSTIN, **times))


async def cancel(trial: Trial) -> object:
    op = SchedulePickup("k4", parcel_ref(trial.sandbox.bought("k1")["id"]), AUSTIN, NOON + 3 * HOUR, NOON + 8 * HOUR)
    pickup = await trial.adapter.schedule_pickup(op)
    return await trial.adapter.cancel_pickup(CancelPickup("k5", pickup.external_id))


async def test_what_fedex_documents_is_read():
    found = await tried(
        "fedex",
        FedExSandbox,
        [check, quote, buy, hand_back, void, fetch, schedule, cancel],
        [Description(f"fedex-{name}.json", known=KNOWN) for name in ("rate", "ship", "track", "pickup")],
    )

    assert found.undescribed == {"POST /oauth/token"}
    assert found.asked == {
        "POST /rate/v1/rates/quotes", "POST /ship/v1/shipments", "PUT /ship/v1/shipments/cancel",
        "POST /track/v1/trackingnumbers", "POST /track/v1/referencenumbers", "POST /pickup/v1/pickups",
        "PUT /pickup/v1/pickups/cancel",
    }  # fmt: skip
    assert found.departures == {**HANDLED, **OF_ANOTHER_REQUEST}


USED = "Conflict: parcel 128667043726 of this key is picked up: its label was used, and FedEx gives it out only once"
HANDLED = {
    # a parcel of this key that is under way
    "buy: POST /track/v1/referencenumbers 200 full": USED,
    "hand_back: POST /track/v1/referencenumbers 200 full": USED,
    # no parcel of this key is an answer as well
    "buy: POST /track/v1/referencenumbers 404": READ,
    "hand_back: POST /track/v1/referencenumbers 404": READ,
    # a label that FedEx does not take back
    "hand_back: PUT /ship/v1/shipments/cancel 400": "Conflict",
    "void: PUT /ship/v1/shipments/cancel 400": "Conflict",
}
OF_ANOTHER_REQUEST = {
    # the documented pickup is none of the sandbox's, which is asked to cancel it then
    "cancel: POST /pickup/v1/pickups 200 full": (
        "NotFound: FedEx refuses to cancel pickup: NO.DISPATCH.FOUND: No Dispatch found for this account."
    ),
}
