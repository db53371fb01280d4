"""SANDBOX: labels with nothing on them but who, where and which number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sdk import LabelFormat
from connector.sdk.testing import draw_label

MEDIA = {"PDF": "application/pdf", "ZPL": "application/zpl", "PNG": "image/png"}


def draw(shipment: Mapping[str, Any], file_format: str) -> bytes:
    """The label of a bought shipment. PNG, the default of the real system, is drawn as its first bytes alone."""
    if file_format == "PNG":
        return b"\x89PNG\r\n\x1a\n"
    to = shipment["to_address"]
    town = f"{to.get('zip') or ''} {to.get('city') or ''} {to.get('country') or ''}".strip()
    lines = [str(to.get("name") or ""), str(to.get("street1") or ""), town]
    return draw_label(lines, shipment["tracking_code"], LabelFormat(file_format.lower()))
