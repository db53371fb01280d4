"""Orders as a supplier knows them: by which key they are placed, which of ours it means, what is to be ordered."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import IdempotencyKey
from connector.storage.database.bulk import among
from connector.storage.shipments.consignments import PLACE_COLUMNS, Place, place_of
from connector.storage.tables import asset, hub, procurement, product, site, source, ticket
from connector.storage.tickets.procurements import ProcurementRow, procurement_row

_KEY: Final = re.compile(r"order-(\d{1,18}):(\d{8}T\d{6}\.\d{6}Z)")


@dataclass(frozen=True, slots=True)
class OrderKey:
    """By which key an order of this hub is placed: its procurement, and when that was made."""

    procurement_id: int
    made_at: datetime

    @property
    def text(self) -> IdempotencyKey:
        """As the supplier is given it. Other hubs count alike, so the time is part of it."""
        return f"order-{self.procurement_id}:{self.made_at:%Y%m%dT%H%M%S.%fZ}"


@dataclass(frozen=True, slots=True)
class OrderDetails:
    """What a supplier is told. destination: the hub or the site, None when the ticket names none that is known.

    serial, warranty_ends_on: of the failed unit. fault: the ticket's title and description.
    """

    row: ProcurementRow
    manufacturer: str
    model: str
    part_number: str | None
    serial: str | None
    warranty_ends_on: date | None
    fault: str
    destination: Place | None

    @property
    def key(self) -> IdempotencyKey:
        """By which it is placed."""
        return OrderKey(self.row.id, self.row.created_at).text


@dataclass(frozen=True, slots=True)
class Meant:
    """An order that a supplier may mean. key: by which it was, or is to be, placed. source: name of who means it."""

    id: int
    ticket_id: int
    external_id: str | None
    key: IdempotencyKey
    source: str


async def order_details(tx: AsyncConnection, procurement_id: int) -> OrderDetails:
    """Everything that placing an order takes. Raises NotKnown."""
    row = await procurement_row(tx, procurement_id)
    statement = (
        select(
            product.c.manufacturer,
            product.c.model,
            product.c.part_number,
            asset.c.serial,
            asset.c.warranty_ends_on,
            ticket.c.title,
            ticket.c.description,
            *(hub.c[name].label(f"hub_{name}") for name in PLACE_COLUMNS),
            *(site.c[name].label(f"site_{name}") for name in PLACE_COLUMNS),
        )
        .select_from(procurement)
        .join(product, product.c.id == procurement.c.product_id)
        .join(ticket, ticket.c.id == procurement.c.ticket_id)
        .outerjoin(asset, asset.c.id == ticket.c.asset_id)
        .outerjoin(hub, hub.c.id == procurement.c.hub_id)
        .outerjoin(site, site.c.id == procurement.c.site_id)
        .where(procurement.c.id == procurement_id)
    )
    found = (await tx.execute(statement)).mappings().one()
    goes_to = next((kind for kind in ("hub", "site") if found[f"{kind}_id"] is not None), None)
    return OrderDetails(
        row=row,
        manufacturer=found["manufacturer"],
        model=found["model"],
        part_number=found["part_number"],
        serial=found["serial"],
        warranty_ends_on=found["warranty_ends_on"],
        fault="\n\n".join(filter(None, (found["title"], found["description"]))),
        destination=place_of(found, goes_to) if goes_to is not None else None,
    )


async def orders_meant(
    tx: AsyncConnection, source_id: int, keys: Collection[IdempotencyKey], external_ids: Collection[str]
) -> Mapping[int, Meant]:
    """Orders of ours that a source may mean by these keys and names, by their ids; those that go out through others
    are none of its.
    """
    ids = [int(found[1]) for key in keys if (found := _KEY.fullmatch(key))]
    if not ids and not external_ids:
        return {}
    c = procurement.c
    is_its = c.via == source.c.name
    statement = (
        select(c.id, c.ticket_id, c.external_id, c.created_at, source.c.name)
        .join(source, source.c.id == source_id)
        .where(c.via.is_(None) | is_its)
        .where(among(tx, c.id, ids) | (is_its & among(tx, c.external_id, external_ids)))
    )
    return {
        number: Meant(number, ticket_id, external_id, OrderKey(number, made_at).text, name)
        for number, ticket_id, external_id, made_at, name in await tx.execute(statement)
    }


async def order_of_parcel(tx: AsyncConnection, shipment_id: int) -> int | None:
    """The procurement whose goods a parcel brings, if it does."""
    statement = select(procurement.c.id).where(procurement.c.shipment_id == shipment_id).limit(1)
    found: int | None = (await tx.execute(statement)).scalar_one_or_none()
    return found
