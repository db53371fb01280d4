"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from connector.sdk import Record, WebhookRequest
from connector.sdk.testing import Contract, Golden
from connector_dhl.sandbox import DhlSandbox
from connector_dhl.tracking import shipments_of, tracked_record
from connector_dhl.unified import pushed_records, webhook_result

RECEIVED_AT = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """The records of an answer of MyDHL API, of Shipment Tracking - Unified, or of a push."""
    if name.startswith("push_"):
        return webhook_result(WebhookRequest(headers={}, body=payload, received_at=RECEIVED_AT)).records
    body = json.loads(payload)
    if name.startswith("unified"):
        return pushed_records(body)
    records = (tracked_record(each.number, body) for each in shipments_of(body))
    return [record for record in records if record is not None]


CONTRACT = Contract(
    adapter="dhl", sandbox=DhlSandbox, golden=Golden(Path(__file__).parent / "payloads", read=read_payload)
)
