"""What the hub wants, as EasyPost's requests. Pure."""

from __future__ import annotations

import hashlib
import re
from decimal import ROUND_CEILING, Decimal
from typing import Any

from connector.sdk import BuyLabel, IdempotencyKey, LabelFormat, Parcel
from connector.sdk.courier import party_fields
from connector_easypost.config import EasyPostConfig

GRAMS_PER_OUNCE = Decimal("28.349523125")
MILLIMETRES_PER_INCH = Decimal("25.4")
TENTH = Decimal("0.1")
PRINTED_LIMIT = 35
"""Characters of a reference that couriers print."""


def reference_of(key: IdempotencyKey, number: int = 1) -> str:
    """The reference under which the effect of a key is found; number: of the draft, where the first was given up.

    EasyPost finds an object by its reference in place of its id, as part of a path: a full stop or a colon there is
    an ending or a scheme, so a digest stands for what the readable beginning leaves out.
    """
    readable = re.sub(r"[^A-Za-z0-9]+", "-", key)[:48]
    digest = hashlib.sha256(key.encode()).hexdigest()[:24]
    return f"{readable}-{digest}" if number == 1 else f"{readable}-{digest}-{number}"


def rates_request(parcel: Parcel, config: EasyPostConfig) -> dict[str, Any]:
    """Body of `POST /v2/shipments` for offers alone."""
    return {"shipment": _shipment(parcel, config)}


def shipment_request(op: BuyLabel, number: int, config: EasyPostConfig) -> dict[str, Any]:
    """Body of `POST /v2/shipments` for a draft that is bought next. `reference` is not printed, `print_custom_1` is."""
    body = _shipment(op.parcel, config)
    if op.is_return:
        # EasyPost turns the addresses of a return around: it is asked for with those of the way there.
        body |= {"is_return": True, "from_address": body["to_address"], "to_address": body["from_address"]}
    options = {"label_format": label_type(op.label_format), "print_custom_1": op.reference[:PRINTED_LIMIT]}
    return {"shipment": body | {"reference": reference_of(op.key, number), "options": options}}


def label_type(label_format: LabelFormat) -> str:
    """EasyPost's name of a file format."""
    return label_format.value.upper()


def ounces(weight_g: int) -> Decimal:
    """Tenths of an ounce, the finest that EasyPost takes, rounded up: a parcel is never declared lighter than it is."""
    return (Decimal(weight_g) / GRAMS_PER_OUNCE).quantize(TENTH, ROUND_CEILING)


def inches(length_mm: int) -> Decimal:
    """Tenths of an inch, rounded up."""
    return (Decimal(length_mm) / MILLIMETRES_PER_INCH).quantize(TENTH, ROUND_CEILING)


def _shipment(parcel: Parcel, config: EasyPostConfig) -> dict[str, Any]:
    sizes = {"length": parcel.length_mm, "width": parcel.width_mm, "height": parcel.height_mm}
    declared = {name: float(inches(size)) for name, size in sizes.items() if size is not None}
    body: dict[str, Any] = {
        "from_address": party_fields(parcel.sender),
        "to_address": party_fields(parcel.recipient),
        "parcel": {"weight": float(ounces(parcel.weight_g)), **declared},
    }
    if config.carrier_accounts:
        body["carrier_accounts"] = list(config.carrier_accounts)
    return body
