"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from connector.sdk import Record, WebhookRequest
from connector.sdk.testing import Contract, Golden
from connector_shippo.sandbox import ShippoSandbox
from connector_shippo.tracking import track_record, webhook_records

RECEIVED_AT = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """The record of an answer of `GET /tracks/CARRIER/NUMBER`, or of a webhook."""
    if name.startswith("webhook_"):
        return webhook_records(WebhookRequest(headers={}, body=payload, received_at=RECEIVED_AT))
    record = track_record(json.loads(payload))
    return [record] if record else []


CONTRACT = Contract(
    adapter="shippo",
    sandbox=ShippoSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
