"""How far the durable readers of the change log are behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.tables import change, reader


@dataclass(frozen=True, slots=True)
class Lag:
    """changes: that a reader has not dealt with. seconds: since the oldest of them was made; 0 where there is none."""

    changes: int
    seconds: float


async def reader_lags(tx: AsyncConnection, *, at: datetime) -> Mapping[str, Lag]:
    """Of each reader by its name. at: now."""
    c = change.c
    last = select(func.coalesce(func.max(c.position), 0)).scalar_subquery()
    unnumbered = select(func.count(), func.min(c.at)).where(c.position.is_(None))
    next_at = select(c.at).where(c.position > reader.c.position).order_by(c.position).limit(1).scalar_subquery()
    waiting, oldest = (await tx.execute(unnumbered)).one()
    rows = await tx.execute(select(reader.c.name, last - reader.c.position, next_at.label("next_at")))
    lags = {}
    for name, behind, next_one in rows:
        since = min((moment for moment in (next_one, oldest) if moment is not None), default=None)
        seconds = 0.0 if since is None else max((at - since).total_seconds(), 0.0)
        lags[name] = Lag(max(behind, 0) + waiting, seconds)
    return lags
