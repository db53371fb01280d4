"""The alert that break-glass stock has become the usual path."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import NOW, insert_row, make_hub, make_product
from tests.fulfilment.scene import make_scene

from connector.fulfilment.break_glass import watch_break_glass
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.work import Work
from connector.model.lifecycle import TaskState
from connector.rules.policy import read_policy
from connector.storage import tables
from connector.storage.break_glass import draw_shares
from connector.storage.engine import reading, transaction

POLICY = read_policy("""name: test
approvals: {agreed: {roles: [approver], within_minutes: 60}}
break_glass: {approval: agreed, alert_share: 0.25, window_days: 30, minimum_draws: 4}
rules: [{name: any, when: "true", hardware: replace}]
sourcing: {courier: {transit: [{hours: 24}]}}
""")


async def test_one_task_per_region_and_product_says_so_and_closes_when_the_share_falls(
    engine: AsyncEngine, clock: MovableClock
):
    scene = await make_scene(engine)
    work = Work(engine, {}, clock, FulfilmentOptions())
    ticket = await scene.open_ticket()
    line = 0

    async def draw(lane: str, count: int, *, hub: int, product: int, **values: Any) -> None:
        nonlocal line
        async with transaction(engine) as tx:
            for _ in range(count):
                line += 1
                given = {"ticket_id": ticket, "line": line, "hub_id": hub, "product_id": product, "lane": lane,
                         "requested_product_id": product, "state": "fulfilled", "created_at": clock.now(),
                         "updated_at": clock.now(), **values}  # fmt: skip
                await insert_row(tx, tables.reservation, given)

    async with transaction(engine) as tx:
        elsewhere, other = await make_hub(tx, region="US"), await make_product(tx)
    switch = {"hub": scene.hub_id, "product": scene.product_id}
    await draw("break_glass", 2, **switch)
    await draw("normal", 3, **switch)
    await draw("break_glass", 9, **switch, state="released")  # given back: no draw
    await draw("break_glass", 3, hub=elsewhere, product=other)  # too few to say anything

    first, again = await watch_break_glass(work, POLICY), await watch_break_glass(work, POLICY)
    async with reading(engine) as tx:
        shares = await draw_shares(tx, POLICY.break_glass, NOW)
    task = await scene.row(tables.task)
    await draw("normal", 3, **switch)
    after = await watch_break_glass(work, POLICY)
    closed = await scene.row(tables.task)
    clock.advance(timedelta(days=31))

    assert [(item.region, item.draws, item.break_glass, item.is_alert) for item in shares] == [
        ("US", 3, 3, False), ("EU", 5, 2, True),
    ]  # fmt: skip
    assert (first, again, after, await watch_break_glass(work, POLICY)) == (1, 1, 0, 0)
    assert task["title"] == "Break-glass stock is the usual path: Acme SW-48 in EU"
    assert task["instructions"].startswith(
        "2 of 5 units of Acme SW-48 drawn in EU within 30 days were break-glass stock: 40%, where 25% is the limit."
    )
    assert (task["state"], closed["state"], closed["id"]) == (TaskState.OPEN, TaskState.DONE, task["id"])
