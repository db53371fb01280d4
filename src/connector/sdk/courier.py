"""What adapters of couriers share: offers and prices, parties, files of labels, when a label was used, pickups."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal, InvalidOperation
from math import ceil
from textwrap import wrap
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import BeforeValidator

from connector.model.errors import InvalidRecord
from connector.model.kinds import LabelFormat
from connector.model.lifecycle import ShipmentStatus
from connector.model.records import ShipmentRecord
from connector.model.refs import EntityKind, IdempotencyKey, SourceRef
from connector.sdk import answers
from connector.sdk.adapter import Rejected
from connector.sdk.errors import Conflict, Invalid, NotFound, UnexpectedResponse
from connector.sdk.operations import BuyLabel, OrderPickup, Parcel, Party, Quote, Receipt
from connector.sdk.operations import CancelPickup as CancelPickup
from connector.sdk.operations import PickupReceipt as PickupReceipt

UNDER_WAY = frozenset(ShipmentStatus) - {
    ShipmentStatus.PENDING,
    ShipmentStatus.LABEL_CREATED,
    ShipmentStatus.CANCELLED,
}
"""A label whose parcel is in one of these was used."""
IMPERIAL = frozenset({"US", "PR", "VI"})
"""Countries in which parcels are measured in pounds and inches."""
GRAMS_PER_POUND = Decimal("453.59237")
MM_PER_INCH = Decimal("25.4")
SATURDAY = 5
"""As `date.weekday` counts."""


def _amount(value: object) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is no amount") from None
    if not amount.is_finite():
        raise ValueError(f"{value!r} is no amount")
    return amount


Amount = Annotated[Decimal, BeforeValidator(_amount)]
"""Money as couriers write it: a text, or a number, of which the shortest decimal form is what was meant."""


def cents(amount: Decimal) -> int:
    """Hundredths of a currency, halves rounded up."""
    return int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))


def key_mark(key: IdempotencyKey) -> str:
    """The reference number that stands for a key: 30 letters and digits, unlike anything that people write."""
    return f"CN{hashlib.sha256(key.encode()).hexdigest()[:28]}".upper()


def tenths_of_weight(grams: int, *, imperial: bool) -> Decimal:
    """In pounds or kilograms, tenths, rounded up."""
    exact = Decimal(grams) / (GRAMS_PER_POUND if imperial else 1000)
    return max(exact.quantize(Decimal("0.1"), ROUND_UP), Decimal("0.1"))


def whole_sides(parcel: Parcel, usual_mm: Sequence[int] | None, *, imperial: bool) -> tuple[int, int, int] | None:
    """Length, width and height in inches or centimetres, rounded up, the longest first.

    usual_mm: of parcels whose size is not declared; None where neither is known.
    """
    sides = (parcel.length_mm, parcel.width_mm, parcel.height_mm)
    known = [side for side in sides if side is not None]
    if len(known) < len(sides):
        known = list(usual_mm or ())
    if not known:
        return None
    length, width, height = (ceil(side / (MM_PER_INCH if imperial else 10)) for side in sorted(known, reverse=True))
    return length, width, height


def business_days(start: date, end: date) -> int:
    """Days from Monday to Friday after the first until the last."""
    return sum((start + timedelta(days)).weekday() < SATURDAY for days in range(1, (end - start).days + 1))


def for_sale(*needed: str) -> Callable[[object], object]:
    """Leaves out of a list of offers those that lack one of these: such cannot be compared or bought."""

    def keep(offers: object) -> object:
        if not isinstance(offers, list):
            return offers or ()
        return [each for each in offers if not isinstance(each, dict) or all(each.get(name) for name in needed)]

    return keep


class Offer(Protocol):
    """What an offer says, whatever its courier calls that.

    names: what a label may be asked for by; the first is the one that quotes have. account: of the carrier.
    """

    @property
    def names(self) -> tuple[str | None, ...]:
        """Carrier and account."""

    @property
    def account(self) -> str | None:
        """Which of the customer's accounts pays."""

    @property
    def service(self) -> str:
        """The carrier's service."""

    @property
    def amount_cents(self) -> int:
        """Its price."""

    @property
    def transit_days(self) -> int | None:
        """Days on the way, if they are stated."""


OfferT = TypeVar("OfferT", bound=Offer)


@dataclass(frozen=True, slots=True)
class CarrierOffer:
    """An offer of a carrier that is asked itself, by one account. service: its word. transit_days: business days."""

    carrier: str
    service: str
    amount_cents: int
    currency: str
    transit_days: int | None

    @property
    def names(self) -> tuple[str | None, ...]:
        """The carrier."""
        return (self.carrier,)

    @property
    def account(self) -> str | None:
        """There is one account."""
        return None

    @property
    def quote(self) -> Quote:
        """What the hub compares."""
        return Quote(self.carrier, self.service, self.amount_cents, self.currency, self.transit_days)


def allowed_offers(
    offers: Iterable[OfferT], *, services: Collection[str], accounts: Collection[str]
) -> tuple[OfferT, ...]:
    """Those that the settings allow, cheapest first, one for each carrier and service. Empty settings allow all."""
    fitting = (
        offer
        for offer in offers
        if (not services or offer.service in services) and (not accounts or offer.account in accounts)
    )
    cheapest: dict[tuple[str | None, str], OfferT] = {}
    for offer in sorted(fitting, key=lambda offer: (offer.amount_cents, offer.transit_days or 0, offer.service)):
        cheapest.setdefault((offer.names[0], offer.service), offer)
    return tuple(cheapest.values())


def chosen_offer(offers: Sequence[OfferT], op: BuyLabel, *, said: str, settings: str) -> OfferT:
    """The first that was asked for. said: by the carriers, for people. settings: that restrict offers.

    Raises Invalid naming what is offered instead.
    """
    for offer in offers:
        if op.carrier in (None, *offer.names) and op.service in (None, offer.service):
            return offer
    wanted = f"{op.carrier or 'any carrier'}/{op.service or 'any service'}"
    others = ", ".join(f"{offer.names[0]}/{offer.service}" for offer in offers) or "nothing"
    raise Invalid(
        f"no carrier offers {wanted} for this parcel, offered is {others}. {said}".strip(),
        operation="buy label",
        fields={"service": f"{wanted} is not offered"},
        hint=f"Check address, weight and size of the parcel, and the settings {settings}.",
    )


def decoded_label(content: str, label_format: LabelFormat, ref: SourceRef) -> bytes:
    """A label's file that came as Base64. Raises UnexpectedResponse when it is none in this format."""
    try:
        document = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise UnexpectedResponse("the label is no Base64", operation="read label", ref=ref) from None
    return require_label(document, label_format, ref)


def require_unused(record: ShipmentRecord | None, ref: SourceRef) -> None:
    """Refuse to void the label of a parcel that is under way. record: what is known of it. Raises Conflict."""
    if record is not None and record.status in UNDER_WAY:
        raise Conflict(
            f"parcel {record.tracking_number} is {record.status.value.replace('_', ' ')}: "
            "its label cannot be voided now",
            current=record, operation="void label", ref=ref, hint="Have the parcel returned instead.",
        )  # fmt: skip


def require_label(document: bytes, label_format: LabelFormat, ref: SourceRef) -> bytes:
    """The file, when it is a label in this format. Raises UnexpectedResponse."""
    if document.lstrip()[:4] == b"%PDF" if label_format is LabelFormat.PDF else b"^XA" in document:
        return document
    raise UnexpectedResponse(
        f"what lies where the label of {ref.external_id} should be is no {label_format.value.upper()}, "
        f"it begins with {document[:16]!r}",
        operation="download label",
        ref=ref,
    )


def street_lines(party: Party, width: int) -> list[str]:
    """Its street on lines of so many characters, broken between words."""
    return [line for text in (party.address.line1, party.address.line2) if text for line in wrap(text, width)]


def line_problem(lines: Sequence[str], most: int) -> str:
    """Why so many lines of a street cannot be told; empty where they can."""
    if not lines:
        return "is missing"
    return "is too long" if len(lines) > most else ""


def require_complete(party: Party, problems: Mapping[str, str], *, courier: str, hint: str) -> None:
    """Refuse a party that a courier cannot be told of. problems: by fields; empty ones are none. Raises Invalid."""
    wrong = {field: problem for field, problem in problems.items() if problem}
    if wrong:
        listed = ", ".join(f"{field} {problem}" for field, problem in wrong.items())
        raise Invalid(
            f"{courier} cannot be asked about {party.name}: {listed}",
            operation=f"ask {courier}", fields=wrong, hint=hint,
        )  # fmt: skip


def party_fields(party: Party) -> dict[str, str]:
    """A party as most couriers' interfaces have it; what is not known is left out."""
    at = party.address
    known = {
        "name": party.name, "company": party.company, "street1": at.line1, "street2": at.line2, "city": at.city,
        "state": at.state, "zip": at.postal_code, "country": at.country, "phone": at.phone, "email": at.email,
    }  # fmt: skip
    return {name: text for name, text in known.items() if text}


class Place(answers.Theirs):
    """Where a parcel was seen."""

    city: str | None = None
    state: str | None = None
    country: str | None = None

    @property
    def text(self) -> str | None:
        """For people; None where nothing is told."""
        return ", ".join(filter(None, (self.city, self.state, self.country))) or None


def known_instant(at: datetime | None) -> datetime | None:
    """A time that has a zone; one without tells too little to be handed on."""
    return at if at is not None and at.tzinfo else None


def rejected(body: Any, error: InvalidRecord) -> Rejected:
    """A tracker that cannot become a record, kept whole."""
    external_id = answers.id_of(body)
    ref = SourceRef(kind=EntityKind.SHIPMENT, external_id=external_id) if external_id else None
    return answers.rejected(body, error, ref)


async def order_each(
    op: OrderPickup,
    order: Callable[[OrderPickup], Awaitable[PickupReceipt]],
    cancel: Callable[[CancelPickup], Awaitable[object]],
) -> PickupReceipt:
    """Order for each parcel by itself, all or none: for couriers that are sent for one parcel at a time.

    Each has the key with its place in the order, so that the parcels must be given in the same order each time. The
    external_id holds those of all, apart by spaces. What was ordered before one was refused is called off again.
    """
    done: list[PickupReceipt] = []
    for place, parcel in enumerate(op.parcels):
        try:
            done.append(await order(replace(op, key=f"{op.key}.{place}", parcels=(parcel,))))
        except (Invalid, NotFound, Conflict):
            for receipt in done:
                await cancel(CancelPickup(f"{receipt.key}.off", receipt.external_id))
            raise
    prices = [receipt.amount_cents for receipt in done if receipt.amount_cents is not None]
    return PickupReceipt(
        key=op.key,
        external_id=" ".join(receipt.external_id for receipt in done),
        confirmation=", ".join(receipt.confirmation for receipt in done if receipt.confirmation) or None,
        amount_cents=sum(prices) if len(prices) == len(done) else None,
        currency=next((receipt.currency for receipt in done), None),
    )


async def cancel_each(op: CancelPickup, cancel: Callable[[CancelPickup], Awaitable[object]]) -> Receipt:
    """Call all off that `order_each` ordered."""
    for place, pickup in enumerate(op.pickup.split(" ")):
        await cancel(CancelPickup(f"{op.key}.{place}", pickup))
    return Receipt(op.key, op.pickup)
