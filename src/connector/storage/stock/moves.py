"""What a person has moved since it was decided: the lineage of a decision's claims."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.tables import hub, reservation

MOVED: Final = "moved by "
"""How the reason of a claim begins that a person has moved."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A claim that a person has moved since its decision. origin, target: hubs. reason: who moved it, and why."""

    at: datetime
    origin: str
    target: str
    reason: str


async def moves_of(tx: AsyncConnection, decision_id: int) -> list[Moved]:
    """What a decision claimed and a person has moved since, in the order in which that was done."""
    old, new = reservation.alias("old"), reservation.alias("new")
    here, there = hub.alias("here"), hub.alias("there")
    statement = (
        select(
            old.c.updated_at,
            func.coalesce(here.c.code, here.c.name),
            func.coalesce(there.c.code, there.c.name),
            old.c.reason,
        )
        .join(new, and_(new.c.replaces_id == old.c.id, new.c.ticket_id == old.c.ticket_id))
        .join(here, here.c.id == old.c.hub_id)
        .join(there, there.c.id == new.c.hub_id)
        .where(old.c.decision_id == decision_id, old.c.ships_with_id.is_(None), old.c.reason.startswith(MOVED))
        .order_by(old.c.id)
    )
    return [Moved(*row) for row in await tx.execute(statement)]
