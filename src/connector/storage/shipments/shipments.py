"""Shipments and the documents that go with them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import Direction, LabelFormat
from connector.model.lifecycle import SHIPMENT_MOVES, ShipmentStatus, require_move
from connector.model.refs import EntityKind
from connector.storage.database.rows import insert_logged, locked_row, update_logged
from connector.storage.tables import document, shipment

MEDIA_TYPES = {LabelFormat.PDF: "application/pdf", LabelFormat.ZPL: "application/zpl"}

FROM_HUBS = (Direction.OUTBOUND, Direction.TRANSFER)
"""Directions of parcels that leave a hub with what was reserved there."""
ON_ITS_WAY = frozenset(
    {
        ShipmentStatus.PICKED_UP,
        ShipmentStatus.IN_TRANSIT,
        ShipmentStatus.OUT_FOR_DELIVERY,
        ShipmentStatus.READY_FOR_PICKUP,
        ShipmentStatus.EXCEPTION,
        ShipmentStatus.DELIVERED,
    }
)
"""A parcel in one of these states has left the hub and was not brought back."""


@dataclass(frozen=True, slots=True)
class NewShipment:
    """A parcel to be recorded. source_id, external_id: the courier and its own name for the parcel.

    reservation_id: None for what a supplier sends; hub_id is then where it goes, None for the site. to_hub_id: of a
    transfer, the hub that it goes to.
    """

    reservation_id: int | None
    ticket_id: int
    hub_id: int | None
    site_id: int | None
    status: ShipmentStatus
    carrier: str
    service: str | None = None
    source_id: int | None = None
    external_id: str | None = None
    direction: Direction = Direction.OUTBOUND
    tracking_number: str | None = None
    tracking_url: str | None = None
    label_format: LabelFormat | None = None
    label_document_id: int | None = None
    cost_cents: int | None = None
    currency: str | None = None
    estimated_delivery_at: datetime | None = None
    to_hub_id: int | None = None


@dataclass(frozen=True, slots=True)
class ShipmentRow:
    """A parcel as commands and workflows look at it."""

    id: int
    reservation_id: int | None
    ticket_id: int | None
    hub_id: int | None
    site_id: int | None
    to_hub_id: int | None
    source_id: int | None
    external_id: str | None
    direction: Direction
    status: ShipmentStatus
    carrier: str | None
    service: str | None
    tracking_number: str | None
    tracking_url: str | None
    estimated_delivery_at: datetime | None
    delivered_at: datetime | None
    received_at: datetime | None

    @property
    def name(self) -> str:
        """What people call it."""
        return f"shipment {self.tracking_number or self.id}"


async def store_document(tx: AsyncConnection, *, name: str, media_type: str, content: bytes, at: datetime) -> int:
    """Keep a file with the digest of its content; returns its id."""
    values = {
        "name": name,
        "media_type": media_type,
        "sha256": hashlib.sha256(content).hexdigest(),
        "content": content,
        "created_at": at,
    }
    return int((await tx.execute(insert(document).values(**values).returning(document.c.id))).scalar_one())


async def create_shipment(
    tx: AsyncConnection, new: NewShipment, *, actor: str, cause: str | None = None, at: datetime
) -> int:
    """Record a parcel; returns its id."""
    values = {field.name: getattr(new, field.name) for field in fields(new)}
    return await insert_logged(tx, shipment, EntityKind.SHIPMENT, values, actor=actor, cause=cause, at=at)


async def move_shipment(
    tx: AsyncConnection, shipment_id: int, target: ShipmentStatus, *, actor: str, cause: str | None = None, at: datetime
) -> bool:
    """Move a parcel to a status; False when it is there already.

    Raises NotKnown, and IllegalTransition naming the legal states.
    """
    row = await shipment_row(tx, shipment_id)
    require_move(SHIPMENT_MOVES, row.status, target, what=row.name)
    values: dict[str, Any] = {"status": target}
    if target is ShipmentStatus.DELIVERED and row.delivered_at is None:
        values["delivered_at"] = at
    return await update_logged(tx, shipment, EntityKind.SHIPMENT, shipment_id, values, actor=actor, cause=cause, at=at)


async def shipment_row(tx: AsyncConnection, shipment_id: int) -> ShipmentRow:
    """The parcel, locked until the transaction ends. Raises NotKnown."""
    return _row(await locked_row(tx, shipment, EntityKind.SHIPMENT, shipment_id))


async def ticket_of_shipment(tx: AsyncConnection, shipment_id: int) -> int | None:
    """The ticket that a parcel is for; None when it is for none, or there is no such parcel."""
    found: int | None = (
        await tx.execute(select(shipment.c.ticket_id).where(shipment.c.id == shipment_id))
    ).scalar_one_or_none()
    return found


async def outbound_shipment(tx: AsyncConnection, reservation_id: int) -> ShipmentRow | None:
    """The newest parcel that brings what is reserved to its site, or to another hub, if there is one."""
    statement = (
        select(shipment)
        .where(shipment.c.reservation_id == reservation_id, shipment.c.direction.in_(FROM_HUBS))
        .order_by(shipment.c.id.desc())
        .limit(1)
    )
    row = (await tx.execute(statement)).mappings().one_or_none()
    return _row(row) if row else None


def _row(row: Any) -> ShipmentRow:
    return ShipmentRow(**{name: row[name] for name in ShipmentRow.__slots__})
