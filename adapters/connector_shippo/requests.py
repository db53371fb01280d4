"""What the hub wants, as Shippo's requests. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from connector.sdk import BuyLabel, IdempotencyKey, Invalid, LabelFormat, Parcel
from connector.sdk.courier import party_fields
from connector_shippo.config import ShippoConfig
from connector_shippo.shapes import Rate

MARK = "connector"
METADATA_LIMIT = 100
PRINTED_LIMIT = 50
"""Characters of a reference that carriers print."""
ZPL = "ZPLII"


def mark_of(key: IdempotencyKey) -> str:
    """With what the metadata of everything begins that was made for a key; a digest stands for the whole key."""
    return f"{MARK} {hashlib.sha256(key.encode()).hexdigest()[:32]} "


def metadata_of(key: IdempotencyKey, carrier: str) -> str:
    """What Shippo keeps of a label for us. carrier: its token, by which the parcel is followed."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", key)
    return f"{mark_of(key)}{carrier} {readable}"[:METADATA_LIMIT]


def carrier_in(metadata: object) -> str | None:
    """The carrier's token in metadata of ours; None in those of others."""
    words = metadata.split() if isinstance(metadata, str) else []
    return words[2] if len(words) > 2 and words[0] == MARK else None


def shipment_request(
    parcel: Parcel, config: ShippoConfig, *, reference: str = "", is_return: bool = False
) -> dict[str, Any]:
    """Body of `POST /shipments`. Raises Invalid for a parcel without a size.

    Shippo turns the addresses of a return around itself: it is asked for with those of the way there.
    """
    there, back = party_fields(parcel.sender), party_fields(parcel.recipient)
    extra: dict[str, Any] = {"reference_1": reference[:PRINTED_LIMIT]} if reference else {}
    body: dict[str, Any] = {
        "address_from": back if is_return else there,
        "address_to": there if is_return else back,
        "parcels": [_parcel(parcel, config)],
        "async": False,
    }
    if config.carrier_accounts:
        body["carrier_accounts"] = list(config.carrier_accounts)
    if is_return:
        extra["is_return"] = True
    if extra:
        body["extra"] = extra
    return body


def transaction_request(op: BuyLabel, rate: Rate, config: ShippoConfig) -> dict[str, Any]:
    """Body of `POST /transactions`."""
    return {
        "rate": rate.id,
        "label_file_type": label_type(op.label_format, config),
        "metadata": metadata_of(op.key, config.token_of(rate.provider)),
        "async": False,
    }


def label_type(label_format: LabelFormat, config: ShippoConfig) -> str:
    """Shippo's name of a file format."""
    return ZPL if label_format is LabelFormat.ZPL else config.pdf_type


def _parcel(parcel: Parcel, config: ShippoConfig) -> dict[str, str]:
    sizes = (parcel.length_mm, parcel.width_mm, parcel.height_mm)
    if None in sizes:
        sizes = config.usual_size_mm or sizes
    missing = [name for name, size in zip(("length", "width", "height"), sizes, strict=True) if size is None]
    if missing:
        raise Invalid(
            f"Shippo takes no parcel without its {', '.join(missing)}",
            operation="ask for offers",
            fields={f"parcels.{name}": "is not known" for name in missing},
            hint="Give the product its size, or set `usual_size_mm` of this source.",
        )
    length, width, height = map(str, sizes)
    return {
        "length": length, "width": width, "height": height, "distance_unit": "mm",
        "weight": str(parcel.weight_g), "mass_unit": "g",
    }  # fmt: skip
