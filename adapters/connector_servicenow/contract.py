"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connector.sdk import Record, WebhookRequest
from connector.sdk.testing import Contract, Golden
from connector_servicenow import mapping
from connector_servicenow.client import sent_row
from connector_servicenow.config import ServiceNowConfig
from connector_servicenow.sandbox import ServiceNowSandbox
from connector_servicenow.tickets import ticket
from connector_servicenow.webhook import parse

SETTINGS = {
    "base_url": "https://example.service-now.com", "username": "golden", "password": "golden",
    "countries": {"USA": "US"}, "ticket_fields": {"site_name": "u_branch"},
}  # fmt: skip
RECEIVED_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """Records of answers by the names of their tables, or of a webhook."""
    config = ServiceNowConfig.model_validate(SETTINGS)
    if name.startswith("webhook"):
        return parse(WebhookRequest(headers={}, body=payload, received_at=RECEIVED_AT), config).records
    answers: dict[str, dict[str, Any]] = json.loads(payload)
    tables = {table: [sent_row(row) for row in answer["result"]] for table, answer in answers.items()}
    slas = defaultdict(list)
    for row in tables.get("task_sla", []):
        slas[str(row["task"])].append(row)
    records: list[Record] = [mapping.site(row, config) for row in tables.get("cmn_location", [])]
    records += [mapping.hub(row, config) for row in tables.get("alm_stockroom", [])]
    records += [mapping.product(row, config) for row in tables.get("cmdb_hardware_product_model", [])]
    records += [mapping.device(row, config) for row in tables.get("alm_hardware", [])]
    records += [ticket(row, "incident", config, slas[str(row["sys_id"])]) for row in tables.get("incident", [])]
    records += [ticket(row, "sc_req_item", config) for row in tables.get("sc_req_item", [])]
    return records


CONTRACT = Contract(
    adapter="servicenow",
    sandbox=ServiceNowSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
