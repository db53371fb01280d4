"""Pickups: noted once, told by the page of the label, called off."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from connector.sdk import (
    Address,
    BuyLabel,
    Conflict,
    EntityKind,
    Invalid,
    NotFound,
    OrderPickup,
    Party,
    SourceRef,
    VoidLabel,
    WaitingParcel,
)
from connector.sdk.courier import CancelPickup
from connector.sdk.testing import Connected, MovableClock
from connector_manual_courier import pages
from connector_manual_courier.book import Book
from connector_manual_courier.pickups import SchedulePickup
from connector_manual_courier.sandbox import PARCEL, ManualCourierSandbox

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
YARD = Party("Kim <front desk>", Address(line1="1 Yard", city="Berlin"), company="Depot Berlin")


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def van(clock: MovableClock) -> Iterator[ManualCourierSandbox]:
    sandbox = ManualCourierSandbox(clock)
    yield sandbox
    sandbox.close()


def pickup(shipment: SourceRef, key: str = "wf-1:pickup", hours: int = 4) -> SchedulePickup:
    return SchedulePickup(key, shipment, YARD, NOON, NOON + timedelta(hours=hours), "Ring twice")


def book_of(source: Connected) -> Book:
    return Book(source.adapter.config.book, source.adapter.config.prefix)


async def test_a_pickup_is_noted_once_told_on_the_page_and_called_off(
    van: ManualCourierSandbox, clock: MovableClock
) -> None:
    async with Connected.to("manual_courier", van, clock) as source:
        shipment = (await source.adapter.buy_label(BuyLabel("wf-1:label", PARCEL, "INC-1"))).shipment

        receipt = await source.adapter.schedule_pickup(pickup(shipment))
        assert await source.adapter.schedule_pickup(pickup(shipment)) == receipt
        assert await source.adapter.find_pickup("wf-1:pickup") == receipt
        assert await source.adapter.find_pickup("wf-2:pickup") is None

        [waits] = await asyncio.to_thread(book_of(source).pickups, shipment.external_id)
        page = pages.form_page(shipment.external_id, "Van", "secret", NOON, ZoneInfo("Europe/Berlin"), [waits])
        text = "Waits at Kim &lt;front desk&gt;, Depot Berlin, 1 Yard, Berlin: Wed 25 Nov, 13:00 to 17:00. Ring twice"
        assert f"<p>{text}</p>" in page
        assert len(await asyncio.to_thread(book_of(source).entries)) == 1

        for _ in range(2):
            await source.adapter.cancel_pickup(CancelPickup("wf-1:off", receipt.external_id))
        assert await asyncio.to_thread(book_of(source).pickups, shipment.external_id) == []
        assert await source.adapter.find_pickup("wf-1:pickup") == receipt


async def test_what_cannot_be_fetched_is_refused(van: ManualCourierSandbox, clock: MovableClock) -> None:
    async with Connected.to("manual_courier", van, clock) as source:
        shipment = (await source.adapter.buy_label(BuyLabel("wf-1:label", PARCEL, "INC-1"))).shipment

        with pytest.raises(Invalid, match="nobody can come between"):
            await source.adapter.schedule_pickup(pickup(shipment, hours=0))
        with pytest.raises(NotFound, match="the book has no parcel"):
            await source.adapter.schedule_pickup(pickup(SourceRef(kind=EntityKind.SHIPMENT, external_id="VAN1")))
        for unknown in ("VAN1/abc", f"{shipment.external_id}/*", shipment.external_id):
            with pytest.raises(NotFound, match="the book has no pickup"):
                await source.adapter.cancel_pickup(CancelPickup("wf-1:off", unknown))
        await source.adapter.void_label(VoidLabel("wf-1:void", shipment))
        with pytest.raises(Conflict, match="is not carried any more"):
            await source.adapter.schedule_pickup(pickup(shipment))


async def test_every_parcel_of_an_order_tells_where_it_waits_or_none(
    van: ManualCourierSandbox, clock: MovableClock
) -> None:
    async with Connected.to("manual_courier", van, clock) as source:
        labels = [await source.adapter.buy_label(BuyLabel(f"wf-{n}:label", PARCEL, "INC-1")) for n in (1, 2)]
        parcels = tuple(
            WaitingParcel(label.shipment, label.tracking_number, label.carrier, label.service, PARCEL)
            for label in labels
        )
        op = OrderPickup("p", parcels, YARD, NOON, NOON + timedelta(hours=4))

        receipt = await source.adapter.order_pickup(op)

        assert await source.adapter.order_pickup(op) == receipt
        assert [await waiting(source, label.shipment) for label in labels] == [1, 1]
        await source.adapter.cancel_pickup(CancelPickup("c", receipt.external_id))
        assert [await waiting(source, label.shipment) for label in labels] == [0, 0]
        await source.adapter.void_label(VoidLabel("v", labels[1].shipment))
        with pytest.raises(Conflict, match="is not carried any more"):
            await source.adapter.order_pickup(replace(op, key="q"))
        assert [await waiting(source, label.shipment) for label in labels] == [0, 0]


async def waiting(source: Connected, shipment: SourceRef) -> int:
    return len(await asyncio.to_thread(book_of(source).pickups, shipment.external_id))
