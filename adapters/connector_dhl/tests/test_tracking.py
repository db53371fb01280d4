"""Parcels as DHL tells of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connector.sdk import (
    AuthError,
    Invalid,
    InvalidRecord,
    NotFound,
    ShipmentRecord,
    ShipmentStatus,
    UnexpectedResponse,
)
from connector.sdk.testing import Between, json_webhook
from connector_dhl import Dhl
from connector_dhl.sandbox import DhlSandbox
from connector_dhl.sandbox.office import seen
from connector_dhl.sandbox.system import PUSH_TOKEN
from connector_dhl.shapes import parcel_ref
from connector_dhl.tracking import CODES, tracked_record
from connector_dhl.unified import found_record

from .conftest import NOON, Opened
from .test_labels import says

NUMBER, PARCEL_DE = "5374500000", "00340434161094000001"


def answer(*codes: str, **columns: Any) -> dict[str, Any]:
    scan = {"date": "2026-11-25", "time": "13:00:00", "GMTOffset": "+01:00", **columns}
    return {"shipments": [{"shipmentTrackingNumber": NUMBER, "events": [{**scan, "typeCode": each} for each in codes]}]}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("PU", "picked_up"), ("SA", "picked_up"), ("PL", "in_transit"), ("CR", "in_transit"),
        ("WC", "out_for_delivery"), ("CC", "ready_for_pickup"), ("ok ", "delivered"), ("BA", "exception"),
        ("UD", "exception"), ("RT", "returned"), ("DS", "lost"),
    ],
)  # fmt: skip
def test_checkpoints_become_one_vocabulary(code: str, status: str) -> None:
    record = tracked_record(NUMBER, answer(code))

    assert record is not None
    assert (record.status, record.events[0].vendor_code) == (ShipmentStatus(status), code.strip().upper())
    assert record.updated_at == NOON


@pytest.mark.parametrize(
    ("code", "columns", "problem"),
    [("ZZ", {}, "code is 'ZZ'; known are AF, AR"), ("PU", {"time": "25:00:00"}, "which is no time")],
)
def test_what_nobody_can_read_is_told(code: str, columns: dict[str, str], problem: str) -> None:
    with pytest.raises(InvalidRecord, match=problem):
        tracked_record(NUMBER, answer(code, **columns))


def test_what_says_nothing_of_a_place_or_time_is_no_event() -> None:
    assert tracked_record(NUMBER, answer("RR", "SC")) is None
    assert tracked_record(NUMBER, answer(*CODES, GMTOffset="")) is None
    assert tracked_record("5374500001", answer("PU")) is None


async def test_a_parcel_of_express_is_fetched_with_all_its_events(dhl: Dhl, sandbox: DhlSandbox) -> None:
    shipment = sandbox.bought("k")
    with pytest.raises(NotFound, match="DHL says nothing of 5374500000"):
        await dhl.fetch(parcel_ref(shipment["id"]))
    sandbox.pick_up(shipment)
    sandbox.office.report(shipment["id"], "OK", "Delivered", "Paris-FR")

    record = await dhl.fetch(parcel_ref(shipment["id"]))

    assert isinstance(record, ShipmentRecord)
    assert [(each.status.value, each.location) for each in record.events] == [
        ("picked_up", "Berlin-DE"), ("delivered", "Paris-FR"),
    ]  # fmt: skip


async def test_other_numbers_are_asked_for_elsewhere_with_another_key(
    opened: Opened, wire: Between, sandbox: DhlSandbox
) -> None:
    sandbox.office.elsewhere[PARCEL_DE] = seen(PARCEL_DE, NOON, "delivered", "Delivered")
    async with opened() as dhl:
        record = await dhl.fetch(parcel_ref(PARCEL_DE))

    assert isinstance(record, ShipmentRecord)
    assert (record.status, record.tracking_number) == (ShipmentStatus.DELIVERED, PARCEL_DE)
    [asked] = wire.requests
    assert asked.url.host == "api-eu.dhl.test"
    assert {"authorization", "x-version"}.isdisjoint(asked.headers)
    async with opened(tracking_key=None) as dhl:
        with pytest.raises(NotFound, match="is no number of DHL Express"):
            await dhl.fetch(parcel_ref(PARCEL_DE))


def test_a_piece_finds_its_shipment_and_of_several_the_latest_counts() -> None:
    old = seen("5374500000", NOON - timedelta(days=400), "delivered", "Delivered")
    new = seen("5374500001", NOON, "transit", "In transit")
    record = found_record("JD014600004617230779", {"shipments": [new, old]})

    assert record is not None
    assert (record.ref.external_id, record.status) == ("JD014600004617230779", ShipmentStatus.IN_TRANSIT)
    assert len(record.events) == 1


async def test_a_status_that_nobody_knows_is_told(opened: Opened) -> None:
    body = {"shipments": [seen(PARCEL_DE, NOON, "teleported", "Gone")]}
    async with opened(says("/track/shipments", 200, body)) as dhl:
        with pytest.raises(UnexpectedResponse, match="status code is 'teleported'; known are pre-transit"):
            await dhl.fetch(parcel_ref(PARCEL_DE))


async def test_pushes_without_the_token_are_refused(opened: Opened, sandbox: DhlSandbox) -> None:
    push = sandbox.pushed(seen(PARCEL_DE, NOON, "transit", "In transit"), at=NOON)
    bare = json_webhook({"scope": "subscription.push", "shipments": []}, NOON, lambda _: {})
    async with opened() as dhl:
        dhl.verify(push)
        with pytest.raises(AuthError, match="'x-dhl-push-token' is not the configured one"):
            dhl.verify(bare)
    async with opened(webhook_header="x-other-name") as dhl:
        with pytest.raises(AuthError):
            dhl.verify(push)
    async with opened(webhook_secret=None) as dhl:
        with pytest.raises(AuthError, match="has no webhook secret"):
            dhl.verify(push)


async def test_a_subscription_that_is_to_be_activated_is_shown_to_people(dhl: Dhl) -> None:
    asked = json_webhook({"scope": "subscription.validate", "self": "x", "secret": "s"}, NOON, lambda _: {})

    result = dhl.parse(asked)

    assert result.records == ()
    assert [reason.split(":")[0] for reason in result.refused] == ["DHL asks whether its subscription is wanted"]
    assert PUSH_TOKEN not in str(result)
    with pytest.raises(Invalid, match="status code is 'x'"):
        dhl.parse(json_webhook(
            {"scope": "subscription.push", "shipments": [seen("1", NOON, "x", "")]}, NOON, lambda _: {}
        ))  # fmt: skip
