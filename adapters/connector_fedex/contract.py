"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from connector.sdk import Record, WebhookRequest
from connector.sdk.testing import Contract, Golden
from connector_fedex.sandbox import FedExSandbox
from connector_fedex.tracking import tracked_records, webhook_result

RECEIVED_AT = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """The records of an answer of `POST /track/v1/trackingnumbers`, or of a webhook."""
    if name.startswith("webhook_"):
        return webhook_result(WebhookRequest(headers={}, body=payload, received_at=RECEIVED_AT)).records
    return tracked_records(json.loads(payload))


CONTRACT = Contract(
    adapter="fedex", sandbox=FedExSandbox, golden=Golden(Path(__file__).parent / "payloads", read=read_payload)
)
