"""While a first sync fills a database, its planner learns how much there is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.adapters import scripted
from tests.ingest.records import batch, site

from connector.ingest.pull import pull_source
from connector.ingest.reports import StreamReport
from connector.sdk import SiteRecord, Stream
from connector.storage.database.statistics import FIRST, TIMES

SITES = Stream("sites", SiteRecord, "incremental")


async def test_statistics_are_taken_as_a_first_sync_fills_the_tables_and_not_later(
    engine: AsyncEngine, clock: MovableClock
):
    adapter, connection = scripted(clock, SITES)
    ends = [FIRST - 1, FIRST, TIMES * FIRST - 1, TIMES * FIRST]
    sites = [site(f"s{number}") for number in range(ends[-1])]
    adapter.scripts = {"sites": [batch(*sites[start:end]) for start, end in zip([0, *ends], ends, strict=False)]}
    taken: list[int] = []
    seen = 0

    def progress(report: StreamReport) -> None:
        nonlocal seen
        seen = report.seen

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("ANALYZE"):
            taken.append(seen)  # of the batches before: this one is committed, and not told yet

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    await pull_source(engine, connection, clock=clock, progress=progress)
    await pull_source(engine, connection, clock=clock, full=True)

    assert seen == len(sites)
    assert taken == ([ends[0], ends[2]] if engine.dialect.name == "postgresql" else [])
