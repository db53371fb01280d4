"""Which source, or who, gave each field of a device its value, and when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.schema.nodes import global_id
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.changes import publish
from connector.storage.database.engine import transaction
from connector.storage.database.rows import update_logged
from connector.storage.facts.provenance import MOST_CHANGES
from tests.api.conftest import TOKEN, Hub, OpenHub
from tests.api.test_queries import statements
from tests.conftest import MovableClock
from tests.factories import make_asset, make_site
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, ref, site, version

QUERY = """query ($id: ID!, $at: DateTime) {
  asset(id: $id, at: $at) {
    provenance { field source actor cause at }
    sourceRecords { source externalId updatedAt deletedAt }
  }
}"""
KEY = global_id("Asset", 1)


@pytest.fixture
def intake(engine: AsyncEngine, clock: MovableClock) -> Intake:
    return Intake(engine, clock)


def shown(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


async def provenance(hub: Hub, **variables: Any) -> dict[str, tuple[Any, ...]]:
    """Field -> (source, actor, cause, at)."""
    found = (await hub.query(QUERY, id=KEY, **variables))["asset"]["provenance"]
    return {one["field"]: (one["source"], one["actor"], one["cause"], one["at"]) for one in found}


async def test_each_field_names_whoever_gave_it_the_value_that_it_has(hub: Hub, intake: Intake, clock: MovableClock):
    at: list[str] = []
    await intake(site(), asset("a1", revision=None, holder=None), source="cmdb")
    at.append(shown(clock.now()))
    said = {"asset_tag": None, "place": None, "state": None}
    await intake(asset("77", serial="SN-A1", name="sw-new", revision="V02", **said), source="monitoring")
    at.append(shown(clock.now()))
    await intake(asset("a1", v=2, name="sw-new", revision=None, holder=None), source="cmdb")  # no news: the same name
    by_hand = {"serial": "SN-A2", "holder": "grace"}
    async with transaction(hub.engine) as tx:
        await update_logged(
            tx, tables.asset, EntityKind.ASSET, 1, by_hand, actor="ada", cause="misread", at=clock.now()
        )
    at.append(shown(clock.now()))

    found = (await hub.query(QUERY, id=KEY))["asset"]

    cmdb = ("cmdb", "source:cmdb", "things of source 1", at[0])
    monitoring = ("monitoring", "source:monitoring", "things of source 2", at[1])
    ada = (None, "ada", "misread", at[2])
    assert await provenance(hub) == {
        "name": monitoring, "serial": ada, "assetTag": cmdb, "product": cmdb, "revision": monitoring, "site": cmdb,
        "state": cmdb, "lane": cmdb, "holder": ada,
    }  # fmt: skip
    assert [(one["source"], one["externalId"], one["updatedAt"]) for one in found["sourceRecords"]] == [
        ("cmdb", "a1", shown(version(2))),
        ("monitoring", "77", shown(version(1))),
    ]


async def test_compiled_and_as_of_now_are_the_same_and_as_of_then_is_of_then(
    hub: Hub, intake: Intake, clock: MovableClock
):
    await intake(site(), site("s2"), asset("a1"))
    then, before = clock.now(), await provenance(hub)
    await intake(asset("a1", v=2, name="other", place=ref("site", "s2")))

    compiled = await hub.query(QUERY, id=KEY)
    plain = await hub.query(QUERY, id=KEY, at=clock.now().isoformat())

    assert compiled == plain
    assert await provenance(hub, at=then.isoformat()) == before
    assert {name for name, told in (await provenance(hub)).items() if told != before[name]} == {"name", "site"}


async def test_a_page_of_devices_with_their_provenance_is_one_statement(open_hub: OpenHub, intake: Intake):
    await intake(site(), *(asset(f"a{number}") for number in range(20)))

    async with open_hub(poll=timedelta(hours=1)) as hub:
        await hub.feed.now()
        with statements(hub.engine) as seen:
            data = await hub.query("{ assets { nodes { provenance { field source } sourceRecords { externalId } } } }")

    read = [text for text in seen if "pg_advisory" not in text]  # the feed takes its lock when it looks
    assert len(read) == 1
    nodes = data["assets"]["nodes"]
    assert [node["sourceRecords"] for node in nodes] == [[{"externalId": f"a{number}"}] for number in range(20)]
    assert all({"field": "serial", "source": "cmdb"} in node["provenance"] for node in nodes)


async def test_what_lies_behind_the_newest_changes_is_left_out(hub: Hub, intake: Intake, clock: MovableClock):
    await intake(site(), asset("a1"))
    await publish(hub.engine)  # or it would be numbered behind what is written next
    async with transaction(hub.engine) as tx:
        row = {"kind": EntityKind.ASSET, "entity_id": 1, "operation": "updated", "actor": "ada", "at": clock.now()}
        fields = [{"holder": [str(number), str(number + 1)]} for number in range(MOST_CHANGES)]
        rows = [{**row, "fields": each, "position": 100 + place} for place, each in enumerate(fields)]
        await tx.execute(insert(tables.change), rows[:-1])
    whole = await provenance(hub)
    async with transaction(hub.engine) as tx:
        await tx.execute(insert(tables.change), rows[-1:])

    assert {"serial", "holder"} <= whole.keys()
    assert (await provenance(hub)).keys() == {"holder"}


async def test_somebody_limited_to_regions_is_told_of_places_in_sight_alone(
    open_hub: OpenHub, engine: AsyncEngine, clock: MovableClock
):
    async with transaction(engine) as tx:
        europe, america = await make_site(tx, region="EU"), await make_site(tx, region="US")
        device = await make_asset(tx, site_id=europe)
    key, start = global_id("Asset", device), clock.now()
    async with transaction(engine) as tx:
        moved = {"site_id": america, "name": "moved"}
        clock.advance(timedelta(hours=1))
        await update_logged(tx, tables.asset, EntityKind.ASSET, device, moved, actor="ada", at=clock.now())
    tokens = {region: f"the-token-of-somebody-in-{region}" for region in ("EU", "US")}
    keys = [ApiKey.of(tokens[one], Principal(one, frozenset({"viewer"}), frozenset({one}))) for one in tokens]

    async with open_hub(token=TOKEN, keys=keys) as hub:

        async def ask(token: str, at: datetime | None) -> Any:
            query = "query ($id: ID!, $at: DateTime) { asset(id: $id, at: $at) { site { id } provenance { field } } }"
            body = {"query": query, "variables": {"id": key, "at": at and at.isoformat()}}
            answer = await hub.client.post("/graphql", json=body, headers={"authorization": f"Bearer {token}"})
            return answer.json()["data"]["asset"]

        now = {token: await ask(token, None) for token in (TOKEN, *tokens.values())}
        then = {token: await ask(token, start) for token in (TOKEN, *tokens.values())}

    there = {"site": {"id": global_id("Site", america)}, "provenance": [{"field": "name"}, {"field": "site"}]}
    assert now == {TOKEN: there, tokens["EU"]: None, tokens["US"]: there}
    assert then == {
        TOKEN: {"site": {"id": global_id("Site", europe)}, "provenance": []},
        tokens["EU"]: None,
        tokens["US"]: None,
    }
