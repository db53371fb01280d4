"""Whose word goes first, as it holds now, and how far things have been worked out anew since that was another."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Text, cast, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.rules.golden.choosing import NO_PRECEDENCE, Precedence
from connector.storage.tables import precedence, source, source_ref

_ROW = 1


@dataclass(frozen=True, slots=True)
class Holding:
    """The precedence that holds. previous: the one before, while things are worked out anew; settled_to: the reference
    up to which that is done.
    """

    now: Precedence
    previous: Precedence | None = None
    settled_to: int = 0


async def holding(tx: AsyncConnection, *, lock: bool = False) -> Holding:
    """The precedence that holds; none at all before the first was set."""
    c = precedence.c
    statement = select(c.orders, c.lapsed, c.previous, c.settled_to).where(c.id == _ROW)
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    if row is None:
        return Holding(NO_PRECEDENCE)
    return Holding(_read(row), None if row.previous is None else _read_document(row.previous), row.settled_to)


async def adopt(tx: AsyncConnection, before: Precedence, after: Precedence, *, at: datetime) -> None:
    """Let another precedence hold from now on; things are to be worked out anew."""
    values = {
        "orders": _orders(after),
        "lapsed": sorted(after.lapsed),
        "previous": {"orders": _orders(before), "lapsed": sorted(before.lapsed)},
        "settled_to": 0,
        "updated_at": at,
    }
    changed = await tx.execute(update(precedence).where(precedence.c.id == _ROW).values(**values))
    if changed.rowcount == 0:
        await tx.execute(insert(precedence).values(id=_ROW, **values))


async def settled(tx: AsyncConnection, up_to: int | None, *, at: datetime) -> None:
    """Things of references up to this one have been worked out anew; all, when it is None."""
    values = {"previous": None, "settled_to": 0} if up_to is None else {"settled_to": up_to}
    await tx.execute(update(precedence).where(precedence.c.id == _ROW).values(**values, updated_at=at))


async def lapsed_sources(tx: AsyncConnection, fresh_days: Mapping[str, int], *, at: datetime) -> frozenset[str]:
    """Sources that have not worked for longer than they are believed. fresh_days: source -> how long that is.

    A source that never worked says nothing that could be too old.
    """
    c = source.c
    statement = select(c.name, c.last_success_at).where(c.name.in_(list(fresh_days)), c.last_success_at.is_not(None))
    found = await tx.execute(statement)
    return frozenset(name for name, last in found if at - last > timedelta(days=fresh_days[name]))


async def contested_after(
    tx: AsyncConnection, kinds: Collection[EntityKind], after: int, *, limit: int
) -> tuple[Sequence[tuple[EntityKind, int]], int | None]:
    """Things of these kinds that more than one live reference leads to, by the references behind a row id.

    limit: references that are looked at. Also the last one of them, None when there are no more.
    """
    c, other = source_ref.c, source_ref.alias()
    shared = exists().where(
        other.c.kind == c.kind, other.c.entity_id == c.entity_id, other.c.id != c.id, other.c.deleted_at.is_(None)
    )
    of_kinds = cast(c.kind, Text).in_([kind.value for kind in kinds])  # or SQLite sorts everything again for each page
    statement = (
        select(c.id, c.kind, c.entity_id, shared)
        .where(c.id > after, of_kinds, c.entity_id.is_not(None), c.deleted_at.is_(None))
        .order_by(c.id)
        .limit(limit)
    )
    rows = (await tx.execute(statement)).all()
    things = list(dict.fromkeys((kind, entity_id) for _, kind, entity_id, is_shared in rows if is_shared))
    return things, rows[-1][0] if rows else None


def _read(row: Any) -> Precedence:
    return Precedence(row.orders, frozenset(row.lapsed))


def _read_document(document: Mapping[str, Any]) -> Precedence:
    return Precedence(document["orders"], frozenset(document["lapsed"]))


def _orders(rules: Precedence) -> dict[str, list[str]]:
    return {name: list(order) for name, order in sorted(rules.orders.items())}
