"""Tickets that name a product or a site by a name that has come to stand for one."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.lifecycle import TICKET_OPEN
from connector.model.naming import Makers, fold
from connector.model.refs import EntityKind
from connector.storage.aliases.lookup import NamedKey
from connector.storage.database.drafts import Values, load_drafts, write_drafts
from connector.storage.tables import ticket

MOST_WAITING: Final = 5_000
"""Open tickets that are looked through for a name, the newest first."""


async def link_waiting_to_site(
    tx: AsyncConnection, key: str, source_id: int | None, site_id: int, *, actor: str, cause: str, at: datetime
) -> int:
    """Let open tickets be at a site that they name so and that was not known; how many. source_id: only of this one."""
    c = ticket.c
    statement = select(c.id, c.site_hint).where(c.site_id.is_(None), c.site_hint.is_not(None), c.state.in_(TICKET_OPEN))
    if source_id is not None:
        statement = statement.where(c.source_id == source_id)
    rows = await tx.execute(statement.order_by(c.id.desc()).limit(MOST_WAITING))
    named = [number for number, hint in rows if fold(hint) == key]
    return await _link(tx, named, {"site_id": site_id, "site_hint": None}, actor=actor, cause=cause, at=at)


async def link_waiting_to_product(
    tx: AsyncConnection, key: NamedKey, makers: Makers, product_id: int, *, actor: str, cause: str, at: datetime
) -> int:
    """Let open tickets be about a product that they name so and that was not known; how many."""
    c, end = ticket.c, f" {key[1]}"
    statement = select(c.id, c.product_hint).where(
        c.product_id.is_(None), c.product_hint.is_not(None), c.state.in_(TICKET_OPEN)
    )
    rows = await tx.execute(statement.order_by(c.id.desc()).limit(MOST_WAITING))
    folded = [(number, fold(hint)) for number, hint in rows]
    named = [
        number for number, hint in folded if hint.endswith(end) and makers.key_of(hint.removesuffix(end)) == key[0]
    ]
    return await _link(tx, named, {"product_id": product_id, "product_hint": None}, actor=actor, cause=cause, at=at)


async def _link(
    tx: AsyncConnection, tickets: list[int], values: Values, *, actor: str, cause: str, at: datetime
) -> int:
    drafts = await load_drafts(tx, EntityKind.TICKET, tickets)
    for draft in drafts.values():
        draft.after |= values
    return (await write_drafts(tx, EntityKind.TICKET, drafts.values(), actor=actor, cause=cause, at=at)).updated
