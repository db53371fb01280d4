"""Times as systems write them, and as they are asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from connector.sdk import InvalidRecord
from connector.sdk.facts import Spelling

AT = datetime(2026, 1, 31, 9, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "zone", "given", "at"),
    [
        ("iso", None, "2026-01-31T10:30:15+01:00", AT),
        ("iso", "Europe/Berlin", "2026-01-31 10:30:15", AT),
        ("iso", "Europe/Berlin", "2026-01-31T09:30:15Z", AT),
        ("unix", None, 1769851815, AT),
        ("unix", None, "1769851815.5", AT + timedelta(milliseconds=500)),
        ("unix_ms", None, 1769851815000, AT),
        ("%d.%m.%Y %H:%M:%S", "Asia/Tokyo", "31.01.2026 18:30:15", AT),
    ],
)
def test_a_time_is_read(form, zone, given, at):
    assert Spelling(form, zone).read(given) == at


@pytest.mark.parametrize(
    ("form", "given"),
    [
        ("iso", "9999-12-31T23:59:59-23:59"),
        ("unix", "NaN"),
        ("unix", "1e30"),
        ("unix", True),
        ("iso", {}),
        ("iso", "0"),
    ],
)
def test_what_is_no_time_is_refused(form, given):
    with pytest.raises(InvalidRecord):
        Spelling(form).read(given)


@pytest.mark.parametrize(
    ("form", "zone", "text"),
    [
        ("iso", "Europe/Berlin", "2026-01-31T09:30:15Z"),
        ("iso_ms", None, "2026-01-31T09:30:15.250Z"),
        ("unix", None, "1769851815"),
        ("unix_ms", None, "1769851815250"),
        ("%Y-%m-%d %H:%M", "Europe/Berlin", "2026-01-31 10:30"),
        ("%Y-%m-%d", "Asia/Tokyo", "2026-01-31"),
    ],
)
def test_a_time_is_asked_for_never_later_than_it_is(form, zone, text):
    spelling = Spelling(form, zone)
    at = AT + timedelta(milliseconds=250, microseconds=999)

    assert spelling.write(at) == text
    assert spelling.asked(at) <= at


def test_an_hour_that_comes_twice_is_asked_for_from_before():
    """Berlin sets its clocks back on 25 October 2026, 03:00 to 02:00: 02:30 is 00:30 and 01:30 UTC."""
    spelling = Spelling("%Y-%m-%d %H:%M:%S", "Europe/Berlin")

    for minute in range(0, 180, 7):
        at = datetime(2026, 10, 24, 23, 30, tzinfo=UTC) + timedelta(minutes=minute)
        asked = spelling.asked(at)
        text = spelling.write(at)
        assert asked <= at
        assert not text.startswith("2026-10-25 02:")
        assert at - asked < timedelta(hours=2, seconds=1)
        assert spelling.read(text) == asked


def test_a_date_is_the_date_over_there():
    assert Spelling("iso", "Asia/Tokyo").read_day("2026-01-31T20:00:00Z") == date(2026, 2, 1)
    assert Spelling("iso").read_day("2026-01-31") == date(2026, 1, 31)
