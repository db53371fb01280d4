"""Tickets that name a device or site which has not arrived yet."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.database.bulk import among
from connector.storage.tables import ticket

_C = ticket.c
_IS_AWAITED = select(
    exists().where(_C.asset_id.is_(None), _C.asset_hint.is_not(None)),
    exists().where(_C.site_id.is_(None), _C.site_hint.is_not(None)),
)


async def is_awaited(tx: AsyncConnection) -> tuple[bool, bool]:
    """Whether any ticket waits for a device, and whether any waits for a site."""
    for_device, for_site = (await tx.execute(_IS_AWAITED)).one()
    return bool(for_device), bool(for_site)


async def waiting_tickets(
    tx: AsyncConnection, *, asset_hints: Collection[str], site_hints: Collection[str]
) -> frozenset[int]:
    """Tickets without device or site whose hint is one of these texts."""
    c = ticket.c
    found: set[int] = set()
    if asset_hints:
        statement = select(c.id).where(c.asset_id.is_(None), among(tx, c.asset_hint, asset_hints))
        found |= set((await tx.execute(statement)).scalars())
    if site_hints:
        statement = select(c.id).where(c.site_id.is_(None), among(tx, c.site_hint, site_hints))
        found |= set((await tx.execute(statement)).scalars())
    return frozenset(found)
