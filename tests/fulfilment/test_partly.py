"""A ticket that needs more units than there are: what is there is sent, the rest follows, and nothing is left over."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import make_asset
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.test_react import caught_up
from tests.fulfilment.world import World

from connector.model.lifecycle import ProcurementState, ReservationState, TicketState
from connector.model.refs import EntityKind
from connector.rules.policy.reading import Policy, read_policy
from connector.storage import tables

POLICY = """
name: test
rules:
  - {name: any, when: "true", hardware: replace, partial: allowed, ladder: [stock, END]}
sourcing: {courier: {transit: [{hours: 24, cost_cents: 3000}]}}
"""


def policy(end: str = "{kind: backorder, expected_hours: 72}") -> Policy:
    return read_policy(POLICY.replace("END", end))


async def arrives(scene: Scene, count: int) -> None:
    async with scene.database.begin() as tx:
        for _ in range(count):
            await make_asset(tx, hub_id=scene.hub_id, product_id=scene.product_id, state="in_stock")
    stock = await scene.row(tables.stock, product_id=scene.product_id)
    await scene.change(tables.stock, EntityKind.STOCK, stock["id"], on_hand=stock["on_hand"] + count)


async def test_two_of_three_are_sent_and_told_of_and_the_third_when_stock_comes(
    engine: AsyncEngine, launch: Any, world: World
):
    scene = await make_scene(engine, spares=2)
    await launch(policy=policy())
    await scene.open_ticket(quantity=3)
    await scene.finished(2)
    await caught_up(scene)

    order = await scene.row(tables.procurement)
    assert (order["quantity"], order["state"]) == (1, ProcurementState.REQUESTED)
    await arrives(scene, 2)
    await scene.finished(3)
    await caught_up(scene)

    held = await scene.rows(tables.reservation)
    assert [(row["line"], row["state"]) for row in held] == [(n, ReservationState.COMMITTED) for n in (1, 2, 3)]
    assert (await scene.row(tables.procurement))["state"] is ProcurementState.RECEIVED
    assert await scene.shelf() == (4, 3)
    notes = [note["body"] for note in world.notes.values()] if isinstance(world.notes, dict) else world.notes
    parts = [text for text in map(str, notes) if "of 3 that this ticket needs" in text]
    assert sum("Units: 1 of 3 that this ticket needs" in text for text in parts) == 4
    assert sum("No hub has the rest at the moment" in text for text in parts) == 1


async def test_a_ticket_that_is_cancelled_gives_everything_back_and_gets_nothing_more(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine, spares=2)
    await launch(policy=policy())
    ticket_id = await scene.open_ticket(quantity=3)
    await scene.finished(2)

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.CANCELLED)
    await scene.undone(2)
    await arrives(scene, 3)
    await caught_up(scene)

    assert await scene.shelf() == (5, 0)
    assert (await scene.row(tables.procurement))["state"] is ProcurementState.CANCELLED
    assert {row["state"] for row in await scene.rows(tables.reservation)} == {ReservationState.RELEASED}


async def test_the_fulfilment_that_a_person_cancels_takes_the_ticket_out_of_the_queue(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine, spares=2)
    hub = await launch(policy=policy())
    ticket_id = await scene.open_ticket(quantity=3)
    await scene.finished(2)

    await hub.commands.cancel(ticket_id, reason="bought elsewhere", key="cancel-1", actor="ada")
    await scene.undone(2)
    await caught_up(scene)

    assert await scene.shelf() == (2, 0)
    assert (await scene.row(tables.procurement))["state"] is ProcurementState.CANCELLED


async def test_a_person_is_asked_about_the_rest_once_and_not_any_more_when_it_has_come(
    engine: AsyncEngine, launch: Any
):
    scene = await make_scene(engine, spares=2)
    hub = await launch(policy=policy("person"))
    ticket_id = await scene.open_ticket(quantity=3)
    await scene.finished(2)
    await caught_up(scene)

    [task] = await scene.rows(tables.task, kind="review")
    assert task["key"] == f"review:{ticket_id}:rest_no_compatible_stock"
    assert task["instructions"].startswith("The ticket has 2 of the 3 units that it needs.")
    again = await hub.commands.reserve_for_ticket(ticket_id, key="again", actor="ada")
    assert again.outcome == "review"
    await arrives(scene, 1)
    await scene.finished(3)

    assert (await scene.row(tables.task, kind="review"))["state"].value == "done"
    assert len(await scene.rows(tables.reservation)) == 3
