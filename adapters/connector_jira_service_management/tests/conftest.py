"""A sandbox, an adapter that talks to it, and a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from connector.sdk import Record, SourceClient
from connector_jira_service_management import JiraServiceManagement, JiraServiceManagementConfig
from connector_jira_service_management.adapter import TICKETS
from connector_jira_service_management.sandbox import JiraServiceManagementSandbox

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class MovingClock:
    """Goes when a test moves it."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


class Desk:
    """A sandbox, and adapters that talk to it; what they asked is kept."""

    def __init__(self, **sandbox: object) -> None:
        self.clock = MovingClock()
        self.sandbox = JiraServiceManagementSandbox(self.clock, **sandbox)  # type: ignore[arg-type]
        self.site = self.sandbox.site
        self.asked: list[httpx.Request] = []
        self.clients: list[SourceClient] = []

    def config(self, **changes: object) -> JiraServiceManagementConfig:
        return JiraServiceManagementConfig.model_validate({**self.sandbox.settings(), **changes})

    def adapter(self, **changes: object) -> JiraServiceManagement:
        config = self.config(**changes)
        desk = self

        class Listening(httpx.ASGITransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                desk.asked.append(request)
                return await super().handle_async_request(request)

        http = SourceClient(
            "http://jira.test", headers=config.headers(), attempts=1, transport=Listening(app=self.sandbox.app())
        )
        self.clients.append(http)
        return JiraServiceManagement(config, http, self.clock)

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
    for client in made.clients:
        await client.aclose()


def ids(records: list[Record]) -> list[str]:
    return [record.ref.external_id for record in records]
