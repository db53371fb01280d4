"""Claims on one database, one after the other: what they change, what they log, what they refuse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import (
    NOW,
    make_asset,
    make_counted_stock,
    make_hub,
    make_product,
    make_source,
    make_spares,
    make_ticket,
)

from connector.model.errors import IllegalTransition, InvalidInput, NotKnown, OutOfStock
from connector.model.kinds import Lane
from connector.model.lifecycle import ReservationState
from connector.storage import tables
from connector.storage.database.changes import publish_changes, read_changes
from connector.storage.database.engine import reading, transaction
from connector.storage.stock.reservations import Claim
from connector.storage.stock.reserve import (
    commit_reservation,
    expire_due,
    fulfil_reservation,
    release_reservation,
    reserve,
)


class Shelf:
    """A hub with units of one product, and tickets that want them."""

    def __init__(self, engine: AsyncEngine, hub_id: int, product_id: int, source_id: int) -> None:
        self.engine, self.hub_id, self.product_id, self.source_id = engine, hub_id, product_id, source_id
        self.assets: list[int] = []

    async def ticket(self) -> int:
        async with transaction(self.engine) as tx:
            return await make_ticket(tx, source_id=self.source_id)

    def claim(self, ticket_id: int, **values: Any) -> Claim:
        named = {"hub_id": self.hub_id, "product_id": self.product_id, "requested_product_id": self.product_id}
        return Claim(**{"ticket_id": ticket_id, **named, **values})

    async def book(self) -> tuple[int, int]:
        """on_hand, reserved."""
        async with reading(self.engine) as tx:
            row = (await tx.execute(select(tables.stock.c.on_hand, tables.stock.c.reserved))).one()
            return row[0], row[1]

    async def states(self) -> list[str]:
        async with reading(self.engine) as tx:
            rows = await tx.execute(select(tables.asset.c.state).order_by(tables.asset.c.id))
            return [state.value for state in rows.scalars()]


async def changes(engine: AsyncEngine) -> list[tuple[str, str, dict[str, Any]]]:
    async with transaction(engine) as tx:
        await publish_changes(tx)
    async with reading(engine) as tx:
        return [(c.kind.value, c.operation, c.fields) for c in await read_changes(tx, 0)]


@pytest.fixture
async def shelf(engine: AsyncEngine) -> Shelf:
    """Three serialised units."""
    async with transaction(engine) as tx:
        shelf = Shelf(engine, await make_hub(tx), await make_product(tx), await make_source(tx))
        shelf.assets = await make_spares(tx, hub_id=shelf.hub_id, product_id=shelf.product_id, count=3)
    return shelf


@pytest.fixture
async def bulk(engine: AsyncEngine) -> Shelf:
    """Ten counted units."""
    async with transaction(engine) as tx:
        product = await make_product(tx, tracking="counted")
        shelf = Shelf(engine, await make_hub(tx), product, await make_source(tx))
        await make_counted_stock(tx, hub_id=shelf.hub_id, product_id=product, on_hand=10)
    return shelf


async def test_a_claim_takes_the_first_free_unit_and_logs_what_it_changed(shelf: Shelf):
    ticket = await shelf.ticket()

    async with transaction(shelf.engine) as tx:
        outcome = await reserve(tx, shelf.claim(ticket, expires_at=NOW + timedelta(hours=1)), actor="test", at=NOW)

    held = outcome.reservation
    assert (outcome.is_new, held.asset_id, held.state, held.quantity) == (
        True, shelf.assets[0], ReservationState.HELD, 1,
    )  # fmt: skip
    assert await shelf.states() == ["reserved", "in_stock", "in_stock"]
    assert await shelf.book() == (3, 1)
    assert await changes(shelf.engine) == [
        (
            "reservation", "created",
            {
                "id": [None, held.id], "ticket_id": [None, ticket], "line": [None, 1], "hub_id": [None, shelf.hub_id],
                "product_id": [None, shelf.product_id], "requested_product_id": [None, shelf.product_id],
                "asset_id": [None, shelf.assets[0]], "lane": [None, "normal"], "quantity": [None, 1],
                "state": [None, "held"], "expires_at": [None, "2026-11-25T10:00:00Z"],
                "created_at": [None, "2026-11-25T09:00:00Z"], "updated_at": [None, "2026-11-25T09:00:00Z"],
            },
        ),
        ("asset", "updated", {"state": ["in_stock", "reserved"]}),
        ("stock", "updated", {"reserved": [0, 1]}),
    ]  # fmt: skip


async def test_the_same_line_asked_again_is_the_same_reservation(shelf: Shelf):
    ticket = await shelf.ticket()
    async with transaction(shelf.engine) as tx:
        first = await reserve(tx, shelf.claim(ticket), actor="test", at=NOW)

    async with transaction(shelf.engine) as tx:
        again = await reserve(tx, shelf.claim(ticket), actor="test", at=NOW)

    assert (again.is_new, again.reservations) == (False, first.reservations)
    assert await shelf.book() == (3, 1)
    assert len(await changes(shelf.engine)) == 3


async def test_medusa_16502_two_lines_of_the_same_item_do_not_both_pass_the_last_unit(shelf: Shelf):
    ticket = await shelf.ticket()
    async with transaction(shelf.engine) as tx:
        await reserve(tx, shelf.claim(await make_ticket(tx, source_id=shelf.source_id), quantity=2), actor="t", at=NOW)

    async with transaction(shelf.engine) as tx:
        await reserve(tx, shelf.claim(ticket, line=1), actor="test", at=NOW)
        with pytest.raises(OutOfStock, match=r"has fewer than 1 free units of product \d+ in the normal lane"):
            await reserve(tx, shelf.claim(ticket, line=2), actor="test", at=NOW)

    assert await shelf.book() == (3, 3)


async def test_several_units_are_claimed_all_or_none(shelf: Shelf):
    ticket, other = await shelf.ticket(), await shelf.ticket()

    async with transaction(shelf.engine) as tx:
        outcome = await reserve(tx, shelf.claim(ticket, quantity=2, line=4), actor="test", at=NOW)
        with pytest.raises(OutOfStock):
            await reserve(tx, shelf.claim(other, quantity=2), actor="test", at=NOW)

    assert [(r.line, r.asset_id) for r in outcome.reservations] == [(4, shelf.assets[0]), (5, shelf.assets[1])]
    assert await shelf.states() == ["reserved", "reserved", "in_stock"]
    assert await shelf.book() == (3, 2)
    async with transaction(shelf.engine) as tx:
        again = await reserve(tx, shelf.claim(ticket, quantity=2, line=4), actor="test", at=NOW)
    assert again.reservations == outcome.reservations


async def test_several_units_need_as_many_free_lines(shelf: Shelf):
    ticket = await shelf.ticket()
    async with transaction(shelf.engine) as tx:
        await reserve(tx, shelf.claim(ticket, line=2), actor="test", at=NOW)
        with pytest.raises(InvalidInput, match="has a reservation on line 2 already, which 2 units from line 1 on"):
            await reserve(tx, shelf.claim(ticket, quantity=2), actor="test", at=NOW)

    assert await shelf.book() == (3, 1)


async def test_vendure_4030_counted_units_that_are_promised_are_not_promised_again(bulk: Shelf):
    first, second = await bulk.ticket(), await bulk.ticket()

    async with transaction(bulk.engine) as tx:
        outcome = await reserve(tx, bulk.claim(first, quantity=7), actor="test", at=NOW)
        with pytest.raises(OutOfStock, match="fewer than 4 free units"):
            await reserve(tx, bulk.claim(second, quantity=4), actor="test", at=NOW)
        await reserve(tx, bulk.claim(second, quantity=3), actor="test", at=NOW)

    assert (outcome.reservation.asset_id, outcome.reservation.quantity) == (None, 7)
    assert await bulk.book() == (10, 10)


async def test_a_book_that_promises_more_than_stands_on_the_shelf_claims_nothing(shelf: Shelf):
    async with transaction(shelf.engine) as tx:
        await tx.execute(update(tables.stock).values(on_hand=9))

    async with transaction(shelf.engine) as tx:
        with pytest.raises(OutOfStock):
            await reserve(
                tx, shelf.claim(await make_ticket(tx, source_id=shelf.source_id), quantity=4), actor="t", at=NOW
            )

    assert await shelf.states() == ["in_stock"] * 3
    assert await shelf.book() == (9, 0)


async def test_units_of_another_lane_or_in_another_state_are_not_taken(shelf: Shelf):
    async with transaction(shelf.engine) as tx:
        await tx.execute(update(tables.asset).values(state="quarantined").where(tables.asset.c.id == shelf.assets[0]))
        ticket = await make_ticket(tx, source_id=shelf.source_id)
        with pytest.raises(OutOfStock, match="in the break_glass lane"):
            await reserve(tx, shelf.claim(ticket, lane=Lane.BREAK_GLASS), actor="test", at=NOW)
        outcome = await reserve(tx, shelf.claim(ticket), actor="test", at=NOW)

    assert outcome.reservation.asset_id == shelf.assets[1]


@pytest.mark.parametrize(("quantity", "error"), [(0, InvalidInput), (1, NotKnown)])
async def test_a_claim_that_cannot_be_meant_is_refused(shelf: Shelf, quantity: int, error: type[Exception]):
    async with transaction(shelf.engine) as tx:
        with pytest.raises(error, match=r"quantity 0 cannot be reserved|there is no ticket with id 999"):
            await reserve(tx, shelf.claim(999, quantity=quantity), actor="test", at=NOW)

    assert await shelf.book() == (3, 0)


async def held(shelf: Shelf, **values: Any) -> int:
    ticket = await shelf.ticket()
    async with transaction(shelf.engine) as tx:
        return (await reserve(tx, shelf.claim(ticket, **values), actor="test", at=NOW)).reservation.id


@pytest.mark.parametrize("committed", [False, True])
async def test_vendure_1198_releasing_gives_back_exactly_what_was_taken(shelf: Shelf, committed: bool):
    reservation = await held(shelf)
    async with transaction(shelf.engine) as tx:
        if committed:
            await commit_reservation(tx, reservation, actor="test", at=NOW)
    before = len(await changes(shelf.engine))

    for _ in range(2):
        async with transaction(shelf.engine) as tx:
            released = await release_reservation(tx, reservation, reason="cancelled", actor="test", at=NOW)

    assert (released.state, released.reason) == (ReservationState.RELEASED, "cancelled")
    assert await shelf.states() == ["in_stock"] * 3
    assert await shelf.book() == (3, 0)
    was = "committed" if committed else "held"
    assert (await changes(shelf.engine))[before:] == [
        ("reservation", "updated", {"state": [was, "released"], "reason": [None, "cancelled"]}),
        ("asset", "updated", {"state": ["reserved", "in_stock"]}),
        ("stock", "updated", {"reserved": [1, 0]}),
    ]


async def test_a_released_line_can_be_reserved_again(shelf: Shelf):
    ticket = await shelf.ticket()
    async with transaction(shelf.engine) as tx:
        first = (await reserve(tx, shelf.claim(ticket), actor="test", at=NOW)).reservation
        await release_reservation(tx, first.id, reason="wrong unit", actor="test", at=NOW)
        second = await reserve(tx, shelf.claim(ticket), actor="test", at=NOW)

    assert second.is_new
    assert second.reservation.id != first.id


async def test_vendure_2874_releasing_counted_units_gives_back_the_whole_quantity(bulk: Shelf):
    reservation = await held(bulk, quantity=4)
    await held(bulk, quantity=2)

    async with transaction(bulk.engine) as tx:
        await release_reservation(tx, reservation, reason="cancelled", actor="test", at=NOW)

    assert await bulk.book() == (10, 2)


async def test_fulfilling_takes_the_unit_off_the_hubs_book(shelf: Shelf):
    reservation = await held(shelf)
    async with transaction(shelf.engine) as tx:
        await commit_reservation(tx, reservation, actor="test", at=NOW)
    before = len(await changes(shelf.engine))

    for _ in range(2):
        async with transaction(shelf.engine) as tx:
            fulfilled = await fulfil_reservation(tx, reservation, actor="test", at=NOW)

    assert fulfilled.state is ReservationState.FULFILLED
    assert await shelf.states() == ["in_transit", "in_stock", "in_stock"]
    assert await shelf.book() == (2, 0)
    assert (await changes(shelf.engine))[before:] == [
        ("reservation", "updated", {"state": ["committed", "fulfilled"]}),
        ("asset", "updated", {"state": ["reserved", "in_transit"], "hub_id": [shelf.hub_id, None]}),
        ("stock", "updated", {"reserved": [1, 0], "on_hand": [3, 2]}),
    ]


async def test_fulfilling_counted_units_takes_them_off_the_book(bulk: Shelf):
    reservation = await held(bulk, quantity=4)

    async with transaction(bulk.engine) as tx:
        await commit_reservation(tx, reservation, actor="test", at=NOW)
        await fulfil_reservation(tx, reservation, actor="test", at=NOW)

    assert await bulk.book() == (6, 0)


async def test_a_committed_reservation_does_not_expire(shelf: Shelf):
    reservation = await held(shelf, expires_at=NOW)

    async with transaction(shelf.engine) as tx:
        committed = await commit_reservation(tx, reservation, actor="test", at=NOW)
        again = await commit_reservation(tx, reservation, actor="test", at=NOW)
        assert await expire_due(tx, at=NOW + timedelta(days=9)) == ()

    assert (committed.state, committed.expires_at) == (ReservationState.COMMITTED, None)
    assert again == committed
    assert await shelf.book() == (3, 1)


async def test_vendure_3509_what_is_held_past_its_time_goes_back_to_the_shelf(shelf: Shelf):
    late = await held(shelf, expires_at=NOW + timedelta(minutes=30))
    await held(shelf, expires_at=NOW + timedelta(minutes=31))

    for expected in ([late], []):
        async with transaction(shelf.engine) as tx:
            expired = await expire_due(tx, at=NOW + timedelta(minutes=30))
        assert [(r.id, r.state, r.reason) for r in expired] == [
            (number, ReservationState.EXPIRED, "not committed in time") for number in expected
        ]

    assert await shelf.states() == ["in_stock", "reserved", "in_stock"]
    assert await shelf.book() == (3, 1)


async def test_many_expire_at_once_over_serialised_and_counted_shelves(shelf: Shelf):
    async with transaction(shelf.engine) as tx:
        cable = await make_product(tx, tracking="counted")
        await make_counted_stock(tx, hub_id=shelf.hub_id, product_id=cable, on_hand=10)
    for number in range(3):
        await held(shelf, expires_at=NOW)
        await held(shelf, expires_at=NOW, product_id=cable, quantity=number + 1)

    async with transaction(shelf.engine) as tx:
        expired = await expire_due(tx, at=NOW)

    assert len(expired) == 6
    async with reading(shelf.engine) as tx:
        books = (await tx.execute(select(tables.stock.c.on_hand, tables.stock.c.reserved))).all()
    assert sorted(tuple(book) for book in books) == [(3, 0), (10, 0)]
    assert await shelf.states() == ["in_stock"] * 3


async def _end(tx: AsyncConnection, reservation: int, how: str) -> None:
    match how:
        case "release":
            await release_reservation(tx, reservation, reason="test", actor="test", at=NOW)
        case "expire":
            state = ReservationState.EXPIRED
            await release_reservation(tx, reservation, reason="test", actor="test", at=NOW, state=state)
        case "commit":
            await commit_reservation(tx, reservation, actor="test", at=NOW)
        case "fulfil":
            await fulfil_reservation(tx, reservation, actor="test", at=NOW)


@pytest.mark.parametrize(
    ("before", "move", "message"),
    [
        ([], "fulfil", r"from held to fulfilled: legal next states are committed, expired, released\."),
        (["release"], "commit", r"from released to committed: legal next states are none, it is final\."),
        (["expire"], "commit", r"from expired to committed: legal next states are none, it is final\."),
        (["commit"], "expire", r"from committed to expired: legal next states are fulfilled, released\."),
        (["commit", "fulfil"], "release", r"from fulfilled to released: legal next states are none, it is final\."),
        (["commit", "fulfil"], "commit", r"from fulfilled to committed: legal next states are none, it is final\."),
    ],
)
async def test_illegal_moves_are_refused_with_the_legal_ones_named(
    shelf: Shelf, before: list[str], move: str, message: str
):
    reservation = await held(shelf)
    async with transaction(shelf.engine) as tx:
        for step in before:
            await _end(tx, reservation, step)
    book = await shelf.book()

    async with transaction(shelf.engine) as tx:
        with pytest.raises(IllegalTransition, match=rf"reservation {reservation} cannot go {message}"):
            await _end(tx, reservation, move)

    assert await shelf.book() == book


@pytest.mark.parametrize("move", ["release", "commit", "fulfil"])
async def test_a_reservation_that_does_not_exist_is_not_known(shelf: Shelf, move: str):
    async with transaction(shelf.engine) as tx:
        with pytest.raises(NotKnown, match="there is no reservation with id 404"):
            await _end(tx, 404, move)


async def test_medusa_12401_a_book_that_was_counted_anew_never_goes_below_zero(bulk: Shelf):
    reservation = await held(bulk, quantity=4)
    async with transaction(bulk.engine) as tx:
        await tx.execute(update(tables.stock).values(on_hand=3, reserved=1))

    async with transaction(bulk.engine) as tx:
        await release_reservation(tx, reservation, reason="test", actor="test", at=NOW)

    assert await bulk.book() == (3, 0)


async def test_a_unit_found_lost_while_reserved_stays_lost_when_released(shelf: Shelf):
    reservation = await held(shelf)
    async with transaction(shelf.engine) as tx:
        await tx.execute(update(tables.asset).values(state="lost").where(tables.asset.c.id == shelf.assets[0]))
        await tx.execute(update(tables.stock).values(on_hand=2, reserved=0))

    async with transaction(shelf.engine) as tx:
        await release_reservation(tx, reservation, reason="lost", actor="test", at=NOW)

    assert await shelf.states() == ["lost", "in_stock", "in_stock"]
    assert await shelf.book() == (2, 0)


async def test_a_claim_rolled_back_was_never_there(shelf: Shelf):
    async def fail_half_way() -> None:
        async with transaction(shelf.engine) as tx:
            ticket = await make_ticket(tx, source_id=shelf.source_id)
            await reserve(tx, shelf.claim(ticket), actor="test", at=NOW)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await fail_half_way()

    assert await shelf.states() == ["in_stock"] * 3
    assert await shelf.book() == (3, 0)
    assert await changes(shelf.engine) == []


async def test_an_asset_elsewhere_is_never_taken(shelf: Shelf):
    async with transaction(shelf.engine) as tx:
        await make_asset(tx, product_id=shelf.product_id, hub_id=await make_hub(tx), state="in_stock")
        await tx.execute(update(tables.stock).values(on_hand=4))

    for _ in range(3):
        await held(shelf)
    with pytest.raises(OutOfStock):
        await held(shelf)

    assert await shelf.states() == ["reserved", "reserved", "reserved", "in_stock"]
