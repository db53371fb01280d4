"""A sandbox, adapters that are connected to it, and a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from connector.sdk import Record
from connector.sdk.testing import Between, Connected, MovableClock
from connector_zendesk import Zendesk
from connector_zendesk.sandbox import ZendeskSandbox
from connector_zendesk.sandbox.system import EMAIL, TOKEN

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


API_TOKEN = {"client_id": None, "client_secret": None, "email": EMAIL, "api_token": TOKEN}


class Hub:
    """A sandbox and adapters of it, which share a wire. It is an hour after noon.

    They have the API token, so that what was sent is about tickets alone, unless a test gives them a client.
    """

    def __init__(self) -> None:
        self.clock = MovableClock(NOON + 60 * MINUTE)
        self.sandbox = ZendeskSandbox(self.clock)
        self.account = self.sandbox.account
        self.wire = Between()
        self.asked = self.wire.requests
        self.sources: list[Connected] = []

    def source(self, **changes: object) -> Connected:
        self.sources.append(Connected.to("zendesk", self.sandbox, self.clock, self.wire, **(API_TOKEN | changes)))
        return self.sources[-1]

    def adapter(self, **changes: object) -> Zendesk:
        adapter: Zendesk = self.source(**changes).adapter
        return adapter

    async def pull(self, since: str | None = None, **changes: object) -> tuple[list[Record], str | None]:
        batches = await self.source(**changes).pull("tickets", since)
        return [record for batch in batches for record in batch.records], batches[-1].resume  # type: ignore[misc]


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    made = Hub()
    yield made
    for source in made.sources:
        await source.aclose()


def ids(records: list[Record]) -> list[int]:
    return [int(record.ref.external_id) for record in records]
