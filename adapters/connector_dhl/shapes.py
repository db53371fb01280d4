"""What MyDHL API answers to offers and purchases, as far as it is read. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field

from connector.sdk import EntityKind, LabelFormat, SourceRef
from connector.sdk.answers import Theirs
from connector.sdk.courier import Amount, business_days, cents, decoded_label, for_sale

CARRIER = "DHL"
BILLING = "BILLC"
"""Prices in the currency that the account is billed in; others are of the country, or base currencies."""


def parcel_ref(number: str) -> SourceRef:
    """What a parcel is called in the hub: its number."""
    return SourceRef(kind=EntityKind.SHIPMENT, external_id=number)


class _Price(Theirs):
    kind: str | None = Field(default=None, alias="currencyType")
    currency: str | None = Field(default=None, alias="priceCurrency")
    amount: Amount | None = Field(default=None, alias="price")


def price_of(prices: Iterable[_Price]) -> tuple[int, str] | None:
    """Cents and currency, the account's where they are told; None where DHL tells no price, or writes zero for it."""
    known = [each for each in prices if each.amount is not None and each.amount > 0 and each.currency]
    for each in sorted(known, key=lambda price: price.kind != BILLING):
        if each.amount is not None and each.currency is not None:
            return cents(each.amount), each.currency
    return None


class _Delivery(Theirs):
    at: str | None = Field(default=None, alias="estimatedDeliveryDateAndTime")
    days: int | None = Field(default=None, alias="totalTransitDays")


class Product(Theirs):
    """An offer as DHL makes it. local: its code in the sender's country, which shipments within it need."""

    code: str = Field(alias="productCode", min_length=1)
    local: str | None = Field(default=None, alias="localProductCode")
    prices: tuple[_Price, ...] = Field(alias="totalPrice")
    delivery: _Delivery | None = Field(default=None, alias="deliveryCapabilities")

    def days(self, ship_day: date) -> int | None:
        """Business days until the day of delivery, else the days that DHL counts."""
        delivery = self.delivery or _Delivery()
        try:
            return business_days(ship_day, date.fromisoformat((delivery.at or "")[:10]))
        except ValueError:
            return delivery.days


class Rates(Theirs):
    """Answer of rates."""

    products: Annotated[tuple[Product, ...], BeforeValidator(for_sale("productCode", "totalPrice"))] = ()


class _Document(Theirs):
    kind: str = Field(default="", alias="typeCode")
    content: str = ""


class Made(Theirs):
    """A shipment that was made, of one parcel."""

    number: str = Field(alias="shipmentTrackingNumber", min_length=1)
    documents: tuple[_Document, ...] = ()
    charges: tuple[_Price, ...] = Field(default=(), alias="shipmentCharges")

    def label(self, label_format: LabelFormat) -> bytes:
        """The file. Raises UnexpectedResponse when it is none in this format."""
        content = next((each.content for each in self.documents if each.kind == "label"), "")
        return decoded_label(content, label_format, parcel_ref(self.number))
