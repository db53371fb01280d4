"""Pickups: drivers of couriers who come to hubs, and the parcels that wait for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.lifecycle import PICKUP_MOVES, PICKUP_OPEN, PickupState, ShipmentStatus, require_move
from connector.model.refs import EntityKind
from connector.storage.database.rows import insert_logged, locked_row, update_logged
from connector.storage.shipments.shipments import FROM_HUBS
from connector.storage.tables import pickup, shipment


@dataclass(frozen=True, slots=True)
class PickupRow:
    """A pickup as the database holds it."""

    id: int
    hub_id: int
    source_id: int
    carrier: str | None
    state: PickupState
    earliest_at: datetime
    latest_at: datetime
    note: str | None
    external_id: str | None
    confirmation: str | None
    reason: str | None
    attempted_at: datetime | None
    created_at: datetime

    @property
    def name(self) -> str:
        """What people call it."""
        return f"pickup {self.confirmation or self.id}"


@dataclass(frozen=True, slots=True)
class LabelledParcel:
    """A parcel with a label. pickup_id: the driver who comes for it; None where nobody does."""

    id: int
    hub_id: int | None
    source_id: int | None
    reservation_id: int | None
    status: ShipmentStatus
    external_id: str | None
    tracking_number: str | None
    carrier: str | None
    service: str | None
    pickup_id: int | None

    @property
    def name(self) -> str:
        """What people call it."""
        return f"parcel {self.tracking_number or self.id}"


_PARCEL = tuple(name for name in LabelledParcel.__slots__ if name != "pickup_id")


async def parcels_at_hub(
    tx: AsyncConnection, hub_id: int, source_id: int, *, now: datetime
) -> Sequence[LabelledParcel]:
    """The parcels that wait at a hub with a courier's label, the oldest first; locked until the transaction ends."""
    waits = (
        shipment.c.hub_id == hub_id,
        shipment.c.source_id == source_id,
        shipment.c.status == ShipmentStatus.LABEL_CREATED,
        shipment.c.direction.in_(FROM_HUBS),
        shipment.c.reservation_id.is_not(None),
    )
    return await _parcels(tx, *waits, now=now)


async def parcels_of_ids(tx: AsyncConnection, ids: Collection[int], *, now: datetime) -> Sequence[LabelledParcel]:
    """Parcels by their ids, whatever their state."""
    return await _parcels(tx, shipment.c.id.in_(sorted(ids)), now=now)


async def parcels_of_pickup(tx: AsyncConnection, pickup_id: int) -> Sequence[LabelledParcel]:
    """The parcels that a driver comes for, always in the same order."""
    statement = select(shipment).where(shipment.c.pickup_id == pickup_id).order_by(shipment.c.id)
    rows = (await tx.execute(statement)).mappings()
    return [LabelledParcel(**{name: row[name] for name in LabelledParcel.__slots__}) for row in rows]


async def _parcels(tx: AsyncConnection, *where: Any, now: datetime) -> Sequence[LabelledParcel]:
    statement = (
        select(shipment, pickup.c.state.label("pickup_state"), pickup.c.latest_at.label("pickup_until"))
        .outerjoin(pickup, pickup.c.id == shipment.c.pickup_id)
        .where(*where)
        .order_by(shipment.c.id)
        .with_for_update(of=shipment, key_share=True)
    )
    found = []
    for row in (await tx.execute(statement)).mappings():
        is_expected = row["pickup_state"] in PICKUP_OPEN and row["pickup_until"] > now
        known = {name: row[name] for name in _PARCEL}
        found.append(LabelledParcel(**known, pickup_id=row["pickup_id"] if is_expected else None))
    return found


async def pickup_row(tx: AsyncConnection, pickup_id: int) -> PickupRow:
    """The pickup, locked until the transaction ends. Raises NotKnown."""
    row = await locked_row(tx, pickup, EntityKind.PICKUP, pickup_id)
    return PickupRow(**{name: row[name] for name in PickupRow.__slots__})


async def begin_pickup(
    tx: AsyncConnection,
    parcels: Collection[int],
    *,
    hub_id: int,
    source_id: int,
    carrier: str | None,
    earliest_at: datetime,
    latest_at: datetime,
    note: str | None,
    actor: str,
    at: datetime,
) -> int:
    """Record that a driver is to be ordered for these parcels; returns the pickup's id."""
    values = {
        "hub_id": hub_id,
        "source_id": source_id,
        "carrier": carrier,
        "state": PickupState.ORDERING,
        "earliest_at": earliest_at,
        "latest_at": latest_at,
        "note": note,
        "ordered_by": actor,
    }
    pickup_id = await insert_logged(tx, pickup, EntityKind.PICKUP, values, actor=actor, at=at)
    for shipment_id in sorted(parcels):
        named = {"pickup_id": pickup_id}
        await update_logged(tx, shipment, EntityKind.SHIPMENT, shipment_id, named, actor=actor, at=at)
    return pickup_id


async def change_pickup(
    tx: AsyncConnection,
    current: PickupRow,
    target: PickupState,
    *,
    actor: str,
    cause: str | None = None,
    at: datetime,
    **values: Any,
) -> None:
    """Move a pickup to a state and set columns with it. Raises IllegalTransition naming the legal states."""
    if target is not current.state:
        require_move(PICKUP_MOVES, current.state, target, what=current.name)
    changed = {"state": target, **values}
    await update_logged(tx, pickup, EntityKind.PICKUP, current.id, changed, actor=actor, cause=cause, at=at)
