"""Shelves that are filled up, over GraphQL: seen from the shelf, approved several at once, rejected, called off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.schema.nodes import global_id
from connector.fulfilment.low_shelves import LowShelves
from connector.model.kinds import Lane
from connector.rules.policy.reading import default_policy
from connector.storage import tables
from connector.storage.database.engine import transaction
from tests.api.conftest import Hub, OpenHub
from tests.api.test_keys import EVE, KEYS, bearer
from tests.conftest import MovableClock
from tests.factories import make_counted_stock
from tests.fulfilment.depots import Depots, make_depots

OPERATIONS = (Path(__file__).parents[2] / "graphql" / "operations" / "Replenishments.graphql").read_text()
FIRST, SECOND, GONE = (global_id("Replenishment", number) for number in (1, 2, 99))


@pytest.fixture
async def low(engine: AsyncEngine, clock: MovableClock) -> Depots:
    """Two shelves are low, of which the second can be given nothing."""
    depots = await make_depots(engine, there=4)
    async with transaction(engine) as tx:
        await make_counted_stock(
            tx, hub_id=depots.central_id, product_id=depots.product_id, on_hand=0, reorder_point=1, lane=Lane.LOANER
        )
    await LowShelves(engine, clock, default_policy()).sweep()
    return depots


async def ask(hub: Hub, name: str, /, **variables: Any) -> Any:
    body = {"query": OPERATIONS, "operationName": name, "variables": variables}
    answer = (await hub.client.post("/graphql", json=body)).json()
    assert "errors" not in answer, answer
    (found,) = answer["data"].values()
    return found


async def test_what_is_proposed_is_listed_with_its_reasons_and_seen_from_the_shelf(hub: Hub, low: Depots):
    found = await ask(hub, "Replenishments", first=5, states=["PROPOSED"])
    shelf = await hub.query(
        "query ($id: ID!) { node(id: $id) { ... on Stock { isLow replenishment { id state ticket { id } } } } }",
        id=global_id("Stock", low.stock_id),
    )

    assert found["totalCount"] == 2
    proposal = next(node for node in found["nodes"] if node["id"] == FIRST)
    assert (proposal["kind"], proposal["quantity"], proposal["hub"]["code"], proposal["rule"]) == (
        "TRANSFER", 3, "LOC", "any-shelf",
    )  # fmt: skip
    assert proposal["candidates"][0] == {
        "kind": "TRANSFER", "name": "CEN", "tier": "CENTRAL", "distanceKm": 504, "free": 4, "keeps": 1, "canGive": 3,
        "costCents": None, "takes": 3, "why": None,
    }  # fmt: skip
    assert shelf["node"] == {"isLow": True, "replenishment": {"id": FIRST, "state": "PROPOSED", "ticket": None}}


async def test_several_are_approved_each_by_itself_and_once_per_key(hub: Hub, low: Depots):
    ids = [FIRST, SECOND, GONE]

    done = await ask(hub, "ApproveReplenishments", replenishments=ids, key="k")
    again = await ask(hub, "ApproveReplenishments", replenishments=[FIRST], key="k")
    other = await ask(hub, "ApproveReplenishments", replenishments=[FIRST], key="k2")
    none = await ask(hub, "ApproveReplenishments", replenishments=[], key="k3")

    [approved] = done["replenishments"]
    assert (approved["id"], approved["state"], approved["decidedBy"]) == (FIRST, "APPROVED", "api")
    claims = approved["ticket"]["reservations"]
    assert [(claim["hub"]["code"], claim["toHub"]["code"]) for claim in claims] == [("CEN", "LOC")] * 3
    assert [error["code"] for error in done["errors"]] == ["ILLEGAL_TRANSITION", "NOT_FOUND"]
    assert "cannot go out: CEN (loaner) has 0 free" in done["errors"][0]["message"]
    assert (again["errors"], again["replenishments"][0]["state"]) == ([], "APPROVED")
    assert other["replenishments"] == []
    assert "is approved by api: it cannot be approved" in other["errors"][0]["message"]
    assert none["errors"][0]["message"] == "0 ids are given, 1 to 50 are allowed"
    assert len(await low.scene.rows(tables.ticket)) == 1


async def test_one_is_rejected_and_another_called_off(hub: Hub, low: Depots):
    rejected = await ask(hub, "RejectReplenishment", replenishment=SECOND, reason="closing down", key="r")
    early = await ask(hub, "CancelReplenishment", replenishment=FIRST, reason="no", key="c0")
    await ask(hub, "ApproveReplenishments", replenishments=[FIRST], key="k")
    cancelled = await ask(hub, "CancelReplenishment", replenishment=FIRST, reason="not now", key="c")

    assert rejected["replenishment"] == {"id": SECOND, "state": "REJECTED", "reason": "closing down"}
    assert early["errors"][0]["hint"] == "Reject it instead."
    assert cancelled == {"replenishment": {"id": FIRST, "state": "APPROVED", "cancelledBy": "api"}, "errors": []}


async def test_who_only_looks_may_not_approve(open_hub: OpenHub, low: Depots):
    async with open_hub(keys=KEYS) as hub:
        hub.client.headers.update(bearer(EVE))
        answer = await ask(hub, "ApproveReplenishments", replenishments=[FIRST], key="k")

    assert answer["errors"][0]["code"] == "FORBIDDEN"
    assert "'dispatcher' or 'planner'" in answer["errors"][0]["message"]
    assert await low.scene.rows(tables.ticket) == []
