"""Merging devices, taking that back and splitting over GraphQL: done once, seen everywhere, refused with its reason."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.schema.nodes import global_id
from connector.model.principals import Principal
from tests.api.conftest import TOKEN, Hub, OpenHub, connected, served
from tests.conftest import MovableClock
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, ref, site, ticket

OPERATIONS = (Path(__file__).parents[2] / "graphql" / "operations" / "AssetMerges.graphql").read_text()
ONE, TWO, MERGE = global_id("Asset", 1), global_id("Asset", 2), global_id("AssetMerge", 1)


@pytest.fixture
async def twice(engine: AsyncEngine, clock: MovableClock) -> Intake:
    """One device that two sources have, as two; the second one has a ticket."""
    intake = Intake(engine, clock)
    await intake(site(region="EU"), asset("a1", serial="S1", asset_tag=None))
    await intake(asset("m1", serial=None, asset_tag="T2", place=None, product=None), source="mdm")
    await intake(ticket("6", asset=ref("asset", "m1")), source="mdm")
    return intake


async def ask(hub: Hub, name: str, **variables: Any) -> Any:
    (found,) = (await hub.query(OPERATIONS, name, **variables)).values()
    return found


async def test_two_devices_are_made_one_once_and_the_same_request_is_answered_again(hub: Hub, twice: Intake):
    asked = {"keep": ONE, "merge": [TWO], "reason": "one device", "key": "k1"}

    first = await ask(hub, "MergeAssets", **asked)
    again = await ask(hub, "MergeAssets", **asked)
    later = await ask(hub, "MergeAssets", **asked | {"key": "k2"})
    listed = await ask(hub, "AssetMerges", first=5)

    assert first == again
    assert (first["assetMergeIds"], first["errors"]) == ([MERGE], [])
    assert first["asset"]["sourceRecords"] == [
        {"source": "cmdb", "externalId": "a1"}, {"source": "mdm", "externalId": "m1"},
    ]  # fmt: skip
    assert later["errors"] == [
        {
            "__typename": "IllegalTransitionRefusal",
            "code": "ILLEGAL_TRANSITION",
            "message": "asset 2 was merged into asset 1 (merge 1)",
            "hint": "Name that one, or take the merge back first.",
        }
    ]
    assert listed["totalCount"] == 1
    [merge] = listed["nodes"]
    assert (merge["id"], merge["kept"]["id"], merge["reason"], merge["mergedBy"]) == (MERGE, ONE, "one device", "api")
    assert merge["merged"] == {
        "id": TWO, "name": "sw-m1", "serial": None, "assetTag": "T2", "mergedInto": {"id": ONE},
    }  # fmt: skip
    assert {item["what"]: item["count"] for item in merge["moved"]} == {"records": 1, "tickets": 1}


async def test_the_merged_device_leads_on_by_its_id_and_is_in_no_list(hub: Hub, twice: Intake):
    before = hub.clock.now()
    hub.clock.advance(timedelta(minutes=1))
    await ask(hub, "MergeAssets", keep=ONE, merge=[TWO], reason="one device", key="k1")

    found = await hub.query(
        """query ($id: ID!, $at: DateTime!) {
          asset(id: $id) { id name state mergedInto { id } tickets { totalCount } }
          then: asset(id: $id, at: $at) { id state mergedInto { id } }
          node(id: $id) { ... on Asset { id mergedInto { id tickets { totalCount } } } }
          assets(includeRetired: true) { totalCount nodes { id } }
          assetAggregate(includeRetired: true) { groups { count } }
          products { nodes { assets(includeRetired: true) { totalCount } } }
        }""",
        id=TWO,
        at=before.isoformat(),
    )

    assert found["asset"] == {
        "id": TWO, "name": "sw-m1", "state": "RETIRED", "mergedInto": {"id": ONE}, "tickets": {"totalCount": 0},
    }  # fmt: skip
    assert found["then"] == {"id": TWO, "state": "DEPLOYED", "mergedInto": None}
    assert found["node"] == {"id": TWO, "mergedInto": {"id": ONE, "tickets": {"totalCount": 1}}}
    assert found["assets"] == {"totalCount": 1, "nodes": [{"id": ONE}]}
    assert found["assetAggregate"]["groups"] == [{"count": 1}]
    assert found["products"]["nodes"] == [{"assets": {"totalCount": 1}}]


async def test_a_merge_is_taken_back_and_what_stays_is_told(hub: Hub, twice: Intake):
    await ask(hub, "MergeAssets", keep=ONE, merge=[TWO], reason="one device", key="k1")
    await twice(asset("a3", serial="S3"), source="mdm")
    await twice(ticket("6", v=2, asset=ref("asset", "a3")), source="mdm")

    done = await ask(hub, "UndoMerge", merge=MERGE, reason="two devices", key="k2")
    again = await ask(hub, "UndoMerge", merge=MERGE, reason="two devices", key="k2")
    twice_undone = await ask(hub, "UndoMerge", merge=MERGE, reason="two devices", key="k3")
    listed = await ask(hub, "AssetMerges", first=5)

    assert done == again
    assert (done["errors"], done["merge"]["undoneBy"]) == ([], "api")
    assert done["merge"]["merged"] == {"id": TWO, "name": "sw-m1", "mergedInto": None}
    assert done["merge"]["stayed"] == [{"what": "tickets", "number": 1, "why": "it is of another device now"}]
    assert twice_undone["errors"][0]["message"] == "merge 1 was taken back already, by api"
    assert listed["totalCount"] == 0


async def test_records_are_split_off_as_a_device_of_their_own(hub: Hub, twice: Intake):
    await ask(hub, "MergeAssets", keep=ONE, merge=[TWO], reason="one device", key="k1")

    records = [{"source": "mdm", "externalId": "m1"}]
    done = await ask(hub, "SplitAsset", asset=ONE, records=records, reason="another one", key="k2")
    wrong = await ask(hub, "SplitAsset", asset=ONE, records=records, reason="another one", key="k3")
    review = await hub.query(
        "query ($id: ID!) { identityReview(id: $id) { state asset { id } record { id } decidedBy } }",
        id=done["identityReviewIds"][0],
    )

    assert (done["asset"]["id"], done["asset"]["assetTag"]) == (global_id("Asset", 3), "T2")
    assert done["asset"]["sourceRecords"] == records
    assert wrong["errors"][0]["code"] == "INVALID_INPUT"
    assert wrong["errors"][0]["message"] == "asset 1 has no record 'm1' of 'mdm'"
    assert review["identityReview"] == {
        "state": "SEPARATE", "asset": {"id": global_id("Asset", 3)}, "record": None, "decidedBy": "api",
    }  # fmt: skip


async def test_whoever_follows_tickets_is_told(hub: Hub, twice: Intake):
    async with served(hub.app) as address, connected(address) as client:
        await ask(hub, "MergeAssets", keep=ONE, merge=[TWO], reason="one device", key="k1")
        await client.subscribe('subscription { tickets(after: "0") { operation actor ticket { asset { id } } } }')
        events = [await client.event() for _ in range(2)]

    assert events[1] == {"operation": "UPDATED", "actor": "api", "ticket": {"asset": {"id": ONE}}}


async def test_it_is_for_those_who_say_whose_records_are_and_see_all_regions(open_hub: OpenHub, twice: Intake):
    keys = {
        "limited-to-a-region": Principal("eu", frozenset({"dispatcher"}), frozenset({"EU"})),
        "one-without-the-role": Principal("tom", frozenset({"technician"})),
        "one-who-may-do-it": Principal("pam", frozenset({"planner"})),
    }
    merge = {
        "query": OPERATIONS, "operationName": "MergeAssets",
        "variables": {"keep": ONE, "merge": [TWO], "reason": "one device", "key": "k1"},
    }  # fmt: skip

    async with open_hub(token=TOKEN, keys=tuple(ApiKey.of(token, who) for token, who in keys.items())) as hub:
        eu, tom, pam = ({"authorization": f"Bearer {token}"} for token in keys)
        answers = [(await hub.client.post("/graphql", json=merge, headers=by)).json() for by in (eu, tom, pam)]
        listing = {"query": "{ assets(includeRetired: true) { nodes { id } } assetMerges { nodes { merged { id } } } }"}
        listed = (await hub.client.post("/graphql", json=listing, headers=eu)).json()["data"]

    assert [[error["code"] for error in answer["data"]["mergeAssets"]["errors"]] for answer in answers] == [
        ["FORBIDDEN"], ["FORBIDDEN"], [],
    ]  # fmt: skip
    assert listed == {"assets": {"nodes": [{"id": ONE}]}, "assetMerges": {"nodes": [{"merged": None}]}}
