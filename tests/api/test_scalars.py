from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.api.schema.nodes import TYPE_NAMES, global_id, parse_global_id
from connector.api.schema.scalars import format_duration, format_time, parse_duration, parse_time


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "PT0S"),
        (timedelta(hours=4), "PT4H"),
        (timedelta(minutes=90), "PT1H30M"),
        (timedelta(days=1, hours=2), "P1DT2H"),
        (timedelta(days=3), "P3D"),
        (timedelta(seconds=1, microseconds=500_000), "PT1.5S"),
        (timedelta(microseconds=1), "PT0.000001S"),
        (timedelta(seconds=10), "PT10S"),
        (-timedelta(minutes=5), "-PT5M"),
    ],
)
def test_a_duration_is_written_and_read(duration: timedelta, text: str):
    assert format_duration(duration) == text
    assert parse_duration(text) == duration


@given(st.timedeltas(min_value=timedelta(days=-10_000), max_value=timedelta(days=10_000)))
def test_every_duration_comes_back(duration: timedelta):
    assert parse_duration(format_duration(duration)) == duration


def test_weeks_are_read():
    assert parse_duration("P2W") == timedelta(days=14)


@pytest.mark.parametrize("text", ["", "P", "PT", "4H", "P1M", "P1Y", "PT1H ", "P1DT", "PT1.1234567S", 4, None])
def test_what_is_no_duration_is_refused(text: object):
    with pytest.raises(ValueError, match="is no duration; write it like 'PT4H30M' or 'P1D'"):
        parse_duration(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_instant_comes_back(time: datetime):
    assert parse_time(format_time(time)) == time


@given(st.sampled_from(sorted(TYPE_NAMES)), st.integers(min_value=1, max_value=2**63 - 1))
def test_every_id_comes_back(name: str, key: int):
    assert parse_global_id(global_id(name, key)) == (name, key)
