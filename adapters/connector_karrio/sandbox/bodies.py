"""SANDBOX: the bodies that Karrio 2026.1.32 answers, with all of their keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

ADDRESS: dict[str, Any] = {
    "id": None, "postal_code": None, "city": None, "federal_tax_id": None, "state_tax_id": None, "person_name": None,
    "company_name": None, "country_code": None, "email": None, "phone_number": None, "state_code": None,
    "residential": False, "street_number": None, "address_line1": None, "address_line2": None,
    "validate_location": False, "meta": {}, "object_type": "address", "validation": None,
}  # fmt: skip
PARCEL: dict[str, Any] = {
    "id": None, "weight": None, "width": None, "height": None, "length": None, "packaging_type": None,
    "package_preset": None, "description": None, "content": None, "is_document": False, "weight_unit": None,
    "dimension_unit": None, "items": [], "reference_number": None, "freight_class": None, "options": {}, "meta": {},
    "object_type": "parcel",
}  # fmt: skip


def draft(number: str, asked: Mapping[str, Any], rates: list[dict[str, Any]], at: datetime) -> dict[str, Any]:
    """A shipment that was not bought."""
    return {
        "id": number, "object_type": "shipment", "status": "draft", "tracking_url": None,
        "shipper": ADDRESS | dict(asked["shipper"]), "recipient": ADDRESS | dict(asked["recipient"]),
        "return_address": None, "billing_address": None,
        "parcels": [PARCEL | dict(each) for each in asked["parcels"]], "services": [], "options": {},
        "payment": {"paid_by": "sender", "currency": None, "account_number": None}, "customs": None, "rates": rates,
        "reference": asked.get("reference"), "order_id": None, "label_type": asked.get("label_type", "PDF"),
        "carrier_ids": list(asked.get("carrier_ids") or ()), "tracker_id": None,
        "created_at": at.astimezone(UTC).isoformat(" ", "microseconds"), "metadata": dict(asked.get("metadata") or {}),
        "messages": [], "is_archived": False, "archived_at": None, "carrier_name": None, "carrier_id": None,
        "tracking_number": None, "shipment_identifier": None, "selected_rate": None, "meta": {},
        "return_shipment": None, "service": None, "selected_rate_id": None, "test_mode": True, "is_return": False,
        "label_url": None, "invoice_url": None, "shipping_documents": [],
    }  # fmt: skip


def tracker(number: str, tracking_number: str, carrier: str, at: datetime) -> dict[str, Any]:
    """A tracker of a parcel that was not yet seen."""
    return {
        "id": number, "carrier_name": carrier, "carrier_id": carrier, "tracking_number": tracking_number,
        "info": {"source": "api"}, "events": [scan("pending", "Label created and ready for shipment", None, at)],
        "delivered": False, "test_mode": True, "status": "pending", "estimated_delivery": None,
        "meta": {"carrier": carrier}, "object_type": "tracker", "is_archived": False, "archived_at": None,
        "metadata": {}, "messages": [], "delivery_image_url": None, "signature_image_url": None,
    }  # fmt: skip


def scan(status: str, description: str, location: str | None, at: datetime) -> dict[str, Any]:
    """An event of a tracker; the sandbox's code of it is the status in capitals."""
    told = at.astimezone(UTC)
    return {
        "date": f"{told:%Y-%m-%d}", "time": f"{told:%I:%M %p}", "timestamp": f"{told:%Y-%m-%dT%H:%M:%S.000Z}",
        "status": status, "code": status.upper(), "reason": None, "description": description, "location": location,
        "latitude": None, "longitude": None,
    }  # fmt: skip
