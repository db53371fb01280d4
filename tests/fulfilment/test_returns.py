"""The unit that has failed, from the delivery of its replacement until it is in quarantine: once, whatever happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import (
    HAMBURG,
    MUNICH,
    NOW,
    make_hub,
)
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.test_react import caught_up
from tests.fulfilment.world import World

from connector.fulfilment.engine import FulfilmentEngine
from connector.fulfilment.procurement import Report
from connector.model.errors import IllegalTransition
from connector.model.kinds import Direction, TaskKind
from connector.model.lifecycle import (
    AssetState,
    ProcurementState,
    ReservationState,
    RmaState,
    ShipmentStatus,
    TaskState,
)
from connector.model.refs import EntityKind
from connector.rules.policy.reading import Policy, read_policy
from connector.storage import tables
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import transaction

POLICY = """
name: test
rules:
  - {name: any, when: "true", hardware: replace, split: allowed, ladder: [stock, vendor_replacement, person]}
returns: RETURNS
sourcing:
  suppliers: {acme: {offers: [vendor_replacement], lead_hours: 24}}
  courier: {transit: [{hours: 24, cost_cents: 3000}]}
"""
BEGUN = "The replacement is there: the unit that has failed is to come back."
DUE = NOW + timedelta(days=10)


def policy(returns: str = "{due_days: 10}") -> Policy:
    return read_policy(POLICY.replace("RETURNS", returns))


@dataclass(frozen=True)
class Returning:
    """A scene, and what comes back in it."""

    scene: Scene
    hub: FulfilmentEngine
    world: World

    async def parcels(self, count: int = 1) -> list[int]:
        """Parcels on their way to sites, once there are so many."""

        async def outbound() -> list[int]:
            rows = await self.scene.rows(tables.shipment, direction=Direction.OUTBOUND)
            return [row["id"] for row in rows]

        async def are_sent() -> bool:
            return len(await outbound()) == count

        await eventually(are_sent)
        return await outbound()

    async def deliver(self, parcel: int | None = None, *, key: str = "in") -> None:
        """Somebody at the site takes a parcel in."""
        shipment_id = parcel if parcel is not None else (await self.parcels())[0]
        await self.hub.commands.receive(shipment_id, key=key, actor="grace")
        await caught_up(self.scene)

    async def courier_reports(self, parcel: int, status: ShipmentStatus) -> None:
        await self.scene.change(tables.shipment, EntityKind.SHIPMENT, parcel, status=status)
        await caught_up(self.scene)

    async def rmas(self) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.scene.rows(tables.rma)]

    async def rma(self) -> dict[str, Any]:
        return dict(await self.scene.row(tables.rma))

    async def device(self, asset_id: int | None = None) -> AssetState:
        return (await self.scene.row(tables.asset, id=asset_id or self.scene.failed_id))["state"]

    async def serial(self, asset_id: int) -> str:
        return str((await self.scene.row(tables.asset, id=asset_id))["serial"])

    async def told(self, what: str, times: int = 1) -> None:
        async def is_told() -> bool:
            return self.world.told("4711").count(what) == times

        await eventually(is_told)

    async def unfinished(self) -> list[tuple[str, TaskKind]]:
        rows = await self.scene.rows(tables.task, state=TaskState.OPEN)
        return sorted((row["key"], row["kind"]) for row in rows if row["key"].startswith("rma:"))


async def returning(
    engine: AsyncEngine, launch: Any, world: World, *, returns: str = "{due_days: 10}", **scene: Any
) -> Returning:
    made = await make_scene(engine, **scene)
    return Returning(made, await launch(policy=policy(returns)), world)


async def test_a_failed_device_comes_back_once_its_replacement_is_there_and_the_shelf_counts_the_swap_once(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    made = await returning(engine, launch, world)
    scene, hub = made.scene, made.hub
    ticket_id = await scene.open_ticket()
    await made.deliver()
    await made.told(BEGUN)

    claim = await scene.row(tables.reservation)
    rma = await made.rma()
    assert (rma["ticket_id"], rma["asset_id"], rma["product_id"], rma["quantity"]) == (
        ticket_id, scene.failed_id, scene.product_id, 1,
    )  # fmt: skip
    assert (rma["reservation_id"], rma["hub_id"], rma["site_id"]) == (claim["id"], scene.hub_id, scene.site_id)
    assert (rma["state"], rma["due_back_at"], rma["reason"]) == (RmaState.EXPECTED, DUE, None)
    assert await made.device() is AssetState.RETURN_PENDING
    assert await made.device(claim["asset_id"]) is AssetState.DEPLOYED
    assert await scene.shelf() == (1, 0)
    task = await scene.row(tables.task, kind=TaskKind.RETURN)
    serial = await made.serial(scene.failed_id)
    assert (task["key"], task["state"], task["hub_id"], task["due_at"]) == (
        f"rma:{rma['id']}:return", TaskState.OPEN, scene.hub_id, DUE,
    )  # fmt: skip
    tag = (await scene.row(tables.asset, id=scene.failed_id))["asset_tag"]
    unit = f"Acme SW-48 (serial {serial}, asset tag {tag})"
    assert task["title"] == f"RMA-{rma['id']}: take back {unit} of ticket 4711"
    note = next(item["body"] for item in world.notes if item["body"].startswith(BEGUN))
    assert note.splitlines()[2:] == [
        f"Device: {unit}", "From: HAM", "To: hub BER", "Due back: Sat 05 Dec 2026, 10:00 (Europe/Berlin)",
        f"Reference: RMA-{rma['id']}",
    ]  # fmt: skip

    first = await hub.commands.returns.receive(
        rma["id"], serial=f" {serial.lower()} ", key="back", actor="ada", condition=" fan is loud "
    )
    again = await hub.commands.returns.receive(rma["id"], serial=serial, key="back", actor="ada")
    await made.told("The unit that has failed was received; nothing is due any more.")

    assert first == again
    assert (first.state, first.hub_id, first.asset_id, first.is_different) == (
        RmaState.RECEIVED, scene.hub_id, scene.failed_id, False,
    )  # fmt: skip
    rma = await made.rma()
    assert (rma["received_at"], rma["received_hub_id"], rma["received_asset_id"], rma["condition"]) == (
        clock.now(), scene.hub_id, scene.failed_id, "fan is loud",
    )  # fmt: skip
    unit_row = await scene.row(tables.asset, id=scene.failed_id)
    assert (unit_row["state"], unit_row["hub_id"], unit_row["site_id"]) == (
        AssetState.QUARANTINED, scene.hub_id, None,
    )  # fmt: skip
    assert await scene.shelf() == (1, 0)
    assert await made.unfinished() == []
    with pytest.raises(IllegalTransition, match=r"RMA-\d+ is received: its unit is back already, so it cannot be rec"):
        await hub.commands.returns.receive(rma["id"], serial=serial, key="other", actor="ada")


async def test_a_courier_that_reports_the_delivery_again_and_a_receipt_after_it_begin_one_return(
    engine: AsyncEngine, launch: Any, world: World
):
    made = await returning(engine, launch, world)
    await made.scene.open_ticket()
    [parcel] = await made.parcels()

    await made.courier_reports(parcel, ShipmentStatus.DELIVERED)
    await made.deliver(parcel)
    async with transaction(engine) as tx:
        again = {"status": ("in_transit", "delivered")}
        await log_changes(tx, [NewChange(EntityKind.SHIPMENT, parcel, "updated", again)], actor="courier", at=NOW)
    await caught_up(made.scene)

    assert len(await made.rmas()) == 1
    assert await made.device() is AssetState.RETURN_PENDING
    assert world.told("4711").count(BEGUN) == 1


async def test_a_hub_that_stops_and_answers_that_are_lost_begin_one_return_and_tell_it_once(
    engine: AsyncEngine, launch: Any, world: World
):
    made = await returning(engine, launch, world)
    await made.scene.open_ticket()
    [parcel] = await made.parcels()
    await made.scene.finished(1)
    world.drop_answer = {"POST notes": 2}
    await made.hub.commands.receive(parcel, key="in", actor="grace")

    await launch(policy=policy())
    await made.told(BEGUN)

    assert len(await made.rmas()) == 1
    assert await made.unfinished() == [(f"rma:{(await made.rma())['id']}:return", TaskKind.RETURN)]


async def test_a_device_that_nobody_knows_comes_back_by_product_until_its_ticket_names_it(
    engine: AsyncEngine, launch: Any, world: World
):
    made = await returning(engine, launch, world)
    scene = made.scene
    ticket_id = await scene.open_ticket(asset_id=None, product_id=scene.product_id, site_id=scene.site_id)
    await made.deliver()

    rma = await made.rma()
    assert (rma["asset_id"], rma["product_id"], rma["site_id"]) == (None, scene.product_id, scene.site_id)
    assert await made.unfinished() == [
        (f"rma:{rma['id']}:device", TaskKind.REVIEW), (f"rma:{rma['id']}:return", TaskKind.RETURN),
    ]  # fmt: skip
    await made.told(BEGUN)
    [note] = [item["body"] for item in world.notes if item["body"].startswith(BEGUN)]
    assert "Nobody has told us yet which device it is: please set it on this ticket." in note

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, asset_id=scene.failed_id)
    await made.told("It is known now which unit is to come back.")

    assert (await made.rma())["asset_id"] == scene.failed_id
    assert await made.device() is AssetState.RETURN_PENDING
    assert await made.unfinished() == [(f"rma:{rma['id']}:return", TaskKind.RETURN)]


async def test_a_parcel_that_was_not_delivered_after_all_takes_the_return_back(
    engine: AsyncEngine, launch: Any, world: World
):
    made = await returning(engine, launch, world)
    await made.scene.open_ticket()
    [parcel] = await made.parcels()
    await made.courier_reports(parcel, ShipmentStatus.DELIVERED)
    assert await made.device() is AssetState.RETURN_PENDING

    await made.courier_reports(parcel, ShipmentStatus.RETURNED)
    await made.told("The unit that has failed does not have to come back any more.")

    rma = await made.rma()
    assert (rma["state"], rma["cancelled_by"]) == (RmaState.CANCELLED, None)
    assert rma["reason"].startswith("its replacement came back (shipment ")
    assert await made.device() is AssetState.DEPLOYED
    assert await made.unfinished() == []


async def test_a_second_unit_and_the_first_that_turns_up_are_one_return(engine: AsyncEngine, launch: Any, world: World):
    made = await returning(engine, launch, world)
    scene = made.scene
    ticket_id = await scene.open_ticket()
    [parcel] = await made.parcels()
    await made.courier_reports(parcel, ShipmentStatus.LOST)
    claim = dict(await scene.row(tables.reservation))
    async with transaction(engine) as tx:
        second = {**claim, "id": claim["id"] + 1, "asset_id": scene.spare_ids[-1], "state": ReservationState.FULFILLED}
        await tx.execute(tables.reservation.insert().values(**second))
        sent = dict(await scene.row(tables.shipment, id=parcel))
        brings = {**sent, "id": parcel + 1, "reservation_id": second["id"], "external_id": "second",
                  "status": ShipmentStatus.IN_TRANSIT}  # fmt: skip
        await tx.execute(tables.shipment.insert().values(**brings))

    await made.courier_reports(parcel + 1, ShipmentStatus.DELIVERED)
    [rma] = await made.rmas()
    await made.courier_reports(parcel, ShipmentStatus.DELIVERED)
    assert (rma["reservation_id"], len(await made.rmas())) == (second["id"], 1)

    await made.courier_reports(parcel + 1, ShipmentStatus.RETURNED)
    rma = await made.rma()

    assert (rma["state"], rma["reservation_id"], rma["ticket_id"]) == (RmaState.EXPECTED, claim["id"], ticket_id)
    assert await made.device() is AssetState.RETURN_PENDING
    assert world.told("4711").count(BEGUN) == 1


async def test_what_a_supplier_sent_to_the_site_begins_a_return_to_the_nearest_regional_hub(
    engine: AsyncEngine, launch: Any, world: World
):
    made = await returning(engine, launch, world, spares=0)
    scene = made.scene
    async with transaction(engine) as tx:
        await make_hub(tx, code="VAN", tier="local", is_mobile=True, **HAMBURG)
        await make_hub(tx, code="ALL", tier="central", **HAMBURG)
        await make_hub(tx, code="MUC", **MUNICH)
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))
    order = await scene.row(tables.procurement)
    procurements = made.hub.commands.procurements
    report = Report(ProcurementState.ORDERED, order_number="PO-1")
    await procurements.record(order["id"], report, key="o", actor="ada")
    await procurements.receive(order["id"], key="in", actor="ada", serials=["NEW-1"])
    await caught_up(scene)

    rma = await made.rma()
    assert (rma["asset_id"], rma["reservation_id"], rma["procurement_id"], rma["line"]) == (
        scene.failed_id, None, order["id"], 1,
    )  # fmt: skip
    assert rma["hub_id"] == scene.hub_id  # Berlin is nearer to Hamburg than Munich
    assert await made.device() is AssetState.RETURN_PENDING
