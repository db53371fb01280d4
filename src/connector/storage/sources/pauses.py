"""Sources that are not pulled until somebody lets them go on: a person paused them, or the guard did."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, NotKnown
from connector.model.kinds import SourceState
from connector.model.refs import EntityKind
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.rows import json_value
from connector.storage.tables import source, source_stream

GUARD: Final = "guard"
"""Who pauses a source that would retire or change too much."""


async def pause_source(tx: AsyncConnection, source_id: int, *, by: str, reason: str, at: datetime) -> None:
    """Have a source not pulled until it is let go on, whatever starts meanwhile; a pull under way ends.

    Raises NotKnown, and IllegalTransition for one that is paused already: its reason stays.
    """
    streams = update(source_stream).where(source_stream.c.source_id == source_id)
    await tx.execute(streams.values(lease=None, lease_until=None))
    row = await _paused(tx, source_id)
    if row["paused_by"] is not None:
        when = f"{row['paused_at']:%Y-%m-%d %H:%M}Z"
        raise IllegalTransition(
            f"source {row['name']!r} is paused already: {row['paused_by']} did so at {when}",
            hint=f"Why: {row['pause_reason']}",
        )
    values = {"paused_by": by, "paused_at": at, "pause_reason": reason, "state": SourceState.PAUSED}
    await _write(tx, row, values, by=by, at=at)


async def resume_source(
    tx: AsyncConnection, source_id: int, *, by: str, at: datetime, paused_by: str | None = None
) -> bool:
    """Let a source go on that is paused; whether it was. paused_by: only when it was paused by that one.

    Raises NotKnown.
    """
    row = await _paused(tx, source_id)
    if row["paused_by"] is None or paused_by not in (None, row["paused_by"]):
        return False
    values = {"paused_by": None, "paused_at": None, "pause_reason": None, "state": SourceState.NEW}
    await _write(tx, row, {**values, "failures": 0, "not_before": None}, by=by, at=at)
    return True


async def _paused(tx: AsyncConnection, source_id: int) -> dict[str, Any]:
    c = source.c
    columns = (c.id, c.name, c.state, c.paused_by, c.paused_at, c.pause_reason)
    locked = select(*columns).where(c.id == source_id).with_for_update(key_share=True)
    row = (await tx.execute(locked)).mappings().one_or_none()
    if row is None:
        raise NotKnown(f"there is no source {source_id}", hint="connector sources shows which there are.")
    return dict(row)


async def _write(tx: AsyncConnection, before: dict[str, Any], values: dict[str, Any], *, by: str, at: datetime) -> None:
    await tx.execute(update(source).where(source.c.id == before["id"]).values(**values, updated_at=at))
    fields: dict[str, tuple[Any, Any]] = {
        name: (json_value(before[name]), json_value(values[name]))
        for name in ("state", "paused_by", "pause_reason")
        if before[name] != values[name]
    }
    await log_changes(tx, [NewChange(EntityKind.SOURCE, before["id"], "updated", fields)], actor=by, at=at)
