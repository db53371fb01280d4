"""Answers that Karrio documents and that are not what one would wish; one test each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connector.sdk import BuyLabel, UnexpectedResponse, VoidLabel
from connector.sdk.testing import Between, Connected, MovableClock, shipment_ref
from connector_karrio.sandbox import KarrioSandbox
from connector_karrio.sandbox.system import PARCEL

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OP = BuyLabel("k1", PARCEL, "INC-1")
Answer = Callable[[httpx.Request], httpx.Response | None]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def sandbox(clock: MovableClock) -> KarrioSandbox:
    return KarrioSandbox(clock, journey=())


def opened(sandbox: KarrioSandbox, clock: MovableClock, change: Answer) -> Connected:
    return Connected.to("karrio", sandbox, clock, Between(change=change))


def answering(method: str, end: str, status: int, body: Any) -> Answer:
    """Another answer to requests whose path ends so."""

    def change(request: httpx.Request) -> httpx.Response | None:
        if (request.method, request.url.path.endswith(end)) != (method, True):
            return None
        return httpx.Response(status, json=body)

    return change


async def test_a_label_without_a_file_is_no_failed_purchase(sandbox: KarrioSandbox, clock: MovableClock) -> None:
    """It is bought: as NotFound the hub would give the step up."""
    missing = {"errors": [{"message": "Shipment not found or has no label"}]}
    async with opened(sandbox, clock, answering("POST", "/documents/label", 404, missing)) as source:
        with pytest.raises(UnexpectedResponse, match=r"no file of the label of shp_0+1, which is bought"):
            await source.adapter.buy_label(OP)
        source.wire.change = lambda _: None

        receipt = await source.adapter.buy_label(OP)

    assert [each["tracking_number"] for each in sandbox.labels_of("k1")] == [receipt.tracking_number]


async def test_a_label_that_is_an_image_is_told_of(sandbox: KarrioSandbox, clock: MovableClock) -> None:
    sandbox.bought("k1")["label_type"] = "PNG"
    document = answering("POST", "/documents/label", 200, {"base64": "iVBORw0K"})
    async with opened(sandbox, clock, document) as source:
        with pytest.raises(UnexpectedResponse, match=r"the label of shipment shp_0+1 is a PNG, not PDF or ZPL"):
            await source.adapter.find_label("k1")


async def test_a_label_that_somebody_voids_meanwhile_is_void(sandbox: KarrioSandbox, clock: MovableClock) -> None:
    shipment = sandbox.bought("k1")

    def change(request: httpx.Request) -> httpx.Response | None:
        if not request.url.path.endswith("/cancel"):
            return None
        shipment["status"] = "cancelled"
        return httpx.Response(304)

    async with opened(sandbox, clock, change) as source:
        receipt = await source.adapter.void_label(VoidLabel("k2", shipment_ref(shipment)))

    assert receipt.external_id == shipment["id"]


async def test_a_tracker_that_cannot_be_read_keeps_its_label_alone_from_being_voided(
    sandbox: KarrioSandbox, clock: MovableClock
) -> None:
    """A tracker of a longer number is found by the same search."""
    shipment = sandbox.bought("k1")
    longer = sandbox.add_tracker(f"{shipment['tracking_number']}7", NOON)
    sandbox.spoil(longer)
    other = sandbox.bought("k2")
    tracker = sandbox.office.trackers[other["tracker_id"]]
    sandbox.scan(tracker, NOON)
    sandbox.spoil(tracker)
    other["status"] = "created"

    async with opened(sandbox, clock, lambda _: None) as source:
        await source.adapter.void_label(VoidLabel("v1", shipment_ref(shipment)))
        with pytest.raises(UnexpectedResponse, match="there is no telling when it was"):
            await source.adapter.void_label(VoidLabel("v2", shipment_ref(other)))

    assert (sandbox.is_void(shipment_ref(shipment)), sandbox.is_void(shipment_ref(other))) == (True, False)


async def test_a_search_in_a_list_of_pickups_that_does_not_go_on_ends(
    sandbox: KarrioSandbox, clock: MovableClock
) -> None:
    page = {"results": [{"id": "pck_1", "metadata": {}}], "next": "http://karrio.test/v1/pickups?offset=1"}
    async with opened(sandbox, clock, answering("GET", "/v1/pickups", 200, page)) as source:
        with pytest.raises(UnexpectedResponse, match="does not go on: behind 1 is nothing new"):
            await source.adapter.find_pickup("k3")
