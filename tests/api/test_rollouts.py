"""Rollouts over GraphQL, with the published operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.schema.nodes import global_id
from tests.api.conftest import Hub
from tests.conftest import MovableClock
from tests.fulfilment.rollout_scene import Yard, make_yard

TEXT = (Path(__file__).parents[2] / "graphql" / "operations" / "Rollouts.graphql").read_text(encoding="utf-8")

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
async def yard(engine: AsyncEngine, clock: MovableClock) -> Yard:
    return await make_yard(engine, clock)


async def do(hub: Hub, name: str, **variables: Any) -> Any:
    """The payload of one of the published mutations."""
    answer = (
        await hub.client.post("/graphql", json={"query": TEXT, "operationName": name, "variables": variables})
    ).json()
    assert "errors" not in answer, answer
    (payload,) = answer["data"].values()
    return payload


async def make(hub: Hub, yard: Yard, **values: Any) -> Any:
    sites = {} if "filter" in values else {"sites": [{"code": f"HH{number}"} for number in range(1, 6)]}
    given = {"name": "R", "productId": global_id("Product", yard.product_id), "idempotencyKey": "k1", **sites, **values}
    return await do(hub, "CreateRollout", input=given)


async def test_a_rollout_is_made_planned_begun_worked_on_and_cancelled(hub: Hub, yard: Yard):
    made = await make(hub, yard, firstWaveSize=2)
    rollout = made["rollout"]["id"]

    looked = await do(hub, "PlanRollout", rollout=rollout, dryRun=True, key="p1")
    planned = await do(hub, "PlanRollout", rollout=rollout, key="p1")
    begun = await do(hub, "StartRollout", rollout=rollout, key="s1")
    staging = next(task for task in await tasks(hub) if task["kind"] == "STAGING")
    await yard.settle()
    staged = await do(hub, "ConfirmStaging", task=staging["id"], key="c1")
    await yard.settle()
    handover = next(task for task in await tasks(hub) if task["kind"] == "HANDOVER")
    handed = await do(hub, "ConfirmHandover", task=handover["id"], key="h1")
    [first, *_] = [line for line in await lines(hub) if line["state"] == "DISPATCHED"]
    reported = await do(hub, "ReportRolloutLine", line=first["id"], outcome="INSTALLED", key="r1")
    ended = await do(hub, "CancelRollout", rollout=rollout, reason="enough", key="e1")

    assert made["rollout"]["counts"] == [{"state": "PLANNED", "lines": 5}]
    assert (looked["rollout"]["state"], planned["rollout"]["state"]) == ("DRAFT", "PLANNED")
    assert looked["placements"] == planned["placements"]
    assert planned["hubs"] == [{"hub": "BER", "free": 8, "protected": 0, "kept": 2, "promised": 5}]
    assert [item["wave"] for item in planned["placements"]] == [1, 1, 2, 2, 2]
    assert begun["rollout"]["state"] == "RUNNING"
    assert (staged["lines"], handed["lines"], handed["left"]) == (2, 2, 0)
    assert reported["line"]["state"] == "INSTALLED"
    assert (ended["rollout"]["state"], ended["rollout"]["reason"]) == ("CANCELLED", "enough")
    assert sorted(line["state"] for line in await lines(hub)) == ["CANCELLED"] * 3 + ["DISPATCHED", "INSTALLED"]


async def test_a_plan_that_is_asked_for_again_under_its_key_is_answered_as_it_was_and_not_made_anew(
    hub: Hub, yard: Yard
):
    rollout = (await make(hub, yard, keepFreePercent=0))["rollout"]["id"]
    first = await do(hub, "PlanRollout", rollout=rollout, key="p1")
    await yard.set_stock(on_hand=3)

    again = await do(hub, "PlanRollout", rollout=rollout, key="p1")
    kept = [line["hub_id"] for line in await yard.lines()]
    anew = await do(hub, "PlanRollout", rollout=rollout, key="p2")
    planned_anew = [line["hub_id"] for line in await yard.lines()]
    await do(hub, "CancelRollout", rollout=rollout, reason="enough", key="e1")
    over = await do(hub, "PlanRollout", rollout=rollout, key="p1")
    late = await do(hub, "PlanRollout", rollout=rollout, key="p3")

    assert first["errors"] == []
    assert first["hubs"] == [{"hub": "BER", "free": 8, "protected": 0, "kept": 0, "promised": 5}]
    assert again == first
    assert (kept.count(None), planned_anew.count(None)) == (0, 2)
    assert [item["hub"] for item in anew["placements"]] == ["BER"] * 3 + [None] * 2
    assert {name: over[name] for name in ("placements", "hubs", "errors")} == {
        name: first[name] for name in ("placements", "hubs", "errors")
    }
    assert over["rollout"]["state"] == "CANCELLED"
    assert [error["code"] for error in late["errors"]] == ["ILLEGAL_TRANSITION"]


async def test_the_key_of_a_plan_is_good_for_no_other_rollout(hub: Hub, yard: Yard):
    one = (await make(hub, yard))["rollout"]["id"]
    other = (await make(hub, yard, name="S", idempotencyKey="k2"))["rollout"]["id"]
    await do(hub, "PlanRollout", rollout=one, key="p1")

    refused = await do(hub, "PlanRollout", rollout=other, key="p1")

    assert [error["code"] for error in refused["errors"]] == ["INVALID_INPUT"]
    assert len([line for line in await yard.lines() if line["hub_id"] is None]) == 5


async def test_sites_may_be_given_by_a_filter(hub: Hub, yard: Yard):
    made = await make(hub, yard, filter={"region": {"eq": "LAB"}}, quantity=2)

    assert made["rollout"]["counts"] == [{"state": "PLANNED", "lines": 2}]
    assert {line["site"]["code"] for line in await lines(hub)} == {"HH5"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sites": [{"code": "HH1"}, {"code": "XX"}]}, "1 of 2 sites are not known: 'XX'"),
        ({"sites": [{"code": "HH1"}, {"code": "HH1"}]}, "site 'HH1' (number 2 of 2) is named twice"),
        (
            {"sites": [{"code": "HH1", "wave": 1}, {"code": "HH2"}]},
            "site 'HH2' (number 2 of 2) has no wave, unlike",
        ),
        ({"sites": [{"code": "HH1", "quantity": 0}]}, "site 'HH1' (number 1 of 1): quantity 0 is not from 1 to 1000"),
        ({"sites": []}, "a rollout needs at least one site"),
        ({"sites": [{}]}, "site 1 of 1 needs either `siteId` or `code`, and only one"),
        ({"filter": {"region": {"eq": "MARS"}}}, "a rollout needs at least one site"),
        ({"haltPercent": 0}, "halt_percent 0 cannot be used: it must be from 1 to 100"),
        ({"name": "#7"}, "name '#7' cannot be used"),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_nothing_is_kept(
    hub: Hub, yard: Yard, given: dict[str, Any], message: str
):
    payload = await make(hub, yard, **given)

    [error] = payload["errors"]
    assert error["code"] == "INVALID_INPUT"
    assert message in error["message"]
    assert await yard.lines() == []


async def test_a_name_is_taken_once_and_a_key_makes_one_rollout(hub: Hub, yard: Yard):
    first, again = await make(hub, yard), await make(hub, yard)
    other = await make(hub, yard, idempotencyKey="k2")

    assert first["rollout"]["id"] == again["rollout"]["id"]
    assert other["errors"][0]["message"] == "there is a rollout called 'R' already"
    early = await do(hub, "StartRollout", rollout=first["rollout"]["id"], key="s1")
    assert early["errors"][0]["message"] == "rollout 'R' is draft: plan it first"


async def tasks(hub: Hub) -> list[dict[str, Any]]:
    found = await hub.query("{ tasks { nodes { id kind state } } }")
    return [task for task in found["tasks"]["nodes"] if task["state"] == "OPEN"]


async def lines(hub: Hub) -> list[dict[str, Any]]:
    found = await hub.query("{ rolloutLines { nodes { id state site { code } } } }")
    nodes: list[dict[str, Any]] = found["rolloutLines"]["nodes"]
    return nodes
