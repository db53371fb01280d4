"""UPS as the hub's courier: offers, labels, tracking, alerts and pickups."""

from __future__ import annotations

from contextlib import suppress

from connector.sdk import (
    Adapter,
    BuyLabel,
    ClientCredentials,
    Clock,
    Conflict,
    Fetches,
    Health,
    IdempotencyKey,
    Invalid,
    InvalidRecord,
    LabelFormat,
    LabelReceipt,
    NotFound,
    OrderPickup,
    OutcomeUnknown,
    Parcel,
    Quote,
    Receipt,
    ReceivesWebhooks,
    Record,
    ShipmentRecord,
    ShipmentStatus,
    Ships,
    SourceClient,
    SourceRef,
    TrackShipment,
    TracksShipments,
    UnexpectedResponse,
    VoidLabel,
    WebhookRequest,
    WebhookResult,
)
from connector.sdk.answers import read_answer, unreadable_webhook, webhook_secret
from connector.sdk.courier import CancelPickup, PickupReceipt, allowed_offers, chosen_offer, require_unused
from connector_ups import pickups
from connector_ups.client import VERSION, UpsClient
from connector_ups.config import UpsConfig
from connector_ups.pickups import SchedulePickup, is_listed, translated
from connector_ups.refusals import ALREADY_VOID, NO_SERVICE, TEST_NUMBERS_ONLY, codes
from connector_ups.requests import rate_request, ship_request
from connector_ups.search import Found, Search
from connector_ups.shapes import CARRIER, Offer, Rates, Results, Shipped, Subscribed, Void, parcel_ref
from connector_ups.tracking import alert_result, tracked_record
from connector_ups.webhooks import require_credential

TRACKING_PAGE = "https://www.ups.com/track?tracknum="
NOBODYS = "1Z9999999999999999"
SETTINGS = "`services`"


class Ups(Adapter[UpsConfig], Ships, TracksShipments, Fetches, ReceivesWebhooks):
    """UPS, by one account."""

    def __init__(self, config: UpsConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        tokens = ClientCredentials(
            http,
            clock,
            url=config.tokens_from,
            form={},
            headers={"Authorization": config.proof(), "x-merchant-id": config.account_number},
            hint="Check client_id and client_secret, and that the app at developer.ups.com has the account.",
        )
        self._client = UpsClient(http, tokens)
        self._search = Search(self._client, config)

    @classmethod
    def config_type(cls) -> type[UpsConfig]:
        """Settings of a UPS account."""
        return UpsConfig

    async def check(self) -> Health:
        """Whether the app may ask: about a parcel that does not exist. Raises AuthError."""
        with suppress(NotFound, Invalid):
            await self._client.track(NOBODYS, "check")
        detail = "test environment: labels are not valid for carriage" if self.config.is_test else "labels cost money"
        return Health(version=VERSION, detail=detail)

    # Ships

    async def quote(self, parcel: Parcel) -> tuple[Quote, ...]:
        """Offers, cheapest first, with business days where UPS tells them."""
        offers = await self._offers(parcel, "quote")
        return tuple(
            Quote(CARRIER, offer.service, offer.amount_cents, offer.charge.currency, offer.transit_days)
            for offer in offers
        )

    async def buy_label(self, op: BuyLabel) -> LabelReceipt:
        """Buy once per key: a label that an earlier attempt bought is returned, see `search`."""
        found = await self._search.find(op.key, op.label_format)
        if found is not None:
            if found.document is None:
                raise Conflict("the label of this key was voided: another would be a second one", operation="buy label")
            return self._found(op.key, found, op.label_format)
        service = op.service
        if service is None or op.carrier not in (None, CARRIER) or not self._may_buy(service):
            service = chosen_offer(await self._offers(op.parcel, "buy label"), op, said="", settings=SETTINGS).service
        try:
            body = await self._client.ship(ship_request(op, service, self.config))
        except OutcomeUnknown as error:
            raise OutcomeUnknown(
                error.message, known_after=self.config.settles_after, operation=error.operation, hint=error.hint,
                detail=error.detail,
            ) from error  # fmt: skip
        return await self._bought(op, service, read_answer(Shipped, body, "buy label").response.results)

    async def find_label(self, key: IdempotencyKey) -> LabelReceipt | None:
        """The label of this key. One that was voided has no file any more, and is not found."""
        found = await self._search.find(key, self.config.recovered_format)
        if found is None or found.document is None:
            return None
        return self._found(key, found, self.config.recovered_format)

    async def void_label(self, op: VoidLabel) -> Receipt:
        """Take the label back. Raises Conflict when its parcel is under way or UPS refuses."""
        record = await self._known(op.shipment, "void label")
        require_unused(record, op.shipment)
        if record is None or record.status is not ShipmentStatus.CANCELLED:
            await self._void(op.shipment)
        return Receipt(key=op.key, external_id=op.shipment.external_id)

    # OrdersPickups, CancelsPickups

    async def order_pickup(self, op: OrderPickup) -> PickupReceipt:
        """Have a driver come: once per key, as far as UPS lists pickups."""
        return await self.schedule_pickup(translated(op))

    def is_pickup_found_again(self, op: OrderPickup) -> bool:
        """Those of today and tomorrow."""
        return is_listed(op, self.clock.now())

    async def schedule_pickup(self, op: SchedulePickup) -> PickupReceipt:
        """Have a driver come, once per key."""
        return await pickups.schedule(op, self._client, self.config)

    async def cancel_pickup(self, op: CancelPickup) -> Receipt:
        """Have no driver come."""
        return await pickups.cancel(op, self._client)

    # TracksShipments, Fetches

    async def track(self, op: TrackShipment) -> Receipt:
        """Have alerts sent about a parcel. Without a webhook_secret nobody would take them, and none are asked for."""
        if op.carrier.casefold() != CARRIER.casefold():
            raise Invalid(
                f"UPS reports on its own parcels, not on those of {op.carrier}",
                operation="track", fields={"carrier": "is another one"}, hint="Name the source of that carrier.",
            )  # fmt: skip
        if self.config.webhook_secret is not None:
            await self._subscribe(op.tracking_number)
        return Receipt(key=op.key, external_id=parcel_ref(op.tracking_number).external_id)

    async def fetch(self, ref: SourceRef) -> Record:
        """What is known of a parcel now. Raises NotFound while that is nothing."""
        record = await self._known(ref, "fetch parcel")
        if record is None:
            raise NotFound(f"UPS says nothing of {ref.external_id}", operation="fetch parcel", ref=ref)
        return record

    # ReceivesWebhooks

    def verify(self, request: WebhookRequest) -> None:
        """The credential that UPS was given. Raises AuthError."""
        hint = "Set webhook_secret to the credential of developer.ups.com, Manage Webhook Credentials."
        secret = webhook_secret(self.config.webhook_secret, hint=hint)
        require_credential(request, header=self.config.webhook_header, secret=secret)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """What it says of a parcel. Raises Invalid."""
        try:
            return alert_result(request)
        except InvalidRecord as error:
            raise unreadable_webhook(error) from None

    def _may_buy(self, service: str) -> bool:
        return not self.config.services or service in self.config.services

    async def _offers(self, parcel: Parcel, operation: str) -> tuple[Offer, ...]:
        option, request = rate_request(parcel, self.config, self.clock.now())
        try:
            body = await self._client.rates(option, request, operation)
        except Invalid as error:
            if codes(error) == (NO_SERVICE,):
                return ()
            raise
        offers = read_answer(Rates, body, operation).response.offers
        return allowed_offers(offers, services=self.config.services, accounts=())

    async def _bought(self, op: BuyLabel, service: str, results: Results) -> LabelReceipt:
        """UPS sells no label as PDF, but gives a bought one out as such: by the key, which shows one too many."""
        package = results.packages[0]
        number = package.number
        if op.label_format is LabelFormat.PDF:
            found = await self._search.find(op.key, op.label_format)
            document = found.document if found else None
            number = found.number if found and document else number
            document = document or await self._search.label(number, op.label_format, "read label")
        elif package.image is not None:
            document = package.image.label(op.label_format, parcel_ref(number))
        else:
            raise UnexpectedResponse(f"label {number} was bought and is not there", ref=parcel_ref(number))
        charge = results.charge
        return LabelReceipt(
            key=op.key,
            shipment=parcel_ref(number),
            tracking_number=number,
            carrier=CARRIER,
            service=service,
            label_format=op.label_format,
            document=document,
            amount_cents=charge.amount_cents if charge else None,
            currency=charge.currency if charge else None,
            tracking_url=f"{TRACKING_PAGE}{number}",
        )

    def _found(self, key: IdempotencyKey, found: Found, label_format: LabelFormat) -> LabelReceipt:
        """UPS gives a label out again without service and price."""
        return LabelReceipt(
            key=key,
            shipment=parcel_ref(found.number),
            tracking_number=found.number,
            carrier=CARRIER,
            service="",
            label_format=label_format,
            document=found.document or b"",
            tracking_url=f"{TRACKING_PAGE}{found.number}",
        )

    async def _known(self, ref: SourceRef, operation: str) -> ShipmentRecord | None:
        try:
            body = await self._client.track(ref.external_id, operation, ref=ref)
        except NotFound:
            return None
        try:
            return tracked_record(body, ref.external_id)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=operation, ref=ref, hint=error.hint) from None

    async def _void(self, ref: SourceRef) -> None:
        try:
            body = await self._client.void(ref)
        except Invalid as error:
            if ALREADY_VOID not in codes(error):
                raise
            return
        if not read_answer(Void, body, "void label").is_done:
            raise Conflict(
                f"UPS does not take label {ref.external_id} back",
                operation="void label",
                ref=ref,
                hint="UPS may have seen the parcel, or its time for that is over.",
            )

    async def _subscribe(self, number: str) -> None:
        try:
            body = await self._client.subscribe(number)
        except Invalid as error:
            if self.config.is_test and TEST_NUMBERS_ONLY in codes(error):
                return
            raise
        if number in read_answer(Subscribed, body, "track").invalid:
            raise Invalid(
                f"UPS sends no alerts about {number}: it is no number of a parcel of its own",
                operation="track",
                fields={"trackingNumberList": "is invalid"},
            )
