"""Changes of one thing, or of the few that belong to one, found along an index of the log instead of read past."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.database.changes import LoggedChange, read_changes
from connector.storage.query.entities import ENTITIES

FEW: Final = ("id", "ticket_id")
"""Columns in which few things have the same: their changes are fewer than a page of all. A hub or a site may have any
number, whose changes would be sorted anew for each page."""


async def read_changes_of(
    tx: AsyncConnection, after: int, kind: EntityKind, column: str, key: int, *, limit: int
) -> list[LoggedChange]:
    """Published changes of things that have `key` in `column`, one of FEW, behind a position, in order."""
    things = [key]
    if column != "id":
        entity = ENTITIES[kind.value]
        found = await tx.execute(select(entity.table.c.id).where(entity.columns[column] == key))
        things = list(found.scalars())
    return await read_changes(tx, after, kinds=[kind], of=things, limit=limit) if things else []
