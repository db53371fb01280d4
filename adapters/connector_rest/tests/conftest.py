from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connector.sdk import Batch, Connection, Stream, connect
from connector.sdk.testing import MovableClock

Answer = httpx.Response | Exception
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECRET = "canary-secret-77aa"


DOCUMENT: dict[str, Any] = {
    "system": "Acme",
    "base_url": "https://acme.test/v2",
    "auth": {"kind": "bearer"},
    "streams": {
        "tickets": {
            "path": "/tickets",
            "rows": "data",
            "pages": {"kind": "none"},
            "id": "id",
            "updated_at": "at",
            "fields": {
                "number": "number",
                "state": {"path": "state", "values": {"Open": "new", "Done": "resolved"}},
            },
        }
    },
}


def document(**stream: Any) -> dict[str, Any]:
    """The document above, with other facts of its stream; None takes one away."""
    made = copy.deepcopy(DOCUMENT)
    tickets = made["streams"]["tickets"]
    tickets.update(stream)
    made["streams"]["tickets"] = {key: value for key, value in tickets.items() if value is not None}
    return made


class Source:
    """A source whose system is a function. sent: every request."""

    def __init__(self, answer: Callable[[httpx.Request], Answer], definition: dict[str, Any], **settings: Any) -> None:
        self.sent: list[httpx.Request] = []
        self.clock = MovableClock(NOW)

        def respond(request: httpx.Request) -> httpx.Response:
            self.sent.append(request)
            found = answer(request)
            if isinstance(found, Exception):
                raise found
            return found

        self.connection: Connection = connect(
            "acme",
            "rest",
            {"definition": definition, "secret": SECRET, **settings},
            clock=self.clock,
            attempts=1,
            transport=httpx.MockTransport(respond),
        )
        self.adapter: Any = self.connection.adapter

    def stream(self, name: str = "tickets") -> Stream:
        return next(stream for stream in self.adapter.streams() if stream.name == name)

    async def pull(self, name: str = "tickets", since: str | None = None) -> list[Batch]:
        return [batch async for batch in self.adapter.pull(self.stream(name), since)]


def row(number: int, at: str = "2026-03-01T10:00:00Z", **more: Any) -> dict[str, Any]:
    return {"id": number, "number": f"T{number}", "state": "Open", "at": at, **more}


def listed(*rows: Any, **meta: Any) -> httpx.Response:
    return httpx.Response(200, content=json.dumps({"data": list(rows), **meta}).encode())


@pytest.fixture
def source() -> Callable[..., Source]:
    return Source
