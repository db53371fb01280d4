"""Shippo's offers and bought labels, in the hub's terms. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from connector.sdk import BuyLabel, IdempotencyKey, LabelFormat, LabelReceipt, Quote, UnexpectedResponse
from connector.sdk.courier import allowed_offers, chosen_offer, known_instant, require_label
from connector_shippo.config import ShippoConfig
from connector_shippo.requests import ZPL
from connector_shippo.shapes import Rate, Shipment, Transaction, said


def allowed(rates: Iterable[Rate], config: ShippoConfig) -> tuple[Rate, ...]:
    """Those offers that the settings allow, cheapest first, one for each carrier and service."""
    return allowed_offers(rates, services=config.services, accounts=config.carrier_accounts)


def quote(rate: Rate) -> Quote:
    """An offer. Shippo says by what hour a parcel arrives, and not on which day."""
    return Quote(
        carrier=rate.provider,
        service=rate.service,
        amount_cents=rate.amount_cents,
        currency=rate.currency,
        transit_days=rate.transit_days,
    )


def choose(shipment: Shipment, op: BuyLabel, config: ShippoConfig) -> Rate:
    """The offer that was asked for, else the cheapest. Raises Invalid naming what is offered instead."""
    offers = allowed(shipment.rates, config)
    return chosen_offer(offers, op, said=said(shipment.messages), settings="`carrier_accounts` and `services`")


def format_of(transaction: Transaction) -> LabelFormat:
    """The format that the label was asked for in."""
    return LabelFormat.ZPL if transaction.label_file_type == ZPL else LabelFormat.PDF


def label_receipt(transaction: Transaction, rate: Rate, key: IdempotencyKey, document: bytes) -> LabelReceipt:
    """Proof of a bought label. Raises UnexpectedResponse when there is no number to follow it by, or no label."""
    if not transaction.tracking_number:
        raise UnexpectedResponse(
            f"transaction {transaction.id} has a label and no tracking number",
            operation="buy label",
            ref=transaction.ref,
            hint="Leave services that cannot be tracked out of the setting `services`.",
        )
    return LabelReceipt(
        key=key,
        shipment=transaction.ref,
        tracking_number=transaction.tracking_number,
        carrier=rate.provider,
        service=rate.service,
        label_format=format_of(transaction),
        document=require_label(document, format_of(transaction), transaction.ref),
        amount_cents=rate.amount_cents,
        currency=rate.currency,
        tracking_url=transaction.tracking_url_provider or None,
        estimated_delivery_at=_eta(transaction.eta),
    )


def _eta(told: str | None) -> datetime | None:
    try:
        return known_instant(datetime.fromisoformat(told or ""))
    except ValueError:
        return None
