"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from starlette.applications import Starlette

from connector.sdk import Address, BuyLabel, Clock, IdempotencyKey, Parcel, Party, SourceRef, WebhookRequest, hmac_hex
from connector.sdk.testing import CourierSandbox, SentWebhook, Signature, json_webhook, shipment_ref
from connector_easypost.config import EasyPostConfig
from connector_easypost.requests import reference_of, shipment_request
from connector_easypost.sandbox import bodies
from connector_easypost.sandbox.office import LONGEST, STORE, Office
from connector_easypost.sandbox.server import Counter

API_KEY = "EZTKsandbox4c1f9b2e7d30a8"
SECRET = "hook-sandbox81c7d2e9"  # noqa: S105 - opens nothing but this sandbox
PATH = "/webhooks/parcels"
AUSTIN = Party(
    "Hub Austin", Address(line1="1 Depot Road", city="Austin", postal_code="78701", state="TX", country="US"), "Spares"
)
BOSTON = Party("Site Boston", Address(line1="2 Quay", city="Boston", postal_code="02110", state="MA", country="US"))
PARCEL = Parcel(AUSTIN, BOSTON, weight_g=4_500, length_mm=400, width_mm=300, height_mm=100, description="Switch")


class EasyPostSandbox(CourierSandbox):
    """EasyPost in small: drafts that are bought, labels that lie in a store, parcels that go nowhere."""

    parcel, carrier = PARCEL, "SandPost"
    number_key, number_form = "tracking_code", "EZ{:012d}"
    refuses = ("to_address", "carrier")
    longest_name = LONGEST

    def __init__(self, clock: Clock) -> None:
        self.office = Office(clock)
        self._app = Counter(self.office, API_KEY).app()

    def app(self) -> Starlette:
        """The server, and the store beside it."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages."""
        return {
            "base_url": "http://api.easypost.test", "api_key": API_KEY, "webhook_secret": SECRET,
            "label_hosts": [STORE], "page_size": 5,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a key that was revoked."""
        return {**self.settings(), "api_key": "EZTKrevoked000000000000000"}

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """A scan, and what EasyPost then posts."""
        tracker = self.office.trackers[ref.external_id] if ref else self.tracker(at - timedelta(hours=1))
        self.scan(tracker, at)
        return SentWebhook(shipment_ref(tracker), self.posted(self.office.events[-1], at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """An event that has nothing to do with parcels."""
        return self.posted(bodies.event("evt_1", "batch.updated", {"id": "batch_1", "state": "purchased"}, at), at)

    def signature(self) -> Signature:
        """Of the body; the one that has a time in it is a setting."""
        reason = 'X-Hmac-Signature covers the body and no time; `webhook_signature = "v2"` asks for the one that does'
        return Signature("x-hmac-signature", covers_body=True, expires_after=None, reason=reason)

    def posted(self, event: Mapping[str, Any], at: datetime) -> WebhookRequest:
        """A webhook with both signatures."""
        stamp = format_datetime(at)

        def prove(body: bytes) -> Mapping[str, str]:
            return {
                "x-timestamp": stamp, "x-path": PATH, "x-hmac-signature": _signed(body),
                "x-hmac-signature-v2": _signed(f"{stamp}POST{PATH}".encode() + body),
            }  # fmt: skip

        return json_webhook(event, at, prove)

    # Ships, TracksShipments

    def trackers(self) -> Mapping[str, dict[str, Any]]:
        """Of the office."""
        return self.office.trackers

    def add_tracker(self, number: str, at: datetime) -> dict[str, Any]:
        """With a first scan."""
        return self.office.add_tracker(number, self.carrier, at)

    def scan(self, tracker: dict[str, Any], at: datetime) -> None:
        """Somewhere in the middle."""
        self.office.scan(tracker, "in_transit", "departed_facility", "Memphis", at)

    def spoil(self, tracker: dict[str, Any]) -> None:
        """The first scan."""
        tracker["tracking_details"][0]["datetime"] = "someday"

    def bought(self, key: IdempotencyKey) -> dict[str, Any]:
        """At the first offer."""
        config = EasyPostConfig.model_validate(self.settings())
        asked = shipment_request(BuyLabel(key, PARCEL, "INC-1001"), 1, config)
        draft = self.office.create_shipment(asked["shipment"])
        return self.office.buy(draft, {"rate": draft["rates"][0]})

    def pick_up(self, shipment: dict[str, Any]) -> None:
        """In Austin."""
        self.office.scan(shipment["tracker"], "in_transit", "received_at_origin_facility", "Austin")

    def labels_of(self, key: IdempotencyKey) -> list[dict[str, Any]]:
        """By the reference, without drafts."""
        start = reference_of(key)
        shipments = self.office.shipments.values()
        return [each for each in shipments if str(each["reference"]).startswith(start) and each["postage_label"]]

    def is_void(self, shipment: SourceRef) -> bool:
        """Told by the refund."""
        return bool(self.office.shipments[shipment.external_id]["refund_status"] == "submitted")

    def consignee(self, shipment: dict[str, Any]) -> str:
        """Of the address."""
        return str(shipment["to_address"]["name"])


def _signed(message: bytes) -> str:
    return "hmac-sha256-hex=" + hmac_hex(SECRET, message)
