"""Reservations: claims of stock for a ticket, and their moves from held to fulfilled or released.

Every command is one step of the caller's transaction, may be repeated without effect, and logs what it changed:
reservation, assets, stock. Locks are taken in one order everywhere: devices, tickets (see
`connector.storage.database.locks`), reservations, then units (see `connector.storage.stock.units`), so that two
commands never wait for each other in a circle.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, InvalidInput, NotKnown
from connector.model.lifecycle import (
    RESERVATION_LIVE,
    RESERVATION_MOVES,
    ApprovalState,
    LoanState,
    ReservationState,
    require_move,
)
from connector.storage.database.changes import log_changes
from connector.storage.database.locks import lock_ticket
from connector.storage.stock.loans import follow_reservations
from connector.storage.stock.reservations import (
    Claim,
    Drawn,
    Reservation,
    Reserved,
    change_of,
    insert_reservations,
    kit_lines,
    reserved_units,
    set_with_kit,
    with_values,
)
from connector.storage.stock.units import ShelfKey, put_back, send_off, take_units
from connector.storage.stock.waiting import has_approval, is_approved
from connector.storage.tables import reservation, ticket

_ENDED = frozenset({ReservationState.RELEASED, ReservationState.EXPIRED})


async def reserve(tx: AsyncConnection, claim: Claim, *, actor: str, at: datetime, cause: str | None = None) -> Reserved:
    """Claim stock for a line of a ticket; asked again, the live reservation of that line is the answer.

    Raises NotKnown when there is no such ticket, OutOfStock when the shelf has fewer free units (nothing has
    changed then), InvalidInput for a quantity below 1.
    """
    if claim.quantity < 1:
        raise InvalidInput(f"quantity {claim.quantity} cannot be reserved: it must be at least 1")
    await lock_ticket(tx, claim.ticket_id)
    existing = await live_reservations(tx, claim.ticket_id, claim.line, claim.quantity)
    if existing:
        return Reserved(existing, is_new=False)
    shelf = ShelfKey(claim.hub_id, claim.product_id, claim.lane)
    taken = await take_units(tx, shelf, claim.quantity, at, revision=claim.revision)
    [(reservations, changes)] = await insert_reservations(tx, [Drawn(claim, taken)], at=at)
    await log_changes(tx, [*changes, *taken.changes], actor=actor, cause=cause, at=at)
    return Reserved(reservations, is_new=True)


async def locked_reservation(tx: AsyncConnection, reservation_id: int) -> Reservation:
    """The reservation, locked after its ticket until the transaction ends. Raises NotKnown."""
    statement = select(reservation.c.ticket_id).where(reservation.c.id == reservation_id)
    ticket_id = (await tx.execute(statement)).scalar_one_or_none()
    if ticket_id is None:
        raise NotKnown(f"there is no reservation with id {reservation_id}")
    await lock_ticket(tx, ticket_id)
    row = (await tx.execute(select(reservation).where(reservation.c.id == reservation_id).with_for_update())).one()
    return Reservation(*row)


async def live_reservations(
    tx: AsyncConnection, ticket_id: int, line: int, quantity: int = 1
) -> tuple[Reservation, ...]:
    """What a line of a ticket has reserved now, with the lines after it that several units were claimed on.

    Raises InvalidInput when the line is free but one that `quantity` units would need after it is not.
    """
    statement = (
        select(reservation)
        .where(
            reservation.c.ticket_id == ticket_id,
            reservation.c.line.between(line, line + quantity - 1),
            reservation.c.state.in_(RESERVATION_LIVE),
        )
        .order_by(reservation.c.line)
    )
    found = tuple(Reservation(*row) for row in (await tx.execute(statement)).all())
    if found and found[0].line != line:
        raise lines_taken(ticket_id, found[0].line, quantity, line)
    return found[:1] if found and found[0].asset_id is None else found


def lines_taken(ticket_id: int, taken: int, quantity: int, line: int) -> InvalidInput:
    """The refusal of a claim of several lines, one of which has a reservation."""
    return InvalidInput(
        f"ticket {ticket_id} has a reservation on line {taken} already, which {quantity} units from line {line} on"
        " would need",
        hint="Claim fewer units, or begin at a line after all that are taken.",
    )


async def commit_reservation(
    tx: AsyncConnection, reservation_id: int, *, actor: str, at: datetime, cause: str | None = None
) -> Reservation:
    """A held reservation is wanted for good: it does not expire any more.

    Raises NotKnown, and IllegalTransition when it has been released, has expired, is fulfilled, or waits for approval.
    """
    current = await locked_reservation(tx, reservation_id)
    if current.state is ReservationState.COMMITTED:
        return current
    require_own_fate(current, "committed")
    _require(current, ReservationState.COMMITTED)
    if current.approval_name is not None and not await is_approved(tx, current.id):
        raise IllegalTransition(
            f"reservation {current.id} cannot be committed: it waits for approval {current.approval_name!r}",
            hint="connector approvals list shows who has to answer.",
        )
    values = {"state": ReservationState.COMMITTED, "expires_at": None}
    return await set_with_kit(tx, current, values, await kit_lines(tx, [current]), (), actor=actor, at=at, cause=cause)


async def release_reservation(
    tx: AsyncConnection,
    reservation_id: int,
    *,
    actor: str,
    at: datetime,
    reason: str,
    state: Literal[ReservationState.RELEASED, ReservationState.EXPIRED] = ReservationState.RELEASED,
    cause: str | None = None,
) -> Reservation:
    """Give the units back to their shelf; one that has ended already stays as it is.

    Raises NotKnown, and IllegalTransition when it is fulfilled, or committed and said to have expired.
    """
    current = await locked_reservation(tx, reservation_id)
    if current.state in _ENDED:
        return current
    require_own_fate(current, "released")
    _require(current, state)
    parts = await kit_lines(tx, [current])
    changes = await put_back(tx, *reserved_units([current, *parts]), at)
    if current.is_loan:
        await follow_reservations(tx, [current.id], LoanState.WITHDRAWN, reason=reason, actor=actor, cause=cause, at=at)
    values = {"state": state, "reason": reason}
    return await set_with_kit(tx, current, values, parts, changes, actor=actor, at=at, cause=cause)


async def fulfil_reservation(
    tx: AsyncConnection, reservation_id: int, *, actor: str, at: datetime, cause: str | None = None
) -> Reservation:
    """The units have left the hub: the assets are in transit and off the hub's book.

    Raises NotKnown, and IllegalTransition unless it is committed (or fulfilled already).
    """
    current = await locked_reservation(tx, reservation_id)
    if current.state is ReservationState.FULFILLED:
        return current
    require_own_fate(current, "sent")
    _require(current, ReservationState.FULFILLED)
    parts = await kit_lines(tx, [current])
    changes = await send_off(tx, *reserved_units([current, *parts]), at)
    if current.is_loan:
        await follow_reservations(tx, [current.id], LoanState.LENT, actor=actor, cause=cause, at=at)
    values = {"state": ReservationState.FULFILLED}
    return await set_with_kit(tx, current, values, parts, changes, actor=actor, at=at, cause=cause)


async def expire_due(
    tx: AsyncConnection, *, at: datetime, actor: str = "expiry", limit: int = 500
) -> tuple[Reservation, ...]:
    """Give back what is held past its time, passing over tickets that somebody works on right now.

    What waits for an approval is the affair of whoever settles that (see `connector.fulfilment.approvals`).
    """
    due = (
        select(reservation)
        .join(ticket, ticket.c.id == reservation.c.ticket_id)
        .where(
            reservation.c.state == ReservationState.HELD,
            reservation.c.expires_at <= at,
            or_(reservation.c.approval_name.is_(None), ~has_approval(ApprovalState.PENDING)),
        )
        .order_by(reservation.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True, of=[ticket, reservation])
    )
    found = [Reservation(*row) for row in (await tx.execute(due)).all()]
    if not found:
        return ()
    ending = [*found, *await kit_lines(tx, found)]
    units = await put_back(tx, *reserved_units(ending), at)
    values: dict[str, Any] = {"state": ReservationState.EXPIRED, "reason": "not committed in time"}
    ids = [item.id for item in ending]
    lent = [item.id for item in found if item.is_loan]
    if lent:
        await follow_reservations(tx, lent, LoanState.WITHDRAWN, reason=values["reason"], actor=actor, at=at)
    await tx.execute(update(reservation).where(reservation.c.id.in_(ids)).values(**values, updated_at=at))
    changes = [change_of(item, values) for item in ending]
    await log_changes(tx, [*changes, *units], actor=actor, at=at)
    return tuple(with_values(item, values, at) for item in found)


def require_own_fate(current: Reservation, verb: str) -> None:
    """Refuse to do something to a component by itself. verb: what is to be done. Raises InvalidInput."""
    if current.ships_with_id is not None:
        raise InvalidInput(
            f"reservation {current.id} is a component of a kit and goes with reservation {current.ships_with_id}: it"
            f" cannot be {verb} by itself",
            hint=f"Name reservation {current.ships_with_id}; its kit follows.",
        )


def _require(current: Reservation, target: ReservationState) -> None:
    require_move(RESERVATION_MOVES, current.state, target, what=f"reservation {current.id}")
