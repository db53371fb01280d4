from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.fulfilment import durable as module
from connector.fulfilment.durable import Durable, Run, StepResult, is_repeated
from connector.model.errors import Unavailable
from connector.storage.database.engine import reading, transaction
from connector.storage.database.outages import DatabaseAway

SOON = timedelta(seconds=20)


class Diary:
    """What the workflows of a test did."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.gate = asyncio.Event()

    def note(self, what: str) -> Callable[[], Coroutine[Any, Any, StepResult]]:
        async def work() -> StepResult:
            self.done.append(what)
            return {"did": what}

        return work

    async def two_steps(self, run: Run, number: int) -> str:
        first = await run.step("first", self.note(f"first {number}"))
        await self.gate.wait()
        await run.step("second", self.note("second"))
        return str(first["did"])


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, at most 20 s."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for is not ours to signal
            await asyncio.sleep(0.02)


async def launched(database: str, diary: Diary) -> Durable:
    durable = Durable(database)
    durable.workflow("two", diary.two_steps)
    await durable.launch()
    return durable


async def test_starting_the_same_workflow_twice_is_once(database: str):
    diary = Diary()
    diary.gate.set()
    durable = await launched(database, diary)
    try:
        await durable.start("two", "two-1", 1)
        await durable.start("two", "two-1", 1)
        assert await durable.wait("two-1", within=SOON) is True
        await durable.start("two", "two-1", 1)
        await durable.start("two", "two-2", 2)
        assert await durable.wait("two-2", within=SOON) is True
    finally:
        await durable.close()

    assert diary.done == ["first 1", "second", "first 2", "second"]


async def test_the_first_launch_waits_for_requests_under_way_and_they_go_on_meanwhile(
    database: str, engine: AsyncEngine
):
    if engine.dialect.name == "sqlite":
        pytest.skip("only PostgreSQL waits for open transactions when it builds an index")
    async with transaction(engine) as tx:
        await tx.execute(
            text("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET lock_timeout = 5000'; END $$")
        )
    waits = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'virtualxid'"
    )

    async with reading(engine) as request, asyncio.timeout(20):
        await request.execute(text("SELECT 1"))
        launching = asyncio.create_task(launched(database, Diary()))
        async with engine.connect() as looking:
            while not (launching.done() or (await looking.execute(waits)).scalar_one()):
                await looking.rollback()
    durable = await launching

    await durable.close()


async def test_what_was_left_unfinished_goes_on_after_a_restart_without_repeating_steps(database: str):
    diary = Diary()
    durable = await launched(database, diary)
    await durable.start("two", "two-1", 1)
    await until(lambda: diary.done == ["first 1"])
    assert await durable.wait("two-1", within=timedelta(0)) is False
    await durable.close()

    diary.gate.set()
    durable = await launched(database, diary)
    try:
        assert await durable.wait("two-1", within=SOON) is True
    finally:
        await durable.close()

    assert diary.done == ["first 1", "second"]


async def test_a_pause_ends_when_somebody_wakes_the_workflow(database: str):
    diary = Diary()

    async def pausing(run: Run, _number: int) -> str:
        await run.step("before", diary.note("before"))
        await run.pause(timedelta(hours=1))
        await run.step("after", diary.note("after"))
        return "ok"

    durable = Durable(database)
    durable.workflow("pausing", pausing)
    await durable.launch()
    try:
        await durable.start("pausing", "p-1", 1)
        await until(lambda: diary.done == ["before"])
        await durable.wake("p-1")
        await durable.wake("nobody")
        assert await durable.wait("p-1", within=SOON) is True
    finally:
        await durable.close()

    assert diary.done == ["before", "after"]


async def test_a_workflow_can_wait_for_one_that_fails_and_for_one_that_never_began(database: str):
    async def failing(_run: Run, _number: int) -> str:
        raise ValueError("broken")

    async def waiting(run: Run, _number: int) -> str:
        await run.ended("never")
        await run.ended("failing-1")
        return "ok"

    durable = Durable(database)
    durable.workflow("failing", failing)
    durable.workflow("waiting", waiting)
    await durable.launch()
    try:
        await durable.start("failing", "failing-1", 1)
        await durable.start("waiting", "waiting-1", 1)
        assert await durable.wait("waiting-1", within=SOON) is True
        assert await durable.has_ended("failing-1") is True
        assert await durable.has_ended("never") is False
    finally:
        await durable.close()


async def test_a_schedule_ticks_although_its_last_tick_failed(database: str):
    ticks: list[int] = []

    async def tick() -> None:
        ticks.append(len(ticks))
        if len(ticks) == 1:
            raise ValueError("first one fails")

    durable = Durable(database)
    durable.schedule("every-second", "* * * * * *", tick)
    await durable.launch()
    try:
        await until(lambda: len(ticks) >= 2)
    finally:
        await durable.close()


async def test_a_schedule_that_is_no_longer_wanted_is_forgotten(database: str):
    ticks: list[str] = []

    async def tick() -> None:
        ticks.append("tick")

    durable = Durable(database)
    durable.schedule("old", "* * * * * *", tick)
    await durable.launch()
    await until(lambda: bool(ticks))
    await durable.close()
    before = len(ticks)

    again: list[str] = []

    async def other() -> None:
        again.append("tick")

    durable = Durable(database)
    durable.schedule("new", "* * * * * *", other)
    await durable.launch()
    try:
        await until(lambda: len(again) >= 2)
    finally:
        await durable.close()

    assert len(ticks) == before


async def test_a_schedule_follows_the_clocks_of_its_time_zone(database: str):
    ticks: list[datetime] = []

    async def tick() -> None:
        ticks.append(datetime.now(UTC))

    hour = datetime.now(ZoneInfo("Asia/Kolkata")).hour
    durable = Durable(database)
    durable.schedule("there", f"* * {hour},{(hour + 1) % 24} * * *", tick, time_zone="Asia/Kolkata")
    await durable.launch()
    try:
        await until(lambda: bool(ticks))
    finally:
        await durable.close()


@pytest.mark.parametrize(
    ("cron", "utc", "is_again"),
    [
        ("30 2 * * *", "2026-10-25T00:30", False),
        ("30 2 * * *", "2026-10-25T01:30", True),
        ("0 30 1-4 * * *", "2026-10-25T01:30", True),
        ("30 2 * * *", "2026-10-26T01:30", False),
        ("30 * * * *", "2026-10-25T01:30", False),
        ("0 30 */2 * * *", "2026-10-25T01:30", False),
    ],
)
def test_what_is_meant_for_an_hour_that_clocks_show_twice_is_done_once(cron: str, utc: str, is_again: bool):
    at = datetime.fromisoformat(utc).replace(tzinfo=UTC)

    assert is_repeated(cron, at, "Europe/Berlin") is is_again


async def test_a_second_instance_in_one_process_is_refused(database: str):
    durable = Durable(database)
    await durable.launch()
    try:
        with pytest.raises(Unavailable, match="launched already in this process"):
            await Durable(database).launch()
    finally:
        await durable.close()


async def test_nothing_starts_before_the_launch():
    with pytest.raises(Unavailable, match="not launched"):
        await Durable("sqlite:///x.db").start("two", "two-1", 1)


async def test_after_closing_the_event_loop_still_has_threads(database: str):
    durable = Durable(database)
    await durable.launch()
    await durable.close()

    assert await asyncio.to_thread(lambda: 7) == 7


async def test_the_workflow_tables_of_sqlite_are_in_a_file_beside_it_in_wal_mode(tmp_path: Path):
    durable = Durable(f"sqlite:///{tmp_path}/hub.db")
    await durable.launch()
    await durable.close()

    with closing(sqlite3.connect(tmp_path / "hub.workflows.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_step_outlasts_a_database_that_is_away(database: str, monkeypatch: pytest.MonkeyPatch):
    """However often it is away: that is no outcome of a step."""
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.001)
    tries = 0

    async def work() -> StepResult:
        nonlocal tries
        tries += 1
        if tries < 50:
            raise DatabaseAway("it restarts")
        return {"tries": tries}

    async def body(run: Run, _number: int) -> str:
        return str((await run.step("stubborn", work))["tries"])

    durable = Durable(database)
    durable.workflow("stubborn", body)
    await durable.launch()
    try:
        await durable.start("stubborn", "one", 1)
        assert await durable.wait("one", within=SOON)
    finally:
        await durable.close()

    assert tries == 50


async def test_a_workflow_that_broke_off_with_the_database_goes_on_in_the_same_process(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """It has no outcome then, and what it had done is not done again."""
    monkeypatch.setattr(module, "WRITTEN_S", 0.0)
    diary = Diary()
    is_away = True

    async def body(run: Run, _number: int) -> str:
        await run.step("first", diary.note("first"))
        if is_away:
            raise DatabaseAway("its disk is full")
        await run.step("second", diary.note("second"))
        return "done"

    durable = Durable(database)
    durable.workflow("broken", body)
    await durable.launch()
    try:
        await durable.start("broken", "one", 1)
        await until(lambda: "a workflow was broken off and goes on once the database is back" in caplog.text)
        assert not await durable.has_ended("one")
        is_away = False
        await until(lambda: not durable._running)
        assert await durable.resume_broken_off() == 1
        assert await durable.wait("one", within=SOON)
        assert await durable.resume_broken_off() == 0
    finally:
        await durable.close()

    assert diary.done == ["first", "second"]


async def test_a_launch_that_failed_with_the_database_can_be_tried_again(
    database: str, monkeypatch: pytest.MonkeyPatch
):
    diary = Diary()
    diary.gate.set()
    durable = Durable(database)
    durable.workflow("two", diary.two_steps)
    plain = durable._apply_schedules

    async def away() -> None:
        raise DatabaseAway("it restarts")

    monkeypatch.setattr(durable, "_apply_schedules", away)
    with pytest.raises(DatabaseAway):
        await durable.launch()
    monkeypatch.setattr(durable, "_apply_schedules", plain)

    await durable.launch()
    try:
        await durable.start("two", "one", 1)
        assert await durable.wait("one", within=SOON)
    finally:
        await durable.close()
    assert diary.done == ["first 1", "second"]
