"""Parcels of a rollout that are in trouble are shown to a person, and no second unit is sent for them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.fulfilment.rollout_scene import make_yard, rollout_policy
from tests.fulfilment.world import World

from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.watching import Watch
from connector.fulfilment.work import Work
from connector.model.kinds import TaskKind
from connector.model.lifecycle import TaskState
from connector.storage import tables


async def test_a_silent_parcel_of_a_wave_is_asked_about_once_until_it_arrives(
    engine: AsyncEngine, clock: MovableClock, world: World
):
    yard = await make_yard(engine, clock, world)
    watch = Watch(Work(engine, {}, clock, FulfilmentOptions()), rollout_policy())
    await yard.running()
    await yard.stage()
    await yard.hand_over()
    assert await watch.look_at_all() == 0
    before = await yard.live(), await yard.shelf()

    clock.advance(timedelta(hours=50))
    assert await watch.look_at_all() == 2
    assert await watch.look_at_all() == 0

    tasks = await yard.open_tasks(TaskKind.REVIEW)
    parcels = await yard.rows(tables.shipment)
    assert [(task["shipment_id"], task["title"]) for task in tasks] == [
        (parcel["id"], f"Shipment {parcel['tracking_number']}: silent") for parcel in parcels
    ]
    assert all("report its line as failed if it does not come" in task["instructions"] for task in tasks)
    assert (await yard.live(), await yard.shelf()) == before
    assert await yard.rows(tables.recovery) == []

    await yard.deliver()
    assert [task["state"] for task in await yard.rows(tables.task, kind=TaskKind.REVIEW)] == [TaskState.DONE] * 2
    assert (await yard.states())["delivered"] == 2
