"""Webhooks that arrive together are kept together, and each is told for itself."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.adapters import SECRET, scripted

from connector.ingest.receiving import TOGETHER, Received, Receiving
from connector.model.errors import InvalidInput
from connector.sdk import AuthError, WebhookRequest
from connector.storage.database.engine import reading, transaction
from connector.storage.tables import inbox


def request(clock: MovableClock, body: bytes, **headers: str) -> WebhookRequest:
    return WebhookRequest(headers={"x-signature": SECRET, **headers}, body=body, received_at=clock.now())


async def bodies(engine: AsyncEngine) -> list[bytes]:
    async with reading(engine) as tx:
        return list((await tx.execute(select(inbox.c.body).order_by(inbox.c.id))).scalars())


class Commits:
    """Counts the commits of writing transactions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.count = 0
        event.listen(engine.sync_engine, "commit", self._one)

    def _one(self, connection: object) -> None:
        self.count += bool(connection.get_execution_options().get("writes"))  # type: ignore[attr-defined]


async def test_those_that_come_while_others_are_written_are_written_together(engine: AsyncEngine, clock: MovableClock):
    count = 2 * TOGETHER + 7
    receiving, (_, connection), commits = Receiving(engine), scripted(clock), Commits(engine)
    sent = [b"%06d" % number for number in range(count)]

    received = await asyncio.gather(*(receiving.receive(connection, request(clock, body)) for body in sent))

    assert received == [Received(is_new=True)] * count
    assert sorted(await bodies(engine)) == sent
    assert commits.count <= 4


async def test_the_same_bytes_that_come_together_are_one(engine: AsyncEngine, clock: MovableClock):
    receiving, (_, connection) = Receiving(engine), scripted(clock)
    sent = [b"first", b"a", b"b", b"a", b"a", b"b"]

    received = await asyncio.gather(*(receiving.receive(connection, request(clock, body)) for body in sent))

    assert [one.is_new for one in received] == [True, True, True, False, False, False]
    assert await bodies(engine) == [b"first", b"a", b"b"]


async def test_one_that_cannot_be_stored_or_is_forged_is_refused_alone(engine: AsyncEngine, clock: MovableClock):
    receiving, (_, connection) = Receiving(engine), scripted(clock)
    forged = WebhookRequest(headers={"x-signature": "forged"}, body=b"forged", received_at=clock.now())
    sent = [
        *(request(clock, body) for body in (b"first", b"second")),
        request(clock, b"unstorable", **{"x-odd": "\udc80"}),
        forged,
        request(clock, b"third"),
    ]

    received = await asyncio.gather(*(receiving.receive(connection, one) for one in sent), return_exceptions=True)

    assert [type(one) for one in received[:2]] == [Received] * 2
    assert isinstance(received[2], InvalidInput)
    assert isinstance(received[3], AuthError)
    assert received[4] == Received(is_new=True)
    assert await bodies(engine) == [b"first", b"second", b"third"]


async def test_one_whose_sender_went_meanwhile_is_kept_all_the_same(engine: AsyncEngine, clock: MovableClock):
    receiving, (_, connection) = Receiving(engine), scripted(clock)
    sending = [asyncio.create_task(receiving.receive(connection, request(clock, body))) for body in (b"1", b"2", b"3")]
    await asyncio.sleep(0)
    sending[1].cancel()

    done = await asyncio.gather(*sending, return_exceptions=True)

    assert isinstance(done[1], asyncio.CancelledError)
    assert (done[0], done[2]) == (Received(is_new=True), Received(is_new=True))
    assert sorted(await bodies(engine)) == [b"1", b"2", b"3"]


async def test_nothing_is_told_as_kept_that_is_not(engine: AsyncEngine, clock: MovableClock):
    """A database that fails at the commit fails each of those that wait, and the next ones are kept."""
    receiving, (_, connection) = Receiving(engine), scripted(clock)

    def fail(_: object) -> None:
        event.remove(engine.sync_engine, "commit", fail)
        raise OSError("the disk is gone")

    await receiving.receive(connection, request(clock, b"before"))
    event.listen(engine.sync_engine, "commit", fail)
    failed = await asyncio.gather(
        *(receiving.receive(connection, request(clock, body)) for body in (b"1",)), return_exceptions=True
    )
    after = await receiving.receive(connection, request(clock, b"after"))

    assert [type(one) for one in failed] == [OSError]
    assert after == Received(is_new=True)
    assert await bodies(engine) == [b"before", b"after"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_is_told_as_kept_is_on_the_disk(engine: AsyncEngine, clock: MovableClock):
    """SQLite waits for the disk at those commits, and at no others."""
    told: list[int] = []

    async def sync() -> int:
        async with transaction(engine) as tx:
            return int((await tx.exec_driver_sql("PRAGMA synchronous")).scalar_one())

    def note(connection: object) -> None:
        if connection.get_execution_options().get("writes"):  # type: ignore[attr-defined]
            told.append(int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one()))  # type: ignore[attr-defined]

    receiving, (_, connection) = Receiving(engine), scripted(clock)
    before = await sync()
    event.listen(engine.sync_engine, "commit", note)
    await receiving.receive(connection, request(clock, b"1"))
    event.remove(engine.sync_engine, "commit", note)

    normal, full = 1, 2
    assert (before, told, await sync()) == (normal, [full], normal)
