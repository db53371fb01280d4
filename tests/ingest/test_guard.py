"""A sync that would retire or change too much stops and asks; a paused source is left alone until it is resumed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.adapters import Scripted, scripted
from tests.ingest.records import asset, batch, gone, ref, site

from connector.ingest.guard import GUARD, Guard, Limit
from connector.ingest.planned import carry_out, read_kept
from connector.ingest.rehearsal import rehearse
from connector.ingest.reports import PullReport
from connector.ingest.sync import sync_source
from connector.model.errors import IllegalTransition
from connector.model.kinds import PlanState
from connector.sdk import AssetRecord, AuthError, Batch, Connection, SiteRecord, Stream
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.sources.pauses import pause_source, resume_source
from connector.storage.sources.plans import move_plan
from connector.storage.sources.sources import register_source

SITES = Stream("sites", SiteRecord, "incremental")
DEVICES = Stream("devices", AssetRecord, "incremental")
FEW = Guard(retired=Limit(0.25, 2), changed=Limit(0.5, 2))


@pytest.fixture
def cmdb(clock: MovableClock) -> tuple[Scripted, Connection]:
    return scripted(clock, SITES, DEVICES)


def pages(names: Sequence[str], *, of: int = 2) -> list[Batch]:
    """Sites s0, s1 ... by these names, some a page."""
    sites = [site(f"s{n}", name=name) for n, name in enumerate(names)]
    starts = range(0, len(sites), of)
    return [batch(*sites[start : start + of], resume=f"{names[0]}{start}") for start in starts]


async def names(engine: AsyncEngine) -> list[str]:
    async with reading(engine) as tx:
        rows = await tx.execute(select(tables.site.c.name).order_by(tables.site.c.id))
        return [name for name in rows.scalars() if name]


async def condition(engine: AsyncEngine) -> Any:
    async with reading(engine) as tx:
        return (await tx.execute(select(tables.source))).mappings().one()


async def renamed(engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]) -> PullReport:
    """A sync under the guard of a source that has eight sites, and calls all of them otherwise by now."""
    adapter, connection = cmdb
    adapter.scripts = {"sites": pages([f"old {n}" for n in range(8)])}
    assert (await sync_source(engine, connection, clock=clock, guard=FEW)).outcome == "pulled"
    adapter.scripts = {"sites": pages([f"new {n}" for n in range(8)]), "devices": [batch(asset("a1"))]}
    return await sync_source(engine, connection, clock=clock, guard=FEW)


async def test_a_sync_that_would_change_too_much_stops_before_it_does_and_keeps_a_plan_of_the_rest(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    report = await renamed(engine, clock, cmdb)

    assert (report.outcome, [(s.name, s.outcome, s.updated) for s in report.streams]) == (
        "stopped", [("sites", "stopped", 4)],
    )  # fmt: skip
    assert await names(engine) == [*(f"new {n}" for n in range(4)), *(f"old {n}" for n in range(4, 8))]
    assert report.error == (
        "sites: more than 50% and 2 of the 8 records that the source had would change: 4 of them did, and nothing "
        f"further was written. The source is paused. Look at all that it wants: connector plans show {report.plan}; "
        "approve and apply that plan, or mend the source and let it go on: connector sources resume cmdb."
    )
    row = await condition(engine)
    assert (row["state"], row["paused_by"], row["last_error"]) == ("paused", "guard", report.error)
    kept, plan = await read_kept(engine, report.plan or 0)
    with plan:
        assert [change.fields["name"] for change in plan.changes if change.operation == "updated"] == [
            (f"old {n}", f"new {n}") for n in range(4, 8)
        ]
    assert [(stream["stream"], stream["new"], stream["changed"]) for stream in kept.counts] == [
        ("sites", 0, 4), ("devices", 2, 0),
    ]  # fmt: skip


async def test_no_start_and_no_pull_by_hand_goes_past_the_guard(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    stopped = await renamed(engine, clock, cmdb)
    adapter.asked.clear()

    async with transaction(engine) as tx:
        await register_source(tx, name="cmdb", adapter="scripted", at=clock.now())
    report = await sync_source(engine, connection, clock=clock, resume=True, guard=FEW)

    assert (report.outcome, report.state, adapter.asked) == ("skipped", "paused", [])
    assert (report.error or "").startswith("source 'cmdb' is paused by guard: sites: more than 50% and 2")
    assert (await condition(engine))["last_error"] == stopped.error


async def test_what_the_guard_stopped_is_done_when_its_plan_is_approved_and_the_source_goes_on(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    number = (await renamed(engine, clock, cmdb)).plan or 0
    async with transaction(engine) as tx:
        await move_plan(tx, number, PlanState.APPROVED, at=clock.now(), by="ana")

    await carry_out(engine, cmdb[1], number, clock=clock, guard=FEW)

    assert await names(engine) == [f"new {n}" for n in range(8)]
    row = await condition(engine)
    assert (row["state"], row["paused_by"], row["pause_reason"]) == ("ok", None, None)
    assert (await sync_source(engine, cmdb[1], clock=clock, guard=FEW)).outcome == "pulled"


async def test_a_source_whose_tombstones_are_too_many_is_stopped_too(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    adapter.scripts = {"sites": pages([f"old {n}" for n in range(8)])}
    await sync_source(engine, connection, clock=clock, guard=FEW)
    leaving = [batch(gone("site", f"s{n}"), resume=str(n)) for n in range(4)]
    adapter.scripts = {"sites": [*leaving, AuthError("401")]}

    report = await sync_source(engine, connection, clock=clock, guard=FEW)

    assert [(s.outcome, s.deleted) for s in report.streams] == [("stopped", 2)]
    assert (report.error or "").startswith(
        "sites: more than 25% and 2 of the 8 records that the source had would be retired: 2 of them did"
    )
    assert (report.plan, "connector sync cmdb --plan --save --exceed-limit" in (report.error or "")) == (None, True)


async def test_what_is_new_to_a_source_is_never_too_much(engine: AsyncEngine, clock: MovableClock):
    first, connection = scripted(clock, SITES, DEVICES)
    first.scripts = {
        "sites": [batch(site("s1"))],
        "devices": [batch(*(asset(f"a{n}", serial=f"S{n}") for n in range(8)))],
    }
    await sync_source(engine, connection, clock=clock, guard=FEW)
    other, its_connection = scripted(clock, SITES, DEVICES, name="inventory")
    known = (asset(f"b{n}", v=9, serial=f"S{n}", asset_tag=f"T{n}") for n in range(8))
    other.scripts = {"sites": [batch(site("s1"))], "devices": [batch(*known)]}

    report = await sync_source(engine, its_connection, clock=clock, guard=FEW)

    assert (report.outcome, report.streams[1].created, report.streams[1].updated) == ("pulled", 0, 8)


async def test_a_plan_says_that_a_sync_would_stop(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    adapter.scripts = {"sites": pages([f"old {n}" for n in range(220)], of=55)}
    await sync_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": pages([f"new {n}" for n in range(220)], of=55)}

    with await rehearse(engine, connection, clock=clock, full=True, guard=GUARD) as plan:
        assert plan.stops == [
            "sites: more than 50% and 100 of the 220 records that the source had would change: a sync would stop there "
            "and ask."
        ]
        assert plan.streams[0].updated == 220


async def test_a_pull_under_way_ends_when_its_source_is_paused_and_goes_on_where_it_was(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb

    is_begun = asyncio.Event()

    async def stop() -> None:
        await is_begun.wait()
        async with transaction(engine) as tx:
            await pause_source(tx, 1, by="ana", reason="a migration over there", at=clock.now())

    first, second, *_ = pages(["a", "b", "c", "d"])
    adapter.scripts = {"sites": [first, stop, second], "devices": [batch(asset("a1", place=ref("site", "s0")))]}

    report = await sync_source(engine, connection, clock=clock, progress=lambda _: is_begun.set())

    assert [stream.outcome for stream in report.streams] == ["busy", "busy"]
    assert await names(engine) == ["a", "b"]
    row = await condition(engine)
    assert (row["state"], row["paused_by"], row["pause_reason"]) == ("paused", "ana", "a migration over there")
    async with transaction(engine) as tx:
        with pytest.raises(IllegalTransition, match="'cmdb' is paused already: ana did so at"):
            await pause_source(tx, 1, by="ben", reason="me too", at=clock.now())
        assert await resume_source(tx, 1, by="ben", at=clock.now())
        assert not await resume_source(tx, 1, by="ben", at=clock.now())
    adapter.asked.clear()
    adapter.scripts["sites"] = [second]
    assert (await sync_source(engine, connection, clock=clock)).outcome == "pulled"
    assert (adapter.asked[0], await names(engine)) == (("sites", "a0"), ["a", "b", "c", "d"])
