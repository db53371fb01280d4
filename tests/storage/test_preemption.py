"""Units that pass from weaker tickets to stronger ones: one after the other, at once, and never what has left."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
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

from connector.model.lifecycle import ReservationState as State
from connector.rules.policy.channels import RedChannel
from connector.rules.policy.reading import Policy, read_policy
from connector.rules.sourcing.decision import Outcome
from connector.storage import tables
from connector.storage.approvals.channels import NewChannel, insert_channel, use_of
from connector.storage.database.engine import in_transaction, open_engine, reading, transaction
from connector.storage.stock.reservations import Claim
from connector.storage.stock.reserve import commit_reservation, fulfil_reservation, release_reservation, reserve
from connector.storage.stock.stopping import stop_reason
from connector.storage.stock.succession import forfeit, move_reservation
from connector.storage.stock.units import ShelfKey
from connector.storage.tickets.decide import Sourced, decide_and_reserve, decide_and_reserve_many, explain_ticket

RECALL = RedChannel(roles=("duty-manager",), max_hours=24, when="ticket.title == 'recalled'")
DUE = NOW + timedelta(hours=2)


def policy(rule: str = "preempt: {}") -> Policy:
    return read_policy(f"""
name: test
rules:
  - {{name: any, when: "true", hardware: replace, {rule}}}
sourcing: {{courier: {{transit: [{{hours: 24}}]}}}}
""")


class Fleet:
    """Units of one product in Berlin, where the tickets are, and some too far away to be in time."""

    def __init__(self, engine: AsyncEngine, **ids: int) -> None:
        self.engine = engine
        self.near, self.far = ids["near"], ids["far"]
        self.site, self.product, self.source = ids["site"], ids["product"], ids["source"]

    async def ticket(self, priority: str = "P1", **values: Any) -> int:
        async with transaction(self.engine) as tx:
            return await make_ticket(
                tx, source_id=self.source, site_id=self.site, product_id=self.product, priority=priority,
                **{"sla_due_at": DUE, **values},
            )  # fmt: skip

    async def decide(self, ticket: int, by: Policy | None = None) -> Sourced:
        async def work(tx: AsyncConnection) -> Sourced:
            return await decide_and_reserve(tx, ticket, by or policy(), now=NOW)

        return await in_transaction(self.engine, work)

    async def reservations(self) -> list[Any]:
        async with reading(self.engine) as tx:
            return list((await tx.execute(select(tables.reservation).order_by(tables.reservation.c.id))).all())

    async def book(self) -> tuple[int, int]:
        async with reading(self.engine) as tx:
            stock = tables.stock.c
            row = (await tx.execute(select(stock.on_hand, stock.reserved).where(stock.hub_id == self.near))).one()
            return row[0], row[1]


async def make_fleet(engine: AsyncEngine, *, near: int, far: int = 0, counted: bool = False) -> Fleet:
    async with transaction(engine) as tx:
        product = await make_product(tx, **({"tracking": "counted"} if counted else {}))
        hubs = [await make_hub(tx, code="BER", **BERLIN), await make_hub(tx, code="HAM", **HAMBURG)]
        for hub, count in zip(hubs, (near, far), strict=True):
            if counted:
                await make_counted_stock(tx, hub_id=hub, product_id=product, on_hand=count)
            elif count:
                await make_spares(tx, hub_id=hub, product_id=product, count=count)
        return Fleet(
            engine, near=hubs[0], far=hubs[1], site=await make_site(tx, **BERLIN), product=product,
            source=await make_source(tx),
        )  # fmt: skip


async def changes(engine: AsyncEngine, kind: str) -> list[dict[str, Any]]:
    async with reading(engine) as tx:
        c = tables.change.c
        rows = await tx.execute(select(c.fields, c.kind).order_by(c.id))
        return [dict(fields) for fields, of in rows if of.value == kind]


async def test_a_p1_takes_the_unit_of_a_p4_which_is_told_what_is_left_to_it(engine: AsyncEngine):
    fleet = await make_fleet(engine, near=1, far=1)
    weak = await fleet.ticket("P4", number="INC-7")
    lost = (await fleet.decide(weak)).reserved
    assert lost is not None
    before = len(await changes(engine, "stock"))

    sourced = await fleet.decide(await fleet.ticket("P1", number="INC-9"))

    won, decision = sourced.reserved.reservation, sourced.decision
    assert (won.asset_id, won.hub_id, won.replaces_id, won.state) == (
        lost.reservation.asset_id, fleet.near, lost.reservation.id, State.HELD,
    )  # fmt: skip
    assert decision.text == (
        "BER restores it by car at 2026-11-25 09:30Z, taken from INC-7 (P4) by rule 'any'."
        " INC-7 (P4): it is served 1 d 6 h later from HAM."
    )
    old = (await fleet.reservations())[0]
    reason = "its unit was given to ticket INC-9 (P1), which had none"
    assert (old.state, old.reason) == (State.RELEASED, reason)
    assert await fleet.book() == (1, 1)
    assert len(await changes(engine, "stock")) == before
    async with reading(engine) as tx:
        assert await stop_reason(tx, old.id) == reason


async def test_what_would_be_taken_is_explained_and_nothing_is_done(engine: AsyncEngine):
    fleet = await make_fleet(engine, near=1)
    await fleet.decide(await fleet.ticket("P5", number="INC-7"))
    ticket = await fleet.ticket("P1")

    async with reading(engine) as tx:
        decision = await explain_ticket(tx, ticket, policy(), NOW)

    assert [(taken.ticket, taken.instead[:9]) for taken in decision.taken_from] == [("INC-7 (P5)", "it waits:")]
    assert [row.state for row in await fleet.reservations()] == [State.HELD]


async def test_a_free_unit_in_time_is_used_first_and_a_unit_that_has_left_never(engine: AsyncEngine):
    fleet = await make_fleet(engine, near=2)
    weak = [(await fleet.decide(await fleet.ticket("P4"))).reserved.reservation for _ in range(2)]
    async with transaction(engine) as tx:
        await commit_reservation(tx, weak[0].id, actor="test", at=NOW)
        await fulfil_reservation(tx, weak[0].id, actor="test", at=NOW)
        parcel = {
            "reservation_id": weak[1].id, "hub_id": fleet.near, "direction": "outbound", "status": "picked_up",
            "carrier": "dhl", "created_at": NOW, "updated_at": NOW,
        }  # fmt: skip
        await insert_row(tx, tables.shipment, parcel)

    nothing = await fleet.decide(await fleet.ticket("P1"))
    assert nothing.decision.outcome is Outcome.REVIEW

    async with transaction(engine) as tx:
        await make_spares(tx, hub_id=fleet.far, product_id=fleet.product, count=1)
        await tx.execute(update(tables.shipment).values(status="cancelled"))
    free = await fleet.decide(await fleet.ticket("P1", sla_due_at=NOW + timedelta(days=9)))
    assert (free.reserved.reservation.hub_id, free.reserved.reservation.replaces_id) == (fleet.far, None)


async def test_a_ticket_that_lost_once_does_not_lose_again(engine: AsyncEngine):
    fleet = await make_fleet(engine, near=1)
    weak = await fleet.ticket("P4")
    await fleet.decide(weak)
    first = (await fleet.decide(await fleet.ticket("P1"))).reserved.reservation
    async with transaction(engine) as tx:
        await release_reservation(tx, first.id, actor="test", at=NOW, reason="test")
    await fleet.decide(weak)

    refused = await fleet.decide(await fleet.ticket("P1"))

    assert [losers.code for losers in refused.decision.losers] == ["lost_before"]
    assert [row.state for row in await fleet.reservations()] == [State.RELEASED, State.RELEASED, State.HELD]


async def test_counted_units_pass_as_far_as_they_are_needed(engine: AsyncEngine):
    fleet = await make_fleet(engine, near=5, counted=True)
    async with transaction(engine) as tx:
        claims = {"hub_id": fleet.near, "product_id": fleet.product, "requested_product_id": fleet.product}
        values = {"quantity": 5, "state": "held", "created_at": NOW, "updated_at": NOW, "ticket_id": 0}
        ticket = await make_ticket(tx, source_id=fleet.source, priority="P4", number="INC-7")
        await insert_row(tx, tables.reservation, {**values, **claims, "ticket_id": ticket})
        await tx.execute(update(tables.stock).where(tables.stock.c.hub_id == fleet.near).values(reserved=5))

    won = (await fleet.decide(await fleet.ticket("P1"))).reserved.reservation

    assert (won.quantity, won.replaces_id) == (1, 1)
    assert await fleet.book() == (5, 1)


async def test_two_of_a_batch_do_not_take_the_same_unit(engine: AsyncEngine):
    fleet = await make_fleet(engine, near=1)
    await fleet.decide(await fleet.ticket("P5"))
    late, first = await fleet.ticket("P1"), await fleet.ticket("P1", opened_at=NOW - timedelta(hours=1))

    async with transaction(engine) as tx:
        sourced = await decide_and_reserve_many(tx, [late, first], policy(), now=NOW)

    assert [sourced[number].reserved is not None for number in (first, late)] == [True, False]


async def test_in_a_batch_the_first_has_the_free_unit_and_the_next_take_from_the_weakest(engine: AsyncEngine):
    fleet = await make_fleet(engine, near=3)
    held = [(await fleet.decide(await fleet.ticket(priority))).reserved.reservation for priority in ("P4", "P5")]
    urgent = [await fleet.ticket("P1", opened_at=NOW - timedelta(hours=hours)) for hours in (3, 2, 1, 0)]

    async with transaction(engine) as tx:
        sourced = await decide_and_reserve_many(tx, urgent, policy(), now=NOW)

    taken = [sourced[n].reserved.reservation.replaces_id if sourced[n].reserved else "nothing" for n in urgent]
    assert taken == [None, held[1].id, held[0].id, "nothing"]


async def test_what_one_of_a_batch_leaves_over_is_free_for_the_next_and_taken_from_nobody_else(engine: AsyncEngine):
    fleet = await make_fleet(engine, near=6, counted=True)
    claims = {"hub_id": fleet.near, "product_id": fleet.product, "requested_product_id": fleet.product}
    async with transaction(engine) as tx:
        for quantity, minutes in ((1, 9), (5, 0)):
            at = NOW - timedelta(minutes=minutes)
            ticket = await make_ticket(tx, source_id=fleet.source, priority="P5")
            row = {"quantity": quantity, "state": "held", "created_at": at, "updated_at": at, "ticket_id": ticket}
            await insert_row(tx, tables.reservation, {**row, **claims})
        await tx.execute(update(tables.stock).where(tables.stock.c.hub_id == fleet.near).values(reserved=6))
    urgent = [await fleet.ticket("P1") for _ in range(3)]

    async with transaction(engine) as tx:
        sourced = await decide_and_reserve_many(tx, urgent, policy(), now=NOW)

    assert [sourced[number].reserved.reservation.replaces_id for number in urgent] == [2, None, None]
    states = [row.state for row in await fleet.reservations()]
    assert states == [State.HELD, State.RELEASED, State.HELD, State.HELD, State.HELD]
    assert await fleet.book() == (6, 4)


async def test_what_is_held_through_a_red_channel_is_taken_by_nobody_outside_of_it(engine: AsyncEngine):
    fleet = await make_fleet(engine, near=1)
    stated = policy("preempt: {}").model_copy(update={"red_channels": {"recall": RECALL}})
    async with transaction(engine) as tx:
        scope: dict[str, list[Any]] = {"regions": ["EU"]}
        new = NewChannel("recall", stated.version, "advisory", scope, NOW + timedelta(hours=1))
        await insert_channel(tx, new, by="dan", at=NOW)
    held = (await fleet.decide(await fleet.ticket("P5", title="recalled"), stated)).reserved.reservation

    refused = await fleet.decide(await fleet.ticket("P1"), stated)
    taken = await fleet.decide(await fleet.ticket("P1", title="recalled"), stated)

    assert [losers.code for losers in refused.decision.losers] == ["claim_in_channel"]
    assert taken.reserved.reservation.replaces_id == held.id


async def test_a_claim_of_a_red_channel_that_a_person_has_moved_is_taken_by_nobody_outside_of_it(engine: AsyncEngine):
    fleet = await make_fleet(engine, near=2)
    stated = policy("preempt: {}").model_copy(update={"red_channels": {"recall": RECALL}})
    async with transaction(engine) as tx:
        new = NewChannel("recall", stated.version, "advisory", {"regions": ["EU"]}, NOW + timedelta(hours=1))
        channel = await insert_channel(tx, new, by="dan", at=NOW)
    held = (await fleet.decide(await fleet.ticket("P5", title="recalled"), stated)).reserved.reservation
    async with transaction(engine) as tx:
        units = tables.asset.c
        other = (
            await tx.execute(select(units.id).where(units.hub_id == fleet.near, units.id != held.asset_id))
        ).scalar_one()
        moved = await move_reservation(
            tx, held.id, ShelfKey(fleet.near, fleet.product, held.lane), asset_id=other, actor="ann", at=NOW,
            expires_at=NOW + timedelta(hours=1),
        )  # fmt: skip
    await fleet.decide(await fleet.ticket("P1"), stated)

    refused = await fleet.decide(await fleet.ticket("P1"), stated)
    taken = await fleet.decide(await fleet.ticket("P1", title="recalled"), stated)

    assert moved.decision_id == held.decision_id
    assert [losers.code for losers in refused.decision.losers] == ["claim_in_channel"]
    assert taken.reserved.reservation.replaces_id == moved.id
    async with reading(engine) as tx:
        assert (await use_of(tx, channel))["units"] == {"normal": 1}, "the one that was moved went to another ticket"


async def test_what_a_person_chose_for_a_ticket_of_a_red_channel_is_taken_by_nobody_outside_of_it(engine: AsyncEngine):
    fleet = await make_fleet(engine, near=0)
    stated = policy("preempt: {}").model_copy(update={"red_channels": {"recall": RECALL}})
    async with transaction(engine) as tx:
        new = NewChannel("recall", stated.version, "advisory", {"regions": ["EU"]}, NOW + timedelta(hours=1))
        await insert_channel(tx, new, by="dan", at=NOW)
    red, plain = await fleet.ticket("P5", title="recalled"), await fleet.ticket("P5")
    for ticket in (red, plain):
        assert (await fleet.decide(ticket, stated)).decision.outcome is Outcome.REVIEW
    async with transaction(engine) as tx:
        await make_spares(tx, hub_id=fleet.near, product_id=fleet.product, count=2)
        held = {}
        for ticket in (red, plain):
            claim = Claim(ticket, fleet.near, fleet.product, fleet.product, expires_at=NOW + timedelta(hours=1))
            held[ticket] = (await reserve(tx, claim, actor="ann", at=NOW)).reservation

    taken = [await fleet.decide(await fleet.ticket("P1"), stated) for _ in range(2)]

    assert taken[0].reserved.reservation.replaces_id == held[plain].id
    assert [losers.code for losers in taken[1].decision.losers] == ["claim_in_channel"]


async def test_a_claim_that_somebody_works_on_is_waited_for_when_there_is_no_other(database: str):
    if database.startswith("sqlite"):
        pytest.skip("has one writer, so nobody works on anything at the same time")
    engine = open_engine(database)
    fleet = await make_fleet(engine, near=2)
    for _ in range(2):
        await fleet.decide(await fleet.ticket("P4"))
    [ticket, other] = [await fleet.ticket("P1") for _ in range(2)]

    async with transaction(engine) as tx:
        newest = (await fleet.reservations())[-1]
        await commit_reservation(tx, newest.id, actor="test", at=NOW)
        passed_over = await fleet.decide(ticket)
        waiting = asyncio.create_task(fleet.decide(other))
        await asyncio.sleep(0)
        await fulfil_reservation(tx, newest.id, actor="test", at=NOW)
    nothing = await waiting

    assert passed_over.reserved.reservation.replaces_id == newest.id - 1
    assert nothing.decision.outcome is Outcome.REVIEW
    await engine.dispose()


async def test_sixteen_p1_at_once_share_what_weaker_tickets_have_and_no_unit_twice(database: str):
    engine = open_engine(database, pool_size=16)
    fleet = await make_fleet(engine, near=6)
    for number in range(6):
        await fleet.decide(await fleet.ticket("P4" if number % 2 else "P5"))
    urgent = [await fleet.ticket("P1") for _ in range(16)]

    async with asyncio.timeout(60):
        outcomes = await asyncio.gather(*(fleet.decide(ticket) for ticket in urgent))

    won = [outcome.reserved.reservation for outcome in outcomes if outcome.reserved]
    assert len({item.asset_id for item in won}) == len({item.replaces_id for item in won}) == len(won) == 6
    states = [row.state for row in await fleet.reservations()]
    assert (states.count(State.RELEASED), states.count(State.HELD)) == (6, 6)
    assert await fleet.book() == (6, 6)
    for item in won:
        async with transaction(engine) as tx:
            await release_reservation(tx, item.id, actor="test", at=NOW, reason="test")
    assert await fleet.book() == (6, 0)
    await engine.dispose()


async def test_where_the_parcel_had_gone_the_winner_has_nothing_and_the_book_knows(engine: AsyncEngine):
    fleet = await make_fleet(engine, near=1)
    lost = (await fleet.decide(await fleet.ticket("P4"))).reserved.reservation
    won = (await fleet.decide(await fleet.ticket("P1"))).reserved.reservation

    async with transaction(engine) as tx:
        assert await forfeit(tx, lost.id, parcel="TRK1", actor="test", at=NOW)
        assert not await forfeit(tx, won.id, parcel="TRK1", actor="test", at=NOW)

    ended = (await fleet.reservations())[-1]
    assert (ended.id, ended.state, ended.reason) == (
        won.id, State.RELEASED, "its unit had left the hub with TRK1 before it was given to this ticket",
    )  # fmt: skip
    assert await fleet.book() == (0, 0)


async def test_two_claims_at_once_do_not_go_below_what_is_kept(database: str):
    engine = open_engine(database, pool_size=16)
    fleet = await make_fleet(engine, near=5)
    async with transaction(engine) as tx:
        await tx.execute(update(tables.stock).values(safety_stock=2, emergency_buffer=1))
    plain, releasing = policy("hold_minutes: 60"), policy("releases: [safety_stock]")

    tickets = [await fleet.ticket("P1") for _ in range(12)]

    outcomes = await asyncio.gather(*(fleet.decide(ticket, plain) for ticket in tickets[:6]))
    assert sum(outcome.reserved is not None for outcome in outcomes) == 2
    more = await asyncio.gather(*(fleet.decide(ticket, releasing) for ticket in tickets[6:]))

    assert sum(outcome.reserved is not None for outcome in more) == 2
    assert await fleet.book() == (5, 4)
    await engine.dispose()
