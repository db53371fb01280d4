"""What went wrong in shop platforms, as their users reported it, one test per report: it must not go wrong here.

Each comment names the report. Others of this kind stand where their subject is tested (tests/storage): saleor 5334 and
9970; medusa 12401, 16502 and 16569; vendure 1198, 2874, 3509, 4030 and 4930.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.invariants.moves import CABLES, POLICY, Yard, make_yard
from tests.invariants.truth import Scene, broken_histories, lies, look

from connector.model.errors import IllegalTransition, OutOfStock
from connector.model.kinds import Lane
from connector.model.lifecycle import AssetState, ReservationState
from connector.rules.sourcing.decision import Reason
from connector.storage.database.engine import open_engine, reading, transaction
from connector.storage.stock.book import Shelf
from connector.storage.stock.reserve import Claim as Wanted
from connector.storage.stock.reserve import commit_reservation, fulfil_reservation, release_reservation, reserve
from connector.storage.tickets.decide import explain_ticket


@pytest.fixture
async def yard(database: str) -> AsyncIterator[Yard]:
    """Three switches and nine cables in each of two hubs; whatever a test did, the story must be one."""
    engine = open_engine(database, pool_size=20)
    yard = await make_yard(engine, "yard")
    yield yard
    async with reading(engine) as tx:
        scene = await look(tx, yard.products)
        assert lies(scene) == []
        assert await broken_histories(tx, scene) == []
    await engine.dispose()


def shelf(yard: Yard, kind: str = "cable", hub: str = "north") -> Shelf:
    return Shelf(yard.hubs[hub], {"cable": yard.cable, "switch": yard.switch}[kind], Lane.NORMAL)


async def book(yard: Yard, kind: str = "cable", hub: str = "north") -> tuple[int, int]:
    return (await yard.scene()).shelves[shelf(yard, kind, hub)]


async def cables(yard: Yard, quantity: int, ticket: int = 0) -> int:
    reserved = await yard.claim(kind="cable", ticket=ticket, hub="north", quantity=quantity)
    assert reserved is not None
    return reserved.reservation.id


# https://github.com/saleor/saleor/issues/543: two checkouts at once, each within the quantity, together beyond it
# https://github.com/vendurehq/vendure/issues/3508: the same with one last item
async def test_saleor_543_claims_that_fit_one_by_one_but_not_together(yard: Yard):
    claims = [yard.claim(kind="cable", ticket=n, hub="north", quantity=5) for n in range(6)]

    outcomes = await asyncio.gather(*claims)

    assert sum(outcome is not None for outcome in outcomes) == 1
    assert await book(yard) == (CABLES, 5)


# https://github.com/django-oscar/django-oscar/issues/1811: allocated += amount in memory loses one of two updates
async def test_oscar_1811_no_claim_is_lost_when_many_count_up_the_same_book(yard: Yard):
    await asyncio.gather(*(yard.claim(kind="cable", ticket=n, hub="north", quantity=1) for n in range(6)))

    assert await book(yard) == (CABLES, 6)
    assert len((await yard.scene()).live) == 6


# https://github.com/vendurehq/vendure/issues/1028: two lines of one product in one order, added to the number in memory
async def test_vendure_1028_two_lines_of_one_product_both_count(yard: Yard):
    async with transaction(yard.engine) as tx:
        for line, quantity in ((1, 5), (2, 3)):
            wanted = Wanted(yard.tickets[0], yard.hubs["north"], yard.cable, yard.cable, line=line, quantity=quantity)
            await reserve(tx, wanted, actor="test", at=yard.now)

    assert await book(yard) == (CABLES, 8)


# https://github.com/inventree/InvenTree/issues/7285: one stock item allocated to two lines of the same order
async def test_inventree_7285_two_lines_never_have_the_same_unit(yard: Yard):
    units = set()
    async with transaction(yard.engine) as tx:
        for line in (1, 2, 3):
            wanted = Wanted(yard.tickets[0], yard.hubs["north"], yard.switch, yard.switch, line=line)
            units.add((await reserve(tx, wanted, actor="test", at=yard.now)).reservation.asset_id)
        with pytest.raises(OutOfStock, match="fewer than 1 free units"):
            await reserve(
                tx, Wanted(yard.tickets[0], yard.hubs["north"], yard.switch, yard.switch, line=4),
                actor="test", at=yard.now,
            )  # fmt: skip

    assert len(units) == 3


# https://github.com/vendurehq/vendure/issues/1571: the same allocation again a day later, never released
async def test_vendure_1571_the_same_claim_repeated_later_is_the_one_that_is_there(yard: Yard):
    first = await cables(yard, 4)
    await yard.commit(first)
    await yard.expire(minutes=24 * 60)

    assert await cables(yard, 4) == first
    assert await book(yard) == (CABLES, 4)
    await yard.fulfil(first)
    assert await book(yard) == (CABLES - 4, 0)


# https://github.com/vendurehq/vendure/issues/1557: cancelling what was never allocated deallocated it, below zero
async def test_vendure_1557_cancelling_a_ticket_that_has_nothing_gives_nothing_back(yard: Yard):
    await cables(yard, 2, ticket=1)

    await yard.cancel(ticket=0)

    assert await book(yard) == (CABLES, 2)


# https://github.com/vendurehq/vendure/issues/1355: what is on hand was set to 0 between the check and the allocation
async def test_vendure_1355_a_decision_made_before_the_stock_was_gone_claims_nothing(yard: Yard):
    wanted = Wanted(yard.tickets[0], yard.hubs["north"], yard.cable, yard.cable, quantity=2)
    await yard.count(hub="north", quantity=0)

    with pytest.raises(OutOfStock):
        async with transaction(yard.engine) as tx:
            await reserve(tx, wanted, actor="test", at=yard.now)

    assert await book(yard) == (0, 0)


# https://github.com/vendurehq/vendure/issues/1738: another one bought everything while it was in the cart
async def test_vendure_1738_a_decision_that_was_seen_earlier_does_not_bring_back_what_others_took(yard: Yard):
    async with reading(yard.engine) as tx:
        seen = await explain_ticket(tx, yard.tickets[5], POLICY, yard.now)
    others = await yard.claim(kind="switch", ticket=0, hub="north", quantity=3)
    assert others is not None
    await yard.claim(kind="switch", ticket=1, hub="south", quantity=3)

    late = await yard.decide(ticket=5)

    assert seen.chosen is not None
    assert late is not None
    assert late.decision is not None
    assert (late.reserved, late.decision.reason) == (None, Reason.NO_COMPATIBLE_STOCK)
    assert len((await yard.scene()).live) == 6


# https://github.com/magento/inventory/issues/1878: cancelling an order that was shipped compensated a second time
async def test_magento_1878_what_has_left_the_hub_is_not_given_back_by_a_late_cancellation(yard: Yard):
    number = await cables(yard, 4)
    await yard.commit(number)
    await yard.fulfil(number)

    async with transaction(yard.engine) as tx:
        with pytest.raises(IllegalTransition, match="cannot go from fulfilled to released"):
            await release_reservation(tx, number, reason="late", actor="test", at=yard.now)
    await yard.cancel(ticket=0)

    assert await book(yard) == (CABLES - 4, 0)


# https://github.com/hipay/hipay-fullservice-sdk-magento2/issues/161: a timer and a person cancel, two compensations
async def test_hipay_161_a_timer_and_people_who_cancel_at_once_give_back_once(yard: Yard):
    number = await cables(yard, 4)
    await cables(yard, 3, ticket=1)

    await asyncio.gather(
        yard.expire(minutes=0),
        yard.cancel(ticket=0),
        yard.release(number),
        yard.release(number),
        yard.expire(minutes=0),
    )

    assert await book(yard) == (CABLES, 3)


# https://github.com/medusajs/medusa/issues/11131: reserved went negative
async def test_medusa_11131_released_twice_the_book_counts_it_once(yard: Yard):
    first, second = await cables(yard, 2), await cables(yard, 3, ticket=1)

    for number in (first, first, second, second):
        await yard.release(number)

    assert await book(yard) == (CABLES, 0)


# https://github.com/medusajs/medusa/issues/6500: when everything is reserved, not even the owner of it may fulfil
async def test_medusa_6500_the_last_units_can_be_sent_although_nothing_is_free(yard: Yard):
    number = await cables(yard, CABLES)
    assert await book(yard) == (CABLES, CABLES)

    await yard.commit(number)
    await yard.fulfil(number)

    assert await book(yard) == (0, 0)


# https://github.com/grandnode/grandnode/issues/560: with two warehouses only the first one's reservation was undone
async def test_grandnode_560_cancelling_gives_back_in_every_hub_what_was_taken_there(yard: Yard):
    async with transaction(yard.engine) as tx:
        for line, hub in ((1, "north"), (2, "south")):
            wanted = Wanted(yard.tickets[0], yard.hubs[hub], yard.cable, yard.cable, line=line, quantity=line)
            await reserve(tx, wanted, actor="test", at=yard.now)
    assert (await book(yard), await book(yard, hub="south")) == ((CABLES, 1), (CABLES, 2))

    await yard.cancel(ticket=0)

    assert (await book(yard), await book(yard, hub="south")) == ((CABLES, 0), (CABLES, 0))


# https://github.com/open-mercato/open-mercato/issues/5417: a released reservation could be allocated again
@pytest.mark.parametrize("move", [commit_reservation, fulfil_reservation])
async def test_open_mercato_5417_what_was_released_cannot_be_used(yard: Yard, move: Any):
    number = await cables(yard, 2)
    await yard.release(number)

    async with transaction(yard.engine) as tx:
        with pytest.raises(IllegalTransition, match="legal next states are none, it is final"):
            await move(tx, number, actor="test", at=yard.now)

    assert (await yard.scene()).claims[number].state is ReservationState.RELEASED
    assert await book(yard) == (CABLES, 0)


# https://github.com/frappe/erpnext/pull/37754: the receipt of stock was cancelled although it was reserved
async def test_erpnext_37754_a_receipt_that_is_taken_back_leaves_what_is_promised(yard: Yard):
    await cables(yard, 4)
    await yard.drop_count(hub="north")
    assert await book(yard) == (4, 4)

    reserved = await yard.claim(kind="switch", ticket=0, hub="north", quantity=1)
    assert reserved is not None
    for unit in range(6):
        await yard.drop_unit(unit=unit)
    assert await book(yard, "switch") == (1, 1)


# https://github.com/AnthropicBots/compressor/issues/1215: released by rows instead of by units
async def test_compressor_1215_each_claim_gives_back_its_own_quantity(yard: Yard):
    many, few = await cables(yard, 6), await cables(yard, 2, ticket=1)

    await yard.release(few)
    assert await book(yard) == (CABLES, 6)
    await yard.release(many)
    assert await book(yard) == (CABLES, 0)


# https://github.com/idhlagency/magento2-disable-stock-reservation/issues/84, https://github.com/medusajs/medusa/issues/12796:
# the warehouse corrected its stock below what was ordered, and then the order could not be cancelled any more
async def test_medusa_12796_a_correction_below_what_is_promised_does_not_hinder_cancelling(yard: Yard):
    number = await cables(yard, 6)
    await yard.count(hub="north", quantity=2)
    assert await book(yard) == (CABLES, 6)

    await yard.cancel(ticket=0)

    assert (await yard.scene()).claims[number].state is ReservationState.RELEASED
    assert await book(yard) == (CABLES, 0)


# https://github.com/inventree/InvenTree/issues/10037: two serial numbers on a line of quantity 1
async def test_inventree_10037_a_line_has_one_unit_however_often_it_is_asked_for_at_once(yard: Yard):
    outcomes = await asyncio.gather(
        *(yard.claim(kind="switch", ticket=0, hub=hub, quantity=1) for hub in ("north", "south") * 4)
    )

    scene: Scene = await yard.scene()
    assert len({outcome.reservation.id for outcome in outcomes if outcome is not None}) == 1
    assert len(scene.live) == 1
    assert len([unit for unit in scene.units.values() if unit.state is AssetState.RESERVED]) == 1


# https://github.com/spree/spree/pull/5715: a count was taken for a delivery, and orders were moved on by it
async def test_spree_5715_a_count_that_is_only_repeated_brings_nothing(yard: Yard):
    number = await cables(yard, 4)
    await yard.commit(number)
    await yard.fulfil(number)

    await yard.count(hub="north", quantity=CABLES)

    assert await book(yard) == (CABLES - 4, 0)
