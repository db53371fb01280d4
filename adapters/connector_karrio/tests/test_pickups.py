"""Pickups through Karrio: ordered once, found again, called off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
    WaitingParcel,
)
from connector.sdk.courier import CancelPickup
from connector.sdk.testing import Connected, MovableClock
from connector_karrio.pickups import SchedulePickup
from connector_karrio.sandbox import KarrioSandbox
from connector_karrio.sandbox.system import PARCEL

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DEPOT = Party("Depot Berlin", Address(line1="1 Yard", city="Berlin", postal_code="10115", country="DE"))


async def bought(source: Connected) -> SourceRef:
    ref: SourceRef = (await source.adapter.buy_label(BuyLabel("wf-1:label", PARCEL, "INC-1"))).shipment
    return ref


def pickup(shipment: SourceRef, **changes: object) -> SchedulePickup:
    values = {"earliest": NOON, "latest": NOON + timedelta(hours=4), "time_zone": "Europe/Berlin"} | changes
    return SchedulePickup("wf-1:pickup", shipment, DEPOT, instructions="Ring twice", **values)


async def test_a_carrier_is_had_come_once_in_local_time_and_called_off() -> None:
    clock = MovableClock(NOON)
    sandbox = KarrioSandbox(clock)
    async with Connected.to("karrio", sandbox, clock) as source:
        shipment = await bought(source)

        receipt = await source.adapter.schedule_pickup(pickup(shipment))
        assert await source.adapter.schedule_pickup(pickup(shipment)) == receipt
        assert await source.adapter.find_pickup("wf-1:pickup") == receipt
        assert await source.adapter.find_pickup("wf-2:pickup") is None

        [ordered] = sandbox.office.pickups.values()
        times = (ordered["pickup_date"], ordered["ready_time"], ordered["closing_time"])
        assert times == ("2026-11-25", "13:00", "17:00")
        assert ordered["tracking_numbers"] == [sandbox.office.shipments[shipment.external_id]["tracking_number"]]
        assert (ordered["address"]["city"], ordered["instruction"]) == ("Berlin", "Ring twice")
        for _ in range(2):
            await source.adapter.cancel_pickup(CancelPickup("wf-1:off", receipt.external_id))
        assert ordered["status"] == "cancelled"


async def test_what_cannot_be_picked_up_is_refused_by_name() -> None:
    clock = MovableClock(NOON)
    sandbox = KarrioSandbox(clock)
    async with Connected.to("karrio", sandbox, clock) as source:
        shipment = await bought(source)

        with pytest.raises(Invalid, match="between two times of one day"):
            await source.adapter.schedule_pickup(pickup(shipment, latest=NOON + timedelta(days=1)))
        with pytest.raises(NotFound):
            await source.adapter.schedule_pickup(pickup(SourceRef(kind=EntityKind.SHIPMENT, external_id="shp_0")))
        receipt = await source.adapter.schedule_pickup(pickup(shipment))
        sandbox.office.pickups[receipt.external_id]["status"] = "picked_up"
        with pytest.raises(Conflict):
            await source.adapter.cancel_pickup(CancelPickup("wf-1:off", receipt.external_id))


async def test_one_driver_comes_for_all_parcels_of_an_order() -> None:
    clock = MovableClock(NOON)
    sandbox = KarrioSandbox(clock)
    async with Connected.to("karrio", sandbox, clock) as source:
        labels = [await source.adapter.buy_label(BuyLabel(f"wf-{n}:label", PARCEL, "INC-1")) for n in (1, 2)]
        parcels = tuple(
            WaitingParcel(label.shipment, label.tracking_number, label.carrier, label.service, PARCEL)
            for label in labels
        )
        op = OrderPickup("p", parcels, DEPOT, NOON, NOON + timedelta(hours=4), "Europe/Berlin")

        receipt = await source.adapter.order_pickup(op)

        assert await source.adapter.order_pickup(op) == receipt
        assert source.adapter.is_pickup_found_again(op)
        [ordered] = sandbox.office.pickups.values()
        assert ordered["tracking_numbers"] == [label.tracking_number for label in labels]
