"""Units from outside: ordered by people, told to the ticket, taken in, called off."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.factories import NOW, make_asset
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.test_react import caught_up
from tests.fulfilment.world import World

from connector.fulfilment.engine import FulfilmentEngine
from connector.fulfilment.procurement import Report
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import ProcurementKind, Verdict
from connector.model.lifecycle import AssetState, ProcurementState, ReservationState, TicketState
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.rules.policy.reading import Policy, read_policy
from connector.rules.sourcing.told import told
from connector.storage import tables

POLICY = """
name: test
rules:
  - {name: any, when: "true", hardware: replace, ladder: LADDER}
approvals:
  costly: {roles: [approver], within_minutes: 60, on_refusal: next}
sourcing:
  suppliers:
    acme: {offers: [vendor_replacement], lead_hours: 24, cost_cents: 9000, contact: hotline 1234}
    trader: {offers: [purchase], lead_hours: 48, delivers_to: BER}
  courier: {transit: [{hours: 24, cost_cents: 3000}]}
"""
REPLACED = "[stock, vendor_replacement, person]"
PURCHASED = "[stock, purchase, person]"


def policy(ladder: str) -> Policy:
    return read_policy(POLICY.replace("LADDER", ladder))


async def ordered(scene: Scene, hub: FulfilmentEngine, number: str = "PO-1") -> int:
    """The one procurement, once somebody has placed its order."""
    await eventually(lambda: scene.rows(tables.task))
    row = await scene.row(tables.procurement)
    await hub.commands.procurements.record(
        row["id"], Report(ProcurementState.ORDERED, order_number=number), key=f"order-{number}", actor="ada"
    )
    await caught_up(scene)
    return int(row["id"])


async def test_a_replacement_in_advance_is_ordered_by_a_person_and_delivered_to_the_site(
    engine: AsyncEngine, launch: Any, world: World
):
    scene = await make_scene(engine, spares=0)
    hub = await launch(policy=policy(REPLACED))
    ticket_id = await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))

    row = await scene.row(tables.procurement)
    task = await scene.row(tables.task)
    assert (row["kind"], row["state"], row["supplier"], row["quantity"], row["cost_cents"], row["site_id"]) == (
        ProcurementKind.VENDOR_REPLACEMENT, ProcurementState.APPROVED, "acme", 1, 9000, scene.site_id,
    )  # fmt: skip
    assert row["expected_at"] == NOW + timedelta(days=1)
    assert task["title"] == "Order 1 × Acme SW-48 from acme for ticket 4711"
    assert "from acme (hotline 1234), to site HAM" in task["instructions"]

    procurement_id = await ordered(scene, hub)
    await hub.commands.procurements.receive(procurement_id, key="in", actor="ada", serials=["NEW-1"])
    await eventually(lambda: _told(world, 3))

    assert await scene.tasks() == [("procurement", "done")]
    asset = await scene.row(tables.asset, serial="NEW-1")
    assert (asset["state"], asset["site_id"], asset["product_id"]) == (
        AssetState.DEPLOYED, scene.site_id, scene.product_id,
    )  # fmt: skip
    assert sorted(world.told("4711")) == [
        "A replacement in advance is being ordered.",
        "A replacement in advance was delivered.",
        "A replacement in advance was ordered.",
    ]
    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, title="Still dead?")
    await caught_up(scene)
    assert len(await scene.rows(tables.procurement)) == 1


async def _told(world: World, count: int) -> bool:
    return len(world.notes) == count


async def test_goods_that_a_hub_takes_in_serve_the_ticket_that_ordered_them(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine, spares=0)
    hub = await launch(policy=policy(PURCHASED))
    ticket_id = await scene.open_ticket()
    procurement_id = await ordered(scene, hub)
    other = await scene.open_ticket("4712")
    await caught_up(scene)

    await hub.commands.procurements.receive(procurement_id, key="in", actor="ada", serials=["NEW-1"])
    await scene.finished(1)

    reservation = await scene.row(tables.reservation)
    asset = await scene.row(tables.asset, serial="NEW-1")
    assert (reservation["ticket_id"], reservation["asset_id"]) == (ticket_id, asset["id"])
    assert await scene.shelf() == (1, 1)
    assert [row["state"] for row in await scene.rows(tables.procurement, ticket_id=other)] == [
        ProcurementState.APPROVED
    ]


async def test_a_backorder_is_served_by_the_stock_that_comes(engine: AsyncEngine, launch: Any, world: World):
    scene = await make_scene(engine, spares=0)
    hub = await launch(policy=policy("[stock, {kind: backorder, expected_hours: 48}]"))
    await scene.open_ticket()
    await eventually(lambda: _told(world, 1))
    row = await scene.row(tables.procurement)
    assert (row["kind"], row["state"], row["expected_at"]) == (
        ProcurementKind.BACKORDER, ProcurementState.REQUESTED, NOW + timedelta(days=2),
    )  # fmt: skip
    assert world.notes[0]["body"].splitlines()[-2:] == [
        "Expected: 2026-11-27 09:00 UTC",
        f"Reference: procurement {row['id']}",
    ]
    assert await scene.tasks() == []
    with pytest.raises(InvalidInput, match="waits for stock: no goods of its own can arrive"):
        await hub.commands.procurements.receive(row["id"], key="in", actor="ada")

    async with engine.begin() as tx:
        await make_asset(tx, hub_id=scene.hub_id, product_id=scene.product_id, state="in_stock")
    stock = await scene.row(tables.stock, product_id=scene.product_id)
    await scene.change(tables.stock, EntityKind.STOCK, stock["id"], on_hand=1)
    await scene.finished(1)

    row = await scene.row(tables.procurement)
    assert (row["state"], row["reason"]) == (ProcurementState.RECEIVED, "a unit from stock came first")
    assert (await scene.row(tables.reservation))["state"] is ReservationState.COMMITTED


@pytest.mark.parametrize("is_placed", [False, True])
async def test_a_ticket_that_is_cancelled_calls_off_what_is_on_order(engine: AsyncEngine, launch: Any, is_placed: bool):
    scene = await make_scene(engine, spares=0)
    hub = await launch(policy=policy(REPLACED))
    ticket_id = await scene.open_ticket()
    if is_placed:
        await ordered(scene, hub)
    else:
        await eventually(lambda: scene.rows(tables.task))

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.CANCELLED)
    await eventually(lambda: scene.rows(tables.procurement, is_wanted=False))
    await caught_up(scene)

    row = await scene.row(tables.procurement)
    assert (row["is_wanted"], row["reason"]) == (False, "ticket 4711 is cancelled")
    tasks = [(task["title"], task["state"].value) for task in await scene.rows(tables.task)]
    if not is_placed:
        assert row["state"] is ProcurementState.CANCELLED
        assert tasks == [("Order 1 × Acme SW-48 from acme for ticket 4711", "cancelled")]
        return
    assert tasks[1] == ("Call off order PO-1 of 1 × Acme SW-48 at acme", "open")
    with pytest.raises(InvalidInput, match="say which hub takes them"):
        await hub.commands.procurements.receive(row["id"], key="in", actor="ada")
    await hub.commands.procurements.receive(row["id"], key="in2", actor="ada", hub_id=scene.hub_id, serials=["N-1"])
    await caught_up(scene)
    assert await scene.shelf() == (1, 0)
    assert [task["state"].value for task in await scene.rows(tables.task)] == ["done", "done"]


async def test_a_refusal_has_the_ticket_decided_anew_without_that_supplier(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine, spares=0)
    hub = await launch(policy=policy("[stock, vendor_replacement, purchase, person]"))
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))
    first = await scene.row(tables.procurement)

    refused = Report(ProcurementState.REFUSED, reason="out of warranty")
    await hub.commands.procurements.record(first["id"], refused, key="no", actor="ada")
    await eventually(lambda: scene.rows(tables.procurement, supplier="trader", state=ProcurementState.APPROVED))

    decisions = await scene.rows(tables.decision)
    assert [decision["reason"] for decision in decisions] == ["vendor_replacement", "purchase"]
    assert told(decisions[1]["explanation"])["ladder"][1]["text"] == (
        "acme has refused this ticket, or its approval was refused"
    )


async def test_an_order_is_placed_only_when_its_approval_is_given(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine, spares=0)
    hub = await launch(policy=policy("[stock, {kind: vendor_replacement, approval: costly}, person]"))
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.approval))
    row, asked = await scene.row(tables.procurement), await scene.row(tables.approval)
    assert (row["state"], row["approval_name"]) == (ProcurementState.REQUESTED, "costly")
    assert (asked["title"], asked["cost_cents"]) == (
        "Approve the order of 1 × Acme SW-48 from acme for ticket 4711", 9000,
    )  # fmt: skip
    report = Report(ProcurementState.ORDERED, order_number="PO-1")
    with pytest.raises(IllegalTransition, match="it waits for approval 'costly'"):
        await hub.commands.procurements.record(row["id"], report, key="early", actor="ada")

    await hub.approvals.answer(
        asked["id"], Verdict.APPROVE, by=Principal("bo", frozenset({"approver"})), reason=None, key="yes"
    )
    await caught_up(scene)

    assert (await scene.row(tables.procurement))["state"] is ProcurementState.APPROVED
    assert ("procurement", "open") in await scene.tasks()


async def test_what_is_recorded_must_be_whole(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine, spares=0)
    hub = await launch(policy=policy(REPLACED))
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))
    key = (await scene.row(tables.procurement))["id"]
    record = hub.commands.procurements.record

    with pytest.raises(InvalidInput, match="an order has a number at the supplier"):
        await record(key, Report(ProcurementState.ORDERED), key="a", actor="ada")
    with pytest.raises(InvalidInput, match="a reason is needed"):
        await record(key, Report(ProcurementState.REFUSED), key="b", actor="ada")
    with pytest.raises(InvalidInput, match="cannot be recorded: it is one of ordered, confirmed, shipped, refused"):
        await record(key, Report(ProcurementState.RECEIVED), key="c", actor="ada")
    await record(key, Report(ProcurementState.ORDERED, order_number="PO-1"), key="d", actor="ada")
    again = await record(key, Report(ProcurementState.ORDERED, order_number="PO-2"), key="d", actor="ada")

    assert again.state is ProcurementState.ORDERED
    assert (await scene.row(tables.procurement))["order_number"] == "PO-1"
