"""The history of pulls: what each pull of a stream came to, for people, and for estimates of the next one.

Kept for ninety days; those that found nothing new for two, but the last of each kind.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import RunOutcome, SyncMode
from connector.storage.tables import source, sync_run

KEPT: Final = timedelta(days=90)
IDLE_KEPT: Final = timedelta(days=2)
"""How long a pull is remembered that found nothing new."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A pull of a stream that is over; see `connector.storage.tables.sources.SyncRun`."""

    stream: str
    mode: SyncMode
    outcome: RunOutcome
    started_by: str
    began_at: datetime
    records_seen: int
    created: int
    updated: int
    retired: int
    unchanged: int
    quarantined: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A pull as the history has it."""

    source: str
    stream: str
    mode: SyncMode
    outcome: RunOutcome
    started_by: str
    began_at: datetime
    ended_at: datetime
    records_seen: int
    created: int
    updated: int
    retired: int
    unchanged: int
    quarantined: int
    error: str | None


async def record_run(tx: AsyncConnection, source_id: int, run: NewRun, *, at: datetime) -> None:
    """Add a pull that ended at `at`."""
    await tx.execute(insert(sync_run).values(source_id=source_id, ended_at=at, **asdict(run)))


async def forget_runs(tx: AsyncConnection, *, at: datetime) -> int:
    """Forget what is too old; how many pulls that were."""
    c, other = sync_run.c, sync_run.alias().c
    last = select(func.max(other.id)).where(other.outcome == RunOutcome.PULLED)
    is_idle = and_(
        c.outcome == RunOutcome.PULLED, c.created == 0, c.updated == 0, c.retired == 0, c.quarantined == 0,
        c.id.not_in(last.group_by(other.source_id, other.stream, other.mode)),
    )  # fmt: skip
    is_old = or_(c.ended_at < at - KEPT, and_(c.ended_at < at - IDLE_KEPT, is_idle))
    return (await tx.execute(delete(sync_run).where(is_old))).rowcount


async def last_seen(tx: AsyncConnection, source_id: int, stream: str, mode: SyncMode) -> int | None:
    """How many records the last pull of this mode brought that came to its end; None where there was none."""
    c = sync_run.c
    statement = select(c.records_seen).where(
        c.source_id == source_id, c.stream == stream, c.mode == mode, c.outcome == RunOutcome.PULLED
    )
    found: int | None = (await tx.execute(statement.order_by(c.id.desc()).limit(1))).scalar_one_or_none()
    return found


async def list_runs(tx: AsyncConnection, name: str | None, stream: str | None, *, limit: int) -> list[Run]:
    """Pulls, the newest first. name: only of this source. stream: only of streams of this name."""
    c = sync_run.c
    columns = [column for column in c if column.name not in ("id", "source_id")]
    statement = select(source.c.name.label("source"), *columns).join(source, source.c.id == c.source_id)
    if name is not None:
        statement = statement.where(source.c.name == name)
    if stream is not None:
        statement = statement.where(c.stream == stream)
    rows = await tx.execute(statement.order_by(c.id.desc()).limit(limit))
    return [Run(**row) for row in rows.mappings()]
