"""Offers, labels and pickups, where DHL does otherwise than one would think; one test each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connector.sdk import (
    Address,
    BuyLabel,
    Conflict,
    Invalid,
    LabelFormat,
    NotFound,
    NotOffered,
    OrderPickup,
    OutcomeUnknown,
    Party,
    Transient,
    UnexpectedResponse,
    VoidLabel,
    WaitingParcel,
)
from connector.sdk.courier import key_mark
from connector.sdk.testing import Between
from connector_dhl import CancelPickup, Dhl, DhlConfig, SchedulePickup
from connector_dhl.customs import territory
from connector_dhl.requests import planned, written
from connector_dhl.sandbox import DhlSandbox
from connector_dhl.sandbox.office import IMPORT_ACCOUNT
from connector_dhl.sandbox.system import BERLIN, HAMBURG, PARCEL, PARIS
from connector_dhl.shapes import parcel_ref

from .conftest import NOON, Opened

OP = BuyLabel("wf-1:label", PARCEL, "INC-1001", service="U")
AT_HOME = replace(PARCEL, recipient=HAMBURG)
RATES, SHIP, TRACKING = "/mydhlapi/rates", "/mydhlapi/shipments", "/mydhlapi/tracking"


def says(path: str, status: int, body: object) -> Callable[[httpx.Request], httpx.Response | None]:
    """Another answer to requests of a path."""
    return lambda request: httpx.Response(status, json=body) if request.url.path == path else None


async def test_offers_are_in_the_accounts_currency_with_business_days(dhl: Dhl, wire: Between) -> None:
    """4.5 kg cost 9.00 more than 21.50 and 38.25. Wednesday to the Tuesday after are four business days."""
    offers = [
        (each.carrier, each.service, each.amount_cents, each.currency, each.transit_days)
        for each in await dhl.quote(PARCEL)
    ]

    assert offers == [("DHL", "W", 3050, "EUR", 4), ("DHL", "U", 4725, "EUR", 1)]
    asked = json.loads(wire.requests[-1].content)
    assert asked["plannedShippingDateAndTime"] == "2026-11-25T17:00:00 GMT+01:00"
    assert asked["packages"] == [{"weight": 4.5, "dimensions": {"length": 40, "width": 30, "height": 10}}]


async def test_what_has_no_price_is_no_offer(opened: Opened) -> None:
    def product(code: str, *prices: dict[str, Any]) -> dict[str, Any]:
        return {"productCode": code, "totalPrice": list(prices), "deliveryCapabilities": {"totalTransitDays": 2}}

    zero, unknown = {"price": 0, "priceCurrency": "EUR"}, {"currencyType": "BILLC"}
    base = {"currencyType": "BASEC", "priceCurrency": "USD", "price": 7}
    body = {"products": [product("D"), product("P", zero), product("U", unknown), product("W", base)]}
    async with opened(says(RATES, 200, body)) as dhl:
        offers = await dhl.quote(PARCEL)
    assert [(each.service, each.amount_cents, each.currency, each.transit_days) for each in offers] == [
        ("W", 700, "USD", 2)
    ]


@pytest.mark.parametrize(
    ("status", "detail"),
    [(404, "No product"), (400, "996: The requested product(s) are not available based on your search criteria.")],
)
async def test_a_way_that_no_product_goes_is_no_offer(opened: Opened, status: int, detail: str) -> None:
    async with opened(says(RATES, status, {"title": "x", "detail": detail, "status": str(status)})) as dhl:
        assert await dhl.quote(PARCEL) == ()


@pytest.mark.parametrize(
    ("now", "at"),
    [
        ("2026-11-25T12:00", "2026-11-25T17:00:00 GMT+01:00"), ("2026-11-25T15:40", "2026-11-26T17:00:00 GMT+01:00"),
        ("2026-11-27T16:30", "2026-11-30T17:00:00 GMT+01:00"), ("2026-07-04T03:00", "2026-07-06T17:00:00 GMT+02:00"),
    ],
)  # fmt: skip
def test_parcels_are_given_to_dhl_at_one_hour_of_working_days(sandbox: DhlSandbox, now: str, at: str) -> None:
    config = DhlConfig.model_validate(sandbox.settings())

    assert written(planned(config, datetime.fromisoformat(now).replace(tzinfo=UTC))) == at


@pytest.mark.parametrize(
    ("one", "other", "is_declared"),
    [
        (("DE", "10115"), ("FR", "75001"), False), (("US", "10001"), ("US", "94105"), False),
        (("DE", "10115"), ("CH", "8001"), True), (("ES", "28001"), ("ES", "38001"), True),
        (("ES", "38001"), ("ES", "38 400"), False), (("IT", "23041"), ("IT", "20121"), True),
        (("MC", "98000"), ("FR", "06000"), False),
    ],
)  # fmt: skip
def test_goods_are_declared_where_they_leave_a_customs_territory(
    one: tuple[str, str], other: tuple[str, str], is_declared: bool
) -> None:
    start, end = (territory(Address(country=country, postal_code=code)) for country, code in (one, other))

    assert (start != end) is is_declared


async def test_what_must_be_declared_is_refused_and_never_sent_as_documents(dhl: Dhl, wire: Between) -> None:
    zurich = Party("Site Zurich", PARIS.address.model_copy(update={"country": "CH", "postal_code": "8001"}))
    abroad = replace(PARCEL, recipient=zurich)

    for doing in (dhl.quote(abroad), dhl.buy_label(replace(OP, parcel=abroad))):
        with pytest.raises(Invalid, match="from DE to CH are declared to customs") as told:
            await doing
        assert told.value.fields == {"content.exportDeclaration": "is missing"}
    assert wire.requests == []


@pytest.mark.parametrize(("label_format", "begins"), [(LabelFormat.PDF, b"%PDF"), (LabelFormat.ZPL, b"^XA")])
async def test_a_label_comes_with_its_price(
    dhl: Dhl, sandbox: DhlSandbox, label_format: LabelFormat, begins: bytes
) -> None:
    receipt = await dhl.buy_label(replace(OP, label_format=label_format))

    assert (receipt.amount_cents, receipt.currency, receipt.service) == (4725, "EUR", "U")
    assert receipt.document.startswith(begins)
    shipment = sandbox.office.shipments[receipt.tracking_number]
    assert shipment.references == ["INC-1001", key_mark(OP.key)]
    assert len(sandbox.office.ship(shipment.asked)["documents"]) == 1


async def test_within_a_country_the_local_code_is_asked_for_and_sent(dhl: Dhl, sandbox: DhlSandbox) -> None:
    receipt = await dhl.buy_label(replace(OP, parcel=AT_HOME, service="N"))

    asked = sandbox.office.shipments[receipt.tracking_number].asked
    assert (asked["productCode"], asked["localProductCode"]) == ("N", "7")


async def test_a_return_is_paid_by_the_account_for_imports_and_keeps_longer(
    opened: Opened, sandbox: DhlSandbox
) -> None:
    async with opened(return_account_number=IMPORT_ACCOUNT, return_services=["PT"]) as dhl:
        receipt = await dhl.buy_label(replace(OP, is_return=True))
        sent = await dhl.buy_label(replace(OP, key="another"))

    back, there = (sandbox.office.shipments[each.tracking_number].asked for each in (receipt, sent))
    assert [each["typeCode"] for each in back["accounts"]] == ["shipper", "payer"]
    assert back["valueAddedServices"] == [{"serviceCode": "PT"}]
    assert len(there["accounts"]) == 1
    assert "valueAddedServices" not in there


async def test_a_label_whose_answer_was_lost_stays_where_it_is_and_another_is_bought(
    opened: Opened, sandbox: DhlSandbox
) -> None:
    def lost(request: httpx.Request) -> httpx.Response | None:
        if request.url.path != SHIP:
            return None
        sandbox.office.ship(json.loads(request.content))
        raise httpx.ReadTimeout("gone", request=request)

    async with opened(lost) as dhl:
        with pytest.raises(OutcomeUnknown):
            await dhl.buy_label(OP)
    async with opened() as dhl:
        assert await dhl.find_label(OP.key) is None
        receipt = await dhl.buy_label(OP)

    assert list(sandbox.office.shipments) == ["5374500000", receipt.tracking_number]


async def test_a_label_of_the_key_that_was_used_is_no_reason_to_buy_another(dhl: Dhl, sandbox: DhlSandbox) -> None:
    used = sandbox.bought(OP.key)
    sandbox.pick_up(used)

    with pytest.raises(Conflict, match=f"parcel {used['id']} of this key is picked up"):
        await dhl.buy_label(OP)
    assert list(sandbox.office.shipments) == [used["id"]]


async def test_a_search_that_fails_is_no_reason_to_buy(opened: Opened, sandbox: DhlSandbox) -> None:
    async with opened(says(TRACKING, 400, {"detail": "Missing mandatory parameters: shipperAccountNumber"})) as dhl:
        with pytest.raises(Invalid, match="Missing mandatory parameters"):
            await dhl.buy_label(OP)
    assert sandbox.office.shipments == {}


async def test_no_label_is_taken_back(dhl: Dhl, sandbox: DhlSandbox) -> None:
    receipt = await dhl.buy_label(OP)

    with pytest.raises(NotOffered, match="DHL Express has no way to take label 5374500000 back"):
        await dhl.void_label(VoidLabel("v", receipt.shipment))
    sandbox.pick_up({"id": receipt.tracking_number})
    with pytest.raises(Conflict):
        await dhl.void_label(VoidLabel("v", receipt.shipment))


@pytest.mark.parametrize(
    ("documents", "problem"),
    [
        ([{"typeCode": "label", "content": "bm8gbGFiZWw="}], "is no PDF"),
        ([{"typeCode": "label", "content": "?"}], "is no Base64"),
        ([{"typeCode": "waybillDoc", "content": "JVBERg=="}], "is no PDF"),
    ],
)
async def test_what_is_no_label_is_refused(opened: Opened, documents: list[object], problem: str) -> None:
    async with opened(says(SHIP, 201, {"shipmentTrackingNumber": "5374599999", "documents": documents})) as dhl:
        with pytest.raises(UnexpectedResponse, match=problem):
            await dhl.buy_label(OP)


async def test_refusals_name_the_places_and_numbers_that_dhl_names(opened: Opened) -> None:
    body = {
        "detail": "Multiple problems found, see Additional Details",
        "additionalDetails": [
            "#/content/packages/0/weight: is not a number",
            "7008: The service 'xx' is not available",
        ],
    }
    async with opened(says(SHIP, 422, body)) as dhl:
        with pytest.raises(Invalid) as told:
            await dhl.buy_label(OP)
    assert told.value.fields == {
        "request": "Multiple problems found, see Additional Details",
        "#/content/packages/0/weight": "is not a number", "7008": "The service 'xx' is not available",
    }  # fmt: skip


async def test_a_purchase_that_dhl_fails_at_may_have_been_made(opened: Opened) -> None:
    broken = {"detail": "999: Process failure occurred.", "status": "500"}
    async with opened(lambda request: httpx.Response(500, json=broken) if request.method == "POST" else None) as dhl:
        with pytest.raises(OutcomeUnknown):
            await dhl.buy_label(OP)
        with pytest.raises(Transient):
            await dhl.quote(PARCEL)


async def test_nobody_gets_a_label_without_a_telephone(opened: Opened) -> None:
    silent = replace(PARIS, address=PARIS.address.model_copy(update={"phone": None}))
    op = replace(OP, parcel=replace(PARCEL, recipient=silent))
    async with opened() as dhl:
        with pytest.raises(Invalid) as told:
            await dhl.buy_label(op)
    assert told.value.fields == {"receiverDetails.contactInformation.phone": "is missing"}
    async with opened(usual_phone="+49 30 555 0100") as dhl:
        await dhl.buy_label(op)


async def test_a_pickup_is_ordered_at_the_times_of_the_place_and_called_off(dhl: Dhl, sandbox: DhlSandbox) -> None:
    times = {"earliest": NOON + timedelta(hours=1), "latest": NOON + timedelta(hours=5)}
    op = SchedulePickup("p", parcel_ref("5374500000"), PARCEL, **times, service="U", time_zone="Europe/Berlin")
    receipt = await dhl.schedule_pickup(replace(op, instructions="ring " * 20))

    asked = sandbox.office.pickups[receipt.external_id]
    assert (asked["plannedPickupDateAndTime"], asked["closeTime"]) == ("2026-11-25T14:00:00 GMT+01:00", "18:00")
    assert [len(each["value"]) for each in asked["specialInstructions"]] == [80, 19]
    assert asked["customerDetails"]["shipperDetails"]["contactInformation"]["fullName"] == BERLIN.name
    await dhl.cancel_pickup(CancelPickup("c", receipt.external_id))
    assert sandbox.office.pickups == {}
    with pytest.raises(NotFound):
        await dhl.cancel_pickup(CancelPickup("c", receipt.external_id))


async def test_a_driver_of_the_hub_is_told_of_every_parcel(dhl: Dhl, sandbox: DhlSandbox) -> None:
    parcels = tuple(
        WaitingParcel(parcel_ref(number), number, "dhl", service, PARCEL)
        for number, service in (("5374500000", "U"), ("5374500011", "P"))
    )
    times = (NOON + timedelta(hours=1), NOON + timedelta(hours=5))
    op = OrderPickup("p", parcels, BERLIN, *times, "Europe/Berlin")

    receipt = await dhl.order_pickup(op)

    told = sandbox.office.pickups[receipt.external_id]["shipmentDetails"]
    assert [(each["shipmentTrackingNumber"], each["productCode"]) for each in told] == [
        ("5374500000", "U"), ("5374500011", "P"),
    ]  # fmt: skip
    assert not dhl.is_pickup_found_again(op)
