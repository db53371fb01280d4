"""The hub's present stock and network as what a replay starts from."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.lifecycle import AssetState
from connector.model.naming import fold
from connector.rules.arrival.lanes import SiteLanes
from connector.rules.facts.scene import Place, Scene, Shelf
from connector.rules.facts.shelves import SubstituteFacts
from connector.rules.facts.ticket import ProductFacts, SiteFacts
from connector.storage.approvals.channels import past_channels
from connector.storage.facts.fleet import present_fleet
from connector.storage.facts.lanes import lanes_of_sites
from connector.storage.facts.protection import protections
from connector.storage.policies.service_classes import stated_class
from connector.storage.tables import asset, compatibility, hub, product, service_class, site, stock

_SITES_AT_ONCE: Final = 1_000


async def current_scene(tx: AsyncConnection, sites: Set[str] = frozenset()) -> Scene:
    """Hubs, free units, products, substitutes and sites that are in use, as they are now; all red channels.

    sites: folded names and codes of those whose lanes are wanted; only what is known of these is read.
    """
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
    known = tuple(_place(row) for row in places)
    wanted = {place.site.id for place in known if not sites.isdisjoint(_names(place.site))}
    in_use = (
        select(asset.c.product_id, func.count())
        .where(asset.c.state == AssetState.DEPLOYED, asset.c.product_id.is_not(None), asset.c.retired_at.is_(None))
        .group_by(asset.c.product_id)
    )
    return Scene(
        fleet=fleet,
        stock={shelf: free for shelf, (free, *_) in books.items()},
        products={row["id"]: _product(row) for row in products},
        places=known,
        keeps={shelf: (safety, buffer) for shelf, (_, safety, buffer) in books.items() if safety or buffer},
        regions={row[0]: row[1] or "" for row in regions},
        substitutes={key: tuple(items) for key, items in substitutes.items()},
        lanes=await _lanes(tx, sorted(wanted)),
        channels=await past_channels(tx),
        in_the_field={row[0]: row[1] for row in await tx.execute(in_use)},
    )


async def _lanes(tx: AsyncConnection, site_ids: Sequence[int]) -> dict[int, SiteLanes]:
    """What is known of the lanes to these sites; of those that nothing is known of, nothing is kept."""
    found: dict[int, SiteLanes] = {}
    for first in range(0, len(site_ids), _SITES_AT_ONCE):
        read = await lanes_of_sites(tx, site_ids[first : first + _SITES_AT_ONCE])
        found |= {site_id: lanes for site_id, lanes in read.items() if not lanes.is_empty}
    return found


def _names(site_facts: SiteFacts) -> set[str]:
    return {fold(name) for name in (site_facts.name, site_facts.code) if name}


def _product(row: Any) -> ProductFacts:
    return ProductFacts(**{name: row[name] for name in ProductFacts.__dataclass_fields__})


def _place(row: Any) -> Place:
    facts = SiteFacts(**{name: row[name] for name in SiteFacts.__dataclass_fields__ if name in row})
    if row["class_name"] is None:
        return Place(facts)
    return Place(facts, stated_class({column.name: row[f"class_{column.name}"] for column in service_class.c}))
