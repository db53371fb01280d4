"""Writing one row together with its line in the change log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Final

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.refs import EntityKind
from connector.storage.database.bulk import insert_numbered
from connector.storage.database.changes import NewChange, log_changes


async def insert_logged(
    tx: AsyncConnection,
    table: Table,
    kind: EntityKind,
    values: Mapping[str, Any],
    *,
    actor: str,
    cause: str | None = None,
    at: datetime,
) -> int:
    """Insert a row and log its creation; returns its id. Times of creation and change are set to `at`."""
    [row_id] = await insert_all_logged(tx, table, kind, [values], actor=actor, cause=cause, at=at)
    return row_id


async def insert_all_logged(
    tx: AsyncConnection,
    table: Table,
    kind: EntityKind,
    rows: Sequence[Mapping[str, Any]],
    *,
    actor: str,
    cause: str | None = None,
    at: datetime,
) -> Sequence[int]:
    """The same for rows that all state the same columns, by as many statements; returns their ids in their order."""
    if not rows:
        return ()
    times = {name: at for name in ("created_at", "updated_at") if name in table.c}
    complete = [{**values, **times} for values in rows]
    ids = await insert_numbered(tx, table, complete)
    changes = []
    for row_id, row in zip(ids, complete, strict=True):
        fields = {name: (None, json_value(value)) for name, value in row.items() if value is not None}
        changes.append(NewChange(kind, row_id, "created", fields))
    await log_changes(tx, changes, actor=actor, cause=cause, at=at)
    return ids


async def update_logged(
    tx: AsyncConnection,
    table: Table,
    kind: EntityKind,
    row_id: int,
    values: Mapping[str, Any],
    *,
    actor: str,
    cause: str | None = None,
    at: datetime,
) -> bool:
    """Set columns of a row and log those that changed; False when none did and nothing was written.

    Raises NotKnown when there is no such row.
    """
    before = await locked_row(tx, table, kind, row_id)
    changed = {name: value for name, value in values.items() if before[name] != value}
    if not changed:
        return False
    await tx.execute(update(table).where(table.c.id == row_id).values(**changed, updated_at=at))
    fields = {name: (json_value(before[name]), json_value(value)) for name, value in changed.items()}
    await log_changes(tx, [NewChange(kind, row_id, "updated", fields)], actor=actor, cause=cause, at=at)
    return True


async def locked_row(tx: AsyncConnection, table: Table, kind: EntityKind, row_id: int) -> dict[str, Any]:
    """The row, locked until the transaction ends. Raises NotKnown."""
    statement = select(table).where(table.c.id == row_id).with_for_update(key_share=True)  # its key stays
    row = (await tx.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotKnown(f"there is no {kind.value} with id {row_id}")
    return dict(row)


_AS_IT_IS: Final = frozenset({type(None), bool, int, float, str, dict, list})


def json_value(value: Any) -> Any:
    """The value as change rows carry it: times as ISO text ending in Z, days as ISO text, enums as their value."""
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
