"""Reservations: claims of stock for a ticket, and their moves from held to fulfilled or released.

Every command is one step of the caller's transaction, may be repeated without effect, and logs what it changed:
reservation, assets, stock. Locks are taken in one order everywhere: devices, tickets (see
`connector.storage.database.locks`), reservations, then units (see `connector.storage.stock.units`), so that two
commands never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, InvalidInput, NotKnown
from connector.model.kinds import Lane
from connector.model.lifecycle import RESERVATION_LIVE, RESERVATION_MOVES, ApprovalState, ReservationState, require_move
from connector.model.refs import EntityKind
from connector.storage.database.bulk import insert_numbered, insert_rows
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.locks import lock_ticket
from connector.storage.stock.units import ShelfKey, Taken, put_back, send_off, take_units
from connector.storage.stock.waiting import has_approval, is_approved
from connector.storage.tables import reservation, ticket

_ENDED = frozenset({ReservationState.RELEASED, ReservationState.EXPIRED})


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be reserved for a line of a ticket.

    product_id: what is taken; requested_product_id: what was needed, the same unless it is a substitute. Several
    serialised units take as many lines, from `line` on, one reservation each, all or nothing. approval: name of the
    one that it must have before anything is sent; None when it needs none. site_id: where it goes when that is not the
    ticket's site. rollout_line_id: the line of a rollout that it is for, if it is. replaces_id: the reservation that
    ended for it, if one did. revision: the one that units must have; None when any will do.
    """

    ticket_id: int
    hub_id: int
    product_id: int
    requested_product_id: int
    lane: Lane = Lane.NORMAL
    quantity: int = 1
    line: int = 1
    estimated_arrival_at: datetime | None = None
    expires_at: datetime | None = None
    approval: str | None = None
    site_id: int | None = None
    rollout_line_id: int | None = None
    replaces_id: int | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """A reservation as the database holds it. asset_id: the unit; None for counted products.

    site_id: where it goes; None for the ticket's site. rollout_line_id: the line of a rollout that it is for. revision:
    the one that its unit must have; None when any will do.
    """

    id: int
    ticket_id: int
    line: int
    decision_id: int | None
    hub_id: int
    product_id: int
    requested_product_id: int
    asset_id: int | None
    site_id: int | None
    rollout_line_id: int | None
    lane: Lane
    revision: str | None
    quantity: int
    state: ReservationState
    reason: str | None
    estimated_arrival_at: datetime | None
    expires_at: datetime | None
    approval_name: str | None
    replaces_id: int | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Reserved:
    """reservations: one, or one per serialised unit. is_new: False when they were there already."""

    reservations: tuple[Reservation, ...]
    is_new: bool

    @property
    def reservation(self) -> Reservation:
        """The first one, which is the only one unless several serialised units were claimed."""
        return self.reservations[0]


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


def claim_of(held: Reservation) -> Claim:
    """The claim that a reservation is; its approval is not asked for again."""
    return Claim(
        ticket_id=held.ticket_id,
        hub_id=held.hub_id,
        product_id=held.product_id,
        requested_product_id=held.requested_product_id,
        lane=held.lane,
        quantity=held.quantity,
        line=held.line,
        estimated_arrival_at=held.estimated_arrival_at,
        expires_at=held.expires_at,
        site_id=held.site_id,
        rollout_line_id=held.rollout_line_id,
        revision=held.revision,
    )


def lines_taken(ticket_id: int, taken: int, quantity: int, line: int) -> InvalidInput:
    """The refusal of a claim of several lines, one of which has a reservation."""
    return InvalidInput(
        f"ticket {ticket_id} has a reservation on line {taken} already, which {quantity} units from line {line} on"
        " would need",
        hint="Claim fewer units, or begin at a line after all that are taken.",
    )


@dataclass(frozen=True, slots=True)
class Drawn:
    """A claim with the units that were taken for it. number: the id of its first reservation, None for the next one."""

    claim: Claim
    taken: Taken
    decision_id: int | None = None
    number: int | None = None


async def insert_reservations(
    tx: AsyncConnection, drawn: Sequence[Drawn], *, at: datetime
) -> list[tuple[tuple[Reservation, ...], tuple[NewChange, ...]]]:
    """Write held reservations for units that were taken, one per unit or counted quantity, as many statements for all.

    Returns those of each claim with their changes, which are for the caller to log.
    """
    rows = [(index, values) for index, item in enumerate(drawn) for values in _held(item, at)]
    numbered = [values for _, values in rows if "id" in values]
    await insert_rows(tx, reservation, numbered)
    others = [values for _, values in rows if "id" not in values]
    if others:
        for values, number in zip(others, await insert_numbered(tx, reservation, others), strict=True):
            values["id"] = number
    made: list[list[Reservation]] = [[] for _ in drawn]
    for index, values in rows:
        made[index].append(Reservation(**values))
    return [(tuple(items), tuple(_created(item) for item in items)) for items in made]


def _held(drawn: Drawn, at: datetime) -> list[dict[str, Any]]:
    """The rows of a claim; the first one with its id, if that is given."""
    claim = drawn.claim
    units: Sequence[tuple[int | None, int]] = [(unit, 1) for unit in drawn.taken.asset_ids] or [(None, claim.quantity)]
    rows: list[dict[str, Any]] = [
        {
            "ticket_id": claim.ticket_id,
            "line": claim.line + offset,
            "decision_id": drawn.decision_id,
            "hub_id": claim.hub_id,
            "product_id": claim.product_id,
            "requested_product_id": claim.requested_product_id,
            "asset_id": asset_id,
            "site_id": claim.site_id,
            "rollout_line_id": claim.rollout_line_id,
            "lane": claim.lane,
            "revision": claim.revision,
            "quantity": quantity,
            "state": ReservationState.HELD,
            "reason": None,
            "estimated_arrival_at": claim.estimated_arrival_at,
            "expires_at": claim.expires_at,
            "approval_name": claim.approval,
            "replaces_id": claim.replaces_id,
            "created_at": at,
            "updated_at": at,
        }
        for offset, (asset_id, quantity) in enumerate(units)
    ]
    if drawn.number is not None:
        rows[0]["id"] = drawn.number
    return rows


async def commit_reservation(
    tx: AsyncConnection, reservation_id: int, *, actor: str, at: datetime, cause: str | None = None
) -> Reservation:
    """A held reservation is wanted for good: it does not expire any more.

    Raises NotKnown, and IllegalTransition when it has been released, has expired, is fulfilled, or waits for approval.
    """
    current = await locked_reservation(tx, reservation_id)
    if current.state is ReservationState.COMMITTED:
        return current
    _require(current, ReservationState.COMMITTED)
    if current.approval_name is not None and not await is_approved(tx, current.id):
        raise IllegalTransition(
            f"reservation {current.id} cannot be committed: it waits for approval {current.approval_name!r}",
            hint="connector approvals list shows who has to answer.",
        )
    values = {"state": ReservationState.COMMITTED, "expires_at": None}
    return await set_reservation(tx, current, values, (), actor=actor, at=at, cause=cause)


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
    _require(current, state)
    changes = await put_back(tx, *reserved_units([current]), at)
    return await set_reservation(
        tx, current, {"state": state, "reason": reason}, changes, actor=actor, at=at, cause=cause
    )


async def fulfil_reservation(
    tx: AsyncConnection, reservation_id: int, *, actor: str, at: datetime, cause: str | None = None
) -> Reservation:
    """The units have left the hub: the assets are in transit and off the hub's book.

    Raises NotKnown, and IllegalTransition unless it is committed (or fulfilled already).
    """
    current = await locked_reservation(tx, reservation_id)
    if current.state is ReservationState.FULFILLED:
        return current
    _require(current, ReservationState.FULFILLED)
    changes = await send_off(tx, *reserved_units([current]), at)
    return await set_reservation(
        tx, current, {"state": ReservationState.FULFILLED}, changes, actor=actor, at=at, cause=cause
    )


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
    units = await put_back(tx, *reserved_units(found), at)
    values: dict[str, Any] = {"state": ReservationState.EXPIRED, "reason": "not committed in time"}
    ids = [item.id for item in found]
    await tx.execute(update(reservation).where(reservation.c.id.in_(ids)).values(**values, updated_at=at))
    changes = [change_of(item, values) for item in found]
    await log_changes(tx, [*changes, *units], actor=actor, at=at)
    return tuple(_replaced(item, values, at) for item in found)


def _require(current: Reservation, target: ReservationState) -> None:
    require_move(RESERVATION_MOVES, current.state, target, what=f"reservation {current.id}")


def reserved_units(reservations: Sequence[Reservation]) -> tuple[list[int], list[tuple[ShelfKey, int]]]:
    """What reservations hold: their assets, and how many counted units of which shelf."""
    assets = [item.asset_id for item in reservations if item.asset_id is not None]
    counted = [
        (ShelfKey(item.hub_id, item.product_id, item.lane), item.quantity)
        for item in reservations
        if item.asset_id is None
    ]
    return assets, counted


async def set_reservation(
    tx: AsyncConnection,
    current: Reservation,
    values: dict[str, Any],
    units: Sequence[NewChange],
    *,
    actor: str,
    at: datetime,
    cause: str | None,
) -> Reservation:
    """Set columns of a locked reservation, and log that together with the changes of its units."""
    await tx.execute(update(reservation).where(reservation.c.id == current.id).values(**values, updated_at=at))
    await log_changes(tx, [change_of(current, values), *units], actor=actor, cause=cause, at=at)
    return _replaced(current, values, at)


def _replaced(current: Reservation, values: dict[str, Any], at: datetime) -> Reservation:
    return Reservation(**{**_values(current), **values, "updated_at": at})


def _values(item: Reservation) -> dict[str, Any]:
    return {name: getattr(item, name) for name in Reservation.__slots__}


def _created(new: Reservation) -> NewChange:
    fields = {name: (None, _json(value)) for name, value in _values(new).items() if value is not None}
    return NewChange(EntityKind.RESERVATION, new.id, "created", fields)


def change_of(current: Reservation, values: dict[str, Any]) -> NewChange:
    """The change that setting these values is, for the caller to log."""
    before = _values(current)
    fields = {name: (_json(before[name]), _json(value)) for name, value in values.items() if before[name] != value}
    return NewChange(EntityKind.RESERVATION, current.id, "updated", fields)


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.value if isinstance(value, StrEnum) else value
