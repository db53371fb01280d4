"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from connector.sdk import Record, WebhookRequest
from connector.sdk.testing import Contract, Golden
from connector_karrio.config import KarrioConfig
from connector_karrio.sandbox import KarrioSandbox
from connector_karrio.tracking import tracker_record, webhook_records

RECEIVED_AT = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """Records of a recorded list of trackers, or of a recorded webhook."""
    config = KarrioConfig.model_validate({"base_url": "https://karrio.example.com", "token": "key_of_nobody"})
    if name.startswith("webhook_"):
        return webhook_records(WebhookRequest(headers={}, body=payload, received_at=RECEIVED_AT), config)
    return [tracker_record(body, config) for body in json.loads(payload)["results"]]


CONTRACT = Contract(
    adapter="karrio",
    sandbox=KarrioSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
