"""SANDBOX: the whole sandbox system, as tests and the demo start it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
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
from connector_karrio.config import KarrioConfig
from connector_karrio.requests import KEY, shipment_request
from connector_karrio.sandbox.hooks import Hooks
from connector_karrio.sandbox.office import DEMO_JOURNEY, Leg, Office
from connector_karrio.sandbox.server import Counter
from connector_karrio.sandbox.shapes import LONG

TOKEN = "key_sandbox4c1f9b2e7d30"  # noqa: S105 - opens nothing but this sandbox
SECRET = "whsec_sandbox81c7d2e9"  # noqa: S105
BERLIN = Party("Hub Berlin", Address(line1="1 Depot Road", city="Berlin", postal_code="10115", country="DE"), "Spares")
HAMBURG = Party("Site Hamburg", Address(line1="2 Quay", city="Hamburg", postal_code="20095", country="DE"))
PARCEL = Parcel(BERLIN, HAMBURG, weight_g=4_500, length_mm=400, width_mm=300, height_mm=100, description="Switch")


class KarrioSandbox(Sandbox):
    """Karrio in small: drafts that are bought, labels that are drawn, parcels that go nowhere.

    path: file from which a later start resumes. hook_url: a webhook that is there from the start. journey: scans
    after each purchase; a served app looks every `tick` whether one is due, else `advance()` does.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        token: str = TOKEN,
        hook_url: str | None = None,
        hook_secret: str = SECRET,
        journey: Sequence[Leg] = DEMO_JOURNEY,
        tick: timedelta = timedelta(seconds=1),
        path: Path | None = None,
    ) -> None:
        self._clock = clock
        self._token = token
        self._hook_secret = hook_secret
        self._tick = tick
        self.office = Office(clock, journey=journey, path=path)
        self.hooks = Hooks()
        if hook_url:
            self.hooks.add(hook_url, hook_secret)
        self._app = Counter(self.office, token, self.hooks).app(self._lifespan)

    def app(self) -> Starlette:
        """The server."""
        return self._app

    async def advance(self) -> None:
        """Let parcels go as far as the clock has come, and tell the webhooks."""
        self.office.advance()
        await self.hooks.post(self.office.take_outbox())

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages."""
        return {
            "base_url": "http://karrio.test", "token": self._token, "webhook_secret": self._hook_secret,
            "page_size": 5,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a key that was revoked."""
        return {**self.settings(), "token": "key_revoked000000000000"}

    # Pulls

    def page_size(self, stream: str) -> int:  # noqa: ARG002 - there is one stream
        """As in `settings()`."""
        return 5

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:  # noqa: ARG002
        """Trackers of parcels that somebody else sent."""
        return tuple(_ref(self._tracker(at + step * number)) for number in range(count))

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """A further scan."""
        self.office.scan(self.office.trackers[ref.external_id], "in_transit", "Departed", "Leipzig", at)

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """Trackers are discarded, parcels are not."""
        raise NotApplicable(
            f"to discard a tracker ends the reports on a parcel, it is there all the same ({ref}, {at})"
        )

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:  # noqa: ARG002
        """A scan at no time."""
        tracker = self._tracker(at)
        tracker["events"][0] |= {"date": "someday", "timestamp": None}
        return _ref(tracker)

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:  # noqa: ARG002
        """A tracker with a status and a column of a later release."""
        tracker = self._tracker(at)
        tracker |= {"status": "teleported", "altitude_m": 400_000}
        return _ref(tracker)

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """A scan, and what Karrio then posts."""
        tracker = self.office.trackers[ref.external_id] if ref else self._tracker(at - timedelta(hours=1))
        self.office.scan(tracker, "in_transit", "Departed", "Leipzig", at)
        return SentWebhook(_ref(tracker), self._request(self.office.outbox[-1], at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """An event that has nothing to do with parcels."""
        return self._request({"event": "batch_completed", "data": {"id": "batch_1", "status": "completed"}}, at)

    def signature(self) -> Signature:
        """There is none: the secret itself is sent along."""
        reason = "Karrio signs nothing and tells no time: the header X-Event-Id carries the webhook's secret itself"
        return Signature("x-event-id", covers_body=False, expires_after=None, reason=reason)

    # Ships, TracksShipments

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """On a parcel of its own."""
        if kind is BuyLabel:
            return BuyLabel(key, PARCEL, "INC-1001")
        if kind is VoidLabel:
            return VoidLabel(key, _ref(self._bought(f"{key}:bought")))
        if kind is TrackShipment:
            return TrackShipment(key, f"7000{len(self.office.trackers):010d}", "sandpost")
        raise NotApplicable(f"Karrio has no {kind.__name__}")

    def effects(self, operation: Operation) -> int:
        """Told by shipments and trackers."""
        match operation:
            case BuyLabel():
                return sum(bool(each["tracking_number"]) for each in self._shipments(operation.key))
            case VoidLabel():
                return int(self.office.shipments[operation.shipment.external_id]["status"] == "cancelled")
            case TrackShipment():
                numbers = [each["tracking_number"] for each in self.office.trackers.values()]
                return numbers.count(operation.tracking_number)
            case _:
                raise NotApplicable(f"Karrio has no {type(operation).__name__}")

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """A consignee without a country, a carrier that Karrio does not know."""
        if kind is BuyLabel:
            nowhere = replace(PARCEL, recipient=Party("Site", Address(city="Atlantis")))
            return Refused(BuyLabel(key, nowhere, "INC-1001"), "recipient.country_code")
        if kind is TrackShipment:
            return Refused(TrackShipment(key, "70000000000001", "pigeon"), "carrier_name")
        raise NotApplicable("a label that cannot be voided is a conflict, no mistake of the request")

    def void_of_used_label(self, key: IdempotencyKey) -> VoidLabel:
        """The parcel has been picked up."""
        shipment = self._bought(f"{key}:bought")
        self.office.scan(self.office.trackers[shipment["tracker_id"]], "picked_up", "Picked up", "Berlin")
        return VoidLabel(key, _ref(shipment))

    def longest_text(self, operation: WithText) -> int:  # noqa: ARG002 - only labels
        """Of the consignee's name."""
        return LONG

    def stored_text(self, operation: WithText) -> str:
        """The consignee's name."""
        return str(self._shipments(operation.key)[0]["recipient"]["person_name"])

    def _tracker(self, at: datetime) -> dict[str, Any]:
        return self.office.add_tracker(f"7000{len(self.office.trackers):010d}", "sandpost", at)

    def _bought(self, key: IdempotencyKey) -> dict[str, Any]:
        config = KarrioConfig.model_validate(self.settings())
        draft = self.office.create_shipment(shipment_request(BuyLabel(key, PARCEL, "INC-1001"), config))
        return self.office.purchase(draft, {"selected_rate_id": draft["rates"][0]["id"]})

    def _shipments(self, key: IdempotencyKey) -> list[dict[str, Any]]:
        return [each for each in self.office.shipments.values() if each["metadata"].get(KEY) == key]

    def _request(self, event: Mapping[str, Any], at: datetime) -> WebhookRequest:
        headers = {"content-type": "application/json", "x-event-id": self._hook_secret}
        return WebhookRequest(headers=headers, body=json.dumps(event).encode(), received_at=at)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        ticking = asyncio.create_task(self._tick_on())
        yield
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking

    async def _tick_on(self) -> None:
        while True:
            await self.advance()
            await asyncio.sleep(self._tick.total_seconds())


def _ref(body: Mapping[str, Any]) -> SourceRef:
    return SourceRef(kind=EntityKind.SHIPMENT, external_id=body["id"])
