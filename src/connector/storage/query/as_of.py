"""A row as it was at an instant: as it is now, with every change since then taken back.

The change log holds each field's value before and after, so nothing is kept for this alone. Its instants are those at
which changes were made here, not those at which a source made them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.query.entities import ENTITIES
from connector.storage.query.entity import Entity, ToOne
from connector.storage.query.fetch import fetch_rows
from connector.storage.query.keyset import restore
from connector.storage.query.rows import Row
from connector.storage.query.selection import Selection
from connector.storage.query.sight import EVERYTHING, Sight
from connector.storage.tables import change


async def fetch_row_at(
    tx: AsyncConnection, selection: Selection, key: int, at: datetime, sight: Sight = EVERYTHING
) -> Row | None:
    """The row with this key as it was; None when there was none, or it is out of sight now.

    Relations to one thing lead to the thing that they led to then, as that is now; those to many to what there is now.
    """
    entity = ENTITIES[selection.entity]
    single = [child for child in selection.children if isinstance(entity.relations[child.relation], ToOne)]
    keys = {_key_of(entity, child.relation) for child in single}
    asked = replace(selection, columns=selection.columns | keys | {"created_at"})
    row = (await fetch_rows(tx, asked, [key], sight)).get(key)
    if row is None or row.values["created_at"] > at:
        return None
    before = await _before(tx, entity, key, at)
    if before is None:
        return None
    row.values |= {name: restore(entity, name, value) for name, value in before.items() if name in row.values}
    for child in single:
        name = _key_of(entity, child.relation)
        if name in before:
            then = row.values[name]
            found = {} if then is None else await fetch_rows(tx, child.selection, [then], sight)
            row.related[child.key] = found.get(then)
    return row


async def _before(tx: AsyncConnection, entity: Entity, key: int, at: datetime) -> Mapping[str, Any] | None:
    """Of the fields that have changed since, their values then; None for what was made since."""
    statement = (
        select(change.c.operation, change.c.fields)
        .where(change.c.kind == EntityKind(entity.name), change.c.entity_id == key, change.c.at > at)
        .order_by(change.c.id.desc())
    )
    names = {column.name: name for name, column in entity.columns.items()}
    found: dict[str, Any] = {}
    for operation, fields in await tx.execute(statement):
        if operation == "created":
            return None
        found |= {names[column]: before for column, (before, _) in fields.items() if column in names}
    return found


def _key_of(entity: Entity, relation: str) -> str:
    one = entity.relations[relation]
    if not isinstance(one, ToOne):
        raise TypeError(f"{entity.name}.{relation} leads to many rows")
    return one.key
