"""Units that a ticket had, and that went to other tickets: what fairness counts."""

from __future__ import annotations

from sqlalchemy import and_, exists, func, select

from connector.storage.tables import reservation, ticket

_lost = reservation.alias("lost")
_heir = reservation.alias("heir")
_went_elsewhere = and_(_heir.c.replaces_id == _lost.c.id, _heir.c.ticket_id != _lost.c.ticket_id)

has_lost = exists().where(_lost.c.ticket_id == ticket.c.id, _went_elsewhere)
"""Whether a row of `ticket` has lost units to another ticket."""

line_losses = (
    select(func.count())
    .select_from(_lost)
    .join(_heir, _went_elsewhere)
    .where(_lost.c.ticket_id == reservation.c.ticket_id, _lost.c.line == reservation.c.line)
    .correlate(reservation)
    .scalar_subquery()
)
"""How often the line of a row of `reservation` has lost its units to other tickets."""
