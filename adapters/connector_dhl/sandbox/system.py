"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    VoidLabel,
    WebhookRequest,
)
from connector.sdk.courier import key_mark
from connector.sdk.testing import (
    CourierSandbox,
    NotApplicable,
    Operation,
    OperationKind,
    SentWebhook,
    Signature,
    json_webhook,
)
from connector_dhl.config import DhlConfig
from connector_dhl.requests import ship_request
from connector_dhl.sandbox.office import ACCOUNT, LONGEST, Office, seen
from connector_dhl.sandbox.server import Counter
from connector_dhl.shapes import parcel_ref

API_KEY, API_SECRET = "mydhl-sandbox-key-71", "mydhl-secret-a8c2d9e1f7"
TRACKING_KEY = "unified-key-5c1e77b2e7d3"
PUSH_TOKEN = "push-sandbox-81c7d2e9ab"  # noqa: S105 - nor does this
ONCE = (
    "MyDHL API has no key for purchases, gives a label's file out once and takes no label back: one whose answer was "
    "lost can be seen by its reference, and nobody can print it; another is bought"
)
NO_VOID = "MyDHL API takes no label back: the adapter says that this is not offered"
BERLIN = Party(
    "Jonas Weber",
    Address(line1="Lagerstrasse 1", city="Berlin", postal_code="10115", country="DE", phone="+49 30 555 0100"),
    "Hub Berlin",
)
HAMBURG = Party(
    "Site Hamburg",
    Address(line1="Kai 2", city="Hamburg", postal_code="20457", country="DE", phone="+49 40 555 0102"),
)
PARIS = Party(
    "Site Paris",
    Address(line1="2 Quai de Seine", city="Paris", postal_code="75001", country="FR", phone="+33 1 55 50 10 10"),
)
PARCEL = Parcel(BERLIN, PARIS, weight_g=4_500, length_mm=400, width_mm=300, height_mm=100, description="Switch")


class DhlSandbox(CourierSandbox):
    """DHL in small: labels that are given out once and never taken back, checkpoints with the newest first, pushes."""

    parcel, carrier = PARCEL, "DHL"
    number_key, number_form = "id", "00340434161094{:06d}"
    refuses = ("receiverDetails.countryCode", "carrier")
    longest_name = LONGEST

    def __init__(self, clock: Clock) -> None:
        self.office = Office(clock)
        self._clock = clock
        self._app = Counter(self.office, API_KEY, API_SECRET, TRACKING_KEY).app()

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit."""
        return {
            "base_url": "http://express.dhl.test/mydhlapi", "api_key": API_KEY, "api_secret": API_SECRET,
            "account_number": ACCOUNT, "tracking_url": "http://api-eu.dhl.test", "tracking_key": TRACKING_KEY,
            "webhook_secret": PUSH_TOKEN, "time_zone": "Europe/Berlin",
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a secret that was renewed."""
        return {**self.settings(), "api_secret": "mydhl-secret-revoked00"}

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """What DHL then posts."""
        number = ref.external_id if ref is not None else "00340434161094777777"
        return SentWebhook(parcel_ref(number), self.pushed(seen(number, at, "transit", "In transit"), at=at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """Something that is about no parcel."""
        return json_webhook({"scope": "subscription.ready", "self": "x"}, at, _prove)

    def signature(self) -> Signature:
        """A token that is sent along."""
        reason = "DHL sends the token of the subscription along; it covers neither body nor time"
        return Signature("x-dhl-push-token", covers_body=False, expires_after=None, reason=reason)

    def pushed(self, *shipments: dict[str, Any], at: datetime) -> WebhookRequest:
        """A push about parcels."""
        self_link = "https://api-eu.dhl.com/tracking/push/v1/subscription/5c1e77b2"
        content = {"scope": "subscription.push", "self": self_link, "shipments": list(shipments)}
        return json_webhook(content, at, _prove)

    # Ships

    def not_asked(self) -> str:
        """Labels cannot be had again."""
        return ONCE

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """All but what DHL does not do."""
        if kind is VoidLabel:
            raise NotApplicable(NO_VOID)
        return super().operation(kind, key)

    def effects(self, operation: Operation) -> int:
        """Told by shipments; several of one key are what becomes of lost answers."""
        count = super().effects(operation)
        if isinstance(operation, BuyLabel) and count > 1:
            raise NotApplicable(ONCE)
        return count

    def bought(self, key: IdempotencyKey) -> dict[str, Any]:
        """By the product of the first offer."""
        config = DhlConfig.model_validate(self.settings())
        request = ship_request(BuyLabel(key, PARCEL, "INC-1001"), "W", None, config, self._clock.now())
        return {"id": self.office.make(request).number}

    def pick_up(self, shipment: dict[str, Any]) -> None:
        """In Berlin."""
        self.office.report(shipment["id"], "PU", "Shipment picked up", "Berlin-DE")

    def labels_of(self, key: IdempotencyKey) -> Sequence[dict[str, Any]]:
        """By the reference."""
        return [{"id": each.number} for each in self.office.with_reference(key_mark(key))]

    def is_void(self, shipment: SourceRef) -> bool:  # noqa: ARG002 - none ever is
        """Never."""
        return False

    def consignee(self, shipment: dict[str, Any]) -> str:
        """Of the request."""
        asked = self.office.shipments[shipment["id"]].asked
        return str(asked["customerDetails"]["receiverDetails"]["contactInformation"]["fullName"])


def _prove(body: bytes) -> Mapping[str, str]:  # noqa: ARG001 - it covers nothing of it
    return {"x-dhl-push-token": PUSH_TOKEN}
