from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import NOW, make_asset, make_counted_stock, make_hub, make_product

from connector.model.kinds import Lane, Tracking
from connector.storage.database.engine import in_transaction, reading, transaction
from connector.storage.stock.book import Shelf, count_units, recount_shelves
from connector.storage.tables import asset, change, stock


async def books(engine: AsyncEngine) -> dict[Shelf, tuple[int, int]]:
    async with reading(engine) as tx:
        rows = (await tx.execute(select(stock))).mappings()
        return {Shelf(r["hub_id"], r["product_id"], r["lane"]): (r["on_hand"], r["reserved"]) for r in rows}


async def test_books_are_set_to_what_is_on_the_shelves(engine: AsyncEngine):
    async with transaction(engine) as tx:
        hub, product, other = await make_hub(tx), await make_product(tx), await make_product(tx)
        here = {"hub_id": hub, "product_id": product}
        for state in ("in_stock", "in_stock", "reserved", "in_transit", "deployed"):
            await make_asset(tx, **here, state=state)
        await make_asset(tx, **here, state="in_stock", lane="break_glass")
        await make_asset(tx, hub_id=hub, product_id=other, state="in_stock")
        normal, glass = Shelf(hub, product, Lane.NORMAL), Shelf(hub, product, Lane.BREAK_GLASS)
        untouched = Shelf(hub, other, Lane.NORMAL)
        assert (await count_units(tx, {normal}))[normal] == (3, 1)

        await recount_shelves(tx, {normal, glass}, actor="test", at=NOW)

    assert await books(engine) == {normal: (3, 1), glass: (1, 0)}
    assert untouched not in await books(engine)


async def test_a_book_that_is_right_is_not_written(engine: AsyncEngine):
    async with transaction(engine) as tx:
        shelf = Shelf(await make_hub(tx), await make_product(tx), Lane.NORMAL)
        await make_asset(tx, hub_id=shelf.hub_id, product_id=shelf.product_id, state="in_stock")
        for _ in range(2):
            await recount_shelves(tx, {shelf}, actor="test", at=NOW)
        changes = (await tx.execute(select(change.c.operation, change.c.fields))).all()

    assert [tuple(row) for row in changes] == [("updated", {"on_hand": [0, 1]})]


async def test_the_book_of_a_counted_product_is_left_alone(engine: AsyncEngine):
    async with transaction(engine) as tx:
        hub, product = await make_hub(tx), await make_product(tx, tracking=Tracking.COUNTED)
        await make_counted_stock(tx, hub_id=hub, product_id=product, on_hand=9)
        await make_asset(tx, hub_id=hub, product_id=product, state="in_stock")
        shelf = Shelf(hub, product, Lane.NORMAL)

        await recount_shelves(tx, {shelf}, actor="test", at=NOW)

    assert await books(engine) == {shelf: (9, 0)}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_claim_that_is_not_committed_yet_is_neither_lost_nor_counted_twice(engine: AsyncEngine):
    async with transaction(engine) as tx:
        hub, product = await make_hub(tx), await make_product(tx)
        values: dict[str, Any] = {"hub_id": hub, "product_id": product, "lane": "normal", "tracking": "serialised"}
        await tx.execute(insert(stock).values(**values, on_hand=2, reserved=0, updated_at=NOW))
        first = await make_asset(tx, hub_id=hub, product_id=product, state="in_stock")
        await make_asset(tx, hub_id=hub, product_id=product, state="in_stock")
    shelf = Shelf(hub, product, Lane.NORMAL)

    async def recount() -> None:
        async with transaction(engine) as tx:
            await make_asset(tx, hub_id=hub, product_id=product, state="in_stock")
            await recount_shelves(tx, {shelf}, actor="test", at=NOW)

    async with transaction(engine) as claim:
        await claim.execute(update(stock).values(reserved=stock.c.reserved + 1))
        await claim.execute(update(asset).where(asset.c.id == first).values(state="reserved"))
        counting = asyncio.create_task(recount())
        done, _ = await asyncio.wait([counting], timeout=0.2)
        assert not done
    await asyncio.wait_for(counting, 20)

    assert await books(engine) == {shelf: (3, 1)}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_the_victim_of_a_deadlock_is_done_again(engine: AsyncEngine):
    async with transaction(engine) as tx:
        one, two = await make_hub(tx), await make_hub(tx)
    tries: list[int] = []
    both, the_other_is_done = asyncio.Barrier(2), asyncio.Event()

    async def lock(tx: AsyncConnection, first: int, second: int) -> None:
        from connector.storage.tables import hub

        tries.append(first)
        if len(tries) > 2:
            await the_other_is_done.wait()  # it may not have its second lock yet, and be in the way once more
        await tx.execute(update(hub).where(hub.c.id == first).values(handling_minutes=1))
        if len(tries) <= 2:
            await both.wait()
        await tx.execute(update(hub).where(hub.c.id == second).values(handling_minutes=2))

    async def done(first: int, second: int) -> None:
        await in_transaction(engine, lambda tx: lock(tx, first, second))
        the_other_is_done.set()

    await asyncio.gather(done(one, two), done(two, one))

    assert len(tries) == 3


async def test_any_other_failure_is_not_done_again(engine: AsyncEngine):
    tries: list[int] = []

    async def fail(_tx: AsyncConnection) -> None:
        tries.append(1)
        raise OperationalError("statement", {}, Exception("no space left"))

    with pytest.raises(OperationalError, match="no space left"):
        await in_transaction(engine, fail)

    assert len(tries) == 1
