"""FedEx as the hub's courier: offers, labels, tracking and pickups."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from connector.sdk import (
    Adapter,
    BuyLabel,
    ClientCredentials,
    Clock,
    Fetches,
    Health,
    IdempotencyKey,
    InvalidRecord,
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
    UnexpectedResponse,
    VoidLabel,
    WebhookRequest,
    WebhookResult,
    require_hmac,
)
from connector.sdk.answers import COMPARE, read_answer, unreadable_webhook, webhook_secret
from connector.sdk.courier import (
    CancelPickup,
    CarrierOffer,
    PickupReceipt,
    allowed_offers,
    cents,
    chosen_offer,
    key_mark,
    require_unused,
)
from connector_fedex import pickups
from connector_fedex.client import MOST_NUMBERS, VERSION, FedExClient
from connector_fedex.config import FedExConfig
from connector_fedex.pickups import SchedulePickup, translated
from connector_fedex.requests import rate_request, ship_day, ship_request
from connector_fedex.search import Search
from connector_fedex.shapes import CARRIER, Made, Rates, Shipped, parcel_ref
from connector_fedex.together import Together
from connector_fedex.tracking import tracked_records, webhook_result

TRACKING_PAGE = "https://www.fedex.com/fedextrack/?trknbr="
NOBODYS = "000000000000"
SIGNATURE = "fdx-signature"


class FedEx(Adapter[FedExConfig], Ships, Fetches, ReceivesWebhooks):
    """FedEx, by one account."""

    def __init__(self, config: FedExConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        shipping = self._tokens(tracks=False)
        tracking = shipping if config.track_client_id is None else self._tokens(tracks=True)
        self._client = FedExClient(http, shipping, tracking)
        self._search = Search(self._client, config, clock)
        self._together = Together(self._ask, MOST_NUMBERS)

    @classmethod
    def config_type(cls) -> type[FedExConfig]:
        """Settings of a FedEx account."""
        return FedExConfig

    async def check(self) -> Health:
        """Whether the project may ask: about a parcel that does not exist. Raises AuthError."""
        await self._client.track([NOBODYS], "check")
        detail = "test environment: labels are not valid for carriage" if self.config.is_test else "labels cost money"
        return Health(version=VERSION, detail=detail)

    # Ships

    async def quote(self, parcel: Parcel) -> tuple[Quote, ...]:
        """Offers, cheapest first, with business days where FedEx tells them."""
        return tuple(offer.quote for offer in await self._offers(parcel, "quote"))

    async def buy_label(self, op: BuyLabel) -> LabelReceipt:
        """Buy one, after labels of the same key, whose files are lost, were handed back: see `search`."""
        await self._search.hand_back(op.key)
        service = op.service
        if service is None or op.carrier not in (None, CARRIER) or not self._may_buy(service):
            offers = await self._offers(op.parcel, "buy label")
            service = chosen_offer(offers, op, said="", settings="`services`").service
        try:
            body = await self._client.ship(ship_request(op, service, self.config, self.clock.now()), key_mark(op.key))
        except OutcomeUnknown as error:
            raise OutcomeUnknown(
                error.message, known_after=self.config.settles_after, operation=error.operation, hint=error.hint,
                detail=error.detail,
            ) from error  # fmt: skip
        return self._bought(op, service, read_answer(Shipped, body, "buy label").output.shipments[0])

    async def find_label(self, key: IdempotencyKey) -> LabelReceipt | None:
        """Nothing, always: a label of this key whose file is lost is handed back, and another may be bought.

        Raises Conflict when such a label was used.
        """
        await self._search.hand_back(key)
        return None

    async def void_label(self, op: VoidLabel) -> Receipt:
        """Take the label back. Raises Conflict when its parcel is under way or FedEx refuses."""
        record = await self._known(op.shipment, "void label")
        require_unused(record, op.shipment)
        if record is None or record.status is not ShipmentStatus.CANCELLED:
            await self._search.void(op.shipment.external_id)
        return Receipt(key=op.key, external_id=op.shipment.external_id)

    # OrdersPickups, CancelsPickups

    async def order_pickup(self, op: OrderPickup) -> PickupReceipt:
        """Have a driver come."""
        return await self.schedule_pickup(translated(op))

    def is_pickup_found_again(self, op: OrderPickup) -> bool:  # noqa: ARG002 - of none
        """FedEx cannot be asked which pickups were ordered."""
        return False

    async def schedule_pickup(self, op: SchedulePickup) -> PickupReceipt:
        """Have a driver come."""
        return await pickups.schedule(op, self._client, self.config)

    async def cancel_pickup(self, op: CancelPickup) -> Receipt:
        """Have no driver come."""
        return await pickups.cancel(op, self._client, self.config)

    # Fetches

    async def fetch(self, ref: SourceRef) -> Record:
        """What is known of a parcel now. Raises NotFound while that is nothing."""
        record = await self._known(ref, "fetch parcel")
        if record is None:
            raise NotFound(f"FedEx says nothing of {ref.external_id}", operation="fetch parcel", ref=ref)
        return record

    # ReceivesWebhooks

    def verify(self, request: WebhookRequest) -> None:
        """The HMAC of the body with the security token. Raises AuthError."""
        hint = "Set webhook_secret to the security token of the webhook at developer.fedex.com."
        secret = webhook_secret(self.config.webhook_secret, hint=hint)
        require_hmac(request, header=SIGNATURE, secret=secret, algorithm="sha256", encoding="base64")

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """What it says of parcels. Raises Invalid."""
        try:
            return webhook_result(request)
        except InvalidRecord as error:
            raise unreadable_webhook(error) from None

    def _tokens(self, *, tracks: bool) -> ClientCredentials:
        return ClientCredentials(
            self.http,
            self.clock,
            url=self.config.tokens_from,
            form=self.config.proof(tracks=tracks),
            hint="Check the API key and secret of the project at developer.fedex.com, and that it has the account.",
        )

    def _may_buy(self, service: str) -> bool:
        return not self.config.services or service in self.config.services

    async def _offers(self, parcel: Parcel, operation: str) -> tuple[CarrierOffer, ...]:
        now = self.clock.now()
        body = await self._client.rates(rate_request(parcel, self.config, now), operation)
        day = ship_day(self.config, now)
        return allowed_offers(self._read_offers(body, operation, day), services=self.config.services, accounts=())

    def _read_offers(self, body: dict[str, Any], operation: str, day: date) -> list[CarrierOffer]:
        offers = []
        for service in read_answer(Rates, body, operation).output.services:
            price = service.price(of_account=self.config.account_rates)
            offers.append(CarrierOffer(CARRIER, service.code, cents(price.amount), price.currency, service.days(day)))
        return offers

    def _bought(self, op: BuyLabel, service: str, made: Made) -> LabelReceipt:
        price = made.price(of_account=self.config.account_rates)
        return LabelReceipt(
            key=op.key,
            shipment=parcel_ref(made.number),
            tracking_number=made.number,
            carrier=CARRIER,
            service=made.service or service,
            label_format=op.label_format,
            document=made.label(op.label_format),
            amount_cents=price[0] if price else None,
            currency=price[1] if price else None,
            tracking_url=f"{TRACKING_PAGE}{made.number}",
        )

    async def _ask(self, numbers: Sequence[str]) -> dict[str, Any]:
        return await self._client.track(numbers, "fetch parcel")

    async def _known(self, ref: SourceRef, operation: str) -> ShipmentRecord | None:
        body = await self._together.about(ref.external_id)
        number = ref.external_id
        theirs = _only(body, number)
        try:
            return next((record for record in tracked_records(theirs) if record.tracking_number == number), None)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=operation, ref=ref, hint=error.hint or COMPARE) from None


def _only(body: dict[str, Any], number: str) -> dict[str, Any]:
    """The part of an answer that is about one number: what cannot be read of another is none of its business."""
    output = body.get("output")
    complete = output.get("completeTrackResults") if isinstance(output, dict) else None
    if not isinstance(complete, list):
        return body
    mine = [each for each in complete if not isinstance(each, dict) or each.get("trackingNumber") == number]
    return {"output": {"completeTrackResults": mine}}
