"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from connector.sdk import Record
from connector.sdk.testing import Contract, Golden
from connector_request_tracker.config import RequestTrackerConfig
from connector_request_tracker.mapping import ticket_record
from connector_request_tracker.order_mapping import order_record
from connector_request_tracker.sandbox import RequestTrackerSandbox


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """Records of an answer of `GET /REST/2.0/tickets`."""
    config = RequestTrackerConfig.model_validate({"base_url": "https://rt.example.com", "token": name})
    read = order_record if name.startswith("order") else ticket_record
    return [read(item, config) for item in json.loads(payload)["items"]]


CONTRACT = Contract(
    adapter="request_tracker",
    sandbox=RequestTrackerSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
