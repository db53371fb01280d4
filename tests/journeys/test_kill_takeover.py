"""The hub is killed while a unit passes from a weaker ticket to a stronger one: one owner, both told once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import HAMBURG, make_hub, make_spares
from tests.fulfilment.killed_hub import SystemClock
from tests.fulfilment.scene import make_scene
from tests.fulfilment.world import World
from tests.journeys.killing import EVERYWHERE, Hub
from tests.journeys.test_kill import newest

from connector.model.lifecycle import RESERVATION_LIVE, ReservationState, TaskState
from connector.storage import tables
from connector.storage.database.engine import transaction

POINTS = [
    ("decided, not committed", 1),  # the winner's claim and the loser's end
    ("before start_fulfilment", 1),  # all of that is committed, nothing else is done
    ("decided, not committed", 2),  # the loser's next unit
    ("before start_undo", 1),
    ("undo-stock written, not committed", 1),
    ("after push", 1),
]
TRIED = len(POINTS) if EVERYWHERE else 3
"""Of these, other ones in each run: a round takes seconds."""


async def test_killed_in_the_middle_of_taking_over_the_unit_has_one_owner_and_both_tickets_are_served_once(
    engine: AsyncEngine, killable_hub: Callable[..., Hub], world: World
):
    tried = random.sample(POINTS, TRIED)
    scene, count, due = await make_scene(engine, spares=TRIED), TRIED, timedelta(hours=4)
    async with transaction(engine) as tx:
        near = await make_hub(tx, name="Hamburg Depot", code="NEAR", **HAMBURG)
        await make_spares(tx, hub_id=near, product_id=scene.product_id, count=count)
    opened = SystemClock().now()
    weak = [await scene.open_ticket(f"W{number}", priority="P4", opened_at=opened) for number in range(count)]
    points: list[str | None] = []

    hub = killable_hub(world=world.url)
    await hub.run({"state": count})
    assert [row["hub_id"] for row in await scene.rows(tables.reservation)] == [near] * count
    for number, (only, kill_at) in enumerate(tried):
        strong = {"priority": "P1", "opened_at": opened, "sla_due_at": opened + due}
        after = await newest(scene) if only.endswith("fulfilment") else 0
        await scene.open_ticket(f"S{number}", **strong)
        points.append(await hub.run({"state": 9 * count}, kill_at=kill_at, only=only, after=after))
    await hub.run({"state": 3 * count, "undo-note": count})

    assert points == [name for name, _ in tried]
    rows = await scene.rows(tables.reservation)
    live = [row for row in rows if row["state"] in RESERVATION_LIVE]
    assert Counter(row["state"] for row in rows) == {
        ReservationState.RELEASED: count,
        ReservationState.COMMITTED: 2 * count,
    }
    assert len({row["asset_id"] for row in live}) == len({row["ticket_id"] for row in live}) == 2 * count
    taken = {row["id"]: row for row in rows if row["state"] is ReservationState.RELEASED}
    won = [row for row in live if row["replaces_id"] is not None]
    assert sorted(row["replaces_id"] for row in won) == sorted(taken)
    assert all(row["asset_id"] == taken[row["replaces_id"]]["asset_id"] for row in won)
    assert {row["ticket_id"] for row in won}.isdisjoint(weak)
    assert {row["ticket_id"]: row["hub_id"] for row in live} == {
        **dict.fromkeys(weak, scene.hub_id), **{row["ticket_id"]: near for row in won},
    }  # fmt: skip
    books = {(row["hub_id"], row["product_id"]): row for row in await scene.rows(tables.stock)}
    assert {row["on_hand"] for row in books.values()} == {row["reserved"] for row in books.values()} == {count}
    assert len(await scene.rows(tables.decision)) == 3 * count
    tasks = Counter(row["state"] for row in await scene.rows(tables.task, kind="pickup"))
    assert tasks == {TaskState.CANCELLED: count, TaskState.OPEN: 2 * count}
    assert len(world.bought()) == count
    told = Counter(note["ticket"] for note in world.notes)
    assert told == {f"W{n}": 3 for n in range(count)} | {f"S{n}": 1 for n in range(count)}
