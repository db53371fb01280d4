"""What a wave and a plan cost, whatever the number of sites."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import process_time

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.fulfilment.rollout_scene import key, make_yard

from connector.model.kinds import HubTier, TicketType
from connector.model.lifecycle import TicketState
from connector.rules.facts.fleet import Fleet, hub_facts
from connector.rules.facts.ticket import ProductFacts, SiteFacts, TicketFacts
from connector.rules.policy.reading import default_policy
from connector.rules.rollouts.choosing import Choosing
from connector.rules.rollouts.waves import Cut, HubShelf, Pace, Planning, Wanted, in_order

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@contextmanager
def statements(engine: AsyncEngine) -> Iterator[list[str]]:
    """The statements that are sent meanwhile; one that is repeated with many rows is one."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


async def costs(engine: AsyncEngine, clock: MovableClock, sites: int, prefix: str) -> dict[str, int]:
    """Statements of each step of a rollout to so many sites in one wave from one hub."""
    yard = await make_yard(engine, clock, sites=sites, spares=sites, prefix=prefix)
    rollout_id = await yard.make(name=f"R{sites}", first_wave_size=10_000)
    steps = {}
    with statements(engine) as seen:
        await yard.rollouts.plan(rollout_id, key=key(), actor="ada")
        steps["plan"] = len(seen)
        await yard.rollouts.start(rollout_id, key=key(), actor="ada")
        steps["begin"] = len(seen) - sum(steps.values())
        [staging] = [task for task in await yard.open_tasks_of(rollout_id)]
        read = len(seen)
        await yard.people.confirm_staging(staging["id"], key=key(), actor="bo")
        steps["stage"] = len(seen) - read
        read = len(seen)
        await yard.rollouts.pause(rollout_id, reason="freeze", key=key(), actor="ada")
        steps["pause"] = len(seen) - read
    assert len(await yard.lines(rollout_id=rollout_id)) == sites
    return steps


async def test_each_step_takes_as_many_statements_for_many_lines_as_for_few(engine: AsyncEngine, clock: MovableClock):
    few = await costs(engine, clock, 10, "A-")
    many = await costs(engine, clock, 400, "B-")

    assert many == few
    assert few["begin"] <= 45


def test_two_thousand_sites_over_fifty_hubs_are_planned_in_a_moment(database: str):
    del database
    places = [(-60 + 0.05 * n, -170 + 0.15 * n) for n in range(2_000)]
    lines = [Wanted(n, n, n, 1, n % 100) for n in range(2_000)]
    sites = {n: SiteFacts(n, f"Shop {n}", None, *place, time_zone="UTC") for n, place in enumerate(places)}
    hubs = [
        hub_facts(
            id=n, label=f"H{n}", tier=HubTier.REGIONAL, latitude=places[n * 39][0], longitude=places[n * 39][1],
            time_zone="UTC", opening_hours="24x7", cut_offs=("17:00",), handling_minutes=60,
        )
        for n in range(1, 51)
    ]  # fmt: skip
    shelves = [HubShelf(n, f"H{n}", 60, protected=10) for n in range(1, 51)]
    ticket = TicketFacts(1, "CHG-1", TicketType.CHANGE, TicketState.NEW)
    choosing = Choosing(ticket, ProductFacts(1, "Acme", "R-7"), default_policy(), Fleet(hubs))

    begun = process_time()
    planning = Planning(shelves, Cut(5, 100), Pace(29_000_000, 1440, 90), choosing, keep_free_percent=5)
    planning.place(in_order(lines), sites)
    plan = planning.plan()

    assert process_time() - begun < 2
    assert (len(plan.placed), len(plan.short)) == (2_000, 0)
