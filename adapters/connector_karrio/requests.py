"""What the hub wants, as Karrio's requests. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connector.sdk import BuyLabel, LabelFormat, Parcel, Party
from connector_karrio.config import KarrioConfig

KEY = "connector_key"
"""Field of a shipment's metadata with the operation's key. Not the reference: carriers print that on the label and
many take 35 characters only."""
REFERENCE_LIMIT = 35

GRAMS = {"KG": Decimal(1000), "G": Decimal(1), "LB": Decimal("453.59237"), "OZ": Decimal("28.349523125")}
MILLIMETRES = {"CM": Decimal(10), "IN": Decimal("25.4")}


def rates_request(parcel: Parcel, config: KarrioConfig) -> dict[str, Any]:
    """Body of `POST /v1/proxy/rates`."""
    body: dict[str, Any] = {
        "shipper": address_fields(parcel.sender),
        "recipient": address_fields(parcel.recipient),
        "parcels": [_parcel(parcel, config)],
    }
    if config.carrier_ids:
        body["carrier_ids"] = list(config.carrier_ids)
    return body


def shipment_request(op: BuyLabel, config: KarrioConfig) -> dict[str, Any]:
    """Body of `POST /v1/shipments`."""
    return rates_request(op.parcel, config) | {
        "label_type": label_type(op.label_format),
        "reference": op.reference[:REFERENCE_LIMIT],
        "metadata": {KEY: op.key},
    }


def label_type(label_format: LabelFormat) -> str:
    """Karrio's name of a file format."""
    return label_format.value.upper()


def address_fields(party: Party) -> dict[str, str]:
    """A party as Karrio writes addresses."""
    address = party.address
    known = {
        "person_name": party.name, "company_name": party.company, "address_line1": address.line1,
        "address_line2": address.line2, "city": address.city, "postal_code": address.postal_code,
        "state_code": address.state, "country_code": address.country, "phone_number": address.phone,
        "email": address.email,
    }  # fmt: skip
    return {name: text for name, text in known.items() if text}


def _parcel(parcel: Parcel, config: KarrioConfig) -> dict[str, Any]:
    body: dict[str, Any] = {
        "weight": _number(Decimal(parcel.weight_g) / GRAMS[config.weight_unit]),
        "weight_unit": config.weight_unit,
    }
    sizes = {"length": parcel.length_mm, "width": parcel.width_mm, "height": parcel.height_mm}
    declared = {
        name: _number(Decimal(size) / MILLIMETRES[config.dimension_unit])
        for name, size in sizes.items()
        if size is not None
    }
    if declared:
        body |= declared | {"dimension_unit": config.dimension_unit}
    if parcel.description:
        body["description"] = parcel.description
    return body


def _number(value: Decimal) -> float:
    return float(round(value, 3))
