"""EasyPost's offers and bought shipments, in the hub's terms. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.sdk import BuyLabel, LabelFormat, LabelReceipt, Quote, UnexpectedResponse
from connector.sdk.courier import allowed_offers, chosen_offer, known_instant
from connector_easypost.config import EasyPostConfig
from connector_easypost.requests import shipment_request
from connector_easypost.shapes import Rate, Shipment, said

COMPARED = ("name", "company", "street1", "street2", "city", "state", "zip", "country")
"""What of an address tells whether a draft is for it; EasyPost rewrites telephone numbers."""


def allowed(rates: Sequence[Rate], config: EasyPostConfig) -> tuple[Rate, ...]:
    """Those offers that the settings allow, cheapest first, one for each carrier and service."""
    return allowed_offers(rates, services=config.services, accounts=config.carrier_accounts)


def quote(rate: Rate) -> Quote:
    """An offer."""
    return Quote(
        carrier=rate.carrier,
        service=rate.service,
        amount_cents=rate.amount_cents,
        currency=rate.currency,
        transit_days=rate.transit_days,
        estimated_delivery_at=known_instant(rate.delivery_date),
    )


def choose(shipment: Shipment, op: BuyLabel, config: EasyPostConfig) -> Rate:
    """The offer that was asked for, else the cheapest. Raises Invalid naming what is offered instead."""
    offers = allowed(shipment.rates, config)
    return chosen_offer(offers, op, said=said(shipment.messages), settings="`carrier_accounts` and `services`")


def is_draft_for(shipment: Shipment, op: BuyLabel, config: EasyPostConfig) -> bool:
    """Whether a draft is for this very parcel; the request may have been corrected since it was made."""
    wanted = shipment_request(op, 1, config)["shipment"]
    parcel = {name: shipment.parcel.get(name) for name in wanted["parcel"]}
    return (
        bool(shipment.is_return) == op.is_return
        and shipment.options.get("label_format") == wanted["options"]["label_format"]
        and parcel == wanted["parcel"]
        # compared as a pair: a return's addresses come back turned around
        and sorted([_compared(shipment.from_address), _compared(shipment.to_address)])
        == sorted([_compared(wanted["from_address"]), _compared(wanted["to_address"])])
    )


def format_of(shipment: Shipment) -> LabelFormat:
    """The format that the label was asked for in; PDF where somebody else bought it in another."""
    asked = str(shipment.options.get("label_format") or "").lower()
    return LabelFormat(asked) if asked in {each.value for each in LabelFormat} else LabelFormat.PDF


def label_receipt(shipment: Shipment, key: str, document: bytes) -> LabelReceipt:
    """Proof of a bought label. Raises UnexpectedResponse when the shipment says not what was bought."""
    rate = shipment.selected_rate
    if rate is None or not shipment.tracking_code:
        raise UnexpectedResponse(
            f"shipment {shipment.id} has a label, and no tracking code or no price of it",
            operation="buy label",
            ref=shipment.ref,
        )
    url = (shipment.tracker or {}).get("public_url")
    return LabelReceipt(
        key=key,
        shipment=shipment.ref,
        tracking_number=shipment.tracking_code,
        carrier=rate.carrier,
        service=rate.service,
        label_format=format_of(shipment),
        document=document,
        amount_cents=rate.amount_cents,
        currency=rate.currency,
        tracking_url=url if isinstance(url, str) else None,
        estimated_delivery_at=known_instant(rate.delivery_date),
    )


def _compared(address: dict[str, Any]) -> tuple[str, ...]:
    return tuple(" ".join(str(address.get(name) or "").casefold().split()) for name in COMPARED)
