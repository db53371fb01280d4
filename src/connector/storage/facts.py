"""The facts of a sourcing decision, read in three queries however large the fleet is.

The ticket with everything that hangs on it; the substitutes of its product; the shelves that have free units of
them, joined to their hubs. Hubs without such stock are never looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Select, Text, bindparam, cast, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import CalendarKind, HubTier, Lane
from connector.rules.facts import (
    AssetFacts,
    HubFacts,
    ProductFacts,
    ServiceClassFacts,
    Shelf,
    SiteFacts,
    SourcingFacts,
    SubstituteFacts,
    TicketFacts,
    hub_facts,
)
from connector.storage.tables import asset, compatibility, hub, product, service_class, site, source, stock, ticket

_HUB_AT = 3
"""Where the hub begins in a row of the shelves."""
_KNOWN_HUBS = 20_000
_LANES = {lane.value: lane for lane in Lane}

_TICKET = (
    select(
        ticket,
        source.c.name.label("source_name"),
        asset.c.id.label("a_id"),
        asset.c.name.label("a_name"),
        asset.c.serial.label("a_serial"),
        asset.c.asset_tag.label("a_asset_tag"),
        asset.c.state.label("a_state"),
        asset.c.holder.label("a_holder"),
        product.c.id.label("p_id"),
        product.c.manufacturer.label("p_manufacturer"),
        product.c.model.label("p_model"),
        product.c.part_number.label("p_part_number"),
        product.c.sku.label("p_sku"),
        product.c.asset_class.label("p_asset_class"),
        product.c.criticality.label("p_criticality"),
        product.c.unit_cost_cents.label("p_unit_cost_cents"),
        product.c.weight_g.label("p_weight_g"),
        product.c.is_data_bearing.label("p_is_data_bearing"),
        product.c.status.label("p_status"),
        site.c.id.label("s_id"),
        site.c.name.label("s_name"),
        site.c.code.label("s_code"),
        site.c.latitude.label("s_latitude"),
        site.c.longitude.label("s_longitude"),
        site.c.time_zone.label("s_time_zone"),
        site.c.region.label("s_region"),
        site.c.country.label("s_country"),
        site.c.access_hours.label("s_access_hours"),
        service_class.c.name.label("c_name"),
        service_class.c.maximum_outage_minutes.label("c_maximum_outage_minutes"),
        service_class.c.calendar.label("c_calendar"),
        service_class.c.business_hours.label("c_business_hours"),
    )
    .select_from(ticket)
    .join(source, source.c.id == ticket.c.source_id)
    .outerjoin(asset, asset.c.id == ticket.c.asset_id)
    .outerjoin(product, product.c.id == func.coalesce(asset.c.product_id, ticket.c.product_id))
    .outerjoin(site, site.c.id == func.coalesce(ticket.c.site_id, asset.c.site_id))
    .outerjoin(service_class, service_class.c.id == site.c.service_class_id)
    .where(ticket.c.id == bindparam("ticket_id"))
)

_SUBSTITUTES = (
    select(
        compatibility.c.substitute_id,
        product.c.manufacturer,
        product.c.model,
        compatibility.c.preference,
        compatibility.c.condition,
    )
    .join(product, product.c.id == compatibility.c.substitute_id)
    .where(
        compatibility.c.product_id == bindparam("product_id"),
        compatibility.c.retired_at.is_(None),
        product.c.retired_at.is_(None),
    )
    .order_by(compatibility.c.preference, compatibility.c.substitute_id)
)


def _shelves() -> Select[Any]:
    """Plain text and numbers, so that no row pays for conversions that its hub has had before."""
    return (
        select(
            stock.c.product_id,
            type_coerce(stock.c.lane, Text),
            (stock.c.on_hand - stock.c.reserved).label("free"),
            hub.c.id,
            func.coalesce(hub.c.code, hub.c.name),
            type_coerce(hub.c.tier, Text),
            hub.c.latitude,
            hub.c.longitude,
            hub.c.time_zone,
            hub.c.opening_hours,
            cast(hub.c.courier_cut_offs, Text),
            hub.c.handling_minutes,
        )
        .join(hub, hub.c.id == stock.c.hub_id)
        .where(
            stock.c.product_id.in_(bindparam("product_ids", expanding=True)),
            stock.c.on_hand > stock.c.reserved,
            hub.c.retired_at.is_(None),
        )
        .order_by(hub.c.id, stock.c.id)
    )


_SHELVES = _shelves()


async def sourcing_facts(tx: AsyncConnection, ticket_id: int) -> SourcingFacts:
    """Everything that the rules look at for a ticket, as it is now.

    The needed product is the affected asset's, else the one that the ticket names; the site is the ticket's, else
    the asset's. Raises NotKnown when there is no such ticket.
    """
    row = (await tx.execute(_TICKET, {"ticket_id": ticket_id})).mappings().one_or_none()
    if row is None:
        raise NotKnown(f"there is no ticket with id {ticket_id}")
    needed = _product(row)
    substitutes: tuple[SubstituteFacts, ...] = ()
    shelves: tuple[Shelf, ...] = ()
    if needed is not None:
        substitutes = tuple(
            SubstituteFacts(r[0], f"{r[1]} {r[2]}", r[3], r[4])
            for r in (await tx.execute(_SUBSTITUTES, {"product_id": needed.id})).all()
        )
        products = [needed.id, *(s.product_id for s in substitutes)]
        shelves = _read_shelves((await tx.execute(_SHELVES, {"product_ids": products})).all())
    return SourcingFacts(
        ticket=_ticket(row),
        asset=_asset(row),
        product=needed,
        site=_site(row),
        service_class=_service_class(row),
        substitutes=substitutes,
        shelves=shelves,
    )


_hubs: dict[int, tuple[tuple[Any, ...], HubFacts]] = {}
"""Hubs as they were last read with what was made of them: used again only while the row is still the same."""


def _read_shelves(rows: Sequence[Any]) -> tuple[Shelf, ...]:
    if len(_hubs) > _KNOWN_HUBS:
        _hubs.clear()
    shelves = []
    for row in rows:
        product_id, lane, free, *_ = row
        described = row[_HUB_AT:]
        known = _hubs.get(described[0])
        if known is None or known[0] != described:
            known = _hubs[described[0]] = (described, _hub(described))
        shelves.append(Shelf(known[1], product_id, _LANES[lane], free))
    return tuple(shelves)


def _hub(row: tuple[Any, ...]) -> HubFacts:
    hub_id, label, tier, latitude, longitude, time_zone, opening_hours, cut_offs, handling_minutes = row
    return hub_facts(
        id=hub_id,
        label=label,
        tier=HubTier(tier),
        latitude=latitude,
        longitude=longitude,
        time_zone=time_zone,
        opening_hours=opening_hours,
        cut_offs=tuple(orjson.loads(cut_offs)) if cut_offs else (),
        handling_minutes=handling_minutes,
    )


def _ticket(row: Any) -> TicketFacts:
    return TicketFacts(
        id=row["id"],
        number=row["number"],
        type=row["type"],
        state=row["state"],
        priority=row["priority"],
        title=row["title"],
        description=row["description"],
        category=row["category"],
        requester=row["requester"],
        assignee=row["assignee"],
        asset_hint=row["asset_hint"],
        site_hint=row["site_hint"],
        product_hint=row["product_hint"],
        source=row["source_name"],
        opened_at=row["opened_at"],
        sla_due_at=row["sla_due_at"],
    )


def _asset(row: Any) -> AssetFacts | None:
    if row["a_id"] is None:
        return None
    return AssetFacts(row["a_id"], row["a_state"], row["a_name"], row["a_serial"], row["a_asset_tag"], row["a_holder"])


def _product(row: Any) -> ProductFacts | None:
    if row["p_id"] is None:
        return None
    return ProductFacts(
        id=row["p_id"],
        manufacturer=row["p_manufacturer"],
        model=row["p_model"],
        part_number=row["p_part_number"],
        sku=row["p_sku"],
        asset_class=row["p_asset_class"],
        criticality=row["p_criticality"],
        unit_cost_cents=row["p_unit_cost_cents"],
        weight_g=row["p_weight_g"],
        is_data_bearing=row["p_is_data_bearing"],
        status=row["p_status"],
    )


def _site(row: Any) -> SiteFacts | None:
    if row["s_id"] is None:
        return None
    return SiteFacts(
        id=row["s_id"],
        name=row["s_name"],
        code=row["s_code"],
        latitude=row["s_latitude"],
        longitude=row["s_longitude"],
        time_zone=row["s_time_zone"],
        region=row["s_region"],
        country=row["s_country"],
        access_hours=row["s_access_hours"],
    )


def _service_class(row: Any) -> ServiceClassFacts | None:
    if row["c_name"] is None:
        return None
    hours = "24x7" if row["c_calendar"] is CalendarKind.ALWAYS else row["c_business_hours"] or "24x7"
    return ServiceClassFacts(row["c_name"], row["c_maximum_outage_minutes"], hours)
