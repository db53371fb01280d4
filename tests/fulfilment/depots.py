"""A scene with two depots: a local one whose shelf is low, and the central one above it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.factories import BERLIN, MUNICH, make_counted_stock, make_hub, make_product, make_spares
from tests.fulfilment.scene import Scene, make_scene

from connector.model.kinds import Lane
from connector.model.lifecycle import ReplenishmentState
from connector.model.refs import EntityKind
from connector.rules.policy.reading import Policy, read_policy
from connector.storage import tables
from connector.storage.database.engine import transaction

POLICY = """
name: test
rules:
  - {name: any, when: "ticket.type == 'incident'", hardware: replace, sources: [TIERS], preempt: {over: [rollout]}}
approvals:
  costly: {roles: [approver], within_minutes: 60, auto_approve_when: request.cost_cents < 20000}
sourcing:
  suppliers:
    trader: {offers: [purchase], lead_hours: 48, cost_cents: 1000, contact: shop 7}
  courier: {transit: [{hours: 24, cost_cents: 3000}]}
replenishment: {rules: [{name: any, RULE}]}
"""


def policy(rule: str = "act: propose", tiers: str = "local, regional, central") -> Policy:
    """A policy with one rule about shelves."""
    return read_policy(POLICY.replace("RULE", rule).replace("TIERS", tiers))


@dataclass(frozen=True)
class Depots:
    """What a test knows of them. stock_id: the low shelf."""

    scene: Scene
    local_id: int
    central_id: int
    product_id: int
    stock_id: int
    lane: Lane

    async def newest(self) -> Mapping[str, Any]:
        """The newest replenishment."""
        return (await self.scene.rows(tables.replenishment))[-1]

    async def comes_to(self, state: ReplenishmentState) -> Mapping[str, Any]:
        """Wait until the newest one is there."""

        async def is_there() -> bool:
            rows = await self.scene.rows(tables.replenishment)
            return bool(rows) and rows[-1]["state"] is state

        await eventually(is_there)
        return await self.newest()

    async def count(self) -> int:
        """How many replenishments there are, ended ones included."""
        return len(await self.scene.rows(tables.replenishment))

    async def here(self) -> tuple[int, int]:
        """Units on hand and reserved on the low shelf."""
        row = await self.scene.row(tables.stock, id=self.stock_id)
        return row["on_hand"], row["reserved"]

    async def there(self) -> tuple[int, int]:
        """The same in the central depot."""
        row = await self.scene.row(tables.stock, hub_id=self.central_id, product_id=self.product_id)
        return row["on_hand"], row["reserved"]

    async def set_here(self, **values: Any) -> None:
        """A source changes the low shelf."""
        await self.scene.change(tables.stock, EntityKind.STOCK, self.stock_id, **values)

    async def set_there(self, **values: Any) -> None:
        """A source changes the central one."""
        above = await self.scene.row(tables.stock, hub_id=self.central_id, product_id=self.product_id)
        await self.scene.change(tables.stock, EntityKind.STOCK, above["id"], **values)

    async def parcel(self) -> Mapping[str, Any]:
        """The one parcel, once there is one."""
        await eventually(lambda: self.scene.rows(tables.shipment))
        return await self.scene.row(tables.shipment)


async def make_depots(
    database: AsyncEngine,
    *,
    here: int = 0,
    there: int = 5,
    keeps: int = 1,
    tracking: str = "serialised",
    lane: Lane = Lane.NORMAL,
    **levels: Any,
) -> Depots:
    """here, there: free units. keeps: safety stock of the central one. levels: of the low shelf."""
    scene = await make_scene(database, spares=0)
    async with transaction(database) as tx:
        local = await make_hub(tx, name="Local", code="LOC", tier="local", **BERLIN)
        central = await make_hub(tx, name="Central", code="CEN", tier="central", **MUNICH)
        product = await make_product(tx, model="R-1", tracking=tracking, unit_cost_cents=10_000)
        for hub_id, units, purpose in ((local, here, lane), (central, there, Lane.NORMAL)):
            if tracking == "serialised":
                await make_spares(tx, hub_id=hub_id, product_id=product, count=units, lane=purpose)
            else:
                await make_counted_stock(tx, hub_id=hub_id, product_id=product, on_hand=units, lane=purpose)
    stock = await scene.row(tables.stock, hub_id=local, product_id=product)
    above = await scene.row(tables.stock, hub_id=central, product_id=product)
    await scene.change(tables.stock, EntityKind.STOCK, above["id"], safety_stock=keeps)
    depots = Depots(scene, local, central, product, stock["id"], lane)
    await depots.set_here(**{"reorder_point": 2, "target": 3, **levels})
    return depots
