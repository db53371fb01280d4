"""What a replay starts from: the network as the hub knows it, and the red channels that there were."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import HAMBURG, NOW, insert_row, make_asset, make_hub, make_product, make_site

from connector.model.naming import fold
from connector.rules.facts.standing import ChannelFacts, ChannelScope
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.facts.lanes import STATISTICS, lanes_were_written
from connector.storage.facts.scene import current_scene

DAY = timedelta(days=1)


async def test_lanes_of_the_sites_that_a_history_names_all_red_channels_and_the_devices_in_use(engine: AsyncEngine):
    channel = {
        "name": "recall", "policy_version": "p@1", "reason": "recall", "opened_by": "ada", "created_at": NOW,
        "updated_at": NOW,
    }  # fmt: skip
    async with transaction(engine) as tx:
        hub_id, product_id = await make_hub(tx), await make_product(tx)
        named, other = await make_site(tx, code="HH1", **HAMBURG), await make_site(tx, code="HH2", **HAMBURG)
        await make_asset(tx, product_id=product_id, site_id=named)
        await make_asset(tx, product_id=product_id, site_id=other, state="retired")
        for site_id in (named, other):
            statistic = {
                "key": f"{site_id}", "scope": "site", "hub_id": hub_id, "site_id": site_id, "deliveries": 1,
                "p10_minutes": 60, "p50_minutes": 60, "p90_minutes": 60, "p95_minutes": 60, "minutes": [60],
                "newest_at": NOW, "computed_at": NOW,
            }  # fmt: skip
            await insert_row(tx, tables.lane_statistic, statistic)
        await lanes_were_written(tx, [STATISTICS])
        closed = {"scope": {"products": [product_id]}, "opened_at": NOW - 3 * DAY, "ends_at": NOW - DAY}
        await insert_row(tx, tables.red_channel, {**channel, **closed, "closed_at": NOW - 2 * DAY})
        await insert_row(tx, tables.red_channel, {**channel, "scope": {}, "opened_at": NOW, "ends_at": NOW + DAY})

    async with reading(engine) as tx:
        scene, without = await current_scene(tx, frozenset({fold("hh1"), fold("nowhere")})), await current_scene(tx)

    assert {site: lanes.to_site[hub_id][""].minutes for site, lanes in scene.lanes.items()} == {named: (60,)}
    assert without.lanes == {}
    assert scene.in_the_field == {product_id: 1}
    assert scene.channels == (
        ChannelFacts(
            1, "recall", "recall", ChannelScope(products=frozenset({product_id})), NOW - 3 * DAY, NOW - 2 * DAY
        ),
        ChannelFacts(2, "recall", "recall", ChannelScope(), NOW, NOW + DAY),
    )
