"""Offers, labels and pickups, where UPS does otherwise than one would think; one test each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
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
    OrderPickup,
    OutcomeUnknown,
    Party,
    Transient,
    UnexpectedResponse,
    VoidLabel,
    WaitingParcel,
)
from connector.sdk.courier import key_mark, tenths_of_weight
from connector.sdk.testing import Between, MovableClock
from connector_ups import CancelPickup, SchedulePickup, Ups
from connector_ups.requests import party
from connector_ups.sandbox import UpsSandbox
from connector_ups.sandbox.system import AUSTIN, BOSTON, PARCEL
from connector_ups.shapes import parcel_ref

from .conftest import NOON, Opened

OP = BuyLabel("wf-1:label", PARCEL, "INC-1001", service="03")
BERLIN = Party("Ina", Address(line1="Weg 1", city="Berlin", postal_code="12 099", country="DE"), "Hub Berlin")
PARIS = Party("Jo", Address(line1="Rue 2", city="Paris", postal_code="75001", country="FR"))
SHIP, RECOVERY = "/api/shipments/v2409/ship", "/api/labels/v1/recovery"


def shipped(sandbox: UpsSandbox) -> dict[str, Any]:
    [parcel] = sandbox.office.parcels.values()
    return dict(parcel.asked)


def says(path: str, status: int, body: object) -> Callable[[httpx.Request], httpx.Response | None]:
    """Another answer to requests of a path."""
    return lambda request: httpx.Response(status, json=body) if request.url.path.startswith(path) else None


def error(code: str, message: str = "no") -> dict[str, Any]:
    return {"response": {"errors": [{"code": code, "message": message}]}}


async def test_offers_are_the_accounts_own_prices_with_business_days(ups: Ups, wire: Between) -> None:
    """4,500 g are 10.0 pounds, begun tenths: 7.10 + 4.20, 14.20 + 9.00, 31.00 + 13.50, each a fifth less."""
    offers = [(each.carrier, each.service, each.amount_cents, each.transit_days) for each in await ups.quote(PARCEL)]

    assert offers == [("UPS", "03", 904, 3), ("UPS", "02", 1856, 2), ("UPS", "01", 3560, 1)]
    assert wire.requests[-1].url.path == "/api/rating/v2409/Shoptimeintransit"
    asked = json.loads(wire.requests[-1].content)["RateRequest"]["Shipment"]
    assert asked["DeliveryTimeInformation"]["Pickup"] == {"Date": "20261125"}
    assert asked["Package"] == [
        {
            "PackagingType": {"Code": "02", "Description": "Customer supplied"},
            "PackageWeight": {"UnitOfMeasurement": {"Code": "LBS", "Description": "Pounds"}, "Weight": "10.0"},
            "Dimensions": {
                "UnitOfMeasurement": {"Code": "IN", "Description": "Inches"}, "Length": "16", "Width": "12",
                "Height": "4",
            },
        }
    ]  # fmt: skip


async def test_published_prices_and_allowed_services_where_the_settings_say_so(opened: Opened) -> None:
    async with opened(negotiated_rates=False, services=["02", "01"]) as ups:
        assert [(each.service, each.amount_cents) for each in await ups.quote(PARCEL)] == [("02", 2320), ("01", 4450)]


async def test_the_day_of_a_shipment_is_that_of_its_zone(opened: Opened, wire: Between, clock: MovableClock) -> None:
    clock.advance(timedelta(hours=11, minutes=30))
    async with opened(time_zone="Europe/Berlin") as ups:
        await ups.quote(PARCEL)

    asked = json.loads(wire.requests[-1].content)["RateRequest"]["Shipment"]
    assert asked["DeliveryTimeInformation"]["Pickup"] == {"Date": "20261126"}


async def test_between_countries_no_transit_is_asked_for_and_references_are_the_shipments(
    ups: Ups, sandbox: UpsSandbox, wire: Between
) -> None:
    abroad = replace(PARCEL, sender=BERLIN, recipient=PARIS)
    offers = await ups.quote(abroad)
    asked = wire.requests[-1]
    await ups.buy_label(replace(OP, parcel=abroad))

    assert (asked.url.path, offers[0].transit_days) == ("/api/rating/v2409/Shop", None)
    shipment = shipped(sandbox)["Shipment"]
    assert shipment["ReferenceNumber"] == [{"Value": "INC-1001"}, {"Value": key_mark(OP.key)}]
    assert "ReferenceNumber" not in shipment["Package"][0]
    assert shipment["Package"][0]["PackageWeight"] == {
        "UnitOfMeasurement": {"Code": "KGS", "Description": "Kilograms"}, "Weight": "4.5",
    }  # fmt: skip
    assert shipment["ShipFrom"]["Address"]["PostalCode"] == "12099"


async def test_within_the_united_states_references_are_the_packages(ups: Ups, sandbox: UpsSandbox) -> None:
    await ups.buy_label(OP)

    shipment = shipped(sandbox)["Shipment"]
    assert shipment["Package"][0]["ReferenceNumber"] == [{"Value": "INC-1001"}, {"Value": key_mark(OP.key)}]
    assert (shipment["Shipper"]["ShipperNumber"], shipment["Shipper"]["Name"]) == ("A1B2C3", "Hub Austin")
    assert shipment["ShipFrom"]["Phone"] == {"Number": "15125550100"}


def test_marks_differ_by_key_and_have_letters_and_digits_alone() -> None:
    one, other = (key_mark("k" * 300 + end) for end in "ab")

    assert one != other
    assert all(len(mark) <= 35 and mark.isalnum() and mark.isupper() for mark in (one, other))


async def test_without_a_service_the_cheapest_is_bought(ups: Ups, sandbox: UpsSandbox, wire: Between) -> None:
    receipt = await ups.buy_label(replace(OP, service=None))

    assert (receipt.service, receipt.amount_cents, receipt.currency) == ("03", 904, "USD")
    assert wire.count("/api/rating/v2409/Shoptimeintransit") == 1


async def test_a_service_that_the_settings_do_not_allow_is_refused_with_what_is_offered(opened: Opened) -> None:
    async with opened(services=["02"]) as ups:
        with pytest.raises(Invalid, match="no carrier offers any carrier/03 for this parcel, offered is UPS/02"):
            await ups.buy_label(OP)


async def test_a_pdf_is_given_out_after_the_purchase_and_zpl_with_it(
    ups: Ups, sandbox: UpsSandbox, wire: Between
) -> None:
    pdf = await ups.buy_label(OP)
    recoveries = wire.count(RECOVERY)
    zpl = await ups.buy_label(replace(OP, key="wf-2:label", label_format=LabelFormat.ZPL))

    assert (pdf.document[:5], pdf.label_format) == (b"%PDF-", LabelFormat.PDF)
    assert (zpl.document[:3], wire.count(RECOVERY)) == (b"^XA", recoveries + 1)
    formats = [
        parcel.asked["LabelSpecification"]["LabelImageFormat"]["Code"] for parcel in sandbox.office.parcels.values()
    ]
    assert formats == ["GIF", "ZPL"]
    assert pdf.tracking_url == f"https://www.ups.com/track?tracknum={pdf.tracking_number}"


async def test_a_return_is_the_accounts_of_whoever_gets_it_back(ups: Ups, sandbox: UpsSandbox) -> None:
    await ups.buy_label(replace(OP, parcel=replace(PARCEL, sender=BOSTON, recipient=AUSTIN), is_return=True))

    shipment = shipped(sandbox)["Shipment"]
    assert (shipment["ShipFrom"]["Name"], shipment["ShipTo"]["Name"]) == ("Site Boston", "Hub Austin")
    assert (shipment["Shipper"]["Name"], shipment["ReturnService"]) == ("Hub Austin", {"Code": "9"})


async def test_a_label_whose_answer_was_lost_is_found_in_the_format_of_the_settings(
    opened: Opened, sandbox: UpsSandbox
) -> None:
    sandbox.bought(OP.key)
    async with opened(recovered_format="zpl") as ups:
        found = await ups.find_label(OP.key)
        again = await ups.buy_label(OP)

    assert found is not None
    assert (found.label_format, found.document[:3], found.service, found.amount_cents) == (
        LabelFormat.ZPL, b"^XA", "", None,
    )  # fmt: skip
    assert (again.tracking_number, again.document[:5]) == (found.tracking_number, b"%PDF-")
    assert len(sandbox.labels_of(OP.key)) == 1


async def test_what_label_recovery_does_not_know_yet_tracking_may_know(
    ups: Ups, sandbox: UpsSandbox, clock: MovableClock
) -> None:
    """Nothing is bought while there is a label that is not given out."""
    sandbox.office.lag = timedelta(minutes=1)
    sandbox.bought(OP.key)

    for ask in (ups.find_label(OP.key), ups.buy_label(OP)):
        with pytest.raises(OutcomeUnknown, match="and does not give it out yet") as told:
            await ask
        assert told.value.known_after == timedelta(minutes=2)
    clock.advance(timedelta(minutes=1))
    found = await ups.find_label(OP.key)

    assert found is not None
    assert len(sandbox.labels_of(OP.key)) == 1


async def test_a_lost_answer_is_asked_about_after_a_while(opened: Opened, sandbox: UpsSandbox) -> None:
    def lose(request: httpx.Request) -> httpx.Response | None:
        if request.url.path == SHIP:
            raise httpx.ReadTimeout("lost", request=request)
        return None

    async with opened(lose, settles_after="PT5M") as ups:
        with pytest.raises(OutcomeUnknown) as told:
            await ups.buy_label(OP)

    assert told.value.known_after == timedelta(minutes=5)


@pytest.mark.parametrize("lists_candidates", [True, False])
async def test_of_two_labels_that_a_lag_has_brought_about_one_is_voided(
    ups: Ups, sandbox: UpsSandbox, lists_candidates: bool
) -> None:
    """The first by its number stays, whichever process looks."""
    sandbox.office.lists_candidates = lists_candidates
    first, second = sandbox.bought(OP.key)["id"], sandbox.bought(OP.key)["id"]

    found = await ups.find_label(OP.key)
    again = await ups.buy_label(OP)

    assert found is not None
    assert (found.tracking_number, again.tracking_number) == (first, first)
    assert (sandbox.is_void(parcel_ref(first)), sandbox.is_void(parcel_ref(second))) == (False, True)


async def test_a_label_too_many_shows_when_the_second_is_read_back(
    opened: Opened, sandbox: UpsSandbox, clock: MovableClock
) -> None:
    """The first one's answer was lost with its process, and UPS knew nothing of it when the second was bought."""
    sandbox.office.lag = sandbox.office.tracking_lag = timedelta(minutes=1)
    first = sandbox.bought(OP.key)["id"]

    def later(request: httpx.Request) -> httpx.Response | None:
        if request.url.path == RECOVERY and len(sandbox.office.parcels) > 1:
            clock.advance(timedelta(minutes=1))
        return None

    async with opened(later) as ups:
        receipt = await ups.buy_label(OP)

    assert receipt.tracking_number == first
    assert [parcel.is_void for parcel in sandbox.office.parcels.values()] == [False, True]


async def test_a_label_whose_key_is_not_known_yet_is_read_by_its_number(opened: Opened, sandbox: UpsSandbox) -> None:
    def by_reference(request: httpx.Request) -> httpx.Response | None:
        is_asked = (
            request.url.path == RECOVERY and "ReferenceValues" in json.loads(request.content)["LabelRecoveryRequest"]
        )
        return httpx.Response(400, json=error("300007")) if is_asked else None

    sandbox.office.tracking_lag = timedelta(minutes=1)
    async with opened(by_reference) as ups:
        receipt = await ups.buy_label(OP)

    assert list(sandbox.office.parcels) == [receipt.tracking_number]


async def test_a_second_label_that_cannot_be_voided_is_a_persons(opened: Opened, sandbox: UpsSandbox) -> None:
    for _ in range(2):
        sandbox.bought(OP.key)
    body = {"VoidShipmentResponse": {"SummaryResult": {"Status": {"Code": "0"}}}}
    async with opened(says("/api/shipments/v2409/void", 200, body)) as ups:
        with pytest.raises(Conflict, match=r"UPS has labels 1Z\w+, 1Z\w+ for one parcel and does not void 1Z"):
            await ups.find_label(OP.key)


async def test_the_label_of_a_voided_key_is_not_found_and_no_other_is_bought(ups: Ups, sandbox: UpsSandbox) -> None:
    receipt = await ups.buy_label(OP)
    await ups.void_label(VoidLabel("wf-1:void", receipt.shipment))

    assert await ups.find_label(OP.key) is None
    with pytest.raises(Conflict, match="the label of this key was voided"):
        await ups.buy_label(OP)
    assert len(sandbox.labels_of(OP.key)) == 1


async def test_a_void_label_that_only_tracking_knows_is_no_reason_to_buy(ups: Ups, sandbox: UpsSandbox) -> None:
    shipment = sandbox.bought(OP.key)
    await ups.void_label(VoidLabel("v", parcel_ref(shipment["id"])))
    sandbox.office.lag = timedelta(days=1)

    assert await ups.find_label(OP.key) is None
    with pytest.raises(Conflict, match="was voided"):
        await ups.buy_label(OP)


async def test_label_results_may_be_one_object_in_place_of_a_list(opened: Opened, sandbox: UpsSandbox) -> None:
    shipment = sandbox.bought(OP.key)
    parcel = sandbox.office.parcels[shipment["id"]]
    image = {"GraphicImage": sandbox.office.image(parcel, "ZPL")["GraphicImage"]}
    body = {"LabelRecoveryResponse": {"LabelResults": {"TrackingNumber": parcel.number, "LabelImage": image}}}
    async with opened(says(RECOVERY, 200, body), recovered_format="zpl") as ups:
        found = await ups.find_label(OP.key)

    assert found is not None
    assert found.tracking_number == parcel.number


@pytest.mark.parametrize(
    ("content", "problem"),
    [("bm8gbGFiZWw=", "should be is no PDF"), ("abc", "is no Base64"), ("", "should be is no PDF")],
)
async def test_what_is_no_label_is_refused(opened: Opened, content: str, problem: str) -> None:
    image = {"GraphicImage": content}
    body = {"LabelRecoveryResponse": {"LabelResults": [{"TrackingNumber": "1Z1", "LabelImage": image}]}}
    async with opened(says(RECOVERY, 200, body)) as ups:
        with pytest.raises(UnexpectedResponse, match=problem):
            await ups.find_label(OP.key)


async def test_voiding_twice_is_asking_once_where_tracking_knows_it(
    ups: Ups, sandbox: UpsSandbox, wire: Between
) -> None:
    receipt = await ups.buy_label(OP)
    for _ in range(2):
        await ups.void_label(VoidLabel("wf-1:void", receipt.shipment))
    sandbox.office.tracking_lag = timedelta(days=1)
    await ups.void_label(VoidLabel("wf-1:void", receipt.shipment))

    assert [request.method for request in wire.requests].count("DELETE") == 2


async def test_the_label_of_a_scanned_parcel_is_not_voided(ups: Ups, sandbox: UpsSandbox) -> None:
    shipment = sandbox.bought("k")
    sandbox.pick_up(shipment)

    with pytest.raises(Conflict, match="is picked up: its label cannot be voided now") as told:
        await ups.void_label(VoidLabel("v", parcel_ref(shipment["id"])))
    assert told.value.current is not None
    assert not sandbox.is_void(parcel_ref(shipment["id"]))


@pytest.mark.parametrize(
    ("code", "kind"), [("190102", Conflict), ("190101", Conflict), ("190100", NotFound), ("190001", Transient)]
)
async def test_refusals_to_void_are_told_apart_by_their_codes(opened: Opened, code: str, kind: type[Exception]) -> None:
    async with opened(says("/api/shipments/v2409/void", 400, error(code))) as ups:
        with pytest.raises(kind):
            await ups.void_label(VoidLabel("v", parcel_ref("1ZA1B2C30300000001")))


async def test_a_refusal_is_told_by_its_codes(opened: Opened) -> None:
    async with opened(says(SHIP, 400, error("120124", "Requested service is unavailable"))) as ups:
        with pytest.raises(Invalid, match="UPS refuses to buy label: 120124: Requested service is unavailable") as told:
            await ups.buy_label(OP)
    assert told.value.fields == {"120124": "Requested service is unavailable"}


async def test_where_no_service_goes_nothing_is_offered(opened: Opened) -> None:
    async with opened(says("/api/rating", 400, error("111210"))) as ups:
        assert await ups.quote(PARCEL) == ()


async def test_an_expired_token_is_renewed_once(ups: Ups, sandbox: UpsSandbox, wire: Between) -> None:
    await ups.check()
    sandbox.counter.tokens.clear()

    await ups.quote(PARCEL)

    assert wire.count("/security/v1/oauth/token") == 2


def test_long_streets_are_written_on_three_lines_and_longer_ones_refused() -> None:
    long = "Forschungszentrum fuer Werkstoffe, Gebaeude 12, dritter Aufgang, zweites Obergeschoss"
    address = Address(line1=long, city="Berlin", country="DE")

    lines = party(Party("Ina", address), "ShipTo")["Address"]["AddressLine"]
    assert (" ".join(lines), [len(line) <= 35 for line in lines]) == (long, [True] * 3)
    with pytest.raises(Invalid) as told:
        party(Party("Ina", address.model_copy(update={"line2": long, "city": None})), "ShipTo")
    assert told.value.fields == {"ShipTo.Address.City": "is missing", "ShipTo.Address.AddressLine": "is too long"}


@pytest.mark.parametrize(
    ("grams", "imperial", "text"), [(4500, True, "10.0"), (4500, False, "4.5"), (1, True, "0.1"), (4501, False, "4.6")]
)
def test_weights_are_rounded_up_to_tenths(grams: int, imperial: bool, text: str) -> None:
    assert str(tenths_of_weight(grams, imperial=imperial)) == text


def pickup(key: str = "p") -> SchedulePickup:
    times = {"earliest": NOON + timedelta(hours=3), "latest": NOON + timedelta(hours=8)}
    return SchedulePickup(
        key, parcel_ref("1Z"), AUSTIN, **times, service="03", destination="US", time_zone="America/Chicago"
    )


async def test_a_pickup_is_ordered_once_and_at_the_times_of_the_place(ups: Ups, sandbox: UpsSandbox) -> None:
    first = await ups.schedule_pickup(pickup())
    again = await ups.schedule_pickup(pickup())
    other = await ups.schedule_pickup(pickup("q"))

    assert (first, other.external_id != first.external_id, len(sandbox.office.pickups)) == (again, True, 2)
    asked = sandbox.office.pickups[first.external_id]
    assert asked["PickupDateInfo"] == {"PickupDate": "20261125", "ReadyTime": "0900", "CloseTime": "1400"}
    assert asked["PickupPiece"][0]["ServiceCode"] == "003"


async def test_a_pickup_is_called_off_and_twice_is_once(ups: Ups, sandbox: UpsSandbox) -> None:
    receipt = await ups.schedule_pickup(pickup())
    for _ in range(2):
        assert (await ups.cancel_pickup(CancelPickup("c", receipt.external_id))).external_id == receipt.external_id

    assert sandbox.office.pickups == {}


async def test_nobody_is_fetched_from_without_a_telephone(ups: Ups) -> None:
    with pytest.raises(Invalid, match="UPS comes to no one without a telephone number, Site Boston has none"):
        await ups.schedule_pickup(replace(pickup(), at=BOSTON))


async def test_a_driver_of_the_hub_is_told_of_every_kind_of_parcel(ups: Ups, sandbox: UpsSandbox) -> None:
    abroad = replace(PARCEL, recipient=replace(PARCEL.recipient, address=Address(country="CA")))
    parcels = tuple(
        WaitingParcel(parcel_ref(f"1Z{place}"), f"1Z{place}", "ups", service, parcel)
        for place, (service, parcel) in enumerate([("03", PARCEL), ("03", PARCEL), ("11", abroad)])
    )
    times = (NOON + timedelta(hours=3), NOON + timedelta(hours=8))
    op = OrderPickup("p", parcels, AUSTIN, *times, "America/Chicago", "Dock 2")

    receipt = await ups.order_pickup(op)

    assert await ups.order_pickup(op) == receipt
    pieces = sandbox.office.pickups[receipt.external_id]["PickupPiece"]
    assert [(piece["ServiceCode"], piece["Quantity"], piece["DestinationCountryCode"]) for piece in pieces] == [
        ("003", "2", "US"), ("011", "1", "CA"),
    ]  # fmt: skip
    later = replace(op, earliest=op.earliest + timedelta(days=2), latest=op.latest + timedelta(days=2))
    assert (ups.is_pickup_found_again(op), ups.is_pickup_found_again(later)) == (True, False)
