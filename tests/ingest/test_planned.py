"""An approved plan is done exactly as it says, once, or nothing is done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.adapters import Scripted, scripted
from tests.ingest.records import asset, batch, ref, site

from connector.ingest.fingerprint import difference, fingerprint_of
from connector.ingest.planned import carry_out, guard_of, keep, read_kept
from connector.ingest.pull import pull_source
from connector.ingest.rehearsal import rehearse
from connector.model.errors import IllegalTransition, NotKnown, StaleWrite
from connector.model.kinds import PlanState
from connector.model.refs import EntityKind
from connector.sdk import AssetRecord, AuthError, Connection, SiteRecord, Stream
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.sources.plans import KeptPlan, kept_plan, list_plans, move_plan

SITES = Stream("sites", SiteRecord, "snapshot")
DEVICES = Stream("devices", AssetRecord, "incremental")


@pytest.fixture
def cmdb(clock: MovableClock) -> tuple[Scripted, Connection]:
    return scripted(clock, SITES, DEVICES)


def says(adapter: Scripted, sites: dict[str, str], devices: dict[str, str] | None = None, *, resume: str = "1") -> None:
    """Have the source hold sites by their names, and devices by the sites that they are at."""
    placed = [asset(key, name=key, serial=f"S-{key}", place=ref("site", at)) for key, at in (devices or {}).items()]
    adapter.scripts = {
        "sites": [batch(*(site(key, name=name) for key, name in sites.items()), complete=True)],
        "devices": [batch(*placed, resume=resume)],
    }


async def planned(engine: AsyncEngine, connection: Connection, clock: MovableClock, **options: Any) -> int:
    """A plan that was kept and approved, made after all that was done before."""
    clock.advance(timedelta(seconds=1))
    exceeds = options.pop("exceeds_limit", False)
    guard = guard_of(exceeds_limit=exceeds)
    with await rehearse(engine, connection, clock=clock, guard=guard, **options) as plan:
        number = await keep(
            engine, plan, streams=options.get("streams"), full=options.get("full", False), exceeds_limit=exceeds,
            by="ana",
        )  # fmt: skip
    async with transaction(engine) as tx:
        await move_plan(tx, number, PlanState.APPROVED, at=clock.now(), by="ben")
    return number


async def found(engine: AsyncEngine, number: int) -> KeptPlan:
    async with reading(engine) as tx:
        return await kept_plan(tx, number)


async def names(engine: AsyncEngine) -> list[str]:
    c = tables.site.c
    async with reading(engine) as tx:
        return list((await tx.execute(select(c.name).where(c.retired_at.is_(None)).order_by(c.name))).scalars())


async def changes(engine: AsyncEngine) -> int:
    async with reading(engine) as tx:
        return int((await tx.execute(select(func.count()).select_from(tables.change))).scalar_one())


async def test_an_approved_plan_is_done_and_the_next_sync_goes_on_behind_it(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    says(adapter, {"s1": "Hamburg", "s2": "Kiel"}, {"a1": "s2"}, resume="7")

    number = await planned(engine, connection, clock)
    assert await names(engine) == []
    clock.advance(timedelta(hours=3))
    done = await carry_out(engine, connection, number, clock=clock)

    assert await names(engine) == ["Hamburg", "Kiel"]
    assert (done.state, done.created_by, done.decided_by, done.ended_at) == ("applied", "ana", "ben", clock.now())
    adapter.asked.clear()
    report = await pull_source(engine, connection, clock=clock)
    assert adapter.asked == [("sites", None), ("devices", "7")]
    assert [(s.created, s.updated, s.deleted) for s in report.streams] == [(0, 0, 0), (0, 0, 0)]


async def test_what_a_plan_says_can_be_read_until_it_is_discarded(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    says(adapter, {f"s{n}": f"Site {n:04}" for n in range(1_234)}, {"a1": "nowhere"})

    number = await planned(engine, connection, clock, full=True)
    kept, plan = await read_kept(engine, number)
    with plan:
        read = [item.name for item in plan.changes if item.kind is EntityKind.SITE]
        assert [item.ref for item in plan.unusable] == ["asset:a1"]
        assert [(s.name, s.seen, s.created, s.quarantined) for s in plan.streams] == [
            ("sites", 1_234, 1_234, 0), ("devices", 1, 1, 1),
        ]  # fmt: skip
        assert plan.fingerprint == kept.fingerprint
    assert read == [f"Site {n:04}" for n in range(1_234)]
    async with transaction(engine) as tx:
        await move_plan(tx, number, PlanState.DISCARDED, at=clock.now(), by="ben")
        assert await list_plans(tx, [PlanState.PROPOSED, PlanState.APPROVED], limit=10) == []

    _, plan = await read_kept(engine, number)
    with plan:
        assert list(plan.lines) == []
    with pytest.raises(IllegalTransition, match=f"plan {number} is discarded"):
        await carry_out(engine, connection, number, clock=clock)


async def test_a_source_that_has_drifted_is_told_by_how_much_and_nothing_is_written(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    says(adapter, {"s1": "Hamburg", "s2": "Kiel"})
    number = await planned(engine, connection, clock)
    says(adapter, {"s1": "Hamburg", "s2": "Bremen", "s3": "Berlin"})
    before = await changes(engine)

    with pytest.raises(StaleWrite, match="2 things are to be done that the plan does not have, 1 thing is of the plan"):
        await carry_out(engine, connection, number, clock=clock)

    assert (await names(engine), await changes(engine)) == ([], before)
    drifted = await found(engine, number)
    assert (drifted.state, drifted.ended_at) == (PlanState.DRIFTED, clock.now())
    assert "1 thing is of the plan no longer due" in (drifted.result or "")
    says(adapter, {"s1": "Hamburg", "s2": "Kiel"})  # it is too late for it to come back
    with pytest.raises(IllegalTransition, match="is drifted"):
        await carry_out(engine, connection, number, clock=clock)


async def test_so_is_a_plan_that_a_sync_has_done_meanwhile(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    says(adapter, {"s1": "Hamburg"})
    number = await planned(engine, connection, clock)
    await pull_source(engine, connection, clock=clock)

    with pytest.raises(StaleWrite, match=r"0 things are to be done .* 1 thing is of the plan no longer due"):
        await carry_out(engine, connection, number, clock=clock)


@pytest.mark.parametrize("records", [("s1", "Hamburg"), ("s2", "Hamburg")])
async def test_only_what_was_approved_is_applied(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection], records: tuple[str, str]
):
    adapter, connection = cmdb
    says(adapter, dict([records]))
    with await rehearse(engine, connection, clock=clock) as plan:
        number = await keep(engine, plan, streams=None, full=False, exceeds_limit=False, by="ana")

    with pytest.raises(IllegalTransition, match="is proposed: only an approved one is applied") as refused:
        await carry_out(engine, connection, number, clock=clock)
    assert f"connector plans approve {number}" in refused.value.hint
    with pytest.raises(NotKnown, match="there is no plan 4711"):
        await carry_out(engine, connection, 4711, clock=clock)
    assert await names(engine) == []


async def test_a_plan_stays_approved_when_its_source_cannot_be_read(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    says(adapter, {"s1": "Hamburg"})
    number = await planned(engine, connection, clock)
    scripts, adapter.scripts = adapter.scripts, {"sites": [AuthError("the token is wrong", operation="pull")]}

    with pytest.raises(AuthError):
        await carry_out(engine, connection, number, clock=clock)

    assert (await found(engine, number)).state is PlanState.APPROVED
    adapter.scripts = scripts
    assert (await carry_out(engine, connection, number, clock=clock)).state is PlanState.APPLIED


async def test_a_plan_may_let_go_what_a_sync_would_stop_at(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    says(adapter, {f"s{n}": f"Site {n}" for n in range(40)})
    await pull_source(engine, connection, clock=clock)
    says(adapter, {"s1": "Site 1"})

    careful = await planned(engine, connection, clock)
    bold = await planned(engine, connection, clock, exceeds_limit=True)
    await carry_out(engine, connection, careful, clock=clock)
    assert len(await names(engine)) == 40
    await carry_out(engine, connection, bold, clock=clock)

    assert await names(engine) == ["Site 1"]
    async with reading(engine) as tx:
        assert (await tx.execute(select(tables.source.c.state, tables.source.c.last_error))).one() == ("ok", None)


async def test_of_two_who_apply_a_plan_one_does(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    says(adapter, {"s1": "Hamburg"})
    number = await planned(engine, connection, clock)

    ended = await asyncio.gather(
        *(carry_out(engine, connection, number, clock=clock) for _ in range(2)), return_exceptions=True
    )

    done = [item for item in ended if isinstance(item, KeptPlan)]
    refused = [item for item in ended if isinstance(item, IllegalTransition | StaleWrite)]
    assert (len(done), len(refused)) == (1, 1), ended
    assert (await found(engine, number)).state is PlanState.APPLIED
    assert await names(engine) == ["Hamburg"]


NAMES = st.sampled_from(["Hamburg", "Kiel", "Bremen", "Berlin"])
SITE_MAPS = st.dictionaries(st.sampled_from(["s1", "s2", "s3", "s4"]), NAMES, min_size=1)
DEVICE_MAPS = st.dictionaries(st.sampled_from(["a1", "a2", "a3"]), st.sampled_from(["s1", "s2", "s3", "s4"]))
STATES = st.lists(st.tuples(SITE_MAPS, DEVICE_MAPS), min_size=2, max_size=3)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=STATES)
async def test_a_plan_is_applied_exactly_when_the_source_says_the_same(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection], states: Sequence[Any]
):
    adapter, connection = cmdb
    for (sites, devices), (other_sites, other_devices) in zip(states, [*states[1:], states[0]], strict=True):
        says(adapter, sites, devices)
        number = await planned(engine, connection, clock, full=True)
        says(adapter, other_sites, other_devices)
        with await rehearse(engine, connection, clock=clock, full=True) as other:
            does_the_same = other.fingerprint == (await found(engine, number)).fingerprint
        if not does_the_same:
            before = await changes(engine)
            with pytest.raises(StaleWrite):
                await carry_out(engine, connection, number, clock=clock)
            assert await changes(engine) == before
            says(adapter, sites, devices)
            number = await planned(engine, connection, clock, full=True)
        clock.advance(timedelta(minutes=1))
        await carry_out(engine, connection, number, clock=clock)

        with await rehearse(engine, connection, clock=clock, full=True) as rest:
            assert [(item.kind, item.operation, item.fields) for item in rest.changes] == []


MARKS = st.lists(st.integers(0, 2**256 - 1), max_size=6)


@given(MARKS, MARKS, st.randoms())
def test_plans_differ_by_what_they_do_and_not_by_its_order(first: list[int], second: list[int], random: Any):
    shuffled = first.copy()
    random.shuffle(shuffled)

    assert fingerprint_of(shuffled) == fingerprint_of(first)
    assert difference(first, shuffled) == (0, 0)
    assert difference(first, [*shuffled, *second]) == (len(second), 0)
    assert difference([*first, *second], shuffled) == (0, len(second))
    if second:
        assert (fingerprint_of([*first, *second]) == fingerprint_of(first)) is (sum(second) % 2**256 == 0)
