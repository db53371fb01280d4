"""The past is read again from an instant on, in parts that outlive whatever breaks them off; pulls leave a history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.adapters import Scripted, scripted
from tests.ingest.conftest import Intake
from tests.ingest.records import batch, gone, rejected, site

from connector.ingest.backfill import since_of
from connector.ingest.planned import carry_out, keep
from connector.ingest.pull import pull_source
from connector.ingest.rehearsal import rehearse
from connector.ingest.reports import StreamReport
from connector.model.errors import InvalidInput
from connector.model.kinds import PlanState
from connector.sdk import AdapterConfig, AuthError, Connection, Cursor, SiteRecord, SourceClient, Stream
from connector.storage.database.engine import reading, transaction
from connector.storage.sources.plans import move_plan
from connector.storage.sources.runs import IDLE_KEPT, KEPT, Run, forget_runs, list_runs
from connector.storage.tables import source_stream

SITES = Stream("sites", SiteRecord, "incremental")
ALL_SITES = Stream("sites", SiteRecord, "snapshot")
LONG_AGO = datetime(2025, 12, 1, tzinfo=UTC)


class Archive(Scripted):
    """One that can be asked from an instant on."""

    def cursor_since(self, stream: Stream, at: datetime) -> Cursor | None:
        """Since a day."""
        return f"since {at:%Y-%m-%d}" if stream.mode == "incremental" else None


@pytest.fixture
def archive(clock: MovableClock) -> tuple[Archive, Connection]:
    http = SourceClient("http://localhost")
    adapter = Archive(AdapterConfig(), http, clock)
    adapter.STREAMS = (SITES,)
    return adapter, Connection(name="cmdb", adapter_name="scripted", adapter=adapter, http=http)


async def cursors(engine: AsyncEngine) -> tuple[str | None, str | None]:
    """Where the stream goes on, and where its backfill does."""
    async with reading(engine) as tx:
        row = (await tx.execute(select(source_stream.c.resume, source_stream.c.backfill))).one()
        return row.resume, row.backfill


async def history(engine: AsyncEngine) -> list[Run]:
    async with reading(engine) as tx:
        return await list_runs(tx, None, None, limit=100)


async def test_a_backfill_reads_the_past_again_and_then_what_is_new(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, archive: tuple[Archive, Connection]
):
    adapter, connection = archive
    adapter.scripts = {"sites": [batch(site("s1"), resume="7")]}
    await pull_source(engine, connection, clock=clock)
    adapter.asked.clear()
    adapter.scripts = {"sites": [batch(site("old"), resume="3"), batch(site("s1"), resume="9", complete=True)]}

    report = await pull_source(engine, connection, clock=clock, since=LONG_AGO, by="ana")

    assert adapter.asked == [("sites", "since 2025-12-01"), ("sites", "7")]
    assert (report.streams[0].seen, report.streams[0].created) == (4, 1)
    assert await cursors(engine) == ("9", None)
    assert [(run.mode, run.started_by) for run in await history(engine)] == [("backfill", "ana"), ("full", "schedule")]


async def test_a_backfill_that_was_broken_off_goes_on_with_the_next_pull(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, archive: tuple[Archive, Connection]
):
    adapter, connection = archive
    adapter.scripts = {"sites": [batch(site("s1"), resume="7")]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(site("old"), resume="3"), batch(site("s1"), resume="4"), AuthError("401")]}

    failed = await pull_source(engine, connection, clock=clock, since=LONG_AGO)

    assert (failed.outcome, await cursors(engine)) == ("failed", ("7", "4"))
    adapter.asked.clear()
    adapter.scripts = {"sites": [batch(site("s2"), resume="5")]}
    await pull_source(engine, connection, clock=clock, resume=True)
    assert adapter.asked == [("sites", "4"), ("sites", "7")]
    assert await cursors(engine) == ("5", None)


async def test_a_plan_reads_what_a_backfill_has_left_and_is_its_end(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, archive: tuple[Archive, Connection]
):
    adapter, connection = archive
    adapter.scripts = {"sites": [batch(site("s1"), resume="7")]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(site("old"), resume="3"), AuthError("401")]}
    await pull_source(engine, connection, clock=clock, since=LONG_AGO)
    adapter.asked.clear()
    adapter.scripts = {"sites": [batch(site("older"), resume="9")]}

    with await rehearse(engine, connection, clock=clock) as plan:
        number = await keep(engine, plan, streams=None, full=False, exceeds_limit=False, by="ana")
    async with transaction(engine) as tx:
        await move_plan(tx, number, PlanState.APPROVED, at=clock.now(), by="ben")
    await carry_out(engine, connection, number, clock=clock)

    assert adapter.asked == [("sites", "3"), ("sites", "3")]
    assert await cursors(engine) == ("9", None)
    assert (await history(engine))[0].started_by == "ben"


async def test_a_backfill_of_what_was_never_pulled_is_its_beginning(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, archive: tuple[Archive, Connection]
):
    adapter, connection = archive
    adapter.scripts = {"sites": [batch(site("s1"), resume="1"), AuthError("401")]}
    await pull_source(engine, connection, clock=clock, since=LONG_AGO)
    adapter.scripts = {"sites": [batch(site("s2"), resume="2")]}

    await pull_source(engine, connection, clock=clock, resume=True)

    assert adapter.asked == [("sites", "since 2025-12-01"), ("sites", "1")]
    assert await cursors(engine) == ("2", None)


async def test_where_only_everything_can_be_asked_for_a_backfill_reads_everything(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"), resume="7")]}
    await pull_source(engine, connection, clock=clock)

    await pull_source(engine, connection, clock=clock, since=LONG_AGO)

    assert adapter.asked == [("sites", None), ("sites", None)]
    assert [run.mode for run in await history(engine)] == ["full", "full"]


async def test_what_pulls_came_to_is_remembered_and_forgotten_in_time(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    began = clock.now()

    async def later() -> None:
        clock.advance(timedelta(seconds=9))

    adapter.scripts = {"sites": [batch(site("s1"), site("s2"), rejected=(rejected(b"x"),), resume="1"), later]}
    await pull_source(engine, connection, clock=clock, by="start")
    adapter.scripts = {"sites": [batch(site("s1", v=2, name="other"), gone("site", "s2"), resume="2")]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [AuthError("the token is not valid")]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": []}
    for _ in range(2):
        await pull_source(engine, connection, clock=clock, resume=True)

    idle, _, failed, changed, first = await history(engine)
    assert (first.began_at, first.ended_at, first.started_by) == (began, began + timedelta(seconds=9), "start")
    assert (first.records_seen, first.created, first.quarantined, first.mode) == (3, 2, 1, "full")
    assert (changed.updated, changed.retired, changed.unchanged, changed.mode) == (1, 1, 0, "changes")
    assert (failed.outcome, failed.error) == ("failed", "the token is not valid")
    async with transaction(engine) as tx:
        assert await forget_runs(tx, at=clock.now() + IDLE_KEPT + timedelta(seconds=1)) == 1
    assert await history(engine) == [idle, failed, changed, first]
    async with transaction(engine) as tx:
        assert await forget_runs(tx, at=clock.now() + KEPT + timedelta(seconds=1)) == 4


@pytest.mark.parametrize("stream", [SITES, ALL_SITES])
async def test_how_much_is_left_is_estimated_by_the_source_or_by_the_last_pull_of_everything(
    engine: AsyncEngine, clock: MovableClock, stream: Stream
):
    adapter, connection = scripted(clock, stream)
    told: list[int | None] = []

    async def expected(**options: Any) -> list[int | None]:
        told.clear()
        await pull_source(engine, connection, clock=clock, progress=note, **options)
        return list(told)

    def note(report: StreamReport) -> None:
        told.append(report.expected)

    adapter.scripts = {"sites": [batch(site("s1"), resume="1"), batch(site("s2"), resume="2", complete=True)]}
    assert await expected() == [None, None]
    assert await expected(full=True) == [2, 2]
    adapter.scripts = {"sites": [batch(site("s1"), resume="1", total=40)]}
    assert await expected(full=True) == [40]
    told.clear()
    with await rehearse(engine, connection, clock=clock, full=True, progress=note):
        assert told == [40]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2025-12-01", "2025-12-01T00:00Z"),
        ("2025-12-01T08:00+01:00", "2025-12-01T07:00Z"),
        ("90d", "2027-11-30T10:00Z"),
        ("2w", "2028-02-14T10:00Z"),
        ("12mo", "2027-02-28T10:00Z"),
        ("1mo", "2028-01-28T10:00Z"),
        ("3mo", "2027-11-28T10:00Z"),
        ("4y", "2024-02-28T10:00Z"),
    ],
)
def test_since_when_can_be_said_in_several_ways(text: str, at: str):
    assert since_of(text, datetime(2028, 2, 28, 10, tzinfo=UTC)) == datetime.fromisoformat(at)


def test_a_month_that_is_shorter_has_its_last_day():
    assert since_of("1mo", datetime(2026, 3, 31, tzinfo=UTC)) == datetime(2026, 2, 28, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "12", "0d", "9999y", "2025-12-01T08:00", "2029-01-01", "last year"])
def test_what_is_no_time_in_the_past_is_refused(text: str):
    with pytest.raises(InvalidInput, match=r"no time in the past|lies ahead"):
        since_of(text, datetime(2028, 2, 28, 10, tzinfo=UTC))
