"""The connections to external systems: how they fare, how far each stream has been pulled, who is pulling it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import SourceState
from connector.model.refs import EntityKind
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.presence import holder_of
from connector.storage.database.rows import json_value
from connector.storage.tables import source, source_stream

LEASE = timedelta(minutes=5)
"""How long a pull may be silent before another process takes its stream over; of one that is gone, see
`release_leases`.
"""


_FREE: Final = {"lease": None, "lease_until": None, "holder": None}


@dataclass(frozen=True, slots=True)
class Condition:
    """How a source fares. not_before: while it backs off, when it is asked again.

    paused_by, pause_reason: who stopped it until it is let go on, and why.
    """

    id: int
    state: SourceState
    failures: int
    not_before: datetime | None
    paused_by: str | None = None
    pause_reason: str | None = None


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """How far a stream has been pulled. resume: the adapter's cursor. backfill: of one that is not done yet."""

    resume: str | None
    last_success_at: datetime | None
    backfill: str | None = None


async def register_source(tx: AsyncConnection, *, name: str, adapter: str, at: datetime, is_start: bool = False) -> int:
    """The id of the source of that name, which is made when it is new.

    is_start: a hub begins to serve: a source that stopped because of its configuration or credentials gets another
    chance; one that somebody paused, or the guard, stays so.
    """
    c = source.c
    wanted = select(c.id, c.adapter, c.state, c.paused_by).where(c.name == name)
    row = (await tx.execute(wanted)).one_or_none()
    if row is None:
        values = {"name": name, "adapter": adapter, "state": SourceState.NEW, "failures": 0, "updated_at": at}
        made = _insert(tx, source).values(**values).on_conflict_do_nothing(index_elements=[c.name]).returning(c.id)
        is_new = (await tx.execute(made)).one_or_none() is not None
        row = (await tx.execute(wanted)).one()
        if is_new:
            fields = {"name": (None, name), "adapter": (None, adapter)}
            await log_changes(tx, [NewChange(EntityKind.SOURCE, row.id, "created", fields)], actor="ingest", at=at)
    stopped = is_start and row.state in (SourceState.PAUSED, SourceState.DISABLED) and row.paused_by is None
    if stopped or row.adapter != adapter:
        values = {"adapter": adapter, "updated_at": at, **({"state": SourceState.NEW} if stopped else {})}
        await tx.execute(update(source).where(c.id == row.id).values(**values))
        changed: dict[str, tuple[Any, Any]] = {
            name: (json_value(before), json_value(values[name]))
            for name, before in (("adapter", row.adapter), ("state", row.state))
            if name in values and values[name] != before
        }
        await log_changes(tx, [NewChange(EntityKind.SOURCE, row.id, "updated", changed)], actor="ingest", at=at)
    return int(row.id)


async def source_ids(tx: AsyncConnection) -> dict[str, int]:
    """Every source's id by its name."""
    return {name: source_id for name, source_id in await tx.execute(select(source.c.name, source.c.id))}


async def sources_pulled_since(tx: AsyncConnection, at: datetime) -> set[str]:
    """Names of the sources that a pull has come to its end of since then."""
    return set((await tx.execute(select(source.c.name).where(source.c.last_success_at >= at))).scalars())


async def source_condition(tx: AsyncConnection, source_id: int) -> Condition:
    """How the source fares."""
    c = source.c
    columns = (c.id, c.state, c.failures, c.not_before, c.paused_by, c.pause_reason)
    statement = select(*columns).where(c.id == source_id)
    return Condition(*(await tx.execute(statement)).one())


async def set_condition(
    tx: AsyncConnection,
    source_id: int,
    *,
    state: SourceState,
    at: datetime,
    error: str | None = None,
    failures: int = 0,
    not_before: datetime | None = None,
) -> None:
    """Record how a source fares; a change of state or of the error is logged, the mere start of a pull is not.

    error: what users are shown, None while it works. Success is recorded with its time when `state` is OK. A source
    that was paused meanwhile stays so.
    """
    c = source.c
    statement = select(c.state, c.last_error, c.paused_by).where(c.id == source_id)
    before = (await tx.execute(statement)).mappings().one()
    has_worked = state is SourceState.OK
    if before["paused_by"] is not None:
        state = SourceState.PAUSED
    values: dict[str, Any] = {"state": state, "failures": failures, "not_before": not_before, "updated_at": at}
    if has_worked:
        values["last_success_at"] = at
    if state is not SourceState.RUNNING:
        values["last_error"] = error
        if error is not None:
            values["last_error_at"] = at
    await tx.execute(update(source).where(c.id == source_id).values(**values))
    fields: dict[str, tuple[Any, Any]] = {
        name: (json_value(before[name]), json_value(values[name]))
        for name in ("state", "last_error")
        if name in values and before[name] != values[name]
    }
    passing = before["state"] is SourceState.RUNNING and state is SourceState.OK and "last_error" not in fields
    if fields and state is not SourceState.RUNNING and not passing:
        await log_changes(tx, [NewChange(EntityKind.SOURCE, source_id, "updated", fields)], actor="ingest", at=at)


async def resumes_of(tx: AsyncConnection, source_id: int) -> dict[str, str | None]:
    """Where each stream of a source that was pulled before goes on, first with a backfill that is not done yet."""
    c = source_stream.c
    statement = select(c.name, func.coalesce(c.backfill, c.resume)).where(c.source_id == source_id)
    return {name: resume for name, resume in await tx.execute(statement)}


async def take_lease(
    tx: AsyncConnection, source_id: int, stream: str, *, token: str, at: datetime
) -> StreamPosition | None:
    """Become the only one who pulls a stream until the lease runs out; None when somebody else is pulling it."""
    c = source_stream.c
    row = {"source_id": source_id, "name": stream, "records_seen": 0, "records_changed": 0}
    statement = _insert(tx, source_stream).values(**row)
    await tx.execute(statement.on_conflict_do_nothing(index_elements=[c.source_id, c.name]))
    taken = (
        update(source_stream)
        .where(c.source_id == source_id, c.name == stream)
        .where(or_(c.lease.is_(None), c.lease == token, c.lease_until < at))
        .values(lease=token, lease_until=at + LEASE, holder=holder_of(tx))
        .returning(c.resume, c.last_success_at, c.backfill)
    )
    found = (await tx.execute(taken)).one_or_none()
    return StreamPosition(*found) if found else None


async def hold_lease(tx: AsyncConnection, source_id: int, stream: str, *, token: str, at: datetime) -> bool:
    """Whether the stream is still ours, which it stays while this transaction lasts; renewed when half is gone."""
    c = source_stream.c
    mine = (c.source_id == source_id, c.name == stream, c.lease == token)
    until = (await tx.execute(select(c.lease_until).where(*mine).with_for_update())).scalar_one_or_none()
    if until is None:
        return False
    if until - at < LEASE / 2:
        await tx.execute(update(source_stream).where(*mine).values(lease_until=at + LEASE))
    return True


async def drop_lease(tx: AsyncConnection, source_id: int, stream: str, *, token: str) -> None:
    """Let others pull the stream."""
    c = source_stream.c
    statement = update(source_stream).where(c.source_id == source_id, c.name == stream, c.lease == token)
    await tx.execute(statement.values(**_FREE))


async def leases_of(tx: AsyncConnection, holder: str) -> set[str]:
    """The leases that a process has."""
    c = source_stream.c
    return set((await tx.execute(select(c.lease).where(c.holder == holder, c.lease.is_not(None)))).scalars())


async def release_leases(tx: AsyncConnection, holder: str, *, only: Collection[str] | None = None) -> int:
    """Let others pull what a process pulled that does so no more; how many streams those are. only: these leases."""
    c = source_stream.c
    statement = update(source_stream).where(c.holder == holder)
    if only is not None:
        statement = statement.where(c.lease.in_(only))
    return (await tx.execute(statement.values(**_FREE))).rowcount


async def finish_stream(
    tx: AsyncConnection, source_id: int, stream: str, *, seen: int, changed: int, at: datetime
) -> None:
    """Record that a stream was pulled to its end. seen, changed: records of this pull."""
    c = source_stream.c
    statement = update(source_stream).where(c.source_id == source_id, c.name == stream)
    await tx.execute(statement.values(last_success_at=at, records_seen=seen, records_changed=changed))


async def save_resume(tx: AsyncConnection, source_id: int, stream: str, resume: str) -> None:
    """Remember where the stream goes on; nothing is written when that is known."""
    c = source_stream.c
    where = (c.source_id == source_id, c.name == stream)
    row = (await tx.execute(select(c.resume).where(*where))).one_or_none()
    if row is not None and row.resume == resume:
        return
    values = {"source_id": source_id, "name": stream, "resume": resume, "records_seen": 0, "records_changed": 0}
    statement = _insert(tx, source_stream).values(**values)
    await tx.execute(statement.on_conflict_do_update(index_elements=[c.source_id, c.name], set_={"resume": resume}))


async def save_backfill(tx: AsyncConnection, source_id: int, stream: str, cursor: str | None) -> None:
    """Remember where the backfill of a stream goes on; None when it is done."""
    c = source_stream.c
    statement = update(source_stream).where(c.source_id == source_id, c.name == stream)
    await tx.execute(statement.values(backfill=cursor))


def _insert(tx: AsyncConnection, table: Any) -> Any:
    return pg_insert(table) if tx.dialect.name == "postgresql" else sqlite_insert(table)
