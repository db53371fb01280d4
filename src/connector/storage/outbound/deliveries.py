"""Which changes other systems are still to be told of.

The log itself is the queue: an endpoint has a position in it, and rows only for the next page of what it wants. They
are deleted once they arrived. So an endpoint that is away for days holds up neither the hub nor the database.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.database.bulk import among
from connector.storage.database.changes import LAST_POSITION, LoggedChange, last_position, read_changes
from connector.storage.database.presence import holder_of
from connector.storage.tables import change, event_delivery, event_endpoint

CLAIM: Final = timedelta(minutes=2)
"""How long a process that is there may take to send what it claimed; of one that is gone, see `release_events`."""
PAGE: Final = 200
"""Deliveries of an endpoint that wait, at most, beside its dead letters."""
MOST_DEAD: Final = 10_000
"""Dead letters of an endpoint that are kept; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process is to send. attempts: this one included."""

    id: int
    position: int
    attempts: int


@dataclass(frozen=True, slots=True)
class EndpointStanding:
    """How an endpoint is. waiting: deliveries; what is behind its position in the log is not counted."""

    name: str
    position: int
    waiting: int
    dead: int
    failures: int
    not_before: datetime | None
    disabled_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that was given up."""

    position: int
    kind: EntityKind
    entity_id: int
    attempts: int
    error: str | None
    dead_at: datetime


async def add_endpoints(tx: AsyncConnection, names: Collection[str]) -> None:
    """Make those that are not known; they are told of what happens from now on."""
    insert = pg_insert if tx.dialect.name == "postgresql" else sqlite_insert
    position = await last_position(tx)
    for name in sorted(names):
        values = {"name": name, "position": position, "failures": 0}
        await tx.execute(insert(event_endpoint).values(**values).on_conflict_do_nothing(index_elements=["name"]))


async def take_page(
    tx: AsyncConnection, name: str, kinds: Sequence[EntityKind], is_news: Callable[[LoggedChange], bool]
) -> int:
    """Make deliveries of the next changes, in the transaction that moves the endpoint behind them; how many.

    None are made while as many as a page wait, and none by whoever comes while another process makes them.
    """
    e, d = event_endpoint.c, event_delivery.c
    locked = select(e.position).where(e.name == name, e.disabled_at.is_(None)).with_for_update(skip_locked=True)
    position = (await tx.execute(locked)).scalar_one_or_none()
    if position is None:
        return 0
    counted = select(func.count()).select_from(event_delivery).where(d.endpoint == name, d.dead_at.is_(None))
    room = PAGE - int((await tx.execute(counted)).scalar_one())
    if room <= 0:
        return 0
    changes = await read_changes(tx, position, kinds=kinds, limit=room)
    end = changes[-1].position if len(changes) == room else max(position, await last_position(tx))
    rows = [
        {
            "endpoint": name,
            "position": one.position,
            "kind": one.kind,
            "entity_id": one.entity_id,
            "attempts": 0,
        }
        for one in changes
        if is_news(one)
    ]
    if rows:
        insert = pg_insert if tx.dialect.name == "postgresql" else sqlite_insert
        await tx.execute(insert(event_delivery).values(rows).on_conflict_do_nothing())
    if end > position:
        await tx.execute(update(event_endpoint).where(e.name == name).values(position=end))
    return len(rows)


async def claim_events(tx: AsyncConnection, name: str, *, limit: int, at: datetime) -> list[Claimed]:
    """Claim what is due of an endpoint, in the log's order: one of each thing, and never before an earlier one of it.

    Of an endpoint that failed last time one is claimed, to see whether it is there again.
    """
    e, d = event_endpoint.c, event_delivery.c
    failures = (
        await tx.execute(
            select(e.failures).where(
                e.name == name, e.disabled_at.is_(None), (e.not_before.is_(None)) | (e.not_before <= at)
            )
        )
    ).scalar_one_or_none()
    if failures is None:
        return []
    earlier = event_delivery.alias()
    is_first = ~(
        select(earlier.c.id)
        .where(
            earlier.c.endpoint == d.endpoint,
            earlier.c.kind == d.kind,
            earlier.c.entity_id == d.entity_id,
            earlier.c.position < d.position,
            earlier.c.dead_at.is_(None),
        )
        .exists()
    )
    due = (
        select(d.id, d.position, d.attempts)
        .where(d.endpoint == name, d.dead_at.is_(None), (d.not_before.is_(None)) | (d.not_before <= at), is_first)
        .order_by(d.position)
        .limit(1 if failures else limit)
        .with_for_update(skip_locked=True)
    )
    found = [Claimed(row.id, row.position, row.attempts + 1) for row in await tx.execute(due)]
    if found:
        values: dict[Any, Any] = {"attempts": d.attempts + 1, "not_before": at + CLAIM, "holder": holder_of(tx)}
        await tx.execute(update(event_delivery).where(among(tx, d.id, [one.id for one in found])).values(values))
    return found


async def changes_of_events(tx: AsyncConnection, events: Sequence[Claimed]) -> dict[int, LoggedChange]:
    """Position -> the change that is to be told."""
    if not events:
        return {}
    wanted = {one.position for one in events}
    rows = await tx.execute(select(change).where(among(tx, change.c.position, sorted(wanted))))
    return {
        row["position"]: LoggedChange(
            position=row["position"], kind=row["kind"], entity_id=row["entity_id"], operation=row["operation"],
            fields=row["fields"], actor=row["actor"], cause=row["cause"], at=row["at"],
        )
        for row in rows.mappings()
    }  # fmt: skip


async def forget_events(tx: AsyncConnection, ids: Sequence[int]) -> None:
    """They arrived, or are not for whoever would be told."""
    if ids:
        await tx.execute(delete(event_delivery).where(among(tx, event_delivery.c.id, list(ids))))


async def postpone_event(tx: AsyncConnection, event: Claimed, *, error: str, until: datetime) -> None:
    """Try it again at `until`."""
    values = {"error": error, "not_before": until, "holder": None}
    await tx.execute(update(event_delivery).where(event_delivery.c.id == event.id).values(values))


async def give_up_event(tx: AsyncConnection, name: str, event: Claimed, *, error: str, at: datetime) -> None:
    """It is a dead letter; later ones of the same thing go on."""
    d = event_delivery.c
    values = {"error": error, "not_before": None, "holder": None, "dead_at": at}
    await tx.execute(update(event_delivery).where(d.id == event.id).values(values))
    kept = select(d.id).where(d.endpoint == name, d.dead_at.is_not(None)).order_by(d.id.desc()).limit(MOST_DEAD)
    too_many = d.endpoint == name, d.dead_at.is_not(None), d.id.not_in(kept)
    await tx.execute(delete(event_delivery).where(*too_many))


async def note_answer(
    tx: AsyncConnection, name: str, *, failures: int, not_before: datetime | None = None, error: str | None = None
) -> None:
    """How the last tries went. failures: in a row; 0 when it takes what it is told."""
    values = {"failures": failures, "not_before": not_before, "error": error}
    await tx.execute(update(event_endpoint).where(event_endpoint.c.name == name).values(values))


async def failures_of(tx: AsyncConnection, name: str) -> int:
    """Tries in a row that failed."""
    return int((await tx.execute(select(event_endpoint.c.failures).where(event_endpoint.c.name == name))).scalar_one())


async def disable_endpoint(tx: AsyncConnection, name: str, *, error: str, at: datetime) -> None:
    """Tell it nothing until somebody enables it; what it was not told of waits in the log."""
    values = {"disabled_at": at, "error": error}
    await tx.execute(update(event_endpoint).where(event_endpoint.c.name == name).values(values))


async def enable_endpoint(tx: AsyncConnection, name: str) -> None:
    """Go on telling it, at once."""
    values = {"disabled_at": None, "failures": 0, "not_before": None, "error": None}
    await tx.execute(update(event_endpoint).where(event_endpoint.c.name == name).values(values))
    waiting = event_delivery.c.endpoint == name, event_delivery.c.dead_at.is_(None), event_delivery.c.holder.is_(None)
    await tx.execute(update(event_delivery).where(*waiting).values(not_before=None))


async def release_events(tx: AsyncConnection, holder: str, *, endpoint: str | None = None) -> int:
    """Let others send what a process had claimed that sends no more; how many that are. endpoint: only to this one."""
    d = event_delivery.c
    values: dict[Any, Any] = {"not_before": None, "holder": None, "attempts": d.attempts - 1}
    statement = update(event_delivery).where(d.holder == holder)
    if endpoint is not None:
        statement = statement.where(d.endpoint == endpoint)
    return (await tx.execute(statement.values(values))).rowcount


async def has_work(tx: AsyncConnection, name: str, *, at: datetime) -> bool:
    """Whether there may be something to tell an endpoint of: a delivery that is due, or changes behind its position."""
    e, d = event_endpoint.c, event_delivery.c
    due = select(d.id).where(d.endpoint == name, d.dead_at.is_(None), (d.not_before.is_(None)) | (d.not_before <= at))
    unpublished = select(change.c.id).where(change.c.position.is_(None))
    is_behind = e.position < LAST_POSITION.scalar_subquery()
    statement = select(e.name).where(
        e.name == name,
        e.disabled_at.is_(None),
        (e.not_before.is_(None)) | (e.not_before <= at),
        due.exists() | unpublished.exists() | is_behind,
    )
    return (await tx.execute(statement)).first() is not None


async def endpoint_standings(tx: AsyncConnection) -> list[EndpointStanding]:
    """All endpoints that were ever told of anything."""
    d = event_delivery.c
    waiting = func.count(d.id).filter(d.dead_at.is_(None))
    dead = func.count(d.id).filter(d.dead_at.is_not(None))
    statement = (
        select(event_endpoint, waiting.label("waiting"), dead.label("dead"))
        .join_from(event_endpoint, event_delivery, d.endpoint == event_endpoint.c.name, isouter=True)
        .group_by(event_endpoint.c.name)
        .order_by(event_endpoint.c.name)
    )
    return [EndpointStanding(**row) for row in (await tx.execute(statement)).mappings()]


async def dead_letters(tx: AsyncConnection, name: str, *, limit: int) -> list[DeadLetter]:
    """What was given up, oldest first."""
    d = event_delivery.c
    columns: list[Any] = [d[field] for field in DeadLetter.__slots__]
    statement = select(*columns).where(d.endpoint == name, d.dead_at.is_not(None)).order_by(d.position).limit(limit)
    return [DeadLetter(**row) for row in (await tx.execute(statement)).mappings()]


async def revive_dead(tx: AsyncConnection, name: str) -> int:
    """Try all dead letters again; how many there are."""
    d = event_delivery.c
    statement = update(event_delivery).where(d.endpoint == name, d.dead_at.is_not(None))
    return (await tx.execute(statement.values(dead_at=None, attempts=0, not_before=None))).rowcount


async def discard_dead(tx: AsyncConnection, name: str) -> int:
    """Forget all dead letters; how many there were."""
    d = event_delivery.c
    return (await tx.execute(delete(event_delivery).where(d.endpoint == name, d.dead_at.is_not(None)))).rowcount


async def rewind_endpoint(tx: AsyncConnection, name: str, position: int) -> None:
    """Tell it again of everything after a position of the log."""
    await tx.execute(update(event_endpoint).where(event_endpoint.c.name == name).values(position=position))


async def position_before(tx: AsyncConnection, at: datetime) -> int:
    """The position after which everything that happened from an instant on lies."""
    first = select(func.min(change.c.position)).where(change.c.at >= at, change.c.position.is_not(None))
    found = (await tx.execute(first)).scalar_one()
    return await last_position(tx) if found is None else int(found) - 1
