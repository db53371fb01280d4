"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from connector.sdk import Record
from connector.sdk.testing import Contract, Golden
from connector_pagerduty.config import PagerDutyConfig
from connector_pagerduty.mapping import ticket_record
from connector_pagerduty.sandbox import PagerDutySandbox
from connector_pagerduty.shapes import read_incident


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """Records of an answer of `GET /incidents` or `GET /incidents/{id}`."""
    config = PagerDutyConfig.model_validate({"api_key": name})
    body = json.loads(payload)
    items = body["incidents"] if "incidents" in body else [body["incident"]]
    return [ticket_record(read_incident(item), config) for item in items]


CONTRACT = Contract(
    adapter="pagerduty",
    sandbox=PagerDutySandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
