"""SANDBOX: a book in a directory of its own, and what the code on a label brings about."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from connector.sdk import (
    Address,
    BuyLabel,
    Clock,
    EntityKind,
    IdempotencyKey,
    Parcel,
    Party,
    Point,
    ShipmentStatus,
    SourceRef,
    VoidLabel,
    WebhookRequest,
)
from connector.sdk.testing import CourierSandbox, NotApplicable, SentWebhook, Signature
from connector_manual_courier.book import Book, Entry
from connector_manual_courier.config import ManualCourierConfig
from connector_manual_courier.numbers import numbers_for
from connector_manual_courier.reports import PROOF, WITHIN, Link
from connector_manual_courier.tariff import offers_for

SECRET = "label-sandbox-51f0c2d9"  # noqa: S105 - opens nothing but this sandbox
DEPOT = Party(
    "Depot Berlin", Address(line1="Depotweg 1", postal_code="12099", city="Berlin", country="DE"), "Spares",
    Point(52.4550, 13.3950),
)  # fmt: skip
SITE = Party(
    "Site Potsdam", Address(line1="Am Ufer 2", postal_code="14467", city="Potsdam", country="DE"),
    point=Point(52.3989, 13.0657),
)  # fmt: skip
PARCEL = Parcel(DEPOT, SITE, weight_g=4_500, description="Switch")


class ManualCourierSandbox(CourierSandbox):
    """The book of a van, and drivers with phones."""

    parcel, carrier = PARCEL, "Van Berlin"
    refuses = ("recipient", "")
    longest_name = 255

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.folder = Path(tempfile.mkdtemp(prefix="manual-courier-"))
        self.config = ManualCourierConfig.model_validate(self.settings())
        self.book = Book(self.config.book, self.config.prefix)

    def app(self) -> None:
        """There is no server."""

    def settings(self) -> Mapping[str, object]:
        """A van twice a day, and a messenger for what is near."""
        return {
            "book": str(self.folder), "carrier": self.carrier, "currency": "EUR", "time_zone": "Europe/Berlin",
            "prefix": "VAN", "report_secret": SECRET, "report_address": "https://hub.example.com/webhooks/van",
            "services": [
                {"name": "same day", "base": "12.50", "per_km": "0.80", "per_kg": "0.40", "transit_hours": 4,
                 "cut_off": "14:00"},
                {"name": "messenger", "base": "35", "transit_hours": 1.5, "max_kg": 5, "max_km": 40},
            ],
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """Nobody is asked for credentials."""
        raise NotApplicable("the book is a directory: there are no credentials that anybody would refuse")

    def close(self) -> None:
        """Remove the book."""
        shutil.rmtree(self.folder)

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """A driver says where a parcel is."""
        number = ref.external_id if ref is not None else next(numbers_for("webhook", self.config.prefix))
        return SentWebhook(
            SourceRef(kind=EntityKind.SHIPMENT, external_id=number),
            self.reported(number, at, status=ShipmentStatus.IN_TRANSIT.value, by="Kim", place="A 115"),
        )

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:  # noqa: ARG002 - there is none
        """There is one kind."""
        raise NotApplicable("a report is a report: there are no kinds of webhook")

    def signature(self) -> Signature:
        """Of the parcel and the moment."""
        reason = "a link vouches for parcel and moment; what happened is said by whoever holds the label"
        return Signature(PROOF, where="query", covers_body=False, expires_after=WITHIN, reason=reason)

    def reported(self, number: str, at: datetime, **said: str) -> WebhookRequest:
        """What the form of a page that was opened at `at` sends."""
        query = dict(parse_qsl(Link(number, at).query(SECRET)))
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html"}
        return WebhookRequest(headers, urlencode(said).encode(), at, query)

    # Ships

    def bought(self, key: IdempotencyKey) -> dict[str, Any]:
        """At the first offer."""
        op = BuyLabel(key, PARCEL, "INC-1001")
        offer = offers_for(PARCEL, self.config, self._clock.now(), operation="buy label")[0]
        entry = self.book.enter(key, lambda number: Entry(
            number, op, offer.carrier, offer.service, offer.amount_cents, offer.currency, offer.arrives_at,
            self._clock.now(),
        ))  # fmt: skip
        return _shown(entry)

    def labels_of(self, key: IdempotencyKey) -> list[dict[str, Any]]:
        """By the book."""
        return [_shown(entry) for entry in self.book.entries() if entry.op.key == key]

    def is_void(self, shipment: SourceRef) -> bool:
        """By the book."""
        return self.book.voided(shipment.external_id) is not None

    def consignee(self, shipment: Mapping[str, Any]) -> str:
        """By the book."""
        entry = self.book.entry(shipment["id"])
        return entry.op.parcel.recipient.name if entry is not None else ""

    def void_of_used_label(self, key: IdempotencyKey) -> VoidLabel:  # noqa: ARG002 - there is none
        """Only the hub hears of what people report."""
        raise NotApplicable(
            "what people report goes to the hub, which asks nobody to void the label of a parcel that has left; "
            "the book holds what was asked for alone"
        )


def _shown(entry: Entry) -> dict[str, Any]:
    return {"id": entry.number}
