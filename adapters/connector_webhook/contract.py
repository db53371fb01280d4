"""What the contract kit needs to check the adapter: `connector adapters check webhook`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.parser import BytesParser
from pathlib import Path

from connector.sdk import Record, WebhookRequest
from connector.sdk.testing import Contract, Golden
from connector_webhook.definition import DOCUMENTS
from connector_webhook.mapping import EventReader
from connector_webhook.sandbox import AcmeDeskSandbox

PAYLOADS = Path(__file__).parent / "payloads"
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EXAMPLES = {
    "system": "Examples of specifications",
    "unsigned_headers": True,
    "events": {
        "tickets": {
            "when": {"path": "type", "values": ["com.example.someevent"]},
            "id": "id",
            "fields": {
                "number": "id", "state": {"value": "new"}, "title": "comexampleextension1",
                "description": "data.appinfoA", "quantity": "data.appinfoB", "category": "source",
            },
        }
    },
}  # fmt: skip
PLAIN = {
    "system": "Examples of specifications",
    "format": "plain",
    "events": {
        "tickets": {
            "when": {"path": "type", "values": ["contact.created"]},
            "id": "data.id",
            "updated_at": "timestamp",
            "fields": {"number": "data.id", "state": {"value": "new"}, "category": "type"},
        }
    },
}


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """The records of a post: its headers, an empty line, its body."""
    head, _, body = payload.partition(b"\n\n")
    headers = {name.lower(): text for name, text in BytesParser().parsebytes(head).items()}
    reader = EventReader(DOCUMENTS.read(PLAIN if name.startswith("standard_webhooks") else EXAMPLES))
    return reader.read(WebhookRequest(headers, body.rstrip(b"\n"), AT)).records


CONTRACT = Contract(adapter="webhook", sandbox=AcmeDeskSandbox, golden=Golden(PAYLOADS, read=read_payload))
