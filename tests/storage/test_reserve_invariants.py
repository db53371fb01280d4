"""Whatever is done in whatever order: books, units and reservations always tell the same story."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories import (
    NOW,
    make_counted_stock,
    make_hub,
    make_product,
    make_source,
    make_spares,
    make_ticket,
)

from connector.model.errors import IllegalTransition, InvalidInput, OutOfStock
from connector.model.lifecycle import RESERVATION_LIVE, AssetState
from connector.storage import tables
from connector.storage.engine import open_engine, reading, transaction
from connector.storage.reserve import (
    Claim,
    commit_reservation,
    expire_due,
    fulfil_reservation,
    release_reservation,
    reserve,
)

SERIALISED, COUNTED = 4, 6
TICKETS = 6


async def books_that_lie(tx: AsyncConnection) -> list[Any]:
    """Stock rows whose numbers differ from their assets, or from their reservations when they are counted."""
    stock, asset, reservation = tables.stock, tables.asset, tables.reservation
    here = and_(
        asset.c.hub_id == stock.c.hub_id, asset.c.product_id == stock.c.product_id, asset.c.lane == stock.c.lane
    )
    held = select(func.count()).where(here, asset.c.state.in_([AssetState.IN_STOCK, AssetState.RESERVED]))
    taken = select(func.count()).where(here, asset.c.state == AssetState.RESERVED)
    promised = select(func.coalesce(func.sum(reservation.c.quantity), 0)).where(
        reservation.c.hub_id == stock.c.hub_id,
        reservation.c.product_id == stock.c.product_id,
        reservation.c.lane == stock.c.lane,
        reservation.c.state.in_(RESERVATION_LIVE),
    )
    columns = [q.correlate(stock).scalar_subquery() for q in (held, taken, promised)]
    rows = (await tx.execute(select(stock.c.tracking, stock.c.on_hand, stock.c.reserved, *columns))).all()
    return [
        row for row in rows if row[2] != row[5] or (row[0] == "serialised" and (row[1] != row[3] or row[2] != row[4]))
    ]


async def live_units(tx: AsyncConnection) -> list[int]:
    reservation = tables.reservation
    wanted = select(reservation.c.asset_id).where(
        reservation.c.state.in_(RESERVATION_LIVE), reservation.c.asset_id.is_not(None)
    )
    return list((await tx.execute(wanted)).scalars())


def machine_on(database: str) -> type[RuleBasedStateMachine]:
    class Reservations(RuleBasedStateMachine):
        """Commands in any order, beside a model that only counts."""

        def __init__(self) -> None:
            super().__init__()
            self.runner = asyncio.Runner()
            self.engine = open_engine(database, pool_size=2)
            self.now = NOW
            self.run(self.fill())

        def run(self, work: Coroutine[Any, Any, Any]) -> Any:
            return self.runner.run(work)

        async def fill(self) -> None:
            async with transaction(self.engine) as tx:
                self.hub = await make_hub(tx)
                self.products = {
                    "serialised": await make_product(tx),
                    "counted": await make_product(tx, tracking="counted"),
                }
                await make_spares(tx, hub_id=self.hub, product_id=self.products["serialised"], count=SERIALISED)
                await make_counted_stock(tx, hub_id=self.hub, product_id=self.products["counted"], on_hand=COUNTED)
                source = await make_source(tx, name=f"itsm-{self.hub}")
                self.tickets = [await make_ticket(tx, source_id=source) for _ in range(TICKETS)]

        async def book(self, kind: str) -> tuple[int, int]:
            async with reading(self.engine) as tx:
                row = await tx.execute(
                    select(tables.stock.c.on_hand, tables.stock.c.reserved).where(
                        tables.stock.c.product_id == self.products[kind]
                    )
                )
                on_hand, reserved = row.one()
                return on_hand, reserved

        @rule(
            kind=st.sampled_from(["serialised", "counted"]), ticket=st.integers(0, TICKETS - 1),
            quantity=st.integers(1, 3), minutes=st.integers(0, 60),
        )  # fmt: skip
        def claim(self, kind: str, ticket: int, quantity: int, minutes: int) -> None:
            on_hand, reserved = self.run(self.book(kind))
            line = {"serialised": 1, "counted": 10}[kind]

            async def work() -> Any:
                async with transaction(self.engine) as tx:
                    wanted = Claim(
                        ticket_id=self.tickets[ticket], hub_id=self.hub, product_id=self.products[kind],
                        requested_product_id=self.products[kind], quantity=quantity, line=line,
                        expires_at=self.now + timedelta(minutes=minutes),
                    )  # fmt: skip
                    with suppress(InvalidInput):
                        return await reserve(tx, wanted, actor="test", at=self.now)
                    return "lines are taken"

            try:
                outcome = self.run(work())
            except OutOfStock:
                assert on_hand - reserved < quantity
                return
            if outcome != "lines are taken" and outcome.is_new:
                assert on_hand - reserved >= quantity
                assert self.run(self.book(kind)) == (on_hand, reserved + quantity)

        @rule(which=st.integers(0, 30), move=st.sampled_from([commit_reservation, fulfil_reservation]))
        def go_on(self, which: int, move: Any) -> None:
            self.move(which, lambda tx, number: move(tx, number, actor="test", at=self.now))

        @rule(which=st.integers(0, 30))
        def release(self, which: int) -> None:
            self.move(
                which, lambda tx, number: release_reservation(tx, number, reason="test", actor="test", at=self.now)
            )

        def move(self, which: int, step: Any) -> None:
            async def work() -> None:
                async with transaction(self.engine) as tx:
                    wanted = select(tables.reservation.c.id).where(tables.reservation.c.hub_id == self.hub)
                    numbers = (await tx.execute(wanted.order_by(tables.reservation.c.id))).scalars().all()
                    if numbers:
                        with suppress(IllegalTransition):
                            await step(tx, numbers[which % len(numbers)])

            self.run(work())

        @rule(minutes=st.integers(1, 30))
        def time_passes(self, minutes: int) -> None:
            self.now += timedelta(minutes=minutes)

            async def work() -> None:
                async with transaction(self.engine) as tx:
                    await expire_due(tx, at=self.now)

            self.run(work())

        @invariant()
        def books_tell_the_truth(self) -> None:
            async def work() -> tuple[list[Any], list[int]]:
                async with reading(self.engine) as tx:
                    return await books_that_lie(tx), await live_units(tx)

            lies, units = self.run(work())
            assert lies == []
            assert len(units) == len(set(units))

        def teardown(self) -> None:
            self.run(self.engine.dispose())
            self.runner.close()

    return Reservations


def test_books_units_and_reservations_always_agree(database: str):
    run_state_machine_as_test(
        machine_on(database), settings=settings(max_examples=15, stateful_step_count=20, deadline=None)
    )
