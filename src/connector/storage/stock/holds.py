"""How long a claim is held."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.lifecycle import RESERVATION_LIVE, ReservationState
from connector.storage.database.rows import json_value
from connector.storage.stock.reservations import Reservation, set_reservation
from connector.storage.stock.reserve import locked_reservation, require_own_fate
from connector.storage.stock.waiting import require_approved


async def extend_reservation(
    tx: AsyncConnection,
    reservation_id: int,
    until: datetime,
    *,
    longest: timedelta,
    actor: str,
    at: datetime,
    cause: str | None = None,
) -> Reservation:
    """Hold a reservation longer; asked again for the same moment, nothing changes.

    longest: how long it may be held in all, from when it was made. Raises NotKnown, IllegalTransition unless it is
    held, expires at some moment and waits for no approval, InvalidInput for a moment that is no extension or beyond
    `longest`.
    """
    current = await locked_reservation(tx, reservation_id)
    require_own_fate(current, "extended")
    if current.state is not ReservationState.HELD or current.expires_at is None:
        why = "it does not expire any more" if current.state in RESERVATION_LIVE else "it has ended"
        raise IllegalTransition(f"reservation {reservation_id} is {current.state.value}: {why}, so it is not extended")
    if until == current.expires_at:
        return current
    await require_approved(tx, reservation_id, current.approval_name, "extended")
    if until < current.expires_at or until <= at:
        raise InvalidInput(
            f"reservation {reservation_id} is held until {json_value(current.expires_at)} already, later than"
            f" {json_value(until)}",
            hint="Give a later moment; to give the units back, release it.",
        )
    if until > current.created_at + longest:
        hours = longest / timedelta(hours=1)
        raise InvalidInput(
            f"reservation {reservation_id} may be held until {json_value(current.created_at + longest)} at the longest,"
            f" not until {json_value(until)}",
            hint=f"The policy holds units for {hours:g} hours at most (holds.longest_hours).",
        )
    return await set_reservation(tx, current, {"expires_at": until}, (), actor=actor, at=at, cause=cause)
