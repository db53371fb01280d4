"""Returns of failed units: what may be begun, begun once, moved. Steps of the caller's transaction, which they log.

Locks: the ticket, then its return, then units.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import Direction, Tracking
from connector.model.lifecycle import (
    RMA_MOVES,
    RMA_OPEN,
    AssetState,
    RmaState,
    ShipmentStatus,
    TicketState,
    require_move,
)
from connector.model.refs import EntityKind
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.locks import lock_ticket
from connector.storage.database.rows import json_value, update_logged
from connector.storage.tables import LOAN_LINE, asset, hub, product, reservation, rma, shipment, site
from connector.storage.tables import ticket as ticket_table


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a ticket got for good. product_id: what was needed, which another product may have stood in for.

    tracking: of that product. reservation_id, procurement_id: one of the two. line: of what was reserved. asset_id: the
    unit that was sent, where it is known by serial. hub_id: where it came from; None for what a supplier sent.
    """

    ticket_id: int
    product_id: int
    tracking: Tracking
    quantity: int
    site_id: int | None
    line: int = 1
    reservation_id: int | None = None
    procurement_id: int | None = None
    asset_id: int | None = None
    hub_id: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The ticket of a replacement, and the device that it is about. quantity: units that it needs in all."""

    ticket_id: int
    number: str
    state: TicketState
    is_deleted: bool
    quantity: int
    site_id: int | None
    asset_id: int | None
    asset_product_id: int | None
    asset_site_id: int | None
    asset_state: AssetState | None
    asset_is_deleted: bool


@dataclass(frozen=True, slots=True)
class NewRma:
    """A return that begins; see `connector.storage.tables.rmas`."""

    ticket_id: int
    line: int
    asset_id: int | None
    product_id: int
    quantity: int
    reservation_id: int | None
    procurement_id: int | None
    hub_id: int | None
    site_id: int | None
    due_back_at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class RmaRow:
    """A return with what people call everything around it. hub, site: "" where there is none.

    serial, asset_tag: of the device that has failed. time_zone: of the site, where that is known.
    """

    id: int
    ticket_id: int
    line: int
    asset_id: int | None
    product_id: int
    quantity: int
    reservation_id: int | None
    procurement_id: int | None
    hub_id: int | None
    site_id: int | None
    state: RmaState
    due_back_at: datetime
    reason: str | None
    carrier: str | None
    tracking_number: str | None
    overdue_since: datetime | None
    received_at: datetime | None
    received_asset_id: int | None
    condition: str | None
    cancelled_by: str | None
    created_at: datetime
    product: str
    tracking: Tracking
    hub: str
    site: str
    time_zone: str | None
    ticket_number: str
    serial: str | None
    asset_tag: str | None

    @property
    def number(self) -> str:
        """How people call it."""
        return rma_number(self.id)

    @property
    def is_open(self) -> bool:
        """Whether it is still to come back."""
        return self.state in RMA_OPEN

    @property
    def is_surplus(self) -> bool:
        """Whether its unit has not failed, but is one too many: nothing has replaced it."""
        return self.reservation_id is None and self.procurement_id is None

    @property
    def counts(self) -> bool:
        """Whether the ticket has its return by it, if only by a person's word that nothing comes back."""
        return self.state is not RmaState.CANCELLED or self.cancelled_by is not None

    @property
    def marks(self) -> str:
        """How the device is recognised: `serial SN1, asset tag AT-1`; "" when nobody knows which one it is."""
        known = (("serial", self.serial), ("asset tag", self.asset_tag))
        return ", ".join(f"{name} {value}" for name, value in known if value)

    @property
    def goods(self) -> str:
        """What comes back, for people: `Acme T14 (serial SN1)`, `2 × Acme Dock`."""
        name = f"{self.quantity} × {self.product}" if self.quantity > 1 else self.product
        return f"{name} ({self.marks})" if self.marks else name


@dataclass(frozen=True, slots=True)
class MarkedDevice:
    """A device as whoever receives a unit finds it. product, place: for people, "" where nobody knows it."""

    id: int
    state: AssetState
    site_id: int | None
    product_id: int | None
    product: str
    place: str


def rma_number(rma_id: int) -> str:
    """How people call a return."""
    return f"RMA-{rma_id}"


def _rmas() -> Select[Any]:
    own = [rma.c[name] for name in RmaRow.__slots__ if name in rma.c]
    return (
        select(
            *own,
            (product.c.manufacturer + " " + product.c.model).label("product"),
            product.c.tracking,
            func.coalesce(hub.c.code, hub.c.name, "").label("hub"),
            func.coalesce(site.c.code, site.c.name, "").label("site"),
            site.c.time_zone,
            ticket_table.c.number.label("ticket_number"),
            asset.c.serial,
            asset.c.asset_tag,
        )
        .select_from(rma)
        .join(ticket_table, ticket_table.c.id == rma.c.ticket_id)
        .join(product, product.c.id == rma.c.product_id)
        .outerjoin(hub, hub.c.id == rma.c.hub_id)
        .outerjoin(site, site.c.id == rma.c.site_id)
        .outerjoin(asset, asset.c.id == rma.c.asset_id)
    )


_DELIVERED = (
    select(
        reservation.c.ticket_id,
        reservation.c.requested_product_id.label("product_id"),
        product.c.tracking,
        reservation.c.quantity,
        func.coalesce(shipment.c.site_id, reservation.c.site_id).label("site_id"),
        reservation.c.line,
        reservation.c.id.label("reservation_id"),
        reservation.c.asset_id,
        reservation.c.hub_id,
    )
    .select_from(shipment)
    .join(reservation, reservation.c.id == shipment.c.reservation_id)
    .join(product, product.c.id == reservation.c.requested_product_id)
    .where(
        shipment.c.direction == Direction.OUTBOUND,
        shipment.c.status == ShipmentStatus.DELIVERED,
        reservation.c.line != LOAN_LINE,
        reservation.c.rollout_line_id.is_(None),
        reservation.c.ships_with_id.is_(None),
    )
)
"""What parcels have brought to tickets for good: no loans, no rollouts, no transfers, nothing that goes along."""


async def replacement_of(tx: AsyncConnection, shipment_id: int) -> Replacement | None:
    """What a parcel has brought to its ticket for good; None when it has brought no such thing."""
    row = (await tx.execute(_DELIVERED.where(shipment.c.id == shipment_id))).one_or_none()
    return None if row is None else _replacement(row)


async def other_replacement(tx: AsyncConnection, ticket_id: int) -> Replacement | None:
    """Something else that a ticket was brought for good, and that no return was begun for; None when there is none."""
    has_return = select(rma.c.id).where(rma.c.reservation_id == reservation.c.id).exists()
    statement = _DELIVERED.where(reservation.c.ticket_id == ticket_id, ~has_return).order_by(shipment.c.id).limit(1)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else _replacement(row)


def _replacement(row: Any) -> Replacement:
    return Replacement(**row._mapping)


async def lock_failed(tx: AsyncConnection, ticket_id: int) -> Failed:
    """The ticket, locked until the transaction ends, with the device that it is about. Raises NotKnown."""
    await lock_ticket(tx, ticket_id)
    statement = (
        select(
            ticket_table.c.id,
            ticket_table.c.number,
            ticket_table.c.state,
            ticket_table.c.retired_at.is_not(None),
            ticket_table.c.quantity,
            ticket_table.c.site_id,
            asset.c.id,
            asset.c.product_id,
            asset.c.site_id,
            asset.c.state,
            asset.c.retired_at.is_not(None),
        )
        .select_from(ticket_table)
        .outerjoin(asset, asset.c.id == ticket_table.c.asset_id)
        .where(ticket_table.c.id == ticket_id)
    )
    return Failed(*(await tx.execute(statement)).one())


async def open_rma(tx: AsyncConnection, new: NewRma, *, actor: str, cause: str | None, at: datetime) -> int | None:
    """Begin a return; its id, or None when the same replacement, or the same device, has one already."""
    make = pg_insert if tx.dialect.name == "postgresql" else sqlite_insert
    values: dict[str, Any] = {name: getattr(new, name) for name in NewRma.__slots__}
    values |= {"state": RmaState.EXPECTED, "created_at": at, "updated_at": at}
    made = (await tx.execute(make(rma).values(**values).on_conflict_do_nothing().returning(rma.c.id))).one_or_none()
    if made is None:
        return None
    fields = {name: (None, json_value(value)) for name, value in values.items() if value is not None}
    change = NewChange(EntityKind.RMA, made[0], "created", fields)
    await log_changes(tx, [change], actor=actor, cause=cause, at=at)
    return int(made[0])


async def rma_row(tx: AsyncConnection, rma_id: int) -> RmaRow:
    """The return. Raises NotKnown."""
    row = (await tx.execute(_rmas().where(rma.c.id == rma_id))).mappings().one_or_none()
    if row is None:
        raise NotKnown(f"there is no return {rma_number(rma_id)}")
    return RmaRow(**row)


async def lock_rma(tx: AsyncConnection, rma_id: int) -> RmaRow:
    """The return, its ticket locked so that nobody else changes it until the transaction ends. Raises NotKnown."""
    found = await rma_row(tx, rma_id)
    await lock_ticket(tx, found.ticket_id)
    return await rma_row(tx, rma_id)


async def rmas_of_ticket(tx: AsyncConnection, ticket_id: int) -> list[RmaRow]:
    """All returns of a ticket, by id."""
    statement = _rmas().where(rma.c.ticket_id == ticket_id).order_by(rma.c.id)
    return [RmaRow(**row) for row in (await tx.execute(statement)).mappings()]


async def sent_unit(tx: AsyncConnection, reservation_id: int | None) -> int | None:
    """The unit that was sent as a replacement; None where it is not known by serial, or a supplier sent it."""
    if reservation_id is None:
        return None
    found: int | None = (
        await tx.execute(select(reservation.c.asset_id).where(reservation.c.id == reservation_id))
    ).scalar_one_or_none()
    return found


async def rma_of_reservation(tx: AsyncConnection, reservation_id: int) -> RmaRow | None:
    """The return that was begun when what is reserved had been delivered, its ticket locked; None without one."""
    statement = select(rma.c.id).where(rma.c.reservation_id == reservation_id)
    found = (await tx.execute(statement)).scalar_one_or_none()
    return None if found is None else await lock_rma(tx, found)


async def open_rma_of_device(tx: AsyncConnection, asset_id: int) -> RmaRow | None:
    """The return by which a device is to come back; None when it is not."""
    statement = _rmas().where(rma.c.asset_id == asset_id, rma.c.state.in_(RMA_OPEN))
    row = (await tx.execute(statement)).mappings().one_or_none()
    return None if row is None else RmaRow(**row)


async def device_with_mark(tx: AsyncConnection, mark: str, product_id: int) -> MarkedDevice | None:
    """The device that bears a serial or an asset tag; of this product before others."""
    statement = (
        select(
            asset.c.id,
            asset.c.state,
            asset.c.site_id,
            asset.c.product_id,
            func.coalesce(product.c.manufacturer + " " + product.c.model, ""),
            func.coalesce(site.c.name, hub.c.name, ""),
        )
        .outerjoin(product, product.c.id == asset.c.product_id)
        .outerjoin(site, site.c.id == asset.c.site_id)
        .outerjoin(hub, hub.c.id == asset.c.hub_id)
        .where(or_(asset.c.serial == mark, asset.c.asset_tag == mark), asset.c.retired_at.is_(None))
        .order_by(asset.c.id)
    )
    found = [MarkedDevice(*row) for row in await tx.execute(statement)]
    return next((item for item in found if item.product_id == product_id), found[0] if found else None)


async def unnamed_rmas(tx: AsyncConnection, ticket_ids: Collection[int]) -> Sequence[int]:
    """Open returns of these tickets of which nobody knows which device it is, by id."""
    if not ticket_ids:
        return ()
    statement = select(rma.c.id).where(
        rma.c.ticket_id.in_(ticket_ids), rma.c.asset_id.is_(None), rma.c.state.in_(RMA_OPEN)
    )
    return (await tx.execute(statement.order_by(rma.c.id))).scalars().all()


async def move_rma(
    tx: AsyncConnection,
    current: RmaRow,
    target: RmaState,
    values: dict[str, Any],
    *,
    actor: str,
    cause: str | None = None,
    at: datetime,
) -> None:
    """Move a locked return to a state and set columns with it. Raises IllegalTransition naming the legal states."""
    require_move(RMA_MOVES, current.state, target, what=current.number)
    await update_logged(
        tx, rma, EntityKind.RMA, current.id, {"state": target, **values}, actor=actor, cause=cause, at=at
    )


async def rmas_to_tell(tx: AsyncConnection, at: datetime, *, limit: int) -> Sequence[int]:
    """Returns that are overdue and of which nobody was told yet, the oldest first."""
    statement = (
        select(rma.c.id)
        .where(rma.c.state.in_(RMA_OPEN), rma.c.due_back_at <= at, rma.c.overdue_since.is_(None))
        .order_by(rma.c.due_back_at, rma.c.id)
        .limit(limit)
    )
    return (await tx.execute(statement)).scalars().all()


async def list_rmas(
    tx: AsyncConnection, states: Collection[RmaState], *, due_by: datetime | None = None, limit: int
) -> list[RmaRow]:
    """Returns in these states, those first that are due first. due_by: only those that are due by then."""
    statement = _rmas().where(rma.c.state.in_(states)).order_by(rma.c.due_back_at, rma.c.id).limit(limit)
    if due_by is not None:
        statement = statement.where(rma.c.due_back_at <= due_by)
    return [RmaRow(**row) for row in (await tx.execute(statement)).mappings()]
