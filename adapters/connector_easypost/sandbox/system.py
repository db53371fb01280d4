"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from starlette.applications import Starlette

from connector.sdk import (
    Address,
    BuyLabel,
    Clock,
    EntityKind,
    IdempotencyKey,
    Parcel,
    Party,
    SourceRef,
    TrackShipment,
    VoidLabel,
    WebhookRequest,
)
from connector.sdk.testing import (
    NotApplicable,
    Operation,
    OperationKind,
    Refused,
    Sandbox,
    SentWebhook,
    Signature,
    WithText,
)
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


class EasyPostSandbox(Sandbox):
    """EasyPost in small: drafts that are bought, labels that lie in a store, parcels that go nowhere."""

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

    # Pulls

    def page_size(self, stream: str) -> int:  # noqa: ARG002 - there is one stream
        """As in `settings()`."""
        return 5

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:  # noqa: ARG002
        """Trackers of parcels that somebody else sent."""
        return tuple(_ref(self.tracker(at + step * number)) for number in range(count))

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """A further scan."""
        self.office.scan(self.office.trackers[ref.external_id], "in_transit", "departed_facility", "Memphis", at)

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """Trackers are deleted, parcels are not."""
        raise NotApplicable(f"to delete a tracker ends the reports on a parcel, it is there all the same ({ref}, {at})")

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:  # noqa: ARG002
        """A scan at no time."""
        tracker = self.tracker(at)
        tracker["tracking_details"][0]["datetime"] = "someday"
        return _ref(tracker)

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:  # noqa: ARG002
        """A tracker with a status and a key of a later release."""
        tracker = self.tracker(at)
        tracker |= {"status": "teleported", "altitude_m": 400_000}
        return _ref(tracker)

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """A scan, and what EasyPost then posts."""
        tracker = self.office.trackers[ref.external_id] if ref else self.tracker(at - timedelta(hours=1))
        self.office.scan(tracker, "in_transit", "departed_facility", "Memphis", at)
        return SentWebhook(_ref(tracker), self.posted(self.office.events[-1], at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """An event that has nothing to do with parcels."""
        return self.posted(bodies.event("evt_1", "batch.updated", {"id": "batch_1", "state": "purchased"}, at), at)

    def signature(self) -> Signature:
        """Of the body; the one that has a time in it is a setting."""
        reason = 'X-Hmac-Signature covers the body and no time; `webhook_signature = "v2"` asks for the one that does'
        return Signature("x-hmac-signature", covers_body=True, expires_after=None, reason=reason)

    def posted(self, event: Mapping[str, Any], at: datetime) -> WebhookRequest:
        """A webhook with both signatures."""
        body = json.dumps(event, separators=(",", ":")).encode()
        stamp = format_datetime(at)
        headers = {
            "content-type": "application/json", "x-timestamp": stamp, "x-path": PATH,
            "x-hmac-signature": _signed(body), "x-hmac-signature-v2": _signed(f"{stamp}POST{PATH}".encode() + body),
        }  # fmt: skip
        return WebhookRequest(headers=headers, body=body, received_at=at)

    # Ships, TracksShipments

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """On a parcel of its own."""
        if kind is BuyLabel:
            return BuyLabel(key, PARCEL, "INC-1001")
        if kind is VoidLabel:
            return VoidLabel(key, _ref(self.bought(f"{key}:bought")))
        if kind is TrackShipment:
            return TrackShipment(key, f"EZ{len(self.office.trackers):012d}", "SandPost")
        raise NotApplicable(f"EasyPost has no {kind.__name__}")

    def effects(self, operation: Operation) -> int:
        """Told by shipments and trackers."""
        match operation:
            case BuyLabel():
                return sum(bool(each["postage_label"]) for each in self.shipments_of(operation.key))
            case VoidLabel():
                return int(self.office.shipments[operation.shipment.external_id]["refund_status"] == "submitted")
            case TrackShipment():
                codes = [each["tracking_code"] for each in self.office.trackers.values()]
                return codes.count(operation.tracking_number)
            case _:
                raise NotApplicable(f"EasyPost has no {type(operation).__name__}")

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """A consignee without a country, a carrier that EasyPost does not know."""
        if kind is BuyLabel:
            nowhere = replace(PARCEL, recipient=Party("Site", Address(city="Atlantis")))
            return Refused(BuyLabel(key, nowhere, "INC-1001"), "to_address")
        if kind is TrackShipment:
            return Refused(TrackShipment(key, "EZ1", "pigeon"), "carrier")
        raise NotApplicable("a label that cannot be voided is a conflict, no mistake of the request")

    def void_of_used_label(self, key: IdempotencyKey) -> VoidLabel:
        """The parcel has been picked up."""
        shipment = self.bought(f"{key}:bought")
        self.office.scan(shipment["tracker"], "in_transit", "received_at_origin_facility", "Austin")
        return VoidLabel(key, _ref(shipment))

    def longest_text(self, operation: WithText) -> int:  # noqa: ARG002 - only labels
        """Of the consignee's name."""
        return LONGEST

    def stored_text(self, operation: WithText) -> str:
        """The consignee's name."""
        return str(self.shipments_of(operation.key)[0]["to_address"]["name"])

    def tracker(self, at: datetime) -> dict[str, Any]:
        """A tracker of a parcel that somebody else sent."""
        return self.office.add_tracker(f"EZ{len(self.office.trackers):012d}", "SandPost", at)

    def bought(self, key: IdempotencyKey) -> dict[str, Any]:
        """A shipment with a label."""
        config = EasyPostConfig.model_validate(self.settings())
        asked = shipment_request(BuyLabel(key, PARCEL, "INC-1001"), 1, config)
        draft = self.office.create_shipment(asked["shipment"])
        return self.office.buy(draft, {"rate": draft["rates"][0]})

    def shipments_of(self, key: IdempotencyKey) -> list[dict[str, Any]]:
        """Drafts and bought shipments of a key."""
        start = reference_of(key)
        return [each for each in self.office.shipments.values() if str(each["reference"]).startswith(start)]


def _ref(body: Mapping[str, Any]) -> SourceRef:
    return SourceRef(kind=EntityKind.SHIPMENT, external_id=body["id"])


def _signed(message: bytes) -> str:
    return "hmac-sha256-hex=" + hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()
