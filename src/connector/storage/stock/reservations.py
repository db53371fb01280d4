"""The rows of reservations: what they say, how they are written and changed, and those of a kit that hang on one.

What may be done with them, and when, is in `connector.storage.stock.reserve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import Lane
from connector.model.lifecycle import RESERVATION_LIVE, ReservationState
from connector.model.refs import EntityKind
from connector.storage.database.bulk import insert_numbered, insert_rows
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.stock.units import ShelfKey, Taken
from connector.storage.tables import LOAN_LINE, reservation


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be reserved for a line of a ticket.

    product_id: what is taken; requested_product_id: what was needed, the same unless it is a substitute. Several
    serialised units take as many lines, from `line` on, one reservation each, all or nothing. approval: name of the
    one that it must have before anything is sent; None when it needs none. site_id: where it goes when that is not the
    ticket's site. rollout_line_id: the line of a rollout that it is for, if it is. replaces_id: the reservation that
    ended for it, if one did. kit_id: the kit that goes along, or that it is part of; ships_with_id: of a component, the
    reservation of the device. revision: the one that units must have; None when any will do. to_hub_id: the hub whose
    shelf it fills up, one reservation shipping with the other; None for what goes to a site.
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
    kit_id: int | None = None
    ships_with_id: int | None = None
    to_hub_id: int | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """A reservation as the database holds it. asset_id: the unit; None for counted products.

    site_id: where it goes; None for the ticket's site. rollout_line_id: the line of a rollout that it is for. kit_id,
    ships_with_id, revision, to_hub_id: as of a claim.
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
    to_hub_id: int | None
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
    kit_id: int | None
    ships_with_id: int | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_loan(self) -> bool:
        """Whether its unit is lent until the ticket's replacement is there."""
        return self.line == LOAN_LINE

    @property
    def leads_kit(self) -> bool:
        """Whether others may share its fate: components of its kit, or further units of a transfer."""
        return (self.kit_id is not None or self.to_hub_id is not None) and self.ships_with_id is None


@dataclass(frozen=True, slots=True)
class Reserved:
    """reservations: one, or one per serialised unit. is_new: False when they were there already."""

    reservations: tuple[Reservation, ...]
    is_new: bool

    @property
    def reservation(self) -> Reservation:
        """The first one, which is the only one unless several serialised units were claimed."""
        return self.reservations[0]


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
        kit_id=held.kit_id,
        ships_with_id=held.ships_with_id,
        to_hub_id=held.to_hub_id,
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
            "to_hub_id": claim.to_hub_id,
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
            "kit_id": claim.kit_id,
            "ships_with_id": claim.ships_with_id,
            "created_at": at,
            "updated_at": at,
        }
        for offset, (asset_id, quantity) in enumerate(units)
    ]
    if drawn.number is not None:
        rows[0]["id"] = drawn.number
    return rows


async def kit_lines(tx: AsyncConnection, leaders: Sequence[Reservation]) -> tuple[Reservation, ...]:
    """The live reservations of the components that go along with devices, locked after those; one look, if any."""
    ids = [item.id for item in leaders if item.leads_kit]
    if not ids:
        return ()
    statement = (
        select(reservation)
        .where(reservation.c.ships_with_id.in_(ids), reservation.c.state.in_(RESERVATION_LIVE))
        .order_by(reservation.c.id)
        .with_for_update()
    )
    return tuple(Reservation(*row) for row in (await tx.execute(statement)).all())


def reserved_units(reservations: Sequence[Reservation]) -> tuple[list[int], list[tuple[ShelfKey, int]]]:
    """What reservations hold: their assets, and how many counted units of which shelf."""
    assets = [item.asset_id for item in reservations if item.asset_id is not None]
    counted = [
        (ShelfKey(item.hub_id, item.product_id, item.lane), item.quantity)
        for item in reservations
        if item.asset_id is None
    ]
    return assets, counted


async def set_with_kit(
    tx: AsyncConnection,
    current: Reservation,
    values: dict[str, Any],
    parts: Sequence[Reservation],
    units: Sequence[NewChange],
    *,
    actor: str,
    at: datetime,
    cause: str | None,
) -> Reservation:
    """Set columns of a locked reservation and of its kit's; returns the former. units: the changes of all of them."""
    if parts:
        ids = [item.id for item in parts]
        await tx.execute(update(reservation).where(reservation.c.id.in_(ids)).values(**values, updated_at=at))
    changes = [*(change_of(item, values) for item in parts), *units]
    return await set_reservation(tx, current, values, changes, actor=actor, at=at, cause=cause)


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
    return with_values(current, values, at)


def with_values(current: Reservation, values: dict[str, Any], at: datetime) -> Reservation:
    """The reservation after these columns were set."""
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
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.value if isinstance(value, StrEnum) else value
