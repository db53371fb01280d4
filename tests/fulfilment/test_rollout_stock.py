"""Rollouts and incidents on one shelf: whatever comes in whatever order, incidents get what a rollout has not sent."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import NOW, make_asset, make_source, make_ticket
from tests.fulfilment.rollout_scene import POLICY, Yard, key, make_yard, rollout_policy
from tests.fulfilment.world import World

from connector.model.errors import IllegalTransition
from connector.model.kinds import TaskKind
from connector.model.lifecycle import ROLLOUT_LINE_AT_HUB, AssetState, RolloutLineState, RolloutState
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import open_engine, transaction

KEPT = POLICY.replace("keep_free_percent: 0", "keep_free_percent: 20").replace("soak_minutes: 60", "soak_minutes: 0")
EVENTS = st.lists(st.sampled_from(["incident", "incident", "minute", "stage", "send", "pause", "resume"]), max_size=14)
_names = itertools.count(1)


class Shelf:
    """One hub's shelf, a rollout that wants more than there is, and incidents."""

    def __init__(self, yard: Yard, rollout_id: int, source_id: int, protected: int) -> None:
        self.yard, self.rollout_id, self.source_id, self.protected = yard, rollout_id, source_id, protected

    async def usable(self) -> int:
        """Free units that are not protected."""
        on_hand, reserved = await self.yard.shelf()
        return max(on_hand - reserved - self.protected, 0)

    async def held(self) -> int:
        """Units that lines of the rollout hold and that have not left the hub."""
        return sum(line["state"] in ROLLOUT_LINE_AT_HUB for line in await self.lines())

    async def lines(self) -> list[dict[str, Any]]:
        return await self.yard.lines(rollout_id=self.rollout_id)

    async def incident(self) -> None:
        could_be_served = await self.usable() + await self.held() > 0
        ticket_id = await self._open()
        await self.yard.settle()
        claims = [
            row for row in await self.yard.rows(tables.reservation, ticket_id=ticket_id) if row["state"] != "released"
        ]
        assert len(claims) == could_be_served

    async def minute(self) -> None:
        await self.yard.pass_time(timedelta(minutes=1))

    async def stage(self) -> None:
        await self.yard.stage()

    async def send(self) -> None:
        for task in await self.yard.open_tasks(TaskKind.HANDOVER):
            try:
                await self.yard.people.confirm_handover(task["id"], key=key(), actor="bo")
            except IllegalTransition as error:
                assert "has a label yet" in error.message  # noqa: PT017 - the only reason there may be
        await self.yard.settle()
        await self.yard.deliver()

    async def pause(self) -> None:
        if await self.yard.state(self.rollout_id) is RolloutState.RUNNING:
            await self.yard.rollouts.pause(self.rollout_id, reason="freeze", key=key(), actor="ada")
            await self.yard.settle()
            assert await self.held() == 0

    async def resume(self) -> None:
        if await self.yard.state(self.rollout_id) is RolloutState.PAUSED:
            await self.yard.rollouts.resume(self.rollout_id, reason="over", key=key(), actor="ada")
            await self.yard.settle()

    async def end(self) -> None:
        """Nothing is left for the next example."""
        if await self.yard.state(self.rollout_id) is not RolloutState.COMPLETED:
            await self.yard.rollouts.cancel(self.rollout_id, reason="enough", key=key(), actor="ada")
            await self.yard.settle()
        assert await self.held() == 0
        await self.check()

    async def check(self) -> None:
        """The book, the units and the lines tell the same story."""
        on_hand, reserved = await self.yard.shelf()
        units = await self.yard.rows(tables.asset, product_id=self.yard.product_id, hub_id=self.yard.hub_ids["BER"])
        assert on_hand == len(units)
        assert reserved == sum(unit["state"] is AssetState.RESERVED for unit in units)
        lines = await self.lines()
        waiting = {RolloutLineState.PLANNED, RolloutLineState.SHORT}
        for line in lines:
            claims = await self.yard.rows(tables.reservation, rollout_line_id=line["id"])
            live = sum(claim["state"] in ("held", "committed") for claim in claims)
            sent = sum(claim["state"] == "fulfilled" for claim in claims)
            assert (live, sent) == ((0, 0) if line["state"] in waiting else (live, sent))
            assert live + sent <= 1

    async def _open(self) -> int:
        yard = self.yard
        async with transaction(yard.engine) as tx:
            values = {"site_id": yard.site_ids[0], "product_id": yard.product_id}
            broken = await make_asset(tx, **values)
            ticket_id = await make_ticket(tx, source_id=self.source_id, priority="P3", asset_id=broken)
            fields = {"state": (None, "new"), "asset_id": (None, broken)}
            await log_changes(tx, [NewChange(EntityKind.TICKET, ticket_id, "created", fields)], actor="itsm", at=NOW)
        return ticket_id


async def make_shelf(engine: AsyncEngine, world: World, spares: int, protected: int) -> Shelf:
    number = next(_names)
    yard = await make_yard(
        engine, MovableClock(NOW), world, sites=6, spares=spares, policy=rollout_policy(KEPT), prefix=f"Y{number}-"
    )
    async with transaction(engine) as tx:
        source_id = await make_source(tx, name="itsm" if number == 1 else f"itsm-{number}")
    await yard.set_stock(safety_stock=protected)
    rollout_id = await yard.running(name=f"R{number}")
    return Shelf(yard, rollout_id, source_id, protected)


def test_an_incident_that_could_be_served_without_what_a_rollout_holds_is_served(database: str):
    engine, world = open_engine(database, pool_size=2), World()
    examples = 8 if database.startswith("sqlite") else 3
    with asyncio.Runner() as runner:

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(EVENTS, st.integers(1, 6), st.integers(0, 2))
        def example(events: list[str], spares: int, protected: int) -> None:
            async def play() -> None:
                shelf = await make_shelf(engine, world, spares, protected)
                for event in events:
                    await getattr(shelf, event)()
                    await shelf.check()
                await shelf.end()

            runner.run(play())

        try:
            example()
        finally:
            runner.run(engine.dispose())
