"""A sandbox, an adapter that talks to it, and a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from connector.sdk import Record
from connector.sdk.testing import Between, Connected, MovableClock
from connector_jira_service_management import JiraServiceManagement, JiraServiceManagementConfig
from connector_jira_service_management.adapter import TICKETS
from connector_jira_service_management.sandbox import JiraServiceManagementSandbox

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class Desk:
    """A sandbox, and adapters that talk to it; what they asked is kept."""

    def __init__(self, **sandbox: object) -> None:
        self.clock = MovableClock(NOON)
        self.sandbox = JiraServiceManagementSandbox(self.clock, **sandbox)  # type: ignore[arg-type]
        self.site = self.sandbox.site
        self.wire = Between()
        self.sources: list[Connected] = []

    @property
    def asked(self) -> list[httpx.Request]:
        return self.wire.requests

    def config(self, **changes: object) -> JiraServiceManagementConfig:
        return JiraServiceManagementConfig.model_validate({**self.sandbox.settings(), **changes})

    def adapter(self, **changes: object) -> JiraServiceManagement:
        source = Connected.to("jira_service_management", self.sandbox, self.clock, self.wire, **changes)
        self.sources.append(source)
        return source.adapter

    async def pull(self, since: str | None = None, **changes: object) -> tuple[list[Record], str | None]:
        records: list[Record] = []
        async for batch in self.adapter(**changes).pull(TICKETS, since):
            records += batch.records
            since = batch.resume
        return records, since


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    yield made
    for source in made.sources:
        await source.aclose()


def ids(records: list[Record]) -> list[str]:
    return [record.ref.external_id for record in records]
