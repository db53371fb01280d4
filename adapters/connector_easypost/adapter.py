"""EasyPost as the hub's way to couriers: offers, labels, tracking and pickups."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from connector.sdk import (
    Adapter,
    Batch,
    BuyLabel,
    Clock,
    Conflict,
    Cursor,
    Health,
    IdempotencyKey,
    Invalid,
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
)
from connector.sdk.answers import id_of, read_answer, read_records, unreadable_webhook, webhook_secret
from connector.sdk.courier import CancelPickup, PickupReceipt, rejected, require_label, require_unused
from connector_easypost import shipments
from connector_easypost.client import EasyPostClient
from connector_easypost.config import EasyPostConfig
from connector_easypost.cursor import Place, read_cursor, write_cursor
from connector_easypost.pickups import Pickups, SchedulePickup
from connector_easypost.requests import label_type, rates_request, reference_of, shipment_request
from connector_easypost.shapes import Offers, Shipment
from connector_easypost.signatures import require_v1, require_v2
from connector_easypost.tracking import created_at, tracker_record, webhook_records

WINDOW = timedelta(days=30)
"""How long after it was made a tracker is read again and again; EasyPost does not tell which ones changed."""
TRACKERS = Stream("trackers", ShipmentRecord, "incremental", overlap=WINDOW, batch_limit=100)
MOST_DRAFTS = 20
"""Drafts of one key that are looked at; there is more than one where a request was corrected."""
VOID = frozenset({"submitted", "refunded", "not_applicable"})
"""Refund states in which nothing is left to do; `not_applicable`: the carrier bills labels when they are scanned."""
TEST_KEY = "EZTK"


class EasyPost(Adapter[EasyPostConfig], Ships, TracksShipments, Pulls, ReceivesWebhooks):
    """Couriers behind EasyPost, each by its carrier account."""

    def __init__(self, config: EasyPostConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = EasyPostClient(http)
        self._pickups = Pickups(self._client)

    @classmethod
    def config_type(cls) -> type[EasyPostConfig]:
        """Settings of an EasyPost source."""
        return EasyPostConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """What the carriers report of parcels."""
        return (TRACKERS,)

    async def check(self) -> Health:
        """The release that answers, and whether the key buys anything."""
        is_test = self.config.api_key.get_secret_value().startswith(TEST_KEY)
        detail = "test key: labels are not valid for carriage" if is_test else "labels cost money"
        return Health(version=await self._client.version(), detail=detail)

    # Ships

    async def quote(self, parcel: Parcel) -> tuple[Quote, ...]:
        """Offers, cheapest first. EasyPost keeps a draft for them, which costs nothing and which nobody buys."""
        body = await self._client.create_shipment(rates_request(parcel, self.config), "quote", reads=True)
        offers = shipments.allowed(read_answer(Shipment, body, "quote").rates, self.config)
        return tuple(shipments.quote(offer) for offer in offers)

    async def buy_label(self, op: BuyLabel) -> LabelReceipt:
        """Buy once per key: a draft that an earlier attempt left is bought, a bought label is returned."""
        drafts = await self._shipments_of(op.key)
        shipment = drafts[-1] if drafts else None
        if shipment is not None and not shipment.is_bought:
            if shipments.is_draft_for(shipment, op, self.config):
                offers = read_answer(Offers, await self._client.rerate(shipment.ref), "buy label")
                shipment = shipment.model_copy(update={"rates": offers.rates})
            else:
                shipment = None
        if shipment is None:
            request = shipment_request(op, len(drafts) + 1, self.config)
            shipment = read_answer(Shipment, await self._client.create_shipment(request, "buy label"), "buy label")
        if not shipment.is_bought:
            shipment = await self._buy(shipment, op)
        return shipments.label_receipt(shipment, op.key, await self._label(shipment))

    async def find_label(self, key: IdempotencyKey) -> LabelReceipt | None:
        """The label of this key, also when it was voided since."""
        for shipment in await self._shipments_of(key):
            if shipment.is_bought:
                return shipments.label_receipt(shipment, key, await self._label(shipment))
        return None

    async def void_label(self, op: VoidLabel) -> Receipt:
        """Hand the label back. Raises Conflict when its parcel is under way or the carrier refuses."""
        shipment = await self._shipment(op.shipment.external_id, "void label")
        if shipment.is_bought and shipment.refund_status not in VOID:
            await self._require_unused(op, shipment)
            shipment = read_answer(Shipment, await self._client.refund(op.shipment), "void label")
            if shipment.refund_status not in VOID:
                raise Conflict(
                    f"the refund of {shipment.tracking_code} is {shipment.refund_status or 'not told'}",
                    operation="void label",
                    ref=op.shipment,
                    hint="Carriers reject what is handed back right after it was bought: try it again in an hour.",
                )
        return Receipt(key=op.key, external_id=op.shipment.external_id)

    # OrdersPickups, CancelsPickups

    async def order_pickup(self, op: OrderPickup) -> PickupReceipt:
        """Have carriers come, once per key."""
        return await self._pickups.order(op)

    def is_pickup_found_again(self, op: OrderPickup) -> bool:  # noqa: ARG002 - each
        """Each is found by its key."""
        return True

    async def schedule_pickup(self, op: SchedulePickup) -> PickupReceipt:
        """Have a carrier come, once per key. Raises Invalid when none would, OutcomeUnknown when an answer was lost."""
        return await self._pickups.schedule(op)

    async def find_pickup(self, key: IdempotencyKey) -> PickupReceipt | None:
        """The pickup that an earlier attempt with this key ordered, if it did."""
        return await self._pickups.find(key)

    async def cancel_pickup(self, op: CancelPickup) -> Receipt:
        """Call a pickup off. Raises Conflict when it is too late, NotFound when there is none."""
        return await self._pickups.cancel(op)

    # TracksShipments

    async def track(self, op: TrackShipment) -> Receipt:
        """Have the carrier report; asked again, EasyPost returns the tracker that it has."""
        carrier = self.config.tracking_carriers.get(op.carrier, op.carrier)
        tracker_id = id_of(await self._client.track(carrier, op.tracking_number))
        if tracker_id is None:
            raise UnexpectedResponse("the answer to track names no tracker", operation="track")
        return Receipt(key=op.key, external_id=tracker_id)

    # Pulls

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - the only one
        """Batches of one page each: all trackers first, those made in the last 30 days from then on."""
        place: Place | None = read_cursor(since, self.clock.now() - WINDOW) if since else Place()
        began_anew = False
        while place is not None:
            query: dict[str, str | int] = {"page_size": self.config.page_size}
            if place.before_id:
                query["before_id"] = place.before_id
            try:
                page = await self._client.trackers(query)
            except (NotFound, Invalid):
                if not place.before_id or began_anew:
                    raise
                # the tracker that marks the place was deleted meanwhile
                place, began_anew = Place(place.since), True
                continue
            if page.has_more and not page.results:
                raise UnexpectedResponse(
                    "pull trackers: an empty page says that more follow", operation="pull trackers"
                )
            start = place.since
            fresh = [body for body in page.results if start is None or (created_at(body) or start) >= start]
            goes_on = page.has_more and len(fresh) == len(page.results)
            place = Place(start, _last_id(page.results)) if goes_on else None
            records, unread = read_records(fresh, tracker_record, rejected)
            yield Batch(records, unread, resume=write_cursor(place))

    # ReceivesWebhooks

    def verify(self, request: WebhookRequest) -> None:
        """The signature that the settings ask for. Raises AuthError."""
        hint = "Set webhook_secret to the secret that the webhook was made with."
        check = require_v2 if self.config.webhook_signature == "v2" else require_v1
        check(request, webhook_secret(self.config.webhook_secret, hint=hint))

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """What it says of a parcel. Raises Invalid."""
        try:
            return WebhookResult(records=webhook_records(request))
        except InvalidRecord as error:
            raise unreadable_webhook(error) from None

    async def _shipment(self, id_or_reference: str, operation: str) -> Shipment:
        return read_answer(Shipment, await self._client.shipment(id_or_reference, operation), operation)

    async def _shipments_of(self, key: IdempotencyKey) -> tuple[Shipment, ...]:
        """The drafts of this key in order, up to one that was bought."""
        found: list[Shipment] = []
        for number in range(1, MOST_DRAFTS + 1):
            reference = reference_of(key, number)
            try:
                shipment = await self._shipment(reference, "find label")
            except NotFound:
                return tuple(found)
            if shipment.reference != reference:
                return tuple(found)
            found.append(shipment)
            if shipment.is_bought:
                return tuple(found)
        raise UnexpectedResponse(
            f"EasyPost has more than {MOST_DRAFTS} drafts of {key}, and none was bought",
            operation="find label",
            hint="Plan the shipment anew; drafts cost nothing.",
        )

    async def _buy(self, shipment: Shipment, op: BuyLabel) -> Shipment:
        chosen = shipments.choose(shipment, op, self.config)
        try:
            return read_answer(Shipment, await self._client.buy(shipment.ref, chosen.id), "buy label")
        except Conflict:
            # somebody was faster: what they bought is what there is
            bought = await self._shipment(shipment.id, "buy label")
            if not bought.is_bought:
                raise
            return bought

    async def _label(self, shipment: Shipment) -> bytes:
        wanted = label_type(shipments.format_of(shipment))
        url = shipment.postage_label.url(wanted) if shipment.postage_label else None
        if not url:
            converted = read_answer(Shipment, await self._client.convert_label(shipment.ref, wanted), "convert label")
            url = converted.postage_label.url(wanted) if converted.postage_label else None
        if not url:
            raise UnexpectedResponse(
                f"EasyPost does not say where the label of {shipment.id} lies as {wanted}",
                operation="download label",
                ref=shipment.ref,
            )
        document = await self._client.label(url, self.config.label_hosts, shipment.ref)
        return require_label(document, shipments.format_of(shipment), shipment.ref)

    async def _require_unused(self, op: VoidLabel, shipment: Shipment) -> None:
        """Look at all trackers of the number: the shipment's own may be older than the latest scan.

        Carriers use numbers again, so one that was made before the label is of another parcel.
        """
        query: dict[str, str | int] = {"tracking_code": shipment.tracking_code or "", "page_size": 100}
        page = await self._client.trackers(query, "void label")
        for body in (shipment.tracker, *page.results):
            record, made = _readable(body), created_at(body)
            if record is None or (shipment.created_at and made and made < shipment.created_at):
                continue
            if record.tracking_number == shipment.tracking_code:
                require_unused(record, op.shipment)


def _last_id(bodies: tuple[object, ...]) -> str:
    """The mark that the next page begins behind: of the last tracker that has an id."""
    for body in reversed(bodies):
        if found := id_of(body):
            return found
    raise UnexpectedResponse(
        "no tracker of a page has an id, so the next page cannot be asked for", operation="pull trackers"
    )


def _readable(body: object) -> ShipmentRecord | None:
    """What a tracker says; a status that nobody knows is no proof that the label was used."""
    try:
        return tracker_record(body)
    except InvalidRecord:
        return None
