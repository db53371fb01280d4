"""Shelves that are low: proposed, worked out anew, withdrawn; sent for, called off."""

from __future__ import annotations

from asyncio import gather
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import NOW
from tests.fulfilment.depots import POLICY, make_depots, policy
from tests.fulfilment.test_react import caught_up
from tests.fulfilment.test_react_together import count_statements

from connector.fulfilment.low_shelves import LowShelves
from connector.fulfilment.procurement import Report
from connector.fulfilment.replenishment import Replenishments
from connector.model.errors import IllegalTransition, InvalidInput, NotKnown
from connector.model.kinds import Lane, ProcurementKind, ReplenishmentKind, Verdict
from connector.model.lifecycle import AssetState, ProcurementState, ReplenishmentState, TicketState
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.changes import LoggedChange
from connector.storage.database.engine import transaction
from connector.storage.policies.active import ActivePolicy
from connector.storage.policies.policies import take_in_policy

S = ReplenishmentState


async def test_a_shelf_that_becomes_low_is_proposed_to_be_filled_up_and_nothing_is_claimed(
    engine: AsyncEngine, launch: Any
):
    depots = await make_depots(engine, there=3)
    await launch(policy=policy())
    row = await depots.comes_to(S.PROPOSED)
    await caught_up(depots.scene)

    assert (row["kind"], row["quantity"], row["transfer_quantity"], row["purchase_quantity"], row["lane"]) == (
        ReplenishmentKind.MIXED, 3, 2, 1, Lane.NORMAL,
    )  # fmt: skip
    assert row["reason"] == (
        "LOC has 0 free of Acme R-1, reorder point 2, target 3: 2 from CEN, 504 km away, 1 bought from trader."
    )
    assert (row["cost_cents"], row["expected_at"]) == (11_000, NOW + timedelta(days=2))
    assert (await depots.there(), await depots.count()) == ((3, 0), 1)
    assert await depots.scene.rows(tables.ticket) == []


async def test_a_proposal_follows_its_shelf_until_it_is_not_low_any_more(engine: AsyncEngine, launch: Any):
    depots = await make_depots(engine, tracking="counted")
    await launch(policy=policy())
    await depots.comes_to(S.PROPOSED)

    await depots.set_here(on_hand=1)
    await caught_up(depots.scene)
    assert ((await depots.newest())["quantity"], await depots.count()) == (2, 1)
    await depots.set_here(on_hand=2)
    row = await depots.comes_to(S.CANCELLED)
    assert (row["reason"], row["ended_at"]) == ("the shelf is not low any more", NOW)
    await depots.set_here(on_hand=1)
    await depots.comes_to(S.PROPOSED)
    await depots.set_here(reorder_point=None)
    await depots.comes_to(S.CANCELLED)

    assert await depots.count() == 2


async def test_shelves_that_nobody_speaks_of_are_found_by_the_sweep_and_once_by_two(
    engine: AsyncEngine, clock: MovableClock
):
    depots = await make_depots(engine)
    shelves = LowShelves(engine, clock, policy())

    await gather(shelves.sweep(), shelves.sweep(), LowShelves(engine, clock, policy()).sweep())

    assert [row["state"] for row in await depots.scene.rows(tables.replenishment)] == [S.PROPOSED]
    assert await shelves.sweep() == 0


async def test_a_policy_that_becomes_active_has_all_shelves_looked_at(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    depots = await make_depots(engine)
    active = ActivePolicy()
    await activate(engine, POLICY.replace("RULE", "act: off").replace("TIERS", "local"))
    await launch(policy=active)
    await caught_up(depots.scene)
    assert await depots.count() == 0

    await activate(engine, POLICY.replace("RULE", "act: propose").replace("TIERS", "local"))

    assert (await depots.comes_to(S.PROPOSED))["policy_version"].startswith("test@")


async def activate(engine: AsyncEngine, text: str) -> None:
    async with transaction(engine) as tx:
        await take_in_policy(tx, text, source="test", author="ada", at=NOW)


async def test_what_nobody_can_give_is_shown_and_cannot_go_out(engine: AsyncEngine, launch: Any, clock: MovableClock):
    depots = await make_depots(engine, there=1)
    active = policy("suppliers: []")
    await launch(policy=active)
    row = await depots.comes_to(S.PROPOSED)

    assert (row["kind"], row["quantity"]) == (ReplenishmentKind.NONE, 3)
    assert row["reason"].endswith("3 from nowhere: CEN has 1 free and keeps 1; trader rule 'any' does not ask it.")
    with pytest.raises(IllegalTransition, match="cannot go out: LOC has 0 free"):
        await Replenishments(engine, clock, active).approve(row["id"], key="k", actor="ada")
    assert (await depots.newest())["state"] is S.PROPOSED


async def test_a_proposal_follows_the_shelves_that_could_fill_it_up(engine: AsyncEngine, launch: Any):
    depots = await make_depots(engine, there=1, tracking="counted")
    await launch(policy=policy("suppliers: []"))
    assert (await depots.comes_to(S.PROPOSED))["kind"] is ReplenishmentKind.NONE

    for units, given in ((3, 2), (2, 1), (9, 3)):
        await depots.set_there(on_hand=units)
        await caught_up(depots.scene)
        row = await depots.newest()
        assert (row["kind"], row["transfer_quantity"]) == (ReplenishmentKind.TRANSFER, given)
    assert await depots.count() == 1


async def test_what_a_person_does_not_want_is_proposed_again_when_the_shelf_gets_emptier_or_after_a_while(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    depots = await make_depots(engine, here=1, tracking="counted")
    active = policy()
    await launch(policy=active)
    row = await depots.comes_to(S.PROPOSED)
    people = Replenishments(engine, clock, active)

    with pytest.raises(InvalidInput, match="a reason is needed"):
        await people.reject(row["id"], reason=" ", key="k0", actor="ada")
    await people.reject(row["id"], reason="it moves out", key="k", actor="ada")
    await people.reject(row["id"], reason="it moves out", key="k", actor="ada")
    await caught_up(depots.scene)
    row = await depots.newest()
    assert (row["state"], row["reason"], row["decided_by"]) == (S.REJECTED, "it moves out", "ada")
    await depots.set_here(target=5)
    await caught_up(depots.scene)
    assert await depots.count() == 1

    await depots.set_here(on_hand=0)
    again = await depots.comes_to(S.PROPOSED)
    await people.reject(again["id"], reason="no", key="k2", actor="ada")
    clock.advance(timedelta(days=8))
    assert await LowShelves(engine, clock, active).sweep() == 1
    assert await depots.count() == 3


async def test_goods_are_bought_approved_ordered_and_taken_in_as_any_order(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    depots = await make_depots(engine, there=0, lane=Lane.LOANER)
    active = policy("approval: costly")
    hub = await launch(policy=active)
    row = await depots.comes_to(S.PROPOSED)
    await Replenishments(engine, clock, active).approve(row["id"], key="k", actor="ada")

    order = await depots.scene.row(tables.procurement)
    ticket = await depots.scene.row(tables.ticket)
    assert (order["kind"], order["state"], order["quantity"], order["hub_id"], order["cost_cents"]) == (
        ProcurementKind.PURCHASE, ProcurementState.REQUESTED, 3, depots.local_id, 31_000,
    )  # fmt: skip
    assert (ticket["number"], ticket["title"]) == (f"REPLENISH-{ticket['id']}", "Fill up hub LOC: 3 × Acme R-1")
    approval = await depots.scene.row(tables.approval)
    await hub.approvals.answer(
        approval["id"], Verdict.APPROVE, by=Principal("bo", frozenset({"approver"})), reason=None, key="yes"
    )
    await eventually(lambda: depots.scene.rows(tables.task, kind="order"))
    task = await depots.scene.row(tables.task, kind="order")
    assert task["title"] == f"Order 3 × Acme R-1 from trader for ticket {ticket['number']}"
    await hub.commands.procurements.record(
        order["id"], Report(ProcurementState.ORDERED, order_number="PO-1"), key="o", actor="bo"
    )
    await depots.comes_to(S.UNDER_WAY)
    await hub.commands.procurements.receive(order["id"], key="in", actor="bo", serials=["A", "B", "C"])
    row = await depots.comes_to(S.RECEIVED)
    await caught_up(depots.scene)

    assert (row["received_quantity"], row["reason"], await depots.count()) == (3, "3 of 3 received", 1)
    assert await depots.here() == (3, 0)
    units = await depots.scene.rows(tables.asset, hub_id=depots.local_id)
    assert {(unit["lane"], unit["state"]) for unit in units} == {(Lane.LOANER, AssetState.IN_STOCK)}
    assert (await depots.scene.row(tables.ticket))["state"] is TicketState.CLOSED


async def test_what_was_refused_is_for_a_person_even_where_the_policy_orders_at_once(engine: AsyncEngine, launch: Any):
    depots = await make_depots(engine, there=0)
    hub = await launch(policy=policy("act: order"))
    await depots.comes_to(S.APPROVED)
    order = await depots.scene.row(tables.procurement)
    assert ((await depots.newest())["decided_by"], order["state"]) == ("rules", ProcurementState.APPROVED)
    await hub.commands.procurements.record(
        order["id"], Report(ProcurementState.REFUSED, reason="out of production"), key="o", actor="bo"
    )
    await eventually(lambda: _has(depots, 2))
    await depots.comes_to(S.PROPOSED)
    await caught_up(depots.scene)

    first, second = await depots.scene.rows(tables.replenishment)
    assert (first["state"], first["has_failed"]) == (S.CANCELLED, True)
    assert (second["state"], len(await depots.scene.rows(tables.procurement))) == (S.PROPOSED, 1)


async def test_what_the_rules_have_ordered_they_call_off_when_the_shelf_is_not_low_any_more(
    engine: AsyncEngine, launch: Any
):
    depots = await make_depots(engine, there=0, tracking="counted")
    await launch(policy=policy("act: order"))
    await depots.comes_to(S.APPROVED)

    await depots.set_here(on_hand=2)
    row = await depots.comes_to(S.CANCELLED)

    assert row["reason"] == "0 of 3 received: the shelf is not low any more"
    assert (await depots.scene.row(tables.procurement))["state"] is ProcurementState.CANCELLED
    assert (await depots.scene.row(tables.ticket))["state"] is TicketState.CANCELLED


async def test_an_order_that_was_placed_and_called_off_comes_all_the_same_when_it_is_received(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    depots = await make_depots(engine, there=0)
    active = policy()
    hub = await launch(policy=active)
    row = await depots.comes_to(S.PROPOSED)
    people = Replenishments(engine, clock, active)
    await people.approve(row["id"], key="k", actor="ada")
    await caught_up(depots.scene)
    order = await depots.scene.row(tables.procurement)
    await hub.commands.procurements.record(
        order["id"], Report(ProcurementState.ORDERED, order_number="PO-1"), key="o", actor="bo"
    )
    await depots.comes_to(S.UNDER_WAY)

    await people.cancel(row["id"], reason="changed our mind", key="c", actor="ada")
    await caught_up(depots.scene)
    assert (await depots.newest())["state"] is S.UNDER_WAY
    await hub.commands.procurements.receive(order["id"], key="in", actor="bo", serials=["A", "B", "C"])

    assert (await depots.comes_to(S.RECEIVED))["cancelled_by"] == "ada"
    assert await depots.here() == (3, 0)


async def test_commands_on_what_is_not_there_or_decided_say_so(engine: AsyncEngine, launch: Any, clock: MovableClock):
    depots = await make_depots(engine)
    active = policy()
    await launch(policy=active)
    row = await depots.comes_to(S.PROPOSED)
    people = Replenishments(engine, clock, active)
    number = row["id"]

    with pytest.raises(NotKnown, match="there is no replenishment with id 999"):
        await people.approve(999, key="n", actor="ada")
    with pytest.raises(IllegalTransition, match="there is nothing to call off"):
        await people.cancel(number, reason="no", key="c", actor="ada")
    with pytest.raises(IllegalTransition, match="no parcel of it is on its way"):
        await people.receive(number, key="r", actor="ada")
    await gather(*(people.approve(number, key="same", actor="ada") for _ in range(3)))
    with pytest.raises(IllegalTransition, match=r"for LOC\) is approved by ada: it cannot be approved"):
        await people.approve(number, key="other", actor="bo")
    with pytest.raises(IllegalTransition, match="it cannot be rejected"):
        await people.reject(number, reason="no", key="j", actor="bo")

    assert len(await depots.scene.rows(tables.reservation)) == 3
    assert len(await depots.scene.rows(tables.ticket)) == 1


async def test_changes_of_shelves_cost_two_statements_however_many_they_are(engine: AsyncEngine, clock: MovableClock):
    shelves = LowShelves(engine, clock, policy())
    statements = count_statements(engine)
    kinds = {EntityKind.STOCK: "reserved", EntityKind.RESERVATION: "state", EntityKind.SHIPMENT: "status"}
    batch = [
        LoggedChange(n, kind, n, "updated", {name: [0, 1]}, "rules", None, NOW)
        for n in range(1, 501)
        for kind, name in kinds.items()
    ]

    await shelves.follow(batch)
    await shelves.follow([change for change in batch if change.kind is EntityKind.SITE])

    assert len([text for text in statements if text.lstrip().startswith("SELECT")]) == 2


async def _has(depots: Any, count: int) -> bool:
    return bool(await depots.count() == count)
