"""What DHL's descriptions say that it answers."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

from connector.sdk import BuyLabel, NotOffered, VoidLabel
from connector_dhl import CancelPickup, SchedulePickup
from connector_dhl.sandbox import DhlSandbox
from connector_dhl.sandbox.office import seen
from connector_dhl.sandbox.system import HAMBURG, PARCEL
from connector_dhl.shapes import parcel_ref
from tests.clients.answers.documented import Description
from tests.clients.answers.trials import NOON, READ, Trial, tried
from tests.clients.described import description

EXPRESS, UNIFIED = "mydhl-express-3.1.1.yaml", "dhl-tracking-1.4.1.yaml"
PUBLIC = "public in github.com/CaptnCodr/dhl-cli: Data/utapi-traking-api-1.4.1.yaml at commit d451d3b"
PARCEL_DE = "00340434161094000001"
PDF = base64.b64encode(b"%PDF-1.4 label").decode()
HOUR = timedelta(hours=1)


def told(trial: Trial) -> str | None:
    """The number of the shipment that a documented answer of tracking is about."""
    found = (trial.body or {}).get("shipments")
    return found[0]["shipmentTrackingNumber"] if found else None


async def check(trial: Trial) -> object:
    return await trial.adapter.check()


async def quote(trial: Trial) -> object:
    return await trial.adapter.quote(PARCEL)


async def buy(trial: Trial) -> object:
    return await trial.adapter.buy_label(BuyLabel("k1", PARCEL, "INC-1", service="W"))


async def buy_within_a_country(trial: Trial) -> object:
    parcel = replace(PARCEL, recipient=HAMBURG)
    return await trial.adapter.buy_label(BuyLabel("k1", parcel, "INC-1", service="N"))


async def find(trial: Trial) -> object:
    trial.sandbox.bought("k1")
    return await trial.adapter.find_label("k1")


async def void(trial: Trial) -> object:
    number = told(trial) or trial.sandbox.bought("k1")["id"]
    try:
        return await trial.adapter.void_label(VoidLabel("k2", parcel_ref(number)))
    except NotOffered:  # as always, where the parcel is not under way
        return None


async def fetch(trial: Trial) -> object:
    shipment = trial.sandbox.bought("k1")
    trial.sandbox.pick_up(shipment)
    return await trial.adapter.fetch(parcel_ref(told(trial) or shipment["id"]))


async def fetch_parcel_de(trial: Trial) -> object:
    trial.sandbox.office.elsewhere[PARCEL_DE] = seen(PARCEL_DE, NOON, "delivered", "Delivered")
    return await trial.adapter.fetch(parcel_ref(PARCEL_DE))


async def schedule(trial: Trial) -> object:
    shipment = parcel_ref(trial.sandbox.bought("k1")["id"])
    times = {"earliest": NOON + HOUR, "latest": NOON + 5 * HOUR}
    return await trial.adapter.schedule_pickup(SchedulePickup("k3", shipment, PARCEL, **times, service="W"))


async def cancel(trial: Trial) -> object:
    trial.sandbox.office.pickups["PRG261125000062"] = {}
    return await trial.adapter.cancel_pickup(CancelPickup("k4", "PRG261125000062"))


async def test_what_mydhl_api_documents_is_read():
    found = await tried(
        "dhl",
        DhlSandbox,
        [check, quote, buy, buy_within_a_country, find, void, fetch, schedule, cancel],
        [Description(EXPRESS, prefix="/mydhlapi")],
    )

    assert found.undescribed == set()
    assert found.asked == {
        "POST /rates", "POST /shipments", "GET /shipments/{shipmentTrackingNumber}/tracking", "GET /tracking",
        "POST /pickups", "DELETE /pickups/{dispatchConfirmationNumber}",
    }  # fmt: skip
    assert found.departures == {**HANDLED, **OF_ANOTHER_REQUEST, **NO_FILES}


async def test_a_full_answer_of_mydhl_api_with_a_label_in_it_is_a_label():
    found = await tried(
        "dhl", DhlSandbox, [buy], [Description(EXPRESS, prefix="/mydhlapi", known={"documents.content": PDF})]
    )

    purchases = {place: said for place, said in found.departures.items() if "POST /shipments" in place}
    assert purchases == {"buy: POST /shipments 201 example sampleResponse5": VALIDATED}


async def test_what_shipment_tracking_unified_documents_is_read():
    description(UNIFIED, PUBLIC)
    found = await tried(
        "dhl",
        DhlSandbox,
        [fetch_parcel_de],
        [Description(UNIFIED, prefix="/track", known={"shipments.id": PARCEL_DE})],
    )

    assert found.undescribed == set()
    assert found.asked == {"GET /shipments"}
    assert found.departures == {
        # no shipment, or the word `unknown` of one, the last of five
        f"fetch_parcel_de: GET /shipments 200 {name}": f"NotFound: DHL says nothing of {PARCEL_DE}"
        for name in ("least", *(f"full {turn}" for turn in range(4, 31, 5)))
    }


USED = "Conflict: parcel 1234567890 of this key is picked up: its label was used, and DHL gives it out only once"
HANDLED = {
    # what is not known is an answer as well
    "check: GET /shipments/{shipmentTrackingNumber}/tracking 400": READ,
    "check: GET /shipments/{shipmentTrackingNumber}/tracking 404": READ,
    "buy: GET /tracking 404": READ,
    "buy_within_a_country: GET /tracking 404": READ,
    "find: GET /tracking 404": READ,
    "void: GET /shipments/{shipmentTrackingNumber}/tracking 404": READ,
    # a parcel of this key that is under way
    "buy: GET /tracking 200 full": USED,
    "buy_within_a_country: GET /tracking 200 full": USED,
    "find: GET /tracking 200 full": USED,
    "void: GET /shipments/{shipmentTrackingNumber}/tracking 200 full": (
        "Conflict: parcel 1234567890 is picked up: its label cannot be voided now"
    ),
    # nothing is said of the shipment
    "fetch: GET /shipments/{shipmentTrackingNumber}/tracking 200 least": "NotFound: DHL says nothing of 5374500000",
}
NO_N = "Invalid: no carrier offers any carrier/N for this parcel, offered is"
VALIDATED = "UnexpectedResponse: the answer to buy label cannot be read at /shipmentTrackingNumber: Field required"
OF_ANOTHER_REQUEST = {
    # the answer to a request without `requestGMTOffsetPerEvent`: times of no zone
    "fetch: GET /shipments/{shipmentTrackingNumber}/tracking 200 example "
    "Sample Tracking response for shipment tracking number": "NotFound: DHL says nothing of 1234567890",
    # offers of other products than the one that is to be bought, or of none; or another local code than the sandbox's
    "buy_within_a_country: POST /rates 200 example sampleResponse1": f"{NO_N} DHL/P.",
    "buy_within_a_country: POST /rates 200 least": f"{NO_N} nothing.",
    "buy_within_a_country: POST /rates 200 full": (
        "Invalid: DHL refuses to buy label: 1001: The product N does not go this way."
    ),
    # the answer to a request that only validates, which is never sent
    "buy: POST /shipments 201 example sampleResponse5": VALIDATED,
    "buy_within_a_country: POST /shipments 201 example sampleResponse5": VALIDATED,
}
NO_BASE64 = "UnexpectedResponse: the label is no Base64"
NO_FILES = {
    # there is a point in the example's label, and words where the schema's should be
    "buy: POST /shipments 201 example sampleResponse2": NO_BASE64,
    "buy: POST /shipments 201 full": NO_BASE64,
    "buy_within_a_country: POST /shipments 201 example sampleResponse2": NO_BASE64,
    "buy_within_a_country: POST /shipments 201 full": NO_BASE64,
}
