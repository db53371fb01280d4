"""What becomes of a recovery when its second unit is not sent after all, or is in trouble itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import MUNICH, NOW, make_hub, make_spares
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.test_react import caught_up
from tests.fulfilment.test_watching import SILENT, recovery, reported, under_way
from tests.fulfilment.world import World

from connector.fulfilment.claims import Claims, MoveTo
from connector.model.kinds import TaskKind, Trouble, Verdict
from connector.model.lifecycle import RecoveryState, ReservationState, ShipmentStatus, TaskState
from connector.model.principals import Principal
from connector.rules.policy.reading import default_policy, read_policy
from connector.storage import tables
from connector.storage.database.engine import transaction

DOCUMENT = """name: test
approvals: {{second: {{roles: [approver], within_minutes: 60, auto_approve_when: ticket.priority == 'P9'}}}}
rules:
  - name: strong
    when: ticket.priority == 'P1'
    hardware: replace
    ladder: [{{kind: stock, accept: in_time}}, {{kind: stock, accept: in_time, preempt: {{}}}}, person]
  - {{name: far-away, when: "true", hardware: replace{far}}}
sourcing:
  courier: {{transit: [{{within_km: 300, hours: 24}}, {{hours: 48}}]}}
  drive: {{max_drive_km: 0}}
watching: {{act: source, silent_hours: 24, gain_minutes: 30}}
"""
PLAIN = read_policy(DOCUMENT.format(far=""))


async def stolen(scene: Scene) -> None:
    """A more urgent ticket has taken what the second unit was, and what follows has been done."""
    await scene.open_ticket("4712", priority="P1", sla_due_at=NOW + timedelta(days=4))
    await scene.undone(1)
    await caught_up(scene)


async def second_claimed(scene: Scene, hub: Any, clock: MovableClock) -> int:
    """The first parcel is silent, and a second unit is claimed for it; the id of the first."""
    first = await under_way(scene, hub)
    await caught_up(scene)
    clock.advance(SILENT)
    assert await hub.watch() == 1
    await scene.finished(2)
    return first


async def weak_ticket(scene: Scene) -> None:
    async with transaction(scene.database) as tx:
        await tx.execute(tables.ticket.update().values(priority="P4"))


async def test_a_second_unit_that_goes_to_another_ticket_is_looked_for_again(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    scene = await make_scene(engine, spares=2)
    hub = await launch(policy=PLAIN)
    first = await second_claimed(scene, hub, clock)
    await weak_ticket(scene)
    await reported(scene, first, ShipmentStatus.LOST)
    async with transaction(engine) as tx:  # too late for the other ticket
        far = await make_hub(tx, code="MUC", **MUNICH)
        await make_spares(tx, hub_id=far, product_id=scene.product_id, count=1)

    await scene.open_ticket("4712", priority="P1", sla_due_at=clock.now() + timedelta(hours=30))
    await scene.undone(1)
    await scene.finished(4)

    row = await recovery(scene)
    second = await scene.row(tables.reservation, id=row["reservation_id"])
    assert row["state"] is RecoveryState.SOURCED
    assert (second["ticket_id"], second["hub_id"], second["state"]) == (1, far, ReservationState.COMMITTED)
    assert row["reason"].startswith("The second unit (reservation 2) is not sent: its unit was given to ticket 4712")
    live = await scene.rows(tables.reservation, ticket_id=1, state=ReservationState.COMMITTED)
    assert [item["id"] for item in live] == [second["id"]]


async def test_where_there_is_no_other_one_a_person_is_asked(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    scene = await make_scene(engine, spares=2)
    hub = await launch(policy=PLAIN)
    first = await second_claimed(scene, hub, clock)
    await weak_ticket(scene)

    await stolen(scene)
    await eventually(lambda: scene.has_receipt("recovery-1-asked:note"))

    row = await recovery(scene)
    assert (row["state"], row["reservation_id"], row["trouble"]) == (RecoveryState.ASKED, None, Trouble.SILENT)
    [task] = await scene.rows(tables.task, kind=TaskKind.REVIEW, ticket_id=1)
    assert (task["state"], task["title"]) == (TaskState.OPEN, "Shipment TRK0001: silent")
    assert "The second unit (reservation 2) is not sent: its unit was given to ticket 4712" in task["instructions"]
    assert "A second unit was looked for: No hub has a free unit" in task["instructions"]

    await reported(scene, first, ShipmentStatus.DELIVERED)
    assert (await recovery(scene))["state"] is RecoveryState.SETTLED


async def test_one_that_nobody_approves_is_none_and_a_person_is_asked(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene = await make_scene(engine, spares=2)
    hub = await launch(policy=PLAIN)
    await under_way(scene, hub)
    hub = await launch(policy=read_policy(DOCUMENT.format(far=", approval: second")), holders=lambda _: frozenset())
    await weak_ticket(scene)
    clock.advance(SILENT)
    assert await hub.watch() == 1
    request = await scene.row(tables.approval)

    ann = Principal("ann", frozenset({"approver"}))
    await hub.approvals.answer(request["id"], Verdict.REJECT, by=ann, reason="too dear", key="no")
    await caught_up(scene)

    row = await recovery(scene)
    assert (row["state"], row["reservation_id"]) == (RecoveryState.ASKED, None)
    assert "is not sent: approval 'second' was not given: too dear" in row["reason"]
    assert await scene.tasks(kind=TaskKind.REVIEW, ticket_id=1) == [("shipment", "open")]
    assert await scene.shelf() == (1, 0)


async def test_what_a_person_takes_back_stays_back_until_it_gets_worse(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    scene = await make_scene(engine, spares=3)
    hub = await launch()
    first = await second_claimed(scene, hub, clock)

    await hub.commands.release(2, reason="the courier says it comes today", key="back", actor="ann")
    await scene.undone(1)
    await caught_up(scene)

    row = await recovery(scene)
    assert (row["state"], row["reservation_id"]) == (RecoveryState.ASKED, None)
    assert row["reason"] == "The second unit (reservation 2) is not sent: the courier says it comes today."
    clock.advance(SILENT)
    assert await hub.watch() == 0
    assert await scene.shelf() == (2, 0)

    await reported(scene, first, ShipmentStatus.LOST)
    await scene.finished(3)
    assert ((await recovery(scene))["state"], await scene.shelf()) == (RecoveryState.SOURCED, (2, 1))


async def test_one_that_a_dispatcher_moves_is_still_called_back_when_the_first_turns_up(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    scene = await make_scene(engine, spares=3)
    async with transaction(engine) as tx:
        other = await make_hub(tx, code="MUC", **MUNICH)
        await make_spares(tx, hub_id=other, product_id=scene.product_id, count=1)
    hub = await launch()
    first = await second_claimed(scene, hub, clock)

    claims = Claims(engine, clock, default_policy())
    moved = await claims.move(2, MoveTo(hub_id=other), reason="it is on the way", key="move", actor="ann")
    await scene.finished(3)
    await caught_up(scene)
    assert (await recovery(scene))["reservation_id"] == moved

    await reported(scene, first, ShipmentStatus.DELIVERED)
    await scene.undone(2)
    assert (await recovery(scene))["state"] is RecoveryState.RECALLED
    assert (await scene.row(tables.reservation, id=moved))["state"] is ReservationState.RELEASED


@pytest.mark.parametrize("by_courier", [False, True])
async def test_a_second_unit_in_trouble_is_a_persons_and_draws_no_third(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock, by_courier: bool
):
    scene = await make_scene(engine, spares=4)
    hub = await launch()
    await second_claimed(scene, hub, clock)
    [pickup] = await scene.rows(tables.task, kind=TaskKind.PICKUP, state=TaskState.OPEN)
    await hub.commands.confirm_pickup(pickup["id"], key="second", actor="lee")
    assert await hub.watch() == 0

    if by_courier:
        await reported(scene, 2, ShipmentStatus.LOST)
    else:
        clock.advance(2 * SILENT)
        assert await hub.watch() == 1
    clock.advance(SILENT)
    assert await hub.watch() == 0

    [task] = await scene.rows(tables.task, kind=TaskKind.REVIEW)
    assert (task["shipment_id"], task["title"].split(": ")[1]) == (2, "lost" if by_courier else "silent")
    assert "It is the second unit already" in task["instructions"]
    assert len(await scene.rows(tables.reservation)) == 2
