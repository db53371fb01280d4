"""Lanes that couriers are asked about beforehand: those that the next tickets will most likely need.

A lane leads from a hub that has something free, and that a courier collects from, to a site where tickets come from.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.geo import Point
from connector.rules.arrival.schedules import schedules
from connector.rules.arrival.timetable import instant_of, minute_at_or_after
from connector.rules.facts.fleet import Fleet, unit_vector
from connector.rules.policy.document import Policy
from connector.storage.database.bulk import among
from connector.storage.facts.fleet import present_fleet
from connector.storage.shipments.consignments import PLACE_COLUMNS, Place, place_of
from connector.storage.tables import asset, hub, lane_quote, site, stock, ticket

Lane: TypeAlias = tuple[int, int]
"""Hub and site, by their ids."""

LOOKED_BACK: Final = timedelta(days=90)
"""How old a ticket may be to say where the next ones will come from."""
HUBS_PER_SITE: Final = 5
"""The nearest hubs of a site that are asked about."""


@dataclass(frozen=True, slots=True)
class WantedQuote:
    """A lane to ask about. leaves: when a parcel that is handed over now would leave the hub."""

    hub: Place
    site: Place
    leaves: datetime

    @property
    def lane(self) -> Lane:
        """By its ids."""
        return self.hub.id, self.site.id


async def wanted_quotes(
    tx: AsyncConnection, policy: Policy, *, at: datetime, limit: int, without: Collection[Lane] = ()
) -> list[WantedQuote]:
    """What to ask about, the sites with the most tickets first, of each the nearest hubs; at most `limit`.

    Asked again is what is as old as half of the time that an offer counts under the policy; nothing where offers never
    count. Places without coordinates or country are left out. without: lanes that nothing is to be asked about.
    """
    max_age = timedelta(days=policy.sourcing.courier.quote_days) / 2
    if not max_age or limit < 1:
        return []
    sites = await _sites(tx, at)
    fleet, minute = await present_fleet(tx), minute_at_or_after(at)
    departures = _departures(fleet, policy, minute, await _with_stock(tx))
    c = lane_quote.c
    fresh = {tuple(row) for row in await tx.execute(select(c.hub_id, c.site_id).where(c.quoted_at > at - max_age))}
    known, lanes = fresh | set(without), list[tuple[Lane, int]]()
    for site_id, unit in sites:
        near = [hub_id for _, hub_id in fleet.outwards(unit) if hub_id in departures][:HUBS_PER_SITE]
        lanes += [((hub_id, site_id), departures[hub_id]) for hub_id in near if (hub_id, site_id) not in known]
        if len(lanes) >= limit:
            break
    return await _with_places(tx, lanes[:limit])


async def _sites(tx: AsyncConnection, at: datetime) -> list[tuple[int, tuple[float, float, float]]]:
    """Sites that tickets come from, with their positions, those with the most tickets first."""
    place = func.coalesce(ticket.c.site_id, asset.c.site_id)
    statement = (
        select(site.c.id, site.c.latitude, site.c.longitude)
        .select_from(ticket)
        .outerjoin(asset, asset.c.id == ticket.c.asset_id)
        .join(site, site.c.id == place)
        .where(
            func.coalesce(ticket.c.opened_at, ticket.c.created_at) >= at - LOOKED_BACK,
            site.c.retired_at.is_(None),
            site.c.country.is_not(None),
            site.c.latitude.is_not(None),
            site.c.longitude.is_not(None),
        )
        .group_by(site.c.id, site.c.latitude, site.c.longitude)
        .order_by(func.count().desc(), site.c.id)
    )
    rows = await tx.execute(statement)
    return [(number, unit_vector(Point(latitude, longitude))) for number, latitude, longitude in rows]


async def _with_stock(tx: AsyncConnection) -> list[int]:
    """Hubs that have something free, and a country."""
    statement = (
        select(stock.c.hub_id)
        .join(hub, hub.c.id == stock.c.hub_id)
        .where(stock.c.on_hand > stock.c.reserved, hub.c.country.is_not(None))
        .distinct()
    )
    return list((await tx.execute(statement)).scalars())


def _departures(fleet: Fleet, policy: Policy, minute: int, hub_ids: Collection[int]) -> dict[int, int]:
    """The next departure of a courier's van from each of the hubs that one comes to."""
    known, found = schedules(policy.sourcing, minute), dict[int, int]()
    for hub_id in fleet.units.keys() & hub_ids:
        collection = known.of(fleet.hubs[hub_id]).collection
        departure = None if collection is None else collection.next(minute)
        if departure is not None:
            found[hub_id] = departure
    return found


async def _with_places(tx: AsyncConnection, lanes: Collection[tuple[Lane, int]]) -> list[WantedQuote]:
    hubs, sites = {hub_id for (hub_id, _), _ in lanes}, {site_id for (_, site_id), _ in lanes}
    at_hub = select(*(hub.c[name].label(f"hub_{name}") for name in PLACE_COLUMNS)).where(among(tx, hub.c.id, hubs))
    at_site = select(*(site.c[name].label(f"site_{name}") for name in PLACE_COLUMNS)).where(among(tx, site.c.id, sites))
    senders = {row["hub_id"]: place_of(row, "hub") for row in (await tx.execute(at_hub)).mappings()}
    recipients = {row["site_id"]: place_of(row, "site") for row in (await tx.execute(at_site)).mappings()}
    return [
        WantedQuote(senders[hub_id], recipients[site_id], instant_of(departure))
        for (hub_id, site_id), departure in lanes
    ]
