"""What UPS's descriptions say that it answers."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

from connector.sdk import BuyLabel, LabelFormat, TrackShipment, VoidLabel
from connector_ups import CancelPickup, SchedulePickup
from connector_ups.sandbox import UpsSandbox
from connector_ups.sandbox.system import AUSTIN, PARCEL
from connector_ups.shapes import parcel_ref
from tests.clients.answers.documented import Description
from tests.clients.answers.trials import NOON, READ, Trial, tried

ZPL, PDF = (base64.b64encode(text).decode() for text in (b"^XA^FDlabel^FS^XZ", b"%PDF-1.4 label"))
KNOWN = {
    "CurrencyCode": "USD", "MonetaryValue": "12.30", "GraphicImage": ZPL, "LabelImage.GraphicImage": PDF,
    "Status.Code": "1",
}  # fmt: skip
"""An amount, a file and `voided`, where UPS's descriptions have any text."""
NOBODYS = {"LabelRecoveryRequest": {"TrackingNumber": "1Z9999999999999999"}}
HOUR = timedelta(hours=1)


def told(trial: Trial) -> str | None:
    """The number of the parcel that a documented answer of tracking is about."""
    found = (trial.body or {}).get("trackResponse", {})
    return found["shipment"][0]["package"][0]["trackingNumber"] if found else None


async def check(trial: Trial) -> object:
    return await trial.adapter.check()


async def quote(trial: Trial) -> object:
    return await trial.adapter.quote(PARCEL)


async def buy(trial: Trial) -> object:
    return await trial.adapter.buy_label(BuyLabel("k1", PARCEL, "INC-1", service="03", label_format=LabelFormat.ZPL))


async def find(trial: Trial) -> object:
    trial.sandbox.bought("k1")
    return await trial.adapter.find_label("k1")


async def find_late(trial: Trial) -> object:
    """Label Recovery knows nothing by the reference yet; tracking does."""
    bought = trial.sandbox.office.parcels.pop(trial.sandbox.bought("k1")["id"])
    bought = replace(bought, number=told(trial) or bought.number)
    trial.sandbox.office.parcels[bought.number] = bought
    asked = trial.sandbox.office.recover
    trial.sandbox.office.recover = lambda body: asked(
        NOBODYS if "ReferenceValues" in body["LabelRecoveryRequest"] else body
    )
    return await trial.adapter.find_label("k1")


async def void(trial: Trial) -> object:
    return await trial.adapter.void_label(VoidLabel("k2", parcel_ref(trial.sandbox.bought("k1")["id"])))


async def fetch(trial: Trial) -> object:
    return await trial.adapter.fetch(parcel_ref(told(trial) or trial.sandbox.bought("k1")["id"]))


async def track(trial: Trial) -> object:
    return await trial.adapter.track(TrackShipment("k3", trial.sandbox.bought("k1")["id"], "UPS"))


async def schedule(trial: Trial) -> object:
    times = {"earliest": NOON + 3 * HOUR, "latest": NOON + 8 * HOUR}
    shipment = parcel_ref(trial.sandbox.bought("k1")["id"])
    return await trial.adapter.schedule_pickup(
        SchedulePickup("k4", shipment, AUSTIN, **times, service="03", destination="US")
    )


async def cancel(trial: Trial) -> object:
    return await trial.adapter.cancel_pickup(CancelPickup("k5", "29000000000"))


async def test_what_ups_documents_is_read():
    found = await tried(
        "ups",
        UpsSandbox,
        [check, quote, buy, find, find_late, void, fetch, track, schedule, cancel],
        [
            Description("ups-OAuthClientCredentials.yaml"),
            Description("ups-UPSTrackAlert.yaml", prefix="/api/track/v2"),
            *(
                Description(f"ups-{name}.yaml", prefix="/api", known=KNOWN)
                for name in ("Rating", "Shipping", "Pickup", "Tracking")
            ),
        ],
        once=["POST /security/v1/oauth/token"],
    )

    assert found.undescribed == set()
    assert found.asked == {
        "POST /security/v1/oauth/token", "POST /rating/{version}/{requestoption}", "POST /shipments/{version}/ship",
        "DELETE /shipments/{version}/void/cancel/{shipmentidentificationnumber}", "POST /labels/{version}/recovery",
        "GET /track/v1/details/{inquiryNumber}", "GET /track/v1/reference/details/{referenceNumber}",
        "POST /subscription/{type}/package", "POST /pickupcreation/{version}/pickup",
        "GET /shipments/{version}/pickup/{pickuptype}", "DELETE /shipments/{version}/pickup/{CancelBy}",
    }  # fmt: skip
    assert found.departures == {**HANDLED, **OF_ANOTHER_REQUEST}


HANDLED = {
    # no token: the credentials are wrong, whatever the status
    "check: POST /security/v1/oauth/token 400": "AuthError",
    "check: POST /security/v1/oauth/token 200 full": "AuthError: check: the system answered 401",  # by the sandbox
    # what is not known is an answer as well
    "check: GET /track/v1/details/{inquiryNumber} 400": READ,
    "check: GET /track/v1/details/{inquiryNumber} 404": READ,
    "void: GET /track/v1/details/{inquiryNumber} 404": READ,
    "buy: GET /track/v1/reference/details/{referenceNumber} 404": READ,
    "find_late: GET /track/v1/reference/details/{referenceNumber} 404": READ,
    "schedule: GET /shipments/{version}/pickup/{pickuptype} 400": READ,
    # the label of this key as PDF, where ZPL was asked for
    "buy: POST /labels/{version}/recovery 200 full": (
        "UnexpectedResponse: what lies where the label of stringxxxxxxxxxxxx should be is no ZPL, "
        "it begins with b'%PDF-1.4 label'"
    ),
    # a parcel of this key that the sandbox has no label of
    "buy: GET /track/v1/reference/details/{referenceNumber} 200 full": (
        "OutcomeUnknown: UPS has made label string and does not give it out yet"
    ),
}
GROUPED = "UnexpectedResponse: the answer to schedule pickup cannot be read at /PickupCreationResponse: Field required"
OF_ANOTHER_REQUEST = {
    # the answer to PickupTriggerGWNRequest, which is asked for at the same place and not by this adapter
    "schedule: POST /pickupcreation/{version}/pickup 200 example 2": GROUPED,
    "schedule: POST /pickupcreation/{version}/pickup 200 full 1": GROUPED,
}
