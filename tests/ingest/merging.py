"""A hub whose devices are merged, taken apart again and split, and everything that its database holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.factories import insert_row

from connector.ingest.merging import merge_assets
from connector.ingest.splitting import Split, split_asset
from connector.ingest.unmerging import Undone, undo_merge
from connector.model.lifecycle import AssetState
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.merging.records import Record

LEFT_OUT = frozenset({"change", "asset_merge", "reader", "step_receipt"})
"""What tells of what was done, which nothing takes back."""
SHELF = ("hub_id", "product_id", "lane")


class Desk:
    """Merges, takes back and splits, each in a transaction."""

    def __init__(self, engine: AsyncEngine, clock: MovableClock) -> None:
        self.engine, self.clock = engine, clock

    async def merge(self, keep: int, *others: int, reason: str = "one device") -> list[int]:
        self.clock.advance(timedelta(seconds=1))
        async with transaction(self.engine) as tx:
            return await merge_assets(tx, keep, others, reason=reason, actor="ada", clock=self.clock)

    async def undo(self, merge_id: int, reason: str = "two devices") -> Undone:
        self.clock.advance(timedelta(seconds=1))
        async with transaction(self.engine) as tx:
            return await undo_merge(tx, merge_id, reason=reason, actor="bob", at=self.clock.now())

    async def split(self, asset_id: int, *names: str, reason: str = "another one") -> Split:
        """names: each `source:external id`."""
        self.clock.advance(timedelta(seconds=1))
        records = [Record(*name.split(":")) for name in names]
        async with transaction(self.engine) as tx:
            return await split_asset(tx, asset_id, records, reason=reason, actor="ada", clock=self.clock)

    async def add(self, table: Table, **values: Any) -> int:
        async with transaction(self.engine) as tx:
            return await insert_row(tx, table, values)

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        async with reading(self.engine) as tx:
            return [dict(row) for row in (await tx.execute(select(table).order_by(*table.primary_key))).mappings()]


async def everything(engine: AsyncEngine) -> Mapping[str, list[dict[str, Any]]]:
    """All rows of all tables but the log, without the times at which they were last written."""
    found: dict[str, list[dict[str, Any]]] = {}
    async with reading(engine) as tx:
        for table in tables.metadata.sorted_tables:
            if table.name not in LEFT_OUT:
                rows = (await tx.execute(select(table).order_by(*table.primary_key))).mappings()
                found[table.name] = [{name: row[name] for name in row if name != "updated_at"} for row in rows]
    return found


async def miscounted(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    """Shelves whose book says something else than the units that are on them."""
    c, s = tables.asset.c, tables.stock.c
    async with reading(engine) as tx:
        units = await tx.execute(
            select(c.hub_id, c.product_id, c.lane, c.state, func.count())
            .where(c.state.in_((AssetState.IN_STOCK, AssetState.RESERVED)), c.merged_into_id.is_(None))
            .where(c.hub_id.is_not(None), c.product_id.is_not(None))
            .group_by(c.hub_id, c.product_id, c.lane, c.state)
        )
        counted: dict[Any, list[int]] = {}
        for hub, product, lane, state, number in units:
            shelf = counted.setdefault((hub, product, lane), [0, 0])
            shelf[0] += number
            shelf[1] += number if state is AssetState.RESERVED else 0
        books = {
            (row[0], row[1], row[2]): [row[3], row[4]]
            for row in await tx.execute(select(s.hub_id, s.product_id, s.lane, s.on_hand, s.reserved))
        }
    return [
        (shelf, books.get(shelf), counted.get(shelf))
        for shelf in sorted({*books, *counted})
        if books.get(shelf, [0, 0]) != counted.get(shelf, [0, 0])
    ]
