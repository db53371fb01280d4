"""Systems that write their times without a zone, on the days on which clocks are set."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.sdk import InvalidRecord
from connector.sdk.facts import Spelling

from .conftest import Source, document, row

SECOND = timedelta(seconds=1)
PATTERN = "%Y-%m-%d %H:%M:%S"
PATTERNS = (PATTERN, "%d.%m.%Y %H:%M", "%Y-%m-%dT%H", "%Y-%m-%d")
YEARS = {
    "Europe/Berlin": 2026,
    "America/New_York": 2026,
    "Australia/Lord_Howe": 2026,  # by half an hour
    "Antarctica/Troll": 2026,  # by two hours
    "America/Havana": 2026,  # midnight comes twice
    "Asia/Beirut": 2026,  # there is no midnight, and the day's last hour comes twice
    "America/St_Johns": 2008,  # a minute after midnight
    "Africa/Casablanca": 2026,  # for the month of Ramadan
    "Pacific/Apia": 2011,  # a day was left out
    "Asia/Kolkata": 2026,  # never
}


@cache
def turns(zone: str) -> tuple[datetime, ...]:
    """The instants of a year at which the clocks of a zone are set, found by looking at every hour, then second."""
    start, there = datetime(YEARS[zone], 1, 1, tzinfo=UTC), ZoneInfo(zone)
    found = []
    for hour in range(366 * 24):
        at = start + timedelta(hours=hour)
        if at.astimezone(there).utcoffset() != (at + timedelta(hours=1)).astimezone(there).utcoffset():
            before = at.astimezone(there).utcoffset()
            found.append(
                next(at + SECOND * n for n in range(3601) if (at + SECOND * n).astimezone(there).utcoffset() != before)
            )
    return tuple(found)


ZONES = st.sampled_from(sorted(YEARS))


@st.composite
def near(draw: st.DrawFn, zone: str) -> datetime:
    """An instant within two days of clocks being set, or any of the year."""
    year = datetime(YEARS[zone], 1, 1, tzinfo=UTC)
    middle = draw(st.sampled_from(turns(zone) or (year,)))
    days = draw(st.sampled_from((0.1, 0.2, 2, 180)))
    return middle + draw(st.timedeltas(timedelta(days=-days), timedelta(days=days)))


@st.composite
def zone_and_instants(draw: st.DrawFn, most: int) -> tuple[str, list[datetime]]:
    zone = draw(ZONES)
    return zone, draw(st.lists(near(zone), min_size=1, max_size=most))


def shown(at: datetime, zone: str, form: str = PATTERN) -> str:
    return at.astimezone(ZoneInfo(zone)).strftime(form)


def test_the_days_that_are_meant_are_there():
    assert [len(turns(zone)) for zone in YEARS] == [2, 2, 2, 2, 2, 2, 2, 2, 3, 0]


@given(zone_and_instants(12), st.sampled_from(PATTERNS))
@settings(max_examples=200, deadline=None)
def test_times_of_changes_are_never_late_and_keep_their_order(given, form):
    zone, instants = given
    spelling = Spelling(form, zone)

    read = [spelling.read_change(shown(at, zone, form)) for at in sorted(instants)]

    assert all(a <= b for a, b in pairwise(read))
    assert all(a <= at for a, at in zip(read, sorted(instants), strict=True))


@given(ZONES, st.data())
@settings(max_examples=200, deadline=None)
def test_every_local_time_is_read_in_the_order_of_its_text(zone, data):
    """Also those that do not exist, which a system writes that adds to local times."""
    there = [near(zone).map(lambda at: at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for _ in range(6)]
    off = st.timedeltas(timedelta(hours=-3), timedelta(hours=3))
    locals_ = sorted(data.draw(each) + data.draw(off) for each in there)
    spelling = Spelling(PATTERN, zone)

    texts = [local.strftime(PATTERN) for local in locals_]
    read = [spelling.read_change(text) for text in texts]

    assert read == [spelling.read_change(text) for text in texts]
    assert all(a <= b for a, b in pairwise(read))
    for text, at in zip(texts, read, strict=True):
        means = [datetime.strptime(text, PATTERN).replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1)]
        assert spelling.read(text) == means[0].astimezone(UTC)
        assert at <= max(each.astimezone(UTC) for each in means)
        assert spelling.write(at) <= text


@given(st.datetimes(), ZONES, st.sampled_from(["iso", *PATTERNS]))
@settings(max_examples=200, deadline=None)
def test_any_time_is_read_or_refused(local, zone, form):
    text = local.isoformat() if form == "iso" else local.strftime(form)
    for read in (Spelling(form, zone).read, Spelling(form, zone).read_change):
        try:
            at = read(text)
        except InvalidRecord:
            assert local.year < 1000 or local.year == 9999
        else:
            assert at.tzinfo is UTC


@given(zone_and_instants(2), st.sampled_from(PATTERNS), st.sampled_from(["text", "first", "second"]))
@settings(max_examples=400, deadline=None)
def test_what_is_asked_leaves_nothing_out(given, form, reader):
    """Whether the system compares texts, or reads the time and takes the first or the second of two."""
    zone, instants = given
    watermark, changed = min(instants), max(instants)
    spelling = Spelling(form, zone)

    asked = spelling.write(watermark)

    if reader == "text":
        in_utc = Spelling(form, "UTC")
        assert in_utc.read(asked) <= in_utc.read(shown(changed, zone, form))
    else:
        parsed = datetime.strptime(asked, form).replace(tzinfo=ZoneInfo(zone), fold=int(reader == "second"))
        assert parsed.astimezone(UTC) <= changed
    assert spelling.asked(watermark) <= watermark
    assert spelling.asked(spelling.asked(watermark)) == spelling.asked(watermark)
    assert spelling.asked(watermark) <= spelling.asked(changed)


class Desk:
    """Rows with local times. by_text: it compares and sorts them as text, else as the instants that it knows."""

    def __init__(self, zone: str, *, by_text: bool, fold: int, size: int = 3) -> None:
        self.zone, self.by_text, self.fold, self.size = zone, by_text, fold, size
        self.stamps: dict[int, datetime] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        keys = sorted(self.stamps, key=lambda key: (self._place(key), key))
        since = query.get("since")
        if since is not None:
            keys = [key for key in keys if self._place(key) >= self._asked(since)]
        start = int(query["skip"]) if "skip" in query else (int(query["p"]) - 1) * self.size
        rows = [row(key, shown(self.stamps[key], self.zone)) for key in keys[start : start + self.size]]
        return httpx.Response(200, content=json.dumps({"data": rows, "total": len(keys)}).encode())

    def _place(self, key: int) -> str | datetime:
        return shown(self.stamps[key], self.zone) if self.by_text else self.stamps[key].replace(microsecond=0)

    def _asked(self, text: str) -> str | datetime:
        if self.by_text:
            return text
        return datetime.strptime(text, PATTERN).replace(tzinfo=ZoneInfo(self.zone), fold=self.fold).astimezone(UTC)


PAGES: dict[str, dict[str, Any]] = {
    "offset": {"kind": "offset", "param": "skip", "limit": "take", "size": 3, "total": "total"},
    "page": {"kind": "page", "param": "p", "total": "total"},
}


@given(zone_and_instants(20), st.booleans(), st.integers(0, 1), st.sampled_from(sorted(PAGES)), st.data())
@settings(max_examples=120, deadline=None)
def test_each_change_is_in_the_next_pull_and_is_no_older_than_what_was_there(given, by_text, fold, pages, data):
    """Rows change one after the other, and are pulled now and then, with no overlap to help."""
    zone, instants = given
    desk = Desk(zone, by_text=by_text, fold=fold)
    facts = document(pages=PAGES[pages], times=PATTERN, time_zone=zone, changes={"param": "since", "overlap": "PT0S"})
    source = Source(desk, facts)
    since, seen, waiting = None, {}, set()

    async def pull() -> None:
        nonlocal since
        source.sent.clear()
        for batch in await source.pull(since=since):
            assert batch.rejected == ()
            for record in batch.records:
                key = int(record.ref.external_id)
                waiting.discard(key)
                assert record.updated_at <= desk.stamps[key]
                assert record.updated_at >= seen.get(key, record.updated_at)
                seen[key] = record.updated_at
            since = batch.resume
        assert not waiting
        assert len(source.sent) <= 4 * len(desk.stamps) + 4

    async def night() -> None:
        for at in sorted(instants):
            key = data.draw(st.integers(1, 9))
            desk.stamps[key] = at
            source.clock.at = at
            waiting.add(key)
            if data.draw(st.booleans()):
                await pull()
        await pull()

    asyncio.run(night())


@pytest.mark.parametrize("fold", [0, 1])
async def test_a_row_that_changes_again_in_the_second_hour_is_newer_than_in_the_first(fold: int):
    """In Berlin it is 02:50, and 20 minutes later it is 02:10 again."""
    desk = Desk("Europe/Berlin", by_text=False, fold=fold)
    facts = document(pages=PAGES["offset"], times=PATTERN, time_zone="Europe/Berlin", changes={"param": "since"})
    source = Source(desk, facts)
    desk.stamps = {1: datetime(2026, 10, 25, 0, 20, tzinfo=UTC), 2: datetime(2026, 10, 25, 0, 50, tzinfo=UTC)}
    source.clock.at = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    first = await source.pull()

    desk.stamps[2] = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    desk.stamps[3] = datetime(2026, 10, 25, 1, 5, tzinfo=UTC)
    source.clock.at = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    second = await source.pull(since=first[-1].resume)

    midnight = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    assert [record.updated_at for batch in first for record in batch.records] == [midnight, midnight]
    found = {record.ref.external_id: record.updated_at for batch in second for record in batch.records}
    assert found == {"1": midnight, "2": midnight, "3": midnight}


@pytest.mark.parametrize("zone", ["America/New_York", "UTC"])
async def test_rows_that_bear_no_real_time_are_read_to_the_end(zone: str):
    """Systems write the first of all dates where they know none."""
    stamps = ["0001-01-01 00:00:00"] * 7 + ["2026-03-01 10:00:00"]

    def desk(request: httpx.Request) -> httpx.Response:
        skip, since = int(request.url.params["skip"]), request.url.params.get("since", "")
        rows = [row(number, at) for number, at in enumerate(stamps) if at >= since]
        return httpx.Response(200, content=json.dumps({"data": rows[skip : skip + 3], "total": len(rows)}).encode())

    facts = document(
        pages=PAGES["offset"], times=PATTERN, time_zone=zone, changes={"param": "since", "inclusive": False}
    )
    source = Source(desk, facts)

    batches = await source.pull()

    assert {record.ref.external_id for batch in batches for record in batch.records} == {str(n) for n in range(8)}
    assert "since" not in source.sent[0].url.params
