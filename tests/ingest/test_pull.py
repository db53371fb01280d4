from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.adapters import SECRET, scripted
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, batch, hub, ref, site

from connector.ingest.guard import UNGUARDED
from connector.ingest.pull import pull_source
from connector.ingest.reports import StreamReport
from connector.model.errors import InvalidInput
from connector.sdk import (
    AssetRecord,
    AuthError,
    ConfigError,
    RateLimited,
    SiteRecord,
    Stream,
    Transient,
    UnexpectedResponse,
)
from connector.storage.database.engine import reading, transaction
from connector.storage.sources.pauses import resume_source
from connector.storage.sources.sources import LEASE
from connector.storage.tables import source, source_stream

SITES = Stream("sites", SiteRecord, "incremental")
DEVICES = Stream("devices", AssetRecord, "incremental")
ALL_SITES = Stream("sites", SiteRecord, "snapshot")


async def source_row(engine: AsyncEngine) -> dict[str, Any]:
    async with reading(engine) as tx:
        return dict((await tx.execute(select(source))).mappings().one())


async def stream_row(engine: AsyncEngine, name: str = "sites") -> dict[str, Any]:
    statement = select(source_stream).where(source_stream.c.name == name)
    async with reading(engine) as tx:
        return dict((await tx.execute(statement)).mappings().one())


async def test_streams_are_pulled_in_order_and_go_on_where_they_were(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES, DEVICES)
    adapter.scripts = {
        "sites": [batch(site("s1"), resume="1"), batch(site("s2"), resume="2")],
        "devices": [batch(asset("a1"), resume="9")],
    }

    first = await pull_source(engine, connection, clock=clock)
    await pull_source(engine, connection, clock=clock)
    await pull_source(engine, connection, clock=clock, streams=["devices"], full=True)

    assert adapter.asked == [("sites", None), ("devices", None), ("sites", "2"), ("devices", "9"), ("devices", None)]
    assert first.outcome == "pulled"
    assert first.streams == (
        StreamReport("sites", "pulled", seen=2, created=2),
        StreamReport("devices", "pulled", seen=1, created=2),
    )
    assert len(await intake.rows("site")) == 2


async def test_a_pull_that_brings_nothing_new_says_so(engine: AsyncEngine, clock: MovableClock, intake: Intake):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"), site("s2"))]}
    await pull_source(engine, connection, clock=clock)
    before = await intake.count_changes()
    clock.advance(timedelta(hours=1))

    report = await pull_source(engine, connection, clock=clock)

    assert report.streams == (StreamReport("sites", "pulled", seen=2, unchanged=2),)
    assert await intake.count_changes() == before
    assert (await stream_row(engine))["last_success_at"] == clock.now()
    row = await source_row(engine)
    assert (row["state"].value, row["last_success_at"], row["last_error"]) == ("ok", clock.now(), None)


async def test_progress_is_told_after_each_batch(engine: AsyncEngine, clock: MovableClock):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1")), batch(site("s2"))]}
    told: list[int] = []

    await pull_source(engine, connection, clock=clock, progress=lambda report: told.append(report.seen))

    assert told == [1, 2]


async def test_an_unknown_stream_is_refused_and_the_known_ones_named(engine: AsyncEngine, clock: MovableClock):
    _, connection = scripted(clock, SITES, DEVICES)

    with pytest.raises(InvalidInput, match=r"source 'cmdb' has no stream 'racks'\. It has: sites, devices\."):
        await pull_source(engine, connection, clock=clock, streams=["racks"])


async def test_a_failure_keeps_what_came_before_it_and_goes_on_from_there(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"), resume="1"), Transient("GET sites: the system answered 502")]}

    report = await pull_source(engine, connection, clock=clock)
    clock.advance(timedelta(minutes=1))
    await pull_source(engine, connection, clock=clock)

    assert (report.outcome, report.streams) == ("failed", (StreamReport("sites", "failed", seen=1, created=1),))
    assert report.error == "sites: GET sites: the system answered 502"
    assert len(await intake.rows("site")) == 1
    assert adapter.asked == [("sites", None), ("sites", "1")]


@pytest.mark.parametrize(
    ("error", "state", "failures"),
    [
        (Transient("no answer"), "backing_off", 1),
        (UnexpectedResponse("not JSON", hint="Check base_url."), "backing_off", 1),
        (RateLimited("slow down", retry_after=timedelta(minutes=7)), "backing_off", 0),
        (AuthError("the system answered 401", hint="Check the token."), "paused", 1),
        (ConfigError("no such project"), "disabled", 1),
        (KeyError("serial"), "backing_off", 1),
    ],
)
async def test_the_class_of_a_failure_decides_what_becomes_of_the_source(
    engine: AsyncEngine, clock: MovableClock, error: Exception, state: str, failures: int
):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [error]}

    report = await pull_source(engine, connection, clock=clock)

    row = await source_row(engine)
    assert (row["state"].value, row["failures"]) == (state, failures)
    assert report.state.value == state
    assert row["last_error"] == report.error
    assert row["last_error_at"] == clock.now()
    assert (row["not_before"] is not None) == (state == "backing_off")
    if isinstance(error, RateLimited):
        assert row["not_before"] == clock.now() + timedelta(minutes=7)


async def test_a_source_that_backs_off_is_left_alone_until_then(engine: AsyncEngine, clock: MovableClock):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [RateLimited("slow down", retry_after=timedelta(minutes=7))]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(site())]}

    clock.advance(timedelta(minutes=6))
    early = await pull_source(engine, connection, clock=clock)
    clock.advance(timedelta(minutes=1))
    later = await pull_source(engine, connection, clock=clock)

    assert (early.outcome, later.outcome) == ("skipped", "pulled")
    assert (await source_row(engine))["not_before"] is None


async def test_a_paused_source_is_only_pulled_when_somebody_says_so(engine: AsyncEngine, clock: MovableClock):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [AuthError("401")]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(site())]}
    clock.advance(timedelta(days=1))

    assert (await pull_source(engine, connection, clock=clock)).outcome == "skipped"
    assert (await pull_source(engine, connection, clock=clock, resume=True)).outcome == "pulled"
    assert (await source_row(engine))["state"].value == "ok"


async def test_a_defect_of_an_adapter_is_named_and_in_the_end_disables_its_source_alone(
    engine: AsyncEngine, clock: MovableClock
):
    adapter, connection = scripted(clock, SITES)
    other, good = scripted(clock, SITES, name="other")
    adapter.scripts = {"sites": [ZeroDivisionError("division by zero")]}
    other.scripts = {"sites": [batch(site())]}

    reports = [await pull_source(engine, connection, clock=clock, resume=True) for _ in range(3)]

    assert [report.state.value for report in reports] == ["backing_off", "backing_off", "disabled"]
    assert reports[0].error == (
        "sites: the adapter 'scripted' failed with ZeroDivisionError: division by zero. "
        "That is a defect of the adapter; report it to whoever maintains it."
    )
    assert (await pull_source(engine, good, clock=clock)).outcome == "pulled"


async def test_secrets_are_not_kept_in_errors(engine: AsyncEngine, clock: MovableClock):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [ValueError(f"bad header Token {SECRET}")]}

    report = await pull_source(engine, connection, clock=clock)

    assert SECRET not in (report.error or "")
    assert "Token [redacted]" in (await source_row(engine))["last_error"]


async def test_two_processes_never_pull_the_same_stream_at_once(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        entered.set()
        await go_on.wait()

    adapter.scripts = {"sites": [wait, batch(site())]}
    first = asyncio.create_task(pull_source(engine, connection, clock=clock))
    await asyncio.wait_for(entered.wait(), 20)

    second = await pull_source(engine, connection, clock=clock)
    go_on.set()

    assert (second.outcome, second.streams) == ("busy", (StreamReport("sites", "busy"),))
    assert (await first).outcome == "pulled"
    assert len(adapter.asked) == 1
    assert (await stream_row(engine))["lease"] is None


async def test_a_stream_whose_process_died_is_taken_over_when_its_lease_is_over(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site())]}
    await pull_source(engine, connection, clock=clock)
    async with transaction(engine) as tx:
        await tx.execute(update(source_stream).values(lease="the dead", lease_until=clock.now() + LEASE))

    early = await pull_source(engine, connection, clock=clock)
    clock.advance(LEASE + timedelta(seconds=1))
    late = await pull_source(engine, connection, clock=clock)

    assert (early.outcome, late.outcome) == ("busy", "pulled")


async def test_a_process_that_lost_its_lease_writes_nothing_more(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    stored = asyncio.Event()

    async def be_overtaken() -> None:
        await stored.wait()
        async with transaction(engine) as tx:
            await tx.execute(update(source_stream).values(lease="the other"))

    adapter.scripts = {"sites": [batch(site("s1")), be_overtaken, batch(site("s2"), resume="late")]}
    report = await pull_source(engine, connection, clock=clock, progress=lambda _: stored.set())

    assert report.outcome == "busy"
    assert [row["name"] for row in await intake.rows("site")] == ["Site s1"]
    row = await stream_row(engine)
    assert (row["lease"], row["resume"]) == ("the other", None)


async def test_a_process_that_lost_its_lease_while_nothing_was_new_does_not_say_that_it_pulled(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"), resume="1")]}
    await pull_source(engine, connection, clock=clock)
    before = await stream_row(engine)

    async def be_overtaken() -> None:
        async with transaction(engine) as tx:
            await tx.execute(update(source_stream).values(lease="the other"))

    clock.advance(timedelta(minutes=1))
    adapter.scripts = {"sites": [batch(site("s1"), resume="2"), be_overtaken]}
    report = await pull_source(engine, connection, clock=clock)

    assert (report.outcome, report.streams[0].outcome) == ("busy", "busy")
    row = await stream_row(engine)
    assert (row["lease"], row["resume"]) == ("the other", "1")
    assert row["last_success_at"] == before["last_success_at"]


async def test_batches_in_which_nothing_is_new_are_only_read_and_their_end_is_remembered(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"), resume="1"), batch(site("s2"), resume="2")]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(site("s1"), resume="3"), batch(site("s2"), resume="4"), batch(resume=None)]}
    written: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        written.extend(re.findall(r"^(?:INSERT INTO|UPDATE) (\w+)", statement))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    report = await pull_source(engine, connection, clock=clock)
    event.remove(engine.sync_engine, "before_cursor_execute", note)

    assert (report.streams[0].seen, report.streams[0].unchanged) == (2, 2)
    assert (await stream_row(engine))["resume"] == "4"
    # the stream is entered, leased, ended, told where it goes on, and released, however many batches there are
    assert Counter(written) == {"source": 2, "source_stream": 5, "sync_run": 1}


async def test_a_pull_that_fails_after_batches_without_news_goes_on_behind_them(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"), resume="1")]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(site("s1"), resume="2"), Transient("gone", operation="pull")]}

    report = await pull_source(engine, connection, clock=clock)

    assert report.outcome == "failed"
    assert (await stream_row(engine))["resume"] == "2"


async def test_a_full_pull_that_fails_does_not_go_on_behind_what_it_read(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"), resume="1")]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(site("s1"), resume="0"), Transient("gone", operation="pull")]}

    await pull_source(engine, connection, clock=clock, full=True)

    assert (await stream_row(engine))["resume"] == "1"


async def test_news_after_batches_without_any_is_stored_with_where_it_goes_on(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"), resume="1")]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {
        "sites": [batch(site("s1"), resume="2"), batch(site("s2"), resume="3"), batch(site("s1"), resume="4"),
                  batch(site("s2"), resume="5")]
    }  # fmt: skip

    report = await pull_source(engine, connection, clock=clock)

    assert (report.streams[0].created, report.streams[0].unchanged) == (1, 3)
    assert (await stream_row(engine))["resume"] == "5"


async def test_a_lease_is_renewed_although_nothing_is_new(engine: AsyncEngine, clock: MovableClock, intake: Intake):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"))]}
    await pull_source(engine, connection, clock=clock)
    leases: list[Any] = []

    async def wait() -> None:
        clock.advance(LEASE * 0.6)

    async def look() -> None:
        leases.append((await stream_row(engine))["lease_until"] - clock.now())

    same = batch(site("s1"))
    adapter.scripts = {"sites": [same, wait, same, wait, same, same, look]}
    await pull_source(engine, connection, clock=clock)

    assert leases[0] > LEASE * 0.3


async def test_a_cancelled_pull_lets_go_of_its_stream(engine: AsyncEngine, clock: MovableClock):
    adapter, connection = scripted(clock, SITES)
    entered = asyncio.Event()

    async def hang() -> None:
        entered.set()
        await asyncio.Event().wait()

    adapter.scripts = {"sites": [hang]}
    task = asyncio.create_task(pull_source(engine, connection, clock=clock))
    await asyncio.wait_for(entered.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await stream_row(engine))["lease"] is None
    assert (await source_row(engine))["last_error"] == "the pull was broken off: CancelledError"


async def test_a_complete_snapshot_retires_what_it_did_not_show(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, ALL_SITES)
    adapter.scripts = {"sites": [batch(site("s1"), site("s2")), batch(site("s3"), complete=True, resume="one")]}
    await pull_source(engine, connection, clock=clock)
    clock.advance(timedelta(hours=1))
    adapter.scripts = {"sites": [batch(site("s1")), batch(site("s3"), site("s4"), complete=True, resume="two")]}

    report = await pull_source(engine, connection, clock=clock)

    assert report.streams[0] == StreamReport("sites", "pulled", seen=3, created=1, deleted=1, unchanged=2)
    assert {row["name"]: row["retired_at"] for row in await intake.rows("site")} == {
        "Site s1": None, "Site s2": clock.now(), "Site s3": None, "Site s4": None,
    }  # fmt: skip
    assert (await stream_row(engine))["resume"] == "two"


async def test_a_snapshot_of_places_lets_go_of_hubs_as_of_sites(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, ALL_SITES)
    adapter.scripts = {"sites": [batch(hub("h1"), hub("h2"), site("s1"), site("s2"), complete=True)]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(hub("h1"), site("s1"), complete=True)]}

    report = await pull_source(engine, connection, clock=clock)

    assert report.streams[0].deleted == 2
    for kind in ("hub", "site"):
        assert [row["retired_at"] is None for row in await intake.rows(kind)] == [True, False]


async def test_what_comes_back_in_a_later_snapshot_is_back(engine: AsyncEngine, clock: MovableClock, intake: Intake):
    adapter, connection = scripted(clock, ALL_SITES)
    for records in ((site("s1"), site("s2")), (site("s1"),), (site("s1"), site("s2"))):
        adapter.scripts = {"sites": [batch(*records, complete=True)]}
        await pull_source(engine, connection, clock=clock)

    assert [row["retired_at"] for row in await intake.rows("site")] == [None, None]


async def test_a_full_pull_of_a_stream_that_is_otherwise_incremental_is_a_snapshot_too(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"), resume="1"), batch(site("s2")), batch(complete=True, resume="2")]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(site("s2"), resume="3"), batch(complete=True, resume="4")]}

    await pull_source(engine, connection, clock=clock, full=True)

    retired = {row["name"]: row["retired_at"] for row in await intake.rows("site")}
    assert retired == {"Site s1": clock.now(), "Site s2": None}
    assert (await stream_row(engine))["resume"] == "4"


async def test_a_full_pull_that_breaks_off_goes_on_from_where_the_last_pull_ended(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"), resume="1"), batch(site("s2"), resume="2")]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(site("s1"), resume="half"), Transient("502")]}
    await pull_source(engine, connection, clock=clock, full=True)
    assert (await stream_row(engine))["resume"] == "2"

    adapter.scripts = {"sites": [batch(site("s1"), resume="8"), batch(site("s2"), resume="9")]}
    await pull_source(engine, connection, clock=clock, full=True, resume=True)

    assert (await stream_row(engine))["resume"] == "9"


async def test_an_aborted_snapshot_retires_nothing(engine: AsyncEngine, clock: MovableClock, intake: Intake):
    adapter, connection = scripted(clock, ALL_SITES)
    adapter.scripts = {"sites": [batch(site("s1"), site("s2"), complete=True)]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(site("s1"), resume="half"), Transient("502")]}

    await pull_source(engine, connection, clock=clock)

    assert [row["retired_at"] for row in await intake.rows("site")] == [None, None]
    assert (await stream_row(engine))["resume"] is None


async def test_a_snapshot_that_would_retire_unusually_much_stops_and_asks(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, ALL_SITES)
    everything = [site(f"s{n}") for n in range(40)]
    adapter.scripts = {"sites": [batch(*everything, complete=True)]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(*everything[:29], site("new"), complete=True)]}

    report = await pull_source(engine, connection, clock=clock)

    assert report.error == (
        "11 of 40 records (site) are missing from the source, more than 20% and 10: nothing was retired. Check the "
        "source and what its token may see. The source is paused. Look at all that it wants: connector sync cmdb "
        "--plan --save --exceed-limit; approve and apply that plan, or mend the source and let it go on: connector "
        "sources resume cmdb."
    )
    row = await source_row(engine)
    assert (row["state"].value, row["last_error"]) == ("paused", report.error)
    assert len([r for r in await intake.rows("site") if r["retired_at"] is None]) == 41

    async with transaction(engine) as tx:
        await resume_source(tx, row["id"], by="ana", at=clock.now())
    agreed = await pull_source(engine, connection, clock=clock, guard=UNGUARDED)

    assert agreed.streams[0].deleted == 11
    assert (await source_row(engine))["last_error"] is None


async def test_a_snapshot_that_loses_a_few_or_a_small_share_is_usual(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, ALL_SITES)
    for count in (110, 90, 9):
        adapter.scripts = {"sites": [batch(*(site(f"s{n}") for n in range(count)), complete=True)]}
        report = await pull_source(engine, connection, clock=clock)

    assert report.error is not None
    assert report.error.startswith("81 of 90 records")
    assert len([r for r in await intake.rows("site") if r["retired_at"] is None]) == 90


async def test_a_record_that_cannot_be_used_is_still_there_for_a_snapshot(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    from tests.ingest.records import rejected

    adapter, connection = scripted(clock, ALL_SITES)
    adapter.scripts = {"sites": [batch(site("s1"), site("s2"), complete=True)]}
    await pull_source(engine, connection, clock=clock)
    broken = rejected(b"broken", of=ref("site", "s2"))
    adapter.scripts = {"sites": [batch(site("s1"), rejected=(broken,), complete=True)]}

    await pull_source(engine, connection, clock=clock)

    assert [row["retired_at"] for row in await intake.rows("site")] == [None, None]


async def test_what_a_webhook_brought_during_a_snapshot_is_not_missed_by_it(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, ALL_SITES)
    adapter.scripts = {"sites": [batch(site("s1")), lambda: intake(site("s2")), batch(complete=True)]}

    await pull_source(engine, connection, clock=clock)

    assert [row["retired_at"] for row in await intake.rows("site")] == [None, None]


async def test_records_that_waited_are_applied_at_the_end_of_the_pull(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, DEVICES, SITES)
    adapter.scripts = {
        "devices": [batch(asset("a1"), asset("a2", place=ref("site", "s2")))],
        "sites": [batch(site("s1"))],
    }

    report = await pull_source(engine, connection, clock=clock)

    assert report.replayed == 1
    assert [row["name"] for row in await intake.rows("asset")] == ["sw-a1"]
    (entry,) = await intake.quarantine()
    assert entry["waits_for"] == "site:s2"


async def test_a_record_that_the_database_refuses_holds_up_nothing(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    async with transaction(engine) as tx:
        await tx.execute(text("CREATE UNIQUE INDEX one_site_a_name ON site (name)"))
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"), site("s2", name="Site s1"), site("s3"), resume="1")]}

    report = await pull_source(engine, connection, clock=clock)
    await pull_source(engine, connection, clock=clock)

    assert (report.outcome, report.error) == ("pulled", None)
    assert [row["name"] for row in await intake.rows("site")] == ["Site s1", "Site s3"]
    (entry,) = await intake.quarantine()
    assert entry["external_ref"] == "site:s2"
    assert entry["reason"].startswith("the database refuses it: ")
    assert "INSERT" not in entry["reason"]
    assert adapter.asked == [("sites", None), ("sites", "1")]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_text_that_postgresql_cannot_hold_is_quarantined(
    engine: AsyncEngine, clock: MovableClock, intake: Intake
):
    adapter, connection = scripted(clock, SITES)
    adapter.scripts = {"sites": [batch(site("s1"), site("s2", name="Site\x00 two"), resume="1")]}

    report = await pull_source(engine, connection, clock=clock)

    assert report.error is None
    assert [row["name"] for row in await intake.rows("site")] == ["Site s1"]
    (entry,) = await intake.quarantine()
    assert entry["external_ref"] == "site:s2"
    assert "NUL" in entry["reason"]
