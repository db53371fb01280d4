"""Facts about where spares stand and are needed: units used, devices in use and stock, by product and region.

One statement for the pairs of product and region, one for the sites of the regions.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import Select, Text, and_, case, cast, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import HubTier, Lane
from connector.model.lifecycle import AssetState, ReservationState
from connector.rules.facts.ticket import SiteFacts
from connector.rules.placement.next_day import SiteGroup
from connector.storage.policies.service_classes import stated_class
from connector.storage.tables import LOAN_LINE, asset, hub, product, reservation, service_class, site, stock, ticket

_WITHOUT_CLASS: Final = 0
_MOST_GROUPS: Final = 5_000
"""Kinds of sites that are read for the regions of a page; those with the most sites first."""

Pair: TypeAlias = tuple[str, int]
"""A region, "" for sites and hubs without one, and the id of a product."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A product in a region. used: units within the window. in_use: devices at sites.

    local, regional: units in the region's hubs; central: in central hubs, wherever they are. Units to lend count
    nowhere. classes: ids of the service classes of the sites where it is in use or was used, 0 for sites without one.
    recorded_since: when the first claim of all was made; None before that.
    """

    region: str
    product_id: int
    product: str
    asset_class: str | None
    used: int
    in_use: int
    local: int
    regional: int
    central: int
    classes: frozenset[int]
    recorded_since: datetime | None

    @property
    def pair(self) -> Pair:
        """What orders a list of them."""
        return self.region, self.product_id

    @property
    def units(self) -> dict[HubTier, int]:
        """What stands, by tier."""
        return {HubTier.LOCAL: self.local, HubTier.REGIONAL: self.regional, HubTier.CENTRAL: self.central}


async def read_placed(
    tx: AsyncConnection,
    *,
    since: datetime,
    limit: int,
    region: str | None = None,
    product_id: int | None = None,
    after: Pair | None = None,
) -> list[Placed]:
    """Products that a region uses, or has in its own hubs, ordered by region and product.

    since: when use begins to count. after: the pair behind which to begin. A product that only central hubs have, and
    no site of a region uses, is none of that region's.
    """
    parts = union_all(_used(since), _in_use(), _near()).subquery("parts")
    p = parts.c
    by_class = (
        select(
            p.region, p.product_id, cast(p.service_class, Text).label("service_class"),
            *(func.sum(column).label(column.name) for column in (p.used, p.in_use, p.local, p.regional)),
        )
        .group_by(p.region, p.product_id, p.service_class)
        .subquery("by_class")
    )  # fmt: skip
    c = by_class.c
    pairs = select(
        c.region, c.product_id, func.sum(c.used).label("used"), func.sum(c.in_use).label("in_use"),
        func.sum(c.local).label("local"), func.sum(c.regional).label("regional"),
        func.aggregate_strings(c.service_class, ",").label("classes"),
    ).group_by(c.region, c.product_id)  # fmt: skip
    if region is not None:
        pairs = pairs.where(c.region == region)
    if product_id is not None:
        pairs = pairs.where(c.product_id == product_id)
    if after is not None:
        pairs = pairs.where(or_(c.region > after[0], and_(c.region == after[0], c.product_id > after[1])))
    found = pairs.subquery("pairs")
    central = (
        select(stock.c.product_id, func.sum(stock.c.on_hand).label("units"))
        .join(hub, hub.c.id == stock.c.hub_id)
        .where(hub.c.tier == HubTier.CENTRAL, hub.c.retired_at.is_(None), stock.c.lane != Lane.LOANER)
        .group_by(stock.c.product_id)
        .subquery("central")
    )
    f = found.c
    statement = (
        select(
            f.region, f.product_id, product.c.manufacturer + " " + product.c.model, product.c.asset_class,
            f.used, f.in_use, f.local, f.regional, func.coalesce(central.c.units, 0), f.classes,
            select(func.min(reservation.c.created_at)).scalar_subquery(),
        )
        .join(product, product.c.id == f.product_id)
        .outerjoin(central, central.c.product_id == f.product_id)
        .where(product.c.retired_at.is_(None))
        .order_by(f.region, f.product_id)
        .limit(limit)
    )  # fmt: skip
    return [
        Placed(
            region=row[0],
            product_id=row[1],
            product=row[2],
            asset_class=row[3],
            used=int(row[4]),
            in_use=int(row[5]),
            local=int(row[6]),
            regional=int(row[7]),
            central=int(row[8]),
            classes=frozenset(int(text) for text in (row[9] or "").split(",") if text),
            recorded_since=row[10],
        )
        for row in await tx.execute(statement)
    ]


def _used(since: datetime) -> Select[Any]:
    """Units that were claimed for tickets within the window and went out, at the site that they went to.

    What was asked for counts, not what stood in for it; rollouts and loans are no failures.
    """
    return (
        select(
            func.coalesce(site.c.region, hub.c.region, "").label("region"),
            reservation.c.requested_product_id.label("product_id"),
            func.coalesce(site.c.service_class_id, _WITHOUT_CLASS).label("service_class"),
            reservation.c.quantity.label("used"),
            *(literal(0).label(name) for name in ("in_use", "local", "regional")),
        )
        .select_from(reservation)
        .join(ticket, ticket.c.id == reservation.c.ticket_id)
        .join(hub, hub.c.id == reservation.c.hub_id)
        .outerjoin(site, site.c.id == func.coalesce(reservation.c.site_id, ticket.c.site_id))
        .where(
            reservation.c.state == ReservationState.FULFILLED,
            reservation.c.created_at >= since,
            reservation.c.rollout_line_id.is_(None),
            reservation.c.line != LOAN_LINE,
        )
    )


def _in_use() -> Select[Any]:
    """Devices at sites."""
    return (
        select(
            func.coalesce(site.c.region, ""),
            asset.c.product_id,
            func.coalesce(site.c.service_class_id, _WITHOUT_CLASS),
            literal(0),
            literal(1),
            literal(0),
            literal(0),
        )
        .join(site, site.c.id == asset.c.site_id)
        .where(
            asset.c.product_id.is_not(None),
            asset.c.state == AssetState.DEPLOYED,
            asset.c.retired_at.is_(None),
            site.c.retired_at.is_(None),
        )
    )


def _near() -> Select[Any]:
    """Units in local and regional hubs."""

    def of(tier: HubTier) -> Any:
        return case((hub.c.tier == tier, stock.c.on_hand), else_=0)

    return (
        select(
            func.coalesce(hub.c.region, ""),
            stock.c.product_id,
            cast(None, service_class.c.id.type),
            literal(0),
            literal(0),
            of(HubTier.LOCAL),
            of(HubTier.REGIONAL),
        )
        .join(hub, hub.c.id == stock.c.hub_id)
        .where(
            hub.c.tier != HubTier.CENTRAL, hub.c.retired_at.is_(None), stock.c.lane != Lane.LOANER, stock.c.on_hand > 0
        )
    )


@dataclass(frozen=True, slots=True)
class RegionSites:
    """The sites of regions by what they bear. names: of the service classes, by id; None for sites without one."""

    groups: dict[str, list[SiteGroup]]
    names: dict[int, str | None]


async def read_region_sites(tx: AsyncConnection, regions: Collection[str]) -> RegionSites:
    """The sites that are in use, grouped by region, service class, time zone, country and access hours."""
    region = func.coalesce(site.c.region, "")
    alike = (site.c.service_class_id, site.c.time_zone, site.c.country, site.c.access_hours)
    is_located = and_(site.c.latitude.is_not(None), site.c.longitude.is_not(None))
    grouped = (
        select(
            region.label("region"), *alike, func.count().label("sites"),
            func.avg(case((is_located, site.c.latitude))).label("latitude"),
            func.avg(case((is_located, site.c.longitude))).label("longitude"),
        )
        .where(site.c.retired_at.is_(None), region.in_(sorted(regions)))
        .group_by(region, *alike)
        .order_by(func.count().desc(), region)
        .limit(_MOST_GROUPS)
        .subquery("grouped")
    )  # fmt: skip
    classes = (column.label(f"c_{column.name}") for column in service_class.c)
    statement = (
        select(grouped, *classes)
        .outerjoin(service_class, service_class.c.id == grouped.c.service_class_id)
        .order_by(grouped.c.region, service_class.c.name, grouped.c.time_zone, grouped.c.sites)
    )
    groups: dict[str, list[SiteGroup]] = {}
    names: dict[int, str | None] = {_WITHOUT_CLASS: None}
    for row in (await tx.execute(statement)).mappings():
        known = None
        if row["c_id"] is not None:
            known = stated_class({column.name: row[f"c_{column.name}"] for column in service_class.c})
            names[row["c_id"]] = known.name
        place = SiteFacts(
            id=0, name=row["region"], latitude=row["latitude"], longitude=row["longitude"],
            time_zone=row["time_zone"], region=row["region"] or None, country=row["country"],
            access_hours=row["access_hours"],
        )  # fmt: skip
        groups.setdefault(row["region"], []).append(SiteGroup(place, known, row["sites"]))
    return RegionSites(groups, names)
