from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from connector_request_tracker.sandbox.search import BadQuery, Column, parse

COLUMNS = {
    "id": Column("number", lambda row: row.id),
    "Status": Column("text", lambda row: row.status),
    "LastUpdated": Column("time", lambda row: row.at),
    "CF.{Asset Tag}": Column("values", lambda row: row.tags),
}
ROW = SimpleNamespace(id=7, status="open", at=datetime(2026, 11, 25, 8, 30, tzinfo=UTC), tags=["AT-1"])


def holds(query: str, zone: str = "UTC") -> bool:
    return parse(query, COLUMNS.get, ZoneInfo(zone))(ROW)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("id = 7", True), ("id != 7", False), ("id > 7 OR Status = 'OPEN'", True),
        ("id = 7 AND (Status = 'new' OR Status = 'stalled')", False),
        ("id = 1 AND id = 2 OR id = 7", True), ("Status LIKE 'pe'", True), ("Status NOT LIKE 'pe'", False),
        ("LastUpdated >= '2026-11-25 08:30:00'", True), ("LastUpdated > '2026-11-25 08:30:00'", False),
        ("LastUpdated = '2026-11-25 23:00:00'", True), ("LastUpdated = '2026-11-24'", False),
        ("'CF.{Asset Tag}' = 'at-1'", True), ("'CF.{Asset Tag}' != 'at-1'", False), ("", False),
    ],
)  # fmt: skip
def test_a_query_means_what_it_means_there(query: str, expected: bool) -> None:
    assert holds(query) is expected


def test_a_time_is_read_in_the_zone_of_the_user_whatever_stands_behind_it() -> None:
    assert holds("LastUpdated >= '2026-11-25T08:30:00Z'", "America/New_York") is False
    assert holds("LastUpdated > '2026-11-25T08:30:00Z'", "Asia/Tokyo") is True


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("Nonsense = 'x'", "Unknown field: Nonsense"), ("id >", "Incomplete query"), ("(id = 7", "lacks a close paren"),
        ("id = 7)", "Unexpected '\\)'"), ("id = x", "'x' is not a number"), ("id ~ 7", "expecting a KEYWORD"),
        ("LastUpdated > 'soon'", "'soon' is not a date"), ("id LIKE 7", "Invalid operator LIKE"),
        ("AND", "Unknown field"),
    ],
)  # fmt: skip
def test_a_bad_query_is_refused_with_the_reason(query: str, message: str) -> None:
    with pytest.raises(BadQuery, match=message):
        holds(query)
