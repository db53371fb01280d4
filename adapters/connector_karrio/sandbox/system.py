"""SANDBOX: the whole sandbox system, as tests and the demo start it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from connector.sdk import Address, BuyLabel, Clock, IdempotencyKey, Parcel, Party, SourceRef, WebhookRequest
from connector.sdk.testing import CourierSandbox, SentWebhook, Signature, json_webhook, shipment_ref
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


class KarrioSandbox(CourierSandbox):
    """Karrio in small: drafts that are bought, labels that are drawn, parcels that go nowhere.

    path: file from which a later start resumes. hook_url: a webhook that is there from the start. journey: scans
    after each purchase; a served app looks every `tick` whether one is due, else `advance()` does.
    """

    parcel, carrier = PARCEL, "sandpost"
    number_key, number_form = "tracking_number", "7000{:010d}"
    refuses = ("recipient.country_code", "carrier_name")
    longest_name = LONG

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

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """A scan, and what Karrio then posts."""
        tracker = self.office.trackers[ref.external_id] if ref else self.tracker(at - timedelta(hours=1))
        self.scan(tracker, at)
        return SentWebhook(shipment_ref(tracker), self._request(self.office.outbox[-1], at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """An event that has nothing to do with parcels."""
        return self._request({"event": "batch_completed", "data": {"id": "batch_1", "status": "completed"}}, at)

    def signature(self) -> Signature:
        """There is none: the secret itself is sent along."""
        reason = "Karrio signs nothing and tells no time: the header X-Event-Id carries the webhook's secret itself"
        return Signature("x-event-id", covers_body=False, expires_after=None, reason=reason)

    # Ships, TracksShipments

    def trackers(self) -> Mapping[str, dict[str, Any]]:
        """Of the office."""
        return self.office.trackers

    def add_tracker(self, number: str, at: datetime) -> dict[str, Any]:
        """With a first scan."""
        return self.office.add_tracker(number, self.carrier, at)

    def scan(self, tracker: dict[str, Any], at: datetime) -> None:
        """Somewhere in the middle."""
        self.office.scan(tracker, "in_transit", "Departed", "Leipzig", at)

    def spoil(self, tracker: dict[str, Any]) -> None:
        """The first scan."""
        tracker["events"][0] |= {"date": "someday", "timestamp": None}

    def bought(self, key: IdempotencyKey) -> dict[str, Any]:
        """At the first offer."""
        config = KarrioConfig.model_validate(self.settings())
        draft = self.office.create_shipment(shipment_request(BuyLabel(key, PARCEL, "INC-1001"), config))
        return self.office.purchase(draft, {"selected_rate_id": draft["rates"][0]["id"]})

    def pick_up(self, shipment: dict[str, Any]) -> None:
        """In Berlin."""
        self.office.scan(self.office.trackers[shipment["tracker_id"]], "picked_up", "Picked up", "Berlin")

    def labels_of(self, key: IdempotencyKey) -> list[dict[str, Any]]:
        """By the metadata, without drafts."""
        shipments = self.office.shipments.values()
        return [each for each in shipments if each["metadata"].get(KEY) == key and each["tracking_number"]]

    def is_void(self, shipment: SourceRef) -> bool:
        """Told by the state."""
        return bool(self.office.shipments[shipment.external_id]["status"] == "cancelled")

    def consignee(self, shipment: dict[str, Any]) -> str:
        """Of the address."""
        return str(shipment["recipient"]["person_name"])

    def _request(self, event: Mapping[str, Any], at: datetime) -> WebhookRequest:
        return json_webhook(event, at, lambda _: {"x-event-id": self._hook_secret})

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
