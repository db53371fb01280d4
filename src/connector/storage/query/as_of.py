"""A row as it was at an instant: as it is now, with every change since then taken back.

The change log holds each field's value before and after, so nothing is kept for this alone. Its instants are those at
which changes were made here, not those at which a source made them. However many changes there were since, the
database picks the first of each field, so that no more of them are read than the row has fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.facts.provenance import members_of, overridden_of, provenance_of
from connector.storage.golden.evidence import microseconds
from connector.storage.query.entities import ENTITIES
from connector.storage.query.entity import Entity, ToOne
from connector.storage.query.fetch import fetch_rows
from connector.storage.query.keyset import restore
from connector.storage.query.rows import Row
from connector.storage.query.selection import Selection
from connector.storage.query.sight import BELONGING, EVERYTHING, Sight, Through
from connector.storage.tables import change

REGION: Final = "region"
"""What follows from where a thing is."""


async def fetch_row_at(
    tx: AsyncConnection, selection: Selection, key: int, at: datetime, sight: Sight = EVERYTHING
) -> Row | None:
    """The row with this key as it was; None when there was none, or it is out of sight, now or where it was then.

    Relations to one thing lead to the thing that they led to then, as that is now; those to many to what there is now.
    """
    entity = ENTITIES[selection.entity]
    single = [child for child in selection.children if isinstance(entity.relations[child.relation], ToOne)]
    has_region = REGION in selection.columns
    places = _belongs_by(entity) if sight.is_limited or has_region else ()
    keys = {_key_of(entity, name) for name in (*(child.relation for child in single), *places)}
    asked = replace(selection, columns=selection.columns | keys | {"created_at"})
    row = (await fetch_rows(tx, asked, [key], sight)).get(key)
    if row is None or row.values["created_at"] > at:
        return None
    before = await _before(tx, entity, key, at, sight)
    if before is None:
        return None
    row.values |= {name: restore(entity, name, value) for name, value in before.items() if name in row.values}
    if sight.is_limited and not await _was_in_sight(tx, entity, row, places, sight):
        return None
    if has_region:
        row.values[REGION] = await _region_then(tx, entity, row, places, sight)
    for child in single:
        name = _key_of(entity, child.relation)
        if name in before:
            then = row.values[name]
            found = {} if then is None else await fetch_rows(tx, child.selection, [then], sight)
            row.related[child.key] = found.get(then)
    if "provenance" in row.values:
        rows = sight.rows(entity)
        statement = select(provenance_of(EntityKind(entity.name), rows, until=at)).select_from(rows)
        row.values["provenance"] = (await tx.execute(statement.where(rows.c.id == key))).scalar_one()
    if "stated" in row.values:
        row.values["stated"] = [one for one in row.values["stated"] if one[3][1] <= microseconds(at)]
    if "overridden" in row.values:
        rows = sight.rows(entity)
        statement = select(overridden_of(EntityKind(entity.name), rows, until=at)).select_from(rows)
        row.values["overridden"] = (await tx.execute(statement.where(rows.c.id == key))).scalar_one()
    return row


async def _before(
    tx: AsyncConnection, entity: Entity, key: int, at: datetime, sight: Sight
) -> Mapping[str, Any] | None:
    """Of the fields that have changed since and are seen, their values then; None for what was made since."""
    names = {column.name: name for name, column in entity.columns.items() if column.name not in sight.hidden_of(entity)}
    since = (
        select(change.c.id, change.c.fields, change.c.operation)
        .where(change.c.kind == EntityKind(entity.name), change.c.entity_id == key, change.c.at > at)
        .subquery("since")
    )
    made: Select[int] = select(literal_column("1")).select_from(since).where(since.c.operation == "created").limit(1)
    if (await tx.execute(made)).first() is not None:
        return None
    members = members_of(since.c.fields)
    first = (
        select(members.c.key, func.min(since.c.id).label("id"))
        .select_from(since)
        .where(members.c.key.in_(list(names)))
        .group_by(members.c.key)
        .subquery("first")
    )
    statement = select(first.c.key, change.c.fields).join(change, change.c.id == first.c.id)
    return {names[column]: fields[column][0] for column, fields in await tx.execute(statement)}


async def _was_in_sight(tx: AsyncConnection, entity: Entity, row: Row, places: tuple[str, ...], sight: Sight) -> bool:
    """Whether it belonged, by where it was, to what is in sight; a place that is not reads as missing."""
    seen = False
    for name in places:
        key = _key_of(entity, name)
        then = row.values[key]
        if then is not None and await fetch_rows(tx, Selection(entity.relations[name].target), [then], sight):
            seen = True
        else:
            row.values[key] = None
    return seen


async def _region_then(
    tx: AsyncConnection, entity: Entity, row: Row, places: tuple[str, ...], sight: Sight
) -> str | None:
    """The region, as it is now, of the place where it was."""
    for name in places:
        then = row.values[_key_of(entity, name)]
        if then is not None:
            found = await fetch_rows(tx, Selection(entity.relations[name].target, frozenset({REGION})), [then], sight)
            return found[then].values[REGION] if then in found else None
    return None


def _belongs_by(entity: Entity) -> tuple[str, ...]:
    belonging = BELONGING[entity.name]
    if not isinstance(belonging, Through):
        raise TypeError(f"{entity.name} belongs to no region by what it leads to")
    return belonging.relations


def _key_of(entity: Entity, relation: str) -> str:
    one = entity.relations[relation]
    if not isinstance(one, ToOne):
        raise TypeError(f"{entity.name}.{relation} leads to many rows")
    return one.key
