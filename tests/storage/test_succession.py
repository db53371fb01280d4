"""Reservations that are moved, split, extended or taken over: what passes, what is refused, that nothing is lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import (
    MUNICH,
    NOW,
    insert_row,
    make_counted_stock,
    make_hub,
    make_product,
    make_source,
    make_spares,
    make_ticket,
)

from connector.model.errors import IllegalTransition, InvalidInput, OutOfStock
from connector.model.kinds import Lane
from connector.model.lifecycle import ReservationState as State
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.stock.holds import extend_reservation
from connector.storage.stock.reservations import Claim, Reservation
from connector.storage.stock.reserve import commit_reservation, fulfil_reservation, release_reservation, reserve
from connector.storage.stock.stopping import order_stop, stop_reason
from connector.storage.stock.succession import hand_over, in_the_hub, move_reservation, split_reservation
from connector.storage.stock.units import ShelfKey

HOUR = timedelta(hours=1)
LATER = NOW + HOUR


class Depot:
    """Two hubs with two serialised units each of one product and nine counted ones of another."""

    def __init__(self, engine: AsyncEngine, **ids: Any) -> None:
        self.engine = engine
        self.hubs: list[int] = ids["hubs"]
        self.switch: int = ids["switch"]
        self.cable: int = ids["cable"]
        self.source_id: int = ids["source_id"]
        self.units: list[int] = ids["units"]

    async def held(self, product: int, quantity: int = 1, **values: Any) -> Reservation:
        """Held for a ticket of its own, from the first hub."""
        async with transaction(self.engine) as tx:
            claim = Claim(
                ticket_id=await make_ticket(tx, source_id=self.source_id), hub_id=self.hubs[0], product_id=product,
                requested_product_id=product, quantity=quantity, expires_at=LATER, **values,
            )  # fmt: skip
            return (await reserve(tx, claim, actor="test", at=NOW)).reservation

    async def move(self, number: int, hub: int, product: int, lane: Lane = Lane.NORMAL, **unit: Any) -> Reservation:
        async with transaction(self.engine) as tx:
            shelf = ShelfKey(self.hubs[hub], product, lane)
            return await move_reservation(tx, number, shelf, actor="test", at=NOW, expires_at=LATER, **unit)

    async def split(self, number: int, quantity: int) -> tuple[Reservation, Reservation]:
        async with transaction(self.engine) as tx:
            return await split_reservation(tx, number, quantity, actor="test", at=NOW, expires_at=LATER)

    async def do(self, move: Any, number: int, **values: Any) -> Any:
        async with transaction(self.engine) as tx:
            return await move(tx, number, actor="test", at=NOW, **values)

    async def books(self) -> dict[tuple[int, int], tuple[int, int]]:
        """On hand and reserved, by hub and product."""
        c = tables.stock.c
        async with reading(self.engine) as tx:
            rows = await tx.execute(select(c.hub_id, c.product_id, c.on_hand, c.reserved))
            return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    async def states(self) -> list[str]:
        """Of the units."""
        async with reading(self.engine) as tx:
            rows = await tx.execute(select(tables.asset.c.state).order_by(tables.asset.c.id))
            return [state.value for state in rows.scalars()]

    async def reservation(self, number: int) -> Reservation:
        async with reading(self.engine) as tx:
            table = tables.reservation
            return Reservation(*(await tx.execute(select(table).where(table.c.id == number))).one())


@pytest.fixture
async def depot(engine: AsyncEngine) -> Depot:
    async with transaction(engine) as tx:
        hubs = [await make_hub(tx), await make_hub(tx, **MUNICH)]
        switch, cable = await make_product(tx), await make_product(tx, tracking="counted")
        units = []
        for hub in hubs:
            units += await make_spares(tx, hub_id=hub, product_id=switch, count=2)
            await make_counted_stock(tx, hub_id=hub, product_id=cable, on_hand=9)
        source_id = await make_source(tx)
    return Depot(engine, hubs=hubs, switch=switch, cable=cable, source_id=source_id, units=units)


async def test_a_move_takes_the_new_unit_and_gives_the_old_one_back(depot: Depot):
    old = await depot.held(depot.switch)
    await depot.do(commit_reservation, old.id)

    new = await depot.move(old.id, 1, depot.switch)

    assert (new.state, new.asset_id, new.line, new.replaces_id) == (State.HELD, depot.units[2], old.line, old.id)
    assert (new.expires_at, new.decision_id) == (LATER, None)
    ended = await depot.reservation(old.id)
    assert (ended.state, ended.reason) == (State.RELEASED, "moved")
    assert await depot.states() == ["in_stock", "in_stock", "reserved", "in_stock"]
    here, there = depot.hubs
    books = await depot.books()
    assert (books[here, depot.switch], books[there, depot.switch]) == ((2, 0), (2, 1))
    async with reading(depot.engine) as tx:
        assert await stop_reason(tx, old.id) == "moved"


async def test_a_move_to_another_unit_of_the_same_shelf_needs_that_unit(depot: Depot):
    old = await depot.held(depot.switch)
    taken = await depot.held(depot.switch)

    with pytest.raises(OutOfStock, match=f"hub {old.hub_id} has fewer than 1 free units"):
        await depot.move(old.id, 0, depot.switch, asset_id=taken.asset_id)
    with pytest.raises(OutOfStock, match=f"asset {depot.units[0]} is not free on that shelf"):
        await depot.move(old.id, 1, depot.switch, asset_id=depot.units[0])
    await depot.do(release_reservation, taken.id, reason="test")
    new = await depot.move(old.id, 0, depot.switch, asset_id=depot.units[1])

    assert new.asset_id == depot.units[1]
    assert (await depot.books())[depot.hubs[0], depot.switch] == (2, 1)
    assert (await depot.states())[:2] == ["in_stock", "reserved"]


async def test_a_move_to_where_nothing_is_free_changes_nothing(depot: Depot):
    old = await depot.held(depot.cable, 5)
    before = await depot.books()
    async with transaction(depot.engine) as tx:
        await tx.execute(update(tables.stock).where(tables.stock.c.hub_id == depot.hubs[1]).values(safety_stock=6))

    with pytest.raises(OutOfStock, match=r"5 free units .* in the normal lane: 9 free, kept as safety stock \(6\)"):
        await depot.move(old.id, 1, depot.cable)

    assert await depot.books() == before
    assert (await depot.reservation(old.id)).state is State.HELD


async def test_a_split_makes_two_of_one_without_touching_the_book(depot: Depot):
    old = await depot.held(depot.cable, 5)
    before = await depot.books()

    first, second = await depot.split(old.id, 2)

    assert [(r.line, r.quantity, r.replaces_id, r.expires_at) for r in (first, second)] == [
        (1, 3, old.id, LATER), (2, 2, old.id, LATER),
    ]  # fmt: skip
    assert await depot.books() == before
    assert (await depot.reservation(old.id)).reason == "split into 3 and 2"
    await depot.do(release_reservation, first.id, reason="test")
    await depot.do(release_reservation, second.id, reason="test")
    assert (await depot.books())[depot.hubs[0], depot.cable] == (9, 0)


async def test_no_more_is_split_off_than_there_is(depot: Depot):
    many, one = await depot.held(depot.cable, 3), await depot.held(depot.switch)

    with pytest.raises(InvalidInput, match=f"^reservation {many.id} has 3 units: 3 cannot be split off"):
        await depot.split(many.id, 3)
    with pytest.raises(InvalidInput, match=f"^reservation {one.id} has 1 unit: 1 cannot be split off"):
        await depot.split(one.id, 1)


async def test_what_has_left_ended_or_is_withdrawn_is_not_moved(depot: Depot):
    gone, ended, going = [await depot.held(depot.cable) for _ in range(3)]
    await depot.do(commit_reservation, gone.id)
    await depot.do(fulfil_reservation, gone.id)
    await depot.do(release_reservation, ended.id, reason="test")
    async with transaction(depot.engine) as tx:
        await order_stop(tx, going.id, reason="ticket is cancelled", actor="test", at=NOW)

    with pytest.raises(IllegalTransition, match="is fulfilled: its units have left the hub, so it cannot be moved"):
        await depot.move(gone.id, 1, depot.cable)
    with pytest.raises(IllegalTransition, match="is released: it has ended, so it cannot be moved"):
        await depot.move(ended.id, 1, depot.cable)
    with pytest.raises(IllegalTransition, match=r"is being withdrawn \(ticket is cancelled\), so it cannot be split"):
        await depot.split(going.id, 1)
    held = await depot.held(depot.switch)
    with pytest.raises(InvalidInput, match="is there already"):
        await depot.move(held.id, 0, depot.switch)


async def test_a_parcel_that_is_under_way_is_not_moved_even_before_that_is_booked(depot: Depot):
    held = await depot.held(depot.switch)
    parcel = {
        "reservation_id": held.id, "ticket_id": held.ticket_id, "hub_id": held.hub_id, "direction": "outbound",
        "status": "in_transit", "carrier": "dhl", "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    async with transaction(depot.engine) as tx:
        await insert_row(tx, tables.shipment, parcel)

    with pytest.raises(IllegalTransition, match=r"cannot be moved: .* is in transit"):
        await depot.move(held.id, 1, depot.switch)


async def test_a_unit_that_is_handed_over_never_returns_to_its_shelf(depot: Depot):
    old = await depot.held(depot.switch)
    before, states = await depot.books(), await depot.states()

    async with transaction(depot.engine) as tx:
        current = await in_the_hub(tx, old.id, "taken")
        taken = await hand_over(tx, current, 1, reason="given to INC-9 (P1)", actor="test", at=NOW)

    assert taken.asset_ids == (old.asset_id,)
    assert (await depot.books(), await depot.states()) == (before, states)
    assert [(change.kind.value, change.fields) for change in taken.changes] == [
        ("reservation", {"state": ("held", "released"), "reason": (None, "given to INC-9 (P1)")}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("until", "message"),
    [
        (NOW + HOUR / 2, "is held until 2026-11-25T10:00:00Z already, later than 2026-11-25T09:30:00Z"),
        (NOW + 4 * HOUR, "may be held until 2026-11-25T12:00:00Z at the longest, not until 2026-11-25T13:00:00Z"),
    ],
)
async def test_an_extension_is_later_and_within_the_policy(depot: Depot, until: datetime, message: str):
    held = await depot.held(depot.switch)

    with pytest.raises(InvalidInput, match=message):
        await depot.do(extend_reservation, held.id, until=until, longest=3 * HOUR)
    extended = await depot.do(extend_reservation, held.id, until=NOW + 3 * HOUR, longest=3 * HOUR)
    again = await depot.do(extend_reservation, held.id, until=NOW + 3 * HOUR, longest=3 * HOUR)

    assert (extended.expires_at, again) == (NOW + 3 * HOUR, extended)


async def test_what_does_not_expire_is_not_extended(depot: Depot):
    held = await depot.held(depot.switch)
    await depot.do(commit_reservation, held.id)

    with pytest.raises(IllegalTransition, match="is committed: it does not expire any more, so it is not extended"):
        await depot.do(extend_reservation, held.id, until=NOW + 2 * HOUR, longest=3 * HOUR)


async def test_what_is_kept_is_not_claimed(depot: Depot):
    async with transaction(depot.engine) as tx:
        await tx.execute(update(tables.stock).values(safety_stock=1, emergency_buffer=1))

    with pytest.raises(OutOfStock) as raised:
        await depot.held(depot.switch)

    assert raised.value.message == (
        f"hub {depot.hubs[0]} has fewer than 1 free units of product {depot.switch} in the normal lane: 2 free, "
        "kept as safety stock (1) and emergency buffer (1)"
    )


STEPS = st.lists(
    st.tuples(st.sampled_from(["move", "split", "extend", "commit"]), st.integers(0, 9), st.integers(0, 3)), max_size=8
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
async def test_whatever_was_moved_and_split_releasing_gives_the_initial_books(depot: Depot, steps: list[Any]):
    before, units = await depot.books(), await depot.states()
    await depot.held(depot.cable, 6)
    await depot.held(depot.switch)

    for kind, which, amount in steps:
        async with reading(depot.engine) as tx:
            live = (await tx.execute(LIVE)).all()
        number, product = live[which % len(live)]
        try:
            match kind:
                case "move":
                    await depot.move(number, amount % 2, product)
                case "split":
                    await depot.split(number, amount)
                case "extend":
                    await depot.do(extend_reservation, number, until=LATER + amount * HOUR, longest=9 * HOUR)
                case "commit":
                    await depot.do(commit_reservation, number)
        except (InvalidInput, IllegalTransition, OutOfStock):
            continue
    async with reading(depot.engine) as tx:
        live = (await tx.execute(LIVE)).all()
    for number, _ in live:
        await depot.do(release_reservation, number, reason="test")

    assert (await depot.books(), await depot.states()) == (before, units)


LIVE = (
    select(tables.reservation.c.id, tables.reservation.c.product_id)
    .where(tables.reservation.c.state.in_((State.HELD, State.COMMITTED)))
    .order_by(tables.reservation.c.id)
)
