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


def in_queues(queues: Sequence[str]) -> str:
    """Tickets of these queues; of all when there are none."""
    if not queues:
        return "id > 0"
    return "(" + " OR ".join(f"Queue = {quote(queue)}" for queue in queues) + ")"


def changed_tickets(queues: Sequence[str], position: Position, overlap: timedelta) -> str:
    """Tickets behind the position in the order of their last update, then id."""
    where = in_queues(queues)
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


def one_of(queues: Sequence[str], ids: Iterable[int]) -> str:
    """Those of the tickets that can be found in the queues."""
    choice = " OR ".join(f"id = {number}" for number in sorted(ids))
    return f"{in_queues(queues)} AND ({choice})"
