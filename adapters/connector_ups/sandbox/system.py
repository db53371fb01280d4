"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette

from connector.sdk import Address, BuyLabel, Clock, IdempotencyKey, Parcel, Party, SourceRef, WebhookRequest
from connector.sdk.courier import key_mark
from connector.sdk.testing import CourierSandbox, SentWebhook, Signature, json_webhook
from connector_ups.config import UpsConfig
from connector_ups.requests import ship_request
from connector_ups.sandbox.office import ACCOUNT, LONGEST, Office
from connector_ups.sandbox.server import Counter
from connector_ups.shapes import parcel_ref

CLIENT_ID = "ups-app-4c1f9b2e7d30"
CLIENT_SECRET = "ups-secret-a8c2d9e1f7"  # noqa: S105 - opens nothing but this sandbox
CREDENTIAL = "alert-sandbox-81c7d2e9"
AUSTIN = Party(
    "Ada Ruiz",
    Address(
        line1="1 Depot Road", city="Austin", postal_code="78701", state="TX", country="US", phone="+1 512 555 0100"
    ),
    "Hub Austin",
)
BOSTON = Party("Site Boston", Address(line1="2 Quay", city="Boston", postal_code="02110", state="MA", country="US"))
PARCEL = Parcel(AUSTIN, BOSTON, weight_g=4_500, length_mm=400, width_mm=300, height_mm=100, description="Switch")


class UpsSandbox(CourierSandbox):
    """UPS in small: purchases without keys, labels that are given out late, activities with the newest first."""

    parcel, carrier = PARCEL, "UPS"
    number_key, number_form = "trackingNumber", f"1Z{ACCOUNT}99{{:08d}}"
    refuses = ("ShipTo.Address.CountryCode", "carrier")
    longest_name = LONGEST

    def __init__(self, clock: Clock) -> None:
        self.office = Office(clock)
        self.counter = Counter(self.office, CLIENT_ID, CLIENT_SECRET)
        self._clock = clock
        self._app = self.counter.app()

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit."""
        return {
            "base_url": "http://ups.test/api", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "account_number": ACCOUNT, "webhook_secret": CREDENTIAL,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a secret that was renewed."""
        return {**self.settings(), "client_secret": "ups-secret-revoked00"}

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """A scan, and what UPS then posts."""
        number = ref.external_id if ref is not None else f"1Z{ACCOUNT}0300000777"
        return SentWebhook(parcel_ref(number), self.posted(number, at, "I", "DP", "Departed from Facility"))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """Something that is about no parcel."""
        return json_webhook({"notification": "maintenance"}, at, _prove)

    def signature(self) -> Signature:
        """A credential that is sent along."""
        reason = "Track Alert sends a credential along, which covers neither body nor time"
        return Signature("credential", covers_body=False, expires_after=None, reason=reason)

    def posted(self, number: str, at: datetime, kind: str, code: str, text: str, **columns: Any) -> WebhookRequest:
        """An alert."""
        local = at - timedelta(hours=5)
        body = {
            "trackingNumber": number, "localActivityDate": f"{local:%Y%m%d}", "localActivityTime": f"{local:%H%M%S}",
            "activityLocation": {"city": "Memphis", "stateProvince": "TN", "postalCode": "", "country": "US"},
            "activityStatus": {"type": kind, "code": code, "description": text, "descriptionCode": "005"},
            "scheduledDeliveryDate": "20260304", "actualDeliveryDate": "", "actualDeliveryTime": "",
            "gmtActivityDate": f"{at:%Y%m%d}", "gmtActivityTime": f"{at:%H%M%S}", **columns,
        }  # fmt: skip
        return json_webhook(body, at, _prove)

    # Ships, TracksShipments

    def trackers(self) -> Mapping[str, dict[str, Any]]:
        """Subscriptions to alerts."""
        return self.office.subscriptions

    def bought(self, key: IdempotencyKey) -> dict[str, Any]:
        """By the service of the first offer."""
        config = UpsConfig.model_validate(self.settings())
        asked = ship_request(BuyLabel(key, PARCEL, "INC-1001"), "03", config)
        return {"id": self.office.make(asked["ShipmentRequest"], "03").number}

    def pick_up(self, shipment: dict[str, Any]) -> None:
        """In Austin."""
        parcel = self.office.parcels[shipment["id"]]
        self.office.report(parcel, "P", "PU", "038", "Pickup Scan", "Austin")

    def labels_of(self, key: IdempotencyKey) -> list[dict[str, Any]]:
        """By the reference."""
        return [{"id": parcel.number} for parcel in self.office.with_reference(key_mark(key))]

    def is_void(self, shipment: SourceRef) -> bool:
        """Told by the office."""
        return self.office.parcels[shipment.external_id].is_void

    def consignee(self, shipment: dict[str, Any]) -> str:
        """Of the request."""
        return str(self.office.parcels[shipment["id"]].asked["Shipment"]["ShipTo"]["AttentionName"])


def _prove(_body: bytes) -> Mapping[str, str]:
    return {"credential": CREDENTIAL, "user-agent": "UPSPubSubTrackingService"}
