"""The change log: written in the transaction that changes, read in commit order, never skipping.

On PostgreSQL a serial's order is not commit order. A reader therefore follows (tx, id) and reads only below the
oldest transaction that is still open (`pg_snapshot_xmin`): whatever commits later has a higher tx. On SQLite there
is one writer, so tx is 0 and id is the order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import Integer, insert, literal, literal_column, select, tuple_
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput
from connector.model.refs import EntityKind
from connector.storage.tables import change, reader

Operation: TypeAlias = Literal["created", "updated", "deleted"]
Fields: TypeAlias = Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the change log; everything up to it has been seen."""

    tx: int = 0
    id: int = 0

    def __str__(self) -> str:
        return f"{self.tx}.{self.id}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position that `str()` wrote. Raises InvalidInput."""
        match = re.fullmatch(r"([0-9]{1,19})\.([0-9]{1,19})", text)
        if match is None:
            raise InvalidInput(
                f"cursor {text!r} is not one of ours",
                hint="Use the `cursor` of an event as it was received, or leave `after` out to begin now.",
            )
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class NewChange:
    """A change to be logged. fields: name -> (before, after), JSON values."""

    kind: EntityKind
    entity_id: int
    operation: Operation
    fields: Fields


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """A change as readers see it."""

    position: Position
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
    number = literal_column("pg_current_xact_id()::text::bigint") if tx.dialect.name == "postgresql" else literal(0)
    await tx.execute(
        insert(change).values(tx=number),
        [
            {
                "kind": item.kind,
                "entity_id": item.entity_id,
                "operation": item.operation,
                "fields": {name: list(pair) for name, pair in item.fields.items()},
                "actor": actor,
                "cause": cause,
                "at": at,
            }
            for item in changes
        ],
    )


async def read_changes(
    tx: AsyncConnection, after: Position, *, kinds: Sequence[EntityKind] = (), limit: int = 500
) -> list[LoggedChange]:
    """Committed changes after a position, in order; none that commits later will come before these."""
    statement = (
        select(change)
        .where(tuple_(change.c.tx, change.c.id) > tuple_(literal(after.tx), literal(after.id)))
        .order_by(change.c.tx, change.c.id)
        .limit(limit)
    )
    if tx.dialect.name == "postgresql":
        statement = statement.where(change.c.tx < _horizon())
    if kinds:
        statement = statement.where(change.c.kind.in_(kinds))
    rows = (await tx.execute(statement)).mappings()
    return [
        LoggedChange(
            position=Position(row["tx"], row["id"]),
            kind=row["kind"],
            entity_id=row["entity_id"],
            operation=row["operation"],
            fields=row["fields"],
            actor=row["actor"],
            cause=row["cause"],
            at=row["at"],
        )
        for row in rows
    ]


async def last_position(tx: AsyncConnection) -> Position:
    """The position of the newest change that readers can see."""
    statement = select(change.c.tx, change.c.id).order_by(change.c.tx.desc(), change.c.id.desc()).limit(1)
    if tx.dialect.name == "postgresql":
        statement = statement.where(change.c.tx < _horizon())
    row = (await tx.execute(statement)).one_or_none()
    return Position(*row) if row else Position()


async def reader_position(tx: AsyncConnection, name: str) -> Position | None:
    """Where a durable reader is; None when it has never read."""
    row = (await tx.execute(select(reader.c.tx, reader.c.change_id).where(reader.c.name == name))).one_or_none()
    return Position(*row) if row else None


async def move_reader(tx: AsyncConnection, name: str, position: Position) -> None:
    """Record that a durable reader has dealt with everything up to `position`."""
    make = pg_insert if tx.dialect.name == "postgresql" else sqlite_insert
    statement = make(reader).values(name=name, tx=position.tx, change_id=position.id)
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=[reader.c.name], set_={"tx": position.tx, "change_id": position.id}
        )
    )


def _horizon() -> Any:
    return literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint", Integer)


__all__ = [
    "Fields", "LoggedChange", "NewChange", "Operation", "Position", "last_position", "log_changes", "move_reader",
    "read_changes", "reader_position",
]  # fmt: skip
