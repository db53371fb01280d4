"""Moving back what a merge moved, as far as it still is as the merge left it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.database.bulk import among, new_ids
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.rows import json_value
from connector.storage.merging.hanging import HANGING, logged, point
from connector.storage.merging.journal import Entry, from_json
from connector.storage.tables import field_conflict, field_override


@dataclass(frozen=True, slots=True)
class TakenBack:
    """went: entries whose rows are as they were. stayed: of the others, what they are, their id, and why they stay."""

    went: list[Entry] = field(default_factory=list)
    stayed: list[dict[str, Any]] = field(default_factory=list)

    def stays(self, word: str, row_id: int, why: str) -> None:
        """A row is left as it is."""
        self.stayed.append({"what": word, "id": row_id, "why": why})


async def move_back(
    tx: AsyncConnection, entries: Sequence[Entry], merged: int, kept: int, *, actor: str, cause: str, at: datetime
) -> TakenBack:
    """Let rows that a merge moved name the device again that they named before, and those be again that it dropped."""
    back, changes = TakenBack(), list[NewChange]()
    of: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry["did"] == "moved":
            of[entry["table"], entry["columns"][0]].append(entry)
    for hanging in reversed(HANGING):
        found = of[hanging.table.name, hanging.columns[0]]
        rows = await _rows(tx, hanging.table, [entry["id"] for entry in found])
        going = []
        for entry in found:
            row = rows.get(entry["id"])
            if row is None or any(json_value(row[name]) != value for name, value in entry["same"].items()):
                back.stays(hanging.word, entry["id"], "it is gone")
            elif any(row[name] != kept for name in hanging.columns):
                back.stays(hanging.word, entry["id"], "it is of another device now")
            else:
                going.append(row)
                back.went.append(entry)
        await point(tx, hanging, [row["id"] for row in going], merged, at=at)
        changes += logged(hanging, going, kept, merged)
    for entry in entries:
        if entry["did"] == "dropped":
            changes += await _bring_back(tx, entry, merged, kept, back)
        elif entry["did"] == "changed" and entry["table"] == field_override.name:
            await _let_stand(tx, entry)
    await log_changes(tx, changes, actor=actor, cause=cause, at=at)
    return back


async def put_back_conflicts(
    tx: AsyncConnection, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], devices: Sequence[int]
) -> None:
    """Note conflicts again as they were before a merge where they are as it left them.

    Whoever works out the devices then finds them right, or rights them.
    """
    now = await conflicts_of(tx, devices)
    if [as_known(row) for row in now] != list(after) or list(before) == list(after):
        return
    await tx.execute(field_conflict.delete().where(field_conflict.c.entity_id.in_(devices), _OF_DEVICES))
    for row in before:
        await _insert(tx, field_conflict, row)


async def conflicts_of(tx: AsyncConnection, devices: Sequence[int]) -> list[dict[str, Any]]:
    """The conflicts of devices that are noted, whole."""
    c = field_conflict.c
    statement = select(field_conflict).where(_OF_DEVICES, c.entity_id.in_(devices)).order_by(c.id)
    return [dict(row) for row in (await tx.execute(statement)).mappings()]


def as_known(row: Mapping[str, Any]) -> dict[str, Any]:
    """A conflict as the journal has it."""
    return {name: json_value(value) for name, value in row.items()}


_OF_DEVICES = field_conflict.c.kind == EntityKind.ASSET


async def _bring_back(tx: AsyncConnection, entry: Entry, merged: int, kept: int, back: TakenBack) -> list[NewChange]:
    """A row that was dropped, unless the one beside which it was too many is gone or of another device."""
    [hanging] = [each for each in HANGING if each.table.name == entry["table"]]
    beside = (await _rows(tx, hanging.table, [entry["beside"]])).get(entry["beside"])
    column = hanging.columns[0]
    if (
        beside is None
        or beside[column] != kept
        or any(json_value(beside[name]) != entry["row"][name] for name in hanging.once_by)
    ):
        return []
    row = await _insert(tx, hanging.table, entry["row"])
    back.went.append(entry)
    return logged(hanging, [row], kept, merged)


async def _let_stand(tx: AsyncConnection, entry: Entry) -> None:
    """An override that gave way to another one of the same field stands again."""
    row = (await _rows(tx, field_override, [entry["id"]])).get(entry["id"])
    pairs = entry["columns"]
    if row is not None and all(json_value(row[name]) == after for name, (_, after) in pairs.items()):
        before = from_json(field_override, {name: first for name, (first, _) in pairs.items()})
        await tx.execute(update(field_override).where(field_override.c.id == entry["id"]).values(**before))


async def _insert(tx: AsyncConnection, table: Table, told: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it was; with another id where its own was given to another row since."""
    row = from_json(table, told)
    if await _rows(tx, table, [row["id"]]):
        [row["id"]] = await new_ids(tx, table, 1)
    await tx.execute(insert(table).values(**row))
    return row


async def _rows(tx: AsyncConnection, table: Table, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    if not ids:
        return {}
    statement = select(table).where(among(tx, table.c.id, ids)).order_by(table.c.id).with_for_update(key_share=True)
    return {row["id"]: dict(row) for row in (await tx.execute(statement)).mappings()}
