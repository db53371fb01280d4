"""What a sync would do is what it then does, and until then nothing is done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.adapters import Scripted, scripted
from tests.ingest.conftest import Intake
from tests.ingest.records import SWITCH, asset, batch, count, deferred, gone, hub, product, ref, site
from tests.ingest.test_assets import claim

from connector.ingest.pull import pull_source
from connector.ingest.rehearsal import Unusable, rehearse
from connector.ingest.spool import Spool
from connector.model.errors import InvalidInput
from connector.model.lifecycle import AssetState, ReservationState
from connector.model.refs import EntityKind
from connector.sdk import (
    AssetRecord,
    AuthError,
    Connection,
    HubRecord,
    ProductRecord,
    Rejected,
    SiteRecord,
    StockRecord,
    Stream,
    Tombstone,
)
from connector.storage import tables
from connector.storage.database.engine import reading, transaction

SITES = Stream("sites", SiteRecord, "snapshot")
DEVICES = Stream("devices", AssetRecord, "incremental")


@pytest.fixture
def cmdb(clock: MovableClock) -> tuple[Scripted, Connection]:
    return scripted(clock, SITES, DEVICES)


async def everything(engine: AsyncEngine) -> dict[str, list[Any]]:
    """All rows of what a sync writes."""
    names = ("source", "source_stream", "source_ref", "quarantine", "change", "site", "asset", "product", "stock")
    async with reading(engine) as tx:
        return {name: (await tx.execute(select(getattr(tables, name)))).all() for name in names}


async def told(
    engine: AsyncEngine, connection: Connection, clock: MovableClock, **options: Any
) -> list[tuple[Any, ...]]:
    """What a plan says: of changes the operation, kind, name and fields; then what cannot be used."""
    with await rehearse(engine, connection, clock=clock, **options) as plan:
        changes = [(item.operation, item.kind.value, item.name, dict(item.fields)) for item in plan.changes]
        return [*changes, *plan.unusable]


async def test_a_plan_tells_what_would_change_and_changes_nothing(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    adapter.scripts = {
        "sites": [batch(site("s1", name="Hamburg"), site("s2", name="Kiel"), complete=True)],
        "devices": [batch(asset("a1", name="sw-1", serial="S1", place=ref("site", "s1")), resume="1")],
    }
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {
        "sites": [batch(site("s1", name="Hamburg Port"), site("s3", name="Bremen"), complete=True)],
        "devices": [
            batch(asset("a1", name="sw-1", serial="S1", place=ref("site", "s3")), resume="2"),
            batch(asset("a2", name="sw-2", serial="S2", place=ref("site", "nowhere")), resume="3"),
        ],
    }
    before = await everything(engine)

    with await rehearse(engine, connection, clock=clock) as plan:
        changes = {(item.operation, item.kind.value, item.name): item for item in plan.changes}
        unusable = list(plan.unusable)

    assert await everything(engine) == before
    assert changes["updated", "site", "Hamburg Port"].fields["name"] == ("Hamburg", "Hamburg Port")
    assert changes["updated", "site", "Hamburg Port"].external_ids == ("s1",)
    assert changes["created", "site", "Bremen"].external_ids == ("s3",)
    assert ("retired", "site", "Kiel") in changes
    assert changes["updated", "asset", "sw-1"].fields["site_id"] == ("Hamburg Port", "Bremen")
    assert [(item.ref, "nowhere" in item.reason) for item in unusable] == [("asset:a2", True)]
    assert [(r.name, r.seen, r.created, r.updated, r.deleted) for r in plan.streams] == [
        ("sites", 2, 1, 1, 1), ("devices", 2, 0, 1, 0),
    ]  # fmt: skip


async def test_a_product_that_is_new_and_counted_in_the_same_sync_is_told_once(
    engine: AsyncEngine, clock: MovableClock
):
    adapter, connection = scripted(
        clock,
        Stream("hubs", HubRecord, "snapshot"),
        Stream("products", ProductRecord, "snapshot"),
        Stream("stock", StockRecord, "snapshot"),
    )
    adapter.scripts = {
        "hubs": [batch(hub("h1", name="Hamburg"), complete=True)],
        "products": [batch(product("p1"), complete=True)],
        "stock": [batch(count("b1", quantity=3), complete=True)],
    }

    with await rehearse(engine, connection, clock=clock) as plan:
        (found,) = [item for item in plan.changes if item.kind is EntityKind.PRODUCT]

    assert (found.operation, found.fields["tracking"]) == ("created", (None, "counted"))


async def test_a_record_that_vanishes_from_one_source_of_two_is_told_as_gone(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    mdm, other = scripted(clock, DEVICES, name="mdm")
    adapter.scripts = {"devices": [batch(asset("a1", name="sw-1", serial="S1", place=None), resume="1")]}
    mdm.scripts = {
        "devices": [batch(asset("m1", name="sw-1", serial="S1", asset_tag="TAG-A1", place=None), resume="1")]
    }
    await pull_source(engine, connection, clock=clock)
    await pull_source(engine, other, clock=clock)
    mdm.scripts = {"devices": [batch(gone("asset", "m1"), resume="2")]}

    with await rehearse(engine, other, clock=clock) as plan:
        found = [(item.operation, item.kind, item.name, item.external_ids, item.fields) for item in plan.changes]
        fingerprint, counts = plan.fingerprint, [(report.name, report.deleted) for report in plan.streams]
    mdm.scripts = {"devices": [batch(resume="2")]}
    with await rehearse(engine, other, clock=clock) as nothing:
        assert (list(nothing.changes), nothing.fingerprint == fingerprint) == ([], False)

    assert found == [("withdrawn", EntityKind.ASSET, "sw-1", ("m1",), {})]
    assert counts == [("devices", 1)]


async def test_a_deletion_in_quarantine_is_for_a_person_and_neither_a_plan_nor_a_sync_tries_it_again(
    engine: AsyncEngine, clock: MovableClock, intake: Intake, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    await intake(hub(), asset("a1", place=ref("hub", "h1"), state=AssetState.IN_STOCK))
    await claim(engine, intake, "committed")
    await intake(gone("asset", "a1"))
    async with transaction(engine) as tx:
        await tx.execute(update(tables.reservation).values(state=ReservationState.RELEASED))
    adapter.scripts = {"devices": [batch(asset("a2", place=ref("hub", "h1")), resume="2")]}
    clock.advance(timedelta(minutes=1))

    planned = await told(engine, connection, clock)
    report = await pull_source(engine, connection, clock=clock)

    assert [item[:3] for item in planned] == [("created", "asset", "sw-a2")]
    assert report.replayed == 0
    assert [row["waits_for"] for row in await intake.quarantine()] == [None]


async def test_the_plan_of_a_source_that_was_never_synced_leaves_no_trace_of_it(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    adapter.scripts = {"sites": [batch(site("s1", name="Hamburg"), complete=True)]}
    before = await everything(engine)

    found = await told(engine, connection, clock)

    assert [item[:3] for item in found] == [("created", "site", "Hamburg")]
    assert await everything(engine) == before
    assert before["source"] == []


async def test_what_waits_for_something_that_comes_later_is_planned_as_it_will_be(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    adapter.STREAMS = (DEVICES, SITES)
    adapter.scripts = {
        "devices": [batch(asset("a1", name="sw-1", serial="S1", place=ref("site", "s1")), resume="1")],
        "sites": [batch(site("s1", name="Hamburg"), complete=True)],
    }

    found = await told(engine, connection, clock)

    assert [item for item in found if isinstance(item, Unusable)] == []
    assert ("created", "asset", "sw-1") in [item[:3] for item in found]


async def test_a_source_that_would_lose_too_much_is_planned_with_the_alarm(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    adapter.scripts = {"sites": [batch(*(site(f"s{n}", name=f"Site {n}") for n in range(40)), complete=True)]}
    await pull_source(engine, connection, clock=clock)
    adapter.scripts = {"sites": [batch(site("s1", name="Site 1"), complete=True)]}

    with await rehearse(engine, connection, clock=clock) as plan:
        assert list(plan.changes) == []
        assert "39 of 40 records (site) are missing from the source" in plan.alarms[0]


async def test_records_that_fit_one_device_are_planned_as_ambiguous_and_others_that_are_wrong_are_not(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    adapter.scripts = {
        "devices": [batch(asset("a1", name="sw-1", serial="S1", asset_tag="T1", place=None), resume="1")]
    }
    await pull_source(engine, connection, clock=clock)
    other, second = scripted(clock, DEVICES, name="other")
    wrong = Rejected(ref("asset", "o3"), b"{}", "line 3: column 'state' is 'asleep'")
    other.scripts = {
        "devices": [
            batch(
                asset("o1", serial="S1", asset_tag=None, place=None),
                asset("o2", serial=None, asset_tag="T1", place=None),
                rejected=(wrong,),
                resume="1",
            )
        ]
    }

    found = {item.ref: item.is_ambiguous for item in await told(engine, second, clock) if isinstance(item, Unusable)}

    assert found == {"asset:o1": True, "asset:o2": True, "asset:o3": False}


async def test_what_the_database_refuses_is_planned_for_the_quarantine_and_the_rest_goes_on(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    async with transaction(engine) as tx:
        await tx.execute(text("CREATE UNIQUE INDEX one_site_a_name ON site (name)"))
    adapter, connection = cmdb
    adapter.scripts = {"sites": [batch(site("s0", name="Kiel"), site("s1", name="Kiel"), site("s2"), complete=True)]}

    found = await told(engine, connection, clock)

    assert [item[2] for item in found if isinstance(item, tuple)] == ["Kiel", "Site s2"]
    assert [item.ref for item in found if isinstance(item, Unusable)] == ["site:s1"]


async def test_the_troubles_of_a_source_are_told_as_they_are(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection]
):
    adapter, connection = cmdb
    adapter.scripts = {"sites": [AuthError("the token is wrong", operation="pull")]}
    before = await everything(engine)

    with pytest.raises(AuthError, match="the token is wrong"):
        await rehearse(engine, connection, clock=clock)
    with pytest.raises(InvalidInput, match="has no stream 'tickets'"):
        await rehearse(engine, connection, clock=clock, streams=["tickets"])
    assert await everything(engine) == before


NAMES = st.sampled_from(["Hamburg", "Kiel", "Bremen", "Berlin"])
SITE_MAPS = st.dictionaries(st.sampled_from(["s1", "s2", "s3", "s4"]), NAMES, min_size=1)
DEVICE_MAPS = st.dictionaries(
    st.sampled_from(["a1", "a2", "a3"]), st.tuples(NAMES, st.sampled_from(["s1", "s2", "s3", "s4"]))
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=st.lists(st.tuples(SITE_MAPS, DEVICE_MAPS, st.booleans()), min_size=1, max_size=3))
async def test_a_sync_does_what_its_plan_said(
    engine: AsyncEngine, clock: MovableClock, cmdb: tuple[Scripted, Connection], states: list[Any]
):
    adapter, connection = cmdb
    for sites, devices, as_deferred in states:
        wrap = deferred if as_deferred else lambda record: record
        adapter.scripts = {
            "sites": [batch(*(wrap(site(key, name=name)) for key, name in sites.items()), complete=True)],
            "devices": [
                batch(
                    *(
                        wrap(asset(key, name=name, serial=f"S-{key}", place=ref("site", where)))
                        for key, (name, where) in devices.items()
                    ),
                    resume="1",
                )
            ],
        }
        async with reading(engine) as tx:
            last = (await tx.execute(select(tables.change.c.id).order_by(tables.change.c.id.desc()).limit(1))).scalar()

        with await rehearse(engine, connection, clock=clock, full=True) as plan:
            planned = [(item.kind, item.entity_id, item.operation) for item in plan.changes]
            counted = plan.streams
        report = await pull_source(engine, connection, clock=clock, full=True, resume=True)

        c = tables.change.c
        async with reading(engine) as tx:
            rows = await tx.execute(
                select(c.kind, c.entity_id, c.operation, c.fields)
                .where(c.id > (last or 0), c.actor == "source:cmdb", c.kind.not_in(["source", "quarantine"]))
                .order_by(c.id)
            )
        done: dict[tuple[Any, int], dict[str, list[Any]]] = {}
        began: dict[tuple[Any, int], str] = {}
        for kind, entity_id, operation, fields in rows:
            began.setdefault((kind, entity_id), operation)
            so_far = done.setdefault((kind, entity_id), {})
            for name, (before, after) in fields.items():
                so_far[name] = [so_far[name][0] if name in so_far else before, after]
        retired = {key for key, fields in done.items() if fields.get("retired_at", [0, None])[1]}
        expected = [
            (key[0], "retired" if operation == "updated" and key in retired else operation)
            for key, operation in began.items()
            if operation == "created" or any(before != after for before, after in done[key].values())
        ]
        assert [(kind, operation) for kind, _, operation in planned if operation != "withdrawn"] == expected
        assert list(report.streams) == counted


async def test_what_is_set_aside_comes_back_as_it_was():
    rejected = Rejected(ref=ref("site", "s9"), raw=b"\xff\x00", reason="no name", path="/name")
    gone = Tombstone(ref=ref("asset", "a9"))
    record = asset("a1", name="sw-1", serial="S1", product=SWITCH)
    late = deferred(record)
    with Spool() as spool:
        spool.add("things", batch(record, gone, late, rejected=(rejected,), complete=True))
        spool.add("others", batch(site("s1", name="Kiel")))
        spool.add("things", batch(site("s2", name="Kiel")))

        first, second = spool.batches("things")

    assert (first.records[:2], first.rejected, first.complete) == ((record, gone), (rejected,), True)
    back = first.records[2]
    assert (back.ref, back.updated_at, back.digest, back.raw, back.made()) == (  # type: ignore[union-attr]
        late.ref, late.updated_at, late.digest, late.raw, record,
    )  # fmt: skip
    assert [item.ref.external_id for item in second.records] == ["s2"]
