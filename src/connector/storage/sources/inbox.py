"""Webhooks between their arrival and their being applied."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.database.bulk import among
from connector.storage.tables import inbox, source

CLAIM = timedelta(minutes=2)
"""How long a process may work on a delivery before others take it over."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as it arrived. source: the name of its source. attempts: this one included."""

    id: int
    source_id: int
    source: str
    fingerprint: str
    headers: dict[str, str]
    query: dict[str, str]
    body: bytes
    received_at: datetime
    attempts: int


async def store_delivery(
    tx: AsyncConnection,
    source_id: int,
    *,
    fingerprint: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    body: bytes,
    at: datetime,
) -> bool:
    """Keep a webhook; False when the same bytes were waiting already.

    The same bytes again are the same row. One that was dealt with is to be dealt with again: a webhook that only
    says "ticket 42 changed" is the same each time, and what it hints at is not.
    """
    c = inbox.c
    make = pg_insert if tx.dialect.name == "postgresql" else sqlite_insert
    values = {
        "source_id": source_id,
        "fingerprint": fingerprint,
        "headers": dict(headers),
        "query": dict(query),
        "body": body,
        "received_at": at,
        "attempts": 0,
    }
    statement = make(inbox).values(**values).on_conflict_do_nothing(index_elements=[c.source_id, c.fingerprint])
    if (await tx.execute(statement.returning(c.id))).first() is not None:
        return True
    again = (
        update(inbox)
        .where(c.source_id == source_id, c.fingerprint == fingerprint)
        .values(received_at=at, processed_at=None, attempts=0, not_before=None, error=None)
        .returning(c.id)
    )
    finished = again.where(or_(c.processed_at.is_not(None), c.attempts > 0))
    return (await tx.execute(finished)).first() is not None


async def claim_deliveries(
    tx: AsyncConnection, sources: Collection[str], *, limit: int, at: datetime
) -> list[Delivery]:
    """Take waiting webhooks of these sources, oldest first, so that no other process works on them meanwhile."""
    c = inbox.c
    due = (
        select(c.id)
        .join_from(inbox, source, source.c.id == c.source_id)
        .where(c.processed_at.is_(None), or_(c.not_before.is_(None), c.not_before <= at))
        .where(source.c.name.in_(sources))
        .order_by(c.id)
        .limit(limit)
        .with_for_update(of=inbox, skip_locked=True)
    )
    ids = list((await tx.execute(due)).scalars())
    if not ids:
        return []
    claimed = update(inbox).where(among(tx, c.id, ids)).values(attempts=c.attempts + 1, not_before=at + CLAIM)
    await tx.execute(claimed)
    names: list[Any] = [c[name] for name in Delivery.__slots__ if name != "source"]
    statement = select(*names, source.c.name.label("source")).join_from(inbox, source, source.c.id == c.source_id)
    rows = (await tx.execute(statement.where(among(tx, c.id, ids)).order_by(c.id))).mappings()
    return [Delivery(**row) for row in rows]


async def finish_delivery(tx: AsyncConnection, delivery: Delivery, *, error: str | None = None, at: datetime) -> None:
    """The webhook is dealt with, unless the same came again meanwhile. error: why it could not be used."""
    await tx.execute(_still(delivery).values(processed_at=at, not_before=None, error=error))


async def postpone_delivery(
    tx: AsyncConnection, delivery: Delivery, *, error: str, until: datetime, counts: bool = True
) -> None:
    """Try the webhook again at `until`. counts: whether the attempt was one."""
    attempts = delivery.attempts if counts else delivery.attempts - 1
    await tx.execute(_still(delivery).values(error=error, not_before=until, attempts=attempts))


async def reopen_delivery(tx: AsyncConnection, source_id: int, fingerprint: str) -> bool:
    """Have a webhook dealt with once more, as if it had just arrived; False when there is none."""
    c = inbox.c
    statement = update(inbox).where(c.source_id == source_id, c.fingerprint == fingerprint)
    statement = statement.values(processed_at=None, not_before=None, attempts=0, error=None)
    return bool((await tx.execute(statement)).rowcount)


def _still(delivery: Delivery) -> Any:
    """The row as it was claimed: not if the same bytes arrived again since."""
    c = inbox.c
    return update(inbox).where(
        c.id == delivery.id, c.received_at == delivery.received_at, c.attempts == delivery.attempts
    )
