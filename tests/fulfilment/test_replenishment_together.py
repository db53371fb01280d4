"""Many low shelves, one hub above them, and incidents at the same time: no unit twice, nobody below what they keep."""

from __future__ import annotations

from asyncio import gather
from contextlib import suppress
from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import BERLIN, make_asset, make_hub, make_spares
from tests.fulfilment.depots import make_depots, policy
from tests.invariants.truth import broken_histories, lies, look

from connector.fulfilment.low_shelves import LowShelves
from connector.fulfilment.replenishment import Replenishments
from connector.model.errors import IllegalTransition, OutOfStock, StaleWrite
from connector.model.lifecycle import RESERVATION_LIVE, ReplenishmentState
from connector.storage import tables
from connector.storage.database.engine import in_transaction, reading, transaction
from connector.storage.stock.reserve import commit_reservation, fulfil_reservation, release_reservation
from connector.storage.tickets.decide import decide_and_reserve

SHELVES, UNITS, KEEPS = 6, 10, 2


async def test_shelves_filled_up_among_incidents_leave_the_books_true(engine: AsyncEngine, clock: MovableClock):
    depots = await make_depots(engine, there=UNITS, keeps=KEEPS)
    active = policy("suppliers: []")
    async with transaction(engine) as tx:
        for _ in range(SHELVES - 1):
            hub_id = await make_hub(tx, tier="local", **BERLIN)
            await make_spares(tx, hub_id=hub_id, product_id=depots.product_id, count=0)
        c = tables.stock.c
        shelf = tables.stock.update().where(c.safety_stock.is_(None), c.product_id == depots.product_id)
        await tx.execute(shelf.values(reorder_point=2, target=3))
        broken = [await make_asset(tx, site_id=depots.scene.site_id, product_id=depots.product_id) for _ in range(6)]
    tickets = [await depots.scene.open_ticket(f"INC-{n}", asset_id=unit) for n, unit in enumerate(broken)]
    people, shelves = Replenishments(engine, clock, active), LowShelves(engine, clock, active)
    await shelves.sweep()
    numbers = [row["id"] for row in await depots.scene.rows(tables.replenishment)]

    async def approve(number: int) -> None:
        with suppress(IllegalTransition, OutOfStock):
            await people.approve(number, key=f"k{number}", actor="ada")

    async def decide(ticket_id: int) -> None:
        with suppress(StaleWrite):
            work = partial(decide_and_reserve, ticket_id=ticket_id, policy=active, now=clock.now())
            await in_transaction(engine, work)

    work = [*(approve(number) for number in numbers), *(decide(number) for number in tickets), shelves.sweep()]
    await gather(*work[::2], *work[1::2])

    async with reading(engine) as tx:
        scene = await look(tx, [depots.product_id])
        assert (lies(scene), await broken_histories(tx, scene)) == ([], [])
        claims = (await tx.execute(select(tables.reservation))).mappings().all()
    moved = sum(row["quantity"] for row in claims if row["to_hub_id"] is not None)
    on_hand, reserved = await depots.there()
    assert (len(numbers), moved > 0, on_hand - reserved >= KEEPS) == (SHELVES, True, True)
    approved = await depots.scene.rows(tables.replenishment, state=ReplenishmentState.APPROVED)
    assert sum(row["transfer_quantity"] for row in approved) >= moved

    leaders = [row["id"] for row in claims if row["ships_with_id"] is None and row["state"] in RESERVATION_LIVE]
    for place, number in enumerate(leaders):
        async with transaction(engine) as tx:
            await commit_reservation(tx, number, actor="test", at=clock.now())
            if place % 2:
                await fulfil_reservation(tx, number, actor="test", at=clock.now())
            else:
                await release_reservation(tx, number, reason="test", actor="test", at=clock.now())
    async with reading(engine) as tx:
        scene = await look(tx, [depots.product_id])
        assert (lies(scene), await broken_histories(tx, scene)) == ([], [])
        assert scene.live == []
