"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from connector.sdk import Record, WebhookRequest
from connector.sdk.testing import Contract, Golden
from connector_easypost.sandbox import EasyPostSandbox
from connector_easypost.tracking import tracker_record, webhook_records

RECEIVED_AT = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """Records of a list of trackers, or of an event."""
    if name.startswith("event_"):
        return webhook_records(WebhookRequest(headers={}, body=payload, received_at=RECEIVED_AT))
    return [tracker_record(body) for body in json.loads(payload)["trackers"]]


CONTRACT = Contract(
    adapter="easypost",
    sandbox=EasyPostSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
