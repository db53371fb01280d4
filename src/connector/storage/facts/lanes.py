"""What is known of the lanes to a site, for decisions and for telling parcels that are late.

It is remembered per site, with the revisions that it was read under: that of the site (its travel times and quotes)
and that of the statistics. Both ride on a statement that is read anyway, so that a site is read again only after
something about its lanes was written. Who writes it does not decide in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Engine, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.geo import Point
from connector.model.kinds import LaneScope
from connector.rules.arrival.lanes import NO_LANES, LaneHistory, Offer, SiteLanes, Travel
from connector.rules.facts.fleet import unit_vector
from connector.storage.database.bulk import among
from connector.storage.tables import lane_quote, lane_revision, lane_statistic, site, travel_time

STATISTICS: Final = 0
"""The site that stands for the statistics among revisions; sites are numbered from 1."""
_MOST_SITES: Final = 4096
_MOST_REVISIONS: Final = 8

region_of_site = func.coalesce(site.c.region, site.c.country, "")
"""What sites are counted together by when a lane of its own has too little history."""


def _revision(site_id: ColumnElement[Any] | int) -> Any:
    of_site = select(lane_revision.c.revision).where(lane_revision.c.site_id == site_id)
    return of_site.correlate(site).scalar_subquery()


lane_columns: Final = (
    region_of_site.label("lanes_region"),
    _revision(site.c.id).label("lanes_revision"),
    _revision(STATISTICS).label("lanes_learned"),
)
"""Columns for a statement over `site`, whose values make a `LanesStamp` in this order."""


class LanesStamp(NamedTuple):
    """Which site, and as of when. revision: of its own lanes; learned: of the statistics; None: never written."""

    site_id: int
    region: str
    revision: int | None
    learned: int | None


def lanes_stamp(row: Mapping[Any, Any]) -> LanesStamp:
    """The stamp in a row that has `lane_columns` and the site's id as `s_id`, which is not NULL."""
    return LanesStamp(row["s_id"], row["lanes_region"], row["lanes_revision"], row["lanes_learned"])


@dataclass(slots=True)
class _Known:
    """What one engine's process has read. regions, everywhere: by the revision of the statistics."""

    sites: dict[LanesStamp, SiteLanes] = field(default_factory=dict)
    regions: dict[tuple[int, str], Mapping[int, Mapping[str, LaneHistory]]] = field(default_factory=dict)
    everywhere: dict[int, Mapping[str, LaneHistory]] = field(default_factory=dict)


_known: WeakKeyDictionary[Engine, _Known] = WeakKeyDictionary()


async def read_lanes(tx: AsyncConnection, stamps: Collection[LanesStamp]) -> dict[int, SiteLanes]:
    """The lanes to some sites, from memory where they are what they were; else read, for all of them at once."""
    known = _known.setdefault(tx.sync_engine, _Known())
    missing = [s for s in stamps if s not in known.sites and (s.revision is not None or s.learned is not None)]
    if missing:
        await _read(tx, known, missing)
    return {s.site_id: known.sites.get(s, NO_LANES) for s in stamps}


async def lanes_of_sites(tx: AsyncConnection, site_ids: Collection[int]) -> dict[int, SiteLanes]:
    """The same for sites by their ids. `SiteLanes.history` has the transit of a hub's deliveries there."""
    statement = select(site.c.id, *lane_columns).where(among(tx, site.c.id, site_ids))
    return await read_lanes(tx, [LanesStamp(*row) for row in await tx.execute(statement)])


async def lanes_were_written(tx: AsyncConnection, site_ids: Iterable[int]) -> None:
    """Make readers read the lanes of these sites anew; `STATISTICS` stands for all. To call where they are written."""
    insert = pg_insert if tx.dialect.name == "postgresql" else sqlite_insert
    rows = [{"site_id": site_id, "revision": 1} for site_id in sorted(set(site_ids))]
    if rows:
        statement = insert(lane_revision).on_conflict_do_nothing(index_elements=["site_id"])
        await tx.execute(statement, rows)
        await tx.execute(_BUMP, [{"of_site": row["site_id"]} for row in rows])


_BUMP = (
    update(lane_revision)
    .where(lane_revision.c.site_id == bindparam("of_site"))
    .values(revision=lane_revision.c.revision + 1)
)


async def _read(tx: AsyncConnection, known: _Known, missing: Collection[LanesStamp]) -> None:
    own = [stamp.site_id for stamp in missing if stamp.revision is not None]
    travel, offers = await _travel(tx, own), await _offers(tx, own)
    histories = await _histories(tx, known, missing)
    if len(known.sites) + len(missing) > _MOST_SITES:
        known.sites.clear()
    known.sites.update(
        {
            stamp: SiteLanes(travel=travel.get(stamp.site_id, {}), offers=offers.get(stamp.site_id, {}), **found)
            for stamp, found in histories.items()
        }
    )


async def _travel(tx: AsyncConnection, site_ids: Collection[int]) -> dict[int, dict[int, Travel]]:
    found: dict[int, dict[int, Travel]] = {}
    if site_ids:
        for row in await tx.execute(select(travel_time).where(among(tx, travel_time.c.site_id, site_ids))):
            found.setdefault(row.site_id, {})[row.hub_id] = Travel(
                row.minutes,
                row.km,
                row.provider,
                row.measured_at,
                origin=unit_vector(Point(row.hub_latitude, row.hub_longitude)),
                target=unit_vector(Point(row.site_latitude, row.site_longitude)),
            )
    return found


async def _offers(tx: AsyncConnection, site_ids: Collection[int]) -> dict[int, dict[int, tuple[Offer, ...]]]:
    found: dict[int, dict[int, tuple[Offer, ...]]] = {}
    if site_ids:
        c = lane_quote.c
        statement = select(lane_quote).where(among(tx, c.site_id, site_ids)).order_by(c.site_id, c.hub_id, c.service)
        for row in await tx.execute(statement):
            offer = Offer(
                row.service, row.transit_minutes, row.amount_cents, row.currency, row.quoted_at, row.business_days
            )
            by_hub = found.setdefault(row.site_id, {})
            by_hub[row.hub_id] = (*by_hub.get(row.hub_id, ()), offer)
    return found


async def _histories(
    tx: AsyncConnection, known: _Known, missing: Collection[LanesStamp]
) -> dict[LanesStamp, dict[str, Any]]:
    """The statistics for each of the sites; those of regions and of everything are read once for all sites."""
    learned = next(iter(missing)).learned
    if learned is None:
        return {stamp: {} for stamp in missing}
    new = {stamp.region for stamp in missing if (learned, stamp.region) not in known.regions}
    c = lane_statistic.c
    wanted = [among(tx, c.site_id, [stamp.site_id for stamp in missing])]
    if new:
        wanted.append(among(tx, c.region, new))
    if learned not in known.everywhere:
        wanted.append(c.scope == LaneScope.EVERYWHERE)
    to_site: dict[int, dict[int, dict[str, LaneHistory]]] = {}
    to_region: dict[str, dict[int, dict[str, LaneHistory]]] = {region: {} for region in new}
    everywhere: dict[str, LaneHistory] = {}
    statement = select(c.scope, c.hub_id, c.site_id, c.region, c.service, c.minutes).where(or_(*wanted))
    for scope, hub_id, site_id, region, service, minutes in await tx.execute(statement):
        history = LaneHistory(scope, service, tuple(minutes))
        match scope:
            case LaneScope.SITE:
                to_site.setdefault(site_id, {}).setdefault(hub_id, {})[service] = history
            case LaneScope.REGION:
                to_region[region].setdefault(hub_id, {})[service] = history
            case LaneScope.EVERYWHERE:
                everywhere[service] = history
    if len(known.everywhere) > _MOST_REVISIONS:
        known.regions.clear()
        known.everywhere.clear()
    known.regions.update({(learned, region): found for region, found in to_region.items()})
    known.everywhere.setdefault(learned, everywhere)
    return {
        stamp: {
            "to_site": to_site.get(stamp.site_id, {}),
            "to_region": known.regions.get((learned, stamp.region), {}),
            "everywhere": known.everywhere[learned],
        }
        for stamp in missing
    }
