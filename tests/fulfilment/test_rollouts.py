"""From a draft to the last parcel of the last wave, and everything that may come in between."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import make_source, make_ticket
from tests.fulfilment.rollout_scene import POLICY, key, make_yard, rollout_policy
from tests.fulfilment.world import World

from connector.fulfilment.approvals import Approvals
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.rollout_draft import SiteOrder
from connector.fulfilment.work import Work
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import RolloutOutcome, TaskKind, Verdict
from connector.model.lifecycle import AssetState, ReservationState, RolloutState, ShipmentStatus, TaskState
from connector.model.principals import Principal
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.stock.stopping import order_stop
from connector.storage.stock.succession import move_reservation
from connector.storage.stock.units import ShelfKey

HOUR = timedelta(hours=1)
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For what both databases do alike."""


async def test_a_rollout_goes_to_the_sites_with_the_least_risk_first_wave_by_wave_until_all_have_theirs(
    engine: AsyncEngine, clock: MovableClock, world: World
):
    yard = await make_yard(engine, clock, world)

    rollout_id = await yard.running(preparation="image 7.2, configuration from the store's template")

    first = await yard.lines(wave=1)
    assert [(line["site_id"], line["risk"], line["state"].value) for line in first if line["state"] == "reserved"] == [
        (yard.site_ids[1], 50, "reserved"), (yard.site_ids[4], 0, "reserved"),
    ]  # fmt: skip
    assert await yard.states() == {"reserved": 2, "planned": 3}
    assert await yard.shelf() == (8, 2)
    [staging] = await yard.open_tasks(TaskKind.STAGING)
    assert staging["title"] == "Stage 2 × Acme R-7 for wave 1 of rollout Routers 7.2"
    assert "2. Prepare each of them: image 7.2, configuration from the store's template." in staging["instructions"]
    assert [(item["destination"], item["quantity"]) for item in staging["packing_list"]] == [
        ("Shop 5 (HH5)", 1), ("Shop 2 (HH2)", 1),
    ]  # fmt: skip
    serials = {item["serial"] for item in staging["packing_list"]}
    assert len(serials) == 2
    assert yard.world.labels == {}

    await yard.stage()

    assert await yard.states() == {"labelled": 2, "planned": 3}
    assert len(world.bought()) == 2
    assert {label["service"] for label in world.labels.values()} == {"economy"}
    parcels = await yard.rows(tables.shipment)
    assert sorted(parcel["site_id"] for parcel in parcels) == [yard.site_ids[1], yard.site_ids[4]]
    [handover] = await yard.open_tasks(TaskKind.HANDOVER)
    assert handover["title"] == "Hand over 2 parcels of wave 1 of rollout Routers 7.2"
    assert await yard.open_tasks(TaskKind.PICKUP) == []

    await yard.hand_over()

    assert await yard.states() == {"dispatched": 2, "planned": 3}
    assert await yard.shelf() == (6, 0)
    assert {asset["state"] for asset in await yard.rows(tables.asset, hub_id=None)} == {AssetState.IN_TRANSIT}
    assert await yard.open_tasks(TaskKind.HANDOVER) == []

    await yard.deliver()
    await yard.pass_time(timedelta(minutes=59))

    assert await yard.states() == {"delivered": 2, "planned": 3}

    await yard.pass_time(timedelta(minutes=1))

    assert await yard.states() == {"delivered": 2, "reserved": 3}
    assert (await yard.rollout(rollout_id))["wave"] == 2
    [critical] = await yard.lines(site_id=yard.site_ids[0])
    assert (critical["risk"], critical["risk_rule"]) == (90, "rollouts.risk[0]: site.service_class == 'critical'")

    await yard.send_wave()

    rollout = await yard.rollout(rollout_id)
    assert (rollout["state"], rollout["reason"]) == (RolloutState.COMPLETED, "5 lines succeeded, 0 failed")
    assert rollout["progress"] == {
        "states": {"delivered": 5},
        "waves": [{"wave": 1, "states": {"delivered": 2}}, {"wave": 2, "states": {"delivered": 3}}],
    }
    assert await yard.shelf() == (3, 0)
    [ticket] = await yard.rows(tables.ticket)
    assert (ticket["number"], ticket["type"].value) == (f"ROLLOUT-{ticket['id']}", "change")
    assert world.notes == []


@ON_SQLITE
async def test_the_change_ticket_is_told_of_waves_and_states_and_not_of_parcels(
    engine: AsyncEngine, clock: MovableClock, world: World
):
    yard = await make_yard(engine, clock, world)
    async with transaction(engine) as tx:
        ticket_id = await make_ticket(
            tx, source_id=await make_source(tx), number="CHG-7", external_id="77", type="change"
        )

    await yard.running(ticket_id=ticket_id)
    await yard.send_wave()
    await yard.pass_time(HOUR)
    await yard.send_wave()

    assert [note["ticket"] for note in world.notes] == ["77"] * len(world.notes)
    assert world.told("77") == [
        "Rollout Routers 7.2 (Acme R-7): it has begun.",
        "Rollout Routers 7.2 (Acme R-7): wave 1 has begun.",
        "Rollout Routers 7.2 (Acme R-7): wave 2 has begun.",
        "Rollout Routers 7.2 (Acme R-7): it is complete: 5 lines succeeded, 0 failed.",
    ]
    assert world.notes[-1]["body"].splitlines()[2] == "Parcels: 5 delivered."


async def test_it_halts_by_itself_when_too_much_fails_and_a_person_with_a_reason_has_it_go_on(
    engine: AsyncEngine, clock: MovableClock, world: World
):
    yard = await make_yard(engine, clock, world)
    rollout_id = await yard.running(first_wave_size=3, wave_size=2)
    await yard.stage()
    await yard.hand_over()
    one, other, third = await yard.lines(state="dispatched")

    await yard.report(one, RolloutOutcome.FAILED, "does not boot")

    assert await yard.state(rollout_id) is RolloutState.RUNNING

    await yard.report(other, RolloutOutcome.INSTALLED)

    rollout = await yard.rollout(rollout_id)
    assert (rollout["state"], rollout["reason"]) == (
        RolloutState.HALTED, "1 of 2 finished lines failed (50 %): the limit is 50 %",
    )  # fmt: skip
    [task] = await yard.open_tasks(TaskKind.REVIEW)
    assert task["title"] == "Rollout Routers 7.2 was halted"
    await yard.deliver()
    await yard.pass_time(10 * HOUR)
    assert await yard.states() == {"failed": 1, "installed": 1, "delivered": 1, "planned": 2}

    with pytest.raises(InvalidInput, match="a reason is needed"):
        await yard.rollouts.resume(rollout_id, reason=" ", key=key(), actor="ada")
    await yard.rollouts.resume(rollout_id, reason="power supply was not plugged in", key=key(), actor="ada")
    await yard.pass_time(HOUR)

    assert await yard.states() == {"failed": 1, "installed": 1, "delivered": 1, "reserved": 2}
    assert await yard.open_tasks(TaskKind.REVIEW) == []
    assert third["state"] == "dispatched"


@ON_SQLITE
async def test_a_wave_that_ends_with_too_few_successes_halts_it_before_the_next_one(
    engine: AsyncEngine, clock: MovableClock
):
    yard = await make_yard(engine, clock)
    rollout_id = await yard.running(halt_sample=100)
    await yard.stage()
    await yard.hand_over()
    [line, *_] = await yard.lines(state="dispatched")
    await yard.report(line, RolloutOutcome.FAILED, "dead on arrival")

    await yard.deliver()

    rollout = await yard.rollout(rollout_id)
    assert (rollout["state"], rollout["reason"]) == (
        RolloutState.HALTED, "1 of 2 lines of wave 1 succeeded: 100 % are wanted",
    )  # fmt: skip


@pytest.mark.parametrize("far", ["reserved", "labelled", "dispatched"])
async def test_pausing_gives_back_exactly_what_has_not_left_and_resuming_takes_it_again(
    engine: AsyncEngine, clock: MovableClock, world: World, far: str
):
    yard = await make_yard(engine, clock, world)
    rollout_id = await yard.running()
    if far != "reserved":
        await yard.stage()
    if far == "dispatched":
        await yard.hand_over()
    before = await yard.shelf()

    await yard.rollouts.pause(rollout_id, reason="freeze", key=key(), actor="ada")
    await yard.settle()

    gone = 2 if far == "dispatched" else 0
    assert await yard.shelf() == (8 - gone, 0)
    assert before == (8 - gone, 2 - gone)
    assert await yard.live() == 0
    assert await yard.states() == ({"dispatched": 2, "planned": 3} if gone else {"planned": 5})
    assert len(world.bought()) == gone
    assert await yard.open_tasks(TaskKind.STAGING) == await yard.open_tasks(TaskKind.HANDOVER) == []
    await yard.pass_time(10 * HOUR)
    assert await yard.live() == 0

    await yard.rollouts.resume(rollout_id, reason="freeze is over", key=key(), actor="ada")
    await yard.settle()
    if gone:
        await yard.deliver()
        await yard.pass_time(HOUR)

    rollout = await yard.rollout(rollout_id)
    assert (rollout["state"], rollout["wave"]) == (RolloutState.RUNNING, 2)
    assert await yard.shelf() == (8 - gone, 3 if gone else 2), "while nothing has left the next wave is a small one"


async def test_cancelling_in_the_middle_gives_back_the_rest_and_lets_arrive_what_is_under_way(
    engine: AsyncEngine, clock: MovableClock, world: World
):
    yard = await make_yard(engine, clock, world)
    rollout_id = await yard.running()
    await yard.send_wave()
    await yard.pass_time(HOUR)
    await yard.stage()
    first = (await yard.rows(tables.shipment, status="label_created"))[0]
    [line] = await yard.lines(site_id=first["site_id"])
    await yard.report(line, RolloutOutcome.FAILED, "no rack")

    await yard.rollouts.cancel(rollout_id, reason="the advisory was withdrawn", key=key(), actor="ada")
    await yard.settle()

    assert await yard.states() == {"delivered": 2, "cancelled": 2, "failed": 1}
    assert await yard.shelf() == (6, 0)
    assert await yard.live() == 0
    assert len(world.bought()) == 2
    statuses = [parcel["status"] for parcel in await yard.rows(tables.shipment)]
    assert statuses == [ShipmentStatus.DELIVERED] * 2 + [ShipmentStatus.CANCELLED] * 3
    assert await yard.open_tasks(TaskKind.STAGING) == await yard.open_tasks(TaskKind.HANDOVER) == []
    with pytest.raises(IllegalTransition, match="is cancelled: only a paused or halted one is resumed"):
        await yard.rollouts.resume(rollout_id, reason="after all", key=key(), actor="ada")


async def test_what_no_hub_can_give_is_short_with_the_reason_and_goes_on_by_itself_when_there_is_stock(
    engine: AsyncEngine, clock: MovableClock
):
    yard = await make_yard(engine, clock, spares=4)
    await yard.set_stock(safety_stock=1, emergency_buffer=1)
    rollout_id = await yard.make()

    planned = await yard.rollouts.plan(rollout_id, key=key(), actor="ada")

    assert [(hub.free, hub.protected, hub.promised) for hub in planned.hubs] == [(4, 2, 2)]
    assert await yard.states() == {"planned": 2, "short": 3}
    await yard.rollouts.start(rollout_id, key=key(), actor="ada")
    await yard.settle()
    await yard.send_wave()
    await yard.pass_time(HOUR)
    assert await yard.states() == {"delivered": 2, "short": 3}
    [task] = await yard.open_tasks(TaskKind.REVIEW)
    assert task["title"] == "Rollout Routers 7.2 waits for units: 3 lines are short"

    await yard.set_stock(safety_stock=0, emergency_buffer=1)
    await yard.pass_time(timedelta(minutes=1))

    assert await yard.states() == {"delivered": 2, "reserved": 1, "short": 2}
    assert await yard.open_tasks(TaskKind.REVIEW) == []
    assert await yard.shelf() == (2, 1)


async def test_a_unit_that_is_taken_away_sends_its_line_back_to_be_planned_anew(
    engine: AsyncEngine, clock: MovableClock, world: World
):
    yard = await make_yard(engine, clock, world, spares=5)
    await yard.running()
    await yard.stage()
    [lost, _] = await yard.rows(tables.reservation)
    async with transaction(engine) as tx:
        await order_stop(tx, lost["id"], reason="taken for INC-9", actor="rules", at=clock.now())
    await yard.settle()

    [line] = await yard.lines(id=lost["rollout_line_id"])
    assert (line["state"].value, line["reason"]) == ("planned", "taken for INC-9")
    await yard.hand_over()
    await yard.deliver()
    await yard.pass_time(HOUR)

    again = await yard.lines(id=lost["rollout_line_id"])
    assert [(item["state"].value, item["wave"]) for item in again] == [("reserved", 2)]
    assert await yard.shelf() == (4, 3)


@ON_SQLITE
async def test_a_parcel_that_cannot_be_sent_fails_its_line_and_not_the_others(
    engine: AsyncEngine, clock: MovableClock, world: World, launch: object
):
    yard = await make_yard(engine, clock, world)
    hub = await launch()  # type: ignore[operator]
    rollout_id = await yard.make(first_wave_size=1)
    world.refuse["POST quotes"] = (422, 1)
    await yard.rollouts.plan(rollout_id, key=key(), actor="ada")
    await yard.rollouts.start(rollout_id, key=key(), actor="ada")
    [staging] = await yard.open_tasks(TaskKind.STAGING)

    await yard.people.confirm_staging(staging["id"], key=key(), actor="bo")
    hub.reactor.wake()

    from tests.commits import eventually

    async def has_halted() -> bool:
        return (await yard.states()).get("failed") == 1 and await yard.shelf() == (8, 0)

    await eventually(has_halted)
    [line] = await yard.lines(state="failed")
    assert line["reason"].startswith("it could not be sent (offer): courier: ")
    rollout = await yard.rollout(rollout_id)
    assert (rollout["state"], rollout["reason"]) == (
        RolloutState.HALTED, "0 of 1 lines of wave 1 succeeded: 100 % are wanted",
    )  # fmt: skip


@ON_SQLITE
async def test_counted_products_go_in_one_parcel_for_each_site(engine: AsyncEngine, clock: MovableClock, world: World):
    yard = await make_yard(engine, clock, world, sites=3, spares=20, counted=True)

    await yard.running(sites=[SiteOrder(site_id, 4) for site_id in yard.site_ids], first_wave_size=5)

    assert await yard.shelf() == (20, 12)
    await yard.send_wave()
    assert await yard.shelf() == (8, 0)
    assert [row["quantity"] for row in await yard.rows(tables.reservation)] == [4, 4, 4]
    assert len(world.labels) == 3


@ON_SQLITE
async def test_several_units_of_a_serialised_product_for_a_site_are_as_many_parcels(
    engine: AsyncEngine, clock: MovableClock
):
    yard = await make_yard(engine, clock, sites=2, spares=5)

    await yard.make(sites=[SiteOrder(yard.site_ids[0], 3), SiteOrder(yard.site_ids[1], 1)])

    lines = [(line["line"], line["site_id"], line["quantity"]) for line in await yard.lines()]
    assert lines == [(1001 + n, yard.site_ids[n // 3], 1) for n in range(4)]


@ON_SQLITE
async def test_whoever_confirms_twice_does_it_once(engine: AsyncEngine, clock: MovableClock, world: World):
    yard = await make_yard(engine, clock, world)
    await yard.running()
    [staging] = await yard.open_tasks(TaskKind.STAGING)

    results = [await yard.people.confirm_staging(staging["id"], key="same", actor="bo") for _ in range(2)]
    await yard.settle()

    assert results[0] == results[1]
    assert len(world.labels) == 2
    with pytest.raises(IllegalTransition, match=r"the staging task of rollout .Routers 7\.2. is done"):
        await yard.people.confirm_staging(staging["id"], key="other", actor="bo")


@ON_SQLITE
async def test_a_rollout_is_cancelled_with_its_change_ticket(engine: AsyncEngine, clock: MovableClock):
    from tests.fulfilment.scene import Scene

    from connector.model.refs import EntityKind

    yard = await make_yard(engine, clock)
    async with transaction(engine) as tx:
        ticket_id = await make_ticket(tx, source_id=await make_source(tx), number="CHG-7", type="change")
    rollout_id = await yard.running(ticket_id=ticket_id)
    scene = Scene(engine, 0, 0, 0, 0, 0, [])

    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state="cancelled")
    await yard.settle()

    rollout = await yard.rollout(rollout_id)
    assert (rollout["state"], rollout["reason"]) == (RolloutState.CANCELLED, "ticket CHG-7 is cancelled")
    assert await yard.shelf() == (8, 0)
    assert {row["state"] for row in await yard.rows(tables.reservation)} == {ReservationState.RELEASED}
    assert {task["state"] for task in await yard.rows(tables.task)} == {TaskState.CANCELLED}


@ON_SQLITE
async def test_a_claim_of_a_rollout_is_not_moved_and_its_line_is_planned_anew_when_it_is_released(
    engine: AsyncEngine, clock: MovableClock
):
    yard = await make_yard(engine, clock)
    await yard.running(first_wave_size=1)
    [claim] = await yard.rows(tables.reservation)
    shelf = ShelfKey(claim["hub_id"], claim["product_id"], claim["lane"])
    until = clock.now() + HOUR

    async with transaction(engine) as tx:
        with pytest.raises(InvalidInput, match="is for a line of a rollout, which plans its units itself"):
            await move_reservation(
                tx, claim["id"], shelf, asset_id=yard.spare_ids[5], actor="bo", at=clock.now(), expires_at=until
            )
        await order_stop(tx, claim["id"], reason="scratched", actor="bo", at=clock.now())
    await yard.settle()

    assert await yard.states() == {
        "reserved": 1,
        "planned": 4,
    }  # the wave is empty now: the next one is as small, at once
    assert [task["wave"] for task in await yard.open_tasks(TaskKind.STAGING)] == [2]
    assert (await yard.lines(id=claim["rollout_line_id"]))[0]["wave"] == 2


@ON_SQLITE
@pytest.mark.parametrize("verdict", list(Verdict))
async def test_a_rollout_that_needs_an_approval_begins_when_it_is_given_and_never_when_it_is_refused(
    engine: AsyncEngine, clock: MovableClock, world: World, verdict: Verdict
):
    policy = rollout_policy(POLICY + "  approval: break-glass\n")
    yard = await make_yard(engine, clock, world, policy=policy)
    rollout_id = await yard.make()
    await yard.rollouts.plan(rollout_id, key=key(), actor="ada")

    asked = [await yard.rollouts.start(rollout_id, key=key(), actor="ada") for _ in range(2)]
    [request] = await yard.rows(tables.approval)
    desk = Approvals(Work(engine, {}, clock, FulfilmentOptions()), lambda _name: frozenset())
    boss = Principal("eve", frozenset({"approver"}))
    await desk.answer(request["id"], verdict, by=boss, reason="as planned", key=key())
    await yard.settle()

    assert [(result.state, result.waits_for) for result in asked] == [(RolloutState.PLANNED, "break-glass")] * 2
    if verdict is Verdict.APPROVE:
        assert await yard.states() == {"reserved": 2, "planned": 3}
        return
    assert await yard.states() == {"planned": 5}
    assert (await yard.rollout(rollout_id))["reason"] == "approval 'break-glass' was not given: as planned"
    with pytest.raises(IllegalTransition, match="approval 'break-glass' was refused by eve: as planned"):
        await yard.rollouts.start(rollout_id, key=key(), actor="ada")
