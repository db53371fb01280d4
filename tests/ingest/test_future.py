"""A source whose clock was ahead tells of the future; what it says afterwards is heard all the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import NOW
from tests.ingest.adapters import SECRET, scripted
from tests.ingest.arriving import receive
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, batch, gone, ref, site

from connector.ingest.inbox import process_inbox
from connector.ingest.pull import pull_source
from connector.ingest.rehearsal import rehearse
from connector.ingest.replay import replay
from connector.sdk import AssetRecord, Record, Stream, WebhookRequest, WebhookResult

DEVICES = Stream("devices", AssetRecord, "incremental")
IN_A_YEAR = NOW + timedelta(days=365)
MINUTE = timedelta(minutes=1)


class Source:
    """A source that is pulled, and pushes."""

    def __init__(self, engine: AsyncEngine, clock: MovableClock) -> None:
        self.engine, self.clock = engine, clock
        self.adapter, self.connection = scripted(clock, DEVICES)

    async def pull(self, *steps: Any, after: timedelta = MINUTE, full: bool = False) -> tuple[int, int]:
        """How many records changed something, and how many nothing."""
        self.clock.advance(after)
        self.adapter.scripts = {"devices": [batch(step) if isinstance(step, Record) else step for step in steps]}
        report = await pull_source(self.engine, self.connection, clock=self.clock, full=full)
        [stream] = report.streams
        return stream.created + stream.updated + stream.deleted, stream.unchanged

    async def push(self, *records: Record, after: timedelta = MINUTE) -> None:
        self.clock.advance(after)
        await self.receive(*records)
        await self.deal()

    async def receive(self, *records: Record) -> None:
        body = repr(records).encode()
        self.adapter.webhooks[body] = WebhookResult(records=records)
        request = WebhookRequest(headers={"x-signature": SECRET}, body=body, received_at=self.clock.now())
        await receive(self.engine, self.connection, request)

    async def hint(self, record: Record) -> None:
        """It says that something is new, and what when it is asked."""
        self.clock.advance(MINUTE)
        self.adapter.objects[record.ref] = record
        self.adapter.webhooks[b"hint"] = WebhookResult(fetch=(record.ref,))
        request = WebhookRequest(headers={"x-signature": SECRET}, body=b"hint", received_at=self.clock.now())
        await receive(self.engine, self.connection, request)
        await self.deal()

    async def deal(self) -> None:
        await process_inbox(self.engine, {self.connection.name: self.connection}, clock=self.clock)


@pytest.fixture
def source(engine: AsyncEngine, clock: MovableClock) -> Source:
    return Source(engine, clock)


def device(name: str, at: datetime, **values: Any) -> AssetRecord:
    return asset(place=None, name=name, updated_at=at, **values)


async def name_of(intake: Intake) -> str:
    return str((await intake.row("asset"))["name"])


async def test_a_record_from_the_future_is_corrected_by_the_next_pull(intake: Intake, source: Source):
    await source.pull(device("wrong", IN_A_YEAR))

    await source.pull(device("right", source.clock.now() + MINUTE))

    assert await name_of(intake) == "right"
    assert [(row["version"], row["heard_at"]) for row in await intake.refs()] == [(source.clock.now(), None)]


@pytest.mark.parametrize("stamp", [NOW - timedelta(days=9), IN_A_YEAR - MINUTE], ids=["long ago", "in the future"])
async def test_whatever_time_the_next_pull_tells_it_is_what_holds(intake: Intake, source: Source, stamp: datetime):
    await source.pull(device("wrong", IN_A_YEAR))

    await source.pull(device("right", stamp), full=True)

    assert await name_of(intake) == "right"


async def test_a_correction_in_the_same_pull_counts(intake: Intake, source: Source):
    await source.pull(device("wrong", IN_A_YEAR), device("right", NOW))

    assert await name_of(intake) == "right"


async def test_a_correction_in_the_same_batch_counts(intake: Intake, source: Source):
    await source.pull(batch(device("old", NOW), device("wrong", IN_A_YEAR), device("right", NOW)))

    assert await name_of(intake) == "right"


async def test_a_correction_that_is_pushed_counts(intake: Intake, source: Source):
    await source.pull(device("wrong", IN_A_YEAR))

    await source.push(device("right", source.clock.now() + MINUTE))

    assert await name_of(intake) == "right"


async def test_a_correction_that_is_fetched_counts(intake: Intake, source: Source):
    await source.pull(device("wrong", IN_A_YEAR))

    await source.hint(device("right", NOW - timedelta(days=9)))

    assert await name_of(intake) == "right"


async def test_what_was_pushed_before_a_record_from_the_future_and_comes_after_it_does_not_count(
    intake: Intake, source: Source
):
    await source.pull(device("new", IN_A_YEAR))

    await source.push(device("old", source.clock.now() - MINUTE))

    assert await name_of(intake) == "new"


async def test_a_page_that_was_read_before_something_was_pushed_does_not_count(intake: Intake, source: Source):
    async def meanwhile() -> None:
        await source.push(device("new", IN_A_YEAR))

    await source.pull(device("old", NOW - MINUTE))
    await source.pull(meanwhile, device("older", NOW - 2 * MINUTE))

    assert await name_of(intake) == "new"


async def test_a_source_whose_clock_is_always_ahead_keeps_its_own_order(intake: Intake, source: Source):
    hour = timedelta(hours=1)
    await source.pull(device("new", NOW + hour))

    await source.push(device("old", NOW + hour - MINUTE))
    after_the_old = await name_of(intake)
    await source.push(device("newer", source.clock.now() + hour))

    assert (after_the_old, await name_of(intake)) == ("new", "newer")


async def test_a_clock_that_is_ahead_by_a_little_is_not_in_the_future(intake: Intake, source: Source):
    await source.pull(device("new", NOW + 6 * MINUTE), after=MINUTE)

    await source.pull(device("old", NOW + 5 * MINUTE))

    assert await name_of(intake) == "new"
    assert [row["heard_at"] for row in await intake.refs()] == [None]


async def test_a_delivery_is_judged_by_when_it_came_not_by_when_it_is_dealt_with(intake: Intake, source: Source):
    hour = timedelta(hours=1)
    await source.receive(device("old", source.clock.now() + hour - MINUTE))
    await source.pull(device("new", source.clock.now() + hour))
    source.clock.advance(2 * hour)

    await source.deal()

    assert await name_of(intake) == "new"


async def test_what_waited_in_quarantine_is_judged_by_when_it_came(intake: Intake, source: Source):
    wrong = asset(name="wrong", place=ref("site", "s9"), updated_at=source.clock.now() + timedelta(hours=1))
    await source.pull(device("first", NOW - MINUTE))
    await source.pull(wrong)
    (waiting,) = await intake.quarantine()
    source.clock.advance(timedelta(hours=2))
    await intake(site("s9"))

    replayed = await replay(source.engine, {}, [waiting["id"]], clock=source.clock)
    held = await name_of(intake)
    await source.pull(device("right", NOW), full=True)

    assert (replayed.applied, held, await name_of(intake)) == (1, "wrong", "right")


async def test_a_record_from_the_future_that_is_told_again_costs_nothing(intake: Intake, source: Source):
    await source.pull(device("wrong", IN_A_YEAR))
    before = await intake.refs()

    told = await source.pull(device("wrong", IN_A_YEAR))

    assert (told, await intake.refs()) == ((0, 1), before)


async def test_only_its_time_is_corrected(intake: Intake, source: Source):
    await source.pull(device("right", IN_A_YEAR))
    await source.pull(device("right", NOW - MINUTE))

    await source.push(device("older", NOW - 2 * MINUTE))

    assert await name_of(intake) == "right"
    assert [(row["version"], row["heard_at"]) for row in await intake.refs()] == [(NOW - MINUTE, None)]


async def test_what_was_deleted_in_the_future_is_back_when_it_is_shown(intake: Intake, source: Source):
    await source.pull(device("there", NOW))
    await source.push(gone("asset", "a1").model_copy(update={"updated_at": IN_A_YEAR}))
    was_retired = (await intake.row("asset"))["retired_at"] is not None

    await source.push(device("late", NOW + MINUTE))
    is_back_by_a_late_one = (await intake.row("asset"))["retired_at"] is None
    await source.pull(device("there", NOW), full=True)

    assert (was_retired, is_back_by_a_late_one) == (True, False)
    assert (await intake.row("asset"))["retired_at"] is None


async def test_a_plan_says_what_the_pull_then_does(intake: Intake, source: Source):
    await source.pull(device("wrong", IN_A_YEAR))
    source.clock.advance(MINUTE)
    source.adapter.scripts = {"devices": [batch(device("right", NOW))]}

    with await rehearse(source.engine, source.connection, clock=source.clock) as plan:
        found = [(item.operation, item.fields["name"]) for item in plan.changes]

    assert found == [("updated", ("wrong", "right"))]
    assert await name_of(intake) == "wrong"
