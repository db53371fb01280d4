"""What changes while clocks are set is in the next pull, of systems that tell or ask by local times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.sdk import Batch, EntityKind, SourceRef, Tombstone
from connector.sdk.facts import Spelling
from connector.sdk.rest import ListedPart, ListedPull, ListedRow, Listing, ListWalk
from connector.sdk.testing import Connected, MovableClock, Sandbox, find_contract
from tests.wall_clock import CHANGES

FORM = "%Y-%m-%d %H:%M:%S"
ZONES = st.sampled_from(sorted(CHANGES))


@st.composite
def a_night(draw: st.DrawFn, most: int) -> tuple[str, list[datetime]]:
    """A zone, and instants around one at which its clocks are set, in their order, to the second."""
    zone = draw(ZONES)
    turn = datetime.fromisoformat(draw(st.sampled_from(CHANGES[zone]))).replace(tzinfo=UTC)
    seconds = st.integers(-3 * 3600, 3 * 3600)
    offsets = draw(st.lists(seconds, min_size=1, max_size=most))
    return zone, [turn + timedelta(seconds=offset) for offset in sorted(offsets)]


def shown(at: datetime, zone: str) -> str:
    return at.astimezone(ZoneInfo(zone)).strftime(FORM)


@given(a_night(12))
@settings(max_examples=200, deadline=None)
def test_the_latest_reading_of_a_time_is_never_early_and_keeps_the_order_of_texts(night: tuple[str, list[datetime]]):
    zone, instants = night
    spelling = Spelling(FORM, zone)
    texts = sorted(shown(at, zone) for at in instants)

    latest = [spelling.read_latest(text) for text in texts]

    assert latest == sorted(latest)
    for at in instants:
        assert spelling.read_change(shown(at, zone)) <= at <= spelling.read_latest(shown(at, zone))


@pytest.mark.parametrize(
    ("zone", "text", "change", "latest"),
    [
        ("Europe/Berlin", "2026-10-25 02:10:00", "2026-10-25T00:00:00", "2026-10-25T01:10:00"),
        ("Europe/Berlin", "2026-10-25 03:00:00", "2026-10-25T02:00:00", "2026-10-25T02:00:00"),
        ("Australia/Lord_Howe", "2026-04-05 01:45:00", "2026-04-04T14:30:00", "2026-04-04T15:15:00"),
        # there is no such time: clocks were set forward at 01:00 UTC
        ("Europe/Berlin", "2026-03-29 02:30:00", "2026-03-29T00:59:59.999999", "2026-03-29T01:00:00"),
    ],
)
def test_a_time_that_comes_twice_or_never_has_an_earliest_and_a_latest_reading(
    zone: str, text: str, change: str, latest: str
):
    spelling = Spelling(FORM, zone)

    read = [spelling.read_change(text), spelling.read_latest(text)]

    assert [at.replace(tzinfo=None).isoformat() for at in read] == [change, latest]


@dataclass
class Shelf:
    """Things with local times, listed latest change first or along their ids. by_text: sorted by what is shown."""

    zone: str
    by_text: bool
    stamps: dict[int, datetime] = field(default_factory=dict)
    asked: int = 0

    async def part(self, newest: bool, offset: int, limit: int) -> Listing:
        self.asked += 1
        key: Callable[[int], Any] = (lambda n: shown(self.stamps[n], self.zone)) if self.by_text else self.stamps.get
        numbers = sorted(self.stamps, key=key, reverse=True) if newest else sorted(self.stamps)
        rows = [{"id": number, "at": shown(self.stamps[number], self.zone)} for number in numbers]
        return Listing(rows[offset : offset + limit], len(rows))


def listed_pull(shelf: Shelf, clock: MovableClock, size: int) -> ListedPull:
    spelling = Spelling(FORM, shelf.zone)

    def changed_at(row: ListedRow, *, latest: bool = False) -> datetime:
        return spelling.read_latest(row["at"]) if latest else spelling.read_change(row["at"])

    async def read(rows: Any) -> Any:
        refs = [SourceRef(kind=EntityKind.ASSET, external_id=str(row["id"])) for row in rows]
        return tuple(Tombstone(ref=ref, updated_at=changed_at(row)) for ref, row in zip(refs, rows, strict=True)), ()

    walk = ListWalk(shelf.part, size, "things", "pull things")
    return ListedPull([ListedPart("things", walk, read)], clock, timedelta(0), "the same", changed_at)


@given(a_night(25), st.booleans(), st.data())
@settings(max_examples=150, deadline=None)
def test_a_list_that_cannot_be_asked_by_time_tells_each_change_with_the_next_pull(
    night: tuple[str, list[datetime]], by_text: bool, data: st.DataObject
):
    """No overlap helps; rows change one after the other, and are pulled now and then."""
    zone, instants = night
    shelf, clock = Shelf(zone, by_text), MovableClock(instants[0])
    story = _Story({})

    async def pull(since: str | None) -> list[Batch]:
        shelf.asked = 0
        batches = [batch async for batch in listed_pull(shelf, clock, 4).batches(since)]
        assert shelf.asked < 40
        return batches

    async def run() -> None:
        for at in instants:
            number = data.draw(st.integers(1, 12))
            shelf.stamps[number] = clock.at = at
            story.changed(SourceRef(kind=EntityKind.ASSET, external_id=str(number)), at)
            if data.draw(st.booleans()):
                story.told(await pull(story.since))
        story.told(await pull(story.since))

    asyncio.run(run())


@dataclass
class _Story:
    """What changed, and what was told of it."""

    stamps: dict[SourceRef, datetime]
    since: str | None = None
    waiting: set[SourceRef] = field(default_factory=set)
    seen: dict[SourceRef, datetime] = field(default_factory=dict)

    def changed(self, ref: SourceRef, at: datetime) -> None:
        self.stamps[ref] = at
        self.waiting.add(ref)

    def told(self, batches: list[Batch]) -> None:
        """All that changed is there, no later than it changed and no older than what was told before."""
        for batch in batches:
            assert batch.rejected == ()
            for record in batch.records:
                assert record.updated_at is not None
                assert record.updated_at <= self.stamps[record.ref]
                assert record.updated_at >= self.seen.get(record.ref, record.updated_at)
                self.seen[record.ref] = record.updated_at
                self.waiting.discard(record.ref)
        assert self.waiting == set()
        self.since = batches[-1].resume


LOCAL = [("snipe_it", "hardware"), ("glpi", "hardware"), ("glpi", "tickets"), ("itop", "hardware"), ("itop", "tickets"),
         ("jira_service_management", "tickets")]  # fmt: skip


@pytest.mark.parametrize(("adapter", "stream"), LOCAL)
@given(a_night(14), st.data())
@settings(max_examples=25, deadline=None)
def test_each_change_is_in_the_next_pull_and_is_no_older_than_what_was_told(
    adapter: str, stream: str, night: tuple[str, list[datetime]], data: st.DataObject
):
    zone, instants = night
    clock = MovableClock(instants[0])
    sandbox = _sandbox(adapter, clock, zone, data)
    story = _Story({})

    async def run() -> None:
        async with Connected.to(adapter, sandbox, clock) as source:
            for at in instants:
                clock.at = at
                if story.stamps and data.draw(st.booleans()):
                    ref = data.draw(st.sampled_from(sorted(story.stamps, key=str)))
                    sandbox.touch(ref, at=at)
                else:
                    [ref] = sandbox.seed(stream, 1, at=at, step=timedelta(0))
                story.changed(ref, at)
                if data.draw(st.booleans()):
                    await pull(source)
            await pull(source)

    async def pull(source: Connected) -> None:
        source.requests.clear()
        story.told(await source.pull(stream, story.since))
        assert len(source.requests) < 150

    asyncio.run(run())


def _sandbox(adapter: str, clock: MovableClock, zone: str, data: st.DataObject) -> Sandbox:
    is_jira = adapter == "jira_service_management"
    there = {"user_time_zone": zone, "fold": data.draw(st.integers(0, 1))} if is_jira else {"zone": zone}
    made: Callable[..., Sandbox] = find_contract(adapter).sandbox
    return made(clock, **there)
