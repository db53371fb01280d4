"""A device is known at first sight by six of its fields."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from connector.sdk.rest import SentRow
from connector_nautobot.glances import glance

DEVICE = {
    "id": "d1",
    "last_updated": "2026-03-01T12:00:00.5+02:00",
    "location": {"id": "l1", "url": "x"},
    "status": {"id": "s1"},
}


def test_a_glance_tells_who_and_when_in_utc():
    seen = glance(SentRow(orjson.dumps(DEVICE)))

    assert seen is not None
    assert (seen.id, seen.location.id, seen.status.id) == ("d1", "l1", "s1")
    assert (seen.parent_bay, seen.virtual_chassis) == (None, None)
    assert seen.last_updated == datetime(2026, 3, 1, 10, 0, 0, 500_000, tzinfo=UTC)
    assert seen.last_updated.tzinfo is UTC


def test_a_glance_tells_bay_and_stack_where_there_are_some():
    seen = glance(SentRow(orjson.dumps(DEVICE | {"parent_bay": {"id": "b1", "url": "x"}, "virtual_chassis": None})))

    assert seen is not None
    assert seen.parent_bay is not None
    assert (seen.parent_bay.id, seen.virtual_chassis) == ("b1", None)


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": "x" * 256},
        {"id": None},
        {"last_updated": "yesterday"},
        {"last_updated": "2026-03-01T12:00:00"},
        {"last_updated": "0001-01-01T00:00:00+14:00"},
        {"location": None},
        {"status": "active"},
        {"parent_bay": "b1"},
        {"virtual_chassis": {"id": 7}},
    ],
)
def test_a_row_that_says_less_is_read_in_full(change):
    assert glance(SentRow(orjson.dumps(DEVICE | change))) is None
