"""Tickets of the hub's own, for work that no ITSM system knows of.

They live in a source of the hub's own, which nothing is pulled from and nothing is written to.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import SourceState, TicketType
from connector.model.lifecycle import TicketState
from connector.model.refs import EntityKind
from connector.storage.database.bulk import new_ids
from connector.storage.database.rows import insert_logged
from connector.storage.sources.sources import register_source, set_condition
from connector.storage.tables import ticket

OWN_SOURCE: Final = "this hub"
"""Name of the source that the hub's own tickets are in. No configured source can be called so: it has a space."""
OWN_ADAPTER: Final = "own"


async def own_ticket(
    tx: AsyncConnection, *, series: str = "ROLLOUT", title: str, description: str | None, author: str, at: datetime
) -> int:
    """A change ticket of the hub's own, for work that no ITSM system knows of; returns its id.

    It lives in a source of the hub's own, which nothing is pulled from and nothing is written to. series: what its
    number begins with.
    """
    source_id = await register_source(tx, name=OWN_SOURCE, adapter=OWN_ADAPTER, at=at)
    await set_condition(tx, source_id, state=SourceState.OK, at=at)
    (ticket_id,) = await new_ids(tx, ticket, 1)
    values: dict[str, Any] = {
        "id": ticket_id,
        "source_id": source_id,
        "external_id": str(ticket_id),
        "number": f"{series}-{ticket_id}",
        "type": TicketType.CHANGE,
        "state": TicketState.NEW,
        "title": title,
        "description": description,
        "requester": author,
        "opened_at": at,
    }
    return await insert_logged(tx, ticket, EntityKind.TICKET, values, actor=author, at=at)
