"""Rows are read as far as they are looked at, and lose nothing by it."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.sdk.rest import SentRow, read_page

TEXT = st.text('aé€😀"\\/\n\u2028\x7f', max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
OBJECTS = st.dictionaries(TEXT, JSON, max_size=5)


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine, nested JSON takes its time
@given(st.lists(OBJECTS, max_size=4), st.sampled_from([None, "http://nautobot/?offset=2"]), st.sampled_from([None, 2]))
def test_a_page_gives_the_rows_that_were_sent_as_they_were_sent(objects, further, indent):
    content = json.dumps({"count": 9, "next": further, "results": objects}, indent=indent).encode()

    rows, is_last, count = read_page(content)

    assert [dict(row) for row in rows] == objects
    assert [orjson.loads(row.raw) for row in rows] == objects
    assert all(row.raw in content for row in rows)
    assert (is_last, count) == (further is None, 9)


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b'{"results": [{"id": "\xff"}]}',
        b'{"results": [{"id": 1,}]}',
        b'{"results": [' + b"[" * 5000 + b"]" * 5000 + b"]}",
    ],
)
def test_what_is_not_json_is_a_value_error(content):
    with pytest.raises(ValueError, match=r".+"):
        read_page(content)


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"results": {}}', b'{"results": [1]}', b'{"results": [null]}'])
def test_json_that_is_no_page_is_a_type_error(content):
    with pytest.raises(TypeError):
        read_page(content)


def test_a_number_beyond_floating_point_does_not_spoil_its_row():
    (row,), *_ = read_page(b'{"results": [{"id": "d1", "position": 1e999}]}')

    assert (row["id"], row.get("position"), row.get("face", "none")) == ("d1", float("inf"), "none")


def test_fields_under_further_names_are_beside_what_was_sent_and_no_part_of_it():
    row = SentRow(b'{"sys_id": "a1", "name": "Vienna"}', {"id": "a1"})

    assert (row["id"], row["name"], row.raw) == ("a1", "Vienna", b'{"sys_id": "a1", "name": "Vienna"}')
