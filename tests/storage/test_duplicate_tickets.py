"""Several tickets about one device draw one unit."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import (
    BERLIN,
    NOW,
    make_asset,
    make_hub,
    make_product,
    make_service_class,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)

from connector.model.lifecycle import ReservationState
from connector.rules.policy.reading import default_policy
from connector.rules.sourcing.decision import Outcome, Reason
from connector.storage import tables
from connector.storage.database.engine import in_transaction, reading, transaction
from connector.storage.stock.reserve import commit_reservation, fulfil_reservation, release_reservation
from connector.storage.tickets.decide import Sourced, decide_and_reserve
from connector.storage.tickets.standing import tickets_relieved

POLICY = default_policy()


class Case:
    """A hub with units, and tickets about one device."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.asset = self.site = self.source = 0

    async def ticket(self, **values: object) -> int:
        async with transaction(self.engine) as tx:
            return await make_ticket(tx, source_id=self.source, **{"asset_id": self.asset, **values})

    async def decide(self, ticket_id: int) -> Sourced:
        return await in_transaction(self.engine, lambda tx: decide_and_reserve(tx, ticket_id, POLICY, now=NOW))


@pytest.fixture
async def case(engine: AsyncEngine) -> Case:
    made = Case(engine)
    async with transaction(engine) as tx:
        hub = await make_hub(tx, code="NEAR", **BERLIN)
        product = await make_product(tx, model="X1")
        await make_spares(tx, hub_id=hub, product_id=product, count=20)
        made.site = await make_site(tx, code="S", service_class_id=await make_service_class(tx))
        made.asset = await make_asset(tx, name="sw-1", product_id=product, site_id=made.site)
        made.source = await make_source(tx)
    return made


async def test_a_second_ticket_about_a_device_waits_for_the_unit_of_the_first(case: Case):
    first, second = await case.ticket(number="INC-1"), await case.ticket(number="INC-2")
    served = await case.decide(first)

    relieved = await case.decide(second)

    assert served.reserved is not None
    assert relieved.reserved is None
    assert relieved.decision is not None
    assert (relieved.decision.outcome, relieved.decision.reason) == (Outcome.NOT_NEEDED, Reason.RELIEVED)
    assert relieved.decision.text == (
        "Ticket INC-1 is about the same device and has a unit from NEAR already "
        f"(reservation {served.reserved.reservation.id}, held): a second one is sourced if that is released."
    )


async def test_a_ticket_about_another_device_or_none_has_a_unit_of_its_own(case: Case):
    async with transaction(case.engine) as tx:
        product = (await tx.execute(select(tables.product.c.id))).scalar_one()
        other = await make_asset(tx, name="sw-2", product_id=product, site_id=case.site)
    await case.decide(await case.ticket())

    for values in ({"asset_id": other}, {"asset_id": None, "product_id": product, "site_id": case.site}):
        assert (await case.decide(await case.ticket(**values))).reserved is not None


async def test_what_is_released_relieves_nobody_any_more(case: Case):
    first, second = await case.ticket(), await case.ticket()
    served = await case.decide(first)
    assert served.reserved is not None
    reservation_id = served.reserved.reservation.id
    await case.decide(second)
    async with transaction(case.engine) as tx:
        await release_reservation(tx, reservation_id, reason="wrong one", actor="ada", at=NOW)

    async with reading(case.engine) as tx:
        assert await tickets_relieved(tx, [reservation_id]) == [second]
    assert (await case.decide(second)).reserved is not None
    async with reading(case.engine) as tx:
        assert await tickets_relieved(tx, [reservation_id]) == []


@pytest.mark.parametrize(("opened", "is_served"), [(timedelta(hours=-1), False), (timedelta(hours=1), True)])
async def test_a_unit_that_was_sent_serves_the_tickets_that_were_open_then_and_no_later_failure(
    case: Case, opened: timedelta, is_served: bool
):
    served = await case.decide(await case.ticket())
    assert served.reserved is not None
    async with transaction(case.engine) as tx:
        await commit_reservation(tx, served.reserved.reservation.id, actor="ada", at=NOW)
        await fulfil_reservation(tx, served.reserved.reservation.id, actor="ada", at=NOW)

    again = await case.decide(await case.ticket(opened_at=NOW + opened))

    assert (again.reserved is not None) == is_served


async def test_tickets_about_one_device_that_are_decided_at_once_draw_one_unit(case: Case):
    tickets = [await case.ticket() for _ in range(8)]

    sourced = await asyncio.gather(*map(case.decide, tickets))

    assert sum(item.reserved is not None for item in sourced) == 1
    async with reading(case.engine) as tx:
        states = (await tx.execute(select(tables.reservation.c.state))).scalars().all()
    assert states == [ReservationState.HELD]


async def test_a_retired_or_closed_ticket_is_not_decided_about_again(case: Case):
    first, second, third = await case.ticket(), await case.ticket(), await case.ticket()
    served = await case.decide(first)
    assert served.reserved is not None
    async with transaction(case.engine) as tx:
        await tx.execute(update(tables.ticket).where(tables.ticket.c.id == second).values(state="resolved"))
        await tx.execute(update(tables.ticket).where(tables.ticket.c.id == third).values(retired_at=NOW))

    async with reading(case.engine) as tx:
        assert await tickets_relieved(tx, [served.reserved.reservation.id]) == []
