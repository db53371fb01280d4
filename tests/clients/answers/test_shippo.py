"""What Shippo's description says that it answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from connector.sdk import BuyLabel, TrackShipment, VoidLabel
from connector.sdk.testing import shipment_ref
from connector_shippo import SchedulePickup
from connector_shippo.adapter import PARCELS
from connector_shippo.requests import ZPL, metadata_of
from connector_shippo.sandbox import ShippoSandbox
from connector_shippo.sandbox.office import STORE
from connector_shippo.sandbox.system import AUSTIN, PARCEL
from tests.clients.answers.documented import Description
from tests.clients.answers.trials import NOON, READ, Trial, begun, tried

FILE = "documented"
KNOWN = {
    "metadata": metadata_of("k1", "usps"), "label_url": f"http://{STORE}/files/{FILE}?Signature=s1gn3d",
    "carrier_account": "a" * 32,
}  # fmt: skip
"""The hub's own words, a file and the sandbox's account, where Shippo's description has others."""
HOUR = timedelta(hours=1)


def stocked(trial: Trial) -> ShippoSandbox:
    """The sandbox with the rates and the file that a documented answer names."""
    sandbox: ShippoSandbox = trial.sandbox
    office = sandbox.office
    rate = office.rates[sandbox.bought("k0")["rate"]]
    body: Mapping[str, Any] = trial.body if isinstance(trial.body, Mapping) else {}
    labels = [body, *(body.get("results") or ())]
    named = [*(body.get("rates") or ()), *(label.get("rate") for label in labels)]
    ids = [each["object_id"] if isinstance(each, Mapping) else each for each in named]
    office.rates |= {rate_id: {**rate, "object_id": rate_id} for rate_id in ids if rate_id}
    is_zpl = any(label.get("label_file_type") == ZPL for label in labels)
    office.files[FILE] = b"^XA^FDlabel^FS^XZ" if is_zpl else b"%PDF-1.4 label"
    return sandbox


async def check(trial: Trial) -> object:
    return await trial.adapter.check()


async def quote(trial: Trial) -> object:
    return await trial.adapter.quote(PARCEL)


async def buy(trial: Trial) -> object:
    stocked(trial)
    return await trial.adapter.buy_label(BuyLabel("k1", PARCEL, "INC-1"))


async def find(trial: Trial) -> object:
    stocked(trial).bought("k1")
    return await trial.adapter.find_label("k1")


async def void(trial: Trial) -> object:
    bought = stocked(trial).bought("k1")
    return await trial.adapter.void_label(VoidLabel("k2", shipment_ref({"id": bought["object_id"]})))


async def track(trial: Trial) -> object:
    return await trial.adapter.track(TrackShipment("k3", f"93{0:020d}", "USPS"))


async def pull(trial: Trial) -> object:
    trial.sandbox.tracker(NOON - HOUR)
    return await begun(trial.adapter.pull(PARCELS, None))


async def fetch(trial: Trial) -> object:
    return await trial.adapter.fetch(shipment_ref(trial.sandbox.tracker(NOON - HOUR)))


async def schedule(trial: Trial) -> object:
    shipment = shipment_ref({"id": stocked(trial).bought("k1")["object_id"]})
    return await trial.adapter.schedule_pickup(SchedulePickup("k4", shipment, AUSTIN, NOON, NOON + 4 * HOUR))


async def test_what_shippo_documents_is_read():
    found = await tried(
        "shippo",
        ShippoSandbox,
        [check, quote, buy, find, void, track, pull, fetch, schedule],
        [Description("shippo-public-api.yaml", known=KNOWN)],
    )

    assert {place.rpartition("/")[0] for place in found.undescribed} == {"GET /files"}
    assert found.asked == {
        "GET /carrier_accounts", "POST /shipments", "GET /rates/{RateId}", "GET /transactions", "POST /transactions",
        "GET /transactions/{TransactionId}", "POST /refunds", "POST /tracks", "GET /tracks/{Carrier}/{TrackingNumber}",
        "POST /pickups",
    }  # fmt: skip
    assert found.departures == {**HANDLED, **UNDER_WAY, **USED}


NO_PICKUP = "Invalid: USPS does not come for this parcel then, the pickup is"
NO_NEWS = f"NotFound: no carrier says anything of shipment:usps/93{0:020d}"
ROUND = "UnexpectedResponse: Shippo's list of labels does not go on: page 2 is page 1 again, and has another page"
HANDLED = {
    # an attempt that failed, on a page that is its own next one
    "buy: GET /transactions 200 full 3": ROUND,
    "find: GET /transactions 200 full 3": ROUND,
    # no offer
    "buy: POST /shipments 201 least": (
        "Invalid: no carrier offers any carrier/any service for this parcel, offered is nothing."
    ),
    # a purchase that failed, with 201, since the carrier did not answer in time
    "buy: POST /transactions 201 full 3": (
        "OutcomeUnknown: Shippo did not buy the label. Said is: "
        "UPS: UPS API did not respond. Please try again in a few minutes.."
    ),
    # a refund that is refused, with 201
    "void: POST /refunds 201 full 3": "Conflict: Shippo does not take label 9200000000000000000018 back",
    # what cannot be asked after is no proof that a label was used
    "void: GET /tracks/{Carrier}/{TrackingNumber} 400": READ,
    # one parcel of many, whose carrier Shippo does not know
    "pull: GET /tracks/{Carrier}/{TrackingNumber} 400": (
        "Rejected: pull parcels: the system answered 400: {}. Set `carriers` of this source."
    ),
    # the word UNKNOWN, or none
    "fetch: GET /tracks/{Carrier}/{TrackingNumber} 200 least": NO_NEWS,
    "fetch: GET /tracks/{Carrier}/{TrackingNumber} 200 full": NO_NEWS,
    # the third and fourth of four words, with 201
    **{f"schedule: POST /pickups 201 full {turn}": f"{NO_PICKUP} ERROR: string" for turn in (2, 6, 10)},
    **{f"schedule: POST /pickups 201 full {turn}": f"{NO_PICKUP} CANCELLED: string" for turn in (3, 7, 11)},
}
UNDER_WAY = {
    # the first two of seven words: a label that is being bought
    f"{place} {name}": f"Transient: Shippo is still buying label 915d94940ea54c3a80cbfa328722f5a1: it is {word}"
    for place in (
        "buy: GET /transactions 200", "buy: POST /transactions 201", "find: GET /transactions 200",
        "void: GET /transactions/{TransactionId} 200",
    )
    for name, word in (("full", "WAITING"), ("full 1", "QUEUED"), ("full 8", "QUEUED"))
}  # fmt: skip
NO_VOID = "its label cannot be voided now"
USED = {
    # a label whose parcel was scanned
    **{
        f"void: GET /transactions/{{TransactionId}} 200 full {turn}": (
            f"Conflict: parcel 9499907123456123456781 is {status}: {NO_VOID}"
        )
        for turn, status in ((2, "in transit"), (9, "delivered"))
    },
    **{
        f"void: GET /tracks/{{Carrier}}/{{TrackingNumber}} 200 full {turn}": (
            f"Conflict: parcel 9205590164917312751089 is {status}: {NO_VOID}"
        )
        for turn, status in ((2, "in transit"), (3, "delivered"), (4, "returned"), (5, "exception"))
    },
}
