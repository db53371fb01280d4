"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from connector.sdk import Record, WebhookRequest
from connector.sdk.testing import Contract, Golden
from connector_ups.sandbox import UpsSandbox
from connector_ups.tracking import alert_result, tracked_record

RECEIVED_AT = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """The record of an answer of `GET /track/v1/details/NUMBER`, or of an alert."""
    if name.startswith("alert_"):
        return alert_result(WebhookRequest(headers={}, body=payload, received_at=RECEIVED_AT)).records
    record = tracked_record(json.loads(payload))
    return [record] if record else []


CONTRACT = Contract(
    adapter="ups", sandbox=UpsSandbox, golden=Golden(Path(__file__).parent / "payloads", read=read_payload)
)
