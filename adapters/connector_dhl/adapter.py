"""DHL as the hub's courier: offers, labels and tracking of Express, and tracking of whatever else DHL carries."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import NoReturn

from connector.sdk import (
    Adapter,
    BuyLabel,
    Clock,
    Conflict,
    Fetches,
    Health,
    IdempotencyKey,
    Invalid,
    InvalidRecord,
    LabelReceipt,
    NotFound,
    NotOffered,
    OrderPickup,
    Parcel,
    Quote,
    Receipt,
    ReceivesWebhooks,
    Record,
    ShipmentRecord,
    Ships,
    SourceClient,
    SourceRef,
    UnexpectedResponse,
    VoidLabel,
    WebhookRequest,
    WebhookResult,
    require_secret,
)
from connector.sdk.answers import COMPARE, read_answer, unreadable_webhook, webhook_secret
from connector.sdk.courier import (
    CancelPickup,
    CarrierOffer,
    PickupReceipt,
    allowed_offers,
    chosen_offer,
    key_mark,
    require_unused,
)
from connector_dhl import pickups
from connector_dhl.client import VERSION, DhlClient
from connector_dhl.config import DhlConfig
from connector_dhl.customs import require_no_customs
from connector_dhl.pickups import SchedulePickup, translated
from connector_dhl.refusals import NO_PRODUCT, reasons
from connector_dhl.requests import planned, rate_request, reference_query, ship_request
from connector_dhl.shapes import CARRIER, Made, Product, Rates, parcel_ref, price_of
from connector_dhl.tracking import shipments_of, tracked_record
from connector_dhl.unified import found_record, webhook_result

TRACKING_PAGE = "https://www.dhl.com/global-en/home/tracking.html?tracking-id="
NOBODYS = "0000000000"
WAYBILL = re.compile(r"[0-9]{10}")
"""Numbers of shipments of Express."""


class Dhl(Adapter[DhlConfig], Ships, Fetches, ReceivesWebhooks):
    """DHL Express, by one account, and DHL's tracking."""

    def __init__(self, config: DhlConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._client = DhlClient(http, config)

    @classmethod
    def config_type(cls) -> type[DhlConfig]:
        """Settings of a DHL Express account."""
        return DhlConfig

    async def check(self) -> Health:
        """Whether the app may ask: about a parcel that does not exist. Raises AuthError."""
        with suppress(NotFound, Invalid):
            await self._client.track(NOBODYS, "check")
        detail = "test environment: labels are not valid for carriage" if self.config.is_test else "labels cost money"
        return Health(version=VERSION, detail=detail)

    # Ships

    async def quote(self, parcel: Parcel) -> tuple[Quote, ...]:
        """Offers, cheapest first, with business days."""
        require_no_customs(parcel)
        return tuple(offer.quote for offer in self._offers(await self._products(parcel, "quote")))

    async def buy_label(self, op: BuyLabel) -> LabelReceipt:
        """Buy one, unless one of the same key was used. One whose answer was lost stays where it is: nobody has it."""
        require_no_customs(op.parcel)
        await self._require_none_used(op.key)
        service, local = op.service, None
        if service is None or op.carrier not in (None, CARRIER) or not self._may_buy(service) or _is_domestic(op):
            products = await self._products(op.parcel, "buy label")
            service = chosen_offer(self._offers(products), op, said="", settings="`services`").service
            local = next((each.local for each in products if each.code == service), None)
        request = ship_request(op, service, local, self.config, self.clock.now())
        body = await self._client.ship(request, key_mark(op.key))
        return _bought(op, service, read_answer(Made, body, "buy label"))

    async def find_label(self, key: IdempotencyKey) -> LabelReceipt | None:
        """Nothing, always: DHL gives a label's file out once. Raises Conflict when a label of this key was used."""
        await self._require_none_used(key)
        return None

    async def void_label(self, op: VoidLabel) -> Receipt:
        """Not offered by MyDHL API. Raises Conflict when the parcel is under way, else NotOffered."""
        with suppress(NotFound):
            require_unused(await self._known(op.shipment, "void label"), op.shipment)
        _refuse_to_void(op.shipment)

    # OrdersPickups, CancelsPickups

    async def order_pickup(self, op: OrderPickup) -> PickupReceipt:
        """Have a driver come."""
        return await self.schedule_pickup(translated(op))

    def is_pickup_found_again(self, op: OrderPickup) -> bool:  # noqa: ARG002 - of none
        """DHL cannot be asked which pickups were ordered."""
        return False

    async def schedule_pickup(self, op: SchedulePickup) -> PickupReceipt:
        """Have a driver come."""
        return await pickups.schedule(op, self._client, self.config)

    async def cancel_pickup(self, op: CancelPickup) -> Receipt:
        """Have no driver come."""
        return await pickups.cancel(op, self._client)

    # Fetches

    async def fetch(self, ref: SourceRef) -> Record:
        """What is known of a parcel now. Raises NotFound while that is nothing."""
        record = await self._known(ref, "fetch parcel")
        if record is None:
            raise NotFound(f"DHL says nothing of {ref.external_id}", operation="fetch parcel", ref=ref)
        return record

    # ReceivesWebhooks

    def verify(self, request: WebhookRequest) -> None:
        """The token that the subscription was given. Raises AuthError."""
        hint = "Set webhook_secret to the token of the subscription's hook."
        secret = webhook_secret(self.config.webhook_secret, hint=hint)
        require_secret(request, header=self.config.webhook_header, secret=secret)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """What it says of parcels. Raises Invalid."""
        try:
            return webhook_result(request)
        except InvalidRecord as error:
            raise unreadable_webhook(error) from None

    def _may_buy(self, service: str) -> bool:
        return not self.config.services or service in self.config.services

    async def _products(self, parcel: Parcel, operation: str) -> tuple[Product, ...]:
        try:
            body = await self._client.rates(rate_request(parcel, self.config, self.clock.now()), operation)
        except NotFound:
            return ()
        except Invalid as error:
            if NO_PRODUCT in reasons(error):
                return ()
            raise
        return read_answer(Rates, body, operation).products

    def _offers(self, products: tuple[Product, ...]) -> tuple[CarrierOffer, ...]:
        day = planned(self.config, self.clock.now()).date()
        offers = [
            CarrierOffer(CARRIER, each.code, *price, each.days(day))
            for each in products
            if (price := price_of(each.prices)) is not None
        ]
        return allowed_offers(offers, services=self.config.services, accounts=())

    async def _require_none_used(self, key: IdempotencyKey) -> None:
        """Refuse to act when a parcel of this key is under way. Raises Conflict."""
        try:
            body = await self._client.track_reference(reference_query(key, self.config, self.clock.now()), "find label")
            used = [(each.number, each.was_used) for each in shipments_of(body)]
        except NotFound:
            return
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation="find label", hint=error.hint or COMPARE) from None
        for number, status in used:
            if status is not None:
                raise Conflict(
                    f"parcel {number} of this key is {status.value.replace('_', ' ')}: its label was used, "
                    "and DHL gives it out only once",
                    operation="find label", ref=parcel_ref(number), hint="Enter the number of this parcel by hand.",
                )  # fmt: skip

    async def _known(self, ref: SourceRef, operation: str) -> ShipmentRecord | None:
        number = ref.external_id
        try:
            if WAYBILL.fullmatch(number):
                return tracked_record(number, await self._client.track(number, operation, ref))
            if self.config.tracking_key is None:
                raise NotFound(
                    f"{number} is no number of DHL Express", operation=operation, ref=ref,
                    hint="Set tracking_key, and other numbers of DHL are asked for as well.",
                )  # fmt: skip
            return found_record(number, await self._client.track_anywhere(number, operation, ref))
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=operation, ref=ref, hint=error.hint or COMPARE) from None


def _is_domestic(op: BuyLabel) -> bool:
    """Such shipments are made with the product's local code as well, which only offers tell."""
    return op.parcel.sender.address.country == op.parcel.recipient.address.country


def _bought(op: BuyLabel, service: str, made: Made) -> LabelReceipt:
    amount_cents, currency = price_of(made.charges) or (None, None)
    return LabelReceipt(
        key=op.key,
        shipment=parcel_ref(made.number),
        tracking_number=made.number,
        carrier=CARRIER,
        service=service,
        label_format=op.label_format,
        document=made.label(op.label_format),
        amount_cents=amount_cents,
        currency=currency,
        tracking_url=f"{TRACKING_PAGE}{made.number}",
    )


def _refuse_to_void(ref: SourceRef) -> NoReturn:
    raise NotOffered(
        f"DHL Express has no way to take label {ref.external_id} back", operation="void label", ref=ref,
        hint="Destroy the label; a pickup that was ordered for it is called off by cancel_pickup.",
    )  # fmt: skip
