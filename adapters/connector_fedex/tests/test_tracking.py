"""Parcels as FedEx tells of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from connector.sdk import (
    AuthError,
    InvalidRecord,
    NotFound,
    ShipmentRecord,
    ShipmentStatus,
    UnexpectedResponse,
)
from connector.sdk.testing import Between
from connector_fedex import FedEx
from connector_fedex.sandbox import FedExSandbox
from connector_fedex.sandbox.office import scanned, told
from connector_fedex.shapes import parcel_ref
from connector_fedex.tracking import tracked_records

from .conftest import NOON, Opened
from .test_labels import says

NUMBER = "794953599777"
TRACK = "/track/v1/trackingnumbers"


def answer(*results: dict[str, Any], number: str = NUMBER) -> dict[str, Any]:
    return {"output": {"completeTrackResults": [{"trackingNumber": number, "trackResults": list(results)}]}}


def scan(kind: str, derived: str = "", **columns: Any) -> dict[str, Any]:
    return {**scanned(NOON, kind, derived, "", None), **columns}


@pytest.mark.parametrize(
    ("kind", "derived", "status"),
    [
        ("OC", "IN", "label_created"), ("PU", "PU", "picked_up"), ("DP", "IT", "in_transit"),
        ("OD", "IT", "out_for_delivery"), ("DL", "DL", "delivered"), ("DE", "DE", "exception"),
        ("SE", "SE", "exception"), ("HL", "HL", "ready_for_pickup"), ("RS", "RS", "returned"),
        ("CA", "CA", "cancelled"), ("Ow", "", "in_transit"), ("ZZ", "IT", "in_transit"),
    ],
)  # fmt: skip
def test_codes_become_one_vocabulary(kind: str, derived: str, status: str) -> None:
    [record] = tracked_records(answer(told(NUMBER, [scan(kind, derived)])))

    assert (record.events[0].status, record.events[0].vendor_code) == (ShipmentStatus(status), kind)


def test_a_word_that_nobody_knows_is_told() -> None:
    with pytest.raises(InvalidRecord, match="event type is 'ZZ', derived status 'YY'; known are OC"):
        tracked_records(answer(told(NUMBER, [scan("ZZ", "YY")])))


def test_forecasts_and_events_without_an_offset_are_no_events() -> None:
    assert tracked_records(answer(told(NUMBER, [scan("AO"), scan("PU", date="2026-11-25T06:00:00")]))) == ()


def test_of_several_parcels_with_one_number_the_latest_counts() -> None:
    old = told(NUMBER, [scan("DL", "DL", date="2021-01-05T10:00:00-06:00")])
    new = told(NUMBER, [scan("PU", "PU")])
    [record] = tracked_records(answer(new, old))

    assert record.status is ShipmentStatus.PICKED_UP


async def test_a_parcel_is_fetched_with_all_its_events(fedex: FedEx, sandbox: FedExSandbox) -> None:
    shipment = sandbox.bought("k")
    sandbox.pick_up(shipment)

    record = await fedex.fetch(parcel_ref(shipment["id"]))

    assert isinstance(record, ShipmentRecord)
    assert [event.status.value for event in record.events] == ["label_created", "picked_up"]
    assert (record.carrier, record.updated_at) == ("FedEx", NOON)
    with pytest.raises(NotFound):
        await fedex.fetch(parcel_ref(NUMBER))


async def test_questions_of_one_moment_go_out_in_requests_of_thirty(
    fedex: FedEx, sandbox: FedExSandbox, wire: Between
) -> None:
    numbers = [sandbox.bought(f"k{count}")["id"] for count in range(31)]

    records = await asyncio.gather(*(fedex.fetch(parcel_ref(number)) for number in numbers))

    assert [record.ref.external_id for record in records] == numbers
    asked = [json.loads(each.content)["trackingInfo"] for each in wire.requests if each.url.path == TRACK]
    assert [len(each) for each in asked] == [30, 1]


async def test_what_cannot_be_read_of_one_parcel_is_nothing_to_the_others(fedex: FedEx, sandbox: FedExSandbox) -> None:
    good, bad = sandbox.bought("k1")["id"], sandbox.bought("k2")["id"]
    sandbox.office.report(sandbox.office.parcels[bad], "ZZ", "YY", "", None)

    first, second = await asyncio.gather(
        fedex.fetch(parcel_ref(good)), fedex.fetch(parcel_ref(bad)), return_exceptions=True
    )

    assert isinstance(first, ShipmentRecord)
    assert isinstance(second, UnexpectedResponse)


async def test_another_error_about_a_number_is_told(opened: Opened) -> None:
    result = {"error": {"code": "TRACKING.DATA.LOCKED", "message": "Ask later."}}
    async with opened(says(TRACK, 200, answer(result))) as fedex:
        with pytest.raises(UnexpectedResponse, match=r"TRACKING\.DATA\.LOCKED: Ask later"):
            await fedex.fetch(parcel_ref(NUMBER))


async def test_without_a_security_token_webhooks_are_refused(opened: Opened, sandbox: FedExSandbox) -> None:
    async with opened(webhook_secret=None) as fedex:
        with pytest.raises(AuthError, match="has no webhook secret"):
            fedex.verify(sandbox.posted(NUMBER, scan("PU", "PU")))
