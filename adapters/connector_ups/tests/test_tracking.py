"""Parcels as UPS tells of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from connector.sdk import (
    AuthError,
    Invalid,
    InvalidRecord,
    NotFound,
    ShipmentRecord,
    ShipmentStatus,
    TrackShipment,
    UnexpectedResponse,
    WebhookRequest,
)
from connector.sdk.testing import Between
from connector_ups import Ups
from connector_ups.sandbox import UpsSandbox
from connector_ups.sandbox.system import CREDENTIAL
from connector_ups.shapes import parcel_ref
from connector_ups.tracking import alert_result, tracked_record

from .conftest import NOON, Opened
from .test_labels import error, says

NUMBER = "1ZA1B2C30300000777"
SUBSCRIBE = "/api/track/v2/subscription/standard/package"


def told(kind: str, code: str = "", number: str = "", **activity: Any) -> dict[str, Any]:
    status = {"type": kind, "code": code, "statusCode": number}
    at = {"gmtDate": "20261125", "gmtTime": "100000", **activity}
    package = {"trackingNumber": NUMBER, "activity": [{"status": status, **at}]}
    return {"trackResponse": {"shipment": [{"package": [package]}]}}


@pytest.mark.parametrize(
    ("kind", "code", "number", "status"),
    [
        ("M", "MP", "003", "label_created"), ("MV", "VP", "007", "cancelled"), ("P", "PU", "038", "picked_up"),
        ("I", "DP", "005", "in_transit"), ("I", "OT", "021", "out_for_delivery"), ("I", "", "021", "out_for_delivery"),
        ("D", "OT", "", "out_for_delivery"), ("D", "FS", "011", "delivered"), ("D", "2Q", "040", "ready_for_pickup"),
        ("X", "48", "013", "exception"), ("I", "", "060", "exception"), ("X", "", "034", "returned"),
        ("X", "", "068", "lost"), ("O", "", "", "out_for_delivery"), ("RS", "", "", "returned"),
    ],
)  # fmt: skip
def test_types_and_codes_become_one_vocabulary(kind: str, code: str, number: str, status: str) -> None:
    record = tracked_record(told(kind, code, number))

    assert record is not None
    assert (record.status, record.events[0].vendor_code) == (ShipmentStatus(status), code or number or kind)


def test_a_word_that_nobody_knows_is_told() -> None:
    with pytest.raises(InvalidRecord, match="status type is 'ZZ'; known are M, MV"):
        tracked_record(told("ZZ"))


def test_an_update_of_the_date_is_no_event() -> None:
    assert tracked_record(told("U", "UP", "055")) is None


@pytest.mark.parametrize(
    ("activity", "at"),
    [
        ({"gmtTime": "74700"}, "2026-11-25T07:47:00+00:00"),
        ({"gmtTime": "07:47:00"}, "2026-11-25T07:47:00+00:00"),
        ({"gmtTime": "", "date": "20261125", "time": "230000", "gmtOffset": "-05:00"}, "2026-11-26T04:00:00+00:00"),
        ({"gmtTime": None, "date": "20261125", "time": "3000", "gmtOffset": "+05.30"}, "2026-11-24T19:00:00+00:00"),
    ],
)
def test_times_are_told_in_many_forms(activity: dict[str, Any], at: str) -> None:
    record = tracked_record(told("I", **activity))

    assert record is not None
    assert record.events[0].occurred_at.isoformat() == at


@pytest.mark.parametrize(
    ("activity", "problem"),
    [
        ({"gmtTime": None, "date": "20261125", "time": "230000"}, "neither a time in GMT nor an offset"),
        ({"gmtTime": "noon"}, "is no time"),
        ({"gmtDate": "20261345"}, "is no time"),
    ],
)
def test_a_time_that_cannot_be_told_is_refused(activity: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidRecord, match=problem):
        tracked_record(told("I", **activity))


async def test_a_parcel_is_fetched_with_all_its_activities(ups: Ups, sandbox: UpsSandbox) -> None:
    shipment = sandbox.bought("k")
    sandbox.pick_up(shipment)

    record = await ups.fetch(parcel_ref(shipment["id"]))

    assert isinstance(record, ShipmentRecord)
    assert [event.status.value for event in record.events] == ["label_created", "picked_up"]
    assert (record.carrier, record.updated_at) == ("UPS", NOON)
    with pytest.raises(NotFound):
        await ups.fetch(parcel_ref(NUMBER))


async def test_an_answer_that_cannot_be_read_is_told(opened: Opened) -> None:
    async with opened(says("/api/track/v1/details", 200, told("ZZ"))) as ups:
        with pytest.raises(UnexpectedResponse, match="status type is 'ZZ'"):
            await ups.fetch(parcel_ref(NUMBER))


async def test_alerts_are_asked_for_and_without_a_credential_they_are_not(
    opened: Opened, sandbox: UpsSandbox, wire: Between
) -> None:
    async with opened(webhook_secret=None) as ups:
        assert (await ups.track(TrackShipment("k", NUMBER, "UPS"))).external_id == NUMBER
        with pytest.raises(AuthError, match="has no webhook secret"):
            ups.verify(sandbox.webhook(at=NOON).request)
    assert wire.count(SUBSCRIBE) == 0
    async with opened() as ups:
        await ups.track(TrackShipment("k", NUMBER, "ups"))

    assert list(sandbox.office.subscriptions) == [NUMBER]
    assert wire.requests[-1].headers["transactionsrc"] == "connector"
    assert len(wire.requests[-1].headers["transid"]) == 32


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, {"validTrackingNumbers": [], "invalidTrackingNumbers": [NUMBER]}), (400, error("VSS210"))],
)
async def test_a_number_that_ups_does_not_follow_is_refused(opened: Opened, status: int, body: object) -> None:
    async with opened(says(SUBSCRIBE, status, body)) as ups:
        with pytest.raises(Invalid):
            await ups.track(TrackShipment("k", NUMBER, "UPS"))


async def test_the_test_environment_follows_its_own_numbers_alone(sandbox: UpsSandbox, opened: Opened) -> None:
    refuse = says("/api/track/v2", 400, error("VSS215"))
    async with opened(refuse) as ups:
        with pytest.raises(Invalid, match="VSS215"):
            await ups.track(TrackShipment("k", NUMBER, "UPS"))
    async with opened(refuse, base_url="http://wwwcie.ups.com/api") as ups:
        await ups.track(TrackShipment("k", NUMBER, "UPS"))
        assert "not valid for carriage" in (await ups.check()).detail


@pytest.mark.parametrize("given", [CREDENTIAL, f"Bearer {CREDENTIAL}", f"bearer {CREDENTIAL}"])
async def test_the_credential_comes_in_the_header_of_the_settings(opened: Opened, given: str) -> None:
    async with opened(webhook_header="authorization") as ups:
        ups.verify(WebhookRequest({"authorization": given}, b"{}", NOON))
        for headers in ({"credential": given}, {"authorization": f"{given}x"}, {"authorization": "Bearer "}, {}):
            with pytest.raises(AuthError):
                ups.verify(WebhookRequest(headers, b"{}", NOON))


def test_an_alert_of_a_new_date_has_the_parcel_asked_about(sandbox: UpsSandbox) -> None:
    result = alert_result(sandbox.posted(NUMBER, NOON, "U", "UP", "Updated"))

    assert (result.records, result.fetch) == ((), (parcel_ref(NUMBER),))


def test_what_an_alert_says_of_no_parcel_of_ups_is_refused(sandbox: UpsSandbox) -> None:
    good = sandbox.posted(NUMBER, NOON, "I", "DP", "Departed")
    body = {**json.loads(good.body), "trackingNumber": "../../etc/passwd"}

    with pytest.raises(InvalidRecord, match="/trackingNumber"):
        alert_result(replace(good, body=json.dumps(body).encode()))
