"""The hub's present stock and network as what a replay starts from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.rules.facts.scene import Place, Scene, Shelf
from connector.rules.facts.shelves import SubstituteFacts
from connector.rules.facts.ticket import ProductFacts, SiteFacts
from connector.storage.facts.fleet import present_fleet
from connector.storage.facts.protection import protections
from connector.storage.policies.service_classes import stated_class
from connector.storage.tables import compatibility, hub, product, service_class, site, stock


async def current_scene(tx: AsyncConnection) -> Scene:
    """Hubs, free units, products, substitutes and sites that are in use, as they are now."""
    fleet = await present_fleet(tx)
    shelves = await tx.execute(
        select(
            stock.c.hub_id, stock.c.product_id, stock.c.lane, stock.c.on_hand - stock.c.reserved, *protections(stock)
        )
    )
    books = {Shelf(row[0], row[1], row[2]): row[3:] for row in shelves if row[0] in fleet.hubs}
    products = (await tx.execute(select(product))).mappings().all()
    regions = await tx.execute(select(hub.c.id, hub.c.region))
    pairs = await tx.execute(
        select(
            compatibility.c.product_id,
            compatibility.c.substitute_id,
            product.c.manufacturer + " " + product.c.model,
            compatibility.c.preference,
            compatibility.c.condition,
        )
        .join(product, product.c.id == compatibility.c.substitute_id)
        .where(compatibility.c.retired_at.is_(None), product.c.retired_at.is_(None))
        .order_by(compatibility.c.preference, compatibility.c.substitute_id)
    )
    substitutes: dict[int, list[SubstituteFacts]] = {}
    for product_id, *of_substitute in pairs:
        substitutes.setdefault(product_id, []).append(SubstituteFacts(*of_substitute))
    places = (
        await tx.execute(
            select(
                site,
                site.c.address["state"].as_string().label("state"),
                *(column.label(f"class_{column.name}") for column in service_class.c),
            )
            .outerjoin(service_class, service_class.c.id == site.c.service_class_id)
            .where(site.c.retired_at.is_(None))
            .order_by(site.c.id)
        )
    ).mappings()
    return Scene(
        fleet=fleet,
        stock={shelf: free for shelf, (free, *_) in books.items()},
        products={row["id"]: _product(row) for row in products},
        places=tuple(_place(row) for row in places),
        keeps={shelf: (safety, buffer) for shelf, (_, safety, buffer) in books.items() if safety or buffer},
        regions={row[0]: row[1] or "" for row in regions},
        substitutes={key: tuple(items) for key, items in substitutes.items()},
    )


def _product(row: Any) -> ProductFacts:
    return ProductFacts(**{name: row[name] for name in ProductFacts.__dataclass_fields__})


def _place(row: Any) -> Place:
    facts = SiteFacts(**{name: row[name] for name in SiteFacts.__dataclass_fields__ if name in row})
    if row["class_name"] is None:
        return Place(facts)
    return Place(facts, stated_class({column.name: row[f"class_{column.name}"] for column in service_class.c}))
