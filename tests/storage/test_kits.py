"""A device and its kit are claimed together, share their fate, and leave the books exact."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import (
    BERLIN,
    HAMBURG,
    NOW,
    insert_row,
    make_counted_stock,
    make_hub,
    make_product,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)
from tests.invariants.truth import broken_histories, lies, look

from connector.model.errors import InvalidInput, OutOfStock
from connector.model.kinds import Lane
from connector.model.lifecycle import ReservationState as State
from connector.rules.policy.reading import Policy, read_policy
from connector.rules.sourcing.decision import Outcome
from connector.storage import tables
from connector.storage.database.engine import in_transaction, open_engine, reading, transaction
from connector.storage.stock.holds import extend_reservation
from connector.storage.stock.reserve import commit_reservation, expire_due, fulfil_reservation, release_reservation
from connector.storage.stock.succession import forfeit, move_reservation, split_reservation
from connector.storage.stock.units import ShelfKey
from connector.storage.tickets.decide import Sourced, decide_and_reserve, decide_and_reserve_many, explain_ticket


def policy(rule: str = "kit: swap, preempt: {}") -> Policy:
    return read_policy(f"""
name: test
rules:
  - {{name: any, when: "true", hardware: replace, {rule}}}
sourcing: {{courier: {{transit: [{{hours: 24}}]}}}}
""")


class Depot:
    """A switch with a kit of two brackets and a serial adapter; a hub in Berlin, where the tickets are, and one far."""

    def __init__(self, engine: AsyncEngine, **ids: Any) -> None:
        self.engine = engine
        self.near, self.far = ids["near"], ids["far"]
        self.switch, self.bracket, self.adapter = ids["switch"], ids["bracket"], ids["adapter"]
        self.site, self.source = ids["site"], ids["source"]

    async def ticket(self, priority: str = "P1", **values: Any) -> int:
        async with transaction(self.engine) as tx:
            return await make_ticket(
                tx, source_id=self.source, site_id=self.site, product_id=self.switch, priority=priority,
                sla_due_at=NOW + timedelta(hours=2), **values,
            )  # fmt: skip

    async def decide(self, ticket: int, by: Policy | None = None) -> Sourced:
        async def work(tx: AsyncConnection) -> Sourced:
            return await decide_and_reserve(tx, ticket, by or policy(), now=NOW)

        return await in_transaction(self.engine, work)

    async def held(self, priority: str = "P1", **values: Any) -> int:
        """Id of the device's reservation of a ticket of its own."""
        reserved = (await self.decide(await self.ticket(priority, **values))).reserved
        assert reserved is not None
        return reserved.reservation.id

    async def do(self, move: Any, number: int, **values: Any) -> Any:
        async with transaction(self.engine) as tx:
            return await move(tx, number, actor="test", at=NOW, **values)

    async def move(self, number: int, hub: int, **unit: Any) -> Any:
        shelf = ShelfKey(hub, self.switch, Lane.NORMAL)
        return await self.do(
            lambda tx, n, **v: move_reservation(tx, n, shelf, **v),
            number, expires_at=NOW + timedelta(hours=1), **unit,
        )  # fmt: skip

    async def lines(self, state: State | None = None) -> list[tuple[int, int, int, int | None]]:
        """Line, product, quantity and device of reservations in their order."""
        c = tables.reservation.c
        statement = select(c.line, c.product_id, c.quantity, c.ships_with_id).order_by(c.id)
        async with reading(self.engine) as tx:
            rows = await tx.execute(statement if state is None else statement.where(c.state == state))
            return [tuple(row) for row in rows]

    async def states(self) -> set[str]:
        async with reading(self.engine) as tx:
            return {state.value for state in (await tx.execute(select(tables.reservation.c.state))).scalars()}

    async def books(self, hub: int | None = None) -> list[tuple[int, int]]:
        """On hand and reserved of switches, brackets and adapters in a hub, the near one unless another is named."""
        c = tables.stock.c
        statement = select(c.on_hand, c.reserved).where(c.hub_id == (hub or self.near)).order_by(c.product_id)
        async with reading(self.engine) as tx:
            return [tuple(row) for row in await tx.execute(statement)]

    async def is_true(self) -> None:
        async with reading(self.engine) as tx:
            scene = await look(tx, (self.switch, self.bracket, self.adapter))
            assert lies(scene) == []
            assert await broken_histories(tx, scene) == []


async def make_depot(
    engine: AsyncEngine, near: tuple[int, int, int], far: tuple[int, int, int] = (0, 0, 0), *, counted: bool = False
) -> Depot:
    async with transaction(engine) as tx:
        switch = await make_product(tx, model="X1", **({"tracking": "counted"} if counted else {}))
        bracket = await make_product(tx, model="Bracket", tracking="counted", weight_g=150)
        adapter = await make_product(tx, model="Adapter", weight_g=90)
        kit = await insert_row(
            tx, tables.kit, {"name": "Swap kit", "product_id": switch, "instructions": "Label both."}
        )
        for product, quantity in ((bracket, 2), (adapter, 1)):
            await insert_row(tx, tables.kit_component, {"kit_id": kit, "product_id": product, "quantity": quantity})
        hubs = [await make_hub(tx, code="BER", **BERLIN), await make_hub(tx, code="HAM", **HAMBURG)]
        for hub, (switches, brackets, adapters) in zip(hubs, (near, far), strict=True):
            if counted:
                await make_counted_stock(tx, hub_id=hub, product_id=switch, on_hand=switches)
            else:
                await make_spares(tx, hub_id=hub, product_id=switch, count=switches)
            await make_counted_stock(tx, hub_id=hub, product_id=bracket, on_hand=brackets)
            await make_spares(tx, hub_id=hub, product_id=adapter, count=adapters)
        return Depot(
            engine, near=hubs[0], far=hubs[1], switch=switch, bracket=bracket, adapter=adapter,
            site=await make_site(tx, **BERLIN), source=await make_source(tx),
        )  # fmt: skip


async def test_a_device_is_claimed_with_every_component_of_its_kit(engine: AsyncEngine):
    depot = await make_depot(engine, (2, 5, 2))

    sourced = await depot.decide(await depot.ticket())

    assert sourced.reserved is not None
    device = sourced.reserved.reservation.id
    assert [item.id for item in sourced.reserved.reservations] == [device]
    assert await depot.lines() == [
        (1, depot.switch, 1, None), (2, depot.bracket, 2, device), (3, depot.adapter, 1, device),
    ]  # fmt: skip
    assert await depot.books() == [(2, 1), (5, 2), (2, 1)]
    await depot.is_true()


async def test_each_of_several_devices_has_a_kit_of_its_own(engine: AsyncEngine):
    depot = await make_depot(engine, (2, 4, 2))

    sourced = await depot.decide(await depot.ticket(quantity=2))

    first, second = (item.id for item in sourced.reserved.reservations)
    assert await depot.lines() == [
        (1, depot.switch, 1, None), (2, depot.switch, 1, None),
        (3, depot.bracket, 2, first), (4, depot.adapter, 1, first),
        (5, depot.bracket, 2, second), (6, depot.adapter, 1, second),
    ]  # fmt: skip
    assert await depot.books() == [(2, 2), (4, 4), (2, 2)]
    await depot.is_true()


async def test_where_a_component_is_lacking_nothing_is_claimed(engine: AsyncEngine):
    depot = await make_depot(engine, (2, 1, 2))

    sourced = await depot.decide(await depot.ticket())

    assert (sourced.decision.outcome, sourced.reserved) == (Outcome.REVIEW, None)
    assert "lacks 2 × Acme Bracket of kit 'Swap kit'" in sourced.decision.text
    assert await depot.books() == [(2, 0), (1, 0), (2, 0)]


async def test_components_that_a_shelf_keeps_are_not_for_kits(engine: AsyncEngine):
    depot = await make_depot(engine, (1, 3, 1))
    async with transaction(engine) as tx:
        brackets = tables.stock.c.product_id == depot.bracket
        await tx.execute(update(tables.stock).where(brackets).values(safety_stock=1, emergency_buffer=1))
    ticket = await depot.ticket()

    refused = await depot.decide(ticket, policy("kit: swap, releases: [emergency_buffer]"))
    assert refused.reserved is not None  # one is kept as safety stock, two are left

    await depot.do(release_reservation, refused.reserved.reservation.id, reason="test")
    assert (await depot.decide(await depot.ticket(), policy("kit: swap"))).reserved is None
    await depot.is_true()


@pytest.mark.parametrize("end", ["release", "expire", "fulfil"])
async def test_a_kit_shares_the_fate_of_its_device(engine: AsyncEngine, end: str):
    depot = await make_depot(engine, (1, 2, 1))
    device = await depot.held()
    if end == "expire":
        async with transaction(engine) as tx:
            assert [item.id for item in await expire_due(tx, at=NOW + timedelta(days=1))] == [device]
    else:
        await depot.do(commit_reservation, device)
        assert await depot.states() == {"committed"}
        await depot.is_true()
        await (
            depot.do(release_reservation, device, reason="test")
            if end == "release"
            else depot.do(fulfil_reservation, device)
        )

    assert await depot.states() == {{"release": "released", "expire": "expired", "fulfil": "fulfilled"}[end]}
    assert await depot.books() == ([(0, 0)] * 3 if end == "fulfil" else [(1, 0), (2, 0), (1, 0)])
    await depot.is_true()


async def test_a_component_has_no_fate_of_its_own(engine: AsyncEngine):
    depot = await make_depot(engine, (1, 2, 1))
    device = await depot.held()
    text = f"reservation {device + 1} is a component of a kit and goes with reservation {device}: it cannot be "

    with pytest.raises(InvalidInput, match=text + "moved by itself"):
        await depot.move(device + 1, depot.far)
    with pytest.raises(InvalidInput, match=text + "split by itself"):
        await depot.do(
            lambda tx, n, **v: split_reservation(tx, n, 1, **v), device + 1, expires_at=NOW + timedelta(hours=1)
        )
    with pytest.raises(InvalidInput, match=text + "extended by itself"):
        await depot.do(
            lambda tx, n, **v: extend_reservation(tx, n, NOW + timedelta(hours=9), longest=timedelta(days=1), **v),
            device + 1,
        )
    await depot.is_true()


async def test_a_kit_moves_along_to_another_hub_all_of_it_or_nothing(engine: AsyncEngine):
    depot = await make_depot(engine, (1, 2, 1), (1, 2, 0))
    device = await depot.held()

    with pytest.raises(OutOfStock, match=f"hub {depot.far} has fewer than 1 free units of product {depot.adapter}"):
        await depot.move(device, depot.far)
    assert (await depot.books(), await depot.books(depot.far)) == ([(1, 1), (2, 2), (1, 1)], [(1, 0), (2, 0), (0, 0)])
    async with transaction(engine) as tx:
        await tx.execute(
            update(tables.stock)
            .where(tables.stock.c.hub_id == depot.far, tables.stock.c.product_id == depot.adapter)
            .values(on_hand=1)
        )
        spare = {"hub_id": depot.far, "product_id": depot.adapter, "state": "in_stock", "serial": "AD-9"}
        await insert_row(tx, tables.asset, {**spare, "lane": "normal", "created_at": NOW, "updated_at": NOW})

    new = await depot.move(device, depot.far)

    assert (await depot.books(), await depot.books(depot.far)) == ([(1, 0), (2, 0), (1, 0)], [(1, 1), (2, 2), (1, 1)])
    live = await depot.lines(State.HELD)
    assert [(product, quantity, along) for _, product, quantity, along in live] == [
        (depot.switch, 1, None), (depot.bracket, 2, new.id), (depot.adapter, 1, new.id),
    ]  # fmt: skip
    await depot.is_true()


async def test_a_kit_stays_when_another_unit_of_the_same_hub_takes_the_place_of_its_device(engine: AsyncEngine):
    depot = await make_depot(engine, (2, 2, 1))
    device = await depot.held()

    new = await depot.move(device, depot.near, asset_id=await _other_unit(depot))

    assert {along for *_, along in await depot.lines(State.HELD)} == {None, new.id}
    assert await depot.books() == [(2, 1), (2, 2), (1, 1)]
    await depot.is_true()


async def _other_unit(depot: Depot) -> int:
    c = tables.asset.c
    async with reading(depot.engine) as tx:
        statement = select(c.id).where(c.product_id == depot.switch, c.state == "in_stock")
        return int((await tx.execute(statement)).scalar_one())


async def test_a_split_shares_the_kits_out(engine: AsyncEngine):
    depot = await make_depot(engine, (3, 6, 3), counted=True)
    device = await depot.held(quantity=3)

    first, second = await depot.do(
        lambda tx, n, **v: split_reservation(tx, n, 1, **v), device, expires_at=NOW + timedelta(hours=1)
    )

    live = [(product, quantity, along) for _, product, quantity, along in await depot.lines(State.HELD)]
    assert live == [
        (depot.switch, 2, None), (depot.switch, 1, None),
        (depot.bracket, 4, first.id), (depot.adapter, 1, first.id), (depot.adapter, 1, first.id),
        (depot.bracket, 2, second.id), (depot.adapter, 1, second.id),
    ]  # fmt: skip
    assert await depot.books() == [(3, 3), (6, 6), (3, 3)]
    await depot.is_true()


async def test_who_takes_a_device_over_takes_the_kit_that_was_with_it(engine: AsyncEngine):
    depot = await make_depot(engine, (1, 2, 1))
    weak = await depot.held("P4")

    strong = await depot.held("P1")

    assert await depot.lines(State.HELD) == [
        (1, depot.switch, 1, None), (2, depot.bracket, 2, strong), (3, depot.adapter, 1, strong),
    ]  # fmt: skip
    assert [along for *_, along in await depot.lines(State.RELEASED)] == [None, weak, weak]
    assert await depot.books() == [(1, 1), (2, 2), (1, 1)]
    await depot.is_true()


async def test_who_takes_a_device_over_and_needs_no_kit_leaves_the_components_to_others(engine: AsyncEngine):
    depot = await make_depot(engine, (1, 2, 1))
    await depot.held("P4")

    await depot.decide(await depot.ticket("P1"), policy("preempt: {}"))

    assert await depot.lines(State.HELD) == [(1, depot.switch, 1, None)]
    assert await depot.books() == [(1, 1), (2, 0), (1, 0)]
    await depot.is_true()


async def test_what_the_taken_kit_lacks_comes_from_the_shelf(engine: AsyncEngine):
    depot = await make_depot(engine, (1, 3, 1))
    await depot.held("P4")
    async with transaction(engine) as tx:  # the kit has grown since
        mine = tables.kit_component.c.product_id == depot.bracket
        await tx.execute(update(tables.kit_component).where(mine).values(quantity=3))

    strong = await depot.held("P1")

    live = [(product, quantity, along) for _, product, quantity, along in await depot.lines(State.HELD)]
    assert live == [
        (depot.switch, 1, None), (depot.bracket, 1, strong), (depot.bracket, 2, strong), (depot.adapter, 1, strong),
    ]  # fmt: skip
    assert await depot.books() == [(1, 1), (3, 3), (1, 1)]
    await depot.is_true()


async def test_where_the_parcel_had_gone_its_kit_has_gone_as_well(engine: AsyncEngine):
    depot = await make_depot(engine, (1, 3, 1))
    weak = await depot.held("P4")
    async with transaction(engine) as tx:
        mine = tables.kit_component.c.product_id == depot.bracket
        await tx.execute(update(tables.kit_component).where(mine).values(quantity=3))
    await depot.held("P1")

    async with transaction(engine) as tx:
        assert await forfeit(tx, weak, parcel="TRK1", actor="test", at=NOW)

    assert await depot.states() == {"released"}
    assert await depot.books() == [(0, 0), (1, 0), (0, 0)]  # the third bracket had stayed on its shelf
    await depot.is_true()


async def test_of_tickets_that_come_together_none_gets_a_component_twice(engine: AsyncEngine):
    depot = await make_depot(engine, (3, 5, 3))
    tickets = [await depot.ticket(number=f"INC-{n}") for n in range(3)]

    async with transaction(engine) as tx:
        sourced = await decide_and_reserve_many(tx, tickets, policy(), now=NOW)

    assert [sourced[ticket].reserved is not None for ticket in tickets] == [True, True, False]
    assert await depot.books() == [(3, 2), (5, 4), (3, 2)]
    await depot.is_true()


async def test_at_once_the_last_kit_goes_to_one(database: str):
    engine = open_engine(database, pool_size=8)
    depot = await make_depot(engine, (6, 4, 6))
    tickets = [await depot.ticket(number=f"INC-{n}") for n in range(6)]

    outcomes = await asyncio.gather(*(depot.decide(ticket) for ticket in tickets))

    assert sum(item.reserved is not None for item in outcomes) == 2
    assert await depot.books() == [(6, 2), (4, 4), (6, 2)]
    await depot.is_true()
    await engine.dispose()


async def test_a_ticket_without_a_kit_costs_no_statement_more(engine: AsyncEngine):
    depot = await make_depot(engine, (2, 4, 2))
    async with transaction(engine) as tx:
        other = await make_product(tx)
        await make_spares(tx, hub_id=depot.near, product_id=other, count=2)
    statements: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2]))

    async def asked(rule: str, product: int) -> int:
        ticket = await depot.ticket()
        async with transaction(engine) as tx:
            await tx.execute(update(tables.ticket).where(tables.ticket.c.id == ticket).values(product_id=product))
        async with reading(engine) as tx:
            await explain_ticket(tx, ticket, policy(rule), NOW)
            statements.clear()
            await explain_ticket(tx, ticket, policy(rule), NOW)
        return len(statements)

    assert await asked("kit: swap", other) == await asked("kit: none", other)
    assert not any("kit_component" in text for text in statements)
