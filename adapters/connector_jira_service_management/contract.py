"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from connector.sdk import Record, WebhookRequest
from connector.sdk.testing import Contract, Golden
from connector_jira_service_management.config import JiraServiceManagementConfig
from connector_jira_service_management.mapping import ticket_record
from connector_jira_service_management.sandbox import JiraServiceManagementSandbox
from connector_jira_service_management.webhook import parse

SETTINGS = {
    "base_url": "https://your-domain.atlassian.net", "email": "mia@example.com", "api_token": "golden",
    "projects": ["EX", "ITSM"], "site_field": "customfield_10053", "quantity_field": "customfield_10057",
    "category_field": "customfield_10010", "sla_field": "customfield_10030", "manufacturer_field": "customfield_10054",
    "model_field": "customfield_10055", "asset_tag_field": "customfield_10050",
}  # fmt: skip
RECEIVED_AT = datetime(2022, 7, 15, 9, 20, tzinfo=UTC)


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """Records of an answer of `POST /rest/api/3/search/jql`, or of a webhook."""
    if name.startswith("webhook"):
        return parse(WebhookRequest(headers={}, body=payload, received_at=RECEIVED_AT)).records
    config = JiraServiceManagementConfig.model_validate(SETTINGS)
    return [ticket_record(item, config) for item in json.loads(payload)["issues"]]


CONTRACT = Contract(
    adapter="jira_service_management",
    sandbox=JiraServiceManagementSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
