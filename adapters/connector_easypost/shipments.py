"""EasyPost's offers and bought shipments, in the hub's terms. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.sdk import BuyLabel, Invalid, LabelFormat, LabelReceipt, Quote, UnexpectedResponse
from connector_easypost.config import EasyPostConfig
from connector_easypost.requests import label_type, shipment_request
from connector_easypost.shapes import Rate, Shipment, said

COMPARED = ("name", "company", "street1", "street2", "city", "state", "zip", "country")
"""What of an address tells whether a draft is for it; EasyPost rewrites telephone numbers."""


def allowed(rates: Sequence[Rate], config: EasyPostConfig) -> tuple[Rate, ...]:
    """Those offers that the settings allow, cheapest first, one for each carrier and service."""
    fitting = (
        rate
        for rate in rates
        if (not config.services or rate.service in config.services)
        and (not config.carrier_accounts or rate.carrier_account_id in config.carrier_accounts)
    )
    cheapest: dict[tuple[str, str], Rate] = {}
    for rate in sorted(fitting, key=lambda rate: (rate.amount_cents, rate.transit_days or 0, rate.service)):
        cheapest.setdefault((rate.carrier, rate.service), rate)
    return tuple(cheapest.values())


def quote(rate: Rate) -> Quote:
    """An offer."""
    return Quote(
        carrier=rate.carrier,
        service=rate.service,
        amount_cents=rate.amount_cents,
        currency=rate.currency,
        transit_days=rate.transit_days,
        estimated_delivery_at=_aware(rate),
    )


def choose(shipment: Shipment, op: BuyLabel, config: EasyPostConfig) -> Rate:
    """The offer that was asked for, else the cheapest. Raises Invalid naming what is offered instead."""
    offers = allowed(shipment.rates, config)
    for rate in offers:
        if op.carrier in (None, rate.carrier, rate.carrier_account_id) and op.service in (None, rate.service):
            return rate
    wanted = f"{op.carrier or 'any carrier'}/{op.service or 'any service'}"
    others = ", ".join(f"{rate.carrier}/{rate.service}" for rate in offers) or "nothing"
    raise Invalid(
        f"no carrier offers {wanted} for this parcel, offered is {others}. {said(shipment.messages)}".strip(),
        operation="buy label",
        fields={"service": f"{wanted} is not offered"},
        hint="Check address, weight and size of the parcel, and the settings `carrier_accounts` and `services`.",
    )


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
        estimated_delivery_at=_aware(rate),
    )


def require_label(document: bytes, shipment: Shipment) -> bytes:
    """The file, when it is a label in the shipment's format. Raises UnexpectedResponse."""
    wanted = format_of(shipment)
    if document.lstrip()[:4] == b"%PDF" if wanted is LabelFormat.PDF else b"^XA" in document:
        return document
    raise UnexpectedResponse(
        f"what lies where the label of {shipment.id} should be is no {label_type(wanted)}, "
        f"it begins with {document[:16]!r}",
        operation="download label",
        ref=shipment.ref,
    )


def _compared(address: dict[str, Any]) -> tuple[str, ...]:
    return tuple(" ".join(str(address.get(name) or "").casefold().split()) for name in COMPARED)


def _aware(rate: Rate) -> Any:
    """When the carrier means to deliver; a time without zone tells too little to be handed on."""
    at = rate.delivery_date
    return at if at is not None and at.tzinfo else None
