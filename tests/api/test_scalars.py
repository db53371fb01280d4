from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from graphql import GraphQLScalarType, build_schema, specified_scalar_types
from hypothesis import given
from hypothesis import strategies as st

from connector.api.schema import export
from connector.api.schema.money import in_cents, of_cents
from connector.api.schema.nodes import TYPE_NAMES, global_id, parse_global_id
from connector.api.schema.scalars import (
    format_decimal,
    format_duration,
    format_point,
    format_time,
    parse_big_int,
    parse_date,
    parse_decimal,
    parse_duration,
    parse_point,
    parse_time,
)
from connector.model.errors import InvalidInput
from connector.model.geo import Point


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


@pytest.mark.parametrize("text", ["P1000000000D", "-P999999999W", f"PT{'9' * 400}H", "PT86400000000000S"])
def test_a_duration_that_nothing_can_hold_is_refused(text: str):
    with pytest.raises(ValueError, match="is longer than the 999,999,999 days that are allowed"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59.999999-14:00"])
def test_an_instant_that_no_calendar_in_utc_has_is_refused(text: str):
    with pytest.raises(ValueError, match="lies outside of the years 1 to 9999 in UTC"):
        parse_time(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_instant_comes_back(time: datetime):
    assert parse_time(format_time(time)) == time


@given(st.sampled_from(sorted(TYPE_NAMES)), st.integers(min_value=1, max_value=2**63 - 1))
def test_every_id_comes_back(name: str, key: int):
    assert parse_global_id(global_id(name, key)) == (name, key)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**20), max_value=10**20))
def test_every_exact_number_comes_back_with_its_decimals(number: Decimal):
    assert str(parse_decimal(format_decimal(number))) == format_decimal(number)


@pytest.mark.parametrize("value", [12.5, "12,50", "1e3", "", "NaN", ".5", "5.", True, None])
def test_what_is_not_exact_is_refused(value: object):
    with pytest.raises(ValueError, match=r"is no exact number; write it as a text like '12\.50'"):
        parse_decimal(value)


@pytest.mark.parametrize("value", ["2026-11-31", "20261125", "2026-W48-3", "2026-11-25T00:00:00Z", 20261125, None])
def test_what_is_no_day_is_refused(value: object):
    assert parse_date("2026-11-25") == date(2026, 11, 25)
    with pytest.raises(ValueError, match="is no day; write it like '2026-11-25'"):
        parse_date(value)


@pytest.mark.parametrize("value", [2**63, "1", 1.0, True])
def test_what_is_no_whole_number_of_64_bits_is_refused(value: object):
    assert parse_big_int(-(2**63)) == -(2**63)
    with pytest.raises(ValueError, match="is no whole number of up to 64 bits"):
        parse_big_int(value)


@given(st.builds(Point, st.floats(-90, 90), st.floats(-180, 180)))
def test_every_point_comes_back_longitude_first(point: Point):
    assert parse_point(format_point(point)) == point
    assert format_point(Point(52.5, 13.4)) == {"type": "Point", "coordinates": [13.4, 52.5]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"type": "Point", "coordinates": [13.4]}, "is no GeoJSON point"),
        ({"type": "Point", "coordinates": [13.4, 52.5, 34]}, "is no GeoJSON point"),
        ({"type": "Point", "coordinates": ["13.4", 52.5]}, "is no GeoJSON point"),
        ({"type": "LineString", "coordinates": [13.4, 52.5]}, "is no GeoJSON point"),
        ({"type": "Point", "coordinates": [13.4, 52.5], "crs": {}}, "is no GeoJSON point"),
        ([13.4, 52.5], "longitude first"),
        ({"type": "Point", "coordinates": [52.5, 113.4]}, r"latitude 113\.4 is outside \[-90, 90\]"),
    ],
)
def test_what_is_no_point_is_refused(value: object, message: str):
    with pytest.raises(ValueError, match=message):
        parse_point(value)


def test_every_scalar_of_ours_says_where_it_is_specified():
    ours = {
        name: type_.specified_by_url
        for name, type_ in build_schema(export()).type_map.items()
        if isinstance(type_, GraphQLScalarType) and name not in specified_scalar_types
    }

    assert ours.keys() == {"BigInt", "Date", "DateTime", "Decimal", "Duration", "GeoJSONPoint", "JSON"}
    assert [name for name, url in ours.items() if not url] == []


@pytest.mark.parametrize(("text", "cents"), [("0", 0), ("12.5", 1250), ("12.500", 1250), ("21474836.47", 2**31 - 1)])
def test_an_amount_is_kept_in_hundredths_and_told_in_units(text: str, cents: int):
    assert in_cents(Decimal(text), "cost") == cents
    assert of_cents(cents) == Decimal(text)


@pytest.mark.parametrize("text", ["0.001", "-0.01", "21474836.48"])
def test_an_amount_that_cannot_be_kept_exactly_is_refused(text: str):
    with pytest.raises(InvalidInput) as refused:
        in_cents(Decimal(text), "cost")

    assert refused.value.message == f"cost {text} cannot be kept"
    assert refused.value.hint == "Give an amount between 0 and 21474836.47 with two decimals at most."
