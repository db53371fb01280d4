"""Many tickets decided in one transaction: what one by one gives, in a handful of statements."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import (
    BERLIN,
    HAMBURG,
    MUNICH,
    NOW,
    insert_row,
    make_asset,
    make_counted_stock,
    make_hub,
    make_product,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)
from tests.invariants.truth import broken_histories, lies, look

from connector.model.lifecycle import ReservationState
from connector.rules.policy.grouping import Grouping, Links
from connector.rules.policy.reading import default_policy
from connector.rules.sourcing.decision import Outcome, Reason
from connector.storage import tables
from connector.storage.database.engine import open_engine, reading, transaction
from connector.storage.tickets.decide import Sourced, decide_and_reserve, decide_and_reserve_many

POLICY = default_policy()
LINKED = POLICY.model_copy(update={"grouping": Grouping(links=Links(children="follow"))})
PLACES = (BERLIN, HAMBURG, MUNICH)


class World:
    """Three hubs with switches, their stand-ins and counted cables."""

    hubs: list[int]
    products: list[int]
    source: int
    site: int


async def build(tx: AsyncConnection, units: Sequence[Sequence[int]], keeps: int = 0) -> World:
    """units: of switch, stand-in and cable, in each hub. keeps: safety stock of each shelf of serialised units."""
    world = World()
    world.hubs = [await make_hub(tx, **place) for place in PLACES]
    switch, stand_in = await make_product(tx), await make_product(tx)
    cable = await make_product(tx, tracking="counted")
    world.products = [switch, stand_in, cable]
    await insert_row(tx, tables.compatibility, {"product_id": switch, "substitute_id": stand_in, "preference": 1})
    for hub, (switches, stand_ins, cables) in zip(world.hubs, units, strict=True):
        for product, count in ((switch, switches), (stand_in, stand_ins)):
            if count:
                await make_spares(tx, hub_id=hub, product_id=product, count=count)
                if keeps:
                    mine = (tables.stock.c.hub_id == hub) & (tables.stock.c.product_id == product)
                    await tx.execute(update(tables.stock).where(mine).values(safety_stock=keeps))
        if cables:
            await make_counted_stock(tx, hub_id=hub, product_id=cable, on_hand=cables)
    world.source, world.site = await make_source(tx), await make_site(tx)
    return world


async def devices(tx: AsyncConnection, world: World, product: int, count: int) -> list[int]:
    return [await make_asset(tx, product_id=world.products[product], site_id=world.site) for _ in range(count)]


async def tickets_about(tx: AsyncConnection, world: World, assets: Sequence[int], **values: Any) -> list[int]:
    return [await make_ticket(tx, source_id=world.source, asset_id=asset, **values) for asset in assets]


async def link_ticket(tx: AsyncConnection, world: World, ticket: int, kind: str, other: int) -> None:
    if ticket != other:
        row = {"ticket_id": ticket, "kind": kind, "source_id": world.source, "external_id": str(other)}
        await insert_row(tx, tables.ticket_link, {**row, "other_id": other, "created_at": NOW})


async def many(tx: AsyncConnection, tickets: Sequence[int]) -> dict[int, Sourced]:
    return await decide_and_reserve_many(tx, tickets, POLICY, now=NOW)


def told(sourced: Sourced) -> tuple[Any, ...]:
    """What was decided and given, without the numbers of rows.

    Left out is that others of the batch hold what is gone: their claims are none yet when all are decided.
    """
    decision = sourced.decision
    assert decision is not None
    explained = decision.explanation()
    held = [
        (item.line, item.hub_id, item.product_id, item.asset_id, item.quantity, item.estimated_arrival_at)
        for item in (sourced.reserved.reservations if sourced.reserved else ())
    ]
    losers = [item for item in explained["losers"] if item["code"] != "claim_as_strong"]
    return decision.outcome, decision.reason, explained["chosen"], losers, held


async def books(tx: AsyncConnection) -> list[Any]:
    c = tables.stock.c
    return [
        tuple(row) for row in await tx.execute(select(c.hub_id, c.product_id, c.on_hand, c.reserved).order_by(c.id))
    ]


COUNTS = st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 3))
LINK = st.none() | st.tuples(st.sampled_from(["duplicate_of", "parent"]), st.integers(0, 8))
TICKETS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["P1", "P2", "P4"]), st.integers(0, 3), LINK), min_size=2, max_size=9
)
"""Of each: which of five devices (three switches, a stand-in, a cable) it is about, its priority, how old it is, and
how it is linked to which other one."""
Wanted = tuple[int, str, int, tuple[str, int] | None]


def test_a_batch_gives_what_one_by_one_gives_in_order_of_urgency(database: str):
    engine = open_engine(database, pool_size=2)

    async def compare(units: list[tuple[int, int, int]], keeps: int, wanted: list[Wanted]) -> None:
        async with engine.connect() as connection:
            connection = await connection.execution_options(writes=True)
            async with connection.begin() as everything:
                world = await build(connection, units, keeps)
                failed = [
                    *await devices(connection, world, 0, 3), *await devices(connection, world, 1, 1),
                    *await devices(connection, world, 2, 1),
                ]  # fmt: skip
                numbered = []
                for device, priority, age, _ in wanted:
                    opened = NOW - timedelta(minutes=age)
                    [number] = await tickets_about(
                        connection, world, [failed[device]], priority=priority, opened_at=opened
                    )
                    numbered.append((priority, opened, number))
                for (*_, link), (*_, number) in zip(wanted, numbered, strict=True):
                    if link is not None:
                        await link_ticket(connection, world, number, link[0], numbered[link[1] % len(numbered)][-1])
                in_order = [number for *_, number in sorted(numbered)]

                async with connection.begin_nested() as alone:
                    one_by_one = [
                        told(await decide_and_reserve(connection, number, LINKED, now=NOW)) for number in in_order
                    ]
                    books_alone = await books(connection)
                    await alone.rollback()
                together = await decide_and_reserve_many(connection, [item[-1] for item in numbered], LINKED, now=NOW)

                assert [told(together[number]) for number in in_order] == one_by_one
                assert await books(connection) == books_alone
                scene = await look(connection, world.products)
                assert lies(scene) == []
                assert await broken_histories(connection, scene) == []
                await everything.rollback()

    with asyncio.Runner() as runner:

        @settings(max_examples=15, deadline=None)
        @given(units=st.tuples(COUNTS, COUNTS, COUNTS), keeps=st.sampled_from([0, 0, 1]), wanted=TICKETS)
        def same(units: list[tuple[int, int, int]], keeps: int, wanted: list[Wanted]) -> None:
            runner.run(compare(units, keeps, wanted))

        try:
            same()
        finally:
            runner.run(engine.dispose())


async def test_many_tickets_take_hardly_more_statements_than_two(engine: AsyncEngine):
    async with transaction(engine) as tx:
        world = await build(tx, [(30, 0, 0), (30, 0, 0), (0, 0, 0)])
        tickets = await tickets_about(tx, world, await devices(tx, world, 0, 45))
    statements: list[str] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    counts = []
    for some in (tickets[:1], tickets[1:3], tickets[3:]):
        statements.clear()
        async with transaction(engine) as tx:
            assert all(sourced.reserved for sourced in (await many(tx, some)).values())
        counts.append(len([text for text in statements if not text.startswith("BEGIN")]))

    assert counts[2] - counts[1] <= 1  # so many of one product at once are looked at more closely
    assert counts[2] <= 24


async def test_a_shelf_that_others_empty_meanwhile_sends_only_the_last_ones_elsewhere(
    engine: AsyncEngine,
):
    async with transaction(engine) as tx:
        world = await build(tx, [(3, 0, 0), (3, 0, 0), (0, 0, 0)])
        tickets = await tickets_about(tx, world, await devices(tx, world, 0, 3))
        berlin = tables.asset.c.hub_id == world.hubs[0]
        first = (await tx.execute(select(func.min(tables.asset.c.id)).where(berlin))).scalar_one()
        await tx.execute(update(tables.asset).values(state="lost").where(tables.asset.c.id == first))  # not booked yet

    async with transaction(engine) as tx:
        sourced = await many(tx, tickets)

    assert [item.reserved.reservation.hub_id for item in sourced.values() if item.reserved] == [
        world.hubs[0], world.hubs[0], world.hubs[1],
    ]  # fmt: skip
    last = sourced[tickets[2]].decision
    assert last is not None
    assert [(losers.code, losers.hubs) for losers in last.losers] == [("emptied", (world.hubs[0],))]
    async with reading(engine) as tx:
        assert await books(tx) == [
            (world.hubs[0], world.products[0], 3, 2), (world.hubs[1], world.products[0], 3, 1),
        ]  # fmt: skip


async def test_a_ticket_that_is_gone_and_one_that_is_served_do_not_hinder_the_others(engine: AsyncEngine):
    async with transaction(engine) as tx:
        world = await build(tx, [(3, 0, 0), (0, 0, 0), (0, 0, 0)])
        tickets = await tickets_about(tx, world, await devices(tx, world, 0, 3))
        before = await decide_and_reserve(tx, tickets[0], POLICY, now=NOW)
        await tx.execute(delete(tables.ticket).where(tables.ticket.c.id == tickets[1]))

    async with transaction(engine) as tx:
        sourced = await many(tx, tickets)

    assert sourced.keys() == {tickets[0], tickets[2]}
    again, new = sourced[tickets[0]], sourced[tickets[2]]
    assert again.decision is None
    assert again.reserved is not None
    assert before.reserved is not None
    assert (again.decision_id, again.reserved.is_new) == (before.decision_id, False)
    assert again.reserved.reservations == before.reserved.reservations
    assert new.reserved is not None
    assert new.reserved.is_new


async def test_of_several_tickets_about_a_device_the_most_urgent_one_has_the_unit(engine: AsyncEngine):
    async with transaction(engine) as tx:
        world = await build(tx, [(2, 0, 0), (0, 0, 0), (0, 0, 0)])
        [device] = await devices(tx, world, 0, 1)
        [slow, slower] = await tickets_about(tx, world, [device, device], priority="P3")
        [urgent] = await tickets_about(tx, world, [device], priority="P1", number="INC-9")

    async with transaction(engine) as tx:
        sourced = await many(tx, [slow, slower, urgent])
        hub = (await tx.execute(select(tables.hub.c.code).where(tables.hub.c.id == world.hubs[0]))).scalar_one()

    served = sourced[urgent].reserved
    assert served is not None
    for ticket in (slow, slower):
        decision = sourced[ticket].decision
        assert decision is not None
        assert (decision.outcome, decision.reason) == (Outcome.NOT_NEEDED, Reason.RELIEVED)
        assert decision.text == (
            f"Ticket INC-9 is about the same device and has a unit from {hub} already "
            f"(reservation {served.reservation.id}, held): a second one is sourced if that is released."
        )


async def test_each_change_of_a_batch_names_the_rule_behind_it_and_begins_where_the_last_one_ended(engine: AsyncEngine):
    async with transaction(engine) as tx:
        world = await build(tx, [(2, 0, 0), (0, 0, 0), (0, 0, 0)])
        failed = await devices(tx, world, 0, 2)
        tickets = await tickets_about(tx, world, failed[:1], priority="P1")
        tickets += await tickets_about(tx, world, failed[1:], priority="P4")

    async with transaction(engine) as tx:
        sourced = await many(tx, tickets)
        c = tables.change.c
        logged = (await tx.execute(select(c.kind, c.cause, c.fields, c.actor).order_by(c.id))).all()

    rules = [item.decision.rule for item in sourced.values() if item.decision]
    causes = [f"rule {rule} of {POLICY.version}" for rule in rules]
    assert len(set(rules)) == 2
    kinds = ["decision", "reservation", "asset", "stock"]
    assert [(row.kind.value, row.cause) for row in logged] == [(kind, cause) for cause in causes for kind in kinds]
    assert [row.fields["reserved"] for row in logged if row.kind.value == "stock"] == [[0, 1], [1, 2]]
    assert {row.actor for row in logged} == {"rules"}


async def test_batches_that_overlap_give_each_ticket_one_unit(database: str):
    engine = open_engine(database, pool_size=16)
    async with transaction(engine) as tx:
        world = await build(tx, [(9, 2, 0), (6, 0, 0), (3, 0, 0)])
        tickets = await tickets_about(tx, world, await devices(tx, world, 0, 30))

    async def batch(number: int) -> dict[int, Sourced]:
        mine = [tickets[(number * 7 + step * (1 if number % 2 else -1)) % 30] for step in range(12)]
        async with transaction(engine) as tx:
            return await many(tx, mine)

    async with asyncio.timeout(120):
        found = await asyncio.gather(*(batch(number) for number in range(16)))

    held: dict[int, set[int]] = {}
    for sourced in found:
        for ticket, item in sourced.items():
            if item.reserved:
                held.setdefault(ticket, set()).add(item.reserved.reservation.id)
    assert all(len(numbers) == 1 for numbers in held.values())
    assert len(held) == 20
    async with reading(engine) as tx:
        scene = await look(tx, world.products)
        assert lies(scene) == []
        assert await broken_histories(tx, scene) == []
        assert Counter(claim.state for claim in scene.claims.values()) == {ReservationState.HELD: 20}
    await engine.dispose()
