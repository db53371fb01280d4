from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sdk import (
    AdapterError,
    Address,
    BuyLabel,
    ConfigError,
    Conflict,
    Invalid,
    InvalidRecord,
    OutcomeUnknown,
    Parcel,
    Party,
    ShipmentStatus,
    Transient,
    UnexpectedResponse,
    WebhookRequest,
)
from connector.sdk.answers import read_answer
from connector.sdk.courier import rejected
from connector_easypost.config import EasyPostConfig
from connector_easypost.cursor import Place, read_cursor, write_cursor
from connector_easypost.refusals import refused
from connector_easypost.requests import (
    GRAMS_PER_OUNCE,
    MILLIMETRES_PER_INCH,
    inches,
    ounces,
    rates_request,
    reference_of,
    shipment_request,
)
from connector_easypost.shapes import PostageLabel, Rate, Shipment
from connector_easypost.shipments import allowed, is_draft_for
from connector_easypost.tracking import STATUSES, created_at, tracker_record, webhook_records

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HUB = Party("Hub", Address(line1="1 Depot Road", city="Austin", postal_code="78701", state="TX", country="US"))
SITE = Party("Site", Address(line1="2 Quay", city="Boston", postal_code="02110", country="US"))
KEYS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.:", min_size=1, max_size=100)


def config(**settings: Any) -> EasyPostConfig:
    return EasyPostConfig.model_validate({"api_key": "EZTKnobody", **settings})


def tracker(*scans: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "trk_1", "tracking_code": "9400", "carrier": "USPS", "status": "in_transit",
        "tracking_details": [{"datetime": "2026-11-25T08:00:00Z", "status": "in_transit", **scan} for scan in scans],
        **changes,
    }  # fmt: skip


def rate(**changes: Any) -> dict[str, Any]:
    return {"id": "rate_1", "carrier": "USPS", "service": "Priority", "rate": "7.42", "currency": "USD", **changes}


def refusal(code: str, message: Any = "No.", errors: Any = ()) -> Invalid:
    body = {"error": {"code": code, "message": message, "errors": errors}}
    return Invalid("buy label: the system answered 422", operation="buy label", detail=json.dumps(body))


# requests


@given(st.integers(1, 200_000))
def test_no_parcel_is_declared_lighter_or_smaller_nor_by_a_tenth_more(number: int) -> None:
    for declared, unit in ((ounces(number), GRAMS_PER_OUNCE), (inches(number), MILLIMETRES_PER_INCH)):
        assert Decimal(number) <= declared * unit < Decimal(number) + unit / 10
        assert float(declared) == float(str(declared))
        assert declared == round(declared, 1)


def test_what_is_exact_stays_exact() -> None:
    assert (inches(254), inches(508), ounces(0)) == (Decimal("10.0"), Decimal("20.0"), Decimal("0.0"))
    assert (ounces(453), ounces(454)) == (Decimal("16.0"), Decimal("16.1"))


def test_a_size_that_is_not_declared_is_not_sent() -> None:
    body = rates_request(Parcel(HUB, SITE, weight_g=436, length_mm=254), config())["shipment"]

    assert body["parcel"] == {"weight": 15.4, "length": 10.0}
    assert body["to_address"] == {
        "name": "Site", "street1": "2 Quay", "city": "Boston", "zip": "02110", "country": "US"
    }  # fmt: skip
    assert "carrier_accounts" not in body


@given(KEYS, KEYS)
def test_a_reference_fits_a_path_and_tells_keys_apart(one: str, other: str) -> None:
    for number in (1, 2):
        reference = reference_of(one, number)
        assert reference.replace("-", "").isalnum()
        assert len(reference) <= 80
    assert (reference_of(one) == reference_of(other)) == (one == other)
    assert reference_of(one) != reference_of(one, 2)


def test_a_return_is_asked_for_with_the_addresses_of_the_way_there() -> None:
    op = BuyLabel("wf-1:return", Parcel(SITE, HUB, weight_g=900), "INC-1" * 20, is_return=True)

    body = shipment_request(op, 1, config())["shipment"]

    assert (body["is_return"], body["from_address"]["name"], body["to_address"]["name"]) == (True, "Hub", "Site")
    assert body["options"] == {"label_format": "PDF", "print_custom_1": ("INC-1" * 20)[:35]}


def test_a_draft_for_another_parcel_is_told_apart_and_a_rewritten_address_is_not() -> None:
    op = BuyLabel("wf-1:label", Parcel(HUB, SITE, weight_g=436), "INC-1")
    body = shipment_request(op, 1, config())["shipment"]
    draft = {"id": "shp_1", **body, "is_return": False}
    shouted = draft | {"to_address": {**body["to_address"], "name": "SITE", "street1": "2  QUAY", "street2": None}}

    def fits(changed: dict[str, Any]) -> bool:
        return is_draft_for(Shipment.model_validate(changed), op, config())

    assert fits(draft)
    assert fits(shouted)
    assert not fits(draft | {"to_address": {**body["to_address"], "zip": "02111"}})
    assert not fits(draft | {"parcel": {"weight": 15.5}})
    assert not fits(draft | {"is_return": True})
    assert not fits(draft | {"options": {"label_format": "ZPL"}})


# offers


@given(st.integers(0, 10_000_000))
def test_money_is_the_cents_that_were_meant(cents: int) -> None:
    text = f"{cents // 100}.{cents % 100:02d}"

    assert Rate.model_validate(rate(rate=text)).amount_cents == cents
    assert Rate.model_validate(rate(rate=cents / 100)).amount_cents == cents


def test_half_a_cent_is_rounded_up() -> None:
    assert Rate.model_validate(rate(rate="6.07500")).amount_cents == 608


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "six", {}, []])
def test_what_is_no_amount_is_an_unexpected_answer_not_a_price(amount: object) -> None:
    body = {"id": "shp_1", "rates": [rate(rate=amount or ["x"])]}

    with pytest.raises(UnexpectedResponse, match="the answer to quote cannot be read at /rates/0/rate"):
        read_answer(Shipment, body, "quote")


def test_offers_that_lack_a_price_or_its_currency_cannot_be_bought() -> None:
    body = {"id": "shp_1", "rates": [rate(), rate(rate=None), rate(currency=None), rate(service="")], "messages": None}

    assert len(read_answer(Shipment, body, "quote").rates) == 1
    assert read_answer(Shipment, {"id": "shp_1", "rates": None, "options": None, "tracker": None}, "quote").rates == ()


def test_of_two_accounts_with_one_carrier_the_cheaper_offer_counts_unless_only_the_other_is_allowed() -> None:
    rates = [
        Rate.model_validate(rate(id=number, rate=price, carrier_account_id=account))
        for number, price, account in (("a", "9.00", "ca_1"), ("b", "8.00", "ca_2"))
    ]

    assert [each.id for each in allowed(rates, config())] == ["b"]
    assert [each.id for each in allowed(rates, config(carrier_accounts=["ca_1"]))] == ["a"]
    assert allowed(rates, config(services=["Express"])) == ()


def test_days_are_the_carriers_before_easyposts_estimate() -> None:
    days = [
        Rate.model_validate(rate(delivery_days=theirs, est_delivery_days=guess)).transit_days
        for theirs, guess in ((1, 2), (None, 2), (0, 2), (None, None))
    ]

    assert days == [1, 2, 0, None]


def test_a_label_is_where_its_format_says() -> None:
    bought = PostageLabel(label_file_type="image/png", label_url="https://a/x.png", label_zpl_url="https://b/x.zpl")

    assert (bought.url("ZPL"), bought.url("PDF")) == ("https://b/x.zpl", None)
    assert PostageLabel(label_file_type="application/pdf", label_url="u").url("PDF") == "u"


# refusals


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SHIPMENT.POSTAGE.EXISTS", Conflict), ("SHIPMENT.REFUND.UNAVAILABLE", Conflict),
        ("SHIPMENT.POSTAGE.NO_RESPONSE", OutcomeUnknown), ("SHIPMENT.PURCHASE.IN_PROGRESS", OutcomeUnknown),
        ("CARRIER_ACCOUNT.INVALID", ConfigError), ("SHIPMENT.POSTAGE.FAILURE", Invalid), ("NEW.CODE", Invalid),
    ],
)  # fmt: skip
def test_a_code_says_what_happens_next(code: str, kind: type[AdapterError]) -> None:
    error = refused(refusal(code))

    assert type(error) is kind
    assert error.operation == "buy label"
    assert f"EasyPost refuses to buy label: {code}: No." in str(error)


def test_a_tracker_that_somebody_else_is_making_is_waited_for() -> None:
    error = refused(refusal("TRACKER.CREATE.ERROR", "A duplicate request is currently in-flight"))

    assert type(error) is Transient
    assert type(refused(refusal("TRACKER.CREATE.ERROR", "No carrier"))) is Invalid


@pytest.mark.parametrize(
    ("message", "errors", "fields"),
    [
        ("Bad.", [{"field": "street1", "message": "House number is missing"}], {"street1": "House number is missing"}),
        ("Bad.", [{"field": "zip", "message": None}, {"field": None}], {"zip": "Bad."}),
        ("Bad.", ["No insurance."], {"A.B": "Bad. No insurance."}),
        (["One.", {"more": ["Two."]}], None, {"A.B": "One., Two."}),
        (None, "text", {"A.B": "no reason given"}),
    ],
)
def test_a_refusal_is_read_in_each_of_its_forms(message: Any, errors: Any, fields: dict[str, str]) -> None:
    error = refused(refusal("A.B", message, errors))

    assert isinstance(error, Invalid)
    assert error.fields == fields


@pytest.mark.parametrize(
    "detail",
    ["", "<html>", '{"error": ', "null", "[]", '{"error": null}', '{"error": "text"}', '{"error": []}', "[" * 3000],
)
def test_whatever_else_comes_with_422_is_a_refusal_too(detail: str) -> None:
    error = Invalid("x", operation="quote", detail=detail)

    assert refused(error) is error


# tracking


def test_all_of_easyposts_words_have_a_meaning() -> None:
    assert {word: status.value for word, status in STATUSES.items()} == {
        "pre_transit": "label_created", "in_transit": "in_transit", "out_for_delivery": "out_for_delivery",
        "available_for_pickup": "ready_for_pickup", "delivered": "delivered", "return_to_sender": "returned",
        "failure": "exception", "error": "exception", "cancelled": "cancelled",
    }  # fmt: skip


def test_a_new_word_is_refused_by_name_and_the_tracker_kept_whole() -> None:
    body = tracker(status="teleported")

    with pytest.raises(InvalidRecord, match="/status is 'teleported'; known are unknown, pre_transit") as error:
        tracker_record(body)
    kept = rejected(body, error.value)

    assert (str(kept.ref), kept.path, json.loads(kept.raw)) == ("shipment:trk_1", "/status", body)
    with pytest.raises(InvalidRecord, match="/tracking_details/1/status is 'beamed'"):
        tracker_record(tracker({}, {"status": "beamed"}))


@pytest.mark.parametrize(
    ("status", "detail", "meant"),
    [
        ("in_transit", "lost", "lost"), ("in_transit", "received_at_origin_facility", "picked_up"),
        ("in_transit", "held", "exception"), ("failure", "lost", "lost"), ("delivered", "delayed", "delivered"),
        ("in_transit", "unheard_of", "in_transit"), ("unknown", None, "in_transit"), ("in_transit", None, "in_transit"),
        ("pre_transit", "status_update", "label_created"),
    ],
)  # fmt: skip
def test_a_scan_is_read_by_itself_and_keeps_the_vendors_words(status: str, detail: str | None, meant: str) -> None:
    bare, coded = ({"status": status, "status_detail": detail, "carrier_code": code} for code in ("", "X7"))
    events = tracker_record(tracker(bare, coded)).events

    assert [each.status for each in events] == [meant, meant]
    assert {each.vendor_code for each in events} == {f"{status}/{detail}" if detail else status, "X7"}


def test_when_nothing_is_known_of_a_parcel_its_last_scan_counts() -> None:
    assert tracker_record(tracker({"status": "delivered"}, status="unknown")).status is ShipmentStatus.DELIVERED
    assert tracker_record(tracker(status="unknown", tracking_details=None)).status is ShipmentStatus.LABEL_CREATED


def test_times_with_and_without_zone_are_utc() -> None:
    told = ("2026-11-25T08:00:00-05:00", "2026-11-25T09:00:00", "2026-11-25T10:00:00Z")
    record = tracker_record(tracker(*({"datetime": each} for each in told), est_delivery_date="2026-11-26T00:00:00"))

    assert sorted(each.occurred_at.isoformat() for each in record.events) == [
        "2026-11-25T09:00:00+00:00", "2026-11-25T10:00:00+00:00", "2026-11-25T13:00:00+00:00",
    ]  # fmt: skip
    assert record.estimated_delivery_at == datetime(2026, 11, 26, tzinfo=UTC)


@pytest.mark.parametrize("stamp", [None, "", "someday"])
def test_a_scan_at_no_time_is_refused_with_its_place(stamp: str | None) -> None:
    with pytest.raises(InvalidRecord, match="scan 1 is dated") as error:
        tracker_record(tracker({}, {"datetime": stamp}))

    assert error.value.path == "/tracking_details/1/datetime"


def test_the_version_is_easyposts_and_scans_may_come_in_any_order() -> None:
    early, late = ({"datetime": f"2026-11-25T0{hour}:00:00Z", "carrier_code": str(hour)} for hour in (7, 8))
    told = {"updated_at": "2026-11-25T09:30:00Z"}

    assert tracker_record(tracker(early, late, **told)) == tracker_record(tracker(late, early, **told))
    assert tracker_record(tracker(early, **told)).updated_at == datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
    assert tracker_record(tracker(early)).updated_at == datetime(2026, 11, 25, 7, tzinfo=UTC)


def test_events_that_are_not_of_parcels_say_nothing_whatever_they_carry() -> None:
    for result in (None, "text", {"id": "batch_1"}):
        body = json.dumps({"description": "batch.updated", "result": result}).encode()
        assert webhook_records(WebhookRequest(headers={}, body=body, received_at=NOON)) == ()


def test_when_a_tracker_was_made_is_known_or_not() -> None:
    assert created_at({"created_at": "2026-11-25T12:00:00Z"}) == NOON
    assert [created_at(body) for body in (None, {}, {"created_at": None}, {"created_at": "x"})] == [None] * 4


def test_a_cursor_is_read_as_it_was_written() -> None:
    for place in (Place(NOON, "trk_1"), Place(None, "trk_1"), Place()):
        assert read_cursor(write_cursor(place), NOON) == place
    assert read_cursor(write_cursor(None), NOON) == Place(since=NOON)
    for broken in ("[]", "{}", "x", '{"since": 1, "before_id": null}'):
        with pytest.raises(ConfigError, match="is not one of the EasyPost adapter"):
            read_cursor(broken, NOON)
