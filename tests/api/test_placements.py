"""Where spares stand and belong, over GraphQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from connector.storage.database.engine import transaction
from tests.api.conftest import Hub
from tests.api.seed import seed
from tests.factories import make_asset, make_hub, make_product, make_site, make_spares

QUERY = (Path(__file__).parents[2] / "graphql" / "operations" / "Placements.graphql").read_text()
NARROW = (
    "query ($first: Int!, $after: String) { placements(first: $first, after: $after, misplaced: true) "
    "{ edges { cursor node { product verdict isMisplaced } } "
    "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"
)


async def test_placements_tell_where_and_why(hub: Hub, engine: AsyncEngine):
    async with transaction(engine) as tx:
        site = await make_site(tx, region=None)
        product = await make_product(tx, manufacturer="Acme", model="X1")
        await make_asset(tx, product_id=product, site_id=site)

    (found,) = (await hub.query(QUERY))["placements"]["nodes"]

    assert found == {
        "region": None,
        "productId": found["productId"],
        "product": "Acme X1",
        "assetClass": "switches-and-firewalls",
        "usedPerQuarter": 0.0075,
        "isMeasured": False,
        "inUse": 1,
        "stands": [],
        "belongs": "REGIONAL",
        "verdict": "TOO_FAR",
        "reason": "impact high, complexity low; needed 0.0 times a quarter, but there is no central hub that a courier "
        "collects from; use is recorded for 0 days, fewer than 28: 3 of 100 fail in a year, and 1 are in use",
        "targetCover": "1-3 of each model",
    }
    assert (await hub.query("query ($id: ID!) { node(id: $id) { id } }", id=found["productId"]))["node"] == {
        "id": found["productId"]
    }


async def test_what_is_misplaced_comes_page_by_page(hub: Hub, engine: AsyncEngine):
    await seed(engine)
    async with transaction(engine) as tx:
        site, near = await make_site(tx), await make_hub(tx)
        for number in range(3):
            product = await make_product(tx, manufacturer="Acme", model=f"Firewall {number}")
            await make_asset(tx, product_id=product, site_id=site)
            if number == 1:
                await make_spares(tx, hub_id=near, product_id=product, count=1)

    seen: list[dict[str, Any]] = []
    after, pages = None, 0
    while pages < 5:
        page = (await hub.query(NARROW, first=1, after=after))["placements"]
        pages += 1
        seen += [edge["node"] for edge in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert seen == [
        {"product": f"Acme Firewall {number}", "verdict": "TOO_FAR", "isMisplaced": True} for number in (0, 2)
    ]


async def test_arguments_that_cannot_be_used_are_refused(hub: Hub):
    too_many = await hub.error(NARROW, first=501)
    foreign = await hub.error(NARROW, first=5, after="nonsense")

    assert too_many["message"] == "`first` of placements is 501, 1 to 500 is allowed"
    assert foreign["message"] == "cursor 'nonsense' is not one of ours"
    assert {error["extensions"]["code"] for error in (too_many, foreign)} == {"INVALID_INPUT"}
