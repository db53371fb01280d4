"""Parcels and their scans, many at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.lifecycle import ShipmentStatus
from connector.storage.database.bulk import among, insert_rows
from connector.storage.tables import shipment, shipment_event


@dataclass(frozen=True, slots=True)
class Parcel:
    """How a shipment may be recognised. source_id: the courier, None when nobody said."""

    id: int
    source_id: int | None
    external_id: str | None
    tracking_number: str | None


@dataclass(frozen=True, slots=True)
class Scan:
    """One event of a parcel. fingerprint: the same for every report of the same scan."""

    status: ShipmentStatus
    vendor_code: str | None
    description: str
    location: str | None
    occurred_at: datetime
    fingerprint: str


async def find_parcels(
    tx: AsyncConnection, source_id: int, *, external_ids: Collection[str], tracking_numbers: Collection[str]
) -> list[Parcel]:
    """Shipments that a courier may mean by its own identifiers or by tracking numbers, oldest first."""
    c = shipment.c
    statement = (
        select(c.id, c.source_id, c.external_id, c.tracking_number)
        .where(or_(c.source_id == source_id, c.source_id.is_(None)))
        .where(or_(among(tx, c.external_id, external_ids), among(tx, c.tracking_number, tracking_numbers)))
        .order_by(c.id)
    )
    return [Parcel(*row) for row in await tx.execute(statement)]


async def recorded_scans(tx: AsyncConnection, shipment_ids: Collection[int]) -> dict[int, list[Scan]]:
    """All scans of these shipments, by shipment."""
    scans: dict[int, list[Scan]] = defaultdict(list)
    if shipment_ids:
        c = shipment_event.c
        statement = select(
            c.shipment_id, c.status, c.vendor_code, c.description, c.location, c.occurred_at, c.fingerprint
        ).where(among(tx, c.shipment_id, shipment_ids))
        for shipment_id, *rest in await tx.execute(statement):
            scans[shipment_id].append(Scan(*rest))
    return scans


async def record_scans(tx: AsyncConnection, scans: Sequence[tuple[int, Scan]], *, at: datetime) -> None:
    """Add scans to shipments; one that is there already is left alone."""
    await insert_rows(
        tx,
        shipment_event,
        [
            {
                "shipment_id": shipment_id,
                "status": scan.status,
                "vendor_code": scan.vendor_code,
                "description": scan.description,
                "location": scan.location,
                "occurred_at": scan.occurred_at,
                "received_at": at,
                "fingerprint": scan.fingerprint,
            }
            for shipment_id, scan in scans
        ],
        skip_existing=True,
    )
