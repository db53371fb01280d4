"""Prices and times by hand: Berlin to Potsdam is 23.20 km over the great circle, 30.16 by road at 1.3."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.sdk import Invalid, Party
from connector_manual_courier import ManualCourierConfig
from connector_manual_courier.sandbox import DEPOT, PARCEL, SITE
from connector_manual_courier.tariff import offers_for, road_km

WEDNESDAY = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
"""13:00 in Berlin."""


def config(*services: dict[str, Any], **settings: Any) -> ManualCourierConfig:
    tariff = services or ({"name": "van", "base": "12.50", "per_km": "0.80", "per_kg": "0.40", "transit_hours": 4},)
    usual = {"book": "book", "carrier": "Van", "currency": "EUR", "time_zone": "Europe/Berlin", "services": tariff}
    return ManualCourierConfig.model_validate({**usual, **settings})


def offered(settings: ManualCourierConfig, at: datetime = WEDNESDAY, **parcel: Any) -> list[tuple[str, int, datetime]]:
    offers = offers_for(replace(PARCEL, **parcel), settings, at, operation="quote")
    return [(offer.service, offer.amount_cents, offer.arrives_at) for offer in offers]


def test_the_road_is_longer_than_the_great_circle() -> None:
    assert road_km(PARCEL, config(detour_factor=1)) == pytest.approx(23.2, abs=0.05)
    assert road_km(PARCEL, config()) == pytest.approx(30.16, abs=0.06)


def test_begun_kilometres_and_kilograms_count_whole() -> None:
    """12.50 + 31 × 0.80 + 5 × 0.40."""
    assert offered(config()) == [("van", 3930, datetime(2026, 11, 25, 16, 0, tzinfo=UTC))]


def test_a_parcel_costs_the_minimum_at_least_and_the_cheapest_comes_first() -> None:
    dear = {"name": "car", "base": "1", "minimum": "20", "transit_hours": 1}
    cheap = {"name": "bicycle", "base": "9.995", "transit_hours": 2}

    assert [each[:2] for each in offered(config(dear, cheap))] == [("bicycle", 1000), ("car", 2000)]


@pytest.mark.parametrize(
    ("at", "arrives"),
    [
        ("2026-11-25T12:59:59", "2026-11-25T16:59:59"),  # 13:59:59 there
        ("2026-11-25T13:00:30", "2026-11-25T17:00:30"),  # within the minute of the cut-off
        ("2026-11-25T13:01:00", "2026-11-26T11:00:00"),  # too late: tomorrow at 08:00
        ("2026-11-25T05:00:00", "2026-11-25T11:00:00"),  # before it opens
        ("2026-11-25T23:30:00", "2026-11-26T11:00:00"),  # Thursday has begun there
        ("2026-11-27T14:00:00", "2026-11-30T11:00:00"),  # Friday afternoon: Monday
        ("2026-12-24T14:00:00", "2026-12-28T11:00:00"),  # closed on the 25th, then a weekend
        ("2026-03-27T14:00:00", "2026-03-30T10:00:00"),  # summer time began on Sunday
    ],
)
def test_what_is_ordered_after_the_cut_off_departs_on_the_next_day(at: str, arrives: str) -> None:
    settings = config({"name": "van", "transit_hours": 4, "cut_off": "14:00"}, closed_on=["2026-12-25"])

    [(_, _, arrival)] = offered(settings, datetime.fromisoformat(f"{at}+00:00"))

    assert arrival == datetime.fromisoformat(f"{arrives}+00:00")


def test_a_service_of_certain_days_waits_for_one() -> None:
    settings = config({"name": "round", "transit_hours": 10, "days": ["Mon", "Fri"], "opens": "07:00"})

    assert offered(settings)[0][2] == datetime(2026, 11, 27, 16, 0, tzinfo=UTC)


def test_what_never_departs_is_not_offered() -> None:
    days = [f"2026-{month:02}-{day:02}" for month, day in ((11, 27), (12, 4))]
    weekly = config({"name": "round", "transit_hours": 10, "days": ["Fri"]}, closed_on=days)
    every_friday = [f"{datetime.fromordinal(WEDNESDAY.toordinal() + 2 + 7 * week):%Y-%m-%d}" for week in range(60)]

    assert offered(weekly)[0][2].day == 11
    assert offered(config({"name": "round", "transit_hours": 10, "days": ["Fri"]}, closed_on=every_friday)) == []


def test_what_is_too_heavy_or_too_far_is_not_offered() -> None:
    near = {"name": "messenger", "transit_hours": 1, "max_kg": 5, "max_km": 30.3}
    far = {"name": "van", "base": "50", "transit_hours": 4}

    assert [each[0] for each in offered(config(near, far))] == ["messenger", "van"]
    assert [each[0] for each in offered(config(near, far), weight_g=5_001)] == ["van"]
    assert [each[0] for each in offered(config({**near, "max_km": 30}, far))] == ["van"]


def test_where_nobody_knows_how_far_it_is_only_flat_prices_are_offered() -> None:
    nowhere = Party("Site", SITE.address)
    flat = {"name": "taxi", "base": "50", "transit_hours": 1}
    by_km = {"name": "van", "per_km": "1", "transit_hours": 1}

    assert [each[0] for each in offered(config(by_km, flat), recipient=nowhere)] == ["taxi"]
    with pytest.raises(
        Invalid, match=r"Van cannot tell how far it is: the coordinates of recipient\.point are"
    ) as told:
        offered(config(by_km), recipient=nowhere)
    assert told.value.fields == {"recipient.point": "is not known"}
    with pytest.raises(Invalid, match=r"recipient\.point and sender\.point"):
        offered(config(by_km), recipient=nowhere, sender=replace(DEPOT, point=None))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"time_zone": "Mars/Olympus"}, "is not in the IANA database"),
        ({"services": [{"name": "a", "transit_hours": 1}] * 2}, "two services are called 'a'"),
        ({"services": []}, "at least 1 item"),
        ({"services": [{"name": "a", "transit_hours": 0}]}, "greater than 0"),
        ({"services": [{"name": "a", "transit_hours": 1, "cut_off": "14:00+02:00"}]}, "leave its own zone out"),
        ({"report_secret": "short"}, "at least 16"),
        ({"prefix": "van1"}, "should match pattern"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        config(**settings)
