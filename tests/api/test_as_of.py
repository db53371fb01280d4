from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.schema.nodes import global_id
from connector.model.lifecycle import AssetState
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.database.engine import transaction
from connector.storage.database.rows import update_logged
from tests.api.conftest import TOKEN, Hub, OpenHub
from tests.factories import NOW, make_asset, make_hub, make_product, make_site

QUERY = """query ($id: ID!, $at: DateTime) {
  asset(id: $id, at: $at) {
    name serial state holder warrantyEndsOn revision retiredAt region
    product { model } site { name } hub { name } tickets { totalCount }
  }
}"""


async def test_an_asset_is_shown_as_it_was_after_each_of_its_changes(hub: Hub):
    async with transaction(hub.engine) as tx:
        places = [await make_site(tx, name=name, region=region) for name, region in (("Hamburg", "N"), ("Munich", "S"))]
        shelf, models = await make_hub(tx, region="W"), [await make_product(tx, model=name) for name in ("X1", "X2")]
        asset = await make_asset(tx, serial="S0", site_id=places[0], product_id=models[0])
        created = NewChange(EntityKind.ASSET, asset, "created", {"serial": (None, "S0")})
        await log_changes(tx, [created], actor="cmdb", at=NOW)
    some: dict[str, list[Any]] = {
        "site_id": [None, *places],
        "hub_id": [None, shelf],
        "product_id": [None, *models],
        "serial": [None, "S1", "S2"],
        "state": list(AssetState),
        "holder": [None, "ada"],
        "warranty_ends_on": [None, date(2027, 1, 31)],
        "revision": [None, "V03"],
        "retired_at": [None, NOW, NOW + timedelta(days=1, microseconds=1)],
    }
    key, shown = global_id("Asset", asset), {}
    shown[NOW] = await hub.query(QUERY, id=key)
    for number in range(1, 9):
        at = NOW + timedelta(hours=number)
        values = {name: random.choice(some[name]) for name in random.sample(sorted(some), k=3)}  # noqa: S311
        async with transaction(hub.engine) as tx:
            await update_logged(tx, tables.asset, EntityKind.ASSET, asset, values, actor="cmdb", at=at)
        shown[at] = await hub.query(QUERY, id=key)

    for at, then in shown.items():
        for moment in (at, at + timedelta(minutes=59)):
            assert await hub.query(QUERY, id=key, at=moment.isoformat()) == then
    assert await hub.query(QUERY, id=key, at=(NOW - timedelta(seconds=1)).isoformat()) == {"asset": None}
    assert await hub.query(QUERY, id=global_id("Asset", asset + 1), at=NOW.isoformat()) == {"asset": None}


async def test_an_instant_without_zone_is_refused(hub: Hub):
    error = await hub.error(QUERY, id=global_id("Asset", 1), at="2026-11-25T09:00:00")

    assert "has no time zone" in error["message"]


async def test_of_many_changes_since_the_first_of_each_field_counts(hub: Hub):
    async with transaction(hub.engine) as tx:
        asset = await make_asset(tx, serial="S0")
        row = {"kind": EntityKind.ASSET, "entity_id": asset, "operation": "updated", "actor": "cmdb"}
        rows = [
            {**row, "position": number + 1, "at": NOW + timedelta(seconds=number),
             "fields": {"holder": [f"holder {number}", f"holder {number + 1}"]}}
            for number in range(3_000)
        ]  # fmt: skip
        await tx.execute(insert(tables.change), rows)
    data = await hub.query(QUERY, id=global_id("Asset", asset), at=(NOW + timedelta(seconds=99.5)).isoformat())

    assert data["asset"]["holder"] == "holder 100"


async def test_a_device_that_was_elsewhere_then_is_not_shown_to_those_who_see_here_alone(
    open_hub: OpenHub, engine: AsyncEngine
):
    async with transaction(engine) as tx:
        here, there = await make_site(tx, region="EU"), await make_site(tx, region="US")
        shelf = await make_hub(tx, region="EU")
        asset = await make_asset(tx, serial="S0", site_id=there)
    for hours, values in ((1, {"site_id": None, "hub_id": shelf}), (2, {"site_id": here, "hub_id": None})):
        async with transaction(engine) as tx:
            at = NOW + timedelta(hours=hours)
            await update_logged(tx, tables.asset, EntityKind.ASSET, asset, values, actor="cmdb", at=at)
    token = "the-token-of-somebody-here"
    keys = [ApiKey.of(token, Principal("eve", frozenset({"viewer"}), frozenset({"EU"})))]

    async with open_hub(token=TOKEN, keys=keys) as hub:
        found = []
        for hours in (0, 1, 2):
            variables = {"id": global_id("Asset", asset), "at": (NOW + timedelta(hours=hours)).isoformat()}
            text = "query ($id: ID!, $at: DateTime) { asset(id: $id, at: $at) { serial region hub { id } } }"
            body = {"query": text, "variables": variables}
            answer = await hub.client.post("/graphql", json=body, headers={"authorization": f"Bearer {token}"})
            found.append(answer.json()["data"]["asset"])

    assert found == [
        None,
        {"serial": "S0", "region": "EU", "hub": {"id": global_id("Hub", shelf)}},
        {"serial": "S0", "region": "EU", "hub": None},
    ]
