"""How every source fares, in one statement: for `connector sources`, `connector doctor` and health checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import InvalidInput, NotKnown
from connector.model.kinds import SourceState
from connector.storage.tables import inbox, quarantine, source, source_stream, ticket


@dataclass(frozen=True, slots=True)
class SourceOverview:
    """A source's condition.

    records: that the last pulls of its streams brought. waiting: webhooks. quarantined: records that are open.
    """

    name: str
    adapter: str
    state: SourceState
    last_success_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    not_before: datetime | None
    paused_by: str | None
    pause_reason: str | None
    records: int
    waiting: int
    quarantined: int

    def freshness_seconds(self, now: datetime) -> int | None:
        """Age of the last success; None when there was none."""
        return None if self.last_success_at is None else max(0, int((now - self.last_success_at).total_seconds()))


@dataclass(frozen=True, slots=True)
class StreamOverview:
    """How far a stream has been pulled. seen, changed: by its last pull. is_backfilling: a backfill is not done yet."""

    name: str
    last_success_at: datetime | None
    seen: int
    changed: int
    is_backfilling: bool

    def freshness_seconds(self, now: datetime) -> int | None:
        """Age of the last pull to its end; None when there was none."""
        return None if self.last_success_at is None else max(0, int((now - self.last_success_at).total_seconds()))


async def stream_overviews(tx: AsyncConnection, source_id: int) -> list[StreamOverview]:
    """The streams of a source that were pulled, in the order in which they were first."""
    c = source_stream.c
    columns = (c.name, c.last_success_at, c.records_seen, c.records_changed, c.backfill.is_not(None))
    statement = select(*columns).where(c.source_id == source_id).order_by(c.id)
    return [StreamOverview(*row) for row in await tx.execute(statement)]


async def source_overviews(tx: AsyncConnection) -> list[SourceOverview]:
    """All sources by name."""
    s = source.c
    records = select(func.coalesce(func.sum(source_stream.c.records_seen), 0)).where(source_stream.c.source_id == s.id)
    waiting = select(func.count()).where(inbox.c.source_id == s.id, inbox.c.processed_at.is_(None))
    kept = select(func.count()).where(quarantine.c.source_id == s.id, quarantine.c.resolved_at.is_(None))
    statement = select(
        s.name,
        s.adapter,
        s.state,
        s.last_success_at,
        s.last_error,
        s.last_error_at,
        s.not_before,
        s.paused_by,
        s.pause_reason,
        records.scalar_subquery().label("records"),
        waiting.scalar_subquery().label("waiting"),
        kept.scalar_subquery().label("quarantined"),
    ).order_by(s.name)
    return [SourceOverview(**row) for row in (await tx.execute(statement)).mappings()]


async def ticket_id_of(tx: AsyncConnection, name: str) -> int:
    """The ticket that a person means: by its number at the source, else by the hub's own id.

    Raises NotKnown, and InvalidInput when several sources have a ticket of that number.
    """
    c = ticket.c
    statement = select(c.id, source.c.name).join(source, source.c.id == c.source_id).where(c.number == name)
    rows = (await tx.execute(statement.limit(10))).all()
    if len(rows) > 1:
        listed = ", ".join(f"#{row.id} of {row.name}" for row in rows)
        raise InvalidInput(f"ticket number {name!r} is not unique: {listed}", hint="Name one as #ID.")
    if rows:
        return int(rows[0].id)
    own = name.removeprefix("#")
    if own.isascii() and own.isdigit() and len(own) < 19:
        found = (await tx.execute(select(c.id).where(c.id == int(own)))).scalar_one_or_none()
        if found is not None and name.startswith("#"):
            return int(found)
    raise NotKnown(
        f"there is no ticket {name!r}", hint="Give its number as the ITSM system shows it, or #ID of the hub's own."
    )
