"""A rollout of routers to a few sites, with everything behind it real but durable execution, which runs inline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import (
    BERLIN,
    HAMBURG,
    make_counted_stock,
    make_hub,
    make_product,
    make_service_class,
    make_site,
    make_spares,
)
from tests.fulfilment.scene import ADDRESS
from tests.fulfilment.world import World

from connector.fulfilment.keys import BACKWARD, FORWARD
from connector.fulfilment.options import FulfilmentOptions
from connector.fulfilment.react import Reactor
from connector.fulfilment.rollout_draft import NewRollout, SiteOrder
from connector.fulfilment.rollout_lines import RolloutFollower
from connector.fulfilment.rollout_notes import tell_ticket
from connector.fulfilment.rollout_work import RolloutWork
from connector.fulfilment.rollouts import Rollouts
from connector.fulfilment.steps import Steps
from connector.fulfilment.undo import UndoSteps
from connector.fulfilment.work import Work
from connector.fulfilment.workflows import Workflows
from connector.model.kinds import TaskKind
from connector.model.lifecycle import ReservationState, RolloutState, TaskState
from connector.rules.policy.reading import Policy, default_policy, default_policy_text, read_policy
from connector.sdk import Connection
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.shipments.shipments import move_shipment

POLICY = """
rollouts:
  risk:
    - { when: "site.service_class == 'critical'", risk: 90 }
    - { when: "site.region == 'LAB'", risk: 0 }
  first_wave_size: 2
  wave_size: 3
  keep_free_percent: 0
  success_percent: 100
  soak_minutes: 60
  halt_percent: 50
  halt_sample: 2
"""


def rollout_policy(extra: str = POLICY) -> Policy:
    """The shipped policy with these rollouts."""
    text = default_policy_text()
    head, _, rest = text.partition("\nrollouts:")
    lines = rest.splitlines()
    after = next((i for i, line in enumerate(lines[1:], 1) if line and line[0] not in " #"), len(lines))
    return read_policy(head + "\n" + "\n".join(lines[after:]) + "\n" + extra)


class Inline:
    """What the reactor starts, done at once and once: as durable workflows do it, without their engine."""

    def __init__(self, work: Work) -> None:
        self._forward, self._backward, self._work = Steps(work, default_policy()), UndoSteps(work), work
        self._done: set[str] = set()
        self.swaps = self

    async def start_parcel(self, shipment_id: int) -> None:
        assert not self._work.asset_writers(), f"shipment {shipment_id}: nobody here can be told of swaps"

    async def start_fulfilment(self, reservation_id: int) -> None:
        if self._is_new(f"fulfil-{reservation_id}"):
            for step in FORWARD:
                if (await self._forward.attempt(step, reservation_id)).status != "done":
                    return

    async def start_undo(self, reservation_id: int) -> None:
        if self._is_new(f"undo-{reservation_id}"):
            for step in BACKWARD:
                assert (await self._backward.attempt(step, reservation_id)).status == "done"

    async def start_delivered(self, shipment_id: int) -> None:
        del shipment_id

    async def start_asked(self, approval_id: int) -> None:
        self._is_new(f"asked-{approval_id}")

    async def start_refused(self, approval_id: int) -> None:
        self._is_new(f"refused-{approval_id}")

    async def start_rollout_note(self, position: int) -> None:
        if self._is_new(f"note-{position}"):
            await tell_ticket(self._work, position)

    def _is_new(self, name: str) -> bool:
        is_new = name not in self._done
        self._done.add(name)
        return is_new


@dataclass
class Yard:
    """What a test knows, and what people do."""

    engine: AsyncEngine
    clock: MovableClock
    world: World
    rollouts: Rollouts
    people: RolloutWork
    reactor: Reactor
    follower: RolloutFollower
    hub_ids: dict[str, int]
    site_ids: list[int]
    product_id: int
    spare_ids: list[int] = field(default_factory=list)

    async def make(self, name: str = "Routers 7.2", **values: Any) -> int:
        """A draft for all sites."""
        orders = values.pop("sites", None) or [SiteOrder(site_id) for site_id in self.site_ids]
        new = NewRollout(name=name, product_id=self.product_id, sites=orders, **values)
        return await self.rollouts.create(new, key=key(), actor="ada")

    async def running(self, **values: Any) -> int:
        """A rollout that has begun."""
        rollout_id = await self.make(**values)
        await self.rollouts.plan(rollout_id, key=key(), actor="ada")
        await self.rollouts.start(rollout_id, key=key(), actor="ada")
        await self.settle()
        return rollout_id

    async def settle(self) -> None:
        """The reader of the log has dealt with everything."""
        while await self.reactor.catch_up():
            continue

    async def pass_time(self, by: timedelta) -> None:
        """The clock moves, and the minute's tick comes."""
        self.clock.advance(by)
        await self.follower.tick()
        await self.settle()

    async def stage(self) -> None:
        """Every staging task is confirmed."""
        for task in await self.open_tasks(TaskKind.STAGING):
            await self.people.confirm_staging(task["id"], key=key(), actor="bo")
        await self.settle()

    async def hand_over(self) -> None:
        """Every hand-over task is confirmed."""
        for task in await self.open_tasks(TaskKind.HANDOVER):
            await self.people.confirm_handover(task["id"], key=key(), actor="bo")
        await self.settle()

    async def deliver(self, *, but: int = 0) -> None:
        """The courier delivers all parcels that are under way, but the first ones."""
        parcels = await self.rows(tables.shipment, status="picked_up")
        async with transaction(self.engine) as tx:
            for parcel in parcels[but:]:
                at = self.clock.now()
                await move_shipment(tx, parcel["id"], parcel["status"].DELIVERED, actor="courier", at=at)
        await self.settle()

    async def send_wave(self) -> None:
        """The present wave is staged, handed over and delivered."""
        await self.stage()
        await self.hand_over()
        await self.deliver()

    async def report(self, line: Mapping[str, Any], outcome: Any, reason: str | None = None) -> None:
        await self.people.report(line["id"], outcome, reason=reason, key=key(), actor="cy")
        await self.settle()

    async def rows(self, table: Table, **where: Any) -> list[dict[str, Any]]:
        """Rows of a table that match, by id."""
        statement = select(table).order_by(table.c.id)
        for name, value in where.items():
            statement = statement.where(table.c[name] == value)
        async with reading(self.engine) as tx:
            return [dict(row) for row in (await tx.execute(statement)).mappings()]

    async def open_tasks(self, kind: TaskKind) -> list[dict[str, Any]]:
        return await self.rows(tables.task, kind=kind, state=TaskState.OPEN)

    async def open_tasks_of(self, rollout_id: int) -> list[dict[str, Any]]:
        return await self.rows(tables.task, rollout_id=rollout_id, state=TaskState.OPEN)

    async def rollout(self, rollout_id: int) -> dict[str, Any]:
        [found] = await self.rows(tables.rollout, id=rollout_id)
        return found

    async def state(self, rollout_id: int) -> RolloutState:
        found: RolloutState = (await self.rollout(rollout_id))["state"]
        return found

    async def lines(self, **where: Any) -> list[dict[str, Any]]:
        return await self.rows(tables.rollout_line, **where)

    async def states(self) -> dict[str, int]:
        """How many lines are in which state."""
        return dict(Counter(line["state"].value for line in await self.lines()))

    async def shelf(self, hub: str = "BER") -> tuple[int, int]:
        """Units on hand and reserved."""
        [row] = await self.rows(tables.stock, hub_id=self.hub_ids[hub], product_id=self.product_id)
        return row["on_hand"], row["reserved"]

    async def live(self) -> int:
        """Reservations that hold stock."""
        found = await self.rows(tables.reservation)
        return sum(row["state"] in (ReservationState.HELD, ReservationState.COMMITTED) for row in found)

    async def set_stock(self, **values: Any) -> None:
        async with transaction(self.engine) as tx:
            await tx.execute(update(tables.stock).where(tables.stock.c.product_id == self.product_id).values(**values))


def key() -> str:
    """A new idempotency key."""
    return uuid4().hex


async def make_yard(
    engine: AsyncEngine,
    clock: MovableClock,
    world: World | None = None,
    *,
    sites: int = 5,
    spares: int = 8,
    policy: Policy | None = None,
    counted: bool = False,
    prefix: str = "",
    courier: Connection | None = None,
) -> Yard:
    """Sites in Hamburg, the first one critical and the last one a laboratory; spares in Berlin.

    courier: instead of the one of the world.
    """
    world = world or World()
    async with transaction(engine) as tx:
        critical = await make_service_class(tx, "critical") if not prefix else None
        hubs = {"BER": await make_hub(tx, name="Berlin Depot", code=f"{prefix}BER", **BERLIN)}
        tracking = "counted" if counted else "serialised"
        product_id = await make_product(tx, model=f"{prefix}R-7", tracking=tracking)
        spare_ids = []
        if counted:
            await make_counted_stock(tx, hub_id=hubs["BER"], product_id=product_id, on_hand=spares)
        else:
            spare_ids = await make_spares(tx, hub_id=hubs["BER"], product_id=product_id, count=spares)
        site_ids = []
        for number in range(sites):
            place = {**HAMBURG, "address": ADDRESS, "name": f"Shop {number + 1}", "code": f"{prefix}HH{number + 1}"}
            if number == 0 and critical is not None:
                place["service_class_id"] = critical
            elif number == sites - 1:
                place["region"] = "LAB"
            site_ids.append(await make_site(tx, **place))
    connections = world.connections(clock)
    if courier is not None:
        connections["courier"] = courier
    work = Work(engine, connections, clock, FulfilmentOptions(courier="courier"))
    chosen = policy or rollout_policy()
    inline: Any = Inline(work)
    workflows: Workflows = inline
    reactor = Reactor(work, workflows, chosen)
    return Yard(
        engine, clock, world, Rollouts(engine, clock, chosen), RolloutWork(engine, clock, chosen), reactor,
        RolloutFollower(engine, clock, chosen), hubs, site_ids, product_id, spare_ids,
    )  # fmt: skip
