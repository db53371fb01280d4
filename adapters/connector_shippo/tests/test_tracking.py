"""Parcels as Shippo tells of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connector.sdk import (
    AuthError,
    InvalidRecord,
    NotFound,
    Rejected,
    ShipmentRecord,
    ShipmentStatus,
    TrackShipment,
    UnexpectedResponse,
    WebhookRequest,
)
from connector.sdk.testing import Between, MovableClock
from connector_shippo import Shippo
from connector_shippo.adapter import PARCELS
from connector_shippo.sandbox import ShippoSandbox
from connector_shippo.sandbox.system import SECRET
from connector_shippo.signatures import HEADER
from connector_shippo.tracking import parcel_ref, track_record

from .conftest import NOON, Opened


def scanned(status: str, code: str | None = None, **columns: Any) -> dict[str, Any]:
    at = "2026-11-25T10:00:00Z"
    scan = {"status": status, "substatus": code and {"code": code}, "status_date": at, "object_created": at, **columns}
    return {"carrier": "usps", "tracking_number": "92", "tracking_history": [scan], "tracking_status": scan}


@pytest.mark.parametrize(
    ("status", "code", "meant"),
    [
        ("PRE_TRANSIT", "information_received", "label_created"), ("TRANSIT", None, "in_transit"),
        ("TRANSIT", "package_accepted", "picked_up"), ("TRANSIT", "out_for_delivery", "out_for_delivery"),
        ("TRANSIT", "pickup_available", "ready_for_pickup"), ("TRANSIT", "delivery_attempted", "exception"),
        ("TRANSIT", "a_new_code", "in_transit"), ("DELIVERED", "delayed", "delivered"),
        ("RETURNED", "return_to_sender", "returned"), ("FAILURE", None, "exception"),
        ("FAILURE", "package_lost", "lost"),
    ],
)  # fmt: skip
def test_statuses_and_codes_become_one_vocabulary_and_the_code_is_kept(
    status: str, code: str | None, meant: str
) -> None:
    record = track_record(scanned(status, code))

    assert record is not None
    assert (record.status, [(each.status, each.vendor_code) for each in record.events]) == (
        ShipmentStatus(meant), [(ShipmentStatus(meant), code or status)],
    )  # fmt: skip


def test_an_unknown_parcel_is_no_record() -> None:
    assert track_record(scanned("UNKNOWN")) is None
    assert track_record({"carrier": "usps", "tracking_number": "92", "tracking_history": None}) is None


def test_the_version_is_when_shippo_wrote_the_latest_down() -> None:
    body = scanned("TRANSIT", object_updated="2026-11-25T10:05:00Z")
    body["tracking_history"].append({"status": "TRANSIT", "status_date": "2026-11-25T11:00:00", "object_updated": None})

    record = track_record(body)

    assert record is not None
    assert record.updated_at == record.events[-1].occurred_at == datetime(2026, 11, 25, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "TELEPORTED"}, "status of scan 0 is 'TELEPORTED'; known are UNKNOWN, PRE_TRANSIT"),
        ({"status_date": None, "object_created": None}, "scan 0 has no date"),
        ({"status_date": "someday"}, "the track cannot be read at /tracking_history/0/status_date"),
    ],
)
def test_what_cannot_be_understood_is_named(change: dict[str, Any], said: str) -> None:
    body = scanned("TRANSIT")
    body["tracking_history"] = [body["tracking_history"][0] | change]

    with pytest.raises(InvalidRecord, match=said):
        track_record(body)


async def test_parcels_of_others_void_ones_and_failures_are_not_asked_after(
    sandbox: ShippoSandbox, shippo: Shippo, wire: Between
) -> None:
    kept, void, other, failed = (sandbox.bought(f"k{number}") for number in range(4))
    void["status"], other["metadata"], failed["status"] = "REFUNDPENDING", "Order ID #12345", "ERROR"
    for each in (kept, void, other):
        sandbox.pick_up(each)

    batches = [batch async for batch in shippo.pull(PARCELS, None)]

    assert [record.ref for batch in batches for record in batch.records] == [
        parcel_ref("usps", kept["tracking_number"])
    ]
    assert sum(request.url.path.startswith("/tracks/") for request in wire.requests) == 1


async def test_a_list_of_labels_that_does_not_go_on_ends_the_pull(opened: Opened, wire: Between) -> None:
    """All of them are of others, so that no record shows that they are the same ones."""
    label = {"object_id": "t1", "object_created": "2026-11-25T11:00:00Z", "metadata": "Order ID #12345"}
    page = {"results": [label], "next": "https://shippo.test"}

    async with opened(lambda _: httpx.Response(200, json=page)) as shippo:
        with pytest.raises(UnexpectedResponse, match="does not go on: page 7 is page 6 again"):
            [batch async for batch in shippo.pull(PARCELS, None)]

    assert [request.url.params["page"] for request in wire.requests] == [str(number) for number in range(1, 8)]


async def test_a_parcel_is_asked_after_for_thirty_days(
    sandbox: ShippoSandbox, shippo: Shippo, clock: MovableClock
) -> None:
    old = sandbox.add_tracker("93", clock.now())
    clock.advance(timedelta(days=29))
    first = [batch async for batch in shippo.pull(PARCELS, None)]
    sandbox.scan(old, clock.now())
    second = [batch async for batch in shippo.pull(PARCELS, first[-1].resume)]
    clock.advance(timedelta(days=2))
    third = [batch async for batch in shippo.pull(PARCELS, second[-1].resume)]

    assert [[record.status for batch in each for record in batch.records] for each in (first, second, third)] == [
        [ShipmentStatus.LABEL_CREATED], [ShipmentStatus.IN_TRANSIT], [],
    ]  # fmt: skip


async def test_labels_that_are_bought_during_a_pull_hide_none(
    sandbox: ShippoSandbox, shippo: Shippo, clock: MovableClock
) -> None:
    for number in range(8):
        sandbox.add_tracker(f"93{number}", clock.now() + timedelta(minutes=number))
    pulling = shippo.pull(PARCELS, None)
    seen = {record.ref for record in (await anext(aiter(pulling))).records}
    for number in range(3):
        sandbox.add_tracker(f"94{number}", clock.now() + timedelta(hours=1))
    seen |= {record.ref async for batch in pulling for record in batch.records}

    assert {parcel_ref("usps", f"93{number}") for number in range(8)} <= seen


async def test_a_carrier_that_shippo_does_not_know_is_told_and_hides_no_other(
    sandbox: ShippoSandbox, shippo: Shippo, clock: MovableClock
) -> None:
    for number in ("931", "932"):
        sandbox.add_tracker(number, clock.now())
    first = next(iter(sandbox.office.transactions.values()))
    first["metadata"] = first["metadata"].replace(" usps ", " pigeon ")

    [batch] = [batch async for batch in shippo.pull(PARCELS, None)]

    assert [record.ref for record in batch.records] == [parcel_ref("usps", "932")]
    assert [isinstance(each, Rejected) and "Invalid carrier: pigeon" in each.reason for each in batch.rejected] == [
        True
    ]


async def test_a_parcel_is_fetched_by_carrier_and_number(sandbox: ShippoSandbox, shippo: Shippo) -> None:
    sandbox.add_tracker("93", NOON)
    found = await shippo.fetch(parcel_ref("usps", "93"))

    assert isinstance(found, ShipmentRecord)
    assert (found.carrier, found.tracking_number) == ("usps", "93")
    for external_id in ("usps/94", "93"):
        with pytest.raises(NotFound, match="no carrier says anything of"):
            await shippo.fetch(found.ref.model_copy(update={"external_id": external_id}))


@pytest.mark.parametrize(
    ("carrier", "settings", "token"),
    [
        ("USPS", {}, "usps"),
        ("FedEx", {}, "fedex"),
        ("Federal Express", {"carriers": {"Federal Express": "fedex"}}, "fedex"),
    ],
)
async def test_carriers_are_told_by_their_token(
    sandbox: ShippoSandbox, opened: Opened, carrier: str, settings: dict[str, Any], token: str
) -> None:
    async with opened(**settings) as shippo:
        await shippo.track(TrackShipment("k", "777", carrier))

    assert list(sandbox.office.tracks) == [f"{token}/777"]


def webhook(**query: str) -> WebhookRequest:
    return WebhookRequest({}, b'{"event":"batch_created"}', NOON, query)


async def test_a_token_in_the_address_is_enough_where_the_settings_say_so(opened: Opened) -> None:
    async with opened(webhook_auth="token") as shippo:
        shippo.verify(webhook(token=SECRET))
        for request in (webhook(), webhook(token=""), webhook(token=SECRET[:-1]), webhook(key=SECRET)):
            with pytest.raises(AuthError, match="query parameter 'token' is not the configured secret"):
                shippo.verify(request)


async def test_a_token_is_not_enough_where_a_signature_is_asked_for(shippo: Shippo) -> None:
    with pytest.raises(AuthError, match="signature"):
        shippo.verify(webhook(token=SECRET))


async def test_the_signature_is_that_of_openssl(shippo: Shippo) -> None:
    """`printf '%s' '1700000000.{"event":"batch_created"}' | openssl dgst -sha256 -hmac hook-sandbox81c7d2e9`."""
    header = {HEADER: "t=1700000000,v1=222a8025baa6b889c52c8c2b63ae66e9740a67146a267aec9f04648e44d762c7"}
    at = datetime.fromtimestamp(1_700_000_000, tz=UTC)

    shippo.verify(WebhookRequest(header, b'{"event":"batch_created"}', at + timedelta(minutes=4)))
    with pytest.raises(AuthError, match="more than 0:05:00 from now"):
        shippo.verify(WebhookRequest(header, b'{"event":"batch_created"}', at + timedelta(minutes=6)))


async def test_without_a_secret_no_webhook_is_accepted(opened: Opened) -> None:
    async with opened(webhook_secret=None) as shippo:
        with pytest.raises(AuthError, match="a webhook came and the source has no webhook secret"):
            shippo.verify(webhook(token=SECRET))


async def test_a_refusal_names_the_field_and_what_is_in_it(opened: Opened) -> None:
    body = {
        "address_to": {"zip": ["Is needed."], "city": ["Too long."]},
        "__all__": ["No."],
        "parcels": [{"weight": ["0"]}],
    }
    no = httpx.Response(400, json=body)
    async with opened(lambda request: no if request.url.path == "/tracks" else None) as shippo:
        with pytest.raises(Exception, match="Shippo refuses to track") as told:
            await shippo.track(TrackShipment("k", "777", "USPS"))

    assert told.value.fields == {  # type: ignore[attr-defined]
        "address_to": "zip: Is needed.; city: Too long.", "request": "No.", "parcels": "weight: 0",
    }  # fmt: skip
