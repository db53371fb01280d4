"""One adapter at one real system, connected as the hub connects it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx

from connector.sdk import Batch, Cursor, Record, Rejected
from connector.sdk.connection import connect


class SystemClock:
    """The time of this machine, which the servers share."""

    def now(self) -> datetime:
        """The current instant."""
        return datetime.now(UTC)


class Source:
    """A connected adapter, and what a test asks of it."""

    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter

    async def batches(self, stream: str, since: Cursor | None = None) -> list[Batch]:
        """All batches of one pull."""
        (wanted,) = [each for each in self.adapter.streams() if each.name == stream]
        return [batch async for batch in self.adapter.pull(wanted, since)]

    async def records(self, stream: str, since: Cursor | None = None) -> dict[str, Record]:
        """What one pull brings, by the system's ids; fails on what could not be read."""
        found: dict[str, Record] = {}
        for batch in await self.batches(stream, since):
            assert batch.rejected == ()
            for item in batch.records:
                record: Record | Rejected = item.made() if hasattr(item, "made") else item
                assert not isinstance(record, Rejected), record.reason
                found[item.ref.external_id] = record
        return found

    def since(self, stream: str, at: datetime) -> Cursor | None:
        """Where a pull of what changed since then begins."""
        (wanted,) = [each for each in self.adapter.streams() if each.name == stream]
        cursor: Cursor | None = self.adapter.cursor_since(wanted, at)
        return cursor


class Interrupting(httpx.AsyncHTTPTransport):
    """Lets something happen right before the first write is sent, as somebody who is quicker would do it."""

    def __init__(self, method: str, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self._method = method
        self._meanwhile: Callable[[], object] | None = meanwhile

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, after what happens meanwhile."""
        if request.method == self._method and self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
        return await super().handle_async_request(request)


@asynccontextmanager
async def connected(
    adapter: str, settings: Mapping[str, object], *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Source]:
    """The adapter with its own connection, closed afterwards."""
    connection = connect("real", adapter, settings, clock=SystemClock(), transport=transport)
    try:
        yield Source(connection.adapter)
    finally:
        await connection.aclose()
