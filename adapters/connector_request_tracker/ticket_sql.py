"""Questions to Request Tracker, as TicketSQL.

A time is read in the time zone of the token's user, whatever zone is written behind it: that user's must be UTC.
`=` on a time means the whole day, so nothing here compares times with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from connector_request_tracker.cursor import Position

GONE = (
    "((Type = 'Status' AND NewValue = 'deleted') OR (Type = 'AddLink' AND Field = 'MergedInto')"
    " OR (Type = 'Set' AND Field = 'Queue'))"
)
"""Transactions after which a ticket may no longer be found. A search never yields deleted or merged tickets, even
where it asks for them."""


def quote(text: str) -> str:
    """A text as TicketSQL writes it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def moment(at: datetime) -> str:
    """A time as TicketSQL writes it."""
    return f"'{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}'"


BY_ID = (("orderby", "id"), ("order", "ASC"))


def in_queues(queues: Sequence[str], *, other_than: str | None = None) -> str:
    """Tickets of these queues; of all when there are none, but for one that is named."""
    if not queues:
        return "id > 0" if other_than is None else f"Queue != {quote(other_than)}"
    return "(" + " OR ".join(f"Queue = {quote(queue)}" for queue in queues) + ")"


def changed_tickets(where: str, position: Position, overlap: timedelta) -> str:
    """Those of the tickets behind the position in the order of their last update, then id."""
    if position.at is None:
        return where
    if not position.is_exact:
        return f"{where} AND LastUpdated >= {moment(position.at - overlap)}"
    at = moment(position.at)
    return f"{where} AND (LastUpdated > {at} OR (LastUpdated >= {at} AND id > {position.id}))"


def removals(position: Position, overlap: timedelta) -> str:
    """Transactions behind the position, in the order of their id, after which a ticket may be gone."""
    where = f"ObjectType = 'RT::Ticket' AND {GONE}"
    if position.at is None:
        return where
    if position.is_exact:
        return f"{where} AND id > {position.id}"
    return f"{where} AND Created >= {moment(position.at - overlap)}"


def one_of(where: str, ids: Iterable[int]) -> str:
    """Those of the tickets with these numbers."""
    choice = " OR ".join(f"id = {number}" for number in sorted(ids))
    return f"({where}) AND ({choice})"


def orders_marked(queue: str, key: str) -> str:
    """Tickets of a queue whose subject holds a key."""
    return f"{in_queues([queue])} AND Subject LIKE {quote(key)}"
