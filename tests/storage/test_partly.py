"""A ticket that is given a part of its units: the rest is got once, by whoever asks, and never more than is needed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import (
    BERLIN,
    HAMBURG,
    NOW,
    make_asset,
    make_counted_stock,
    make_hub,
    make_product,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)
from tests.invariants.truth import lies, look

from connector.model.kinds import ProcurementKind
from connector.model.lifecycle import ApprovalState, ProcurementState, ReservationState
from connector.rules.policy.reading import Policy, read_policy
from connector.rules.sourcing.decision import Outcome, Reason
from connector.storage import tables
from connector.storage.database.engine import in_transaction, open_engine, reading, transaction
from connector.storage.stock.reserve import release_reservation
from connector.storage.tickets.decide import Sourced, decide_and_reserve_many

POLICY = """
name: test
rules:
  - {{name: any, when: "true", hardware: replace, partial: allowed, split: allowed, ladder: [{rungs}]}}
approvals: {{buyer: {{roles: [approver], within_minutes: 60}}}}
sourcing:
  suppliers: {{shop: {{offers: [purchase], lead_hours: 48, cost_cents: 500}}}}
  courier: {{transit: [{{hours: 24}}]}}
"""
LIVE = (ReservationState.HELD, ReservationState.COMMITTED, ReservationState.FULFILLED)


def policy(rungs: str = "stock, {kind: backorder, expected_hours: 72}") -> Policy:
    return read_policy(POLICY.format(rungs=rungs))


class World:
    def __init__(self, engine: AsyncEngine, **ids: Any) -> None:
        self.engine = engine
        self.hubs, self.product, self.site, self.source = ids["hubs"], ids["product"], ids["site"], ids["source"]

    async def ticket(self, quantity: int = 3, **values: Any) -> int:
        async with transaction(self.engine) as tx:
            return await make_ticket(
                tx, source_id=self.source, product_id=self.product, site_id=self.site, quantity=quantity, **values
            )

    async def decide(self, *tickets: int, by: Policy | None = None) -> dict[int, Sourced]:
        async def work(tx: AsyncConnection) -> dict[int, Sourced]:
            return await decide_and_reserve_many(tx, tickets, by or policy(), now=NOW)

        return await in_transaction(self.engine, work)

    async def arrives(self, hub: int, count: int = 1) -> None:
        """Units that come onto a shelf which had some before."""
        async with transaction(self.engine) as tx:
            book = tables.stock.c
            await tx.execute(update(tables.stock).where(book.hub_id == hub).values(on_hand=book.on_hand + count))
            for _ in range(count):
                await make_asset(tx, hub_id=hub, product_id=self.product, state="in_stock")

    async def lines(self, ticket: int) -> list[tuple[int, int]]:
        """Hub and line of what a ticket has; the books are true."""
        async with reading(self.engine) as tx:
            assert lies(await look(tx, [self.product])) == []
            r = tables.reservation.c
            rows = await tx.execute(
                select(r.line, r.hub_id, r.quantity).where(r.ticket_id == ticket, r.state.in_(LIVE)).order_by(r.line)
            )
            return [(line, quantity) for line, _, quantity in rows]

    async def orders(self, ticket: int) -> list[tuple[ProcurementKind, ProcurementState, int, bool]]:
        async with reading(self.engine) as tx:
            p = tables.procurement.c
            rows = await tx.execute(
                select(p.kind, p.state, p.quantity, p.is_wanted).where(p.ticket_id == ticket).order_by(p.id)
            )
            return [(kind, state, quantity, wanted) for kind, state, quantity, wanted in rows]


async def build(engine: AsyncEngine, *units: int, counted: bool = False) -> World:
    async with transaction(engine) as tx:
        product = await make_product(tx, **({"tracking": "counted"} if counted else {}))
        hubs = [await make_hub(tx, **place) for place in (BERLIN, HAMBURG)]
        for hub, count in zip(hubs, units, strict=False):
            if counted:
                await make_counted_stock(tx, hub_id=hub, product_id=product, on_hand=count)
            elif count:
                await make_spares(tx, hub_id=hub, product_id=product, count=count)
        return World(
            engine, hubs=hubs, product=product, site=await make_site(tx, **BERLIN), source=await make_source(tx)
        )


BACKORDER = ProcurementKind.BACKORDER


@pytest.mark.parametrize("counted", [False, True])
async def test_what_is_there_is_reserved_and_the_rest_follows_on_lines_of_its_own(engine: AsyncEngine, counted: bool):
    world = await build(engine, 1, 1, counted=counted)
    ticket = await world.ticket()

    first = (await world.decide(ticket))[ticket]
    again = (await world.decide(ticket))[ticket]
    waiting = await world.orders(ticket)
    if counted:
        async with transaction(engine) as tx:
            await tx.execute(update(tables.stock).where(tables.stock.c.hub_id == world.hubs[0]).values(on_hand=3))
    else:
        await world.arrives(world.hubs[0], 2)
    rest = (await world.decide(ticket))[ticket]
    last = (await world.decide(ticket))[ticket]

    assert (first.decision.quantity, first.decision.rest.reason, len(first.reserved.reservations)) == (
        2, Reason.BACKORDER, 2,
    )  # fmt: skip
    assert (again.decision.outcome, again.decision.had, again.reserved) == (Outcome.PROCURE, 2, None)
    assert waiting == [(BACKORDER, ProcurementState.REQUESTED, 1, True)]
    assert (rest.decision.had, rest.decision.quantity, rest.decision.rest) == (2, 1, None)
    assert (last.decision, len(last.reserved.reservations), last.reserved.is_new) == (None, 2, False)
    assert await world.lines(ticket) == [(1, 1), (2, 1), (3, 1)]
    assert await world.orders(ticket) == [(BACKORDER, ProcurementState.RECEIVED, 1, True)]
    async with reading(engine) as tx:
        d = tables.decision.c
        kept = (await tx.execute(select(d.reason).where(d.ticket_id == ticket).order_by(d.id))).scalars().all()
    assert list(kept) == ["sourced", "backorder", "sourced"]


async def test_a_place_in_the_queue_is_for_as_many_as_are_still_wanted(engine: AsyncEngine):
    world = await build(engine, 0, 1)
    ticket = await world.ticket(5)

    await world.decide(ticket)
    await world.arrives(world.hubs[1])
    await world.decide(ticket)

    assert await world.lines(ticket) == [(1, 1), (2, 1)]
    assert await world.orders(ticket) == [(BACKORDER, ProcurementState.REQUESTED, 3, True)]


async def test_the_rest_is_bought_with_its_own_approval_while_the_part_is_sent(engine: AsyncEngine):
    world = await build(engine, 2)
    ticket = await world.ticket()

    await world.decide(ticket, by=policy("stock, {kind: purchase, approval: buyer}, person"))

    assert await world.orders(ticket) == [(ProcurementKind.PURCHASE, ProcurementState.REQUESTED, 1, True)]
    async with reading(engine) as tx:
        held = (await tx.execute(select(tables.reservation.c.approval_name))).scalars().all()
        asked = (await tx.execute(select(tables.approval.c.subject_kind, tables.approval.c.state))).all()
    assert list(held) == [None, None]
    assert [(kind.value, state) for kind, state in asked] == [("procurement", ApprovalState.PENDING)]


async def test_an_order_that_nobody_outside_knows_of_is_made_anew_for_what_is_left(engine: AsyncEngine):
    world, by = await build(engine, 0, 0), policy("stock, purchase, person")
    ticket = await world.ticket()
    await world.decide(ticket, by=by)
    async with transaction(engine) as tx:
        await make_spares(tx, hub_id=world.hubs[0], product_id=world.product, count=1)

    await world.decide(ticket, by=by)

    purchase = ProcurementKind.PURCHASE
    assert await world.orders(ticket) == [
        (purchase, ProcurementState.CANCELLED, 3, False), (purchase, ProcurementState.APPROVED, 2, True),
    ]  # fmt: skip
    assert await world.lines(ticket) == [(1, 1)]


async def test_what_was_ordered_is_not_taken_from_a_shelf_as_well(engine: AsyncEngine):
    world, by = await build(engine, 1), policy("stock, purchase, person")
    ticket = await world.ticket()
    await world.decide(ticket, by=by)
    async with transaction(engine) as tx:
        await tx.execute(update(tables.procurement).values(state=ProcurementState.ORDERED, order_number="PO-1"))
    await world.arrives(world.hubs[0])

    kept = (await world.decide(ticket, by=by))[ticket]

    assert (kept.decision.outcome, kept.decision.had) == (Outcome.PROCURE, 1)
    assert await world.lines(ticket) == [(1, 1)]
    assert await world.orders(ticket) == [(ProcurementKind.PURCHASE, ProcurementState.ORDERED, 2, True)]


async def test_what_came_to_the_site_counts_as_had(engine: AsyncEngine):
    world, by = await build(engine, 1), policy("stock, purchase, {kind: backorder}")
    ticket = await world.ticket()
    await world.decide(ticket, by=by)
    async with transaction(engine) as tx:
        await tx.execute(
            update(tables.procurement).values(state=ProcurementState.RECEIVED, site_id=world.site, quantity=1)
        )
        await tx.execute(
            tables.procurement.insert().values(
                kind=BACKORDER, state=ProcurementState.REQUESTED, ticket_id=ticket, product_id=world.product,
                quantity=1, supplier="", is_wanted=True, created_at=NOW, updated_at=NOW,
            )
        )  # fmt: skip
    await world.arrives(world.hubs[0], 3)

    found = (await world.decide(ticket, by=by))[ticket]

    assert (found.decision.had, found.decision.quantity) == (2, 1)
    assert await world.lines(ticket) == [(1, 1), (2, 1)]


async def test_many_who_ask_at_once_get_the_rest_once(engine: AsyncEngine, database: str):
    world = await build(engine, 2)
    tickets = [await world.ticket() for _ in range(3)]
    await world.decide(*tickets)
    await world.arrives(world.hubs[0], 5)
    busy = open_engine(database, pool_size=12)

    async def ask(ticket: int) -> None:
        async def work(tx: AsyncConnection) -> None:
            await decide_and_reserve_many(tx, [ticket], policy(), now=NOW)

        await in_transaction(busy, work)

    await asyncio.gather(*(ask(ticket) for ticket in tickets * 4))
    await busy.dispose()

    had = [sum(quantity for _, quantity in await world.lines(ticket)) for ticket in tickets]
    assert sum(had) == 7
    assert max(had) == 3


async def test_a_unit_that_somebody_gives_back_is_not_got_again_where_nothing_was_left(engine: AsyncEngine):
    world = await build(engine, 4)
    ticket = await world.ticket()
    reserved = (await world.decide(ticket))[ticket].reserved
    async with transaction(engine) as tx:
        await release_reservation(tx, reserved.reservations[2].id, actor="ann", at=NOW, reason="two are enough")

    again = (await world.decide(ticket))[ticket]

    assert (again.decision, len(await world.lines(ticket))) == (None, 2)


async def test_who_loses_one_of_several_units_to_a_stronger_ticket_gets_another(engine: AsyncEngine):
    by = read_policy(POLICY.format(rungs="{kind: stock, preempt: {over: [P4]}}, {kind: backorder}"))
    world = await build(engine, 3)
    weak = await world.ticket(priority="P4")
    await world.decide(weak, by=by)
    strong = await world.ticket(1, priority="P1")
    await world.decide(strong, by=by)

    waits = (await world.decide(weak, by=by))[weak]
    await world.arrives(world.hubs[0])
    served = (await world.decide(weak, by=by))[weak]

    assert (waits.decision.had, waits.decision.reason) == (2, Reason.BACKORDER)
    assert (served.decision.had, served.decision.outcome) == (2, Outcome.RESERVE)
    assert len(await world.lines(weak)) == 3
