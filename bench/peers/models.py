"""SQLAlchemy models of the tables that are read, as the two Python peers have them."""

from __future__ import annotations

import base64
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ForeignKey, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

engine = create_async_engine(os.environ["DATABASE"], pool_size=10, max_overflow=10)
session: Callable[[], AsyncSession] = async_sessionmaker(engine, expire_on_commit=False)


class Model(DeclarativeBase):
    pass


class Site(Model):
    __tablename__ = "site"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    code: Mapped[str | None]
    country: Mapped[str | None]
    time_zone: Mapped[str | None]
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    retired_at: Mapped[datetime | None]


class Asset(Model):
    __tablename__ = "asset"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    serial: Mapped[str | None]
    asset_tag: Mapped[str | None]
    state: Mapped[str]
    lane: Mapped[str]
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    retired_at: Mapped[datetime | None]


class Ticket(Model):
    __tablename__ = "ticket"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str]
    title: Mapped[str]
    type: Mapped[str]
    priority: Mapped[str | None]
    state: Mapped[str]
    category: Mapped[str | None]
    requester: Mapped[str | None]
    quantity: Mapped[int]
    opened_at: Mapped[datetime | None]
    sla_due_at: Mapped[datetime | None]
    asset_id: Mapped[int | None] = mapped_column(ForeignKey("asset.id"))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    retired_at: Mapped[datetime | None]


class Shipment(Model):
    __tablename__ = "shipment"
    id: Mapped[int] = mapped_column(primary_key=True)
    tracking_number: Mapped[str | None]
    status: Mapped[str]
    direction: Mapped[str]
    carrier: Mapped[str | None]
    service: Mapped[str | None]
    cost_cents: Mapped[int | None]
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"))


def instant(value: datetime) -> str:
    """As Connector writes it."""
    return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def key_of(text: str) -> int:
    """The number in a global id."""
    return int(base64.b64decode(text).decode().partition(":")[2])


async def page(statement: Any) -> Sequence[Any]:
    """Rows of one model."""
    async with session() as db:
        return (await db.scalars(statement)).all()


async def by_id(model: Any, ids: Sequence[int]) -> list[Any]:
    """What a loader of a relation to one row returns: rows in the order of the ids."""
    found = {row.id: row for row in await page(select(model).where(model.id.in_(set(ids))))}
    return [found.get(key) for key in ids]


async def by_parent(model: Any, column: Any, ids: Sequence[int]) -> list[list[Any]]:
    """What a loader of a relation to all rows returns: a list for each parent."""
    grouped = defaultdict(list)
    for row in await page(select(model).where(column.in_(set(ids))).order_by(model.id)):
        grouped[getattr(row, column.key)].append(row)
    return [grouped[key] for key in ids]


async def first_by_parent(model: Any, column: Any, keys: Sequence[tuple[int, int]]) -> list[list[Any]]:
    """The same for the first rows of each parent. keys: parent and how many."""
    size = max(first for _, first in keys)
    place = func.row_number().over(partition_by=column, order_by=model.id).label("place")
    numbered = select(model, place).where(column.in_({key for key, _ in keys}), model.retired_at.is_(None)).subquery()
    rows = aliased(model, numbered)
    grouped = defaultdict(list)
    for row in await page(select(rows).where(numbered.c.place <= size).order_by(rows.id)):
        grouped[getattr(row, column.key)].append(row)
    return [grouped[key][:first] for key, first in keys]


async def groups(tests: Sequence[Any], names: Sequence[str]) -> Any:
    """Tickets that pass the tests: for each group of them what the columns hold, and how many there are."""
    columns = [getattr(Ticket, name) for name in names]
    rows = select(*columns, func.count()).where(Ticket.retired_at.is_(None), *tests)
    async with session() as db:
        return (await db.execute(rows.group_by(*columns).order_by(*columns))).all()
