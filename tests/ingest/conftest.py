"""A hub that takes in batches, and looks at what became of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock

from connector.ingest.apply import Applied, apply
from connector.model.refs import EntityKind
from connector.sdk import Batch, Deferred, Record
from connector.storage import tables
from connector.storage.database.drafts import TABLES
from connector.storage.database.engine import reading, transaction
from connector.storage.sources.sources import register_source


class Intake:
    """Takes batches of named sources in, each in a transaction of its own."""

    def __init__(self, engine: AsyncEngine, clock: MovableClock) -> None:
        self.engine = engine
        self.clock = clock

    async def __call__(self, *records: Record | Deferred, source: str = "cmdb", **values: Any) -> Applied:
        return await self.batch(Batch(records=records, **values), source=source)

    async def batch(self, batch: Batch, *, source: str = "cmdb", stream: str = "things") -> Applied:
        self.clock.advance(timedelta(seconds=1))
        async with transaction(self.engine) as tx:
            source_id = await register_source(tx, name=source, adapter="test", at=self.clock.now())
            return await apply(tx, source_id, stream, batch, actor=f"source:{source}", at=self.clock.now())

    async def rows(self, kind: str) -> list[dict[str, Any]]:
        table = TABLES[EntityKind(kind)]
        async with reading(self.engine) as tx:
            return [dict(row) for row in (await tx.execute(select(table).order_by(table.c.id))).mappings()]

    async def row(self, kind: str) -> dict[str, Any]:
        (row,) = await self.rows(kind)
        return row

    async def refs(self) -> list[dict[str, Any]]:
        table = tables.source_ref
        async with reading(self.engine) as tx:
            return [dict(row) for row in (await tx.execute(select(table).order_by(table.c.id))).mappings()]

    async def quarantine(self, *, is_open: bool = True) -> list[dict[str, Any]]:
        table = tables.quarantine
        statement = select(table).order_by(table.c.id)
        if is_open:
            statement = statement.where(table.c.resolved_at.is_(None))
        async with reading(self.engine) as tx:
            return [dict(row) for row in (await tx.execute(statement)).mappings()]

    async def changes(self, kind: str | None = None) -> list[dict[str, Any]]:
        table = tables.change
        statement = select(table).order_by(table.c.id)
        if kind is not None:
            statement = statement.where(table.c.kind == EntityKind(kind))
        async with reading(self.engine) as tx:
            return [dict(row) for row in (await tx.execute(statement)).mappings()]

    async def count_changes(self) -> int:
        async with reading(self.engine) as tx:
            return int((await tx.execute(select(func.count()).select_from(tables.change))).scalar_one())


@pytest.fixture
def intake(engine: AsyncEngine, clock: MovableClock) -> Intake:
    """A hub without any data."""
    return Intake(engine, clock)
