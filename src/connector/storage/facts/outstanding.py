"""Units that a ticket has got of those that it needs, and whether it waits for the rest of them.

A ticket waits for the rest when it has some of its units, something was left to be got for it, and it needs more than
it has: an order or a place in the queue that is still wanted, a question to a person about the rest, or a unit that
went to another ticket. Somebody who gives a unit of a ticket back by hand does not make it wait.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, and_, case, exists, false, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import TaskKind
from connector.model.lifecycle import RESERVATION_LIVE, ProcurementState, ReservationState
from connector.storage.stock.losses import has_lost
from connector.storage.tables import LOAN_LINE, procurement, reservation, task, ticket
from connector.storage.tickets.tasks import UNFINISHED

ABOUT_THE_REST: Final = "rest_"
"""How the code of a question about the rest of a ticket's units begins."""

_HAD = (*RESERVATION_LIVE, ReservationState.FULFILLED)
_mine, _newer = reservation.alias("mine"), reservation.alias("newer")
_claimed = (
    select(func.coalesce(func.sum(_mine.c.quantity), 0))
    .where(
        _mine.c.ticket_id == ticket.c.id,
        _mine.c.rollout_line_id.is_(None),
        _mine.c.ships_with_id.is_(None),
        _mine.c.line != LOAN_LINE,
        _mine.c.state.in_(_HAD),
        not_(
            exists()
            .where(
                _newer.c.ticket_id == _mine.c.ticket_id,
                _newer.c.line == _mine.c.line,
                _newer.c.id > _mine.c.id,
                _newer.c.state.in_(_HAD),
            )
            .correlate(_mine)
        ),
    )
    .correlate(ticket)
    .scalar_subquery()
)
"""Of the claims on one line, such as a second unit for a parcel in trouble, the newest counts."""
_is_over = and_(procurement.c.state == ProcurementState.RECEIVED, procurement.c.hub_id.is_(None))
"""Delivered to the site, or a place in the queue that has led to a unit; what a hub has got is still to be sent on."""
_delivered = (
    select(func.coalesce(func.sum(procurement.c.quantity), 0))
    .where(
        procurement.c.ticket_id == ticket.c.id,
        procurement.c.is_wanted,
        procurement.c.site_id.is_not(None),
        _is_over,
    )
    .correlate(ticket)
    .scalar_subquery()
)
_units: ColumnElement[int] = _claimed + _delivered
_is_left = or_(
    exists().where(procurement.c.ticket_id == ticket.c.id, procurement.c.is_wanted, not_(_is_over)).correlate(ticket),
    exists()
    .where(
        task.c.ticket_id == ticket.c.id,
        task.c.kind == TaskKind.REVIEW,
        task.c.state.in_(UNFINISHED),
        task.c.key.like(f"review:%:{ABOUT_THE_REST}%"),
    )
    .correlate(ticket),
    has_lost,
)

units_had: ColumnElement[int] = case((ticket.c.quantity > 1, _units), else_=0)
"""Units that a row of `ticket` has, reserved, sent or delivered; 0 for those that need one, which is not asked."""

waits_for_rest: ColumnElement[bool] = case(
    (ticket.c.quantity > 1, and_(_units > 0, _units < ticket.c.quantity, _is_left)), else_=false()
)
"""Whether a row of `ticket` waits for the rest of its units."""

next_line: ColumnElement[int] = case(
    (
        ticket.c.quantity > 1,
        select(func.coalesce(func.max(_mine.c.line), 0) + 1)
        .where(_mine.c.ticket_id == ticket.c.id, _mine.c.line != LOAN_LINE)
        .correlate(ticket)
        .scalar_subquery(),
    ),
    else_=1,
)
"""The first line of a row of `ticket` that nothing was ever claimed on."""


async def units_missing(tx: AsyncConnection, ticket_id: int) -> tuple[int, int]:
    """Units that a ticket lacks, and the line that a claim of them begins on.

    One that has none lacks all of them from line 1 on, and so does one whose units have all been sent before. Raises
    NotKnown.
    """
    statement = select(ticket.c.quantity, units_had, next_line).where(ticket.c.id == ticket_id)
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        raise NotKnown(f"there is no ticket with id {ticket_id}")
    quantity, had, line = row
    return (quantity - had, line) if 0 < had < quantity else (quantity, 1)
