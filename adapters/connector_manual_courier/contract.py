"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from connector.sdk import Record, WebhookRequest
from connector.sdk.testing import Contract, Golden
from connector_manual_courier.reports import report_record
from connector_manual_courier.sandbox import ManualCourierSandbox

RECEIVED_AT = datetime(2026, 11, 25, 13, 0, tzinfo=UTC)


def read_payload(_name: str, payload: bytes) -> Sequence[Record]:
    """The record of a report: its query, and what the form or a program sends."""
    sent = json.loads(payload)
    is_form = isinstance(sent["body"], str)
    kind = "application/x-www-form-urlencoded" if is_form else "application/json"
    body = sent["body"].encode() if is_form else json.dumps(sent["body"]).encode()
    return [report_record(WebhookRequest({"content-type": kind}, body, RECEIVED_AT, sent["query"]), "Van Berlin")]


CONTRACT = Contract(
    adapter="manual_courier",
    sandbox=ManualCourierSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
