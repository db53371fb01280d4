"""A small fleet with one broken switch, and the hub's fulfilment over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.commits import eventually
from tests.factories import (
    BERLIN,
    HAMBURG,
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

from connector.fulfilment.approvals import Holders
from connector.fulfilment.engine import NOBODY, FulfilmentEngine
from connector.fulfilment.options import Backoff, FulfilmentOptions
from connector.model.refs import EntityKind
from connector.rules.policy.reading import Policy, default_policy
from connector.sdk import Clock, Connection
from connector.storage import tables
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import reading, transaction, wake_on_commit
from connector.storage.database.receipts import find_receipt
from connector.storage.database.rows import update_logged

ADDRESS = {"line1": "1 Main St", "city": "Hamburg", "postal_code": "20095", "country": "DE"}
QUICK = Backoff(first=timedelta(milliseconds=20), longest=timedelta(milliseconds=50), unexpected=3, told_after=2)


@dataclass(frozen=True)
class Scene:
    """What a test knows of the fleet."""

    database: AsyncEngine
    source_id: int
    hub_id: int
    site_id: int
    product_id: int
    failed_id: int
    spare_ids: list[int]

    async def open_ticket(self, number: str = "4711", **values: Any) -> int:
        """A ticket arrives, as ingest writes it: about the broken switch, each further one about another one."""
        async with transaction(self.database) as tx:
            if "asset_id" not in values:
                is_first = (await tx.execute(select(tables.ticket.c.id).limit(1))).first() is None
                another = {"site_id": self.site_id, "product_id": self.product_id}
                values["asset_id"] = self.failed_id if is_first else await make_asset(tx, **another)
            ticket_id = await make_ticket(
                tx, source_id=self.source_id, number=number, external_id=number, title="Switch is dead", **values
            )
            fields = {"number": (None, number), "state": (None, "new"), "asset_id": (None, values["asset_id"])}
            await log_changes(tx, [NewChange(EntityKind.TICKET, ticket_id, "created", fields)], actor="itsm", at=NOW)
        return ticket_id

    async def change(self, table: Table, kind: EntityKind, row_id: int, **values: Any) -> None:
        """A source changes something."""
        async with transaction(self.database) as tx:
            await update_logged(tx, table, kind, row_id, values, actor="source", at=NOW)

    async def rows(self, table: Table, **where: Any) -> list[Mapping[str, Any]]:
        """Rows of a table that match, by id."""
        statement = select(table).order_by(table.c.id)
        for name, value in where.items():
            statement = statement.where(table.c[name] == value)
        async with reading(self.database) as tx:
            return [dict(row) for row in (await tx.execute(statement)).mappings()]

    async def row(self, table: Table, **where: Any) -> Mapping[str, Any]:
        """The one row that matches."""
        [found] = await self.rows(table, **where)
        return found

    async def shelf(self) -> tuple[int, int]:
        """Units on hand and reserved."""
        row = await self.row(tables.stock, product_id=self.product_id)
        return row["on_hand"], row["reserved"]

    async def receipts(self, step: str) -> int:
        """How many fulfilments have a receipt of a step."""
        statement = select(tables.step_receipt.c.key).where(tables.step_receipt.c.key.endswith(f":{step}"))
        async with reading(self.database) as tx:
            return len(list(await tx.execute(statement)))

    async def has_receipt(self, key: str) -> bool:
        """Whether there is a receipt under a key."""
        async with reading(self.database) as tx:
            return await find_receipt(tx, key) is not None

    async def finished(self, count: int) -> None:
        """Wait until so many fulfilments have done their last step."""
        await eventually(lambda: self._has(count, "state"))

    async def undone(self, count: int) -> None:
        """Wait until so many fulfilments are undone to the end."""
        await eventually(lambda: self._has(count, "undo-note"))

    async def _has(self, count: int, step: str) -> bool:
        return await self.receipts(step) == count

    async def tasks(self, **where: Any) -> list[tuple[str, str]]:
        """Keys (with ids left out) and states of tasks."""
        return [(row["key"].split(":")[0], row["state"].value) for row in await self.rows(tables.task, **where)]


async def make_scene(database: AsyncEngine, *, spares: int = 2, near: bool = False, **site: Any) -> Scene:
    """A switch in Hamburg and spares in Berlin, too far to drive; with `near`, all in Berlin."""
    async with transaction(database) as tx:
        source_id = await make_source(tx)
        place = {**(BERLIN if near else HAMBURG), "address": ADDRESS, **site}
        site_id = await make_site(tx, name="Hamburg Port", code="HAM", **place)
        hub_id = await make_hub(tx, name="Berlin Depot", code="BER", **BERLIN)
        product_id = await make_product(tx, model="SW-48", part_number="P-48")
        failed_id = await make_asset(tx, site_id=site_id, product_id=product_id)
        spare_ids = await make_spares(tx, hub_id=hub_id, product_id=product_id, count=spares)
        bracket = await make_product(tx, model="Bracket", part_number="BR-1", tracking="counted")
        kit = await insert_row(tx, tables.kit, {"name": "swap", "product_id": product_id})
        await insert_row(tx, tables.kit_component, {"kit_id": kit, "product_id": bracket, "quantity": 2})
    return Scene(database, source_id, hub_id, site_id, product_id, failed_id, spare_ids)


def make_engine(
    scene_database: AsyncEngine,
    url: str,
    connections: Mapping[str, Connection],
    clock: Clock,
    *,
    executor: str = "hub",
    policy: Policy | None = None,
    holders: Holders = NOBODY,
    **options: Any,
) -> FulfilmentEngine:
    """The hub's fulfilment with short pauses; it looks at the log after each commit here, as `serve` has it do."""
    settings = FulfilmentOptions(**{"courier": "courier", "backoff": QUICK, **options})
    hub = FulfilmentEngine(
        scene_database, url, connections, clock=clock, policy=policy or default_policy(), options=settings,
        executor=executor, holders=holders,
    )  # fmt: skip
    wake_on_commit(scene_database, hub.reactor.wake)
    return hub
