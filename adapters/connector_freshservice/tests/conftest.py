"""A sandbox, adapters that are connected to it, and a clock that tests move. It is an hour after noon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from connector.sdk import Batch, Record
from connector.sdk.testing import Between, Connected, MovableClock
from connector_freshservice import Freshservice
from connector_freshservice.sandbox import FreshserviceSandbox

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Hub:
    def __init__(self) -> None:
        self.clock = MovableClock(NOON + 60 * MINUTE)
        self.sandbox = FreshserviceSandbox(self.clock)
        self.account, self.server = self.sandbox.account, self.sandbox.server
        self.wire = Between()
        self.asked = self.wire.requests
        self.sources: list[Connected] = []

    def source(self, **changes: object) -> Connected:
        self.sources.append(Connected.to("freshservice", self.sandbox, self.clock, self.wire, **changes))
        return self.sources[-1]

    def adapter(self, **changes: object) -> Freshservice:
        adapter: Freshservice = self.source(**changes).adapter  # type: ignore[assignment]
        return adapter

    async def batches(self, stream: str, since: str | None = None, **changes: object) -> list[Batch]:
        return await self.source(**changes).pull(stream, since)

    async def pull(
        self, since: str | None = None, stream: str = "tickets", **changes: object
    ) -> tuple[list[Record], str | None]:
        batches = await self.batches(stream, since, **changes)
        return [record for batch in batches for record in batch.records], batches[-1].resume

    def paths(self) -> list[str]:
        return [request.url.path.removeprefix("/api/v2/") for request in self.asked]


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    made = Hub()
    yield made
    for source in made.sources:
        await source.aclose()


def ids(records: list[Record]) -> list[int]:
    return [int(record.ref.external_id) for record in records]
