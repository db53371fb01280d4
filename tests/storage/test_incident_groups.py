"""Tickets of one event are raised as one proposal, and wait for a person."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import (
    BERLIN,
    NOW,
    make_asset,
    make_hub,
    make_product,
    make_site,
    make_source,
    make_spares,
    make_ticket,
)

from connector.fulfilment.groups import Groups
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.lifecycle import GroupState, TaskState
from connector.rules.policy.document import Policy
from connector.rules.policy.grouping import BatchDefect, Burst, Grouping, SiteEvent
from connector.rules.policy.reading import default_policy
from connector.rules.sourcing.decision import Outcome, Reason
from connector.storage import tables
from connector.storage.database.engine import in_transaction, reading, transaction
from connector.storage.tickets.decide import decide_and_reserve_many, explain_ticket
from connector.storage.tickets.incident_groups import members_waiting

SITE_EVENT = Grouping(site_event=SiteEvent(devices=3, window_minutes=30))


class Fleet:
    """Two sites with devices of one product, and a hub with spares."""

    def __init__(self, engine: AsyncEngine, clock: MovableClock) -> None:
        self.engine, self.clock = engine, clock
        self.source = self.product = 0
        self.sites: list[int] = []

    def policy(self, grouping: Grouping) -> Policy:
        return default_policy().model_copy(update={"grouping": grouping})

    async def tickets(self, count: int, *, site: int = 0, **values: Any) -> list[int]:
        async with transaction(self.engine) as tx:
            made = []
            for _ in range(count):
                asset = await make_asset(tx, product_id=self.product, site_id=self.sites[site], state="deployed")
                made.append(await make_ticket(tx, source_id=self.source, asset_id=asset, opened_at=NOW, **values))
        return made

    async def decide(self, tickets: list[int], grouping: Grouping = SITE_EVENT) -> list[str]:
        """What comes of each, in the order in which they are given."""
        policy, now = self.policy(grouping), self.clock.now()
        found = await in_transaction(self.engine, lambda tx: decide_and_reserve_many(tx, tickets, policy, now=now))
        return [found[number].decision.reason.value for number in tickets]  # type: ignore[union-attr]

    async def groups(self) -> list[dict[str, Any]]:
        async with reading(self.engine) as tx:
            rows = await tx.execute(select(tables.incident_group).order_by(tables.incident_group.c.id))
            return [dict(row) for row in rows.mappings()]

    async def members(self) -> int:
        async with reading(self.engine) as tx:
            statement = select(func.count()).select_from(tables.incident_group_ticket)
            return int((await tx.execute(statement)).scalar_one())

    def desk(self, grouping: Grouping = SITE_EVENT) -> Groups:
        return Groups(self.engine, self.clock, self.policy(grouping))


@pytest.fixture
async def fleet(engine: AsyncEngine, clock: MovableClock) -> Fleet:
    made = Fleet(engine, clock)
    async with transaction(engine) as tx:
        hub = await make_hub(tx, code="NEAR", **BERLIN)
        made.product = await make_product(tx, model="X1")
        await make_spares(tx, hub_id=hub, product_id=made.product, count=40)
        made.sites = [await make_site(tx, code=code, region="EU") for code in ("S1", "S2")]
        made.source = await make_source(tx)
    return made


async def test_devices_of_one_site_are_served_until_there_are_enough_and_wait_from_then_on(fleet: Fleet):
    assert await fleet.decide(await fleet.tickets(2)) == ["sourced", "sourced"]
    fleet.clock.advance(timedelta(minutes=20))

    assert await fleet.decide(await fleet.tickets(2)) == ["grouped", "grouped"]
    assert await fleet.decide(await fleet.tickets(1, site=1)) == ["sourced"]

    [group] = await fleet.groups()
    assert (group["scope"], group["state"]) == (f"site:{fleet.sites[0]}", GroupState.PROPOSED)
    assert group["title"] == "4 devices at S1 within 30 min"
    assert await fleet.members() == 4
    async with reading(fleet.engine) as tx:
        [task] = (await tx.execute(select(tables.task))).mappings()
    assert (task["title"], task["state"]) == ("A major incident? 4 devices at S1 within 30 min", TaskState.OPEN)


async def test_a_batch_is_served_as_one_by_one_would_have_been(fleet: Fleet):
    assert await fleet.decide(await fleet.tickets(5)) == ["sourced", "sourced", "grouped", "grouped", "grouped"]


async def test_more_events_than_a_statement_is_sent_before_the_server_prepares_it(fleet: Fleet):
    async with transaction(fleet.engine) as tx:
        fleet.sites = [await make_site(tx, region="EU") for _ in range(12)]
    tickets = [number for site in range(12) for number in await fleet.tickets(3, site=site)]

    assert await fleet.decide(tickets) == ["sourced", "sourced", "grouped"] * 12

    assert {group["scope"] for group in await fleet.groups()} == {f"site:{site}" for site in fleet.sites}


async def test_what_lies_further_apart_than_the_window_is_no_event(fleet: Fleet):
    for _ in range(4):
        assert await fleet.decide(await fleet.tickets(1)) == ["sourced"]
        fleet.clock.advance(timedelta(minutes=16))

    assert await fleet.groups() == []


async def test_a_ticket_that_is_cancelled_counts_no_more_and_one_that_is_decided_again_counts_once(fleet: Fleet):
    first, second = await fleet.tickets(2)
    await fleet.decide([first, second])
    async with transaction(fleet.engine) as tx:
        await tx.execute(update(tables.ticket).where(tables.ticket.c.id == first).values(state="cancelled"))

    assert await fleet.decide(await fleet.tickets(1)) == ["sourced"]


async def test_the_explanation_names_the_group_and_a_dry_run_says_the_same(fleet: Fleet):
    await fleet.decide(await fleet.tickets(3))
    [ticket_id] = await fleet.tickets(1)
    await fleet.decide([ticket_id])

    async with reading(fleet.engine) as tx:
        decision = await explain_ticket(tx, ticket_id, fleet.policy(SITE_EVENT), fleet.clock.now())

    assert (decision.outcome, decision.reason) == (Outcome.REVIEW, Reason.GROUPED)
    assert decision.text == (
        "Incident group 1 (3 devices at S1 within 30 min) may be one event: a person decides, and this ticket waits "
        "for that."
    )
    assert decision.explanation()["group"] == {
        "id": 1, "kind": "site_event", "title": "3 devices at S1 within 30 min", "state": "proposed",
        "standing": "held",
    }  # fmt: skip


async def test_a_dry_run_of_a_ticket_that_would_join_says_what_will_be_decided(fleet: Fleet):
    await fleet.decide(await fleet.tickets(3))
    here, there = await fleet.tickets(1), await fleet.tickets(1, site=1)

    async def foreseen(ticket: int) -> Reason:
        async with reading(fleet.engine) as tx:
            return (await explain_ticket(tx, ticket, fleet.policy(SITE_EVENT), fleet.clock.now())).reason

    found = [await foreseen(ticket) for ticket in (*here, *there)]

    assert found == [Reason.GROUPED, Reason.SOURCED]
    assert await fleet.members() == 3
    assert await fleet.decide(here + there) == [reason.value for reason in found]


async def test_a_defect_is_told_by_its_share_of_the_devices_in_the_field(fleet: Fleet):
    defect = Grouping(batch_defect=BatchDefect(devices=4, sites=2, share_percent=50))
    here, there = await fleet.tickets(3), await fleet.tickets(2, site=1)

    assert await fleet.decide(here + there, defect) == ["sourced"] * 3 + ["grouped"] * 2
    [group] = await fleet.groups()
    assert group["statistics"]["in_the_field"] == 5


async def test_a_burst_is_told_by_what_is_usual_at_that_time_of_the_week(fleet: Fleet):
    burst = Grouping(burst=Burst(tickets=4, times=2, weeks=2, window_minutes=60, hold="beyond", units=5))
    for _ in range(2):
        await fleet.decide(await fleet.tickets(3), burst)
        fleet.clock.advance(timedelta(weeks=1))

    reasons = await fleet.decide(await fleet.tickets(8), burst)

    assert await fleet.groups() != []
    [group] = await fleet.groups()
    assert (group["statistics"]["usual"], group["statistics"]["weeks"]) == (3.0, [3, 3])
    assert reasons == ["sourced"] * 6 + ["grouped"] * 2, "six came before it was one; no more than five then"


async def test_dismissed_all_that_waited_are_decided_and_the_same_is_not_proposed_again_at_once(fleet: Fleet):
    tickets = await fleet.tickets(4)
    waiting = tickets[2:]
    assert await fleet.decide(tickets) == ["sourced", "sourced", "grouped", "grouped"]

    await fleet.desk().dismiss(1, reason="three tests at once", key="d", actor="ada")
    again = await fleet.desk().dismiss(1, reason="three tests at once", key="d", actor="ada")

    assert again.state is GroupState.DISMISSED
    async with reading(fleet.engine) as tx:
        assert await members_waiting(tx, [1]) == waiting
        assert (await tx.execute(select(tables.task.c.state))).scalars().all() == [TaskState.DONE]
    assert await fleet.decide(waiting) == ["sourced", "sourced"]
    assert await fleet.decide(await fleet.tickets(2)) == ["sourced", "sourced"]
    assert len(await fleet.groups()) == 1


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        ({}, ["grouped", "grouped", "grouped"]),
        ({"serves": True}, ["sourced", "sourced", "sourced"]),
        ({"limit": 3}, ["sourced", "grouped", "grouped"]),
    ],
)
async def test_confirmed_its_tickets_get_what_the_person_or_the_policy_says(
    fleet: Fleet, answer: dict[str, Any], reasons: list[str]
):
    await fleet.decide(await fleet.tickets(2))
    waiting = await fleet.tickets(3)
    await fleet.decide(waiting)

    await fleet.desk().confirm(1, cause="no power since 08:40", key="c", actor="ada", **answer)

    assert await fleet.decide(waiting) == reasons
    [group] = await fleet.groups()
    assert (group["decided_by"], group["cause"]) == ("ada", "no power since 08:40")


async def test_a_confirmed_event_without_units_needs_none_and_says_why(fleet: Fleet):
    await fleet.decide(await fleet.tickets(3))
    await fleet.desk().confirm(1, cause="no power", key="c", actor="ada")
    [late] = await fleet.tickets(1)
    policy = fleet.policy(SITE_EVENT)
    found = await in_transaction(
        fleet.engine, lambda tx: decide_and_reserve_many(tx, [late], policy, now=fleet.clock.now())
    )

    decision = found[late].decision
    assert decision is not None
    assert (decision.outcome, decision.text) == (
        Outcome.NOT_NEEDED,
        "Incident group 1 (3 devices at S1 within 30 min) is confirmed: no power. "
        "Its tickets need no unit of their own.",
    )


@pytest.mark.parametrize(
    ("on_timeout", "state"), [("dismiss", GroupState.DISMISSED), ("confirm", GroupState.CONFIRMED)]
)
async def test_what_nobody_answers_is_answered_by_the_policy(fleet: Fleet, on_timeout: str, state: GroupState):
    grouping = Grouping(site_event=SiteEvent(timeout_minutes=60, on_timeout=on_timeout))  # type: ignore[arg-type]
    await fleet.decide(await fleet.tickets(4), grouping)
    fleet.clock.advance(timedelta(minutes=59))
    assert await fleet.desk(grouping).tend() == 0

    fleet.clock.advance(timedelta(minutes=1))

    assert await fleet.desk(grouping).tend() == 1
    [group] = await fleet.groups()
    assert (group["state"], group["decided_by"]) == (state, "time-out")


async def test_a_confirmed_event_closes_when_nothing_comes_any_more_and_sends_nothing_then(fleet: Fleet):
    await fleet.decide(await fleet.tickets(4))
    await fleet.desk().confirm(1, cause="no power", key="c", actor="ada")

    fleet.clock.advance(timedelta(minutes=30))
    assert await fleet.desk().tend() == 1

    assert [group["state"] for group in await fleet.groups()] == [GroupState.CLOSED]
    async with reading(fleet.engine) as tx:
        assert await members_waiting(tx, [1]) == []


@pytest.mark.parametrize("verb", ["close", "dismiss"])
async def test_what_a_person_ends_is_decided_by_itself_also_what_needed_nothing(fleet: Fleet, verb: str):
    tickets = await fleet.tickets(5)
    await fleet.decide(tickets)
    await fleet.desk().confirm(1, cause="no power", key="c", actor="ada")
    waiting = tickets[2:]
    assert await fleet.decide(waiting) == ["grouped"] * 3
    fleet.clock.advance(timedelta(minutes=5))

    end = getattr(fleet.desk(), verb)
    await end(1, reason="power is back", key="e", actor="ada")
    await end(1, reason="power is back", key="e", actor="ada")

    async with reading(fleet.engine) as tx:
        assert await members_waiting(tx, [1]) == waiting
    assert await fleet.decide(waiting) == ["sourced"] * 3
    assert len(await fleet.groups()) == 1, "the same is not proposed again at once"
    fleet.clock.advance(timedelta(hours=2))
    assert await fleet.desk().tend() == 0


async def test_answers_that_make_no_sense_are_refused(fleet: Fleet):
    await fleet.decide(await fleet.tickets(3))
    desk = fleet.desk()

    with pytest.raises(InvalidInput, match="a cause is needed: it is told to everybody whose ticket waits"):
        await desk.confirm(1, cause=" ", key="a", actor="ada")
    with pytest.raises(InvalidInput, match="limit -1 makes no sense: it is how many tickets may get a unit, 0 or more"):
        await desk.confirm(1, cause="power", limit=-1, key="b", actor="ada")
    await desk.dismiss(1, reason="a test", key="c", actor="ada")
    with pytest.raises(IllegalTransition, match="incident group 1 cannot go from dismissed to confirmed"):
        await desk.confirm(1, cause="power", key="d", actor="ada")


async def test_processes_that_see_the_same_event_at_the_same_moment_propose_it_once(fleet: Fleet):
    tickets = await fleet.tickets(24)

    await asyncio.gather(*(fleet.decide(tickets[n : n + 3]) for n in range(0, 24, 3)))

    assert len(await fleet.groups()) == 1
    assert await fleet.members() == 24
    async with reading(fleet.engine) as tx:
        assert (await tx.execute(select(func.count()).select_from(tables.task))).scalar_one() == 1
