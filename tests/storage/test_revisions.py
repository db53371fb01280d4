"""A rule that takes only the device's revision: what is claimed has it, one by one, together and at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.factories import (
    BERLIN,
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

from connector.model.errors import OutOfStock
from connector.model.kinds import Lane
from connector.model.lifecycle import ReservationState
from connector.rules.policy.reading import Policy, read_policy
from connector.rules.sourcing.decision import Outcome, Reason
from connector.storage import tables
from connector.storage.database.engine import in_transaction, open_engine, reading, transaction
from connector.storage.facts.what_if import TicketDraft, draft_facts
from connector.storage.stock.contested import dry_run
from connector.storage.stock.reserve import release_reservation
from connector.storage.stock.succession import move_reservation
from connector.storage.stock.units import ShelfKey
from connector.storage.tickets.decide import Sourced, decide_and_reserve, decide_and_reserve_many

POLICY = """
name: test
rules:
  - {{name: exact, when: ticket.priority != 'P5', hardware: replace, same_revision_only: true, {rule}}}
  - {{name: any, when: "true", hardware: replace}}
sourcing: {{courier: {{transit: [{{hours: 24}}]}}}}
"""


def policy(rule: str = "hold_minutes: 60") -> Policy:
    return read_policy(POLICY.format(rule=rule))


class World:
    """A hub in Berlin with units of the revisions A and B; every ticket is about a device of its own."""

    def __init__(self, engine: AsyncEngine, **ids: int) -> None:
        self.engine = engine
        self.hub, self.product, self.site, self.source = ids["hub"], ids["product"], ids["site"], ids["source"]

    async def ticket(self, revision: str | None = "B", priority: str = "P2", **values: Any) -> int:
        async with transaction(self.engine) as tx:
            device = await make_asset(tx, product_id=self.product, site_id=self.site, revision=revision)
            return await make_ticket(
                tx, source_id=self.source, asset_id=device, site_id=self.site, priority=priority, **values
            )

    async def decide(self, *tickets: int, by: Policy | None = None) -> dict[int, Sourced]:
        async def work(tx: AsyncConnection) -> dict[int, Sourced]:
            return await decide_and_reserve_many(tx, tickets, by or policy(), now=NOW)

        return await in_transaction(self.engine, work)

    async def held(self) -> dict[int, list[str]]:
        """The revisions that the live claims of each ticket hold; the books are true."""
        async with reading(self.engine) as tx:
            assert lies(await look(tx, [self.product])) == []
            r, a = tables.reservation.c, tables.asset.c
            rows = await tx.execute(
                select(r.ticket_id, a.revision).join(tables.asset, a.id == r.asset_id).where(
                    r.state == ReservationState.HELD
                ).order_by(r.id)
            )  # fmt: skip
            found: dict[int, list[str]] = {}
            for ticket_id, revision in rows:
                found.setdefault(ticket_id, []).append(revision)
            return found


async def build(engine: AsyncEngine, *, a: int = 0, b: int = 0, **stock: int) -> World:
    """a, b: units of these revisions, those of A with the lower numbers. stock: values of the shelf's book."""
    async with transaction(engine) as tx:
        hub, product = await make_hub(tx, code="BER", **BERLIN), await make_product(tx)
        shelf = {"hub_id": hub, "product_id": product}
        await make_spares(tx, **shelf, count=a + b, revision="A")
        newest = select(tables.asset.c.id).order_by(tables.asset.c.id.desc()).limit(b)
        await tx.execute(update(tables.asset).where(tables.asset.c.id.in_(newest)).values(revision="B"))
        if stock:
            await tx.execute(update(tables.stock).values(**stock))
        return World(engine, hub=hub, product=product, site=await make_site(tx, **BERLIN), source=await make_source(tx))


async def test_a_unit_of_the_devices_revision_is_claimed_and_the_claim_says_which(engine: AsyncEngine):
    world = await build(engine, a=2, b=1)
    first, second = await world.ticket(), await world.ticket()

    one, two = await world.decide(first), await world.decide(second)

    assert await world.held() == {first: ["B"]}
    assert one[first].reserved.reservation.revision == "B"
    assert (two[second].decision.outcome, two[second].decision.reason) == (Outcome.REVIEW, Reason.NOTHING_ALLOWED)
    assert "its units have revision 'A'; 'B' is needed" in two[second].decision.text


async def test_together_nobody_who_takes_any_unit_gets_the_one_that_another_needs(engine: AsyncEngine):
    """The units of A have the lower numbers here and there, so the order of numbers does not help."""
    world = await build(engine, a=2, b=2)
    anyone = [await world.ticket(None, "P5") for _ in range(2)]
    exact = [await world.ticket() for _ in range(3)]
    old = await world.ticket("A")

    found = await world.decide(*anyone, *exact, old)

    held = await world.held()
    assert [held.get(ticket) for ticket in exact] == [["B"], ["B"], None]
    assert held[old] == ["A"]
    assert sorted(held.get(ticket, ["none"]) for ticket in anyone) == [["A"], ["none"]]
    assert found[exact[2]].decision.reason is Reason.NOTHING_ALLOWED


async def test_what_the_shelf_keeps_is_kept_whatever_the_revision(engine: AsyncEngine):
    world = await build(engine, a=1, b=2, safety_stock=2)
    tickets = [await world.ticket() for _ in range(2)]

    await world.decide(*tickets)

    assert await world.held() == {tickets[0]: ["B"]}


async def test_several_units_are_all_of_that_revision(engine: AsyncEngine):
    world = await build(engine, a=3, b=2)
    two, three = await world.ticket(quantity=2), await world.ticket("A", quantity=4)

    await world.decide(two, three)

    assert await world.held() == {two: ["B", "B"]}


async def test_counted_units_have_no_revision(engine: AsyncEngine):
    async with transaction(engine) as tx:
        hub, product = await make_hub(tx, code="BER", **BERLIN), await make_product(tx, tracking="counted")
        await make_counted_stock(tx, hub_id=hub, product_id=product, on_hand=5)
        world = World(
            engine, hub=hub, product=product, site=await make_site(tx, **BERLIN), source=await make_source(tx)
        )
    ticket = await world.ticket()

    found = await world.decide(ticket)

    assert "nobody knows which revision its units have; 'B' is needed" in found[ticket].decision.text


async def test_sixteen_at_once_get_each_unit_of_the_revision_once_and_no_other(engine: AsyncEngine, database: str):
    world = await build(engine, a=4, b=5)
    exact = [await world.ticket() for _ in range(8)]
    anyone = [await world.ticket(None, "P5") for _ in range(4)]
    busy = open_engine(database, pool_size=16)

    async def one(ticket: int) -> None:
        async def work(tx: AsyncConnection) -> None:
            await decide_and_reserve(tx, ticket, policy(), now=NOW)

        await in_transaction(busy, work)

    async def some(tickets: list[int]) -> None:
        async def work(tx: AsyncConnection) -> None:
            await decide_and_reserve_many(tx, tickets, policy(), now=NOW)

        await in_transaction(busy, work)

    await asyncio.gather(*(one(ticket) for ticket in (*exact[:5], *anyone)), some(exact[5:]))
    await busy.dispose()

    held = await world.held()
    assert {revision for ticket in exact for revision in held.get(ticket, [])} <= {"B"}
    assert Counter(len(held.get(ticket, [])) for ticket in anyone) == {1: 4}
    taken = Counter(revision for revisions in held.values() for revision in revisions)
    given_to_exact = sum(len(held.get(ticket, [])) for ticket in exact)
    assert given_to_exact == 5 - sum(held[ticket] == ["B"] for ticket in anyone)
    assert taken["B"] == 5


async def test_a_more_urgent_ticket_takes_over_only_a_unit_of_its_devices_revision(engine: AsyncEngine):
    world, by = await build(engine, a=1, b=1), policy("preempt: {over: [P4]}")
    old, new = await world.ticket("A", "P4"), await world.ticket("B", "P4")
    await world.decide(old, new, by=by)
    urgent = await world.ticket("B", "P1")

    found = await world.decide(urgent, by=by)

    assert [taken.ticket_id for taken in found[urgent].decision.taken_from] == [new]
    assert await world.held() == {old: ["A"], urgent: ["B"]}
    assert found[urgent].reserved.reservation.revision == "B"


async def test_what_is_released_serves_the_next_and_what_is_moved_stays_of_its_revision(engine: AsyncEngine):
    world = await build(engine, a=1, b=1)
    async with transaction(engine) as tx:
        other = await make_hub(tx, code="HAM", **BERLIN)
        shelf = {"hub_id": other, "product_id": world.product}
        [wrong] = await make_spares(tx, **shelf, count=1, revision="A")
        right = await make_asset(tx, **shelf, state="in_stock", revision="B")
        await tx.execute(update(tables.stock).where(tables.stock.c.hub_id == other).values(on_hand=2))
    ticket = await world.ticket()
    held = (await world.decide(ticket))[ticket].reserved.reservation
    to = ShelfKey(other if held.hub_id == world.hub else world.hub, world.product, Lane.NORMAL)

    async with transaction(engine) as tx:
        moved = await move_reservation(tx, held.id, to, actor="ann", at=NOW, expires_at=NOW)
        here = ShelfKey(moved.hub_id, world.product, Lane.NORMAL)
        units = select(tables.asset.c.id).where(tables.asset.c.hub_id == moved.hub_id, tables.asset.c.revision == "A")
        another = (await tx.execute(units)).scalars().first()
        with pytest.raises(OutOfStock, match=f"asset {another} is not free on that shelf, or not of revision 'B'"):
            await move_reservation(tx, moved.id, here, asset_id=another, actor="ann", at=NOW, expires_at=NOW)

    assert (moved.revision, await world.held()) == ("B", {ticket: ["B"]})
    assert wrong != right
    async with transaction(engine) as tx:
        await release_reservation(tx, moved.id, actor="ann", at=NOW, reason="not needed")
    second = await world.ticket()
    await world.decide(second)
    assert await world.held() == {second: ["B"]}


async def test_a_device_without_revision_waits_for_a_person_and_is_served_once_it_is_known(engine: AsyncEngine):
    world = await build(engine, a=1, b=1)
    ticket = await world.ticket(None)

    unknown = (await world.decide(ticket))[ticket].decision
    async with transaction(engine) as tx:
        await tx.execute(update(tables.asset).where(tables.asset.c.site_id == world.site).values(revision="A"))
    known = (await world.decide(ticket))[ticket].decision

    assert (unknown.outcome, unknown.reason) == (Outcome.REVIEW, Reason.REVISION_UNKNOWN)
    assert known.outcome is Outcome.RESERVE
    assert await world.held() == {ticket: ["A"]}


async def test_only_a_rule_that_asks_for_the_revision_costs_a_statement_more(engine: AsyncEngine):
    world = await build(engine, a=2, b=2)
    tickets = [await world.ticket(priority=priority) for priority in ("P5", "P5", "P2")]
    said: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: said.append(given[2]))

    counts = []
    for ticket in tickets:
        said.clear()
        await world.decide(ticket)
        counts.append(len(said))

    assert counts[2] == counts[1] + 1


async def test_what_if_reads_revisions_too_and_writes_nothing(engine: AsyncEngine):
    world = await build(engine, a=1, b=1)
    async with transaction(engine) as tx:
        device = await make_asset(tx, product_id=world.product, site_id=world.site, revision="B")
        facts = await draft_facts(tx, TicketDraft(asset_id=device, opened_at=NOW))
        found = await dry_run(tx, facts, policy(), NOW)

    assert (found.outcome, found.revision) == (Outcome.RESERVE, "B")
    assert await world.held() == {}
