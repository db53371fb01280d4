"""The alert that break-glass stock has become the usual path."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import NOW, insert_row, make_asset, make_hub, make_product, make_spares
from tests.fulfilment.scene import make_scene

from connector.fulfilment.break_glass import watch_break_glass
from connector.fulfilment.claims import Claims, MoveTo
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.work import Work
from connector.model.errors import Forbidden, IllegalTransition, InvalidInput
from connector.model.kinds import Lane, Verdict
from connector.model.lifecycle import TaskState
from connector.model.principals import Principal
from connector.rules.policy.reading import read_policy
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.stock.break_glass import draw_shares
from connector.storage.stock.reserve import commit_reservation

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


async def test_a_dispatcher_who_takes_one_by_hand_waits_for_the_same_approval(engine: AsyncEngine, launch: Any):
    scene = await make_scene(engine)
    async with transaction(engine) as tx:
        shelf = {"hub_id": scene.hub_id, "product_id": scene.product_id, "lane": "break_glass"}
        book = {**shelf, "tracking": "serialised", "on_hand": 1, "updated_at": NOW}
        await insert_row(tx, tables.stock, book)
        await make_asset(tx, **shelf, state="in_stock")
    hub = await launch(policy=POLICY)
    ticket = await scene.open_ticket(state="on_hold", type="request", asset_id=None)
    await eventually(lambda: scene.rows(tables.decision))

    chosen = await hub.commands.reserve_for_ticket(
        ticket, key="r", actor="ada", hub_id=scene.hub_id, product_id=scene.product_id, lane=Lane.BREAK_GLASS
    )
    [waiting] = await scene.rows(tables.reservation, id=chosen.reservation_ids[0])
    approval = await scene.row(tables.approval)
    with pytest.raises(IllegalTransition) as early:
        async with transaction(engine) as tx:
            await commit_reservation(tx, waiting["id"], actor="test", at=NOW)
    with pytest.raises(Forbidden, match=r"'ada' asked for approval 1 .agreed. and may not give it as well"):
        await hub.approvals.answer(
            approval["id"], Verdict.APPROVE, by=Principal("ada", frozenset({"approver"})), reason=None, key="a"
        )
    await hub.approvals.answer(
        approval["id"], Verdict.APPROVE, by=Principal("ben", frozenset({"approver"})), reason=None, key="b"
    )
    await eventually(lambda: scene.rows(tables.reservation, state="committed"))

    assert (waiting["state"].value, waiting["approval_name"]) == ("held", "agreed")
    assert approval["title"] == "Approve break-glass stock for ticket 4711, chosen by ada"
    assert early.value.message == (f"reservation {waiting['id']} cannot be committed: it waits for approval 'agreed'")


async def test_a_claim_is_not_moved_to_that_lane_around_the_approval(
    engine: AsyncEngine, launch: Any, clock: MovableClock
):
    scene = await make_scene(engine)
    async with transaction(engine) as tx:
        other = await make_hub(tx, name="Other", code="OTH")
        for hub_id in (scene.hub_id, other):
            shelf = {"hub_id": hub_id, "product_id": scene.product_id}
            await make_spares(tx, **shelf, count=1, lane="break_glass")
    hub = await launch(policy=POLICY)
    await scene.open_ticket()
    await scene.finished(1)
    claims = Claims(engine, clock, POLICY)

    with pytest.raises(InvalidInput) as refused:
        await claims.move(1, MoveTo(lane=Lane.BREAK_GLASS), reason="it is better", key="m", actor="ada")

    assert refused.value.message == (
        "a claim is not moved to break-glass stock, whose draws wait for approval 'agreed'"
    )
    assert [row["lane"] for row in await scene.rows(tables.reservation)] == [Lane.NORMAL]
    drawn = await hub.commands.reserve_for_ticket(
        await scene.open_ticket("4712", state="on_hold", type="request", asset_id=None),
        key="r", actor="ada", hub_id=scene.hub_id, product_id=scene.product_id, lane=Lane.BREAK_GLASS,
    )  # fmt: skip
    await hub.approvals.answer(1, Verdict.APPROVE, by=Principal("ben", frozenset({"approver"})), reason=None, key="b")
    moved = await claims.move(drawn.reservation_ids[0], MoveTo(hub_id=other), reason="nearer", key="n", actor="ada")
    row = await scene.row(tables.reservation, id=moved)
    assert (row["lane"], row["hub_id"]) == (Lane.BREAK_GLASS, other), "what was approved may be moved within the lane"
