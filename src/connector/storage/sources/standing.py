"""How the sources and what they sent stand now, for those who watch over the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import SourceState
from connector.storage.tables import inbox, quarantine
from connector.storage.tables import source as sources


@dataclass(frozen=True, slots=True)
class SourceStanding:
    """is_up: neither failing, nor stopped, nor disabled. waiting: webhooks that are not dealt with yet, since oldest.
    dead_letters: records and webhooks in quarantine that nobody has seen to.
    """

    is_up: bool
    last_success_at: datetime | None
    waiting: int
    oldest_at: datetime | None
    dead_letters: int


async def sources_standing(tx: AsyncConnection) -> Mapping[str, SourceStanding]:
    """Of each source by its name."""
    waits = (
        select(inbox.c.source_id, func.count(), func.min(inbox.c.received_at))
        .where(inbox.c.processed_at.is_(None))
        .group_by(inbox.c.source_id)
    )
    dead = (
        select(quarantine.c.source_id, func.count())
        .where(quarantine.c.resolved_at.is_(None))
        .group_by(quarantine.c.source_id)
    )
    waiting = {source_id: (count, oldest) for source_id, count, oldest in await tx.execute(waits)}
    letters = {source_id: count for source_id, count in await tx.execute(dead)}
    c = sources.c
    rows = await tx.execute(select(c.id, c.name, c.state, c.last_success_at))
    return {
        row.name: SourceStanding(
            row.state not in (SourceState.BACKING_OFF, SourceState.PAUSED, SourceState.DISABLED),
            row.last_success_at,
            *waiting.get(row.id, (0, None)),
            letters.get(row.id, 0),
        )
        for row in rows
    }
