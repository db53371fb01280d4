"""A Jira site and the hub together: what is pulled and what webhooks say becomes, stays and ceases to be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.arriving import receive
from tests.ingest.conftest import Intake

from connector.ingest.inbox import process_inbox
from connector.ingest.pull import pull_source
from connector.sdk.testing import Connected
from connector_jira_service_management.sandbox import JiraServiceManagementSandbox, SandboxIssue


class Desk:
    """A site with a hub that reads it."""

    def __init__(self, engine: AsyncEngine, clock: MovableClock, intake: Intake) -> None:
        self.clock = clock
        self.sandbox = JiraServiceManagementSandbox(clock)
        self.site = self.sandbox.site
        self._engine = engine
        self._intake = intake
        self.connected = Connected(
            "jira_service_management", self.sandbox.app(), self.sandbox.settings(), clock, name="cmdb"
        )

    async def pull(self) -> None:
        await pull_source(self._engine, self.connected.connection, clock=self.clock)

    async def told(self, event: str, issue: SandboxIssue, at: datetime) -> None:
        """A webhook comes and is dealt with."""
        request = self.sandbox.request(self.sandbox.payload(event, issue, at), self.clock.now())
        await receive(self._engine, self.connected.connection, request)
        await process_inbox(self._engine, {"cmdb": self.connected.connection}, clock=self.clock)

    async def tickets(self) -> dict[str, tuple[str, str, bool]]:
        """Title, state, and whether it is gone, by number."""
        return {
            row["number"]: (row["title"], str(row["state"]), row["retired_at"] is not None)
            for row in await self._intake.rows("ticket")
        }


@pytest.fixture
async def desk(engine: AsyncEngine, clock: MovableClock, intake: Intake) -> AsyncIterator[Desk]:
    made = Desk(engine, clock, intake)
    yield made
    await made.connected.connection.aclose()


async def test_issues_become_tickets_change_by_webhook_and_go_when_jira_says_so(desk: Desk, clock: MovableClock):
    kept, deleted, moved = (desk.site.create(clock.now() - timedelta(hours=1)) for _ in range(3))
    await desk.pull()
    first = await desk.tickets()
    clock.advance(timedelta(minutes=30))
    desk.site.change(kept, summary="Switch is on fire", status="Pending")
    desk.site.delete(deleted)
    await desk.told("jira:issue_updated", kept, clock.now())
    await desk.told("jira:issue_deleted", deleted, clock.now())
    desk.site.move(moved, "OPS")
    await desk.told("jira:issue_updated", moved, clock.now())
    second = await desk.tickets()
    await desk.pull()

    assert first == {f"ITSM-{n}": ("Switch is dead", "new", False) for n in (1, 2, 3)}
    assert second == {
        "ITSM-1": ("Switch is on fire", "on_hold", False),
        "ITSM-2": ("Switch is dead", "cancelled", True),
        "ITSM-3": ("Switch is dead", "cancelled", True),
    }
    assert await desk.tickets() == second


async def test_a_token_that_expired_takes_no_ticket_away(desk: Desk, clock: MovableClock):
    issue = desk.site.create(clock.now() - timedelta(hours=1))
    await desk.pull()
    desk.sandbox.server.token_expired()

    await desk.told("jira:issue_updated", issue, clock.now())

    assert [each.url.path for each in desk.connected.requests][-2:] == [
        f"/rest/api/3/issue/{issue.id}", "/rest/api/3/myself",
    ]  # fmt: skip
    assert await desk.tickets() == {"ITSM-1": ("Switch is dead", "new", False)}
