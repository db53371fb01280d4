"""What is read of answers, and which error says that something else came."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connector.sdk import ConfigError, EntityKind, Invalid, InvalidRecord, SourceRef, Tombstone, UnexpectedResponse
from connector.sdk.answers import json_list, json_object, one_read, path_segment, read_records, refusal, rejected, said
from connector.sdk.cursors import load_cursor, read_instant

ORDER = SourceRef(kind=EntityKind.PROCUREMENT, external_id="7")


def test_a_list_is_found_and_anything_else_is_told_by_its_name():
    assert json_list({"rows": [1, 2]}, "rows", "pull") == [1, 2]
    with pytest.raises(UnexpectedResponse, match="the answer to pull has no list `rows`"):
        json_list({"rows": {"1": 2}}, "rows", "pull")
    with pytest.raises(UnexpectedResponse, match="the answer to pull is no JSON object but list"):
        json_list([1, 2], "rows", "pull")


def test_one_object_that_cannot_be_read_is_an_answer_that_was_not_expected():
    with (
        pytest.raises(UnexpectedResponse, match=r"^status 'odd' says nothing\. Say what it means\.$") as raised,
        one_read("fetch order", ORDER),
    ):
        raise InvalidRecord("status 'odd' says nothing", path="/status", hint="Say what it means.")

    assert (raised.value.operation, raised.value.ref) == ("fetch order", ORDER)


def test_what_is_no_object_says_of_what_it_is_the_answer():
    with pytest.raises(UnexpectedResponse, match="the answer to fetch is no JSON object but str") as raised:
        json_object("gone", "fetch", ref=ORDER)

    assert (raised.value.operation, raised.value.ref) == ("fetch", ORDER)


def test_an_identifier_stays_one_segment_of_an_address():
    assert path_segment("a/b c?d#e..") == "a%2Fb%20c%3Fd%23e.."


def test_items_that_cannot_be_read_are_kept_whole_among_those_that_can():
    def read(item: dict[str, str]) -> Tombstone:
        if item["id"] == "x":
            raise InvalidRecord("it has no number", path="/id")
        return Tombstone(ref=SourceRef(kind=EntityKind.PROCUREMENT, external_id=item["id"]))

    records, refused = read_records([{"id": "x"}, {"id": "7"}], read, lambda item, error: rejected(item, error, None))

    assert [record.ref for record in records] == [ORDER]
    assert [(each.ref, each.raw, each.path) for each in refused] == [(None, b'{"id": "x"}', "/id")]


def test_a_refusal_names_the_fields_and_keeps_what_was_known():
    asked = Invalid("set state: 422", operation="set state", ref=ORDER, detail='{"errors": {"state": "not now"}}')

    named = refusal(asked, "Acme", said(asked)["errors"])

    assert str(named) == "Acme refuses to set state: state: not now"
    assert (named.fields, named.ref, named.detail) == ({"state": "not now"}, ORDER, asked.detail)
    assert refusal(asked, "Acme", {}) is asked


@pytest.mark.parametrize("detail", ["", "[1]", '{"errors": {"state": "not', "[" * 100_000])
def test_an_answer_that_says_nothing_is_empty(detail: str):
    assert said(Invalid("refused", detail=detail)) == {}


@pytest.mark.parametrize("cursor", ["", "[]", '{"id": 7}', '{"at": "2026-03-02T09:00:00"}', "[" * 100_000])
def test_a_cursor_of_something_else_is_refused_by_the_adapters_name(cursor: str):
    with pytest.raises(ConfigError, match="is not one of the Acme adapter"):
        load_cursor(cursor, lambda saved: read_instant(saved["at"]), adapter="Acme")


def test_an_instant_is_utc_whatever_its_zone():
    assert read_instant("2026-03-02T10:00:00+01:00") == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert read_instant("2026-03-02T10:00:00+01:00").tzinfo is UTC
    with pytest.raises(ValueError, match="has no zone"):
        read_instant("2026-03-02T10:00:00")
