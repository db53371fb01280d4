"""Which revisions lie on the shelves: read only where a rule takes no unit of another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.lifecycle import AssetState
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.shelves import ShelfKey
from connector.storage.database.bulk import among_given
from connector.storage.tables import asset

_FREE_UNITS = (
    select(asset.c.hub_id, asset.c.product_id, asset.c.lane, asset.c.revision, func.count())
    .where(
        among_given(asset.c.product_id, "product_ids"),
        asset.c.state == AssetState.IN_STOCK,
        asset.c.retired_at.is_(None),
        asset.c.hub_id.is_not(None),
    )
    .group_by(asset.c.hub_id, asset.c.product_id, asset.c.lane, asset.c.revision)
)


async def with_revisions(tx: AsyncConnection, wanting: Collection[SourcingFacts]) -> list[SourcingFacts]:
    """The facts of several tickets with the revisions of the free units of their products, in one statement for all.

    Counted units have none.
    """
    products = {facts.product.id for facts in wanting if facts.product is not None}
    found: defaultdict[ShelfKey, dict[str, int]] = defaultdict(dict)
    for hub_id, product_id, lane, revision, units in await tx.execute(_FREE_UNITS, {"product_ids": sorted(products)}):
        found[hub_id, product_id, lane][revision or ""] = units
    return [replace(facts, revisions=found) for facts in wanting]
