"""What the contract kit needs to check the adapter: `connector adapters check rest`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from connector.sdk import Record, Rejected
from connector.sdk.facts import RowReader
from connector.sdk.testing import Contract, Golden
from connector_rest.reading import DOCUMENTS
from connector_rest.sandbox import DepotDeskSandbox
from connector_rest.sandbox.system import DOCUMENT

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """The records of one page of the stream that the file is named after, by the package's document."""
    definition, stream = DOCUMENTS.read(DOCUMENT), name.removesuffix(".json")
    facts = definition.streams[stream]
    reader = RowReader.of(stream, facts, definition.spelling(facts), needs_time=facts.changes is not None)
    rows = facts.rows.search(json.loads(payload))
    made = [reader.read(row, AT) for row in rows] if isinstance(rows, list) else []
    return [record for record in made if record is not None and not isinstance(record, Rejected)]


CONTRACT = Contract(
    adapter="rest",
    sandbox=DepotDeskSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
