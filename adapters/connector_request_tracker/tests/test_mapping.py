from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sdk import InvalidRecord, Priority, TicketRecord, TicketState, TicketType
from connector_request_tracker.config import RequestTrackerConfig
from connector_request_tracker.cursor import Position, read_cursor, write_cursor
from connector_request_tracker.mapping import rejected, ticket_record, ticket_ref
from connector_request_tracker.ticket_sql import changed_tickets, in_queues, quote


def config(**settings: Any) -> RequestTrackerConfig:
    return RequestTrackerConfig.model_validate({"base_url": "https://rt.example.com/", "token": "t", **settings})


def item(fields: dict[str, list[str | None]] | None = None, **columns: Any) -> dict[str, Any]:
    return {
        "id": "7", "Status": "new", "Queue": {"id": "3", "Name": "Hardware"}, "Subject": "Dead",
        "Created": "2026-11-25T08:00:00Z", "LastUpdated": "2026-11-25T08:30:00Z",
        "CustomFields": [{"name": name, "values": values} for name, values in (fields or {}).items()], **columns,
    }  # fmt: skip


def mapped(raw: dict[str, Any], **settings: Any) -> TicketRecord:
    record = ticket_record(raw, config(**settings))
    assert isinstance(record, TicketRecord)
    return record


@pytest.mark.parametrize(
    ("number", "priority"),
    [
        ("0", None), ("1", Priority.P5), ("19", Priority.P5), ("20", Priority.P4), ("59", Priority.P3),
        ("60", Priority.P2), ("79", Priority.P2), ("80", Priority.P1), ("100", Priority.P1), ("-1", None),
        ("Low", None), (None, None),
    ],
)  # fmt: skip
def test_a_number_reaches_the_highest_priority_whose_floor_it_is_not_below(
    number: str | None, priority: Priority | None
) -> None:
    assert mapped(item(Priority=number)).priority is priority


def test_links_to_other_tickets_are_read_and_all_other_links_are_not() -> None:
    links = [
        {"ref": "self", "type": "ticket", "id": 7}, {"ref": "history"},
        {"ref": "refers-to", "type": "asset", "id": "3"},
        {"ref": "parent", "type": "ticket", "id": "12"}, {"ref": "parent", "type": "ticket", "id": "5"},
        {"ref": "child", "type": "ticket", "id": "8"}, {"ref": "depends-on", "type": "ticket", "id": "4"},
        {"ref": "referred-to-by", "type": "ticket", "id": "4"}, {"ref": "refers-to", "_url": "https://wiki.example"},
    ]  # fmt: skip

    record = mapped(item({"Duplicate Of": ["#6"]}, _hyperlinks=links))

    assert (record.parent, record.duplicate_of) == (ticket_ref(5), ticket_ref(6))
    assert record.related == (ticket_ref(4), ticket_ref(12))


@pytest.mark.parametrize("raw", [item(), item(_hyperlinks=""), item({"Duplicate Of": ["see Anna"]})])
def test_a_ticket_of_which_no_link_is_told_has_none(raw: dict[str, Any]) -> None:
    record = mapped(raw)

    assert (record.parent, record.duplicate_of, record.related) == (None, None, None)


def test_the_priority_field_comes_before_the_number_and_takes_own_words() -> None:
    raw = item({"Urgency": ["critical"]}, Priority="10")

    assert mapped(raw, priority_field="Urgency", priorities={"Critical": "P1"}).priority is Priority.P1


def test_a_priority_without_meaning_is_refused_by_name() -> None:
    with pytest.raises(InvalidRecord, match="ticket 7 has Hub Priority 'P9'; known are P1, P2, P3, P4, P5") as refused:
        mapped(item({"Hub Priority": ["P9"]}))

    assert refused.value.path == "/CustomFields"


def test_a_status_of_another_lifecycle_needs_a_meaning() -> None:
    raw = item(Status="waiting for vendor")

    assert mapped(raw, states={"Waiting for vendor": "on_hold"}).state is TicketState.ON_HOLD
    with pytest.raises(InvalidRecord, match="ticket 7 has status 'waiting for vendor'"):
        mapped(raw)


def test_the_device_is_named_by_the_fields_that_are_configured() -> None:
    raw = item({"Tag": ["AT-1"], "SN": [" FOC1 "], "Where": ["Berlin 3"], "Hostname": [None], "Site": ["no"]})

    record = mapped(raw, asset_tag_field="Tag", serial_field="SN", site_field="Where")

    assert (record.asset_tag, record.serial, record.site_name, record.hostname) == ("AT-1", "FOC1", "Berlin 3", None)


def test_the_queue_gives_type_and_category() -> None:
    record = mapped(item(), types={"Hardware": "request"})

    assert (record.type, record.category) == (TicketType.REQUEST, "Hardware")
    assert mapped(item({"Category": ["network"]})).category == "network"


def test_a_time_that_was_never_set_is_none() -> None:
    record = mapped(item(Resolved="1970-01-01T00:00:00Z", Due="2026-11-26T00:00:00Z"))

    assert (record.resolved_at, record.sla_due_at) == (None, datetime(2026, 11, 26, tzinfo=UTC))


def test_what_cannot_be_read_is_kept_whole_with_the_place() -> None:
    raw = item(LastUpdated="yesterday")

    with pytest.raises(InvalidRecord) as refused:
        ticket_record(raw, config())
    kept = rejected(raw, refused.value)

    assert kept.path == "/LastUpdated"
    assert str(kept.ref) == "ticket:7"
    assert b'"LastUpdated": "yesterday"' in kept.raw


INSTANTS = st.integers(0, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, tz=UTC))


@given(INSTANTS, st.integers(0, 2**63), st.booleans())
def test_a_cursor_is_read_as_it_was_written(at: datetime, number: int, is_exact: bool) -> None:
    position = Position(at, number, is_exact, reached=at)

    assert read_cursor(write_cursor(position)) == position
    assert len(write_cursor(position)) < 4096


def test_queue_names_cannot_leave_their_quotes() -> None:
    assert quote("It's \\ here") == r"'It\'s \\ here'"


def test_the_query_never_compares_times_with_equals() -> None:
    position = Position(datetime(2026, 11, 25, 8, 30, tzinfo=UTC), 7, is_exact=True)

    assert changed_tickets(in_queues(["A", "B"]), position, datetime.resolution) == (
        "(Queue = 'A' OR Queue = 'B') AND (LastUpdated > '2026-11-25 08:30:00'"
        " OR (LastUpdated >= '2026-11-25 08:30:00' AND id > 7))"
    )


def test_a_pull_goes_back_until_it_began_a_whole_overlap_after_the_last_row_was_seen() -> None:
    overlap, first = timedelta(minutes=5), datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    last = Position(datetime(2026, 11, 25, 8, 59, tzinfo=UTC), 7, is_exact=True)

    seen = Position().end_of_pull(last, first, overlap)
    soon = seen.end_of_pull(last, first + timedelta(minutes=4), overlap)
    later = soon.end_of_pull(last, first + timedelta(minutes=5), overlap)
    idle = later.end_of_pull(later, first + timedelta(hours=1), overlap)
    busy = idle.end_of_pull(Position(last.at, 8, is_exact=True), first + timedelta(hours=2), overlap)

    assert [seen.is_exact, soon.is_exact, later.is_exact, idle.is_exact] == [False, False, True, True]
    assert busy == Position(last.at, 8, is_exact=False, reached=first + timedelta(hours=2))


def test_the_quantity_is_a_whole_number_or_the_ticket_is_refused() -> None:
    assert (mapped(item({"Quantity": ["12"]})).quantity, mapped(item()).quantity) == (12, None)
    with pytest.raises(InvalidRecord, match="ticket 7 has 'a few' in 'Quantity', which is no number from 1 to") as no:
        mapped(item({"Quantity": ["a few"]}))

    assert no.value.path == "/CustomFields"
