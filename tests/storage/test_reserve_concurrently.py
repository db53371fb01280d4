"""Many transactions at once: no unit twice, no unit lost, no waiting in circles."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import (
    BERLIN,
    HAMBURG,
    MUNICH,
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

from connector.model.errors import IllegalTransition, OutOfStock
from connector.model.lifecycle import ReservationState
from connector.rules.policy.reading import default_policy
from connector.rules.sourcing.decision import Reason
from connector.storage import tables
from connector.storage.database.engine import open_engine, reading, transaction
from connector.storage.stock.reservations import Claim
from connector.storage.stock.reserve import (
    commit_reservation,
    expire_due,
    fulfil_reservation,
    release_reservation,
    reserve,
)
from connector.storage.tickets.decide import Sourced, decide_and_reserve

POLICY = default_policy()


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    """With room for as many transactions at once as a busy hub has."""
    engine = open_engine(database, pool_size=20)
    yield engine
    await engine.dispose()


async def consistent(engine: AsyncEngine) -> list[int]:
    """The units that live reservations hold, after the books were found to be true."""
    async with reading(engine) as tx:
        products = (await tx.execute(select(tables.product.c.id))).scalars().all()
        scene = await look(tx, products)
    assert lies(scene) == []
    return [claim.asset_id for claim in scene.claims.values() if claim.is_live and claim.asset_id is not None]


async def gather(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    return list(await asyncio.wait_for(asyncio.gather(*work, return_exceptions=True), timeout=120))


async def fleet(engine: AsyncEngine, units: dict[str, int], tickets: int) -> tuple[dict[str, int], int, list[int]]:
    """Hubs by place with units, the product, and P1 incidents about a device in Berlin that want one each."""
    places = {"berlin": BERLIN, "hamburg": HAMBURG, "munich": MUNICH}
    async with transaction(engine) as tx:
        product = await make_product(tx)
        hubs = {}
        for place, count in units.items():
            hubs[place] = await make_hub(tx, **places[place])
            await make_spares(tx, hub_id=hubs[place], product_id=product, count=count)
        site, source = await make_site(tx), await make_source(tx)
        return hubs, product, await failures(tx, tickets, product_id=product, site_id=site, source_id=source)


async def failures(tx: AsyncConnection, count: int, *, product_id: int, site_id: int, source_id: int) -> list[int]:
    """Tickets, each about a device of its own."""
    failed = [await make_asset(tx, product_id=product_id, site_id=site_id) for _ in range(count)]
    return [await make_ticket(tx, source_id=source_id, asset_id=asset_id) for asset_id in failed]


async def source(engine: AsyncEngine, ticket: int) -> Sourced:
    async with transaction(engine) as tx:
        return await decide_and_reserve(tx, ticket, POLICY, now=NOW)


async def test_fifty_incidents_for_twenty_units_in_three_hubs(engine: AsyncEngine):
    _, _, tickets = await fleet(engine, {"berlin": 12, "hamburg": 5, "munich": 3}, tickets=50)

    outcomes = await gather(*(source(engine, ticket) for ticket in tickets))

    assert [o for o in outcomes if isinstance(o, BaseException)] == []
    served = [o.reserved.reservation for o in outcomes if o.reserved]
    refused = [o.decision.reason for o in outcomes if o.reserved is None]
    assert len(served) == 20
    assert Counter(refused) == {Reason.NO_COMPATIBLE_STOCK: 30}
    assert len({reservation.asset_id for reservation in served}) == 20
    assert sorted(await consistent(engine)) == sorted(reservation.asset_id for reservation in served)
    async with reading(engine) as tx:
        books = (await tx.execute(select(tables.stock.c.on_hand, tables.stock.c.reserved))).all()
    assert sorted(tuple(book) for book in books) == [(3, 3), (5, 5), (12, 12)]


async def test_saleor_5334_one_ticket_worked_on_many_times_at_once_gets_one_unit(engine: AsyncEngine):
    _, _, [ticket] = await fleet(engine, {"berlin": 9, "hamburg": 9}, tickets=1)

    outcomes = await gather(*(source(engine, ticket) for _ in range(12)))

    assert [o for o in outcomes if isinstance(o, BaseException)] == []
    assert len({o.reserved.reservation.id for o in outcomes}) == 1
    assert sum(o.reserved.is_new for o in outcomes) == 1
    assert len({o.decision_id for o in outcomes}) == 1
    assert len(await consistent(engine)) == 1


async def test_medusa_16569_and_vendure_4930_counted_stock_is_not_oversold(engine: AsyncEngine):
    async with transaction(engine) as tx:
        hub, product = await make_hub(tx), await make_product(tx, tracking="counted")
        await make_counted_stock(tx, hub_id=hub, product_id=product, on_hand=10)
        source_id = await make_source(tx)
        tickets = [await make_ticket(tx, source_id=source_id) for _ in range(16)]

    async def claim(ticket: int) -> int:
        async with transaction(engine) as tx:
            wanted = Claim(ticket, hub, product, product, quantity=3)
            return (await reserve(tx, wanted, actor="test", at=NOW)).reservation.quantity

    outcomes = await gather(*(claim(ticket) for ticket in tickets))

    assert sorted(o for o in outcomes if isinstance(o, int)) == [3, 3, 3]
    assert {type(o) for o in outcomes if not isinstance(o, int)} == {OutOfStock}
    async with reading(engine) as tx:
        assert tuple((await tx.execute(select(tables.stock.c.on_hand, tables.stock.c.reserved))).one()) == (10, 9)


async def test_two_incidents_never_get_the_same_last_unit(engine: AsyncEngine):
    for _ in range(5):
        hubs, _, tickets = await fleet_again(engine)
        outcomes = await gather(*(source(engine, ticket) for ticket in tickets))

        assert sorted(o.reserved is not None for o in outcomes) == [False, True]
        assert len(hubs) == 1
    assert len(await consistent(engine)) == 5


_names = iter(f"itsm-{n}" for n in range(1_000))


async def fleet_again(engine: AsyncEngine) -> tuple[list[int], int, list[int]]:
    async with transaction(engine) as tx:
        product, hub = await make_product(tx), await make_hub(tx)
        await make_spares(tx, hub_id=hub, product_id=product, count=1)
        site, source_id = await make_site(tx), await make_source(tx, name=next(_names))
        return [hub], product, await failures(tx, 2, product_id=product, site_id=site, source_id=source_id)


async def test_cancelling_and_reserving_at_the_same_time_leaves_no_unit_behind(engine: AsyncEngine):
    _, _, tickets = await fleet(engine, {"berlin": 3}, tickets=6)
    held = [(await source(engine, ticket)).reserved for ticket in tickets[:3]]
    numbers = [reserved.reservation.id for reserved in held if reserved]

    async def cancel(number: int) -> None:
        async with transaction(engine) as tx:
            await release_reservation(tx, number, reason="cancelled", actor="test", at=NOW)

    rush = [cancel(n) for n in numbers] + [source(engine, t) for t in tickets[3:]] + [cancel(n) for n in numbers]
    outcomes = await gather(*rush)

    assert [o for o in outcomes if isinstance(o, BaseException)] == []
    served = {o.reserved.reservation.asset_id for o in outcomes if isinstance(o, Sourced) and o.reserved}
    assert set(await consistent(engine)) == served
    for ticket in tickets[3:]:
        assert (await source(engine, ticket)).reserved is not None
    assert len(await consistent(engine)) == 3


async def test_cancelling_and_reserving_the_same_ticket_at_once_does_not_wait_in_a_circle(engine: AsyncEngine):
    _, _, [ticket] = await fleet(engine, {"berlin": 2}, tickets=1)

    async def cancel() -> None:
        async with transaction(engine) as tx:
            wanted = select(tables.reservation.c.id).where(tables.reservation.c.state == ReservationState.HELD)
            number = (await tx.execute(wanted)).scalar_one_or_none()
            if number is not None:
                await release_reservation(tx, number, reason="cancelled", actor="test", at=NOW)

    outcomes = await gather(*(work for _ in range(15) for work in (source(engine, ticket), cancel())))

    assert [o for o in outcomes if isinstance(o, BaseException)] == []
    assert len(await consistent(engine)) <= 1


async def test_committing_races_expiry_and_exactly_one_of_them_wins(engine: AsyncEngine):
    _, _, tickets = await fleet(engine, {"berlin": 8}, tickets=8)
    held = [(await source(engine, ticket)).reserved for ticket in tickets]
    numbers = [reserved.reservation.id for reserved in held if reserved]
    later = NOW + timedelta(hours=2)

    async def commit(number: int) -> bool:
        async with transaction(engine) as tx:
            try:
                await commit_reservation(tx, number, actor="test", at=later)
            except IllegalTransition:
                return False
            return True

    async def expire() -> list[int]:
        async with transaction(engine) as tx:
            return [reservation.id for reservation in await expire_due(tx, at=later)]

    outcomes = await gather(*(commit(n) for n in numbers[:4]), expire(), *(commit(n) for n in numbers[4:]), expire())

    assert [o for o in outcomes if isinstance(o, BaseException)] == []
    expired = outcomes[4] + outcomes[-1]
    committed = [n for n, won in zip(numbers, outcomes[:4] + outcomes[5:-1], strict=True) if won]
    async with transaction(engine) as tx:
        expired += [reservation.id for reservation in await expire_due(tx, at=later)]
    assert sorted(expired + committed) == numbers
    assert len(await consistent(engine)) == len(committed)


async def test_a_unit_leaves_once_however_often_it_is_picked_up(engine: AsyncEngine):
    _, _, [ticket] = await fleet(engine, {"berlin": 2}, tickets=1)
    sourced = await source(engine, ticket)
    assert sourced.reserved is not None
    number = sourced.reserved.reservation.id
    async with transaction(engine) as tx:
        await commit_reservation(tx, number, actor="test", at=NOW)

    async def pick_up() -> None:
        async with transaction(engine) as tx:
            await fulfil_reservation(tx, number, actor="test", at=NOW)

    assert await gather(*(pick_up() for _ in range(8))) == [None] * 8
    async with reading(engine) as tx:
        assert tuple((await tx.execute(select(tables.stock.c.on_hand, tables.stock.c.reserved))).one()) == (1, 0)
    assert await consistent(engine) == []
