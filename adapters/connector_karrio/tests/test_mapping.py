from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector.sdk import Address, InvalidRecord, Parcel, Party, ShipmentStatus, WebhookRequest
from connector.sdk.courier import rejected
from connector_karrio.config import KarrioConfig
from connector_karrio.cursor import Place, read_cursor, write_cursor
from connector_karrio.rates import Rate, expected
from connector_karrio.requests import rates_request
from connector_karrio.tracking import TRACKER_STATUSES, tracker_record, webhook_records

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PARTY = Party("Hub", Address(line1="1 Depot Road", city="Berlin", postal_code="10115", country="DE", state="BE"))


def config(**settings: Any) -> KarrioConfig:
    return KarrioConfig.model_validate({"base_url": "https://karrio.example.com", "token": "t", **settings})


def tracker(*events: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "trk_1", "tracking_number": "9000", "carrier_name": "dhl", "status": "in_transit",
        "events": list(events), **changes,
    }  # fmt: skip


def rate(charge: float) -> Rate:
    return Rate.model_validate(
        {"carrier_id": "a", "carrier_name": "a", "service": "s", "currency": "EUR", "total_charge": charge}
    )


@given(st.integers(0, 10_000_000))
def test_a_float_of_money_is_the_cents_that_were_meant(cents: int) -> None:
    assert rate(cents / 100).amount_cents == cents


def test_half_cents_are_rounded_up_and_strings_are_taken_as_they_are() -> None:
    assert rate(12.345).amount_cents == 1235
    assert rate("0.1").total_charge == Decimal("0.1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "weight", "length"),
    [
        ({}, 4.5, 30.5), ({"weight_unit": "G"}, 4500.0, 30.5), ({"weight_unit": "LB"}, 9.921, 30.5),
        ({"weight_unit": "OZ", "dimension_unit": "IN"}, 158.733, 12.008),
    ],
)  # fmt: skip
def test_grams_and_millimetres_are_declared_in_the_units_that_are_configured(
    settings: dict[str, str], weight: float, length: float
) -> None:
    parcel = rates_request(Parcel(PARTY, PARTY, weight_g=4_500, length_mm=305), config(**settings))["parcels"][0]

    assert (parcel["weight"], parcel["length"], "width" in parcel) == (weight, length, False)


def test_a_size_that_is_not_declared_is_not_sent_nor_its_unit() -> None:
    assert rates_request(Parcel(PARTY, PARTY, weight_g=1), config())["parcels"] == [
        {"weight": 0.001, "weight_unit": "KG"}
    ]


def test_all_of_karrios_words_have_a_meaning() -> None:
    assert {word: status.value for word, status in TRACKER_STATUSES.items()} == {
        "pending": "label_created", "picked_up": "picked_up", "in_transit": "in_transit",
        "out_for_delivery": "out_for_delivery", "ready_for_pickup": "ready_for_pickup", "delivered": "delivered",
        "on_hold": "exception", "delivery_delayed": "exception", "delivery_failed": "exception",
        "return_to_sender": "returned", "cancelled": "cancelled",
    }  # fmt: skip


def test_a_new_word_is_refused_by_name_and_the_tracker_kept_whole() -> None:
    body = tracker(status="teleported")

    with pytest.raises(InvalidRecord, match="tracker trk_1 has status 'teleported'") as refused:
        tracker_record(body, config())
    kept = rejected(body, refused.value)

    assert (str(kept.ref), kept.path, json.loads(kept.raw)) == ("shipment:trk_1", "/status", body)


def test_when_karrio_gave_up_asking_the_last_scan_counts() -> None:
    scan = {"timestamp": "2026-11-25T08:00:00Z", "status": "delivered"}

    assert tracker_record(tracker(scan, status="unknown"), config()).status is ShipmentStatus.DELIVERED
    assert tracker_record(tracker(status="unknown"), config()).status is ShipmentStatus.LABEL_CREATED


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"status": "delivered"}, "delivered"), ({"code": "DELIVERED"}, "delivered"), ({"code": "X1"}, "in_transit"),
        ({"code": "X1", "reason": "consignee_absent"}, "exception"), ({"status": "", "code": "on_hold"}, "exception"),
    ],
)  # fmt: skip
def test_a_scan_is_read_by_itself(event: dict[str, str], status: str) -> None:
    record = tracker_record(tracker({"timestamp": "2026-11-25T08:00:00Z", **event}), config())

    assert record.events[0].status == status
    assert record.events[0].vendor_code == event.get("code")


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ({"timestamp": "2026-11-25T08:00:00.000Z", "date": "2020-01-01"}, "2026-11-25T08:00:00+00:00"),
        ({"date": "2026-11-25", "time": "10:15 AM"}, "2026-11-25T09:15:00+00:00"),
        ({"date": "2026-11-25", "time": "10:15 pm"}, "2026-11-25T21:15:00+00:00"),
        ({"date": "2026-07-25", "time": "22:15"}, "2026-07-25T20:15:00+00:00"),
        ({"date": "2026-11-25", "time": None}, "2026-11-24T23:00:00+00:00"),
    ],
)
def test_local_times_are_read_in_the_carriers_zone(told: dict[str, Any], at: str) -> None:
    record = tracker_record(tracker(told), config(tracking_time_zone="Europe/Berlin"))

    assert record.events[0].occurred_at.isoformat() == at


def test_a_scan_at_no_time_is_refused_with_its_place() -> None:
    fine = {"timestamp": "2026-11-25T08:00:00Z"}

    with pytest.raises(InvalidRecord, match="scan 1 has date 'someday', time None and timestamp None") as refused:
        tracker_record(tracker(fine, {"date": "someday"}), config())

    assert refused.value.path == "/events/1"


def test_the_version_is_the_latest_scan_in_whatever_order_they_come() -> None:
    early, late = ({"timestamp": f"2026-11-25T0{hour}:00:00Z", "code": str(hour)} for hour in (7, 8))

    assert tracker_record(tracker(early, late), config()) == tracker_record(tracker(late, early), config())
    assert tracker_record(tracker(late, early), config()).updated_at == datetime(2026, 11, 25, 8, tzinfo=UTC)


def test_a_day_of_delivery_is_its_end_where_the_carrier_is() -> None:
    berlin = config(tracking_time_zone="Europe/Berlin")

    day, instant = expected("2026-11-26", berlin), expected("2026-11-26T10:00:00Z", berlin)

    assert day is not None
    assert day.astimezone(UTC) == datetime(2026, 11, 26, 22, 59, 59, tzinfo=UTC)
    assert instant == datetime(2026, 11, 26, 10, tzinfo=UTC)
    assert expected("soon", berlin) is None


def test_events_that_are_not_of_parcels_say_nothing() -> None:
    body = json.dumps({"event": "pickup_scheduled", "data": {"id": "pck_1"}}).encode()

    assert webhook_records(WebhookRequest(headers={}, body=body, received_at=NOON), config()) == ()


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="'Europe/Atlantis' is no IANA time zone"):
        config(tracking_time_zone="Europe/Atlantis")


def test_a_cursor_is_read_as_it_was_written() -> None:
    place = Place(NOON, 15, "trk_1")

    assert read_cursor(write_cursor(place), NOON) == place
    assert read_cursor(write_cursor(None), NOON) == Place(after=NOON)
