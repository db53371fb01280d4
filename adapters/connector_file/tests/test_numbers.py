"""Numbers as people write them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_file.numbers import Ambiguous, read_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"), ("-3", "-3"), ("+3", "3"), ("1234", "1234"), ("1234.5", "1234.5"), ("1234,5", "1234.5"),
        ("1.234,50", "1234.50"), ("1,234.50", "1234.50"), ("1 234,50", "1234.50"), ("1\u202f234", "1234"),
        ("1'234.50", "1234.50"), ("1.234.567", "1234567"), ("1,234,567", "1234567"), ("0,125", "0.125"),
        ("1234.567", "1234.567"), ("12,34", "12.34"),
    ],
)  # fmt: skip
def test_either_sign_is_understood(text, value):
    assert read_number(text) == Decimal(value)


@pytest.mark.parametrize("text", ["1,200", "1.200", "-12,500", "999.000"])
def test_what_can_be_read_in_two_ways_is_refused(text):
    with pytest.raises(Ambiguous, match="whichever is meant"):
        read_number(text)


def test_the_message_offers_both_readings():
    with pytest.raises(Ambiguous, match=r"^1200 or 1\.2000, whichever is meant"):
        read_number("1,200")


def test_the_known_decimal_sign_decides():
    assert read_number("1,200", decimal=",") == Decimal("1.200")
    assert read_number("1,200", decimal=".") == Decimal(1200)
    assert read_number("1.200", decimal=",") == Decimal(1200)


def test_a_coordinate_has_no_groups():
    assert read_number("13,405", groups=False) == Decimal("13.405")
    assert read_number("13.405", groups=False) == Decimal("13.405")


@pytest.mark.parametrize(
    "text", ["", "x", "1e5", "NaN", "inf", "--1", "1,2,3", "1.2.3,4", "12,34,567", "1 23", "€ 5", "٣" * 41]
)
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="is no number"):
        read_number(text)


@given(value=st.decimals(-(10**9), 10**9, places=2), decimal=st.sampled_from([".", ","]), group=st.booleans())
def test_any_amount_with_two_decimals_is_read_as_it_was_written(value, decimal, group):
    other = "," if decimal == "." else "."
    written = f"{value:,.2f}" if group else f"{value:.2f}"
    text = written.replace(",", "?").replace(".", decimal).replace("?", other)

    assert read_number(text) == value
