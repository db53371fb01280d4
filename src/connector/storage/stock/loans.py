"""Loans: begun with the claim of the unit, and moved with it. Steps of the caller's transaction, which they log.

A loan follows its reservation: released or expired it never left, fulfilled it is lent. What ends it otherwise is said
by `connector.fulfilment.loans`. Locks: the ticket, its reservations, then its loan, then units.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import Direction, Lane, Tracking
from connector.model.lifecycle import LOAN_MOVES, LOAN_OPEN, LOAN_OUT, LoanState, require_move
from connector.model.refs import EntityKind
from connector.storage.database.bulk import among
from connector.storage.database.locks import lock_ticket
from connector.storage.database.rows import insert_logged, update_logged
from connector.storage.tables import LOAN_LINE, asset, hub, loan, product, reservation, shipment, site, ticket


@dataclass(frozen=True, slots=True)
class NewLoan:
    """A unit that is about to be lent. return_days: see `connector.storage.tables.loans`."""

    ticket_id: int
    reservation_id: int
    asset_id: int | None
    product_id: int
    hub_id: int
    site_id: int | None
    lane: Lane
    holder: str | None
    due_back_at: datetime
    return_days: int


@dataclass(frozen=True, slots=True)
class LoanRow:
    """A loan with what people call everything around it. site: "" where nobody knows it. unit: its serial or tag."""

    id: int
    ticket_id: int
    reservation_id: int
    asset_id: int | None
    product_id: int
    hub_id: int
    site_id: int | None
    lane: Lane
    holder: str | None
    state: LoanState
    due_back_at: datetime
    return_days: int
    reason: str | None
    lent_at: datetime | None
    overdue_since: datetime | None
    returned_at: datetime | None
    created_at: datetime
    product: str
    tracking: Tracking
    is_data_bearing: bool
    hub: str
    site: str
    ticket_number: str
    unit: str | None

    @property
    def is_out(self) -> bool:
        """Whether it is expected back."""
        return self.state in LOAN_OUT

    @property
    def goods(self) -> str:
        """What is lent, for people: `Acme T14 (SN-1)`."""
        return f"{self.product} ({self.unit})" if self.unit else self.product


def _loans() -> Select[Any]:
    own = [loan.c[name] for name in LoanRow.__slots__ if name in loan.c]
    return (
        select(
            *own,
            (product.c.manufacturer + " " + product.c.model).label("product"),
            product.c.tracking,
            func.coalesce(product.c.is_data_bearing, False).label("is_data_bearing"),
            func.coalesce(hub.c.code, hub.c.name).label("hub"),
            func.coalesce(site.c.code, site.c.name, "").label("site"),
            ticket.c.number.label("ticket_number"),
            func.coalesce(asset.c.serial, asset.c.asset_tag).label("unit"),
        )
        .select_from(loan)
        .join(ticket, ticket.c.id == loan.c.ticket_id)
        .join(product, product.c.id == loan.c.product_id)
        .join(hub, hub.c.id == loan.c.hub_id)
        .outerjoin(site, site.c.id == loan.c.site_id)
        .outerjoin(asset, asset.c.id == loan.c.asset_id)
    )


async def begin_loan(tx: AsyncConnection, new: NewLoan, *, actor: str, cause: str | None, at: datetime) -> int:
    """Record that a claimed unit is to be lent; returns the id. The ticket, which has had none, is locked."""
    values = {name: getattr(new, name) for name in NewLoan.__slots__}
    return await insert_logged(
        tx, loan, EntityKind.LOAN, {**values, "state": LoanState.RESERVED}, actor=actor, cause=cause, at=at
    )


async def follow_reservations(
    tx: AsyncConnection,
    reservation_ids: Collection[int],
    target: LoanState,
    *,
    reason: str | None = None,
    actor: str,
    cause: str | None = None,
    at: datetime,
) -> None:
    """Units of these reservations have left their hub, or never will: their loans are lent, or withdrawn."""
    statement = select(loan.c.id, loan.c.state).where(among(tx, loan.c.reservation_id, reservation_ids))
    values: dict[str, Any] = {"state": target, "reason": reason}
    if target is LoanState.LENT:
        values["lent_at"] = at
    for loan_id, state in (await tx.execute(statement.order_by(loan.c.id))).all():
        if state is LoanState.RESERVED:
            await update_logged(tx, loan, EntityKind.LOAN, loan_id, values, actor=actor, cause=cause, at=at)


async def loan_row(tx: AsyncConnection, loan_id: int) -> LoanRow:
    """The loan. Raises NotKnown."""
    row = (await tx.execute(_loans().where(loan.c.id == loan_id))).mappings().one_or_none()
    if row is None:
        raise NotKnown(f"there is no loan with id {loan_id}")
    return LoanRow(**row)


async def lock_loan(tx: AsyncConnection, loan_id: int) -> LoanRow:
    """The loan, its ticket locked so that nobody else changes it until the transaction ends. Raises NotKnown."""
    found = await loan_row(tx, loan_id)
    await lock_ticket(tx, found.ticket_id)
    return await loan_row(tx, loan_id)


async def open_loan(tx: AsyncConnection, ticket_id: int) -> LoanRow | None:
    """The loan that a ticket has, or is about to get; None when there is none. The ticket is locked where there is."""
    statement = _loans().where(loan.c.ticket_id == ticket_id, loan.c.state.in_(LOAN_OPEN))
    row = (await tx.execute(statement)).mappings().one_or_none()
    if row is None:
        return None
    locked = await lock_loan(tx, row["id"])
    return locked if locked.state in LOAN_OPEN else None


async def brings_replacement(tx: AsyncConnection, shipment_id: int) -> bool:
    """Whether a parcel brings what a ticket gets for good, while it has a unit on loan."""
    statement = (
        select(loan.c.id)
        .join(shipment, shipment.c.ticket_id == loan.c.ticket_id)
        .join(reservation, reservation.c.id == shipment.c.reservation_id)
        .where(
            shipment.c.id == shipment_id,
            shipment.c.direction == Direction.OUTBOUND,
            reservation.c.line != LOAN_LINE,
            reservation.c.rollout_line_id.is_(None),
            loan.c.state.in_(LOAN_OPEN),
        )
    )
    return (await tx.execute(statement)).first() is not None


async def move_loan(
    tx: AsyncConnection,
    current: LoanRow,
    target: LoanState,
    values: dict[str, Any],
    *,
    actor: str,
    cause: str | None = None,
    at: datetime,
) -> None:
    """Move a locked loan to a state and set columns with it. Raises IllegalTransition naming the legal states."""
    require_move(LOAN_MOVES, current.state, target, what=f"loan {current.id}")
    await update_logged(
        tx, loan, EntityKind.LOAN, current.id, {"state": target, **values}, actor=actor, cause=cause, at=at
    )


async def loans_to_tell(tx: AsyncConnection, at: datetime, *, limit: int) -> Sequence[int]:
    """Loans whose time is over and of which nobody was told yet, the oldest first."""
    statement = (
        select(loan.c.id)
        .where(loan.c.state.in_(LOAN_OUT), loan.c.due_back_at <= at, loan.c.overdue_since.is_(None))
        .order_by(loan.c.due_back_at, loan.c.id)
        .limit(limit)
    )
    return (await tx.execute(statement)).scalars().all()


async def list_loans(tx: AsyncConnection, states: Collection[LoanState], *, limit: int) -> list[LoanRow]:
    """Loans in these states, those first that are due back first."""
    statement = _loans().where(loan.c.state.in_(states)).order_by(loan.c.due_back_at, loan.c.id).limit(limit)
    return [LoanRow(**row) for row in (await tx.execute(statement)).mappings()]
