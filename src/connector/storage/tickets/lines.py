"""What stands on the lines of tickets: one reservation at most is live on each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.lifecycle import RESERVATION_LIVE
from connector.storage.database.bulk import among_given
from connector.storage.stock.reservations import Reservation
from connector.storage.stock.reserve import lines_taken
from connector.storage.tables import reservation

_LIVE: Final = (
    select(reservation)
    .where(among_given(reservation.c.ticket_id, "ticket_ids"), reservation.c.state.in_(RESERVATION_LIVE))
    .order_by(reservation.c.ticket_id, reservation.c.line)
)


async def live_on_lines(tx: AsyncConnection, ticket_ids: Collection[int]) -> list[Reservation]:
    """The live reservations of tickets, by ticket and line."""
    return [Reservation(*row) for row in await tx.execute(_LIVE, {"ticket_ids": list(ticket_ids)})]


async def require_free_lines(tx: AsyncConnection, lines: Mapping[int, int], first: Mapping[int, int]) -> None:
    """Raises InvalidInput when one of these tickets has something on one of its lines from the first on already."""
    if not lines:
        return
    for row in await live_on_lines(tx, lines.keys()):
        line = first[row.ticket_id]
        if line <= row.line < line + lines[row.ticket_id]:
            raise lines_taken(row.ticket_id, row.line, lines[row.ticket_id], line)
