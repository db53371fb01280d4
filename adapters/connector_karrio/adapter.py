"""Karrio as the hub's way to couriers: offers, labels, tracking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from connector.sdk import (
    Adapter,
    Batch,
    BuyLabel,
    Clock,
    ConfigError,
    Cursor,
    Health,
    IdempotencyKey,
    InvalidRecord,
    LabelReceipt,
    NotFound,
    OrderPickup,
    Parcel,
    Pulls,
    Quote,
    Receipt,
    ReceivesWebhooks,
    ShipmentRecord,
    Ships,
    SourceClient,
    Stream,
    TrackShipment,
    TracksShipments,
    UnexpectedResponse,
    VoidLabel,
    WebhookRequest,
    WebhookResult,
    require_secret,
)
from connector.sdk.answers import COMPARE, read_records, unreadable_webhook, webhook_secret
from connector.sdk.courier import CancelPickup, PickupReceipt, rejected, require_unused
from connector_karrio import rates
from connector_karrio.client import KarrioClient, Page
from connector_karrio.config import KarrioConfig
from connector_karrio.cursor import Place, read_cursor, write_cursor
from connector_karrio.pickups import Pickups, SchedulePickup, translated
from connector_karrio.requests import KEY, label_type, rates_request, shipment_request
from connector_karrio.tracking import tracker_record, webhook_records

WINDOW = timedelta(days=30)
"""How long after it was made a tracker is read again and again; Karrio does not tell which ones changed."""
TRACKERS = Stream("trackers", ShipmentRecord, "incremental", overlap=WINDOW, batch_limit=100)
SECRET_HEADER = "X-Event-Id"  # noqa: S105 - a header's name


class Karrio(Adapter[KarrioConfig], Ships, TracksShipments, Pulls, ReceivesWebhooks):
    """Couriers behind a Karrio server, each as one of its carrier connections."""

    def __init__(self, config: KarrioConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = KarrioClient(http)

    @classmethod
    def config_type(cls) -> type[KarrioConfig]:
        """Settings of a Karrio source."""
        return KarrioConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """What the carriers report of parcels."""
        return (TRACKERS,)

    async def check(self) -> Health:
        """Version and carrier connections. Raises ConfigError when one that is configured is not there."""
        found = await self._client.connections()
        active = {str(each.get("carrier_id")) for each in found if isinstance(each, dict) and each.get("active")}
        missing = sorted(set(self.config.carrier_ids) - active)
        if missing:
            raise ConfigError(
                f"Karrio has no active carrier connection {missing[0]!r}; active are {', '.join(sorted(active))}",
                operation="check",
                hint="Correct the setting `carrier_ids`, or activate the connection in Karrio.",
            )
        return Health(version=await self._client.version(), detail=f"carriers: {', '.join(sorted(active)) or 'none'}")

    # Ships

    async def quote(self, parcel: Parcel) -> tuple[Quote, ...]:
        """Offers, cheapest first. Raises Invalid naming the field of the parcel that Karrio refuses."""
        try:
            answer = await self._client.rates(rates_request(parcel, self.config))
        except NotFound as error:
            raise _no_connection(error, "quote") from error
        offers = rates.allowed(rates.read_rates(answer, "quote"), self.config)
        return tuple(rates.quote(offer, self.config) for offer in offers)

    async def buy_label(self, op: BuyLabel) -> LabelReceipt:
        """Buy once per key: a draft that an earlier attempt left is bought, a bought label is returned."""
        shipment = await self._shipment_of(op.key)
        if shipment is None:
            try:
                answer = await self._client.create_shipment(shipment_request(op, self.config))
            except NotFound as error:
                raise _no_connection(error, "buy label") from error
            shipment = rates.read_shipment(answer, "buy label")
        if not shipment.is_bought:
            chosen = rates.choose(shipment, op, self.config)
            body = {"selected_rate_id": chosen.id, "label_type": label_type(op.label_format)}
            shipment = rates.read_shipment(await self._client.purchase(shipment.ref, body), "buy label")
        document = await self._client.label(shipment.ref)
        return rates.label_receipt(shipment, op.key, document, self.config)

    async def find_label(self, key: IdempotencyKey) -> LabelReceipt | None:
        """The label of this key, also when it was voided since."""
        shipment = await self._shipment_of(key)
        if shipment is None or not shipment.is_bought:
            return None
        return rates.label_receipt(shipment, key, await self._client.label(shipment.ref), self.config)

    async def void_label(self, op: VoidLabel) -> Receipt:
        """Cancel the shipment. Raises Conflict when its parcel is under way, even if Karrio has not noticed."""
        shipment = rates.read_shipment(await self._client.shipment(op.shipment), "void label")
        if shipment.status == "created" and shipment.tracking_number:
            await self._require_unused(op, shipment.tracking_number)
        if shipment.status != "cancelled":
            try:
                await self._client.cancel(op.shipment)
            except UnexpectedResponse:  # 304: there was nothing to change
                if rates.read_shipment(await self._client.shipment(op.shipment), "void label").status != "cancelled":
                    raise
        return Receipt(key=op.key, external_id=op.shipment.external_id)

    # OrdersPickups, CancelsPickups

    async def order_pickup(self, op: OrderPickup) -> PickupReceipt:
        """Have a carrier come, once per key."""
        return await self.schedule_pickup(translated(op))

    def is_pickup_found_again(self, op: OrderPickup) -> bool:  # noqa: ARG002 - each
        """Each is found by its key."""
        return True

    async def schedule_pickup(self, op: SchedulePickup) -> PickupReceipt:
        """Have the carrier of a bought shipment come, once per key. Raises Invalid, OutcomeUnknown."""
        return await self._pickups().schedule(op)

    async def find_pickup(self, key: IdempotencyKey) -> PickupReceipt | None:
        """The pickup that an earlier attempt with this key ordered, in the last 30 days."""
        return await self._pickups().find(key)

    async def cancel_pickup(self, op: CancelPickup) -> Receipt:
        """Call a pickup off. Raises Conflict when the carrier was there, NotFound."""
        return await self._pickups().cancel(op)

    def _pickups(self) -> Pickups:
        return Pickups(self._client, self.clock.now() - WINDOW)

    # TracksShipments

    async def track(self, op: TrackShipment) -> Receipt:
        """Have the carrier report; asked again, Karrio returns the tracker that it has."""
        reporter = self.config.reporter_for(op.carrier)
        try:
            answer = await self._client.track(reporter, op.tracking_number)
        except NotFound as error:
            raise _no_connection(error, "track", f" that tracks {reporter!r}") from error
        tracker_id = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(tracker_id, str):
            raise UnexpectedResponse("the answer to track names no tracker", operation="track")
        return Receipt(key=op.key, external_id=tracker_id)

    # Pulls

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - the only one
        """Batches of one page each: all trackers first, those of the last 30 days from then on."""
        place: Place | None = read_cursor(since, self.clock.now() - WINDOW) if since else Place()
        while place is not None:
            page, place = await self._next_page(place)
            records, unread = read_records(page.results, lambda body: tracker_record(body, self.config), rejected)
            yield Batch(records, unread, resume=write_cursor(place))

    # ReceivesWebhooks

    def verify(self, request: WebhookRequest) -> None:
        """The secret that Karrio sends along; it signs nothing. Raises AuthError."""
        hint = "Set webhook_secret to the secret that Karrio answered when the webhook was made."
        require_secret(request, header=SECRET_HEADER, secret=webhook_secret(self.config.webhook_secret, hint=hint))

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """What it says of a parcel. Raises Invalid."""
        try:
            return WebhookResult(records=webhook_records(request, self.config))
        except InvalidRecord as error:
            raise unreadable_webhook(error) from None

    async def _shipment_of(self, key: IdempotencyKey) -> rates.Shipment | None:
        """The shipment of this key, a bought one rather than a draft."""
        found = [
            rates.read_shipment(body, "find label")
            for body in await self._client.shipments_with(KEY, key)
            if isinstance(body, dict) and (body.get("metadata") or {}).get(KEY) == key
        ]
        bought = [shipment for shipment in found if shipment.is_bought]
        drafts = [shipment for shipment in found if shipment.status == "draft"]
        return next(iter([*bought, *drafts]), None)

    async def _require_unused(self, op: VoidLabel, tracking_number: str) -> None:
        """Look at the trackers: Karrio joins a shipment only to the tracker that it made itself."""
        page = await self._client.trackers({"tracking_number": tracking_number, "limit": 100}, "void label")
        for body in page.results:
            if not isinstance(body, dict) or body.get("tracking_number") != tracking_number:
                continue
            try:
                record = tracker_record(body, self.config)
            except InvalidRecord as error:
                raise UnexpectedResponse(
                    str(error), operation="void label", ref=op.shipment, hint=error.hint or COMPARE
                ) from None
            require_unused(record, op.shipment)

    async def _next_page(self, place: Place) -> tuple[Page, Place | None]:
        """What follows the place, and the place behind it; None when nothing does."""
        query: dict[str, str | int] = {"limit": self.config.page_size + bool(place.last)}
        if place.after:
            query["created_after"] = _written(place.after)
        while True:
            start = max(0, place.offset - 1) if place.last else place.offset
            page = await self._client.trackers(query | {"offset": start})
            ids = [_id(body) for body in page.results]
            if place.last and place.last not in ids and start > 0:
                # Trackers were discarded, and others moved up: begin a page further up, without a mark.
                place = Place(place.after, max(0, start - self.config.page_size))
                continue
            skip = ids.index(place.last) + 1 if place.last and place.last in ids else 0
            if page.has_more and not page.results[skip:]:
                raise UnexpectedResponse(
                    f"pull trackers: the page at {start} says that more follow and shows none that is new",
                    operation="pull trackers",
                )  # fmt: skip
            following = Place(place.after, start + len(ids), ids[-1] if ids else None)
            return Page(page.results[skip:], page.has_more), following if page.has_more else None


def _id(body: object) -> str | None:
    found = body.get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str) else None


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _no_connection(error: NotFound, operation: str, which: str = "") -> ConfigError:
    return ConfigError(
        f"Karrio has no active carrier connection{which}",
        operation=operation,
        detail=error.detail,
        hint="Add or activate one in Karrio, or correct `carrier_ids`, `tracking_carrier` or `tracking_carriers`.",
    )
