"""Procurements: read, moved, received. Every step logs what it changes in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import Lane, ProcurementKind, Tracking
from connector.model.lifecycle import PROCUREMENT_MOVES, PROCUREMENT_OPEN, ProcurementState, require_move
from connector.model.refs import EntityKind
from connector.storage.database.locks import lock_ticket
from connector.storage.database.rows import locked_row, update_logged
from connector.storage.tables import hub, procurement, product, site, source, ticket


@dataclass(frozen=True, slots=True)
class ProcurementRow:
    """A procurement with what people call everything around it. site, hub: "" where there is none.

    via, external_id: how it goes out, and what is on order, see the table.
    """

    id: int
    kind: ProcurementKind
    state: ProcurementState
    quantity: int
    supplier: str
    contact: str | None
    via: str | None
    external_id: str | None
    order_number: str | None
    hub_id: int | None
    site_id: int | None
    cost_cents: int | None
    currency: str | None
    expected_at: datetime | None
    carrier: str | None
    tracking_number: str | None
    shipment_id: int | None
    delivered_at: datetime | None
    is_wanted: bool
    approval_name: str | None
    reason: str | None
    created_at: datetime
    product_id: int
    product: str
    tracking: Tracking
    revision: str | None
    lane: Lane
    hub: str
    site: str
    ticket_id: int
    units_needed: int
    ticket_number: str
    ticket_external_id: str
    ticket_source: str

    @property
    def goods(self) -> str:
        """What is got, for people: `2 × Acme X1`, with the revision where only one will do."""
        of_revision = f" of revision {self.revision}" if self.revision is not None else ""
        return f"{self.quantity} × {self.product}{of_revision}"

    @property
    def is_at_source(self) -> bool:
        """Whether it was placed through a source, which can call it off as well."""
        return self.via is not None and self.external_id is not None

    @property
    def is_open(self) -> bool:
        """Whether something is still to come."""
        return self.state in PROCUREMENT_OPEN

    @property
    def is_rest(self) -> bool:
        """Whether it is for a part of the units that the ticket needs."""
        return self.quantity < self.units_needed


_ROW = (
    select(
        procurement.c.id,
        procurement.c.kind,
        procurement.c.state,
        procurement.c.quantity,
        procurement.c.supplier,
        procurement.c.contact,
        procurement.c.via,
        procurement.c.external_id,
        procurement.c.order_number,
        procurement.c.hub_id,
        procurement.c.site_id,
        procurement.c.cost_cents,
        procurement.c.currency,
        procurement.c.expected_at,
        procurement.c.carrier,
        procurement.c.tracking_number,
        procurement.c.shipment_id,
        procurement.c.delivered_at,
        procurement.c.is_wanted,
        procurement.c.approval_name,
        procurement.c.reason,
        procurement.c.created_at,
        procurement.c.product_id,
        (product.c.manufacturer + " " + product.c.model).label("product"),
        product.c.tracking,
        procurement.c.revision,
        procurement.c.lane,
        func.coalesce(hub.c.code, hub.c.name, "").label("hub"),
        func.coalesce(site.c.code, site.c.name, "").label("site"),
        ticket.c.id.label("ticket_id"),
        ticket.c.quantity.label("units_needed"),
        ticket.c.number.label("ticket_number"),
        ticket.c.external_id.label("ticket_external_id"),
        source.c.name.label("ticket_source"),
    )
    .join(product, product.c.id == procurement.c.product_id)
    .join(ticket, ticket.c.id == procurement.c.ticket_id)
    .join(source, source.c.id == ticket.c.source_id)
    .outerjoin(hub, hub.c.id == procurement.c.hub_id)
    .outerjoin(site, site.c.id == procurement.c.site_id)
)


_PLACED = (ProcurementState.ORDERED, ProcurementState.CONFIRMED, ProcurementState.SHIPPED)


async def procurement_row(tx: AsyncConnection, procurement_id: int) -> ProcurementRow:
    """The procurement as it is, not locked. Raises NotKnown."""
    row = (await tx.execute(_ROW.where(procurement.c.id == procurement_id))).one_or_none()
    if row is None:
        raise NotKnown(f"there is no procurement with id {procurement_id}")
    return ProcurementRow(**row._mapping)


async def lock_procurement(tx: AsyncConnection, procurement_id: int) -> ProcurementRow:
    """The procurement, its ticket and itself locked in this order until the transaction ends. Raises NotKnown."""
    row = await procurement_row(tx, procurement_id)
    await lock_ticket(tx, row.ticket_id)
    await locked_row(tx, procurement, EntityKind.PROCUREMENT, procurement_id)
    return await procurement_row(tx, procurement_id)


async def move_procurement(
    tx: AsyncConnection,
    row: ProcurementRow,
    state: ProcurementState,
    values: dict[str, Any],
    *,
    actor: str,
    cause: str | None = None,
    at: datetime,
) -> ProcurementRow:
    """Move a procurement that the transaction has locked; `values` are recorded with it, those that are not None.

    Raises IllegalTransition naming the legal states.
    """
    require_move(PROCUREMENT_MOVES, row.state, state, what=f"procurement {row.id} ({row.goods})")
    stated = {name: value for name, value in values.items() if value is not None}
    await update_logged(
        tx, procurement, EntityKind.PROCUREMENT, row.id, {"state": state, **stated}, actor=actor, cause=cause, at=at
    )
    return await procurement_row(tx, row.id)


async def update_procurement(
    tx: AsyncConnection,
    row: ProcurementRow,
    values: dict[str, Any],
    *,
    actor: str,
    cause: str | None = None,
    at: datetime,
) -> ProcurementRow:
    """Set columns of a procurement that the transaction has locked; its state stays."""
    await update_logged(tx, procurement, EntityKind.PROCUREMENT, row.id, values, actor=actor, cause=cause, at=at)
    return await procurement_row(tx, row.id)


async def list_procurements(tx: AsyncConnection, *, is_open: bool, limit: int) -> Sequence[ProcurementRow]:
    """Procurements, the newest first. is_open: only those of which something is still to come."""
    statement = _ROW.order_by(procurement.c.id.desc()).limit(limit)
    if is_open:
        statement = statement.where(procurement.c.state.in_(PROCUREMENT_OPEN))
    return [ProcurementRow(**row._mapping) for row in await tx.execute(statement)]


async def overdue_orders(tx: AsyncConnection, *, at: datetime, after: int, limit: int) -> list[ProcurementRow]:
    """A page of the orders that are wanted, were placed and should have been delivered by now, by id."""
    c = procurement.c
    statement = (
        _ROW.where(c.state.in_(_PLACED), c.is_wanted, c.expected_at < at, c.delivered_at.is_(None), c.id > after)
        .order_by(c.id)
        .limit(limit)
    )
    return [ProcurementRow(**row._mapping) for row in await tx.execute(statement)]


async def hub_id_of(tx: AsyncConnection, code: str) -> int:
    """The hub with a code, or a name. Raises NotKnown."""
    statement = select(hub.c.id).where((hub.c.code == code) | (hub.c.name == code), hub.c.retired_at.is_(None))
    found = (await tx.execute(statement.order_by(hub.c.id).limit(1))).scalar_one_or_none()
    if found is None:
        raise NotKnown(f"there is no hub {code!r}", hint="Give its code, as `connector explain` shows it.")
    return int(found)
