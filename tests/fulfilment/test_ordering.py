"""Orders that go out through a source: once, followed, taken in, called off, handed to a person where need be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import NOW
from tests.fulfilment.buyers import Buyers
from tests.fulfilment.scene import Scene, make_engine, make_scene
from tests.fulfilment.test_react import caught_up
from tests.fulfilment.world import World

from connector.fulfilment.engine import FulfilmentEngine
from connector.fulfilment.overdue import watch_orders
from connector.fulfilment.procurement import Report
from connector.fulfilment.suppliers import require_suppliers
from connector.ingest.pull import pull_source
from connector.model.kinds import Direction, Verdict
from connector.model.lifecycle import AssetState, ProcurementState, ShipmentStatus, TicketState
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.rules.policy.reading import InvalidPolicy, Policy, read_policy
from connector.sdk import Clock, Connection
from connector.storage import tables

POLICY = """
name: test
rules:
  - {name: any, when: "true", hardware: replace, ladder: LADDER}
approvals:
  costly: {roles: [approver], within_minutes: 60, on_refusal: next}
sourcing:
  suppliers:
    acme: {offers: [vendor_replacement], lead_hours: 24, cost_cents: 9000, via: buyers}
    trader: {offers: [purchase], lead_hours: 48, delivers_to: BER, via: buyers}
    shop: {offers: [purchase], lead_hours: 72}
  courier: {transit: [{hours: 24, cost_cents: 3000}]}
"""
REPLACED = "[stock, vendor_replacement, person]"
BOUGHT = "[stock, {kind: purchase, suppliers: [trader]}, person]"
Launch = Callable[..., Awaitable[FulfilmentEngine]]


def policy(ladder: str) -> Policy:
    return read_policy(POLICY.replace("LADDER", ladder))


@pytest.fixture
def buyers(clock: Clock) -> Buyers:
    return Buyers(clock)


@pytest.fixture
async def launch(
    engine: AsyncEngine, database: str, world: World, clock: Clock, buyers: Buyers
) -> AsyncIterator[Launch]:
    launched: list[FulfilmentEngine] = []

    async def start(ladder: str, *, more: dict[str, Connection] | None = None) -> FulfilmentEngine:
        connections = world.connections(clock) | ({"buyers": buyers.connection} if more is None else more)
        hub = make_engine(engine, database, connections, clock, policy=policy(ladder))
        await hub.launch()
        launched.append(hub)
        return hub

    yield start
    for hub in launched:
        await hub.close()


async def state_is(scene: Scene, state: ProcurementState) -> bool:
    return [row["state"] for row in await scene.rows(tables.procurement)][-1:] == [state]


async def placed(scene: Scene, supplier: str = "acme") -> dict[str, Any]:
    """The one procurement from a supplier, once its order is placed."""
    await eventually(lambda: scene.rows(tables.procurement, supplier=supplier, state=ProcurementState.ORDERED))
    await caught_up(scene)
    return dict(await scene.row(tables.procurement, supplier=supplier))


async def pulled(scene: Scene, buyers: Buyers, clock: Clock) -> None:
    await pull_source(scene.database, buyers.connection, clock=clock, streams=("orders",))
    await caught_up(scene)


async def test_an_order_goes_out_is_followed_and_its_goods_are_in_use(
    engine: AsyncEngine, launch: Launch, world: World, buyers: Buyers, clock: Clock
):
    scene = await make_scene(engine, spares=0)
    await launch(REPLACED)
    await scene.open_ticket()

    row = await placed(scene)
    [order] = buyers.orders()
    assert (row["via"], row["order_number"], row["external_id"]) == ("buyers", str(order.id), str(order.id))
    assert (row["expected_at"], row["ordered_at"]) == (NOW + timedelta(days=1), NOW)
    assert order.subject.startswith("Replacement in advance: 1 x Acme SW-48 for ticket 4711 [connector:order-")
    [text] = [each.content for each in buyers.sandbox.desk.attachments]
    assert "Hamburg Port (HAM)\nHamburg Port\n1 Main St\n20095 Hamburg\nDE" in text
    assert text.endswith("Fault:\nSwitch is dead")
    assert await scene.tasks() == []

    fields = {"Carrier": "dhl", "Tracking Number": "JD01"}
    buyers.work_on(order, NOW, Status="open", CustomFields=fields)
    await pulled(scene, buyers, clock)
    parcel = await scene.row(tables.shipment)
    assert (parcel["direction"], parcel["status"], parcel["carrier"], parcel["tracking_number"], parcel["site_id"]) == (
        Direction.INBOUND, ShipmentStatus.IN_TRANSIT, "dhl", "JD01", scene.site_id,
    )  # fmt: skip
    await eventually(lambda: _is(world.tracked, ["JD01"]))

    buyers.work_on(order, NOW, Status="resolved", CustomFields={"Delivered Serials": "NEW-1"})
    await pulled(scene, buyers, clock)
    row = dict(await scene.row(tables.procurement))
    assert (row["state"], row["shipment_id"], row["delivered_at"]) == (
        ProcurementState.RECEIVED, parcel["id"], NOW,
    )  # fmt: skip
    asset = await scene.row(tables.asset, serial="NEW-1")
    assert (asset["state"], asset["site_id"]) == (AssetState.DEPLOYED, scene.site_id)
    await eventually(lambda: _is(sorted(world.told("4711")), [
        "A replacement in advance is being ordered.",
        "A replacement in advance was delivered.",
        "A replacement in advance was ordered.",
        "A replacement in advance was sent by the supplier.",
    ]))  # fmt: skip
    assert await scene.tasks() == []
    assert len(buyers.orders()) == 1


async def _is(found: object, expected: object) -> bool:
    return found == expected


async def test_while_the_supplier_is_down_a_person_sees_it_and_the_order_goes_out_afterwards(
    engine: AsyncEngine, launch: Launch, buyers: Buyers
):
    scene = await make_scene(engine, spares=0)
    buyers.down = True
    await launch(REPLACED)
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))
    [task] = await scene.rows(tables.task)
    assert task["title"] == "The order of 1 × Acme SW-48 from acme for ticket 4711 does not get out"
    assert "It is sent through buyers, again and again: buyers: find order: nobody answers." in (task["instructions"])

    buyers.down = False
    await placed(scene)

    assert await scene.tasks() == [("procurement", "done")]
    assert len(buyers.orders()) == 1


async def test_what_a_supplier_refuses_at_once_or_later_has_the_ladder_go_on(
    engine: AsyncEngine, launch: Launch, buyers: Buyers, clock: Clock, world: World
):
    scene = await make_scene(engine, spares=0)
    buyers.refuses = "serial is out of warranty"
    ladder = "[stock, vendor_replacement, {kind: purchase, suppliers: [trader]}, {kind: purchase, suppliers: [shop]}]"
    await launch(ladder.replace("]}]", "]}, person]"))
    await scene.open_ticket()
    await placed(scene, supplier="trader")
    buyers.work_on(buyers.orders()[0], NOW, Status="rejected")
    await pulled(scene, buyers, clock)
    await eventually(lambda: scene.rows(tables.task))

    first, second, third = await scene.rows(tables.procurement)
    assert (first["state"], first["reason"]) == (ProcurementState.REFUSED, "serial is out of warranty.")
    rejected = f"ticket {second['external_id']} is rejected"
    assert (second["state"], second["reason"]) == (ProcurementState.REFUSED, rejected)
    assert (third["supplier"], third["state"], third["via"]) == ("shop", ProcurementState.APPROVED, None)
    assert [task["title"] for task in await scene.rows(tables.task)] == [
        "Order 1 × Acme SW-48 from shop for ticket 4711"
    ]
    await eventually(lambda: _has(world, "A replacement in advance does not come."))


async def _has(world: World, line: str) -> bool:
    return line in world.told("4711")


async def test_an_order_that_comes_later_is_decided_anew_once_and_called_off_where_another_way_is_better(
    engine: AsyncEngine, launch: Launch, buyers: Buyers, clock: Clock, world: World
):
    scene = await make_scene(engine, spares=0)
    await launch("[stock, {kind: vendor_replacement, accept: in_time}, {kind: purchase, suppliers: [shop]}, person]")
    await scene.open_ticket(sla_due_at=NOW + timedelta(days=4))
    await placed(scene)
    [order] = buyers.orders()

    buyers.work_on(order, NOW, Due="2026-11-26T15:00:00Z")
    await pulled(scene, buyers, clock)
    await eventually(lambda: _has(world, "A replacement in advance comes later than expected."))
    assert len(await scene.rows(tables.procurement)) == 1

    buyers.work_on(order, NOW, Due="2026-12-09T15:00:00Z")
    await pulled(scene, buyers, clock)
    await eventually(lambda: scene.rows(tables.procurement, supplier="acme", state=ProcurementState.CANCELLED))

    first, second = await scene.rows(tables.procurement)
    assert (first["is_wanted"], first["reason"], second["supplier"]) == (False, "another way is better now", "shop")
    assert order.status == "rejected"


async def test_an_order_is_called_off_with_its_ticket_as_soon_as_its_supplier_answers(
    engine: AsyncEngine, launch: Launch, buyers: Buyers
):
    scene = await make_scene(engine, spares=0)
    await launch(REPLACED)
    ticket_id = await scene.open_ticket()
    await placed(scene)
    buyers.down = True

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.CANCELLED)
    await eventually(lambda: scene.rows(tables.task))
    assert (
        "buyers could not do it: buyers: cancel order: nobody answers"
        in ((await scene.row(tables.task))["instructions"])
    )
    buyers.down = False
    await eventually(lambda: state_is(scene, ProcurementState.CANCELLED))
    await caught_up(scene)

    [order] = buyers.orders()
    assert order.status == "rejected"
    assert any("This order is not needed any more: ticket 4711 is cancelled" in each.content
               for each in buyers.sandbox.desk.attachments)  # fmt: skip
    assert await scene.tasks() == [("procurement", "done")]


async def test_an_order_that_was_sent_already_is_for_a_person_to_call_off(
    engine: AsyncEngine, launch: Launch, buyers: Buyers
):
    scene = await make_scene(engine, spares=0)
    await launch(REPLACED)
    ticket_id = await scene.open_ticket()
    await placed(scene)
    buyers.work_on(buyers.orders()[0], NOW, CustomFields={"Tracking Number": "JD01"})

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.RESOLVED)
    await eventually(lambda: scene.rows(tables.task))

    task = await scene.row(tables.task)
    assert task["title"].startswith("Call off order ")
    assert "it cannot be cancelled any more" in task["instructions"]
    assert await state_is(scene, ProcurementState.ORDERED)


async def turned_away_again(buyers: Buyers) -> None:
    before = buyers.turned_away

    async def again() -> bool:
        return buyers.turned_away > before

    await eventually(again)


@pytest.mark.parametrize("was_taken", [False, True])
async def test_a_ticket_that_is_cancelled_while_its_order_does_not_get_out_leaves_no_order(
    engine: AsyncEngine, launch: Launch, buyers: Buyers, was_taken: bool
):
    scene = await make_scene(engine, spares=0)

    async def break_down() -> None:
        buyers.down = True

    buyers.lose_answer, buyers.down = was_taken, not was_taken
    buyers.meanwhile = break_down if was_taken else None
    await launch(REPLACED)
    ticket_id = await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))
    assert len(buyers.orders()) == was_taken

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.CANCELLED)
    await eventually(lambda: scene.rows(tables.procurement, is_wanted=False))
    await turned_away_again(buyers)  # an attempt that took the order for wanted is over
    buyers.down = False
    await eventually(lambda: state_is(scene, ProcurementState.CANCELLED))
    await caught_up(scene)

    assert [order.status for order in buyers.orders()] == ["rejected"] * was_taken
    assert await scene.tasks() == [("procurement", "cancelled")]


async def test_an_order_that_a_person_places_while_it_goes_out_is_taken_back(
    engine: AsyncEngine, launch: Launch, buyers: Buyers
):
    scene = await make_scene(engine, spares=0)
    hub = await launch(REPLACED)

    async def by_telephone() -> None:
        row = await scene.row(tables.procurement)
        report = Report(ProcurementState.ORDERED, order_number="TEL-1")
        await hub.commands.procurements.record(row["id"], report, key="tel", actor="ada")

    buyers.meanwhile = by_telephone
    await scene.open_ticket()
    row = await placed(scene)
    await eventually(lambda: scene.has_receipt(f"order-{row['id']}:send"))

    assert (row["order_number"], row["external_id"]) == ("TEL-1", None)
    assert [order.status for order in buyers.orders()] == ["rejected"]


async def test_without_its_source_an_order_is_shown_and_whoever_places_it_ends_the_trying(
    engine: AsyncEngine, launch: Launch, buyers: Buyers
):
    scene = await make_scene(engine, spares=0)
    hub = await launch(REPLACED, more={})
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.task))
    assert "source 'buyers' is not connected" in (await scene.row(tables.task))["instructions"]

    row = await scene.row(tables.procurement)
    report = Report(ProcurementState.ORDERED, order_number="TEL-1")
    await hub.commands.procurements.record(row["id"], report, key="tel", actor="ada")
    await caught_up(scene)

    assert await scene.tasks() == [("procurement", "done")]
    assert buyers.orders() == []


async def test_goods_for_a_hub_are_stock_when_their_serials_are_told_else_a_person_is_asked(
    engine: AsyncEngine, launch: Launch, buyers: Buyers, clock: Clock
):
    scene = await make_scene(engine, spares=0)
    hub = await launch(BOUGHT)
    for number in ("4711", "4712"):
        await scene.open_ticket(number)
    await eventually(lambda: _are(scene, ProcurementState.ORDERED, 2))
    await caught_up(scene)
    first, second = buyers.orders()
    assert first.subject.startswith("Order: 1 x Acme SW-48 for ticket 471")

    buyers.work_on(first, NOW, Status="resolved", CustomFields={"Delivered Serials": "NEW-1"})
    buyers.work_on(second, NOW, CustomFields={"Carrier": "dhl", "Tracking Number": "JD01"})
    await pulled(scene, buyers, clock)
    parcel = await scene.row(tables.shipment, tracking_number="JD01")
    assert (parcel["hub_id"], parcel["site_id"], parcel["reservation_id"]) == (scene.hub_id, None, None)
    await scene.change(tables.shipment, EntityKind.SHIPMENT, parcel["id"], status=ShipmentStatus.DELIVERED)
    await scene.finished(1)
    await eventually(lambda: scene.rows(tables.task, title=f"Receive 1 × Acme SW-48 of order {second.id} from trader"))

    came, waits = sorted(await scene.rows(tables.procurement), key=lambda row: row["external_id"] != str(first.id))
    assert (came["state"], waits["state"]) == (ProcurementState.RECEIVED, ProcurementState.SHIPPED)
    assert waits["delivered_at"] == NOW
    [task] = [row for row in await scene.rows(tables.task) if row["key"].startswith("procurement:")]
    assert task["title"] == f"Receive 1 × Acme SW-48 of order {second.id} from trader"
    assert "1 units were ordered, 0 serials are given" in task["instructions"]

    await hub.commands.procurements.receive(waits["id"], key="in", actor="ada", serials=["NEW-2"])
    await scene.finished(2)
    await eventually(lambda: scene.rows(tables.task, id=task["id"], state="done"))


async def _are(scene: Scene, state: ProcurementState, count: int) -> bool:
    return len(await scene.rows(tables.procurement, state=state)) == count


async def test_what_is_overdue_is_shown_once_for_each_date(
    engine: AsyncEngine, launch: Launch, buyers: Buyers, clock: MovableClock
):
    scene = await make_scene(engine, spares=0)
    hub = await launch(REPLACED)
    await scene.open_ticket()
    row = await placed(scene)
    assert await watch_orders(hub.reactor._work) == 0

    clock.advance(timedelta(hours=25))
    assert [await watch_orders(hub.reactor._work) for _ in range(2)] == [1, 0]
    [task] = await scene.rows(tables.task)
    assert task["title"] == f"Overdue: order {row['order_number']} of 1 × Acme SW-48 from acme"
    assert "It was expected on 2026-11-26 09:00Z for ticket 4711." in task["instructions"]

    buyers.work_on(buyers.orders()[0], clock.now(), Due="2026-11-27T15:00:00Z")
    await pulled(scene, buyers, clock)
    assert await scene.tasks() == [("procurement", "done")]
    assert await watch_orders(hub.reactor._work) == 0


async def test_nothing_goes_out_before_its_approval(engine: AsyncEngine, launch: Launch, buyers: Buyers):
    scene = await make_scene(engine, spares=0)
    hub = await launch("[stock, {kind: vendor_replacement, approval: costly}, person]")
    await scene.open_ticket()
    await eventually(lambda: scene.rows(tables.approval))
    await caught_up(scene)
    assert buyers.orders() == []

    approver = Principal("bo", frozenset({"approver"}))
    asked = await scene.row(tables.approval)
    await hub.approvals.answer(asked["id"], Verdict.APPROVE, by=approver, reason=None, key="yes")

    await placed(scene)
    assert len(buyers.orders()) == 1


async def test_a_policy_that_orders_through_what_takes_no_orders_is_refused(world: World, clock: Clock, buyers: Buyers):
    text = POLICY.replace("LADDER", REPLACED)
    connections = world.connections(clock)

    require_suppliers(text, connections | {"buyers": buyers.connection})
    require_suppliers(text, connections, broken={"buyers"})
    with pytest.raises(InvalidPolicy) as missing:
        require_suppliers(text, connections, source="policy.yaml")
    with pytest.raises(InvalidPolicy, match="source 'buyers' takes no orders, its adapter 'world' cannot"):
        require_suppliers(text, {"buyers": connections["courier"]})
    assert missing.value.problems == (
        "policy.yaml:9:81: sourcing.suppliers.acme.via: there is no source 'buyers'; those that take orders are: none; "
        "without `via` a person orders",
        "policy.yaml:10:73: sourcing.suppliers.trader.via: there is no source 'buyers'; those that take orders are: "
        "none; without `via` a person orders",
    )
