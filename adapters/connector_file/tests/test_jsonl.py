"""Sheets of JSON lines: an object a line, whose names are the headers."""

from __future__ import annotations

import io

import orjson
import pytest

from connector.sdk import ConfigError, Point, UnexpectedResponse
from connector_file import FileConfig
from connector_file.jsonl_sheet import LONGEST_LINE
from connector_file.reading import read_batches


def read(body, stream="hubs", **settings):
    """(records, rejected, complete) of a file of JSON lines."""
    data = body if isinstance(body, bytes) else body.encode()
    config = FileConfig.model_validate({"directory": ".", **settings})
    batches = list(read_batches(io.BytesIO(data), f"{stream}.jsonl", stream, config))
    return (
        [record for batch in batches for record in batch.records],
        [item for batch in batches for item in batch.rejected],
        batches[-1].complete,
    )


def test_names_in_any_order_and_those_that_only_later_lines_have_are_columns():
    records, rejected, complete = read(
        '{"code": "BER", "latitude": 52.52, "longitude": 13.4}\n\n{"mobile": true, "code": "CAR"}\n'
    )

    assert [(record.code, record.point, record.is_mobile) for record in records] == [
        ("BER", Point(52.52, 13.4), None),
        ("CAR", None, True),
    ]
    assert (rejected, complete) == ([], True)


def test_what_is_within_an_object_is_named_by_its_way_and_a_list_is_read_as_a_text():
    (hub,), _, _ = read(
        '{"site": {"code": "BER"}, "cut_offs": ["12:00", "17:00"]}\n', columns={"hubs": {"code": "site.code"}}
    )

    assert (hub.code, hub.courier_cut_offs) == ("BER", ("12:00", "17:00"))


def test_a_wrong_value_says_file_line_name_and_what_is_right():
    _, (item,), complete = read('{"code": "BER"}\n\n{"code": "NIL", "latitude": 95, "longitude": 1}\n')

    assert item.reason == (
        "hubs.jsonl, line 3: column 'latitude' is '95', expected a number from -90 to 90. "
        "Correct it; the next pull reads it."
    )
    assert orjson.loads(item.raw)["row"] == {"code": "NIL", "latitude": "95", "longitude": "1"}
    assert complete


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"code": "HAM"', "it is no JSON (unexpected end of data, column 15): write one whole object a line, "
         "in UTF-8"),
        (b'["HAM"]', "it is no JSON object: write the row as an object with the names of columns"),
        (b'{"code": "K\xf6ln"}', "it is no JSON (str is not valid UTF-8: surrogates not allowed, column 1): write one "
         "whole object a line, in UTF-8"),
        (b'{"a":' * 10 + b"1" + b"}" * 10, "its objects are more than 8 deep"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_object_is_rejected_by_its_number_and_nothing_is_retired(line, why):
    records, (item,), complete = read(b'{"code": "BER"}\n' + line + b'\n{"code": "MUC"}\n')

    assert [record.code for record in records] == ["BER", "MUC"]
    assert item.reason == f"hubs.jsonl, line 2: {why}"
    assert not complete


def test_an_empty_file_says_nothing_and_retires_nothing():
    assert read("\n") == ([], [], False)


def test_a_list_around_the_rows_is_no_json_lines_and_said_so():
    with pytest.raises(UnexpectedResponse, match=r"no line of hubs\.jsonl is a JSON object"):
        read('[{"code": "BER"},\n{"code": "MUC"}]\n')


def test_a_column_that_no_line_has_is_missing():
    with pytest.raises(ConfigError, match=r"hubs\.jsonl has no column 'code'\. Columns found: 'name'\."):
        read('{"name": "Berlin"}\n')


def test_a_line_without_end_is_refused():
    with pytest.raises(UnexpectedResponse, match=r"line 1 is longer than 1048576 bytes"):
        read(b'{"code": "' + b"x" * LONGEST_LINE)
