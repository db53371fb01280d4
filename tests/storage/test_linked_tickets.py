"""A duplicate draws no unit as long as its master has or gets one."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import (
    BERLIN,
    NOW,
    insert_row,
    make_asset,
    make_hub,
    make_product,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)

from connector.rules.policy.grouping import Grouping, Links
from connector.rules.policy.reading import default_policy
from connector.rules.sourcing.decision import Outcome, Reason
from connector.storage import tables
from connector.storage.database.engine import in_transaction, reading, transaction
from connector.storage.facts.linked_tickets import tickets_linked
from connector.storage.stock.reserve import release_reservation
from connector.storage.tickets.decide import Sourced, decide_and_reserve

POLICY = default_policy()


class Desk:
    """Tickets, each about a device of its own, and links between them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.source = self.product = self.site = 0

    async def ticket(self, number: str, *, duplicate_of: int | None = None, parent: int | None = None) -> int:
        async with transaction(self.engine) as tx:
            asset = await make_asset(tx, product_id=self.product, site_id=self.site)
            made = await make_ticket(tx, source_id=self.source, number=number, asset_id=asset)
            for kind, other in (("duplicate_of", duplicate_of), ("parent", parent)):
                if other is not None:
                    link = {"ticket_id": made, "kind": kind, "source_id": self.source, "external_id": str(other)}
                    await insert_row(tx, tables.ticket_link, {**link, "other_id": other, "created_at": NOW})
        return made

    async def set(self, ticket_id: int, **values: object) -> None:
        async with transaction(self.engine) as tx:
            await tx.execute(update(tables.ticket).where(tables.ticket.c.id == ticket_id).values(**values))

    async def decide(self, ticket_id: int, grouping: Grouping = POLICY.grouping) -> Sourced:
        policy = POLICY.model_copy(update={"grouping": grouping})
        return await in_transaction(self.engine, lambda tx: decide_and_reserve(tx, ticket_id, policy, now=NOW))


@pytest.fixture
async def desk(engine: AsyncEngine) -> Desk:
    made = Desk(engine)
    async with transaction(engine) as tx:
        hub = await make_hub(tx, code="NEAR", **BERLIN)
        made.product = await make_product(tx, model="X1")
        await make_spares(tx, hub_id=hub, product_id=made.product, count=20)
        made.site = await make_site(tx, code="S")
        made.source = await make_source(tx)
    return made


async def test_duplicates_draw_nothing_and_the_explanation_says_which_ticket_they_follow(desk: Desk):
    master = await desk.ticket("INC-1")
    second = await desk.ticket("INC-2", duplicate_of=master)
    third = await desk.ticket("INC-3", duplicate_of=second)

    for ticket_id in (third, second):
        sourced = await desk.decide(ticket_id)
        assert sourced.decision is not None
        assert (sourced.decision.outcome, sourced.decision.reason) == (Outcome.NOT_NEEDED, Reason.FOLLOWS)
        explained = sourced.decision.explanation()["follows"]
        assert (explained["how"], explained["number"], explained["reservation_id"]) == ("duplicate_of", "INC-1", None)
    served = await desk.decide(master)

    assert served.reserved is not None
    decided = (await desk.decide(third)).decision
    assert decided is not None
    assert decided.explanation()["follows"]["reservation_id"] == served.reserved.reservation.id


async def test_a_duplicate_is_decided_by_itself_once_its_master_is_cancelled(desk: Desk):
    master = await desk.ticket("INC-1")
    second = await desk.ticket("INC-2", duplicate_of=master)
    await desk.decide(second)

    await desk.set(master, state="cancelled")

    async with reading(desk.engine) as tx:
        assert await tickets_linked(tx, [master]) == [second]
    assert (await desk.decide(second)).reserved is not None
    async with reading(desk.engine) as tx:
        assert await tickets_linked(tx, [master]) == []


async def test_a_master_is_relieved_by_what_its_duplicate_has_and_served_when_that_is_released(desk: Desk):
    master = await desk.ticket("INC-1")
    second = await desk.ticket("INC-2")
    served = await desk.decide(second)
    assert served.reserved is not None
    number = served.reserved.reservation.id
    async with transaction(desk.engine) as tx:
        link = {"ticket_id": second, "kind": "duplicate_of", "source_id": desk.source, "external_id": "1"}
        await insert_row(tx, tables.ticket_link, {**link, "other_id": master, "created_at": NOW})

    relieved = await desk.decide(master)

    assert relieved.decision is not None
    assert relieved.decision.reason is Reason.RELIEVED
    assert relieved.decision.text == (
        f"Ticket INC-2 is a duplicate of this one and has a unit from NEAR already (reservation {number}, held): "
        "another is sourced if that is released."
    )
    async with transaction(desk.engine) as tx:
        await release_reservation(tx, number, reason="duplicate", actor="rules", at=NOW)
    assert (await desk.decide(master)).reserved is not None


async def test_a_child_follows_its_parent_where_the_policy_says_so(desk: Desk):
    parent = await desk.ticket("INC-1")
    child = await desk.ticket("INC-2", parent=parent)
    other = await desk.ticket("INC-3", parent=parent)

    followed = await desk.decide(child, Grouping(links=Links(children="follow")))

    assert followed.decision is not None
    assert followed.decision.text.startswith("This ticket is part of INC-1, which is new and has nothing yet:")
    async with reading(desk.engine) as tx:
        assert await tickets_linked(tx, [parent]) == [child, other]
    assert (await desk.decide(other)).reserved is not None


async def test_links_in_a_circle_serve_exactly_one(desk: Desk):
    first = await desk.ticket("INC-1")
    second = await desk.ticket("INC-2", duplicate_of=first)
    async with transaction(desk.engine) as tx:
        link = {"ticket_id": first, "kind": "duplicate_of", "source_id": desk.source, "external_id": "2"}
        await insert_row(tx, tables.ticket_link, {**link, "other_id": second, "created_at": NOW})

    assert [(await desk.decide(key)).reserved is not None for key in (second, first)] == [False, True]
