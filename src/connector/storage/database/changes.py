"""The change log: written in the transaction that changes, read in commit order, never skipping.

A serial's order is not commit order on PostgreSQL: a reader that remembers "after number N" skips a lower number
that commits later. Changes therefore get their `position` only once they are committed: whoever wants to read
publishes first, which numbers what is committed and not numbered yet, one publisher at a time. On SQLite there is
one writer, so a change is numbered where it is written and publishing has nothing to do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import func, insert, literal_column, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from connector.model.errors import InvalidInput
from connector.model.refs import EntityKind
from connector.storage.database.binding import run_each
from connector.storage.database.bulk import insert_rows
from connector.storage.database.engine import LOGGED, transaction
from connector.storage.tables import change, reader

Operation: TypeAlias = Literal["created", "updated", "deleted"]
Fields: TypeAlias = Mapping[str, tuple[Any, Any]]

PUBLISHER_LOCK = 0x434F4E4E
"""Key of the advisory lock that makes publishing one at a time on PostgreSQL."""

_NEXT = func.coalesce(func.max(change.c.position), literal_column("0")) + literal_column("1")
_APPEND = insert(change).values(position=select(_NEXT).scalar_subquery())
"""On SQLite a change has its position at once."""

_PUBLISH = text(
    """
    UPDATE change SET position = numbered.base + numbered.offset
    FROM (
        SELECT id, row_number() OVER (ORDER BY id) AS offset,
               (SELECT coalesce(max(position), 0) FROM change) AS base
        FROM (SELECT id FROM change WHERE position IS NULL ORDER BY id LIMIT 10000) AS committed
    ) AS numbered
    WHERE change.id = numbered.id
    """
)


@dataclass(frozen=True, slots=True)
class NewChange:
    """A change to be logged. fields: name -> (before, after), JSON values. cause: its own, if it has one."""

    kind: EntityKind
    entity_id: int
    operation: Operation
    fields: Fields
    cause: str | None = None

    def caused_by(self, cause: str) -> NewChange:
        """The same with this cause."""
        return NewChange(self.kind, self.entity_id, self.operation, self.fields, cause)


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """A change as readers see it."""

    position: int
    kind: EntityKind
    entity_id: int
    operation: Operation
    fields: dict[str, Any]
    actor: str
    cause: str | None
    at: datetime


async def log_changes(
    tx: AsyncConnection, changes: Sequence[NewChange], *, actor: str, cause: str | None = None, at: datetime
) -> None:
    """Append changes to the log, in the caller's transaction."""
    if not changes:
        return
    tx.info[LOGGED] = True
    rows = [
        {
            "kind": item.kind,
            "entity_id": item.entity_id,
            "operation": item.operation,
            "fields": item.fields,
            "actor": actor,
            "cause": cause if item.cause is None else item.cause,
            "at": at,
        }
        for item in changes
    ]
    if tx.dialect.name == "postgresql":
        await insert_rows(tx, change, rows)
    else:
        await run_each(tx, _APPEND, rows)


async def publish_changes(tx: AsyncConnection) -> None:
    """Number what is committed, so that it can be read; in a writing transaction of its own."""
    if tx.dialect.name == "postgresql":
        await tx.execute(select(func.pg_advisory_xact_lock(PUBLISHER_LOCK)))
        await tx.execute(_PUBLISH)


async def publish(engine: AsyncEngine) -> None:
    """`publish_changes` where there is something to do: on SQLite it would take the lock of writers for nothing."""
    if engine.dialect.name == "postgresql":
        async with transaction(engine) as tx:
            await publish_changes(tx)


async def read_changes(
    tx: AsyncConnection,
    after: int,
    *,
    kinds: Sequence[EntityKind] = (),
    of: Sequence[int] | None = None,
    limit: int = 500,
) -> list[LoggedChange]:
    """Published changes after a position, in order; none that is published later will come before these.

    of: ids of the things, of one kind, None for all.
    """
    statement = select(change).where(change.c.position > after).order_by(change.c.position).limit(limit)
    if kinds:
        statement = statement.where(change.c.kind.in_(kinds))
    if of is not None:
        statement = statement.where(change.c.entity_id.in_(of))
    return [
        LoggedChange(
            position=row["position"],
            kind=row["kind"],
            entity_id=row["entity_id"],
            operation=row["operation"],
            fields=row["fields"],
            actor=row["actor"],
            cause=row["cause"],
            at=row["at"],
        )
        for row in (await tx.execute(statement)).mappings()
    ]


async def change_at(tx: AsyncConnection, position: int) -> LoggedChange | None:
    """The published change at a position; None when there is none."""
    found = await read_changes(tx, position - 1, limit=1)
    return found[0] if found and found[0].position == position else None


LAST_POSITION = select(func.coalesce(func.max(change.c.position), 0))
"""The position of the newest published change, 0 when there is none."""


async def last_position(tx: AsyncConnection) -> int:
    """`LAST_POSITION`, read."""
    return int((await tx.execute(LAST_POSITION)).scalar_one())


async def reader_position(tx: AsyncConnection, name: str) -> int | None:
    """Where a durable reader is; None when it has never read."""
    row = (await tx.execute(select(reader.c.position).where(reader.c.name == name))).one_or_none()
    return int(row[0]) if row else None


async def claim_reader(tx: AsyncConnection, name: str) -> int:
    """Where a durable reader is, locked until the transaction ends: two processes never deal with a change twice.

    A reader that has never read is made, at position 0.
    """
    make = pg_insert if tx.dialect.name == "postgresql" else sqlite_insert
    statement = make(reader).values(name=name, position=0)
    locked = statement.on_conflict_do_update(index_elements=[reader.c.name], set_={"position": reader.c.position})
    return int((await tx.execute(locked.returning(reader.c.position))).scalar_one())


async def move_reader(tx: AsyncConnection, name: str, position: int) -> None:
    """Record that a durable reader has dealt with everything up to `position`."""
    make = pg_insert if tx.dialect.name == "postgresql" else sqlite_insert
    statement = make(reader).values(name=name, position=position)
    await tx.execute(statement.on_conflict_do_update(index_elements=[reader.c.name], set_={"position": position}))


def parse_cursor(cursor: str) -> int:
    """The position that a subscriber's cursor names. Raises InvalidInput when it is not one of ours."""
    if re.fullmatch(r"[0-9]{1,18}", cursor) is None:
        raise InvalidInput(
            f"cursor {cursor!r} is not one of ours",
            hint="Use the `cursor` of an event as it was received, or leave `after` out to begin now.",
        )
    return int(cursor)
