"""The hub is killed while a rollout's wave is made ready, and while it is given back: everything happens once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import make_source, make_ticket
from tests.fulfilment.killed_hub import SystemClock
from tests.fulfilment.rollout_scene import key, make_yard
from tests.fulfilment.world import World
from tests.journeys.killing import Hub

from connector.model.kinds import TaskKind
from connector.storage import tables
from connector.storage.database.engine import transaction

PARCELS = 4


async def killed_again_and_again(hub: Hub, wanted: dict[str, int], points: list[int]) -> list[str]:
    """Run the hub, killed at these points one after the other, until everything wanted is there."""
    killed = [await hub.run(wanted, kill_at=point) for point in points]
    await hub.run(wanted)
    return [name for name in killed if name is not None]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_killed_in_a_wave_and_in_giving_it_back_every_parcel_is_bought_and_voided_once(
    engine: AsyncEngine, killable_hub: Callable[..., Hub], world: World
):
    clock: Any = SystemClock()
    yard = await make_yard(engine, clock, world, sites=PARCELS, spares=PARCELS)
    async with transaction(engine) as tx:
        source_id = await make_source(tx)
        ticket_id = await make_ticket(tx, source_id=source_id, external_id="77", number="CHG-7", type="change")
    rollout_id = await yard.make(ticket_id=ticket_id, first_wave_size=PARCELS)
    await yard.rollouts.plan(rollout_id, key=key(), actor="ada")
    await yard.rollouts.start(rollout_id, key=key(), actor="ada")
    [staging] = await yard.open_tasks(TaskKind.STAGING)
    await yard.people.confirm_staging(staging["id"], key=key(), actor="bo")

    hub = killable_hub(world=world.url)
    wanted = {"state": PARCELS, "note": PARCELS + 4}
    there = await killed_again_and_again(hub, wanted, [4, 9, 16])
    bought = len(world.labels)
    await yard.rollouts.pause(rollout_id, reason="freeze", key=key(), actor="ada")
    wanted = {"undo-note": PARCELS, "note": PARCELS + 5}
    back = await killed_again_and_again(hub, wanted, [3, 7])

    assert len(there) >= 2
    assert len(back) >= 1
    assert bought == PARCELS
    assert (len(world.labels), world.bought()) == (PARCELS, [])
    assert await yard.shelf() == (PARCELS, 0)
    assert await yard.live() == 0
    assert Counter(row["state"].value for row in await yard.rows(tables.reservation)) == {"released": PARCELS}
    *begun, paused = world.told("77")  # of two notes that a kill interrupted either may be the first to go on
    assert set(begun) == {
        "Rollout Routers 7.2 (Acme R-7): it has begun.",
        "Rollout Routers 7.2 (Acme R-7): wave 1 has begun.",
    }
    assert len(begun) == 2
    assert paused == (
        "Rollout Routers 7.2 (Acme R-7): it was paused: freeze. Units that had not left their hubs are given back."
    )
    assert {task["state"].value for task in await yard.rows(tables.task)} == {"done", "cancelled"}
