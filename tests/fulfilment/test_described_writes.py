"""Operations that a source's settings do not describe are left out: nobody is alarmed, nothing is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connector.fulfilment.work import Work
from connector.sdk import AddNote, EntityKind, SetTicketState, SourceRef, TicketState, connect
from connector.sdk.testing import MovableClock

CLOCK = MovableClock(datetime(2026, 3, 2, 9, tzinfo=UTC))
TICKET = SourceRef(kind=EntityKind.TICKET, external_id="7")
DOCUMENT: dict[str, Any] = {
    "system": "Acme",
    "base_url": "https://acme.test",
    "auth": {"kind": "none"},
    "streams": {"sites": {"path": "/s", "pages": {"kind": "none"}, "id": "id", "fields": {"name": "name"}}},
    "writes": {"set_state": {"path": "/t/{ticket}", "body": {"s": "{state}"}, "idempotency_header": "Idempotency-Key"}},
}


@pytest.mark.parametrize(
    ("operation", "written", "sent"),
    [
        (
            AddNote("k-1", TICKET, "on its way"),
            {"skipped": "the settings of source 'acme' do not say how to do AddNote"},
            [],
        ),
        (SetTicketState("k-2", TICKET, TicketState.RESOLVED), {"external_id": "7"}, ["/t/7"]),
    ],
)
async def test_only_what_is_described_is_written(operation, written, sent):
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return httpx.Response(204)

    transport = httpx.MockTransport(answer)
    connection = connect("acme", "rest", {"definition": DOCUMENT}, clock=CLOCK, transport=transport)
    nothing: Any = None
    work = Work(database=nothing, connections={"acme": connection}, clock=CLOCK, options=nothing)

    assert await work.write_to_source("acme", operation) == written
    assert seen == sent
    await connection.aclose()
