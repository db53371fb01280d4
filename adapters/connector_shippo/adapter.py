"""Shippo as the hub's way to couriers: offers, labels, tracking and pickups."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from connector.sdk import (
    Adapter,
    Batch,
    BuyLabel,
    Clock,
    Conflict,
    Cursor,
    Fetches,
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
    Record,
    Rejected,
    ShipmentRecord,
    Ships,
    SourceClient,
    SourceRef,
    Stream,
    TrackShipment,
    TracksShipments,
    UnexpectedResponse,
    VoidLabel,
    WebhookRequest,
    WebhookResult,
)
from connector.sdk.answers import one_read, read_answer, rejected, unreadable_webhook, webhook_secret
from connector.sdk.courier import UNDER_WAY, PickupReceipt, require_unused
from connector_shippo import labels, pickups
from connector_shippo.client import ShippoClient
from connector_shippo.config import API_VERSION, ShippoConfig
from connector_shippo.cursor import Place, read_cursor, write_cursor
from connector_shippo.pickups import SchedulePickup, translated
from connector_shippo.refusals import failed
from connector_shippo.requests import carrier_in, shipment_request, transaction_request
from connector_shippo.search import bought_at, does_not_go_on, find_transaction, still_under_way
from connector_shippo.shapes import UNDER_WAY as BEING_BOUGHT
from connector_shippo.shapes import VOID, Rate, Refund, Shipment, Transaction
from connector_shippo.signatures import require_signature, require_token
from connector_shippo.tracking import STATUSES, parcel_ref, track_record, webhook_records

WINDOW = timedelta(days=30)
"""How long after its label was bought a parcel is asked after; Shippo does not tell which ones moved."""
PARCELS = Stream("parcels", ShipmentRecord, "incremental", overlap=WINDOW, batch_limit=100)
MOST_REPEATS = 5
"""Pages in a row that are the page before again: labels that are bought meanwhile move the others to later pages."""
TEST_TOKEN = "shippo_test_"  # noqa: S105 - how test tokens begin


class Shippo(Adapter[ShippoConfig], Ships, TracksShipments, Pulls, Fetches, ReceivesWebhooks):
    """Couriers behind Shippo, each by its carrier account."""

    def __init__(self, config: ShippoConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = ShippoClient(http)

    @classmethod
    def config_type(cls) -> type[ShippoConfig]:
        """Settings of a Shippo source."""
        return ShippoConfig

    @classmethod
    def streams(cls) -> tuple[Stream, ...]:
        """What carriers report of the parcels whose labels were bought here."""
        return (PARCELS,)

    async def check(self) -> Health:
        """Whether the token is known, and whether it buys anything."""
        await self._client.carrier_accounts()
        is_test = self.config.api_token.get_secret_value().startswith(TEST_TOKEN)
        detail = "test token: labels are not valid for carriage" if is_test else "labels cost money"
        return Health(version=API_VERSION, detail=detail)

    # Ships

    async def quote(self, parcel: Parcel) -> tuple[Quote, ...]:
        """Offers, cheapest first. Shippo keeps a shipment for them, which costs nothing and which nobody buys."""
        body = await self._client.create_shipment(shipment_request(parcel, self.config), "quote")
        offers = labels.allowed(read_answer(Shipment, body, "quote").rates, self.config)
        return tuple(labels.quote(offer) for offer in offers)

    async def buy_label(self, op: BuyLabel) -> LabelReceipt:
        """Buy once per key: a label that an earlier attempt bought is returned."""
        transaction = await find_transaction(self._client, op.key, self.config, self.clock)
        if transaction is not None:
            return await self._receipt(transaction, await self._rate(transaction, "find label"), op.key)
        request = shipment_request(op.parcel, self.config, reference=op.reference, is_return=op.is_return)
        shipment = read_answer(Shipment, await self._client.create_shipment(request, "buy label"), "buy label")
        rate = labels.choose(shipment, op, self.config)
        body = await self._client.buy(transaction_request(op, rate, self.config))
        transaction = read_answer(Transaction, body, "buy label")
        if transaction.status in BEING_BOUGHT:
            raise still_under_way(transaction, "buy label")
        if not transaction.is_bought:
            raise failed(transaction)
        return await self._receipt(transaction, rate, op.key)

    async def find_label(self, key: IdempotencyKey) -> LabelReceipt | None:
        """The label of this key, also when it was voided since."""
        transaction = await find_transaction(self._client, key, self.config, self.clock)
        if transaction is None:
            return None
        return await self._receipt(transaction, await self._rate(transaction, "find label"), key)

    async def void_label(self, op: VoidLabel) -> Receipt:
        """Hand the label back. Raises Conflict when its parcel is under way or the carrier refuses.

        Raises Transient while it is being bought: to call it void would leave it to be paid for.
        """
        body = await self._client.transaction(op.shipment, "void label")
        transaction = read_answer(Transaction, body, "void label")
        if transaction.status in BEING_BOUGHT:
            raise still_under_way(transaction, "void label")
        if transaction.is_bought and transaction.status not in VOID:
            await self._require_unused(transaction)
            refund = read_answer(Refund, await self._client.refund(op.shipment), "void label")
            if refund.status == "ERROR":
                raise Conflict(
                    f"Shippo does not take label {transaction.tracking_number} back",
                    operation="void label",
                    ref=op.shipment,
                    hint="The carrier may have seen the parcel, or its time for refunds is over.",
                )
        return Receipt(key=op.key, external_id=op.shipment.external_id)

    # OrdersPickups

    async def order_pickup(self, op: OrderPickup) -> PickupReceipt:
        """Have a driver come."""
        return await self.schedule_pickup(translated(op))

    def is_pickup_found_again(self, op: OrderPickup) -> bool:  # noqa: ARG002 - of none
        """Shippo cannot be asked which pickups were ordered."""
        return False

    async def schedule_pickup(self, op: SchedulePickup) -> PickupReceipt:
        """Have a carrier come. Not found again when the answer is lost: see `pickups.schedule`."""
        return await pickups.schedule(op, self._client)

    # TracksShipments

    async def track(self, op: TrackShipment) -> Receipt:
        """Have Shippo send webhooks about a parcel; it says nothing of those that it sends already."""
        carrier = self.config.token_of(op.carrier)
        await self._client.track(carrier, op.tracking_number)
        return Receipt(key=op.key, external_id=parcel_ref(carrier, op.tracking_number).external_id)

    # Pulls, Fetches

    async def pull(self, stream: Stream, since: Cursor | None) -> AsyncIterator[Batch]:  # noqa: ARG002 - the only one
        """Batches of one page of labels: all first, those bought in the last 30 days from then on.

        Raises UnexpectedResponse when the list does not go on.
        """
        place: Place | None = read_cursor(since, self.clock.now() - WINDOW) if since else Place()
        before: tuple[Any, ...] = ()
        repeats = 0
        while place is not None:
            page = await self._client.transactions(place.page, self.config.page_size, "pull parcels")
            repeats = repeats + 1 if page.results == before and page.has_more else 0
            if repeats > MOST_REPEATS:
                raise does_not_go_on(place.page, "pull parcels")
            before = page.results
            start = place.since
            fresh = [body for body in page.results if start is None or (bought_at(body) or start) >= start]
            seen = [await self._seen(body) for body in fresh]
            goes_on = page.has_more and len(fresh) == len(page.results)
            place = Place(start, place.page + 1) if goes_on else None
            yield Batch(
                records=tuple(each for each in seen if isinstance(each, ShipmentRecord)),
                rejected=tuple(each for each in seen if isinstance(each, Rejected)),
                resume=write_cursor(place),
            )

    async def fetch(self, ref: SourceRef) -> Record:
        """What is known of a parcel now. Raises NotFound while that is nothing."""
        carrier, _, number = ref.external_id.partition("/")
        track = await self._client.tracked(carrier, number, "fetch parcel") if number else None
        with one_read("fetch parcel", ref):
            record = track_record(track) if track is not None else None
        if record is None:
            raise NotFound(f"no carrier says anything of {ref}", operation="fetch parcel", ref=ref)
        return record

    # ReceivesWebhooks

    def verify(self, request: WebhookRequest) -> None:
        """The token or signature that the settings ask for. Raises AuthError."""
        hint = "Set webhook_secret to the token of the webhook's address, or to the secret of Shippo's HMAC."
        check = require_signature if self.config.webhook_auth == "hmac" else require_token
        check(request, webhook_secret(self.config.webhook_secret, hint=hint))

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """What it says of a parcel. Raises Invalid."""
        try:
            return WebhookResult(records=webhook_records(request))
        except InvalidRecord as error:
            raise unreadable_webhook(error) from None

    async def _rate(self, transaction: Transaction, operation: str) -> Rate:
        return read_answer(Rate, await self._client.rate(transaction.rate, operation), operation)

    async def _receipt(self, transaction: Transaction, rate: Rate, key: IdempotencyKey) -> LabelReceipt:
        if not transaction.label_url:
            raise UnexpectedResponse(
                f"Shippo does not say where the label of {transaction.id} lies",
                operation="download label",
                ref=transaction.ref,
            )
        document = await self._client.label(transaction.label_url, self.config.label_hosts, transaction.ref)
        return labels.label_receipt(transaction, rate, key, document)

    async def _seen(self, body: Any) -> ShipmentRecord | Rejected | None:
        """What the carrier says of the parcel of a label; None of one that is void, another's, or not yet known."""
        carrier = carrier_in(body.get("metadata")) if isinstance(body, dict) else None
        if carrier is None:
            return None
        transaction = read_answer(Transaction, body, "pull parcels")
        number = transaction.tracking_number
        if not number or not transaction.is_bought or transaction.status in VOID:
            return None
        ref = parcel_ref(carrier, number)
        try:
            track = await self._client.tracked(carrier, number, "pull parcels")
        except NotFound:
            return None
        except Invalid as error:
            return rejected(body, InvalidRecord(str(error), hint="Set `carriers` of this source."), ref)
        try:
            return track_record(track)
        except InvalidRecord as error:
            return rejected(track, error, ref)

    async def _require_unused(self, transaction: Transaction) -> None:
        """Refuse a label whose parcel somebody has scanned: Shippo takes it back and the carrier bills it all the same.

        Raises Conflict.
        """
        status, number = STATUSES.get(transaction.tracking_status or ""), transaction.tracking_number
        record: ShipmentRecord | None = None
        if status in UNDER_WAY and status is not None:
            ref = transaction.ref
            record = ShipmentRecord(ref=ref, tracking_number=number or ref.external_id, status=status)
        elif number:
            carrier = carrier_in(transaction.metadata)
            if carrier is None:
                carrier = self.config.token_of((await self._rate(transaction, "void label")).provider)
            record = await self._known(carrier, number)
        require_unused(record, transaction.ref)

    async def _known(self, carrier: str, number: str) -> ShipmentRecord | None:
        """What is known of a parcel; what cannot be read or asked is no proof that the label was used."""
        try:
            return track_record(await self._client.tracked(carrier, number, "void label"))
        except (NotFound, Invalid, InvalidRecord):
            return None
