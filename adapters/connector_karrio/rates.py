"""Karrio's offers and bought shipments, in the hub's terms. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from connector.sdk import BuyLabel, EntityKind, LabelFormat, LabelReceipt, Quote, SourceRef, UnexpectedResponse
from connector.sdk.answers import Theirs, read_answer
from connector.sdk.courier import Amount, allowed_offers, cents, chosen_offer, for_sale
from connector_karrio.config import KarrioConfig


class Rate(Theirs):
    """An offer of a carrier. carrier_id: the account, carrier_name: whose it is."""

    id: str | None = None
    carrier_id: str
    carrier_name: str
    service: str = Field(min_length=1)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    total_charge: Amount
    transit_days: int | None = None
    estimated_delivery: str | None = None

    @property
    def amount_cents(self) -> int:
        """Hundredths of the currency."""
        return cents(self.total_charge)

    @property
    def account(self) -> str:
        """By which the settings allow it."""
        return self.carrier_id

    @property
    def names(self) -> tuple[str, ...]:
        """Account and carrier."""
        return self.carrier_id, self.carrier_name


Rates = Annotated[tuple[Rate, ...], BeforeValidator(for_sale("service", "currency"))]


class Message(Theirs):
    """What a carrier says to a request."""

    message: str | None = None
    code: str | None = None
    carrier_id: str | None = None


class Shipment(Theirs):
    """A shipment as Karrio keeps it. It is bought once it has a tracking number."""

    id: str
    status: str
    created_at: datetime | None = None
    tracking_number: str | None = None
    carrier_name: str | None = None
    tracking_url: str | None = None
    label_type: str | None = None
    rates: Rates = ()
    selected_rate: Rate | None = None
    messages: tuple[Message, ...] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def ref(self) -> SourceRef:
        """Identity of the shipment."""
        return SourceRef(kind=EntityKind.SHIPMENT, external_id=self.id)

    @property
    def is_bought(self) -> bool:
        """Whether it has ever had a label, void ones included."""
        return bool(self.tracking_number)


def read_shipment(body: object, operation: str) -> Shipment:
    """A shipment of an answer. Raises UnexpectedResponse."""
    return read_answer(Shipment, body, operation)


def read_rates(body: object, operation: str) -> tuple[Rate, ...]:
    """The offers of an answer. Raises UnexpectedResponse."""
    return read_answer(_Answer, body, operation).rates


def allowed(rates: Sequence[Rate], config: KarrioConfig) -> tuple[Rate, ...]:
    """Those offers that the settings allow, cheapest first. Karrio passes over a service that it does not know."""
    return allowed_offers(rates, services=config.services, accounts=config.carrier_ids)


def quote(rate: Rate, config: KarrioConfig) -> Quote:
    """An offer; its carrier is the account, so that it can be bought."""
    return Quote(
        carrier=rate.carrier_id,
        service=rate.service,
        amount_cents=rate.amount_cents,
        currency=rate.currency,
        transit_days=rate.transit_days,
        estimated_delivery_at=expected(rate.estimated_delivery, config),
    )


def choose(shipment: Shipment, op: BuyLabel, config: KarrioConfig) -> Rate:
    """The offer that was asked for, else the cheapest. Raises Invalid naming what is offered instead."""
    said = "; ".join(message.message for message in shipment.messages if message.message)
    return chosen_offer(
        allowed(shipment.rates, config), op, said=said, settings="`carrier_ids` and `services`"
    )  # fmt: skip


def label_receipt(shipment: Shipment, key: str, document: bytes, config: KarrioConfig) -> LabelReceipt:
    """Proof of a bought label. Raises UnexpectedResponse when the shipment was not bought, or as an image."""
    rate = shipment.selected_rate
    if rate is None or not shipment.tracking_number:
        raise UnexpectedResponse(
            f"shipment {shipment.id} is {shipment.status} and has no tracking number", operation="buy label"
        )
    written = shipment.label_type or LabelFormat.PDF.value
    label_format = next((each for each in LabelFormat if each.value == written.lower()), None)
    if label_format is None:
        raise UnexpectedResponse(
            f"the label of shipment {shipment.id} is a {written}, not PDF or ZPL", operation="buy label",
            ref=shipment.ref, hint="It is bought: print it from Karrio, or cancel the shipment there.",
        )  # fmt: skip
    url = shipment.tracking_url
    return LabelReceipt(
        key=key,
        shipment=shipment.ref,
        tracking_number=shipment.tracking_number,
        carrier=rate.carrier_name,
        service=rate.service,
        label_format=label_format,
        document=document,
        amount_cents=rate.amount_cents,
        currency=rate.currency,
        tracking_url=f"{str(config.base_url).rstrip('/')}{url}" if url and url.startswith("/") else url,
        estimated_delivery_at=expected(rate.estimated_delivery, config),
    )


def expected(text: str | None, config: KarrioConfig) -> datetime | None:
    """When a parcel is expected: an instant, or the end of the day where only that is told."""
    if not text:
        return None
    try:
        if len(text) <= len("2026-11-25"):
            return datetime.combine(date.fromisoformat(text), time(23, 59, 59), ZoneInfo(config.tracking_time_zone))
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(config.tracking_time_zone))


class _Answer(Theirs):
    rates: Rates
