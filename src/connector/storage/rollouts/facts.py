"""What planning a rollout looks at: the lines that have no unit yet, their sites, and what the hubs hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.calendars import parse_hours
from connector.model.errors import InvalidInput, NotKnown
from connector.model.kinds import Lane, Tracking
from connector.rules.facts.ticket import ProductFacts, ServiceClassFacts, SiteFacts, TicketFacts
from connector.rules.rollouts.waves import HubShelf
from connector.storage.database.bulk import among
from connector.storage.policies.service_classes import stated_class
from connector.storage.tables import hub, product, service_class, site, source, stock, ticket


@dataclass(frozen=True, slots=True)
class RolloutSite:
    """A site of a rollout. problem: why nothing can be sent there."""

    facts: SiteFacts
    service_class: ServiceClassFacts | None
    problem: str | None


async def rollout_sites(tx: AsyncConnection, site_ids: Collection[int]) -> dict[int, RolloutSite]:
    """The sites by their ids, in one statement."""
    statement = (
        select(
            *(site.c[name] for name in _SITE),
            site.c.address["state"].as_string().label("state"),
            func.coalesce(site.c.country, site.c.address["country"].as_string()).label("any_country"),
            site.c.retired_at,
            *(service_class.c[name].label(f"c_{name}") for name in _CLASS),
        )
        .outerjoin(service_class, service_class.c.id == site.c.service_class_id)
        .where(among(tx, site.c.id, site_ids))
    )
    return {row["id"]: _site(row) for row in (await tx.execute(statement)).mappings()}


async def sites_called(tx: AsyncConnection, names: Collection[str]) -> dict[str, int]:
    """The sites that are called so, by code or else by name; those that nobody knows are left out.

    Raises InvalidInput when a text could mean more than one site.
    """
    found: dict[str, set[int]] = {}
    for column in (site.c.code, site.c.name):
        left = [name for name in names if name not in found]
        statement = select(column, site.c.id).where(among(tx, column, left), site.c.retired_at.is_(None))
        for text, site_id in await tx.execute(statement):
            found.setdefault(text, set()).add(site_id)
    for name, ids in found.items():
        if len(ids) > 1:
            raise InvalidInput(f"{len(ids)} sites are called {name!r}", hint="Name them by their ids or codes.")
    return {name: ids.pop() for name, ids in found.items()}


async def rollout_shelves(
    tx: AsyncConnection, product_id: int, floors: Mapping[int, int], *, locks: bool = False
) -> list[HubShelf]:
    """What the hubs hold of a product in the normal lane, by hub.

    floors: what each hub kept in the plan before. locks: let nobody else claim from these shelves until the
    transaction ends.
    """
    statement = (
        select(
            stock.c.hub_id,
            func.coalesce(hub.c.code, hub.c.name),
            stock.c.on_hand - stock.c.reserved,
            func.coalesce(stock.c.safety_stock, 0) + func.coalesce(stock.c.emergency_buffer, 0),
        )
        .join(hub, hub.c.id == stock.c.hub_id)
        .where(stock.c.product_id == product_id, stock.c.lane == Lane.NORMAL, hub.c.retired_at.is_(None))
        .order_by(stock.c.id)
    )
    if locks:
        statement = statement.with_for_update(of=stock)
    return [
        HubShelf(hub_id, label, free, protected, floors.get(hub_id, 0))
        for hub_id, label, free, protected in await tx.execute(statement)
    ]


@dataclass(frozen=True, slots=True)
class RolloutProduct:
    """What is rolled out."""

    facts: ProductFacts
    tracking: Tracking
    is_retired: bool


async def rollout_product(tx: AsyncConnection, product_id: int) -> RolloutProduct:
    """The product. Raises NotKnown."""
    statement = select(*(product.c[name] for name in _PRODUCT), product.c.tracking, product.c.retired_at)
    row = (await tx.execute(statement.where(product.c.id == product_id))).mappings().one_or_none()
    if row is None:
        raise NotKnown(f"there is no product with id {product_id}")
    facts = ProductFacts(**{name: row[name] for name in _PRODUCT})
    return RolloutProduct(facts, row["tracking"], row["retired_at"] is not None)


@dataclass(frozen=True, slots=True)
class RolloutTicket:
    """The ticket of a rollout. source: name of the system that it lives in."""

    facts: TicketFacts
    external_id: str
    source: str
    is_deleted: bool


async def rollout_ticket(tx: AsyncConnection, ticket_id: int) -> RolloutTicket:
    """The ticket. Raises NotKnown."""
    return (await rollout_tickets(tx, (ticket_id,)))[0]


async def rollout_tickets(tx: AsyncConnection, ticket_ids: Collection[int]) -> list[RolloutTicket]:
    """The tickets, by id. Raises NotKnown naming one that there is not."""
    statement = (
        select(
            *(ticket.c[name] for name in _TICKET),
            ticket.c.external_id,
            ticket.c.retired_at,
            source.c.name.label("source_name"),
        )
        .join(source, source.c.id == ticket.c.source_id)
        .where(among(tx, ticket.c.id, ticket_ids))
        .order_by(ticket.c.id)
    )
    found = [_ticket(row) for row in (await tx.execute(statement)).mappings()]
    missing = set(ticket_ids) - {item.facts.id for item in found}
    if missing:
        raise NotKnown(f"there is no ticket with id {min(missing)}")
    return found


def _ticket(row: Any) -> RolloutTicket:
    facts = TicketFacts(**{name: row[name] for name in _TICKET}, source=row["source_name"])
    return RolloutTicket(facts, row["external_id"], row["source_name"], row["retired_at"] is not None)


def _site(row: Any) -> RolloutSite:
    facts = SiteFacts(**{name: row[name] for name in (*_SITE, "state")})
    known = None if row["c_name"] is None else stated_class({name: row[f"c_{name}"] for name in _CLASS})
    return RolloutSite(facts, known, _problem(row))


def _problem(row: Any) -> str | None:
    """Why nothing can be sent to a site."""
    if row["retired_at"] is not None:
        return "the site is no longer in use: its source has deleted it"
    if row["any_country"] is None:
        return "the site's address names no country, so no courier can be asked"
    try:
        is_ever_open = row["access_hours"] is None or any(parse_hours(row["access_hours"]).days)
    except ValueError as error:
        return f"the site's access hours cannot be read: {error}"
    return None if is_ever_open else "the site never lets anybody in"


_TICKET = (
    "id", "number", "type", "state", "priority", "title", "description", "category", "requester", "assignee",
    "opened_at", "sla_due_at",
)  # fmt: skip
_SITE = ("id", "name", "code", "latitude", "longitude", "time_zone", "region", "country", "access_hours")
_CLASS = (
    "name", "maximum_outage_minutes", "calendar", "business_hours", "holidays", "closed_dates", "business_days",
)  # fmt: skip
_PRODUCT = (
    "id", "manufacturer", "model", "part_number", "sku", "asset_class", "criticality", "unit_cost_cents", "weight_g",
    "is_data_bearing", "status",
)  # fmt: skip
