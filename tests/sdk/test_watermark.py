"""A watermark follows what was read, and no stamp from the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connector.sdk.cursors import read_instant, watermark
from connector.sdk.rest.watermark import Position, Progress, write_time

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LAG = timedelta(minutes=5)
DAY = timedelta(days=1)


def test_a_watermark_is_the_latest_time_but_not_after_the_pull_began():
    assert watermark(NOON - DAY, NOON) == NOON - DAY
    assert watermark(NOON + DAY, NOON) == NOON


def test_behind_a_row_from_the_future_the_next_pull_goes_back_by_the_overlap():
    seen = Progress().begin(NOON, "f").step(Position(write_time(NOON + DAY), "1")).finish(NOON, LAG)
    again = seen.begin(NOON + 2 * LAG, "f").step(Position(write_time(NOON + DAY), "1")).finish(NOON + 2 * LAG, LAG)

    assert seen.floor == write_time(NOON - LAG)
    assert again.floor == write_time(NOON + LAG)


def test_a_pull_that_was_broken_off_began_when_it_first_did():
    cut_off = Progress().begin(NOON, "f").step(Position(write_time(NOON + DAY), "1"))

    done = cut_off.begin(NOON + DAY / 2, "f").finish(NOON + DAY / 2, LAG)

    assert done.floor == write_time(NOON - LAG)


def test_a_watermark_that_is_ahead_from_before_comes_back():
    kept = Progress(floor=write_time(NOON + DAY), end=write_time(NOON + DAY), reached=write_time(NOON - DAY), facts="f")

    assert kept.begin(NOON, "f").finish(NOON, LAG).floor == write_time(NOON - LAG)


def test_without_a_row_from_the_future_an_idle_source_is_read_to_its_latest_row():
    latest = NOON - DAY
    seen = Progress().begin(NOON, "f").step(Position(write_time(latest), "1")).finish(NOON, LAG)

    idle = seen.begin(NOON + LAG, "f").finish(NOON + LAG, LAG)

    assert idle.floor is not None
    assert read_instant(idle.floor) == latest + timedelta(microseconds=1)
