"""Webhooks between their arrival and their being applied."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.database.bulk import among, insert_rows, new_ids
from connector.storage.database.presence import holder_of
from connector.storage.tables import inbox
from connector.storage.tables import source as sources

CLAIM = timedelta(minutes=2)
"""How long a process that is there may work on a delivery before others take it over; of one that is gone, see
`release_claims`.
"""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A webhook to be kept. headers, query: without the source's secrets. at: when it came."""

    source_id: int
    fingerprint: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as it arrived. source: the name of its source. attempts: this one included. not_before: until when it
    is claimed.
    """

    id: int
    source_id: int
    source: str
    fingerprint: str
    headers: dict[str, str]
    query: dict[str, str]
    body: bytes
    received_at: datetime
    attempts: int
    not_before: datetime


async def store_deliveries(tx: AsyncConnection, deliveries: Sequence[NewDelivery]) -> list[bool]:
    """Keep webhooks; of each whether it is new: False when the same bytes were waiting already.

    The same bytes again are the same row. One that was dealt with is to be dealt with again: a webhook that only
    says "ticket 42 changed" is the same each time, and what it hints at is not.
    """
    first: dict[tuple[int, str], int] = {}
    for number, delivery in enumerate(deliveries):
        first.setdefault((delivery.source_id, delivery.fingerprint), number)
    made = await _insert(tx, [deliveries[number] for number in first.values()])
    is_new = [False] * len(deliveries)
    for key, number in first.items():
        is_new[number] = key in made or await _reopen(tx, deliveries[number])
    return is_new


async def _insert(tx: AsyncConnection, deliveries: Sequence[NewDelivery]) -> set[tuple[int, str]]:
    """Insert those that are not there; which those are."""
    c = inbox.c
    if tx.dialect.name == "postgresql" and len(deliveries) == 1:  # as most come
        statement = pg_insert(inbox).on_conflict_do_nothing(index_elements=[c.source_id, c.fingerprint])
        row = (await tx.execute(statement.returning(c.source_id, c.fingerprint), _row(deliveries[0]))).one_or_none()
        return set() if row is None else {(row.source_id, row.fingerprint)}
    ids = await new_ids(tx, inbox, len(deliveries))
    rows = [{"id": number, **_row(delivery)} for number, delivery in zip(ids, deliveries, strict=True)]
    await insert_rows(tx, inbox, rows, skip_existing=True)
    found = await tx.execute(select(c.source_id, c.fingerprint).where(among(tx, c.id, ids)))
    return {(row.source_id, row.fingerprint) for row in found}


def _row(delivery: NewDelivery) -> dict[str, Any]:
    return {
        "source_id": delivery.source_id,
        "fingerprint": delivery.fingerprint,
        "headers": dict(delivery.headers),
        "query": dict(delivery.query),
        "body": delivery.body,
        "received_at": delivery.at,
        "attempts": 0,
    }


async def _reopen(tx: AsyncConnection, delivery: NewDelivery) -> bool:
    """Have one that was there dealt with again, if it was dealt with or is being dealt with."""
    c = inbox.c
    again = (
        update(inbox)
        .where(c.source_id == delivery.source_id, c.fingerprint == delivery.fingerprint)
        .where(or_(c.processed_at.is_not(None), c.attempts > 0))
        .values(received_at=delivery.at, processed_at=None, attempts=0, not_before=None, holder=None, error=None)
    )
    return bool((await tx.execute(again)).rowcount)


async def due_sources(tx: AsyncConnection, names: Collection[str], *, at: datetime) -> list[str]:
    """Which of these sources have webhooks that wait to be dealt with."""
    c = inbox.c
    waits = select(c.id).where(
        c.source_id == sources.c.id, c.processed_at.is_(None), or_(c.not_before.is_(None), c.not_before <= at)
    )
    statement = select(sources.c.name).where(sources.c.name.in_(names), waits.exists())
    return list((await tx.execute(statement)).scalars())


async def claim_deliveries(tx: AsyncConnection, name: str, *, limit: int, at: datetime) -> list[Delivery]:
    """Take waiting webhooks of a source, oldest first, so that no other process works on them meanwhile."""
    c = inbox.c
    due = (
        select(c.id)
        .join_from(inbox, sources, sources.c.id == c.source_id)
        .where(c.processed_at.is_(None), or_(c.not_before.is_(None), c.not_before <= at))
        .where(sources.c.name == name)
        .order_by(c.id)
        .limit(limit)
        .with_for_update(of=inbox, skip_locked=True)
    )
    ids = list((await tx.execute(due)).scalars())
    if not ids:
        return []
    values = {"attempts": c.attempts + 1, "not_before": at + CLAIM, "holder": holder_of(tx)}
    await tx.execute(update(inbox).where(among(tx, c.id, ids)).values(values))
    names: list[Any] = [c[field] for field in Delivery.__slots__ if field != "source"]
    statement = select(*names, sources.c.name.label("source")).join_from(inbox, sources, sources.c.id == c.source_id)
    rows = (await tx.execute(statement.where(among(tx, c.id, ids)).order_by(c.id))).mappings()
    return [Delivery(**row) for row in rows]


async def finish_deliveries(
    tx: AsyncConnection, deliveries: Sequence[Delivery], *, error: str | None = None, at: datetime
) -> None:
    """Webhooks that were claimed together are dealt with, but for those of which the same came again meanwhile.

    error: why they could not be used.
    """
    if not deliveries:
        return
    values = {"processed_at": at, "not_before": None, "holder": None, "error": error}
    await tx.execute(_still(tx, deliveries).values(values))


async def postpone_delivery(
    tx: AsyncConnection, delivery: Delivery, *, error: str, until: datetime, counts: bool = True
) -> None:
    """Try the webhook again at `until`. counts: whether the attempt was one."""
    attempts = delivery.attempts if counts else delivery.attempts - 1
    values = {"error": error, "not_before": until, "holder": None, "attempts": attempts}
    await tx.execute(_still(tx, [delivery]).values(values))


async def release_claims(tx: AsyncConnection, holder: str, *, source: str | None = None) -> int:
    """Let others have what a process had claimed that works on it no more; how many webhooks those are.

    That it began is not held against them: it ended for a reason of its own. source: only those of this one.
    """
    c = inbox.c
    statement = update(inbox).where(c.processed_at.is_(None), c.holder == holder)
    if source is not None:
        statement = statement.where(c.source_id.in_(select(sources.c.id).where(sources.c.name == source)))
    return (await tx.execute(statement.values(not_before=None, holder=None, attempts=c.attempts - 1))).rowcount


async def reopen_delivery(tx: AsyncConnection, source_id: int, fingerprint: str) -> bool:
    """Have a webhook dealt with once more, as if it had just arrived; False when there is none."""
    c = inbox.c
    statement = update(inbox).where(c.source_id == source_id, c.fingerprint == fingerprint)
    statement = statement.values(processed_at=None, not_before=None, holder=None, attempts=0, error=None)
    return bool((await tx.execute(statement)).rowcount)


def _still(tx: AsyncConnection, deliveries: Sequence[Delivery]) -> Any:
    """The rows as they were claimed: not those that arrived again since, nor those that somebody took over."""
    c = inbox.c
    return update(inbox).where(
        among(tx, c.id, [delivery.id for delivery in deliveries]),
        c.not_before == deliveries[0].not_before,
        c.holder.is_not_distinct_from(holder_of(tx)),
    )
