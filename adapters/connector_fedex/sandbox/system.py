"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.applications import Starlette

from connector.sdk import (
    Address,
    BuyLabel,
    Clock,
    IdempotencyKey,
    Parcel,
    Party,
    SourceRef,
    WebhookRequest,
    hmac_base64,
)
from connector.sdk.courier import key_mark
from connector.sdk.testing import CourierSandbox, SentWebhook, Signature, json_webhook
from connector_fedex.config import FedExConfig
from connector_fedex.requests import ship_request
from connector_fedex.sandbox.office import ACCOUNT, LONGEST, Office, scanned, told
from connector_fedex.sandbox.server import Counter
from connector_fedex.shapes import parcel_ref

API_KEY = "l7c0a4f19b2e7d304e55"
SECRET_KEY = "fedex-secret-a8c2d9e1f7"  # noqa: S105 - opens nothing but this sandbox
TRACK_KEY, TRACK_SECRET = "l7track77b2e7d304e55", "fedex-track-secret-1"
SECURITY_TOKEN = "aiv-sandbox-81c7d2e9ab"  # noqa: S105 - nor does this
ONCE = "FedEx gives a label's file out once: one whose answer was lost is voided, and another is bought"
AUSTIN = Party(
    "Ada Ruiz",
    Address(
        line1="1 Depot Road", city="Austin", postal_code="78701", state="TX", country="US", phone="+1 512 555 0100"
    ),
    "Hub Austin",
)
BOSTON = Party(
    "Site Boston",
    Address(line1="2 Quay", city="Boston", postal_code="02110", state="MA", country="US", phone="617 555 0101"),
)
PARCEL = Parcel(AUSTIN, BOSTON, weight_g=4_500, length_mm=400, width_mm=300, height_mm=100, description="Switch")


class FedExSandbox(CourierSandbox):
    """FedEx in small: labels that are given out once, scans with the newest first, webhooks of the account."""

    parcel, carrier = PARCEL, "FedEx"
    number_key, number_form = "trackingNumber", "7949536{:05d}"
    refuses = ("recipient.address.countryCode", "carrier")
    longest_name = LONGEST

    def __init__(self, clock: Clock) -> None:
        self.office = Office(clock)
        self.counter = Counter(self.office, {API_KEY: SECRET_KEY, TRACK_KEY: TRACK_SECRET})
        self._clock = clock
        self._app = self.counter.app()

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit."""
        return {
            "base_url": "http://fedex.test", "client_id": API_KEY, "client_secret": SECRET_KEY,
            "account_number": ACCOUNT, "webhook_secret": SECURITY_TOKEN,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a secret that was renewed."""
        return {**self.settings(), "client_secret": "fedex-secret-revoked00"}

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """A scan, and what FedEx then posts."""
        number = ref.external_id if ref is not None else "794953699777"
        return SentWebhook(parcel_ref(number), self.posted(number, scanned(at, "DP", "IT", "Departed", "MEMPHIS")))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """Something that is about no parcel."""
        return json_webhook({"notification": "maintenance"}, at, _prove)

    def signature(self) -> Signature:
        """An HMAC of the body."""
        return Signature("fdx-signature", expires_after=None, reason="the signature covers the body and no time")

    def posted(self, number: str, *scans: dict[str, Any]) -> WebhookRequest:
        """A webhook about a parcel. scans: the newest first."""
        complete = {"trackingNumber": number, "trackResults": [told(number, list(scans))]}
        at = datetime.fromisoformat(scans[0]["date"])
        return json_webhook({"output": {"completeTrackResults": [complete]}}, at, _prove)

    # Ships

    def not_asked(self) -> str:
        """Labels cannot be had again."""
        return ONCE

    def bought(self, key: IdempotencyKey) -> dict[str, Any]:
        """By the service of the first offer."""
        config = FedExConfig.model_validate(self.settings())
        request = BuyLabel(key, PARCEL, "INC-1001")
        return {"id": self.office.make(ship_request(request, "FEDEX_GROUND", config, self._clock.now())).number}

    def pick_up(self, shipment: dict[str, Any]) -> None:
        """In Austin."""
        self.office.report(self.office.parcels[shipment["id"]], "PU", "PU", "Picked up", "AUSTIN")

    def labels_of(self, key: IdempotencyKey) -> list[dict[str, Any]]:
        """By the reference. Only those that stand: a void one is what becomes of a lost answer."""
        parcels = self.office.with_reference(key_mark(key))
        return [{"id": parcel.number} for parcel in parcels if not parcel.is_void]

    def is_void(self, shipment: SourceRef) -> bool:
        """Told by the office."""
        return self.office.parcels[shipment.external_id].is_void

    def consignee(self, shipment: dict[str, Any]) -> str:
        """Of the request."""
        asked = self.office.parcels[shipment["id"]].asked
        return str(asked["requestedShipment"]["recipients"][0]["contact"]["personName"])


def _prove(body: bytes) -> Mapping[str, str]:
    return {"fdx-signature": hmac_base64(SECURITY_TOKEN, body)}
