"""Which source states what each field of a thing is, or who gave it its value, and since when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.schema.nodes import global_id
from connector.ingest.overriding import override_field, release_override
from connector.ingest.tending import tend_golden_record
from connector.model.lifecycle import AssetState
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
from tests.ingest.records import asset, gone, product, ref, site, version
from tests.ingest.records import hub as hub_record

QUERY = """query ($id: ID!, $at: DateTime) {
  asset(id: $id, at: $at) {
    provenance { field basis source externalId actor cause at }
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
    """Field -> (basis, source, external id, actor, cause, at)."""
    found = (await hub.query(QUERY, id=KEY, **variables))["asset"]["provenance"]
    return {one.pop("field"): tuple(one.values()) for one in found}


async def test_each_field_names_the_source_that_states_it_or_whoever_changed_it(
    hub: Hub, intake: Intake, clock: MovableClock
):
    at: list[str] = []
    await intake(site(), asset("a1", revision=None, holder=None), source="cmdb")
    at.append(shown(clock.now()))
    said = {"asset_tag": None, "place": None, "state": None}
    await intake(asset("77", serial="SN-A1", name="sw-new", revision="V02", **said), source="monitoring")
    at.append(shown(clock.now()))
    await intake(asset("a1", v=2, name="sw-new", revision=None, holder=None), source="cmdb")  # says so, too
    at.append(shown(clock.now()))
    by_hand = {"serial": "SN-A2", "holder": "grace"}
    async with transaction(hub.engine) as tx:
        await update_logged(
            tx, tables.asset, EntityKind.ASSET, 1, by_hand, actor="ada", cause="misread", at=clock.now()
        )
    at.append(shown(clock.now()))

    found = (await hub.query(QUERY, id=KEY))["asset"]

    cmdb = ("STATED", "cmdb", "a1", "source:cmdb", "things of source 1", at[0])
    monitoring = ("STATED", "monitoring", "77", "source:monitoring", "things of source 2", at[1])
    ada = ("CHANGED", None, None, "ada", "misread", at[3])
    defaulted = ("CHANGED", "cmdb", None, *cmdb[3:])
    confirmed = ("STATED", "cmdb", "a1", "source:cmdb", None, at[2])
    confirmed_too = ("STATED", "monitoring", "77", "source:monitoring", None, at[1])
    assert await provenance(hub) == {
        "name": confirmed, "serial": ada, "assetTag": cmdb, "product": confirmed_too, "revision": monitoring,
        "site": cmdb, "state": cmdb, "lane": defaulted, "holder": ada,
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
    found = await provenance(hub, at=then.isoformat())
    assert {name: told[1:2] + told[3:] for name, told in found.items()} == {
        name: told[1:2] + told[3:] for name, told in before.items()
    }
    no_longer_stated = {name for name, told in found.items() if told[0] == "CHANGED" != before[name][0]}
    assert no_longer_stated == {"name", "site"}
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


async def test_what_sources_state_is_told_however_many_changes_there_were_since(
    hub: Hub, intake: Intake, clock: MovableClock
):
    await intake(site(), asset("a1", lane=None))
    first = shown(clock.now())
    await publish(hub.engine)  # or it would be numbered behind what is written next
    clock.advance(timedelta(hours=1))
    async with transaction(hub.engine) as tx:
        row = {"kind": EntityKind.ASSET, "entity_id": 1, "operation": "updated", "actor": "ada", "at": clock.now()}
        fields = [{"holder": [str(number), str(number + 1)]} for number in range(MOST_CHANGES)]
        rows = [{**row, "fields": each, "position": 100 + place} for place, each in enumerate(fields)]
        await tx.execute(insert(tables.change), rows[:-1])
    whole = await provenance(hub)
    async with transaction(hub.engine) as tx:
        await tx.execute(insert(tables.change), rows[-1:])

    found = await provenance(hub)

    assert whole["lane"] == ("CHANGED", "cmdb", None, "source:cmdb", "things of source 1", first)
    assert found["serial"] == ("STATED", "cmdb", "a1", "source:cmdb", None, first)
    assert found["holder"] == ("CHANGED", None, None, "ada", None, shown(clock.now()))
    assert whole.keys() - found.keys() == {"lane"}  # that the hub made it so lies behind the newest changes


async def test_a_value_that_nobody_states_any_more_is_that_of_whoever_said_it_last(hub: Hub, intake: Intake):
    await intake(site(), asset("a1", revision="V01"), source="cmdb")
    await intake(asset("77", serial="SN-A1", name=None, asset_tag=None, place=None, state=None), source="mdm")
    await intake(gone("asset", "a1"), source="cmdb")

    found = await provenance(hub)

    assert {name: found[name][:3] for name in ("revision", "serial")} == {
        "revision": ("CHANGED", "cmdb", None),
        "serial": ("STATED", "mdm", "77"),
    }


async def test_a_value_that_falls_back_is_that_of_the_source_that_states_it_since_the_other_erased_it(
    hub: Hub, intake: Intake, clock: MovableClock
):
    await tend_golden_record(intake.engine, clock, {"asset": ["cmdb", "mdm"]}, {})
    await intake(site(), asset("a1", holder="grace"), source="cmdb")
    await intake(asset("77", serial="SN-A1", place=None, state=None, holder="ada"), source="mdm")
    before = (await provenance(hub))["holder"]
    clock.advance(timedelta(hours=1))
    await intake(asset("a1", v=2, holder=None), source="cmdb")

    after = (await provenance(hub))["holder"]

    assert before[:3] == ("STATED", "cmdb", "a1")
    assert after == ("STATED", "mdm", "77", "source:cmdb", "things of source 1", shown(clock.now()))


async def test_a_state_that_the_hub_brought_about_is_the_hubs_until_a_source_confirms_it(
    hub: Hub, intake: Intake, clock: MovableClock
):
    await intake(site(), asset("a1", state=AssetState.DEPLOYED))
    for state in (AssetState.QUARANTINED, AssetState.DEPLOYED):
        clock.advance(timedelta(hours=1))
        async with transaction(intake.engine) as tx:
            await update_logged(
                tx, tables.asset, EntityKind.ASSET, 1, {"state": state}, actor="hub", cause="swap", at=clock.now()
            )
    swapped, by_hub = shown(clock.now()), (await provenance(hub))["state"]
    clock.advance(timedelta(hours=1))
    await intake(asset("77", serial="SN-A1", name=None, place=None, state=AssetState.DEPLOYED), source="mdm")

    confirmed = (await provenance(hub))["state"]

    assert by_hub == ("CHANGED", None, None, "hub", "swap", swapped)
    assert confirmed[:4] == ("STATED", "mdm", "77", "source:mdm")


async def test_an_overridden_field_names_who_said_so_and_why_until_it_is_released(
    hub: Hub, intake: Intake, clock: MovableClock
):
    await intake(site(), asset("a1", holder="grace"))
    start = clock.now()
    clock.advance(timedelta(hours=1))
    async with transaction(intake.engine) as tx:
        override = await override_field(
            tx, EntityKind.ASSET, 1, "holder", "ada", reason="saw her with it", by="tom", at=clock.now()
        )
    at, overridden = clock.now(), (await provenance(hub))["holder"]
    clock.advance(timedelta(hours=1))
    async with transaction(intake.engine) as tx:
        await release_override(tx, override, by="tom", at=clock.now(), reason=None)

    released = (await provenance(hub))["holder"]

    assert overridden == ("OVERRIDDEN", None, None, "tom", "saw her with it", shown(at))
    assert released == ("STATED", "cmdb", "a1", "tom", f"release of override {override}", shown(clock.now()))
    assert (await provenance(hub, at=at.isoformat()))["holder"] == overridden
    assert (await provenance(hub, at=start.isoformat()))["holder"][:3] == ("STATED", "cmdb", "a1")


async def test_sites_hubs_and_products_tell_where_their_fields_come_from_in_one_statement_each(
    open_hub: OpenHub, intake: Intake
):
    await intake(
        site(code="BER", point={"latitude": 52.5, "longitude": 13.4}),
        hub_record(handling_minutes=20),
        product(sku="S1"),
    )
    await intake(product("e1", sku="S1", unit_cost_cents=120, currency="EUR"), source="erp")
    said = "nodes { provenance { field basis source externalId } sourceRecords { source externalId } }"

    async with open_hub(poll=timedelta(hours=1)) as hub:
        await hub.feed.now()
        seen: dict[str, list[str]] = {}
        found: dict[str, Any] = {}
        for name in ("sites", "hubs", "products"):
            with statements(hub.engine) as read:
                [found[name]] = (await hub.query(f"{{ {name} {{ {said} }} }}"))[name]["nodes"]
            seen[name] = [text for text in read if "pg_advisory" not in text]

    def told(name: str) -> dict[str, tuple[str, str, str]]:
        return {one["field"]: (one["basis"], one["source"], one["externalId"]) for one in found[name]["provenance"]}

    assert {name: len(read) for name, read in seen.items()} == {"sites": 1, "hubs": 1, "products": 1}
    assert [told("sites")[name] for name in ("code", "latitude", "longitude")] == [("STATED", "cmdb", "s1")] * 3
    assert told("hubs")["handlingTime"] == ("STATED", "cmdb", "h1")
    assert {told("products")[name] for name in ("unitCostCents", "currency")} == {("STATED", "erp", "e1")}
    assert [one["source"] for one in found["products"]["sourceRecords"]] == ["cmdb", "erp"]


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
