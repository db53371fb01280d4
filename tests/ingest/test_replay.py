from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.adapters import SECRET, scripted
from tests.ingest.arriving import receive
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, batch, ref, rejected, site
from tests.ingest.test_inbox import request

from connector.ingest.inbox import process_inbox
from connector.ingest.replay import Replayed, discard, replay, replay_source
from connector.model.errors import NotKnown
from connector.sdk import Transient, WebhookResult
from connector.storage.database.engine import reading
from connector.storage.sources.quarantine import count_open, list_quarantine, quarantine_entry


async def test_entries_are_listed_by_page_and_shown_whole(intake: Intake, engine: AsyncEngine):
    await intake.batch(batch(rejected=tuple(rejected(b"raw %d" % n) for n in range(5))))

    async with reading(engine) as tx:
        first = await list_quarantine(tx, limit=3)
        second = await list_quarantine(tx, limit=3, after=first[-1].id)
        shown = await quarantine_entry(tx, first[0].id)
        assert await count_open(tx, 1) == 5

    assert [entry.raw for entry in (*first, *second)] == [b"raw %d" % n for n in range(5)]
    assert (shown.source, shown.stream, shown.reason, shown.attempts) == ("cmdb", "things", "the serial is a number", 1)


async def test_an_entry_that_is_not_there_is_named(engine: AsyncEngine):
    async with reading(engine) as tx:
        with pytest.raises(NotKnown, match=r"there is no quarantine entry 7\. `connector quarantine list` shows"):
            await quarantine_entry(tx, 7)


async def test_a_kept_record_is_applied_again(intake: Intake, engine: AsyncEngine, clock: MovableClock):
    await intake(asset("a1"))
    (entry,) = await intake.quarantine()
    await intake(site())

    result = await replay(engine, {}, [entry["id"]], clock=clock)

    assert result == Replayed(applied=1, remaining=0)
    assert (await intake.row("asset"))["serial"] == "SN-A1"
    assert (await intake.quarantine(is_open=False))[0]["resolved_at"] == clock.now()


async def test_a_record_that_still_cannot_be_used_keeps_its_entry(
    intake: Intake, engine: AsyncEngine, clock: MovableClock
):
    await intake(asset("a1"))
    (entry,) = await intake.quarantine()

    result = await replay(engine, {}, [entry["id"]], clock=clock)

    (again,) = await intake.quarantine()
    assert result == Replayed(applied=0, remaining=1)
    assert (again["id"], again["attempts"], again["waits_for"]) == (entry["id"], 2, "site:s1")


async def test_a_record_that_could_not_be_normalised_is_read_again_from_its_source(
    intake: Intake, engine: AsyncEngine, clock: MovableClock
):
    adapter, connection = scripted(clock)
    await intake.batch(batch(rejected=(rejected(b"broken", of=ref("site", "s1")),)))
    (entry,) = await intake.quarantine()
    adapter.failing = Transient(f"no answer to {SECRET}")
    failed = await replay(engine, {"cmdb": connection}, [entry["id"]], clock=clock)
    (after,) = await intake.quarantine()

    adapter.failing, adapter.objects = None, {ref("site", "s1"): site()}
    worked = await replay(engine, {"cmdb": connection}, [entry["id"]], clock=clock)

    assert (failed.remaining, worked.applied) == (1, 1)
    assert after["reason"] == "site:s1 could not be read again: no answer to [redacted]"
    assert (await intake.row("site"))["name"] == "Site s1"
    assert await intake.quarantine() == []


async def test_an_adapter_that_breaks_off_keeps_the_reason_and_ends_no_replay(
    intake: Intake, engine: AsyncEngine, clock: MovableClock
):
    adapter, connection = scripted(clock)
    await intake.batch(batch(rejected=(rejected(b"broken", of=ref("site", "s1")),)))
    adapter.failing = KeyError(SECRET)

    result = await replay_source(engine, {"cmdb": connection}, "cmdb", clock=clock)

    (after,) = await intake.quarantine()
    assert result == Replayed(applied=0, remaining=1)
    assert after["reason"] == (
        f"site:s1 could not be read again: the adapter {connection.adapter_name!r} failed with KeyError: '[redacted]'. "
        "That is a defect of the adapter; report it to whoever maintains it."
    )


async def test_a_record_that_no_longer_exists_says_so(intake: Intake, engine: AsyncEngine, clock: MovableClock):
    _, connection = scripted(clock)
    await intake.batch(batch(rejected=(rejected(b"broken", of=ref("site", "s1")),)))

    await replay(engine, {"cmdb": connection}, [(await intake.quarantine())[0]["id"]], clock=clock)

    assert (await intake.quarantine())[0]["reason"] == "site:s1 no longer exists in source 'cmdb'. Discard this entry."


async def test_a_webhook_goes_back_to_the_inbox(intake: Intake, engine: AsyncEngine, clock: MovableClock):
    adapter, connection = scripted(clock)
    await receive(engine, connection, request(clock, b"new format"))
    await process_inbox(engine, {"cmdb": connection}, clock=clock)
    (entry,) = await intake.quarantine()
    adapter.webhooks[b"new format"] = WebhookResult(records=(site(),))

    result = await replay(engine, {"cmdb": connection}, [entry["id"]], clock=clock)
    done = await process_inbox(engine, {"cmdb": connection}, clock=clock)

    assert (result.applied, done) == (1, 1)
    assert (await intake.row("site"))["name"] == "Site s1"


async def test_all_entries_of_a_source_are_tried(intake: Intake, engine: AsyncEngine, clock: MovableClock):
    await intake(*(asset(f"a{n}", place=ref("site", f"s{n % 2}")) for n in range(6)))
    await intake(asset("b1"), source="other")
    await intake(site("s1"))

    result = await replay_source(engine, {}, "cmdb", clock=clock)

    assert result == Replayed(applied=3, remaining=3)
    assert len(await intake.quarantine()) == 4


async def test_a_discarded_entry_is_closed_and_stays_readable(intake: Intake, engine: AsyncEngine, clock: MovableClock):
    await intake.batch(batch(rejected=(rejected(b"raw"),)))
    (entry,) = await intake.quarantine()

    assert await discard(engine, [entry["id"]], actor="lee", clock=clock) == 1
    assert await discard(engine, [entry["id"]], actor="lee", clock=clock) == 0

    assert await intake.quarantine() == []
    async with reading(engine) as tx:
        assert (await quarantine_entry(tx, entry["id"])).raw == b"raw"
    change = (await intake.changes("quarantine"))[-1]
    assert (change["actor"], change["operation"]) == ("lee", "updated")
