"""Lines of a rollout that have tickets of their own: how those end says what became of them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import make_source, make_ticket
from tests.fulfilment.rollout_scene import POLICY, Yard, key, make_yard, rollout_policy
from tests.fulfilment.world import World

from connector.fulfilment.rollout_draft import SiteOrder
from connector.model.errors import InvalidInput
from connector.model.kinds import RolloutOutcome
from connector.model.lifecycle import TicketState
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import transaction


async def with_tickets(engine: AsyncEngine, yard: Yard, **values: Any) -> list[int]:
    """A request for each site, numbered as its site."""
    async with transaction(engine) as tx:
        source_id = await make_source(tx)
        return [
            await make_ticket(
                tx, source_id=source_id, external_id=f"{n}", number=f"TASK-{n}", site_id=site_id,
                **{"type": "request", **values},
            )
            for n, site_id in enumerate(yard.site_ids, 1)
        ]  # fmt: skip


def orders(yard: Yard, tickets: list[int]) -> list[SiteOrder]:
    return [SiteOrder(site, wave=1, ticket_id=ticket) for site, ticket in zip(yard.site_ids, tickets, strict=True)]


async def end(yard: Yard, ticket_id: int, state: TicketState) -> None:
    """The ticket's source says that it is so."""
    [before] = await yard.rows(tables.ticket, id=ticket_id)
    async with transaction(yard.engine) as tx:
        await tx.execute(update(tables.ticket).where(tables.ticket.c.id == ticket_id).values(state=state))
        change = NewChange(EntityKind.TICKET, ticket_id, "updated", {"state": (before["state"].value, state.value)})
        await log_changes(tx, [change], actor="itsm", at=yard.clock.now())
    await yard.settle()


async def told(yard: Yard) -> list[tuple[str, str | None]]:
    return [(line["state"].value, line["reason"]) for line in await yard.lines()]


async def test_a_ticket_that_ends_sets_the_outcome_of_its_line_once(
    engine: AsyncEngine, clock: MovableClock, world: World
):
    yard = await make_yard(engine, clock, world, sites=3)
    tickets = await with_tickets(engine, yard)
    await yard.running(sites=orders(yard, tickets), success_percent=0, halt_percent=100, halt_sample=9)
    await yard.stage()
    await yard.hand_over()

    await end(yard, tickets[0], TicketState.RESOLVED)
    await end(yard, tickets[1], TicketState.CANCELLED)
    await yard.deliver()
    after = await told(yard)
    for ticket_id, state in [(tickets[0], TicketState.CANCELLED), (tickets[1], TicketState.IN_PROGRESS)]:
        await end(yard, ticket_id, state)

    assert after == [("installed", None), ("failed", "refused: ticket TASK-2 is cancelled"), ("delivered", None)]
    assert await told(yard) == after
    [parcel] = await yard.rows(tables.shipment, reservation_id=(await yard.rows(tables.reservation))[0]["id"])
    assert parcel["status"].value == "delivered"
    assert {row["ticket_id"] for row in await yard.rows(tables.reservation)}.isdisjoint(tickets)


async def test_before_the_unit_has_left_a_refusal_gives_it_back_and_what_is_done_counts_from_then(
    engine: AsyncEngine, clock: MovableClock, world: World
):
    yard = await make_yard(engine, clock, world, sites=3, spares=2)
    tickets = await with_tickets(engine, yard)
    await yard.running(sites=orders(yard, tickets), success_percent=0, halt_percent=100, halt_sample=9)
    held = [state for state, _ in await told(yard)]

    await end(yard, tickets[1], TicketState.CANCELLED)
    shelf = await yard.shelf()
    await end(yard, tickets[0], TicketState.CLOSED)
    await end(yard, tickets[2], TicketState.CLOSED)
    waiting = await told(yard)
    await yard.stage()
    await yard.hand_over()

    assert held == ["short", "reserved", "reserved"]
    assert shelf == (2, 1)
    assert waiting == [
        ("cancelled", "ticket TASK-1 is closed: nothing was sent"),
        ("failed", "refused: ticket TASK-2 is cancelled"),
        ("reserved", None),
    ]
    assert [state for state, _ in await told(yard)] == ["cancelled", "failed", "installed"]


async def test_a_line_may_get_its_ticket_later_and_one_that_has_ended_says_so_at_once(
    engine: AsyncEngine, clock: MovableClock, world: World
):
    yard = await make_yard(engine, clock, world, sites=2)
    tickets = await with_tickets(engine, yard)
    rollout_id = await yard.running(success_percent=0)
    await yard.stage()
    await yard.hand_over()
    await end(yard, tickets[0], TicketState.CLOSED)

    for site_id, ticket_id in zip(yard.site_ids, tickets, strict=True):
        assert await yard.people.assign_ticket(rollout_id, site_id, ticket_id, key=key(), actor="ada") == 1
    await yard.settle()
    ended = await told(yard)
    await yard.people.assign_ticket(rollout_id, yard.site_ids[1], None, key=key(), actor="ada")
    await end(yard, tickets[1], TicketState.CLOSED)

    assert ended == [("installed", None), ("dispatched", None)]
    assert await told(yard) == ended


async def test_states_that_the_policy_does_not_map_say_nothing_and_people_report_as_ever(
    engine: AsyncEngine, clock: MovableClock, world: World
):
    policy = rollout_policy(POLICY.replace("rollouts:", "rollouts:\n  outcomes: { cancelled: failed }"))
    yard = await make_yard(engine, clock, world, sites=2, policy=policy)
    tickets = await with_tickets(engine, yard)
    await yard.running(sites=orders(yard, tickets), success_percent=0, halt_sample=9)
    await yard.stage()
    await yard.hand_over()

    await end(yard, tickets[0], TicketState.CLOSED)
    await end(yard, tickets[1], TicketState.CANCELLED)
    first, second = await told(yard)
    [line, _] = await yard.lines()
    await yard.report(line, RolloutOutcome.REFUSED, "nobody had asked for it")

    assert (first, second) == (("dispatched", None), ("failed", "failed: ticket TASK-2 is cancelled"))
    assert (await told(yard))[0] == ("failed", "refused: nobody had asked for it")


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("incident", "ticket 'TASK-1' is of type incident, which is served by itself"),
        ("whole", "ticket 'TASK-1' is the one of the whole rollout"),
    ],
)
async def test_a_ticket_that_is_served_by_itself_is_none_of_a_line(
    engine: AsyncEngine, clock: MovableClock, which: str, message: str
):
    yard = await make_yard(engine, clock, sites=1)
    tickets = await with_tickets(engine, yard, type="incident" if which == "incident" else "change")

    with pytest.raises(InvalidInput) as refused:
        await yard.make(sites=orders(yard, tickets), ticket_id=tickets[0] if which == "whole" else None)

    assert refused.value.message == message
    assert await yard.lines() == []
