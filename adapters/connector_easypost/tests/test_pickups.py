"""Pickups: ordered once per key, called off once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connector.sdk import (
    Conflict,
    EntityKind,
    Invalid,
    NotFound,
    OrderPickup,
    OutcomeUnknown,
    SourceRef,
    WaitingParcel,
)
from connector_easypost import CancelPickup, EasyPost, SchedulePickup
from connector_easypost.sandbox import EasyPostSandbox
from connector_easypost.sandbox.system import AUSTIN, PARCEL


@pytest.fixture
def op(sandbox: EasyPostSandbox, clock: Any) -> SchedulePickup:
    shipment = SourceRef(kind=EntityKind.SHIPMENT, external_id=sandbox.bought("wf-1:label")["id"])
    return SchedulePickup("wf-1:pickup", shipment, AUSTIN, clock.at, clock.at + timedelta(hours=4), "Dock 2")


async def test_a_pickup_is_ordered_once_and_found_by_its_key(
    sandbox: EasyPostSandbox, easypost: EasyPost, op: SchedulePickup
) -> None:
    assert await easypost.find_pickup(op.key) is None

    first, second = await easypost.schedule_pickup(op), await easypost.schedule_pickup(op)

    assert first == second == await easypost.find_pickup(op.key)
    assert (first.amount_cents, first.currency) == (350, "USD")
    (pickup,) = sandbox.office.pickups.values()
    assert (pickup["status"], pickup["min_datetime"], pickup["max_datetime"], pickup["instructions"]) == (
        "scheduled", "2026-11-25T12:00:00Z", "2026-11-25T16:00:00Z", "Dock 2",
    )  # fmt: skip


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("path_end", ["/pickups", "/buy"])
async def test_when_the_connection_is_cut_one_is_ordered_all_the_same(
    sandbox: EasyPostSandbox, opened: Any, op: SchedulePickup, path_end: str, before: bool
) -> None:
    left = [True]

    def cut(request: httpx.Request) -> None:
        if left and request.method == "POST" and request.url.path.endswith(path_end):
            left.clear()
            if not before:
                (sandbox.office.create_pickup if path_end == "/pickups" else order)(body_of(request))
            raise httpx.ReadError("cut")

    def order(asked: dict[str, Any]) -> dict[str, Any]:
        return sandbox.office.buy_pickup(next(iter(sandbox.office.pickups.values())), asked)

    async with opened(cut) as easypost:
        with pytest.raises(OutcomeUnknown):
            await easypost.schedule_pickup(op)
        found = await easypost.find_pickup(op.key)
        assert (found is not None) == (path_end == "/buy" and not before)
        receipt = found or await easypost.schedule_pickup(op)

    assert [each["status"] for each in sandbox.office.pickups.values()] == ["scheduled"]
    assert list(sandbox.office.pickups) == [receipt.external_id]


def body_of(request: httpx.Request) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request.content)
    found: dict[str, Any] = body.get("pickup", body)
    return found


async def test_calling_off_twice_is_calling_off_once(
    sandbox: EasyPostSandbox, easypost: EasyPost, op: SchedulePickup
) -> None:
    ordered = await easypost.schedule_pickup(op)
    cancel = CancelPickup("wf-1:cancel", ordered.external_id)

    first, second = await easypost.cancel_pickup(cancel), await easypost.cancel_pickup(cancel)

    assert first == second
    assert [each["status"] for each in sandbox.office.pickups.values()] == ["canceled"]
    assert await easypost.find_pickup(op.key) == ordered
    assert await easypost.schedule_pickup(op) == ordered


async def test_too_late_is_a_conflict_and_unknown_is_not_found(
    sandbox: EasyPostSandbox, opened: Any, op: SchedulePickup
) -> None:
    late = httpx.Response(422, json={"error": {"code": "PICKUP.CANCEL.FAILED", "message": "Driver is on the way."}})

    async with opened(lambda request: late if request.url.path.endswith("/cancel") else None) as easypost:
        ordered = await easypost.schedule_pickup(op)
        with pytest.raises(Conflict, match="Driver is on the way"):
            await easypost.cancel_pickup(CancelPickup("wf-1:cancel", ordered.external_id))
        with pytest.raises(NotFound):
            await easypost.cancel_pickup(CancelPickup("wf-1:cancel", "pickup_none"))


async def test_times_the_wrong_way_around_are_refused_by_field(easypost: EasyPost, op: SchedulePickup) -> None:
    with pytest.raises(Invalid) as refused:
        await easypost.schedule_pickup(replace(op, latest=op.earliest - timedelta(hours=1)))

    assert list(refused.value.fields) == ["max_datetime"]


async def test_where_no_carrier_comes_nothing_is_ordered(
    sandbox: EasyPostSandbox, easypost: EasyPost, op: SchedulePickup
) -> None:
    await easypost.schedule_pickup(op)
    (pickup,) = sandbox.office.pickups.values()
    pickup |= {"status": "unknown", "pickup_rates": [], "messages": [{"carrier": "SandPost", "message": "Too far."}]}

    with pytest.raises(Invalid, match=r"no carrier comes for this parcel then\. Carriers say: SandPost: Too far\."):
        await easypost.schedule_pickup(op)


def of_hub(op: SchedulePickup, *shipments: SourceRef) -> OrderPickup:
    parcels = tuple(WaitingParcel(each, each.external_id, "SandPost", "Ground", PARCEL) for each in shipments)
    return OrderPickup(op.key, parcels, op.at, op.earliest, op.latest, "America/Chicago", op.instructions)


async def test_each_parcel_of_an_order_has_its_pickup_once_and_all_are_called_off(
    sandbox: EasyPostSandbox, easypost: EasyPost, op: SchedulePickup
) -> None:
    other = SourceRef(kind=EntityKind.SHIPMENT, external_id=sandbox.bought("wf-2:label")["id"])
    order = of_hub(op, op.shipment, other)

    receipt = await easypost.order_pickup(order)

    assert await easypost.order_pickup(order) == receipt
    assert (receipt.external_id.split(" "), receipt.amount_cents) == (list(sandbox.office.pickups), 700)
    assert easypost.is_pickup_found_again(order)
    await easypost.cancel_pickup(CancelPickup("c", receipt.external_id))
    assert [each["status"] for each in sandbox.office.pickups.values()] == ["canceled", "canceled"]


async def test_an_order_of_which_one_parcel_is_refused_leaves_no_driver_under_way(
    sandbox: EasyPostSandbox, easypost: EasyPost, op: SchedulePickup
) -> None:
    unknown = SourceRef(kind=EntityKind.SHIPMENT, external_id="shp_unknown")

    with pytest.raises((Invalid, NotFound)):
        await easypost.order_pickup(of_hub(op, op.shipment, unknown))

    assert [each["status"] for each in sandbox.office.pickups.values()] == ["canceled"]
