"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from connector.sdk import Record
from connector.sdk.testing import Contract, Golden
from connector_zendesk.config import ZendeskConfig
from connector_zendesk.mapping import Beside, read_ticket, ticket_record
from connector_zendesk.names import Names
from connector_zendesk.sandbox import ZendeskSandbox

SETTINGS = {"base_url": "https://company.zendesk.com", "serial_field": "27642", "organization_is_site": True}


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """The records of a page of the export."""
    config = ZendeskConfig.model_validate({**SETTINGS, "oauth_token": name})
    page = json.loads(payload)
    beside = Beside.of(page)
    return [ticket_record(read_ticket(row), beside, Names(), config) for row in page["tickets"]]


CONTRACT = Contract(
    adapter="zendesk",
    sandbox=ZendeskSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
