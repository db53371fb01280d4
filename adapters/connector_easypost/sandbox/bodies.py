"""SANDBOX: the bodies that EasyPost answers, with the keys that its recorded answers have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

ADDRESS_KEYS = (
    "name", "company", "street1", "street2", "city", "state", "zip", "country", "phone", "email", "carrier_facility",
    "residential", "federal_tax_id", "state_tax_id",
)  # fmt: skip


def written(at: datetime) -> str:
    """A time as EasyPost writes it: to the second."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def address(number: str, asked: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """An address; its times are written otherwise than all others."""
    stamp = f"{at:%Y-%m-%dT%H:%M:%S+00:00}"
    return {
        "id": number, "object": "Address", "created_at": stamp, "updated_at": stamp, "mode": "test",
        **{name: asked.get(name) for name in ADDRESS_KEYS}, "verifications": {},
    }  # fmt: skip


def draft(number: str, asked: Mapping[str, Any], ids: tuple[str, str, str], at: datetime) -> dict[str, Any]:
    """A shipment that was not bought. A return's addresses are turned around."""
    sender, recipient = (address(id_, asked[name], at) for id_, name in zip(ids, _ways(asked), strict=False))
    stamp = written(at)
    parcel = {name: asked["parcel"].get(name) for name in ("length", "width", "height", "predefined_package", "weight")}
    options = {**(asked.get("options") or {}), "currency": "USD", "payment": {"type": "SENDER"}, "date_advance": 0}
    return {
        "id": number, "created_at": stamp, "is_return": bool(asked.get("is_return")), "messages": [], "mode": "test",
        "options": options, "reference": asked.get("reference"), "status": "unknown", "tracking_code": None,
        "updated_at": stamp, "batch_id": None, "batch_status": None, "batch_message": None, "customs_info": None,
        "from_address": sender, "insurance": None, "order_id": None,
        "parcel": {"id": ids[2], "object": "Parcel", "created_at": stamp, "updated_at": stamp, "mode": "test",
                   **parcel},
        "postage_label": None, "rates": [], "refund_status": None, "scan_form": None, "selected_rate": None,
        "tracker": None, "to_address": recipient, "usps_zone": None, "return_address": sender,
        "buyer_address": recipient, "forms": [], "fees": [], "object": "Shipment",
    }  # fmt: skip


def _ways(asked: Mapping[str, Any]) -> tuple[str, str]:
    return ("to_address", "from_address") if asked.get("is_return") else ("from_address", "to_address")


def label(number: str, url: str, media: str, at: datetime) -> dict[str, Any]:
    """Where a label lies: that which was asked for at `label_url`, converted ones beside it."""
    stamp = written(at)
    return {
        "object": "PostageLabel", "id": number, "created_at": stamp, "updated_at": stamp, "date_advance": 0,
        "integrated_form": "none", "label_date": stamp, "label_resolution": 300, "label_size": "4x6",
        "label_type": "default", "label_file_type": media, "label_url": url, "label_pdf_url": None,
        "label_zpl_url": None, "label_epl2_url": None, "label_file": None,
    }  # fmt: skip


def tracker(number: str, code: str, carrier: str, shipment_id: str | None, at: datetime) -> dict[str, Any]:
    """A tracker of a parcel that was not yet seen; one that comes with a label knows nothing at first."""
    stamp = written(at)
    first = [] if shipment_id else [scan("pre_transit", "label_created", "Shipping Label Created", None, carrier, at)]
    return {
        "id": number, "object": "Tracker", "mode": "test", "tracking_code": code,
        "status": first[0]["status"] if first else "unknown", "status_detail": "status_update" if first else "unknown",
        "created_at": stamp, "updated_at": stamp, "signed_by": None, "weight": None,
        "est_delivery_date": None, "shipment_id": shipment_id, "carrier": carrier,
        "tracking_details": first,
        "fees": [], "carrier_detail": None, "public_url": f"https://track.easypost.com/{number}",
    }  # fmt: skip


def scan(
    status: str, detail: str, message: str, city: str | None, carrier: str, at: datetime
) -> dict[str, Any]:  # fmt: skip
    """A scan; most carriers tell no code."""
    place = {"object": "TrackingLocation", "city": city, "state": None, "country": None, "zip": None}
    return {
        "object": "TrackingDetail", "message": message, "description": "", "status": status, "status_detail": detail,
        "datetime": written(at), "source": carrier, "carrier_code": "", "tracking_location": place,
    }  # fmt: skip


def pickup(
    number: str, asked: Mapping[str, Any], place: Mapping[str, Any], rate_id: str, carrier: str, at: datetime
) -> dict[str, Any]:
    """A pickup that was not ordered."""
    stamp = written(at)
    rate = {
        "mode": "test", "service": "NextDay", "rate": "3.50", "currency": "USD", "created_at": stamp,
        "updated_at": stamp, "carrier": carrier, "pickup_id": number, "id": rate_id, "object": "PickupRate",
    }  # fmt: skip
    return {
        "id": number, "object": "Pickup", "created_at": stamp, "updated_at": stamp, "mode": "test",
        "status": "unknown", "reference": asked.get("reference"), "min_datetime": asked["min_datetime"],
        "max_datetime": asked["max_datetime"], "is_account_address": bool(asked.get("is_account_address")),
        "instructions": asked.get("instructions"), "messages": [], "confirmation": None, "address": dict(place),
        "carrier_accounts": [], "pickup_rates": [rate],
    }  # fmt: skip


def event(number: str, description: str, result: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """What a webhook posts."""
    stamp = f"{at:%Y-%m-%dT%H:%M:%S.000Z}"
    return {
        "description": description, "mode": "test", "previous_attributes": {}, "created_at": stamp,
        "pending_urls": ["https://connector.example.com/webhooks/parcels"], "completed_urls": [], "updated_at": stamp,
        "id": number, "user_id": "user_sandbox", "status": "pending", "object": "Event", "result": dict(result),
    }  # fmt: skip
