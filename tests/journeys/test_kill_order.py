"""The process is killed around whatever places an order or calls it off: one order per ticket, none left over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fulfilment.killed_hub import SystemClock
from tests.fulfilment.scene import make_scene
from tests.journeys.killing import Hub, served
from tests.journeys.test_kill import cancel

from connector.model.lifecycle import ProcurementState
from connector.storage import tables
from connector_request_tracker.sandbox import RequestTrackerSandbox

POLICY = """
name: test
rules: [{name: any, when: "true", hardware: replace, ladder: [vendor_replacement, person]}]
sourcing:
  suppliers: {acme: {offers: [vendor_replacement], lead_hours: 24, via: buyers}}
  courier: {transit: [{hours: 24, cost_cents: 3000}]}
"""
PLACING = ["after _begin", "after order", "after _settle"]
CALLING_OFF = ["after cancel_order"]
NOTES = 3
"""Told of each ticket in the end: being ordered, ordered, called off."""


async def test_killed_around_an_order_and_its_end_there_is_one_order_and_then_none(
    engine: AsyncEngine, killable_hub: Callable[..., Hub]
):
    desk = RequestTrackerSandbox(SystemClock())
    scene = await make_scene(engine, spares=0)
    tickets: dict[int, int] = {}
    points: list[str | None] = []

    async with served(desk.app()) as url:
        source = {"adapter": "request_tracker", "settings": {**desk.settings(), "base_url": url}}
        outside = {"sources": {"itsm": source, "buyers": source}, "policy": POLICY, "orders": True}
        hub = killable_hub(**outside)
        for point in PLACING:
            number = desk.open_ticket().id
            tickets[number] = await scene.open_ticket(number=str(number))
            points.append(await hub.run({"send": len(PLACING) + 1}, kill_at=1, only=point))
        await hub.run({"send": len(PLACING)})
        orders = [each for each in desk.desk.tickets.values() if each.queue == "Purchasing"]
        told = Counter(each.subject.partition(" for ticket ")[2].split()[0] for each in orders)
        for ticket_id in tickets.values():
            await cancel(scene, ticket_id)
        points += [await hub.run({"note": 100}, kill_at=1, only=point) for point in CALLING_OFF]
        await hub.run({"note": NOTES * len(tickets)})

    assert points == [*PLACING, *CALLING_OFF]
    assert told == {str(number): 1 for number in tickets}
    assert [order.status for order in orders] == ["rejected"] * len(tickets)
    assert len(orders) == sum(each.queue == "Purchasing" for each in desk.desk.tickets.values())
    rows = await scene.rows(tables.procurement)
    assert [(row["ticket_id"], row["state"]) for row in rows] == [
        (ticket_id, ProcurementState.CANCELLED) for ticket_id in tickets.values()
    ]
    assert sorted(row["order_number"] for row in rows) == sorted(str(order.id) for order in orders)
    assert await scene.tasks() == []
