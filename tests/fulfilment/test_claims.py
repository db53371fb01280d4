"""Claims that are moved, split and taken over while they are being fulfilled: everything is done once, or undone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.factories import MUNICH, NOW, make_counted_stock, make_hub, make_product, make_spares
from tests.fulfilment.conftest import Launch
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.world import World

from connector.fulfilment.claims import Claims, MoveTo
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.lifecycle import ReservationState as State
from connector.rules.policy.reading import default_policy, read_policy
from connector.sdk import Clock
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.stock.reservations import Claim
from connector.storage.stock.reserve import reserve

PREEMPTING = read_policy("""
name: test
rules:
  - {name: any, when: "true", hardware: replace, transport: [courier], preempt: {}}
sourcing: {courier: {transit: [{hours: 24}]}}
""")


def claims_of(scene: Scene, clock: Clock, policy: Any = None) -> Claims:
    return Claims(scene.database, clock, policy or default_policy())


async def finished(scene: Scene, number: int) -> None:
    """Wait until a fulfilment has done its last step."""
    await eventually(lambda: scene.has_receipt(f"fulfil-{number}:state"))


async def undone(scene: Scene, number: int) -> None:
    await eventually(lambda: scene.has_receipt(f"fulfil-{number}:undo-note"))


async def test_a_claim_that_is_moved_has_its_label_voided_and_the_new_one_sent(
    engine: AsyncEngine, launch: Launch, world: World, clock: Clock
):
    scene = await make_scene(engine)
    async with transaction(engine) as tx:
        other = await make_hub(tx, name="Munich Depot", code="MUC", **MUNICH)
        await make_spares(tx, hub_id=other, product_id=scene.product_id, count=1)
    await launch()
    await scene.open_ticket()
    await finished(scene, 1)
    claims = claims_of(scene, clock)

    new = await claims.move(1, MoveTo(hub_id=other), reason="closer to the technician", key="k1", actor="ann")
    again = await claims.move(1, MoveTo(hub_id=other), reason="closer to the technician", key="k1", actor="ann")
    await finished(scene, new)
    await undone(scene, 1)

    assert again == new
    rows = await scene.rows(tables.reservation)
    assert [(row["state"], row["hub_id"], row["replaces_id"]) for row in rows] == [
        (State.RELEASED, scene.hub_id, None), (State.COMMITTED, other, 1),
    ]  # fmt: skip
    assert rows[0]["decision_id"] == rows[1]["decision_id"] is not None
    assert rows[0]["reason"] == "moved by ann: closer to the technician"
    assert world.bought() == ["TRK0002"]
    assert await scene.tasks(reservation_id=1) == [("pickup", "cancelled")]
    assert await scene.tasks(reservation_id=new) == [("pickup", "open")]
    first, *_ = world.told("4711")
    assert first == "A replacement is on its way."
    assert sorted(world.told("4711")[1:])[0] == "A replacement is on its way."
    books = {row["hub_id"]: (row["on_hand"], row["reserved"]) for row in await scene.rows(tables.stock)}
    assert books == {scene.hub_id: (2, 0), other: (1, 1)}


async def test_a_claim_that_is_split_becomes_two_parcels(
    engine: AsyncEngine, launch: Launch, world: World, clock: Clock
):
    scene = await make_scene(engine)
    await launch()
    ticket = await scene.open_ticket(type="request")
    async with transaction(engine) as tx:
        cable = await make_product(tx, tracking="counted")
        await make_counted_stock(tx, hub_id=scene.hub_id, product_id=cable, on_hand=9)
        claim = Claim(ticket, scene.hub_id, cable, cable, quantity=5, expires_at=NOW + timedelta(hours=1))
        number = (await reserve(tx, claim, actor="ann", at=NOW)).reservation.id
    await finished(scene, number)

    first, second = await claims_of(scene, clock).split(number, 2, key="k1", actor="ann")
    for each in (first, second):
        await finished(scene, each)
    await undone(scene, number)

    rows = await scene.rows(tables.reservation)
    assert [(row["quantity"], row["line"], row["state"]) for row in rows[1:]] == [
        (3, 1, State.COMMITTED), (2, 2, State.COMMITTED),
    ]  # fmt: skip
    assert len(world.bought()) == 2
    assert (await scene.row(tables.stock, product_id=cable))["reserved"] == 5


async def test_a_held_claim_is_extended_within_the_policy(engine: AsyncEngine, launch: Launch, clock: Clock):
    scene = await make_scene(engine)
    hub = await launch()
    await hub.close()
    ticket = await scene.open_ticket()
    result = await hub.commands.reserve_for_ticket(ticket, key="k", actor="ann", hub_id=scene.hub_id)
    [number] = result.reservation_ids
    claims, until = claims_of(scene, clock), NOW + timedelta(hours=70)

    await claims.extend(number, until=until, reason="the site is closed", key="k1", actor="ann")

    assert (await scene.row(tables.reservation))["expires_at"] == until
    with pytest.raises(InvalidInput, match=r"at the longest, not until 2026-11-29T09:00:00Z"):
        await claims.extend(number, until=NOW + timedelta(hours=96), reason="longer", key="k2", actor="ann")
    with pytest.raises(InvalidInput, match="a reason is needed"):
        await claims.extend(number, until=until, reason=" ", key="k3", actor="ann")


async def test_a_unit_that_goes_to_a_p1_leaves_the_loser_told_undone_and_served_anew(
    engine: AsyncEngine, launch: Launch, world: World
):
    scene = await make_scene(engine, spares=1)
    await launch(policy=PREEMPTING)
    weak = await scene.open_ticket("4711", priority="P4")
    await finished(scene, 1)
    assert world.bought() == ["TRK0001"]

    strong = await scene.open_ticket("4712", priority="P1")
    await finished(scene, 2)
    await undone(scene, 1)

    won = await scene.row(tables.reservation, id=2)
    assert (won["ticket_id"], won["asset_id"], won["replaces_id"]) == (strong, scene.spare_ids[0], 1)
    assert (await scene.row(tables.reservation, id=1))["state"] is State.RELEASED
    assert world.bought() == ["TRK0002"]
    assert await scene.tasks(reservation_id=1) == [("pickup", "cancelled")]
    assert await scene.shelf() == (1, 1)
    note = world.notes[-1] if world.notes[-1]["ticket"] == "4711" else world.notes[-2]
    assert note["body"].splitlines()[0].endswith("goes to ticket 4712, which is more urgent.")
    assert "Reason: its unit was given to ticket 4712 (P1), which had none" in note["body"]
    sent = next(note["body"] for note in world.notes if note["ticket"] == "4712")
    assert "Taken over from ticket 4711, which is less urgent and is served anew" in sent
    await eventually(lambda: _reviewed(scene, weak))


async def _reviewed(scene: Scene, ticket_id: int) -> bool:
    """Whether the ticket was decided anew, and waits for stock."""
    rows = await scene.rows(tables.task, ticket_id=ticket_id)
    return any(row["key"].startswith(f"review:{ticket_id}:no_compatible_stock") for row in rows)


async def test_where_the_courier_had_the_parcel_the_winner_is_decided_anew(
    engine: AsyncEngine, launch: Launch, world: World
):
    scene = await make_scene(engine, spares=1)
    await launch(policy=PREEMPTING)
    await scene.open_ticket("4711", priority="P4")
    await finished(scene, 1)
    world.labels["TRK0001"]["status"] = "picked_up"

    strong = await scene.open_ticket("4712", priority="P1")
    await undone(scene, 1)
    await undone(scene, 2)

    ended = await scene.row(tables.reservation, id=2)
    assert (ended["state"], ended["reason"]) == (
        State.RELEASED, "its unit had left the hub with shipment TRK0001 before it was given to this ticket",
    )  # fmt: skip
    assert await scene.shelf() == (0, 0)
    assert ("bring-back", "open") in await scene.tasks(reservation_id=1)
    await eventually(lambda: _reviewed(scene, strong))


async def test_a_claim_that_ended_is_not_released_again(engine: AsyncEngine, launch: Launch, clock: Clock):
    scene = await make_scene(engine)
    await launch()
    await scene.open_ticket()
    await finished(scene, 1)
    claims = claims_of(scene, clock)

    await claims.release(1, reason="not needed", key="k1", actor="ann")
    await undone(scene, 1)

    assert await scene.shelf() == (2, 0)
    with pytest.raises(IllegalTransition, match=r"^reservation 1 cannot be released: it is released"):
        await claims.release(1, reason="not needed", key="k2", actor="ann")
