"""A courier without a vendor: offers by a tariff, labels of our own, and what people say of their parcels."""

from __future__ import annotations

import asyncio

from connector.sdk import (
    Adapter,
    AuthError,
    BuyLabel,
    Clock,
    Health,
    IdempotencyKey,
    Invalid,
    LabelReceipt,
    NotFound,
    OrderPickup,
    Parcel,
    Party,
    Quote,
    Receipt,
    ReceivesWebhooks,
    Ships,
    ShowsPages,
    SourceClient,
    VoidLabel,
    WebhookRequest,
    WebhookResult,
)
from connector.sdk.answers import webhook_secret
from connector.sdk.courier import CancelPickup, PickupReceipt, cancel_each, chosen_offer, order_each
from connector_manual_courier import pages
from connector_manual_courier.book import Book, Entry
from connector_manual_courier.config import ManualCourierConfig
from connector_manual_courier.numbers import read_number
from connector_manual_courier.paper import label_document
from connector_manual_courier.pickups import Pickups, SchedulePickup
from connector_manual_courier.reports import HINT, Link, read_report, report_record, require_link
from connector_manual_courier.tariff import offers_for

SETTINGS = "`services`, `closed_on`"


class ManualCourier(Adapter[ManualCourierConfig], Ships, ReceivesWebhooks, ShowsPages):
    """One's own van, an engineer's car, a messenger."""

    def __init__(self, config: ManualCourierConfig, http: SourceClient, clock: Clock) -> None:
        super().__init__(config, http, clock)
        self._book = Book(config.book, config.prefix)

    @classmethod
    def config_type(cls) -> type[ManualCourierConfig]:
        """Settings of a courier without a vendor."""
        return ManualCourierConfig

    async def check(self) -> Health:
        """Whether parcels can be kept. Raises ConfigError, Transient."""
        await asyncio.to_thread(self._book.require)
        reports = "" if self.config.report_secret is not None else "; nobody can report by link"
        return Health(detail=f"{len(self.config.services)} services{reports}")

    # Ships

    async def quote(self, parcel: Parcel) -> tuple[Quote, ...]:
        """What the tariff says. Raises Invalid where nobody knows how far it is."""
        offers = offers_for(parcel, self.config, self.clock.now(), operation="quote")
        return tuple(offer.quote for offer in offers)

    async def buy_label(self, op: BuyLabel) -> LabelReceipt:
        """Enter the parcel once per key: one that an earlier attempt entered is returned."""
        entry = await asyncio.to_thread(self._book.find, op.key) or await self._enter(op)
        return self._receipt(entry)

    async def find_label(self, key: IdempotencyKey) -> LabelReceipt | None:
        """The label of this key, also when it was voided since."""
        entry = await asyncio.to_thread(self._book.find, key)
        return self._receipt(entry) if entry is not None else None

    async def void_label(self, op: VoidLabel) -> Receipt:
        """Not carry a parcel. Who holds it is known to the hub, which asks for this only while nobody does."""
        number = read_number(op.shipment.external_id)
        entry = await asyncio.to_thread(self._book.entry, number) if number is not None else None
        if entry is None:
            raise NotFound(
                f"the book has no parcel {op.shipment.external_id!r}", operation="void label", ref=op.shipment
            )
        await asyncio.to_thread(self._book.void, entry.number, op.key, self.clock.now())
        return Receipt(key=op.key, external_id=entry.number)

    # OrdersPickups, CancelsPickups

    async def order_pickup(self, op: OrderPickup) -> PickupReceipt:
        """Have somebody come, once per key."""
        return await order_each(op, self._order_one, self._cancel_one)

    def is_pickup_found_again(self, op: OrderPickup) -> bool:  # noqa: ARG002 - each
        """Each is found by its key."""
        return True

    async def schedule_pickup(self, op: SchedulePickup) -> PickupReceipt:
        """Tell whoever drives where a parcel waits, once per key. Raises NotFound, Conflict, Invalid."""
        return await asyncio.to_thread(self._pickups().schedule, op)

    async def find_pickup(self, key: IdempotencyKey) -> PickupReceipt | None:
        """The pickup that an earlier attempt with this key noted."""
        return await asyncio.to_thread(self._pickups().find, key)

    async def cancel_pickup(self, op: CancelPickup) -> Receipt:
        """Nobody is to come any more. Raises NotFound."""
        return await cancel_each(op, self._cancel_one)

    async def _order_one(self, op: OrderPickup) -> PickupReceipt:
        [parcel] = op.parcels
        one = SchedulePickup(op.key, parcel.shipment, op.at, op.earliest, op.latest, op.instructions)
        return await self.schedule_pickup(one)

    async def _cancel_one(self, op: CancelPickup) -> Receipt:
        return await asyncio.to_thread(self._pickups().cancel, op)

    def _pickups(self) -> Pickups:
        return Pickups(self._book, self.clock.now())

    # ReceivesWebhooks, ShowsPages

    def verify(self, request: WebhookRequest) -> None:
        """That the report was sent from a page of ours, not long ago. Raises AuthError."""
        link = self._link(request)
        if link.at is None:
            raise AuthError("the code on a label shows a page, it reports nothing", operation="verify link", hint=HINT)

    def parse(self, request: WebhookRequest) -> WebhookResult:
        """What is said of a parcel. Raises Invalid."""
        return WebhookResult(records=(report_record(request, self.config.carrier),))

    async def page(self, request: WebhookRequest) -> str:
        """A form for whoever follows the code on a label; thanks to whoever has sent it. Raises AuthError."""
        link, carrier = self._link(request), self.config.carrier
        if await asyncio.to_thread(self._book.voided, link.number) is not None:
            return pages.void_page(link.number, carrier)
        if not request.body:
            waits = await asyncio.to_thread(self._book.pickups, link.number)
            return pages.form_page(link.number, carrier, self._secret(), request.received_at, self.config.zone, waits)
        try:
            return pages.thanks_page(link.number, carrier, read_report(request))
        except Invalid as error:
            return pages.problem_page(carrier, error.message)

    def _link(self, request: WebhookRequest) -> Link:
        return require_link(request, self._secret())

    def _secret(self) -> str:
        return webhook_secret(self.config.report_secret, hint="Set report_secret of this source.")

    async def _enter(self, op: BuyLabel) -> Entry:
        _require_place(op.parcel.recipient)
        now = self.clock.now()
        offers = offers_for(op.parcel, self.config, now, operation="buy label")
        offer = chosen_offer(offers, op, said="", settings=SETTINGS)

        def entry(number: str) -> Entry:
            return Entry(
                number=number,
                op=op,
                carrier=offer.carrier,
                service=offer.service,
                amount_cents=offer.amount_cents,
                currency=offer.currency,
                arrives_at=offer.arrives_at,
                entered_at=now,
            )

        return await asyncio.to_thread(self._book.enter, op.key, entry)

    def _receipt(self, entry: Entry) -> LabelReceipt:
        return LabelReceipt(
            key=entry.op.key,
            shipment=entry.ref,
            tracking_number=entry.number,
            carrier=entry.carrier,
            service=entry.service,
            label_format=entry.op.label_format,
            document=label_document(entry, self.config),
            amount_cents=entry.amount_cents,
            currency=entry.currency,
            estimated_delivery_at=entry.arrives_at,
        )


def _require_place(recipient: Party) -> None:
    """Refuse a recipient whom no driver would find. Raises Invalid."""
    if recipient.point is None and not (recipient.address.line1 and recipient.address.city):
        raise Invalid(
            f"nobody would find {recipient.name}: there is neither a street and a town nor a position",
            operation="buy label",
            fields={"recipient": "has no street and town, and no coordinates"},
            hint="Complete the address of the site, or give it its coordinates.",
        )
