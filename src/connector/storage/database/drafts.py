"""Rows on their way into a table: as they are, as they shall be, and the change rows between.

A batch loads the rows that it may touch once, edits the drafts in memory, and writes all of them with a handful
of statements. What did not change is not written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.bulk import among, insert_rows, new_ids, update_rows
from connector.storage.database.changes import Fields, NewChange, log_changes
from connector.storage.database.rows import json_value

Values: TypeAlias = Mapping[str, Any]

TABLES: Mapping[EntityKind, Table] = {
    EntityKind.SITE: tables.site,
    EntityKind.HUB: tables.hub,
    EntityKind.PRODUCT: tables.product,
    EntityKind.COMPATIBILITY: tables.compatibility,
    EntityKind.KIT: tables.kit,
    EntityKind.ASSET: tables.asset,
    EntityKind.STOCK: tables.stock,
    EntityKind.TICKET: tables.ticket,
    EntityKind.SHIPMENT: tables.shipment,
    EntityKind.PROCUREMENT: tables.procurement,
    EntityKind.SERVICE_CLASS: tables.service_class,
}
"""The table of each kind of thing that records can be about or refer to."""

_TIMES = frozenset({"created_at", "updated_at"})


@dataclass(slots=True, eq=False)
class Draft:
    """A row that a batch makes or changes.

    before: as it is in the database, None for a new one. notes: what else its change row says, name -> (before,
    after), where the change lies in rows that belong to this one.
    """

    kind: EntityKind
    before: Values | None
    after: dict[str, Any] = field(default_factory=dict)
    id: int = 0
    notes: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def changed(self) -> dict[str, tuple[Any, Any]]:
        """The columns that differ, with their values before and after; notes are not among them."""
        before = self.before or {}
        return {
            name: (before.get(name), value)
            for name, value in self.after.items()
            if name not in _TIMES and before.get(name) != value
        }


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows were made and changed."""

    created: int = 0
    updated: int = 0


async def load_drafts(tx: AsyncConnection, kind: EntityKind, ids: Collection[int]) -> dict[int, Draft]:
    """The rows by their id, locked in key order until the transaction ends."""
    if not ids:
        return {}
    table = TABLES[kind]
    statement = select(table).where(among(tx, table.c.id, ids)).order_by(table.c.id).with_for_update(key_share=True)
    rows = [dict(row) for row in (await tx.execute(statement)).mappings()]
    return {row["id"]: Draft(kind, before=row, after=dict(row), id=row["id"]) for row in rows}


async def find_rows(
    tx: AsyncConnection, kind: EntityKind, column: str, values: Collection[Any], *, columns: Sequence[str]
) -> list[dict[str, Any]]:
    """The `id` and these columns of the rows whose column has one of the values, oldest row first.

    What was merged into another thing is found by its id alone.
    """
    if not values:
        return []
    table = TABLES[kind]
    wanted = [table.c[name] for name in dict.fromkeys(("id", column, *columns))]
    statement = select(*wanted).where(among(tx, table.c[column], values)).order_by(table.c.id)
    if column != "id" and tables.MERGED_INTO in table.c:
        statement = statement.where(table.c[tables.MERGED_INTO].is_(None))
    return [dict(row) for row in (await tx.execute(statement)).mappings()]


async def write_drafts(
    tx: AsyncConnection, kind: EntityKind, drafts: Iterable[Draft], *, actor: str, cause: str | None, at: datetime
) -> Written:
    """Insert the new rows and update those that changed, with a change row for each; sets the ids of new drafts."""
    table = TABLES[kind]
    unique = list(dict.fromkeys(drafts))
    new = [draft for draft in unique if draft.before is None]
    old = [(draft, draft.changed()) for draft in unique if draft.before is not None]
    changed = [(draft, fields) for draft, fields in old if fields or draft.notes]

    for draft, row_id in zip(new, await new_ids(tx, table, len(new)), strict=True):
        draft.id = row_id
    times = {name: at for name in _TIMES if name in table.c}
    empty = dict.fromkeys(column.name for column in table.c)
    await insert_rows(tx, table, [{**empty, **draft.after, "id": draft.id, **times} for draft in new])

    columns = sorted({name for _, fields in changed for name in fields})
    stamp = {"updated_at": at} if "updated_at" in table.c else {}
    changed.sort(key=lambda pair: pair[0].id)
    if columns or stamp:
        await update_rows(
            tx,
            table,
            [{"id": draft.id, **{name: draft.after[name] for name in columns}, **stamp} for draft, _ in changed],
        )
    await log_changes(
        tx,
        [NewChange(kind, draft.id, "created", _logged_as_new(draft)) for draft in new]
        + [NewChange(kind, draft.id, "updated", _logged(fields | draft.notes)) for draft, fields in changed],
        actor=actor,
        cause=cause,
        at=at,
    )
    return Written(created=len(new), updated=len(changed))


def _logged_as_new(draft: Draft) -> Fields:
    stated = {
        name: (None, json_value(value))
        for name, value in draft.after.items()
        if value is not None and name not in _TIMES
    }
    return {**stated, **_logged(draft.notes)} if draft.notes else stated


def _logged(fields: Mapping[str, tuple[Any, Any]]) -> Fields:
    return {name: (json_value(before), json_value(after)) for name, (before, after) in fields.items()}
