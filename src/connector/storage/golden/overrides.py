"""What people say that fields are, whatever sources say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.refs import EntityKind
from connector.storage.golden.conflicts import ABOUT
from connector.storage.tables import field_override


@dataclass(frozen=True, slots=True)
class Override:
    """An override that stands. value, replaced: values of the field's columns, as JSON has them."""

    id: int
    kind: EntityKind
    entity_id: int
    field: str
    value: list[Any]
    replaced: list[Any]


async def standing_override(tx: AsyncConnection, kind: EntityKind, entity_id: int, name: str) -> Override | None:
    """The override of a field that stands, locked until the transaction ends."""
    c = field_override.c
    found = await _locked(tx, c.kind == kind, c.entity_id == entity_id, c.field == name)
    return found[0] if found else None


async def override_of_id(tx: AsyncConnection, override_id: int) -> Override | None:
    """The override if it stands, locked; None for one that was released. Raises NotKnown."""
    found = await _locked(tx, field_override.c.id == override_id)
    if not found:
        known = await tx.execute(select(field_override.c.id).where(field_override.c.id == override_id))
        if known.one_or_none() is None:
            raise NotKnown(f"there is no override with id {override_id}")
    return found[0] if found else None


async def any_ended(tx: AsyncConnection, at: datetime) -> bool:
    """Whether there is an override whose time is over and that nobody has released."""
    c = field_override.c
    statement = select(c.id).where(c.until <= at, c.released_at.is_(None)).limit(1)
    return (await tx.execute(statement)).first() is not None


async def ended_overrides(tx: AsyncConnection, at: datetime, *, limit: int) -> list[Override]:
    """Overrides whose time is over and that nobody has released, locked."""
    return await _locked(tx, field_override.c.until <= at, limit=limit)


async def insert_override(
    tx: AsyncConnection,
    kind: EntityKind,
    entity_id: int,
    name: str,
    *,
    value: Sequence[Any],
    replaced: Sequence[Any],
    reason: str,
    by: str,
    at: datetime,
    until: datetime | None,
) -> int:
    """Keep an override of a field of which none stands; returns its id."""
    values = {
        "kind": kind,
        "entity_id": entity_id,
        ABOUT[kind]: entity_id,
        "field": name,
        "value": list(value),
        "replaced": list(replaced),
        "reason": reason,
        "created_by": by,
        "created_at": at,
        "until": until,
    }
    made = await tx.execute(insert(field_override).values(**values).returning(field_override.c.id))
    return int(made.scalar_one())


async def end_override(tx: AsyncConnection, override_id: int, *, by: str, at: datetime) -> None:
    """It no longer stands."""
    c = field_override.c
    await tx.execute(update(field_override).where(c.id == override_id).values(released_at=at, released_by=by))


async def _locked(tx: AsyncConnection, *where: Any, limit: int | None = None) -> list[Override]:
    c = field_override.c
    statement = (
        select(c.id, c.kind, c.entity_id, c.field, c.value, c.replaced)
        .where(*where, c.released_at.is_(None))
        .order_by(c.id)
        .limit(limit)
        .with_for_update()
    )
    return [Override(*row) for row in await tx.execute(statement)]
