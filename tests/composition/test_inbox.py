"""Webhooks are dealt with as they come, each source on its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.ingest.adapters import SECRET, Scripted, scripted
from tests.ingest.arriving import receive
from tests.ingest.records import ref, ticket

from connector import inbox as module
from connector.hub import Hub
from connector.inbox import Inbox
from connector.sdk import Connection, Record, SourceRef, WebhookRequest, WebhookResult
from connector.settings.sections import Settings
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.database.presence import Presence
from connector.storage.policies.active import ActivePolicy
from connector.storage.sources.inbox import claim_deliveries


class Sources:
    """A hub of scripted sources, and what comes of their webhooks."""

    def __init__(self, engine: AsyncEngine, clock: MovableClock, *names: str) -> None:
        self.engine, self.clock = engine, clock
        made = {name: scripted(clock, name=name) for name in names}
        self.adapters: dict[str, Scripted] = {name: adapter for name, (adapter, _) in made.items()}
        self.connections: dict[str, Connection] = {name: connection for name, (_, connection) in made.items()}
        self.presence = Presence(engine, "one")
        self.hub = Hub(Settings(), engine, clock, ActivePolicy(), self.connections, {})

    @asynccontextmanager
    async def dealing(self) -> AsyncIterator[Inbox]:
        inbox = Inbox(self.hub, self.presence.me.incarnation)
        running = asyncio.create_task(inbox.run())
        yield inbox
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def post(self, name: str, number: int) -> None:
        one = ref("ticket", str(number))
        body = b"%d" % number
        self.adapters[name].webhooks[body] = WebhookResult(fetch=(one,))
        self.adapters[name].objects[one] = ticket(str(number))
        await receive(
            self.engine, self.connections[name], WebhookRequest({"x-signature": SECRET}, body, self.clock.now())
        )

    async def waiting(self) -> set[str]:
        """The sources that have webhooks which are not dealt with."""
        statement = select(tables.source.c.name).join_from(tables.inbox, tables.source)
        async with reading(self.engine) as tx:
            return set((await tx.execute(statement.where(tables.inbox.c.processed_at.is_(None)))).scalars())

    def are_waiting(self, *names: str) -> Callable[[], object]:
        async def look() -> bool:
            return await self.waiting() == set(names)

        return look


@pytest.fixture
def sources(engine: AsyncEngine, clock: MovableClock) -> Sources:
    return Sources(engine, clock, "slow", "quick")


async def test_a_source_that_does_not_answer_holds_up_no_other(sources: Sources):
    let_go = asyncio.Event()
    slow = sources.adapters["slow"]
    plain = slow.fetch

    async def fetch(asked: SourceRef) -> Record:
        await let_go.wait()
        return await plain(asked)

    slow.fetch = fetch  # type: ignore[method-assign]
    for number in (1, 2):
        await sources.post("slow", number)
    await sources.post("quick", 3)

    async with sources.dealing() as inbox:
        await eventually(sources.are_waiting("slow"))
        await sources.post("quick", 4)
        await inbox.arrived()
        await eventually(sources.are_waiting("slow"))
        let_go.set()
        await eventually(sources.are_waiting())


async def test_what_was_broken_off_is_dealt_with_as_soon_as_it_can_be(
    sources: Sources, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """The database was away for a moment: what was claimed by then does not wait until the claim runs out."""
    plain, failed = module.process_source, []

    async def process(engine: AsyncEngine, connection: Connection, **options: object) -> int:
        if not failed:
            async with transaction(engine) as tx:
                failed.extend(await claim_deliveries(tx, connection.name, limit=9, at=sources.clock.now()))
            raise OperationalError("SELECT", {}, OSError("the database is away"))
        return await plain(engine, connection, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "process_source", process)
    monkeypatch.setattr(module, "POLL_S", 0.02)
    await sources.post("quick", 1)

    async with sources.dealing():
        await eventually(sources.are_waiting())

    assert len(failed) == 1
    assert "webhooks of source quick could not be dealt with; they are tried again" in caplog.text
