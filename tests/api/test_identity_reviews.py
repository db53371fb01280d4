"""Identity reviews and explanations of matches over GraphQL: read, answered, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.access import ApiKey
from connector.api.field_names import rights_of
from connector.api.schema import build_schema
from connector.api.schema.nodes import global_id
from connector.model.principals import Principal
from tests.api.conftest import TOKEN, Hub, OpenHub
from tests.conftest import MovableClock
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, site

PUBLISHED = Path(__file__).parents[2] / "graphql" / "operations"
OPERATIONS = "".join((PUBLISHED / f"{name}.graphql").read_text() for name in ("IdentityReviews", "ExplainMatch"))
REVIEW, ONE, TWO = global_id("IdentityReview", 1), global_id("Asset", 1), global_id("Asset", 2)


@pytest.fixture
async def unclear(engine: AsyncEngine, clock: MovableClock) -> Intake:
    """Two devices, and a record of another source that has the serial of one and the tag of the other."""
    intake = Intake(engine, clock)
    await intake(site(), asset("a1", serial="S1", asset_tag=None), asset("a2", serial=None, asset_tag="T2"))
    await intake(asset("77", serial="S1", asset_tag="T2", place=None, holder="Ms Lee"), source="itsm")
    return intake


async def ask(hub: Hub, name: str, **variables: Any) -> Any:
    body = {"query": OPERATIONS, "operationName": name, "variables": variables}
    answer = (await hub.client.post("/graphql", json=body)).json()
    assert "errors" not in answer, answer
    (found,) = answer["data"].values()
    return found


async def test_a_review_shows_its_record_beside_each_candidate(hub: Hub, unclear: Intake):
    found = await ask(hub, "IdentityReviews", first=5)

    assert found["totalCount"] == 1
    [review] = found["nodes"]
    assert (review["id"], review["source"], review["externalId"]) == (REVIEW, {"name": "itsm"}, "77")
    assert [(a["rule"], a["compared"], a["assetIds"]) for a in review["attempts"][:2]] == [
        ("serial+manufacturer", {"serial": ["S1"]}, [ONE]), ("asset_tag", {"asset_tag": ["T2"]}, [TWO]),
    ]  # fmt: skip
    assert [(c["asset"]["name"], c["rules"]) for c in review["candidates"]] == [
        ("sw-a1", ["serial+manufacturer"]), ("sw-a2", ["asset_tag"]),
    ]  # fmt: skip
    assert review["candidates"][0]["facts"][0] == {
        "fact": "serial", "stated": "S1", "known": "S1", "agreement": "agrees",
    }  # fmt: skip


async def test_a_record_is_linked_once_and_the_same_request_is_answered_again(hub: Hub, unclear: Intake):
    asked = {"review": REVIEW, "asset": TWO, "reason": "looked", "key": "k1"}
    first = await ask(hub, "LinkIdentity", **asked)
    again = await ask(hub, "LinkIdentity", **asked)
    other = await ask(hub, "LinkIdentity", **asked | {"asset": ONE})

    assert first == again
    assert (first["review"]["state"], first["review"]["asset"]["name"]) == ("LINKED", "sw-77")
    assert (first["isApplied"], first["errors"]) == (True, [])
    assert other["errors"][0]["code"] == "ILLEGAL_TRANSITION"
    assert [row["holder"] for row in await unclear.rows("asset")] == [None, "Ms Lee"]


async def test_a_record_becomes_a_device_of_its_own_or_is_left_out(hub: Hub, unclear: Intake):
    left = await ask(hub, "DismissReview", review=REVIEW, reason="ask the team", key="k1")
    nameless = await ask(hub, "DismissReview", review=REVIEW, reason=" ", key="k2")
    done = await ask(hub, "SeparateIdentity", review=REVIEW, key="k3")

    assert (left["review"]["state"], left["review"]["decisionReason"], left["isApplied"]) == (
        "DISMISSED", "ask the team", False,
    )  # fmt: skip
    assert nameless["errors"][0]["message"] == "a reason is needed: it is kept with the review"
    assert (done["review"]["state"], done["review"]["asset"]["id"]) == ("SEPARATE", global_id("Asset", 3))


async def test_a_match_is_explained_before_and_after_it_is_decided(hub: Hub, unclear: Intake):
    before = await ask(hub, "ExplainMatch", source="itsm", externalId="77")
    await ask(hub, "LinkIdentity", review=REVIEW, asset=TWO, key="k1")
    after = await ask(hub, "ExplainMatch", source="itsm", externalId="77")
    plain = await ask(hub, "ExplainMatch", source="cmdb", externalId="a1")
    unknown = await ask(hub, "ExplainMatch", source="crm", externalId="77")

    assert (before["outcome"], before["basis"], before["assetId"], before["identityReviewId"]) == (
        "review", "quarantine", None, REVIEW,
    )  # fmt: skip
    assert [(a["rule"], a["assetIds"], a["note"]) for a in before["attempts"]] == [
        ("source_reference", [], "no device is known by this reference"),
        ("serial+manufacturer", [ONE], None), ("asset_tag", [TWO], None),
        ("mac", [], "the record states no mac"), ("hostname+site", [], "the record states no site"),
    ]  # fmt: skip
    assert [candidate["rules"] for candidate in before["candidates"]] == [["serial+manufacturer"], ["asset_tag"]]
    assert (after["outcome"], after["assetId"], after["basis"], after["identityReviewId"]) == (
        "link",
        TWO,
        "record",
        None,
    )
    assert [attempt["assetIds"] for attempt in plain["attempts"][:2]] == [[ONE], [ONE]]
    assert plain["attempts"][1]["leftOut"] == [{"assetId": TWO, "reason": "the source has another record of it"}]
    assert unknown["errors"][0]["message"] == "there is no source 'crm'"


async def test_reviews_are_about_all_regions_and_answered_by_those_who_operate_all_of_them(
    open_hub: OpenHub, unclear: Intake
):
    keys = {
        "limited-to-a-region": Principal("eu", frozenset({"dispatcher"}), frozenset({"EU"})),
        "one-without-the-role": Principal("tom", frozenset({"technician"})),
    }
    link = {
        "query": OPERATIONS, "operationName": "LinkIdentity",
        "variables": {"review": REVIEW, "asset": TWO, "key": "k1"},
    }  # fmt: skip

    async with open_hub(token=TOKEN, keys=tuple(ApiKey.of(token, who) for token, who in keys.items())) as hub:
        eu, tom = ({"authorization": f"Bearer {token}"} for token in keys)
        listed = await hub.client.post("/graphql", json={"query": "{ identityReviews { totalCount } }"}, headers=eu)
        refused = [(await hub.client.post("/graphql", json=link, headers=by)).json() for by in (eu, tom)]

    assert listed.json()["data"] == {"identityReviews": {"totalCount": 0}}
    assert [answer["data"]["linkIdentity"]["errors"][0]["code"] for answer in refused] == ["FORBIDDEN"] * 2
    assert len(await unclear.quarantine()) == 1


async def test_who_does_not_read_all_that_a_source_sends_sees_no_reviews(open_hub: OpenHub, unclear: Intake):
    fields = rights_of({"Asset.holder": ("chief",)}, build_schema()._schema)  # type: ignore[attr-defined]
    query = """query ($id: ID!) { identityReviews { totalCount } identityReview(id: $id) { stated }
        node(id: $id) { id } identityReviewAggregate(groupBy: []) { groups { count } } }"""
    keys = [ApiKey.of(f"the-token-of-{name}", Principal(name, frozenset({name}))) for name in ("chief", "planner")]

    async with open_hub(token=TOKEN, keys=keys, fields=fields) as hub:
        body = {"query": query, "variables": {"id": REVIEW}}
        chief, planner = [
            (
                await hub.client.post("/graphql", json=body, headers={"authorization": f"Bearer the-token-of-{name}"})
            ).json()["data"]
            for name in ("chief", "planner")
        ]

    assert (chief["identityReviews"]["totalCount"], chief["node"]) == (1, {"id": REVIEW})
    assert (planner["identityReviews"]["totalCount"], planner["identityReview"], planner["node"]) == (0, None, None)
    assert [group["count"] for group in planner["identityReviewAggregate"]["groups"]] == [0]
