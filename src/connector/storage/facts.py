"""The facts of a sourcing decision, read in two queries (three with substitutes) however large the fleet is.

The ticket with everything that hangs on it; the shelves that have free units of its product and substitutes, of one
product in one row. The hubs themselves are remembered (see `connector.storage.fleet`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Text, and_, bindparam, cast, exists, func, or_, select, true, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import Lane
from connector.model.lifecycle import RESERVATION_LIVE, ReservationState
from connector.rules.facts import (
    AssetFacts,
    Holding,
    ProductFacts,
    Relief,
    ServiceClassFacts,
    SiteFacts,
    SourcingFacts,
    SubstituteFacts,
    TicketFacts,
)
from connector.storage.active_policy import active_activation
from connector.storage.fleet import fleet_stamp, read_fleet
from connector.storage.service_classes import stated_class
from connector.storage.tables import (
    asset,
    compatibility,
    hub,
    product,
    reservation,
    service_class,
    site,
    source,
    stock,
    ticket,
)

_LANES = {lane.value[0]: lane for lane in Lane}
"""Lanes by the letter that stands for them in a list of shelves."""

_has_substitutes = exists().where(
    compatibility.c.product_id == func.coalesce(asset.c.product_id, ticket.c.product_id),
    compatibility.c.retired_at.is_(None),
)

_is_reserved = exists().where(
    reservation.c.ticket_id == ticket.c.id,
    reservation.c.line == bindparam("line"),
    reservation.c.state.in_(RESERVATION_LIVE),
)

_other = ticket.alias("other")
_relieves = or_(
    reservation.c.state.in_(RESERVATION_LIVE),
    and_(
        reservation.c.state == ReservationState.FULFILLED,
        reservation.c.updated_at >= func.coalesce(ticket.c.opened_at, ticket.c.created_at),
    ),
)
"""What another ticket has, or was sent after this one was opened."""

_relief = (
    select(func.min(reservation.c.id))
    .join(_other, _other.c.id == reservation.c.ticket_id)
    .where(_other.c.asset_id == ticket.c.asset_id, _other.c.id.is_distinct_from(ticket.c.id), _relieves)
    .correlate(ticket)
    .scalar_subquery()
)

_RELIEF = (
    select(ticket.c.number, reservation.c.id, reservation.c.state, func.coalesce(hub.c.code, hub.c.name))
    .join(ticket, ticket.c.id == reservation.c.ticket_id)
    .join(hub, hub.c.id == reservation.c.hub_id)
    .where(reservation.c.id == bindparam("reservation_id"))
)

TICKET_STATEMENT = (
    select(
        ticket,
        _relief.label("relief"),
        _has_substitutes.label("has_substitutes"),
        _is_reserved.label("is_reserved"),
        active_activation.label("activation_id"),
        *(column.label(f"fleet_{column.name}") for column in fleet_stamp.c),
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
        site.c.address["state"].as_string().label("s_state"),
        site.c.access_hours.label("s_access_hours"),
        service_class.c.name.label("c_name"),
        service_class.c.maximum_outage_minutes.label("c_maximum_outage_minutes"),
        service_class.c.calendar.label("c_calendar"),
        service_class.c.business_hours.label("c_business_hours"),
        service_class.c.holidays.label("c_holidays"),
        service_class.c.closed_dates.label("c_closed_dates"),
    )
    .select_from(ticket)
    .outerjoin(source, source.c.id == ticket.c.source_id)
    .outerjoin(asset, asset.c.id == ticket.c.asset_id)
    .outerjoin(product, product.c.id == func.coalesce(asset.c.product_id, ticket.c.product_id))
    .outerjoin(site, site.c.id == func.coalesce(ticket.c.site_id, asset.c.site_id))
    .join(fleet_stamp, true())
    .outerjoin(service_class, service_class.c.id == site.c.service_class_id)
    .where(ticket.c.id == bindparam("ticket_id"))
)
"""One ticket with what hangs on it. Binds `ticket_id` and `line`, whose live reservation `is_reserved` is about."""

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


_HOLDINGS = (
    select(
        stock.c.product_id,
        func.aggregate_strings(cast(stock.c.hub_id, Text), ","),
        func.aggregate_strings(cast(stock.c.on_hand - stock.c.reserved, Text), ","),
        func.aggregate_strings(func.substr(type_coerce(stock.c.lane, Text), 1, 1), ""),
    )
    .where(
        stock.c.product_id.in_(bindparam("product_ids", expanding=True)),
        stock.c.on_hand > stock.c.reserved,
    )
    .group_by(stock.c.product_id)
)
"""One row per product, its shelves as lists: a row per shelf costs more than everything that is done with it."""


async def sourcing_facts(tx: AsyncConnection, ticket_id: int) -> SourcingFacts:
    """Everything that the rules look at for a ticket, as it is now.

    The needed product is the affected asset's, else the one that the ticket names; the site is the ticket's, else
    the asset's. Raises NotKnown when there is no such ticket.
    """
    return await facts_of(tx, await _ticket_row(tx, ticket_id, line=1))


@dataclass(frozen=True, slots=True)
class FactsToReserve:
    """The facts, and the activation of the policy that was active when they were read; None when none was."""

    facts: SourcingFacts
    activation_id: int | None


async def facts_to_reserve(tx: AsyncConnection, ticket_id: int, line: int) -> FactsToReserve | None:
    """The same, or None when the line has a live reservation already. Raises NotKnown."""
    row = await _ticket_row(tx, ticket_id, line=line)
    return None if row["is_reserved"] else FactsToReserve(await facts_of(tx, row), row["activation_id"])


async def _ticket_row(tx: AsyncConnection, ticket_id: int, *, line: int) -> Any:
    row = (await tx.execute(TICKET_STATEMENT, {"ticket_id": ticket_id, "line": line})).mappings().one_or_none()
    if row is None:
        raise NotKnown(f"there is no ticket with id {ticket_id}")
    return row


async def facts_of(tx: AsyncConnection, row: Any) -> SourcingFacts:
    """The facts around a row of `TICKET_STATEMENT`."""
    needed = _product(row)
    substitutes: tuple[SubstituteFacts, ...] = ()
    holdings: tuple[Holding, ...] = ()
    if needed is not None:
        if row["has_substitutes"]:
            found = await tx.execute(_SUBSTITUTES, {"product_id": needed.id})
            substitutes = tuple(SubstituteFacts(r[0], f"{r[1]} {r[2]}", r[3], r[4]) for r in found.all())
        products = [needed.id, *(s.product_id for s in substitutes)]
        holdings = _holdings((await tx.execute(_HOLDINGS, {"product_ids": products})).all())
    relief: Relief | None = None
    if row["relief"] is not None:
        relief = Relief(*(await tx.execute(_RELIEF, {"reservation_id": row["relief"]})).one())
    return SourcingFacts(
        ticket=_ticket(row),
        asset=_asset(row),
        product=needed,
        site=_site(row),
        service_class=_service_class(row),
        substitutes=substitutes,
        holdings=holdings,
        fleet=await read_fleet(tx, tuple(row[f"fleet_{column.name}"] for column in fleet_stamp.c)),
        relief=relief,
    )


def _holdings(rows: Sequence[Any]) -> tuple[Holding, ...]:
    holdings = []
    for product_id, hubs, free, letters in rows:
        shelves = zip(orjson.loads(f"[{hubs}]"), orjson.loads(f"[{free}]"), letters, strict=True)
        by_lane: dict[str, dict[int, int]] = {}
        if letters.count(letters[0]) == len(letters):
            by_lane[letters[0]] = {hub_id: units for hub_id, units, _ in shelves}
        else:
            for hub_id, units, letter in shelves:
                by_lane.setdefault(letter, {})[hub_id] = units
        holdings += [Holding(product_id, _LANES[letter], by_hub) for letter, by_hub in by_lane.items()]
    return tuple(holdings)


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
        source=row["source_name"] or "",
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
        state=row["s_state"],
        access_hours=row["s_access_hours"],
    )


def _service_class(row: Any) -> ServiceClassFacts | None:
    return None if row["c_name"] is None else stated_class({name: row[f"c_{name}"] for name in _CLASS})


_CLASS = ("name", "maximum_outage_minutes", "calendar", "business_hours", "holidays", "closed_dates")
