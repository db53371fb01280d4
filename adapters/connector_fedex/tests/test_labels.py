"""Offers, labels and pickups, where FedEx does otherwise than one would think; one test each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connector.sdk import (
    BuyLabel,
    Conflict,
    Invalid,
    LabelFormat,
    NotFound,
    OrderPickup,
    OutcomeUnknown,
    Party,
    Transient,
    UnexpectedResponse,
    VoidLabel,
    WaitingParcel,
)
from connector.sdk.courier import key_mark
from connector.sdk.testing import Between, MovableClock
from connector_fedex import CancelPickup, FedEx, SchedulePickup
from connector_fedex.sandbox import FedExSandbox
from connector_fedex.sandbox.system import AUSTIN, BOSTON, PARCEL, TRACK_KEY, TRACK_SECRET
from connector_fedex.shapes import parcel_ref

from .conftest import NOON, Opened

OP = BuyLabel("wf-1:label", PARCEL, "INC-1001", service="FEDEX_GROUND")
SHIP, CANCEL, REFERENCES = "/ship/v1/shipments", "/ship/v1/shipments/cancel", "/track/v1/referencenumbers"


def says(path: str, status: int, body: object) -> Callable[[httpx.Request], httpx.Response | None]:
    """Another answer to requests of a path."""
    return lambda request: httpx.Response(status, json=body) if request.url.path == path else None


def error(code: str, message: str = "no") -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message}]}


async def test_offers_are_the_accounts_own_prices_with_business_days(fedex: FedEx, wire: Between) -> None:
    """4,500 g are 10.0 pounds: 9.00 + 5.00, 15.00 + 11.00, 36.00 + 17.00, each a fifth less.

    Wednesday to the Tuesday after are four business days, and one to Thursday.
    """
    offers = [(each.carrier, each.service, each.amount_cents, each.transit_days) for each in await fedex.quote(PARCEL)]

    assert offers == [
        ("FedEx", "FEDEX_GROUND", 1120, 3), ("FedEx", "FEDEX_2_DAY", 2080, 4), ("FedEx", "PRIORITY_OVERNIGHT", 4240, 1),
    ]  # fmt: skip
    asked = json.loads(wire.requests[-1].content)["requestedShipment"]
    assert asked["shipDateStamp"] == "2026-11-25"
    assert asked["requestedPackageLineItems"] == [
        {
            "weight": {"units": "LB", "value": 10.0},
            "dimensions": {"length": 16, "width": 12, "height": 4, "units": "IN"},
        }
    ]


async def test_prices_of_the_list_and_allowed_services_where_the_settings_say_so(opened: Opened) -> None:
    async with opened(account_rates=False, services=["FEDEX_2_DAY"]) as fedex:
        assert [(each.service, each.amount_cents) for each in await fedex.quote(PARCEL)] == [("FEDEX_2_DAY", 2600)]


@pytest.mark.parametrize(("label_format", "begins"), [(LabelFormat.PDF, b"%PDF"), (LabelFormat.ZPL, b"^XA")])
async def test_a_label_comes_with_its_price(
    fedex: FedEx, sandbox: FedExSandbox, label_format: LabelFormat, begins: bytes
) -> None:
    receipt = await fedex.buy_label(replace(OP, label_format=label_format))

    assert (receipt.amount_cents, receipt.currency, receipt.service) == (1120, "USD", "FEDEX_GROUND")
    assert receipt.document.startswith(begins)
    assert sandbox.office.parcels[receipt.tracking_number].references == ["INC-1001", key_mark(OP.key)]


async def test_a_return_is_sold_as_one(fedex: FedEx, sandbox: FedExSandbox) -> None:
    receipt = await fedex.buy_label(replace(OP, is_return=True))

    asked = sandbox.office.parcels[receipt.tracking_number].asked["requestedShipment"]
    assert asked["shipmentSpecialServices"] == {
        "specialServiceTypes": ["RETURN_SHIPMENT"], "returnShipmentDetail": {"returnType": "PRINT_RETURN_LABEL"},
    }  # fmt: skip


async def test_a_label_whose_answer_was_lost_is_voided_and_another_bought(
    opened: Opened, sandbox: FedExSandbox
) -> None:
    def lost(request: httpx.Request) -> httpx.Response | None:
        if request.url.path != SHIP:
            return None
        sandbox.office.ship(json.loads(request.content))
        raise httpx.ReadTimeout("gone", request=request)

    async with opened(lost, settles_after="PT3M") as fedex:
        with pytest.raises(OutcomeUnknown) as told:
            await fedex.buy_label(OP)
    assert told.value.known_after == timedelta(minutes=3)
    async with opened() as fedex:
        assert await fedex.find_label(OP.key) is None
        receipt = await fedex.buy_label(OP)

    assert {number: parcel.is_void for number, parcel in sandbox.office.parcels.items()} == {
        "794953500000": True, receipt.tracking_number: False,
    }  # fmt: skip


async def test_labels_that_tracking_does_not_know_yet_are_handed_back_later(
    fedex: FedEx, sandbox: FedExSandbox, clock: MovableClock
) -> None:
    sandbox.office.lag = timedelta(minutes=5)
    lost = sandbox.bought(OP.key)
    await fedex.find_label(OP.key)
    assert not sandbox.is_void(parcel_ref(lost["id"]))

    clock.advance(timedelta(minutes=5))
    await fedex.find_label(OP.key)

    assert sandbox.is_void(parcel_ref(lost["id"]))


async def test_a_label_of_the_key_that_was_used_is_no_reason_to_buy_another(
    fedex: FedEx, sandbox: FedExSandbox
) -> None:
    other, used = sandbox.bought(OP.key), sandbox.bought(OP.key)
    sandbox.pick_up(used)

    with pytest.raises(Conflict, match=f"parcel {used['id']} of this key is picked up"):
        await fedex.buy_label(OP)
    assert len(sandbox.office.parcels) == 2
    assert not sandbox.is_void(parcel_ref(other["id"]))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, error("TRACKING.REFERENCENUMBER.NOTFOUND")), (400, error("TRACKING.REFERENCENUMBER.NOTFOUND")),
        (200, {"output": {"completeTrackResults": [
            {"trackResults": [{"error": {"code": "TRACKING.REFERENCENUMBER.NOTFOUND"}}]}
        ]}}),
        (200, {"output": {"completeTrackResults": []}}),
    ],
)  # fmt: skip
async def test_no_parcel_of_a_reference_is_told_in_many_forms(opened: Opened, status: int, body: object) -> None:
    async with opened(says(REFERENCES, status, body)) as fedex:
        assert await fedex.find_label(OP.key) is None


async def test_a_search_that_fails_otherwise_is_no_reason_to_buy(opened: Opened, sandbox: FedExSandbox) -> None:
    async with opened(says(REFERENCES, 400, error("TRACKING.ACCOUNTNUMBER.INVALID"))) as fedex:
        with pytest.raises(Invalid, match=r"TRACKING\.ACCOUNTNUMBER\.INVALID"):
            await fedex.buy_label(OP)
    assert sandbox.office.parcels == {}


@pytest.mark.parametrize(
    ("content", "problem"), [("bm8gbGFiZWw=", "is no PDF"), ("?", "is no Base64"), (None, "is no PDF")]
)
async def test_what_is_no_label_is_refused(opened: Opened, content: str | None, problem: str) -> None:
    document = {"contentType": "LABEL", "encodedLabel": content}
    made = {"pieceResponses": [{"trackingNumber": "794953535000", "packageDocuments": [document]}]}
    async with opened(says(SHIP, 200, {"output": {"transactionShipments": [made]}})) as fedex:
        with pytest.raises(UnexpectedResponse, match=problem):
            await fedex.buy_label(OP)


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, error("SHIPMENT.X", "too late")), (200, {"output": {"cancelledShipment": False, "message": "too late"}})],
)
async def test_a_label_that_fedex_keeps_is_a_conflict(opened: Opened, status: int, body: object) -> None:
    async with opened(says(CANCEL, status, body)) as fedex:
        receipt = await fedex.buy_label(OP)
        with pytest.raises(Conflict, match="too late"):
            await fedex.void_label(VoidLabel("v", receipt.shipment))


async def test_what_is_refused_for_now_is_asked_again(opened: Opened) -> None:
    async with opened(says("/rate/v1/rates/quotes", 400, error("SYSTEM.UNEXPECTED.ERROR"))) as fedex:
        with pytest.raises(Transient):
            await fedex.quote(PARCEL)


async def test_nobody_gets_a_label_without_a_telephone(opened: Opened) -> None:
    silent = replace(BOSTON, address=BOSTON.address.model_copy(update={"phone": None}))
    op = replace(OP, parcel=replace(PARCEL, recipient=silent))
    async with opened() as fedex:
        with pytest.raises(Invalid) as told:
            await fedex.buy_label(op)
    assert told.value.fields == {"recipients.contact.phoneNumber": "is missing"}
    async with opened(usual_phone="+1 512 555 0100") as fedex:
        await fedex.buy_label(op)


async def test_streets_beyond_three_lines_are_refused(fedex: FedEx) -> None:
    long = "Forschungszentrum fuer Werkstoffe, Gebaeude 12, dritter Aufgang, zweites Obergeschoss"
    far = Party("Ina", BOSTON.address.model_copy(update={"line1": long, "line2": long, "city": None}))
    with pytest.raises(Invalid) as told:
        await fedex.quote(replace(PARCEL, recipient=far))
    assert told.value.fields == {"recipient.address.city": "is missing", "recipient.address.streetLines": "is too long"}


async def test_tracking_may_have_a_project_of_its_own(opened: Opened, wire: Between, sandbox: FedExSandbox) -> None:
    async with opened(track_client_id=TRACK_KEY, track_client_secret=TRACK_SECRET) as fedex:
        await fedex.buy_label(OP)

    forms = [request.content.decode() for request in wire.requests if request.url.path == "/oauth/token"]
    assert [TRACK_KEY in form for form in forms] == [True, False]


def pickup() -> SchedulePickup:
    times = {"earliest": NOON + timedelta(hours=3), "latest": NOON + timedelta(hours=8)}
    return SchedulePickup("p", parcel_ref("1"), AUSTIN, **times, time_zone="America/Chicago")


async def test_a_pickup_is_ordered_at_the_times_of_the_place_and_called_off(
    fedex: FedEx, sandbox: FedExSandbox
) -> None:
    receipt = await fedex.schedule_pickup(pickup())

    assert receipt.external_id == "FDXE/2026-11-25/AUSA/3001"
    asked = sandbox.office.pickups["3001"]["originDetail"]
    assert (asked["readyDateTimestamp"], asked["customerCloseTime"]) == ("2026-11-25T09:00:00Z", "14:00:00")
    await fedex.cancel_pickup(CancelPickup("c", receipt.external_id))
    assert sandbox.office.pickups == {}


async def test_a_pickup_that_is_called_off_already_is_called_off(
    fedex: FedEx, sandbox: FedExSandbox, wire: Between
) -> None:
    receipt = await fedex.schedule_pickup(pickup())
    await fedex.cancel_pickup(CancelPickup("c", receipt.external_id))

    again = await fedex.cancel_pickup(CancelPickup("c", receipt.external_id))

    assert (again.external_id, sandbox.office.pickups) == (receipt.external_id, {})
    assert wire.count("/pickup/v1/pickups/cancel") == 2


async def test_a_pickup_that_fedex_does_not_know_is_not_found_and_one_that_was_made_is_refused(
    fedex: FedEx, opened: Opened
) -> None:
    pickup = CancelPickup("c", "FDXE/2026-11-25/AUSA/3001")
    with pytest.raises(NotFound, match=r"NO\.DISPATCH\.FOUND: No Dispatch found for this account"):
        await fedex.cancel_pickup(pickup)
    with pytest.raises(Invalid, match="is no pickup of FedEx"):
        await fedex.cancel_pickup(CancelPickup("c", "3001"))
    made = error("PICKUPCONFIRMATION.CODE.ALREADYEXIST", "Pickup already made, cannot cancel or update.")
    async with opened(says("/pickup/v1/pickups/cancel", 400, made)) as refusing:
        with pytest.raises(Invalid, match="Pickup already made"):
            await refusing.cancel_pickup(pickup)


async def test_drivers_of_ground_and_express_are_ordered_apart(fedex: FedEx, sandbox: FedExSandbox) -> None:
    times = (NOON + timedelta(hours=3), NOON + timedelta(hours=8))
    ground, also, express = (
        WaitingParcel(parcel_ref(number), number, "fedex", service, PARCEL)
        for number, service in (("1", "FEDEX_GROUND"), ("2", "GROUND_HOME_DELIVERY"), ("3", "PRIORITY_OVERNIGHT"))
    )
    op = OrderPickup("p", (ground, also), AUSTIN, *times, "America/Chicago")

    receipt = await fedex.order_pickup(op)

    assert (receipt.external_id, receipt.confirmation) == ("FDXG/2026-11-25/AUSA/3001", "3001")
    assert sandbox.office.pickups["3001"]["packageCount"] == 2
    assert not fedex.is_pickup_found_again(op)
    with pytest.raises(Invalid, match="are fetched by different drivers"):
        await fedex.order_pickup(replace(op, parcels=(ground, express)))
