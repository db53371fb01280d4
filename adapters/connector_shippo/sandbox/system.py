"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette

from connector.sdk import Address, BuyLabel, Clock, IdempotencyKey, Parcel, Party, SourceRef, WebhookRequest, hmac_hex
from connector.sdk.testing import CourierSandbox, SentWebhook, Signature, json_webhook, shipment_ref
from connector_shippo.config import ShippoConfig
from connector_shippo.requests import mark_of, metadata_of, shipment_request, transaction_request
from connector_shippo.sandbox.office import LONGEST, STORE, VOID, Office, written
from connector_shippo.sandbox.server import Counter
from connector_shippo.shapes import Rate
from connector_shippo.signatures import HEADER

TOKEN = "shippo_test_4c1f9b2e7d30a8sandbox"  # noqa: S105 - opens nothing but this sandbox
SECRET = "hook-sandbox81c7d2e9"  # noqa: S105
AUSTIN = Party(
    "Hub Austin", Address(line1="1 Depot Road", city="Austin", postal_code="78701", state="TX", country="US"), "Spares"
)
BOSTON = Party("Site Boston", Address(line1="2 Quay", city="Boston", postal_code="02110", state="MA", country="US"))
PARCEL = Parcel(AUSTIN, BOSTON, weight_g=4_500, length_mm=400, width_mm=300, height_mm=100, description="Switch")


class ShippoSandbox(CourierSandbox):
    """Shippo in small: purchases that failed and say 201, labels that lie in a store, parcels that go nowhere."""

    parcel, carrier = PARCEL, "USPS"
    number_key, number_form = "tracking_number", "93{:020d}"
    refuses = ("address_to", "carrier")
    longest_name = LONGEST

    def __init__(self, clock: Clock) -> None:
        self.office = Office(clock)
        self.counter = Counter(self.office, TOKEN)
        self._clock = clock
        self._app = self.counter.app()

    def app(self) -> Starlette:
        """The server, and the store beside it."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages and the stronger proof of webhooks."""
        return {
            "base_url": "http://api.shippo.test", "api_token": TOKEN, "webhook_auth": "hmac", "webhook_secret": SECRET,
            "label_hosts": [STORE], "page_size": 5,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a token that was revoked."""
        return {**self.settings(), "api_token": "shippo_test_revoked0000000000"}

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """A scan, and what Shippo then posts."""
        track = self.office.tracks[ref.external_id] if ref else self.tracker(at - timedelta(hours=1))
        self.scan(track, at)
        return SentWebhook(shipment_ref(track), self.posted("track_updated", track, at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """An event that has nothing to do with parcels."""
        return self.posted("batch_purchased", {"object_id": "1", "status": "PURCHASED"}, at)

    def signature(self) -> Signature:
        """Of time and body."""
        return Signature(HEADER, covers_body=True, expires_after=timedelta(minutes=5))

    def posted(self, event: str, data: Mapping[str, Any], at: datetime) -> WebhookRequest:
        """A webhook, signed."""
        stamp = int(at.timestamp())
        told = {name: value for name, value in data.items() if name != "id"}

        def prove(body: bytes) -> Mapping[str, str]:
            return {HEADER: f"t={stamp},v1={hmac_hex(SECRET, f'{stamp}.'.encode() + body)}"}

        return json_webhook({"event": event, "test": True, "data": told}, at, prove)

    # Ships, TracksShipments

    def trackers(self) -> Mapping[str, dict[str, Any]]:
        """Of the office."""
        return self.office.tracks

    def add_tracker(self, number: str, at: datetime) -> dict[str, Any]:
        """Of a label that a hub has bought, with a first scan."""
        track = self.office.add_track("usps", number)
        self.office.scan(track, "PRE_TRANSIT", "information_received", "Label created.", "Austin", at)
        made = self.office.new_id()
        self.office.transactions[made] = {
            "id": made, "object_id": made, "object_created": written(at), "object_updated": written(at),
            "status": "SUCCESS", "rate": "0" * 32, "tracking_number": number, "tracking_status": "PRE_TRANSIT",
            "metadata": metadata_of(f"seed:{number}", "usps"), "label_file_type": "PDF_4x6", "messages": [],
        }  # fmt: skip
        return track

    def scan(self, tracker: dict[str, Any], at: datetime) -> None:
        """Somewhere in the middle."""
        self.office.scan(tracker, "TRANSIT", "package_departed", "Departed facility.", "Memphis", at)

    def spoil(self, tracker: dict[str, Any]) -> None:
        """The first scan."""
        tracker["tracking_history"][0]["status_date"] = "someday"

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:  # noqa: ARG002 - there is one stream
        """A parcel with a status and a column of a later release."""
        track = self.tracker(at)
        track["tracking_status"] |= {"status": "TELEPORTED", "altitude_m": 400_000}
        return shipment_ref(track)

    def bought(self, key: IdempotencyKey) -> dict[str, Any]:
        """At the first offer."""
        config = ShippoConfig.model_validate(self.settings())
        op = BuyLabel(key, PARCEL, "INC-1001")
        shipment = self.office.create_shipment(shipment_request(PARCEL, config, reference=op.reference))
        rate = Rate.model_validate(shipment["rates"][0])
        return self.office.buy(transaction_request(op, rate, config))

    def pick_up(self, shipment: dict[str, Any]) -> None:
        """In Austin."""
        track = self.office.tracks[f"usps/{shipment['tracking_number']}"]
        self.office.scan(track, "TRANSIT", "package_accepted", "Accepted.", "Austin", self._clock.now())

    def labels_of(self, key: IdempotencyKey) -> list[dict[str, Any]]:
        """By the metadata, without what failed."""
        made = self.office.transactions.values()
        return [each for each in made if each["metadata"].startswith(mark_of(key)) and each["status"] != "ERROR"]

    def is_void(self, shipment: SourceRef) -> bool:
        """Told by the label."""
        return self.office.transactions[shipment.external_id]["status"] in VOID

    def consignee(self, shipment: dict[str, Any]) -> str:
        """Of the shipment that was bought."""
        rate = self.office.rates[shipment["rate"]]
        return str(self.office.shipments[rate["shipment"]]["address_to"]["name"])
