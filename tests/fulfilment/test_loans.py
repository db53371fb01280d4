"""A unit on loan, from the decision until it is in the pool again: once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.conftest import MovableClock
from tests.factories import HAMBURG, NOW, make_asset, make_hub, make_spares
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.test_kits import make_kit_scene
from tests.fulfilment.test_react import caught_up
from tests.fulfilment.world import World

from connector.fulfilment.engine import FulfilmentEngine
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import Lane, LoanReturn, TaskKind
from connector.model.lifecycle import AssetState, LoanState, ReservationState, ShipmentStatus, TaskState, TicketState
from connector.model.refs import EntityKind
from connector.rules.policy.reading import Policy, read_policy
from connector.storage import tables
from connector.storage.database.engine import transaction
from connector.storage.tickets.decide import decide_and_reserve_many

POLICY = """
name: test
rules:
  - {name: any, when: "true", hardware: replace, ladder: LADDER, loaner: {max_days: 10, return_days: 2}}
sourcing:
  courier: {transit: [{hours: 24, cost_cents: 3000}]}
"""
IN_TIME = NOW + timedelta(hours=4)


def policy(ladder: str = "[stock, {kind: backorder, expected_hours: 72}]") -> Policy:
    return read_policy(POLICY.replace("LADDER", ladder))


@dataclass(frozen=True)
class Lending:
    """A scene whose site has a pool of loan units around the corner. pool_id: its hub."""

    scene: Scene
    pool_id: int

    async def shelf(self) -> tuple[int, int]:
        """Units in the pool, on hand and reserved."""
        row = await self.scene.row(tables.stock, hub_id=self.pool_id, lane=Lane.LOANER)
        return row["on_hand"], row["reserved"]

    async def loan(self) -> dict[str, Any]:
        return dict(await self.scene.row(tables.loan))

    async def has(self, state: LoanState) -> bool:
        return [row["state"] for row in await self.scene.rows(tables.loan)] == [state]

    async def parcel(self, *, lent: bool) -> dict[str, Any]:
        """The parcel with the unit on loan, or with the replacement."""
        lines = {row["id"]: row["line"] for row in await self.scene.rows(tables.reservation)}
        rows = await self.scene.rows(tables.shipment)
        [found] = [row for row in rows if (lines[row["reservation_id"]] == 0) is lent]
        return dict(found)

    async def pickup(self, *, lent: bool) -> int:
        parcel = await self.parcel(lent=lent)
        task = await self.scene.row(tables.task, kind=TaskKind.PICKUP, shipment_id=parcel["id"])
        return int(task["id"])


async def lending(engine: AsyncEngine, *, spares: int = 1, pool: int = 1, data: bool = False) -> Lending:
    scene = await make_scene(engine, spares=spares)
    async with transaction(engine) as tx:
        pool_id = await make_hub(tx, name="Hamburg Pool", code="POOL", tier="local", **HAMBURG)
        await make_spares(tx, hub_id=pool_id, product_id=scene.product_id, count=pool, lane="loaner")
    await scene.change(tables.product, EntityKind.PRODUCT, scene.product_id, is_data_bearing=data)
    return Lending(scene, pool_id)


async def lent(made: Lending, hub: FulfilmentEngine, **ticket: Any) -> int:
    """A ticket whose unit on loan is at its site."""
    ticket_id = await made.scene.open_ticket(sla_due_at=IN_TIME, requester="grace", **ticket)
    await eventually(lambda: _sent(made.scene))
    await hub.commands.receive((await made.parcel(lent=True))["id"], key="lent", actor="grace")
    assert await made.has(LoanState.LENT)
    return ticket_id


async def _sent(scene: Scene) -> bool:
    live = await scene.rows(tables.reservation, ships_with_id=None)
    return bool(live) and await scene.receipts("state") == len(live)


async def _told(world: World, what: str) -> bool:
    return world.told("4711").count(what) == 1


async def test_a_unit_on_loan_goes_out_beside_the_late_replacement_and_comes_back_after_it(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    made = await lending(engine)
    hub = await launch(policy=policy())
    scene = made.scene
    await scene.open_ticket(sla_due_at=IN_TIME, requester="grace")
    await scene.finished(2)

    held = await scene.rows(tables.reservation)
    assert sorted((row["line"], row["lane"], row["state"]) for row in held) == [
        (0, Lane.LOANER, ReservationState.COMMITTED), (1, Lane.NORMAL, ReservationState.COMMITTED),
    ]  # fmt: skip
    assert held[0]["decision_id"] == held[1]["decision_id"]
    loan = await made.loan()
    replaced_at = next(row for row in held if row["line"] == 1)["estimated_arrival_at"]
    assert (loan["state"], loan["holder"], loan["hub_id"], loan["site_id"], loan["due_back_at"]) == (
        LoanState.RESERVED, "grace", made.pool_id, scene.site_id, replaced_at + timedelta(days=2),
    )  # fmt: skip
    assert sorted(world.told("4711")) == [
        "A replacement is on its way.", "A unit on loan is on its way. The replacement follows.",
    ]  # fmt: skip
    note = next(item["body"] for item in world.notes if "on loan" in item["body"])
    assert "Due back: 2 days after the replacement is there, by " in note
    assert await made.shelf() == (1, 1)

    await hub.commands.confirm_pickup(await made.pickup(lent=True), key="p", actor="ada")
    assert await made.has(LoanState.LENT)
    assert await made.shelf() == (0, 0)
    await hub.commands.receive((await made.parcel(lent=True))["id"], key="in", actor="grace")
    clock.advance(timedelta(days=1))
    await hub.commands.receive((await made.parcel(lent=False))["id"], key="new", actor="grace")
    await eventually(lambda: _told(world, "The unit on loan is due back."))

    loan = await made.loan()
    back = await scene.row(tables.task, kind=TaskKind.RETURN)
    due = NOW + timedelta(days=3)
    assert (loan["state"], loan["due_back_at"], loan["overdue_since"]) == (LoanState.DUE_BACK, due, None)
    assert (back["due_at"], back["hub_id"], back["state"]) == (due, made.pool_id, TaskState.OPEN)
    assert (await scene.row(tables.asset, id=loan["asset_id"]))["state"] is AssetState.RETURN_PENDING

    assert await hub.commands.loans.tend() == 0
    clock.advance(timedelta(days=2))
    assert [await hub.commands.loans.tend(), await hub.commands.loans.tend()] == [1, 0]
    await eventually(lambda: _told(world, "The unit on loan is overdue."))
    assert (await made.loan())["overdue_since"] == due

    first = await hub.commands.loans.receive(loan["id"], key="back", actor="ada")
    again = await hub.commands.loans.receive(loan["id"], key="back", actor="ada")
    await eventually(lambda: _told(world, "The unit on loan was received; nothing is due any more."))

    assert first == again
    assert (first.went_to, await made.has(LoanState.RETURNED), await made.shelf()) == (LoanReturn.POOL, True, (1, 0))
    unit = await scene.row(tables.asset, id=loan["asset_id"])
    assert (unit["state"], unit["lane"], unit["hub_id"], unit["site_id"]) == (
        AssetState.IN_STOCK, Lane.LOANER, made.pool_id, None,
    )  # fmt: skip
    with pytest.raises(IllegalTransition, match="its unit is back already, so it cannot be received"):
        await hub.commands.loans.receive(loan["id"], key="other", actor="ada")
    assert {row["state"] for row in await scene.rows(tables.task)} == {TaskState.DONE}
    assert len(await scene.rows(tables.loan)) == 1


async def test_a_ticket_that_is_cancelled_gives_both_back_before_they_leave(engine: AsyncEngine, launch: Any):
    made = await lending(engine)
    hub = await launch(policy=policy())
    ticket_id = await made.scene.open_ticket(sla_due_at=IN_TIME)
    await made.scene.finished(2)

    await hub.commands.cancel(ticket_id, reason="found it", key="c", actor="ada")
    await made.scene.undone(2)

    assert await made.has(LoanState.WITHDRAWN)
    assert [row["state"] for row in await made.scene.rows(tables.reservation)] == [ReservationState.RELEASED] * 2
    assert await made.shelf() == (1, 0)
    with pytest.raises(IllegalTransition, match="its unit never left the hub"):
        await hub.commands.loans.receive((await made.loan())["id"], key="back", actor="ada")


async def test_a_unit_in_time_that_turns_up_makes_a_loan_unnecessary_that_has_not_left(
    engine: AsyncEngine, launch: Any
):
    made = await lending(engine, spares=0)
    await launch(policy=policy())
    await made.scene.open_ticket(sla_due_at=NOW + timedelta(days=30))
    await made.scene.finished(1)
    assert [row["line"] for row in await made.scene.rows(tables.reservation)] == [0]
    assert (await made.loan())["due_back_at"] == NOW + timedelta(hours=72, days=2)

    async with engine.begin() as tx:
        await make_asset(tx, hub_id=made.scene.hub_id, product_id=made.scene.product_id, state="in_stock")
    shelf = await made.scene.row(tables.stock, hub_id=made.scene.hub_id)
    await made.scene.change(tables.stock, EntityKind.STOCK, shelf["id"], on_hand=1)
    await made.scene.undone(1)
    await made.scene.finished(2)

    assert await made.has(LoanState.WITHDRAWN)
    assert await made.shelf() == (1, 0)
    [order] = await made.scene.rows(tables.procurement)
    assert order["reason"] == "a unit from stock came first"


async def test_a_ticket_that_is_resolved_without_a_replacement_wants_its_loan_back(
    engine: AsyncEngine, launch: Any, world: World
):
    made = await lending(engine, spares=0)
    hub = await launch(policy=policy())
    ticket_id = await lent(made, hub)

    await made.scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.RESOLVED)
    await eventually(lambda: _told(world, "The unit on loan is due back."))

    loan = await made.loan()
    assert (loan["state"], loan["reason"]) == (LoanState.DUE_BACK, "ticket 4711 is resolved")


async def test_a_unit_with_data_goes_into_quarantine_unless_somebody_says_how_it_was_wiped(
    engine: AsyncEngine, launch: Any
):
    made = await lending(engine, spares=0, data=True)
    hub = await launch(policy=policy())
    await lent(made, hub)
    loan = await made.loan()

    with pytest.raises(InvalidInput, match="bears data of grace: it is not lent again as it is"):
        await hub.commands.loans.receive(loan["id"], went_to=LoanReturn.POOL, key="a", actor="ada")
    aside = await hub.commands.loans.receive(loan["id"], key="b", actor="ada", hub_id=made.scene.hub_id)

    unit = await made.scene.row(tables.asset, id=loan["asset_id"])
    assert aside.went_to is LoanReturn.QUARANTINE
    assert (unit["state"], unit["hub_id"]) == (AssetState.QUARANTINED, made.scene.hub_id)
    assert await made.shelf() == (0, 0)


async def test_a_loan_whose_time_is_over_is_due_although_the_replacement_has_not_come_and_may_be_extended(
    engine: AsyncEngine, launch: Any, world: World, clock: MovableClock
):
    made = await lending(engine, spares=0)
    hub = await launch(policy=policy("[stock, person]"))
    await lent(made, hub)
    clock.advance(timedelta(days=10, minutes=1))

    assert await hub.commands.loans.tend() == 1
    await eventually(lambda: _told(world, "The unit on loan is overdue."))
    until = clock.now() + timedelta(days=5)
    loan = await made.loan()
    await hub.commands.loans.extend(loan["id"], until=until, reason="still waiting", key="e", actor="ada")
    await eventually(lambda: _told(world, "The unit on loan may stay longer."))

    loan = await made.loan()
    assert (loan["state"], loan["due_back_at"], loan["overdue_since"]) == (LoanState.DUE_BACK, until, None)
    assert await hub.commands.loans.tend() == 0
    assert (await made.scene.row(tables.task, kind=TaskKind.RETURN))["due_at"] == until


async def test_a_loan_that_the_courier_has_already_is_due_back_when_its_ticket_is_cancelled(
    engine: AsyncEngine, launch: Any
):
    made = await lending(engine, spares=0)
    hub = await launch(policy=policy())
    ticket_id = await made.scene.open_ticket(sla_due_at=IN_TIME)
    await made.scene.finished(1)
    await hub.commands.confirm_pickup(await made.pickup(lent=True), key="p", actor="ada")

    await hub.commands.cancel(ticket_id, reason="found it", key="c", actor="ada")
    await caught_up(made.scene)

    assert await made.has(LoanState.DUE_BACK)
    assert (await made.parcel(lent=True))["status"] is ShipmentStatus.PICKED_UP
    done = await hub.commands.loans.receive((await made.loan())["id"], key="back", actor="ada")
    assert (done.went_to, await made.shelf()) == (LoanReturn.POOL, (1, 0))


async def test_a_hub_that_stops_on_the_way_and_answers_that_are_lost_lend_one_unit_and_tell_it_once(
    engine: AsyncEngine, launch: Any, world: World
):
    made = await lending(engine)
    world.drop_answer = {"POST labels": 1, "POST notes": 2}
    await launch(policy=policy())
    await made.scene.open_ticket(sla_due_at=IN_TIME)
    await eventually(lambda: made.scene.rows(tables.loan))

    await launch(policy=policy())
    await made.scene.finished(2)

    assert (len(await made.scene.rows(tables.loan)), len(await made.scene.rows(tables.reservation))) == (1, 2)
    assert (len(world.bought()), len(world.notes)) == (1, 2)
    assert await made.shelf() == (1, 1)


async def test_received_twice_at_the_same_time_a_unit_is_free_once(engine: AsyncEngine, launch: Any):
    made = await lending(engine, spares=0)
    hub = await launch(policy=policy())
    await lent(made, hub)
    loan_id = (await made.loan())["id"]

    outcomes = await asyncio.gather(
        *(hub.commands.loans.receive(loan_id, key=f"k{n}", actor="ada") for n in range(4)), return_exceptions=True
    )

    assert sorted(isinstance(item, IllegalTransition) for item in outcomes) == [False, True, True, True]
    assert await made.shelf() == (1, 0)


async def test_tickets_that_come_in_together_share_the_pool_and_nothing_is_lent_twice(engine: AsyncEngine):
    made = await lending(engine, spares=1, pool=2)
    scene = made.scene
    numbers = [await scene.open_ticket(f"INC-{n}", sla_due_at=IN_TIME) for n in range(6)]

    await asyncio.gather(*(_decide(engine, half) for half in (numbers[:3], numbers[3:])))

    loans = await scene.rows(tables.loan)
    claims = await scene.rows(tables.reservation)
    assert (len(loans), len({row["ticket_id"] for row in loans}), len({row["asset_id"] for row in loans})) == (2, 2, 2)
    assert sorted(row["line"] for row in claims) == [0, 0, 1]
    assert {row["reservation_id"] for row in loans} == {row["id"] for row in claims if row["line"] == 0}
    assert await made.shelf() == (2, 2)
    orders = await scene.rows(tables.procurement)
    assert len(orders) == 5
    outcomes = [(row["explanation"]["loan"] or {}).get("outcome") for row in await scene.rows(tables.decision)]
    assert sorted(filter(None, outcomes)) == ["lent", "lent", "none", "none", "none", "none"]


async def _decide(engine: AsyncEngine, numbers: list[int]) -> None:
    async with transaction(engine) as tx:
        await decide_and_reserve_many(tx, numbers, policy(), now=NOW)


WITH_KIT = read_policy(
    POLICY.replace("LADDER", "[stock, {kind: backorder, expected_hours: 72}]").replace("loaner:", "kit: swap, loaner:")
)


async def lending_with_kit(engine: AsyncEngine, *, adapters: int = 1) -> Lending:
    """The replacement has a kit of two brackets and an adapter in Berlin; the pool has units alone."""
    scene = await make_kit_scene(engine, adapters=adapters)
    async with transaction(engine) as tx:
        pool_id = await make_hub(tx, name="Hamburg Pool", code="POOL", tier="local", **HAMBURG)
        await make_spares(tx, hub_id=pool_id, product_id=scene.product_id, count=1, lane="loaner")
    return Lending(scene, pool_id)


async def packed(made: Lending, *, lent: bool) -> list[tuple[str, int]]:
    task = await made.scene.row(tables.task, id=await made.pickup(lent=lent))
    return [(line["product"], line["quantity"]) for line in task["packing_list"]]


async def test_the_kit_goes_with_the_replacement_and_never_with_the_unit_on_loan(
    engine: AsyncEngine, launch: Any, world: World
):
    made = await lending_with_kit(engine)
    scene = made.scene
    hub = await launch(policy=WITH_KIT)
    await lent(made, hub)

    claims = await scene.rows(tables.reservation)
    assert sorted((row["line"], row["state"], row["kit_id"] is None) for row in claims) == [
        (0, ReservationState.FULFILLED, True),
        *((line, ReservationState.COMMITTED, False) for line in (1, 2, 3)),
    ]
    assert await packed(made, lent=True) == [("Acme SW-48", 1)]
    assert await packed(made, lent=False) == [("Acme SW-48", 1), ("Acme Bracket", 2), ("Acme Adapter", 1)]

    await hub.commands.receive((await made.parcel(lent=False))["id"], key="new", actor="grace")
    await eventually(lambda: _told(world, "The unit on loan is due back."))
    await hub.commands.loans.receive((await made.loan())["id"], key="back", actor="ada")

    assert {row["state"] for row in await scene.rows(tables.reservation)} == {ReservationState.FULFILLED}
    assert (await made.has(LoanState.RETURNED), await made.shelf()) == (True, (1, 0))
    books = [(row["on_hand"], row["reserved"]) for row in await scene.rows(tables.stock, lane=Lane.NORMAL)]
    assert books == [(1, 0), (0, 0), (0, 0)], "a switch is left, and neither brackets nor the adapter"


async def test_a_unit_is_lent_while_a_component_is_missing_and_the_kit_follows_whole(
    engine: AsyncEngine, launch: Any, world: World
):
    made = await lending_with_kit(engine, adapters=0)
    scene = made.scene
    hub = await launch(policy=WITH_KIT)
    await lent(made, hub)
    assert [(row["line"], row["kit_id"]) for row in await scene.rows(tables.reservation)] == [(0, None)]
    assert [row["kind"] for row in await scene.rows(tables.procurement)] == ["backorder"]

    adapter = await scene.row(tables.product, model="Adapter")
    async with transaction(engine) as tx:
        await make_asset(tx, hub_id=scene.hub_id, product_id=adapter["id"], state="in_stock")
    book = await scene.row(tables.stock, product_id=adapter["id"])
    await scene.change(tables.stock, EntityKind.STOCK, book["id"], on_hand=1)
    await scene.finished(2)
    assert await packed(made, lent=False) == [("Acme SW-48", 1), ("Acme Bracket", 2), ("Acme Adapter", 1)]
    await hub.commands.receive((await made.parcel(lent=False))["id"], key="new", actor="grace")
    await eventually(lambda: _told(world, "The unit on loan is due back."))

    assert await made.has(LoanState.DUE_BACK)
    assert {row["state"] for row in await scene.rows(tables.reservation)} == {ReservationState.FULFILLED}


async def test_a_ticket_with_a_kit_and_a_loan_that_is_cancelled_gives_everything_back(engine: AsyncEngine, launch: Any):
    made = await lending_with_kit(engine)
    hub = await launch(policy=WITH_KIT)
    ticket_id = await made.scene.open_ticket(sla_due_at=IN_TIME)
    await made.scene.finished(2)

    await hub.commands.cancel(ticket_id, reason="found it", key="c", actor="ada")
    await made.scene.undone(2)

    assert {row["state"] for row in await made.scene.rows(tables.reservation)} == {ReservationState.RELEASED}
    assert {row["reserved"] for row in await made.scene.rows(tables.stock)} == {0}
    assert (await made.has(LoanState.WITHDRAWN), await made.shelf()) == (True, (1, 0))
