"""An adapter connected to a sandbox, with every request that it sends: what tests of adapters pull with."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from connector.sdk import Batch, Clock, Connection, Record, SourceRef, Stream, connect
from connector.sdk.testing import App


class Connected:
    """One source. requests: what was sent; a test may look at it, or empty it."""

    def __init__(self, adapter: str, app: App, settings: Mapping[str, object], clock: Clock) -> None:
        self.requests: list[httpx.Request] = []
        inner = httpx.ASGITransport(app=app)
        sent = self.requests

        class Recording(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                sent.append(request)
                return await inner.handle_async_request(request)

        self.connection: Connection = connect("cmdb", adapter, settings, clock=clock, attempts=1, transport=Recording())
        self.adapter = self.connection.adapter

    def stream(self, name: str) -> Stream:
        return next(stream for stream in self.adapter.streams() if stream.name == name)

    async def pull(self, name: str, since: str | None = None) -> list[Batch]:
        return [batch.made() async for batch in self.adapter.pull(self.stream(name), since)]


def by_ref(batches: list[Batch]) -> dict[SourceRef, Record]:
    return {record.ref: record for batch in batches for record in batch.records}


def ids(batches: list[Batch]) -> list[str]:
    return [record.ref.external_id for batch in batches for record in batch.records]
