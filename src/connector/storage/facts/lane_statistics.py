"""What delivered parcels teach about lanes: how long they took, by lane, region and service.

Computed anew from the parcels of the last year, and written where it has changed. Counted is what a courier delivered,
from the scan at the departure, else from the label, to the delivery. Parcels that were cancelled, came back or were
lost are not counted, nor what our own people brought.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import Direction, LaneScope
from connector.model.lifecycle import ShipmentStatus
from connector.rules.arrival.lanes import ANY_SERVICE, QUANTILES, quantile, service_key
from connector.storage.database.bulk import among, insert_rows, update_rows
from connector.storage.facts.lanes import STATISTICS, lanes_were_written, region_of_site
from connector.storage.tables import lane_statistic, shipment, shipment_event, site

COUNTED: Final = timedelta(days=365)
"""How long ago a delivery may be to be counted."""
MOST_COUNTED: Final = 100
"""The latest deliveries of a lane that are counted: an older one says less of the next one."""


class _Key(NamedTuple):
    scope: LaneScope
    hub_id: int | None
    site_id: int | None
    region: str | None
    service: str

    @property
    def text(self) -> str:
        return "|".join("" if part is None else str(part) for part in self)


@dataclass(frozen=True, slots=True)
class _Sample:
    delivered_at: datetime
    minutes: int


@dataclass(frozen=True, slots=True)
class Learned:
    """What a computation changed: lanes that are new, that have other deliveries, and that have none left."""

    created: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether everything was as it is."""
        return not (self.created or self.updated or self.deleted)


async def learn_lanes(tx: AsyncConnection, *, at: datetime) -> Learned:
    """Bring the statistics up to date; computing them twice changes nothing."""
    current = {key: _row(key, list(samples), at) for key, samples in (await _samples(tx, at)).items()}
    c = lane_statistic.c
    known = {
        row.key: (row.id, row.minutes, row.newest_at)
        for row in await tx.execute(select(c.id, c.key, c.minutes, c.newest_at))
    }
    rows = {row["key"]: row for row in current.values()}
    new = [row for key, row in rows.items() if key not in known]
    changed = [
        {"id": known[key][0], **row}
        for key, row in rows.items()
        if key in known and (row["minutes"], row["newest_at"]) != known[key][1:]
    ]
    gone = [row_id for key, (row_id, *_) in known.items() if key not in rows]
    learned = Learned(len(new), len(changed), len(gone))
    if learned.is_nothing:
        return learned
    await insert_rows(tx, lane_statistic, new)
    await update_rows(tx, lane_statistic, sorted(changed, key=lambda row: int(row["id"])))
    if gone:
        await tx.execute(delete(lane_statistic).where(among(tx, c.id, gone)))
    await lanes_were_written(tx, [STATISTICS])
    return learned


async def _samples(tx: AsyncConnection, at: datetime) -> dict[_Key, deque[_Sample]]:
    departed = (
        select(func.min(shipment_event.c.occurred_at))
        .where(shipment_event.c.shipment_id == shipment.c.id, shipment_event.c.status == ShipmentStatus.PICKED_UP)
        .correlate(shipment)
        .scalar_subquery()
    )
    c = shipment.c
    statement = (
        select(c.hub_id, c.site_id, region_of_site, c.carrier, c.service, departed, c.created_at, c.delivered_at)
        .join(site, site.c.id == c.site_id)
        .where(
            c.direction == Direction.OUTBOUND,
            c.status == ShipmentStatus.DELIVERED,
            c.source_id.is_not(None),
            c.hub_id.is_not(None),
            c.delivered_at >= at - COUNTED,
        )
        .order_by(c.delivered_at, c.id)
    )
    samples: dict[_Key, deque[_Sample]] = {}
    for hub_id, site_id, region, carrier, service, left_at, labelled_at, delivered_at in await tx.execute(statement):
        took = delivered_at - (left_at or labelled_at)
        if took < timedelta(0):
            continue  # a courier that says it arrived before it left says nothing about how long it took
        sample = _Sample(delivered_at, -(-took // timedelta(minutes=1)))
        for key in _keys(hub_id, site_id, region, service_key(carrier, service)):
            samples.setdefault(key, deque(maxlen=MOST_COUNTED)).append(sample)
    return samples


def _keys(hub_id: int, site_id: int, region: str, service: str) -> list[_Key]:
    """Everything that a delivery counts for."""
    keys = []
    for name in dict.fromkeys((ANY_SERVICE, service)):
        keys += [
            _Key(LaneScope.SITE, hub_id, site_id, None, name),
            _Key(LaneScope.EVERYWHERE, None, None, None, name),
        ]
        if region:
            keys.append(_Key(LaneScope.REGION, hub_id, None, region, name))
    return keys


def _row(key: _Key, samples: list[_Sample], at: datetime) -> Mapping[str, Any]:
    minutes = sorted(sample.minutes for sample in samples)
    p10, p50, p90, p95 = (quantile(minutes, share) for share in QUANTILES)
    return {
        "key": key.text,
        **key._asdict(),
        "deliveries": len(minutes),
        "p10_minutes": p10,
        "p50_minutes": p50,
        "p90_minutes": p90,
        "p95_minutes": p95,
        "minutes": minutes,
        "newest_at": max(sample.delivered_at for sample in samples),
        "computed_at": at,
    }
