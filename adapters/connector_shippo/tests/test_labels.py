"""Buying, finding and voiding labels where Shippo does otherwise than one would think, one test each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from connector.sdk import (
    AuthError,
    BuyLabel,
    Conflict,
    EntityKind,
    Invalid,
    LabelFormat,
    NotFound,
    OrderPickup,
    OutcomeUnknown,
    SourceRef,
    Transient,
    UnexpectedResponse,
    VoidLabel,
    WaitingParcel,
)
from connector.sdk.testing import Between, MovableClock
from connector_shippo import SchedulePickup, Shippo
from connector_shippo.requests import metadata_of
from connector_shippo.sandbox import ShippoSandbox
from connector_shippo.sandbox.system import AUSTIN, BOSTON, PARCEL

from .conftest import NOON, Opened

OP = BuyLabel("wf-1:label", PARCEL, "INC-1001")
LISTS = "/transactions"


async def test_offers_come_cheapest_first_and_with_their_days(shippo: Shippo) -> None:
    """4,500 g: 4.10 + 3.15, 7.42 + 5.40, 19.90 + 12.60 by the sandbox's table."""
    offers = [(each.carrier, each.service, each.amount_cents, each.transit_days) for each in await shippo.quote(PARCEL)]

    assert offers == [
        ("USPS", "usps_ground_advantage", 725, 3),
        ("USPS", "usps_priority", 1282, 2),
        ("FedEx", "fedex_priority_overnight", 3250, 1),
    ]


async def test_only_allowed_accounts_and_services_are_offered(opened: Opened) -> None:
    async with opened(services=["usps_priority", "fedex_priority_overnight"], carrier_accounts=["a" * 32]) as shippo:
        assert [each.service for each in await shippo.quote(PARCEL)] == ["usps_priority"]


@pytest.mark.parametrize(
    ("label_format", "kind", "start"), [(LabelFormat.PDF, "PDF_4x6", b"%PDF"), (LabelFormat.ZPL, "ZPLII", b"^XA")]
)
async def test_a_label_comes_in_the_format_that_is_asked_for(
    sandbox: ShippoSandbox, shippo: Shippo, label_format: LabelFormat, kind: str, start: bytes
) -> None:
    receipt = await shippo.buy_label(replace(OP, label_format=label_format))

    [transaction] = sandbox.office.transactions.values()
    assert (transaction["label_file_type"], receipt.document[:4].rstrip(b"^")[:4], receipt.label_format) == (
        kind, start, label_format,
    )  # fmt: skip
    assert (receipt.carrier, receipt.amount_cents, receipt.currency) == ("USPS", 725, "USD")


async def test_the_tickets_number_is_printed_and_the_key_is_kept(sandbox: ShippoSandbox, shippo: Shippo) -> None:
    await shippo.buy_label(replace(OP, reference="R" * 60))

    [transaction], [shipment] = sandbox.office.transactions.values(), sandbox.office.shipments.values()
    assert shipment["extra"]["reference_1"] == "R" * 50
    assert transaction["metadata"] == metadata_of(OP.key, "usps")


def test_metadata_are_at_most_a_hundred_characters_and_differ_by_key() -> None:
    one, other = (metadata_of("k" * 300 + end, "fastway_australia") for end in "ab")

    assert (len(one), len(other), one != other) == (100, 100, True)


async def test_a_return_is_asked_for_with_the_addresses_of_the_way_there(
    sandbox: ShippoSandbox, shippo: Shippo
) -> None:
    """Shippo turns them around: the label is from the site to the hub."""
    await shippo.buy_label(replace(OP, parcel=replace(PARCEL, sender=BOSTON, recipient=AUSTIN), is_return=True))

    [shipment] = sandbox.office.shipments.values()
    assert (shipment["address_from"]["name"], shipment["address_to"]["name"]) == ("Site Boston", "Hub Austin")
    assert shipment["extra"]["is_return"] is True


async def test_a_label_is_found_behind_many_others_and_after_it_was_voided(
    sandbox: ShippoSandbox, shippo: Shippo, clock: MovableClock, wire: Between
) -> None:
    receipt = await shippo.buy_label(OP)
    for number in range(12):
        clock.advance(timedelta(minutes=1))
        sandbox.bought(f"other-{number}")
    await shippo.void_label(VoidLabel("wf-1:void", receipt.shipment))

    assert await shippo.find_label(OP.key) == receipt
    assert await shippo.buy_label(OP) == receipt
    assert len(sandbox.labels_of(OP.key)) == 1


async def test_labels_from_before_the_window_are_not_looked_through(
    sandbox: ShippoSandbox, shippo: Shippo, clock: MovableClock, wire: Between
) -> None:
    for number in range(12):
        sandbox.bought(f"old-{number}")
    clock.advance(timedelta(days=8))
    sandbox.bought("new")

    assert await shippo.find_label("wf-2:label") is None
    assert wire.count(LISTS) == 1


async def test_a_list_in_another_order_buys_nothing(
    sandbox: ShippoSandbox, shippo: Shippo, clock: MovableClock
) -> None:
    for number in range(3):
        clock.advance(timedelta(minutes=1))
        sandbox.bought(f"other-{number}")
    sandbox.counter.is_newest_first = False

    with pytest.raises(UnexpectedResponse, match="lists labels in another order than newest first"):
        await shippo.buy_label(OP)
    assert sandbox.labels_of(OP.key) == []


async def test_a_search_in_a_list_that_does_not_go_on_ends(sandbox: ShippoSandbox, opened: Opened) -> None:
    """Each page says that another follows, and all are the same."""
    page = {"results": [{"object_id": "t1", "object_created": "2026-11-25T11:00:00Z"}], "next": "https://shippo.test"}

    def change(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(200, json=page) if request.url.path == LISTS else None

    async with opened(change) as shippo:
        with pytest.raises(UnexpectedResponse, match="does not go on: page 2 is page 1 again"):
            await shippo.buy_label(OP)

    assert sandbox.labels_of(OP.key) == []


@pytest.mark.parametrize("status", ["QUEUED", "WAITING"])
async def test_a_label_that_is_still_being_bought_is_waited_for(
    sandbox: ShippoSandbox, shippo: Shippo, status: str
) -> None:
    sandbox.bought(OP.key)["status"] = status

    with pytest.raises(Transient, match=f"it is {status}"):
        await shippo.find_label(OP.key)
    with pytest.raises(Transient):
        await shippo.buy_label(OP)
    assert len(sandbox.office.transactions) == 1


@pytest.mark.parametrize("status", ["QUEUED", "WAITING"])
async def test_a_label_that_is_still_being_bought_is_not_called_void(
    sandbox: ShippoSandbox, shippo: Shippo, status: str
) -> None:
    """It would be bought all the same, and paid for."""
    sandbox.bought(OP.key)["status"] = status
    (label,) = sandbox.labels_of(OP.key)
    ref = SourceRef(kind=EntityKind.SHIPMENT, external_id=label["object_id"])

    with pytest.raises(Transient, match=f"still buying label .*: it is {status}"):
        await shippo.void_label(VoidLabel("wf-1:void", ref))

    assert sandbox.office.refunds == {}
    label["status"] = "SUCCESS"
    await shippo.void_label(VoidLabel("wf-1:void", ref))
    assert sandbox.is_void(ref)


async def test_a_purchase_that_failed_says_201_and_can_be_tried_again(sandbox: ShippoSandbox, shippo: Shippo) -> None:
    sandbox.office.failures = [{"source": "USPS", "code": "", "text": "The address is undeliverable."}]

    with pytest.raises(Invalid, match=r"did not buy the label\. Said is: USPS: The address is undeliverable\.") as told:
        await shippo.buy_label(OP)

    assert told.value.fields == {"rate": "The address is undeliverable."}
    assert await shippo.find_label(OP.key) is None
    assert (await shippo.buy_label(OP)).carrier == "USPS"


async def test_a_carriers_time_out_is_an_outcome_unknown(sandbox: ShippoSandbox, shippo: Shippo) -> None:
    sandbox.office.failures = [{"source": "UPS", "code": "carrier_timeout", "text": "UPS API did not respond."}]

    with pytest.raises(OutcomeUnknown, match="UPS API did not respond"):
        await shippo.buy_label(OP)


async def test_a_parcel_without_a_size_needs_the_usual_one(sandbox: ShippoSandbox, opened: Opened) -> None:
    parcel = replace(PARCEL, length_mm=None, height_mm=None)
    async with opened() as shippo:
        with pytest.raises(Invalid, match="takes no parcel without its length, height") as told:
            await shippo.quote(parcel)
    async with opened(usual_size_mm=[400, 300, 200]) as shippo:
        await shippo.quote(parcel)

    assert list(told.value.fields) == ["parcels.length", "parcels.height"]
    [shipment] = sandbox.office.shipments.values()
    assert [shipment["parcels"][0][name] for name in ("length", "width", "height", "weight")] == [
        "400", "300", "200", "4500",
    ]  # fmt: skip


async def test_what_nobody_offers_is_refused_with_what_is_offered(shippo: Shippo) -> None:
    with pytest.raises(Invalid, match="no carrier offers UPS/any service for this parcel, offered is USPS/usps_ground"):
        await shippo.buy_label(replace(OP, carrier="UPS"))


@pytest.mark.parametrize("hosts", [["labels.example.com"], []])
async def test_a_label_at_another_host_is_not_read_and_the_token_stays_here(
    sandbox: ShippoSandbox, opened: Opened, wire: Between, hosts: list[str]
) -> None:
    async with opened(label_hosts=hosts) as shippo:
        with pytest.raises(UnexpectedResponse, match="which is none of"):
            await shippo.buy_label(OP)
    async with opened() as shippo:
        await shippo.buy_label(OP)

    files = [request for request in wire.requests if request.url.host == sandbox.office.store]
    assert ["authorization" in request.headers for request in files] == [False]


async def test_what_is_no_label_is_refused(opened: Opened) -> None:
    page = httpx.Response(200, text="<html>")
    async with opened(lambda request: page if request.url.path.startswith("/files/") else None) as shippo:
        with pytest.raises(UnexpectedResponse, match="should be is no PDF, it begins with b'<html>'"):
            await shippo.buy_label(OP)


async def test_voiding_twice_is_asking_once(sandbox: ShippoSandbox, shippo: Shippo, wire: Between) -> None:
    receipt = await shippo.buy_label(OP)
    for _ in range(2):
        await shippo.void_label(VoidLabel("wf-1:void", receipt.shipment))

    assert wire.count("/refunds") == 1


async def test_a_refund_that_is_refused_is_a_conflict(opened: Opened) -> None:
    body = {"object_id": "f" * 32, "status": "ERROR", "transaction": "x"}
    no = httpx.Response(201, json=body)
    async with opened(lambda request: no if request.url.path == "/refunds" else None) as shippo:
        receipt = await shippo.buy_label(OP)
        with pytest.raises(Conflict, match=r"Shippo does not take label .* back"):
            await shippo.void_label(VoidLabel("wf-1:void", receipt.shipment))


async def test_a_label_of_a_scanned_parcel_is_not_voided_though_the_label_does_not_say_so(
    sandbox: ShippoSandbox, shippo: Shippo
) -> None:
    receipt = await shippo.buy_label(OP)
    sandbox.pick_up(sandbox.office.transactions[receipt.shipment.external_id])
    sandbox.office.transactions[receipt.shipment.external_id]["tracking_status"] = None

    with pytest.raises(Conflict, match="is picked up: its label cannot be voided now") as told:
        await shippo.void_label(VoidLabel("wf-1:void", receipt.shipment))

    assert told.value.current is not None
    assert sandbox.office.refunds == {}


async def test_a_label_of_somebody_else_is_voided_by_its_rate(sandbox: ShippoSandbox, shippo: Shippo) -> None:
    transaction = sandbox.bought("k")
    transaction["metadata"] = "Order ID #12345"
    ref = SourceRef(kind=EntityKind.SHIPMENT, external_id=transaction["id"])

    await shippo.void_label(VoidLabel("wf-1:void", ref))

    assert sandbox.is_void(ref)


async def test_a_label_that_is_not_there_is_not_found(shippo: Shippo) -> None:
    with pytest.raises(NotFound):
        await shippo.void_label(VoidLabel("k", SourceRef(kind=EntityKind.SHIPMENT, external_id="none")))


async def test_a_pickup_is_ordered_from_the_labels_carrier(sandbox: ShippoSandbox, shippo: Shippo) -> None:
    receipt = await shippo.buy_label(OP)
    latest = NOON + timedelta(hours=4)

    ordered = await shippo.schedule_pickup(
        SchedulePickup("p", receipt.shipment, AUSTIN, NOON, latest, "Other", "Dock 2")
    )

    [pickup] = sandbox.office.pickups.values()
    assert (pickup["carrier_account"], pickup["transactions"]) == ("a" * 32, [receipt.shipment.external_id])
    assert (pickup["requested_start_time"], pickup["requested_end_time"], pickup["location"]["instructions"]) == (
        "2026-11-25T12:00:00Z", "2026-11-25T16:00:00Z", "Dock 2",
    )  # fmt: skip
    assert (ordered.external_id, ordered.confirmation) == (pickup["object_id"], pickup["confirmation_code"])


async def test_a_carrier_who_does_not_come_says_why(shippo: Shippo) -> None:
    receipt = await shippo.buy_label(replace(OP, carrier="FedEx"))

    with pytest.raises(Invalid, match="FedEx does not come for this parcel then, the pickup is ERROR: The carrier acc"):
        await shippo.schedule_pickup(SchedulePickup("p", receipt.shipment, AUSTIN, NOON, NOON))


async def test_a_test_token_says_so(opened: Opened, sandbox: ShippoSandbox) -> None:
    async with opened() as shippo:
        assert "not valid for carriage" in (await shippo.check()).detail
    async with opened(api_token="shippo_live_1234567890") as shippo:
        with pytest.raises(AuthError):
            await shippo.check()


async def test_one_driver_comes_for_all_parcels_of_an_order(sandbox: ShippoSandbox, shippo: Shippo) -> None:
    labels = [await shippo.buy_label(replace(OP, key=f"wf-{n}:label")) for n in (1, 2)]
    parcels = tuple(
        WaitingParcel(label.shipment, label.tracking_number, label.carrier, label.service, PARCEL) for label in labels
    )
    op = OrderPickup("p", parcels, AUSTIN, NOON, NOON + timedelta(hours=4), instructions="Dock 2")

    receipt = await shippo.order_pickup(op)

    [pickup] = sandbox.office.pickups.values()
    assert pickup["transactions"] == [label.shipment.external_id for label in labels]
    assert (receipt.external_id, shippo.is_pickup_found_again(op)) == (pickup["object_id"], False)
