from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import NOW
from tests.ingest.conftest import Intake
from tests.ingest.records import SWITCH, asset, batch, hub, product, ref, rejected, site, version

from connector.model.lifecycle import AssetState


async def test_records_become_rows_with_a_change_row_and_a_reference_each(intake: Intake):
    applied = await intake(site(), hub(), product("p1"), asset(product=ref("product", "p1")))

    assert (applied.seen, applied.created, applied.updated, applied.unchanged) == (4, 4, 0, 0)
    assert (await intake.row("site"))["latitude"] == 52.5
    assert (await intake.row("site"))["country"] == "DE"
    assert (await intake.row("hub"))["courier_cut_offs"] == []
    row = await intake.row("asset")
    assert row["serial"] == "SN-A1"
    assert row["product_id"] == (await intake.row("product"))["id"]
    assert row["site_id"] == (await intake.row("site"))["id"]
    assert row["hub_id"] is None
    created = {change["kind"].value: change for change in await intake.changes()}
    assert sorted(created) == ["asset", "hub", "product", "site", "source"]
    assert created["asset"]["operation"] == "created"
    assert created["asset"]["actor"] == "source:cmdb"
    assert created["asset"]["fields"]["state"] == [None, "deployed"]
    assert "holder" not in created["asset"]["fields"]
    assert [(r["kind"].value, r["external_id"]) for r in await intake.refs()] == [
        ("hub", "h1"), ("site", "s1"), ("product", "p1"), ("asset", "a1"),
    ]  # fmt: skip


async def test_a_change_row_holds_only_what_changed_before_and_after(intake: Intake):
    await intake(site(), asset(name="old"))

    applied = await intake(asset(v=2, name="new"))

    assert (applied.created, applied.updated) == (0, 1)
    (change,) = [c for c in await intake.changes("asset") if c["operation"] == "updated"]
    assert change["fields"] == {"name": ["old", "new"]}
    assert (await intake.row("asset"))["updated_at"] == intake.clock.now()


async def test_the_same_again_writes_nothing(intake: Intake, engine: AsyncEngine):
    records = (site(), hub(), product(), asset())
    await intake(*records, resume="cursor-1")
    written: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.split(None, 1)[0] in ("INSERT", "UPDATE", "DELETE"):
            written.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    applied = await intake(*records, resume="cursor-1")

    assert written == []
    assert (applied.seen, applied.unchanged, applied.created, applied.updated) == (4, 4, 0, 0)


async def test_a_source_that_touches_a_record_without_changing_it_only_moves_its_version(intake: Intake):
    await intake(site(), asset(v=1))
    before = await intake.count_changes()

    applied = await intake(asset(v=5))

    assert (applied.created, applied.updated) == (0, 0)
    assert await intake.count_changes() == before
    assert (await intake.refs())[-1]["version"] == version(5)


async def test_of_two_that_have_one_version_the_one_that_is_told_last_counts(intake: Intake):
    """Systems whose clocks are coarse, or set back, stamp two changes alike."""
    await intake(site(), asset(v=3, name="first"))

    await intake(asset(v=3, name="second"))

    assert (await intake.row("asset"))["name"] == "second"


async def test_an_older_version_never_overwrites_a_newer_one(intake: Intake):
    await intake(site(), asset(v=3, name="newest"))

    await intake(asset(v=2, name="older"))
    await intake(asset(v=4, name="newest"))
    applied = await intake(asset(v=3, name="late"))

    assert applied.unchanged == 1
    assert (await intake.row("asset"))["name"] == "newest"


async def test_of_several_versions_in_one_batch_the_newest_counts(intake: Intake):
    await intake(site(), asset(v=3, name="newest"), asset(v=1, name="oldest"), asset(v=2, name="older"))

    assert (await intake.row("asset"))["name"] == "newest"
    assert len(await intake.changes("asset")) == 1


async def test_the_cursor_is_kept_with_the_batch_and_not_without_it(intake: Intake, engine: AsyncEngine):
    from sqlalchemy import select

    from connector.storage.database.engine import reading
    from connector.storage.tables import source_stream

    async def resumes() -> list[str | None]:
        async with reading(engine) as tx:
            return list((await tx.execute(select(source_stream.c.resume))).scalars())

    await intake(site(), resume="one")
    await intake(resume="two")

    assert await resumes() == ["two"]


async def test_a_value_that_the_only_source_no_longer_states_is_gone(intake: Intake):
    await intake(site(), asset(v=1, holder="Ms Lee"))

    await intake(asset(v=2, holder=None))

    assert (await intake.row("asset"))["holder"] is None


async def test_a_value_left_out_never_erases_what_another_source_said(intake: Intake):
    await intake(site(), asset(v=1, holder=None, url="https://cmdb.example.com/a1"))
    await intake(
        asset("x9", serial="sn-a1 ", asset_tag=None, name=None, place=None, state=None, holder="Ms Lee"), source="itsm"
    )

    await intake(asset(v=2, holder=None, url=None))

    row = await intake.row("asset")
    assert row["holder"] == "Ms Lee"
    assert row["url"] is None, "nobody else said it"
    assert row["name"] == "sw-a1"


async def test_each_source_keeps_its_reference_to_the_same_thing(intake: Intake):
    await intake(site(), asset())
    await intake(asset("x9", serial="SN-A1", asset_tag=None, place=None), source="itsm")

    refs = [r for r in await intake.refs() if r["kind"].value == "asset"]
    assert {r["entity_id"] for r in refs} == {(await intake.row("asset"))["id"]}
    assert len({r["source_id"] for r in refs}) == 2


async def test_what_an_adapter_rejects_is_kept_whole_with_its_reason(intake: Intake):
    applied = await intake.batch(batch(site(), rejected=(rejected(b'{"serial": 7}', of=ref("asset", "a7")),)))

    assert (applied.seen, applied.created, applied.quarantined) == (2, 1, 1)
    (entry,) = await intake.quarantine()
    assert entry["raw"] == b'{"serial": 7}'
    assert (entry["reason"], entry["path"], entry["external_ref"]) == ("the serial is a number", "/serial", "asset:a7")
    assert (entry["attempts"], entry["record"]) == (1, None)


async def test_the_same_rejected_record_again_is_one_entry_with_another_attempt(intake: Intake):
    for _ in range(2):
        await intake.batch(batch(rejected=(rejected(b"raw"),)))

    (entry,) = await intake.quarantine()
    assert entry["attempts"] == 2
    assert entry["last_seen_at"] - entry["first_seen_at"] == timedelta(seconds=1)


async def test_an_entry_is_settled_when_the_thing_arrives_in_good_order(intake: Intake):
    await intake.batch(batch(rejected=(rejected(b"raw", of=ref("site", "s1")),)))

    await intake(site())

    assert await intake.quarantine() == []
    (entry,) = await intake.quarantine(is_open=False)
    assert entry["resolved_at"] == intake.clock.now()


async def test_a_record_whose_product_or_place_is_unknown_waits_for_it(intake: Intake):
    await intake(asset("a1", product=ref("product", "p9"), place=None), asset("a2", place=ref("site", "s9")))

    first, second = await intake.quarantine()
    assert first["waits_for"] == "product:p9"
    assert first["reason"] == (
        "asset:a1 refers to product 'p9', which is not known yet. It is applied by itself when that arrives."
    )
    assert (first["path"], second["path"]) == ("/product", "/place")
    assert second["waits_for"] == "site:s9"
    assert first["record"]["type"] == "AssetRecord"
    assert await intake.rows("asset") == []


async def test_a_batch_is_one_unit_with_its_caller(engine: AsyncEngine, clock: MovableClock, intake: Intake):
    from connector.ingest.apply import apply
    from connector.storage.database.engine import transaction
    from connector.storage.sources.sources import register_source

    async def fail() -> None:
        async with transaction(engine) as tx:
            source_id = await register_source(tx, name="cmdb", adapter="test", at=NOW)
            await apply(tx, source_id, "things", batch(site(), resume="x"), actor="test", at=NOW)
            raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError, match="pulled the plug"):
        await fail()

    assert await intake.rows("site") == []
    assert await intake.refs() == []


async def test_the_number_of_statements_does_not_grow_with_the_batch(intake: Intake, engine: AsyncEngine):
    await intake(site(), hub(), product())
    counts: list[int] = []
    statements = 0

    def count(*_args: object) -> None:
        nonlocal statements
        statements += 1

    event.listen(engine.sync_engine, "before_cursor_execute", count)
    for name, size in (("few", 2), ("many", 200)):
        statements = 0
        await intake(*(asset(f"{name}-{n}", product=SWITCH, place=ref("hub", "h1"), state=AssetState.IN_STOCK)
                       for n in range(size)))  # fmt: skip
        counts.append(statements)

    assert counts[1] <= counts[0]
    assert counts[1] < 40
