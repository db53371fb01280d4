"""Travel times that were measured: which are wanted, and keeping those that came."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import degrees

from sqlalchemy import ColumnElement, Table, and_, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.geo import EARTH_RADIUS_KM, Point, great_circle_km
from connector.storage.database.bulk import among, insert_rows
from connector.storage.facts.lanes import lanes_were_written
from connector.storage.tables import hub, site, travel_time


@dataclass(frozen=True, slots=True)
class Wanted:
    """A site, and the hubs from which the road to it is to be measured, with their positions."""

    site_id: int
    target: Point
    hubs: tuple[tuple[int, Point], ...]


@dataclass(frozen=True, slots=True)
class MeasuredRoad:
    """The road from a hub, as it was measured; minutes and km None when there is none."""

    hub_id: int
    origin: Point
    minutes: int | None
    km: float | None


async def wanted_roads(
    tx: AsyncConnection, provider: str, *, within_km: float, at: datetime, max_age: timedelta
) -> list[Wanted]:
    """What is to be measured: near enough, and never measured, or by another, or too long ago, or between other places.

    within_km: great circle. Sites in the order of their number.
    """
    hubs = sorted(
        (row.latitude, row.longitude, row.id)
        for row in await tx.execute(select(hub.c.id, hub.c.latitude, hub.c.longitude).where(_is_located(hub)))
    )
    latitudes = [latitude for latitude, _, _ in hubs]
    c = travel_time.c
    fresh = select(c.site_id, c.hub_id, c.site_latitude, c.site_longitude, c.hub_latitude, c.hub_longitude).where(
        c.provider == provider, c.measured_at > at - max_age
    )
    known = {tuple(row) for row in await tx.execute(fresh)}
    reach = degrees(within_km / EARTH_RADIUS_KM)
    wanted = []
    for site_id, latitude, longitude in await tx.execute(
        select(site.c.id, site.c.latitude, site.c.longitude).where(_is_located(site)).order_by(site.c.id)
    ):
        target = Point(latitude, longitude)
        low, high = bisect_left(latitudes, latitude - reach), bisect_right(latitudes, latitude + reach)
        near = tuple(
            (hub_id, Point(lat, lon))
            for lat, lon, hub_id in hubs[low:high]
            if (site_id, hub_id, latitude, longitude, lat, lon) not in known
            and great_circle_km(Point(lat, lon), target) <= within_km
        )
        if near:
            wanted.append(Wanted(site_id, target, near))
    return wanted


async def record_roads(
    tx: AsyncConnection, wanted: Wanted, roads: Sequence[MeasuredRoad], *, provider: str, at: datetime
) -> None:
    """Keep what was measured for a site, in place of what was known of these hubs."""
    if not roads:
        return
    await lanes_were_written(tx, [wanted.site_id])  # also makes two who write the same site go one after the other
    c = travel_time.c
    of_hubs = among(tx, c.hub_id, sorted(road.hub_id for road in roads))
    await tx.execute(delete(travel_time).where(and_(c.site_id == wanted.site_id, of_hubs)))
    await insert_rows(
        tx,
        travel_time,
        [
            {
                "site_id": wanted.site_id,
                "hub_id": road.hub_id,
                "minutes": road.minutes,
                "km": road.km,
                "provider": provider,
                "measured_at": at,
                "hub_latitude": road.origin.latitude,
                "hub_longitude": road.origin.longitude,
                "site_latitude": wanted.target.latitude,
                "site_longitude": wanted.target.longitude,
            }
            for road in roads
        ],
    )


def _is_located(table: Table) -> ColumnElement[bool]:
    c = table.c
    return and_(c.retired_at.is_(None), c.latitude.is_not(None), c.longitude.is_not(None))
