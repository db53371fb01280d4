"""Commands of more than one transaction that are broken off at each of their commits, and asked for again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.commands import Commands, hub_commands
from connector.api.requests import Request
from connector.model.errors import InvalidInput
from connector.model.kinds import SourceState
from connector.model.refs import IdempotencyKey
from connector.sdk import Batch
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.database.receipts import find_receipt
from connector.storage.sources.sources import LEASE, source_ids, take_lease
from tests.conftest import MovableClock
from tests.fulfilment.scene import make_engine
from tests.ingest.adapters import Scripted, scripted
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, ref, site


class Killed(BaseException):
    """The process is no more."""


@contextmanager
def killed_after(engine: AsyncEngine, commits: int) -> Iterator[None]:
    """So many writing transactions are committed, and none after them, as if the process had been killed."""
    left = count(commits, -1)

    def commit(connection: SyncConnection) -> None:
        if connection.get_execution_options().get("writes") and next(left) <= 0:
            raise Killed

    event.listen(engine.sync_engine, "commit", commit)
    try:
        yield
    finally:
        event.remove(engine.sync_engine, "commit", commit)


def by(key: str) -> Request:
    return Request("ada", IdempotencyKey(key))


@pytest.fixture
def source(clock: MovableClock) -> tuple[Scripted, dict]:
    adapter, connection = scripted(clock)
    return adapter, {"cmdb": connection}


@pytest.fixture
def commands(engine: AsyncEngine, database: str, clock: MovableClock, source: tuple[Scripted, dict]) -> Commands:
    return hub_commands(make_engine(engine, database, {}, clock).commands, engine, source[1], clock)


async def source_id(engine: AsyncEngine) -> int:
    async with reading(engine) as tx:
        return (await source_ids(tx))["cmdb"]


async def state(engine: AsyncEngine) -> SourceState:
    async with reading(engine) as tx:
        return (await tx.execute(select(tables.source.c.state))).scalar_one()


async def has_receipt(engine: AsyncEngine, key: str) -> bool:
    async with reading(engine) as tx:
        return await find_receipt(tx, f"command:sync-source:{key}") is not None


async def test_a_pull_that_was_killed_is_done_by_whoever_asks_again_under_its_key(
    engine: AsyncEngine, clock: MovableClock, commands: Commands, source: tuple[Scripted, dict]
):
    adapter, _ = source
    intake = Intake(engine, clock)
    await intake(site("s0"))
    source_key = await source_id(engine)

    for commits in count():
        pages = [Batch(records=(site(f"{page}{commits}"),), resume=page) for page in "ab"]
        adapter.scripts["things"], before = pages, len(await intake.rows("site"))
        first = None
        with suppress(Killed), killed_after(engine, commits):
            first = await commands.sync_source(source_key, None, False, None, by(f"k{commits}"))
        if commits:
            assert (await state(engine) == SourceState.OK) == await has_receipt(engine, f"k{commits}")
        clock.advance(LEASE + timedelta(seconds=1))
        again = await commands.sync_source(source_key, None, False, None, by(f"k{commits}"))
        asked = len(adapter.asked)
        same = await commands.sync_source(source_key, None, False, None, by(f"k{commits}"))

        assert (again, len(adapter.asked)) == (same, asked)
        assert again.outcome == "pulled"
        assert [(stream.outcome, stream.seen) for stream in again.streams] == [("pulled", 2)]
        assert len(await intake.rows("site")) == before + 2
        if first is not None:
            assert again == first
            break

    assert commits > 3
    created = [change for change in await intake.changes("site") if change["operation"] == "created"]
    assert len(created) == len(await intake.changes("site")) == 1 + 2 * (commits + 1)


async def test_a_source_that_others_are_busy_with_is_pulled_when_the_same_is_asked_later(
    engine: AsyncEngine, clock: MovableClock, commands: Commands, source: tuple[Scripted, dict]
):
    adapter, _ = source
    intake = Intake(engine, clock)
    await intake(site("s0"))
    source_key = await source_id(engine)
    adapter.scripts["things"] = [Batch(records=(site("s1"),), resume="1")]
    async with transaction(engine) as tx:
        await take_lease(tx, source_key, "things", token="another process", at=clock.now())

    busy = await commands.sync_source(source_key, None, False, None, by("k"))
    clock.advance(LEASE + timedelta(seconds=1))
    pulled = await commands.sync_source(source_key, None, False, None, by("k"))

    assert (busy.outcome, pulled.outcome) == ("busy", "pulled")
    assert len(await intake.rows("site")) == 2


async def test_a_replay_that_was_killed_tries_each_record_once_and_answers_for_all_of_them(
    engine: AsyncEngine, clock: MovableClock, commands: Commands
):
    intake = Intake(engine, clock)

    for commits in count():
        here, nowhere = ref("site", f"s{commits}"), ref("site", "nowhere")
        await intake(
            *(asset(f"{name}{commits}", place=place) for name, place in [("a", here), ("b", nowhere), ("c", here)])
        )
        ids = [row["id"] for row in await intake.quarantine()][-3:]
        await intake(site(f"s{commits}"))
        first = None
        with suppress(Killed), killed_after(engine, commits):
            first = await commands.replay_quarantine(ids, by(f"k{commits}"))

        assert await commands.replay_quarantine(ids, by(f"k{commits}")) == 2
        assert await commands.replay_quarantine(ids, by(f"k{commits}")) == 2
        with pytest.raises(InvalidInput, match="was used before"):
            await commands.replay_quarantine(ids[:2], by(f"k{commits}"))
        attempts = {row["id"]: row["attempts"] for row in await intake.quarantine(is_open=False)}
        assert [attempts[entry] for entry in ids] == [1, 2, 1]
        assert len(await intake.rows("asset")) == 2 * (commits + 1)
        if first is not None:
            assert first == 2
            break

    assert commits == 4


async def test_records_that_are_discarded_are_discarded_together_with_the_answer(
    engine: AsyncEngine, clock: MovableClock, commands: Commands
):
    intake = Intake(engine, clock)
    await intake(asset("a"), asset("b"))
    ids = [row["id"] for row in await intake.quarantine()]

    with pytest.raises(Killed), killed_after(engine, 0):
        await commands.discard_quarantine(ids, by("k"))
    assert len(await intake.quarantine()) == 2
    with killed_after(engine, 1):
        first = await commands.discard_quarantine(ids, by("k"))
    again = await commands.discard_quarantine(ids, by("k"))

    assert (first, again) == (2, 2)
    async with reading(engine) as tx:
        receipts = (await tx.execute(select(tables.step_receipt.c.key))).scalars().all()
    assert receipts == ["command:discard-quarantine:k"]
