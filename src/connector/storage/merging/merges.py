"""The record of merges: who made which devices one, why, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.refs import EntityKind
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.rows import json_value
from connector.storage.tables import asset_merge

_c = asset_merge.c


@dataclass(frozen=True, slots=True)
class MergeRow:
    """A merge. See the table for what each field means."""

    id: int
    kept_id: int
    merged_id: int
    reason: str
    merged_by: str
    moved: dict[str, int]
    journal: dict[str, Any]
    undone_by: str | None
    undone_at: datetime | None
    created_at: datetime


async def insert_merge(
    tx: AsyncConnection,
    kept: int,
    merged: int,
    *,
    moved: Mapping[str, int],
    journal: Mapping[str, Any],
    reason: str,
    actor: str,
    at: datetime,
) -> int:
    """Keep a merge; returns its id."""
    values = {"kept_id": kept, "merged_id": merged, "reason": reason, "merged_by": actor, "moved": dict(moved)}
    row = {**values, "journal": dict(journal), "created_at": at, "updated_at": at}
    merge_id = int((await tx.execute(insert(asset_merge).values(**row).returning(_c.id))).scalar_one())
    fields = {name: (None, value) for name, value in values.items()}
    change = NewChange(EntityKind.ASSET_MERGE, merge_id, "created", fields)
    await log_changes(tx, [change], actor=actor, cause=reason, at=at)
    return merge_id


async def end_merge(
    tx: AsyncConnection, merge_id: int, *, stayed: Sequence[Mapping[str, Any]], reason: str, actor: str, at: datetime
) -> None:
    """It was taken back."""
    told = [dict(item) for item in stayed]
    values = {"undone_by": actor, "undone_at": at, "undo_reason": reason, "stayed": told}
    await tx.execute(update(asset_merge).where(_c.id == merge_id).values(**values, updated_at=at))
    fields = {name: (None, json_value(value)) for name, value in values.items()}
    change = NewChange(EntityKind.ASSET_MERGE, merge_id, "updated", fields)
    await log_changes(tx, [change], actor=actor, cause=reason, at=at)


async def merge_row(tx: AsyncConnection, merge_id: int) -> MergeRow:
    """A merge, locked until the transaction ends. Raises NotKnown."""
    columns = [_c[name] for name in MergeRow.__slots__]
    row = (await tx.execute(select(*columns).where(_c.id == merge_id).with_for_update(key_share=True))).one_or_none()
    if row is None:
        raise NotKnown(f"there is no merge {merge_id}", hint="`connector identity merges` lists those that there are.")
    return MergeRow(*row)


async def standing_merge_of(tx: AsyncConnection, merged: int) -> int | None:
    """The merge by which a device is another one now; None for a device that is one."""
    statement = select(_c.id).where(_c.merged_id == merged, _c.undone_at.is_(None))
    return (await tx.execute(statement)).scalar_one_or_none()


async def later_merge_into(tx: AsyncConnection, kept: int, *, after: int) -> int | None:
    """The newest merge into a device that stands and came after another one; None where there is none."""
    statement = select(_c.id).where(_c.kept_id == kept, _c.undone_at.is_(None), _c.id > after)
    return (await tx.execute(statement.order_by(_c.id.desc()).limit(1))).scalar_one_or_none()


async def list_merges(tx: AsyncConnection, *, every: bool, after: int = 0, limit: int = 50) -> list[MergeRow]:
    """A page of merges, oldest first. every: those too that were taken back."""
    columns = [_c[name] for name in MergeRow.__slots__]
    statement = select(*columns).where(_c.id > after).order_by(_c.id).limit(limit)
    if not every:
        statement = statement.where(_c.undone_at.is_(None))
    return [MergeRow(*row) for row in await tx.execute(statement)]
