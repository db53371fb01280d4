"""Returns of failed units over GraphQL: found, received, refused, called off."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.schema.nodes import global_id
from connector.storage import tables
from connector.storage.database.engine import transaction
from tests.api.conftest import Hub, OpenHub
from tests.api.seed import Seeded, seed
from tests.api.test_keys import EVE, KEYS, bearer
from tests.factories import NOW, insert_row

OPERATIONS = (Path(__file__).parents[2] / "graphql" / "operations" / "Returns.graphql").read_text()
RMA = global_id("Rma", 1)


@pytest.fixture
async def swapped(engine: AsyncEngine) -> Seeded:
    """The replacement is at its site; the device that has failed should have been back an hour ago."""
    seeded = await seed(engine)
    async with transaction(engine) as tx:
        failed = tables.asset.c.id == seeded.asset
        await tx.execute(tables.asset.update().where(failed).values(state="return_pending"))
        due = NOW - timedelta(hours=1)
        await insert_row(
            tx, tables.rma,
            {"ticket_id": seeded.ticket, "line": 1, "asset_id": seeded.asset, "product_id": seeded.product,
             "quantity": 1, "reservation_id": seeded.reservation, "hub_id": seeded.hub, "site_id": seeded.site,
             "state": "expected", "due_back_at": due, "overdue_since": due, "created_at": NOW, "updated_at": NOW},
        )  # fmt: skip
    return seeded


async def ask(hub: Hub, name: str, /, **variables: Any) -> Any:
    body = {"query": OPERATIONS, "operationName": name, "variables": variables}
    answer = (await hub.client.post("/graphql", json=body)).json()
    assert "errors" not in answer, answer
    (found,) = answer["data"].values()
    return found


async def test_what_is_overdue_is_one_filter_and_seen_from_ticket_and_asset(hub: Hub, swapped: Seeded):
    found = await ask(hub, "Returns", first=5)
    around = await hub.query(
        "query ($id: ID!, $rma: ID!) { ticket(id: $id) { rmas { number line reservation { id } procurement { id } "
        "asset { rmas { totalCount } } } } rma(id: $rma) { number receivedAsset { id } } "
        "node(id: $rma) { ... on Rma { state } } }",
        id=swapped.id("Ticket"), rma=RMA,
    )  # fmt: skip

    assert found["totalCount"] == 1
    [rma] = found["nodes"]
    assert (rma["id"], rma["number"], rma["state"], rma["hub"]["code"], rma["asset"]["serial"]) == (
        RMA, "RMA-1", "EXPECTED", "BER", "FOC1",
    )  # fmt: skip
    assert around == {
        "ticket": {"rmas": [{"number": "RMA-1", "line": 1, "reservation": {"id": swapped.id("Reservation")},
                             "procurement": None, "asset": {"rmas": {"totalCount": 1}}}]},
        "rma": {"number": "RMA-1", "receivedAsset": None},
        "node": {"state": "EXPECTED"},
    }  # fmt: skip


async def test_a_unit_is_received_once_and_another_one_is_refused_as_data(hub: Hub, swapped: Seeded):
    extended = await ask(
        hub, "ExtendRma", rma=RMA, until=(NOW + timedelta(days=2)).isoformat(), reason="still in use", key="e"
    )
    sent = await ask(hub, "SendReturn", rma=RMA, carrier="dhl", trackingNumber="1Z9", key="s")
    wrong = await ask(hub, "ReceiveReturn", rma=RMA, serial="NOPE-1", key="w")
    first = await ask(hub, "ReceiveReturn", rma=RMA, serial="foc1", condition="burnt", key="k1")
    again = await ask(hub, "ReceiveReturn", rma=RMA, serial="foc1", condition="burnt", key="k1")
    other = await ask(hub, "ReceiveReturn", rma=RMA, serial="foc1", key="k2")

    assert (extended["errors"], extended["rma"]["overdueSince"]) == ([], None)
    assert (sent["rma"]["state"], sent["rma"]["trackingNumber"]) == ("IN_TRANSIT", "1Z9")
    assert (wrong["rma"], [error["code"] for error in wrong["errors"]]) == (None, ["INVALID_INPUT"])
    assert wrong["errors"][0]["message"].startswith("RMA-1 expects Acme Switch 48 (serial FOC1, asset tag ")
    assert "acceptDifferent" in wrong["errors"][0]["hint"]
    assert first == again
    assert (first["errors"], first["isDifferent"], first["rma"]["condition"]) == ([], False, "burnt")
    assert first["rma"]["receivedHub"] == {"code": "BER"}
    assert first["rma"]["receivedAsset"] == {"serial": "FOC1", "state": "QUARANTINED", "hub": {"code": "BER"}}
    assert other["errors"] == [
        {"__typename": "IllegalTransitionRefusal", "code": "ILLEGAL_TRANSITION",
         "message": "RMA-1 is received: its unit is back already, so it cannot be received", "hint": ""}
    ]  # fmt: skip


async def test_a_different_unit_is_taken_when_somebody_says_so(hub: Hub, swapped: Seeded):
    done = await ask(hub, "ReceiveReturn", rma=RMA, serial="NOPE-1", acceptDifferent=True, key="k")

    assert (done["isDifferent"], done["rma"]["receivedAsset"]["serial"]) == (True, "NOPE-1")
    expected = await hub.query("query ($id: ID!) { asset(id: $id) { state } }", id=swapped.id("Asset"))
    assert expected == {"asset": {"state": "DEPLOYED"}}


async def test_a_return_that_is_called_off_leaves_its_device_in_use(hub: Hub, swapped: Seeded):
    done = await ask(hub, "CancelRma", rma=RMA, reason="it works again", key="k")

    assert done == {
        "rma": {"id": RMA, "number": "RMA-1", "state": "CANCELLED", "reason": "it works again", "cancelledBy": "api",
                "asset": {"state": "DEPLOYED"}},
        "errors": [],
    }  # fmt: skip


async def test_who_only_looks_may_not_receive(open_hub: OpenHub, swapped: Seeded):
    async with open_hub(keys=KEYS) as hub:
        hub.client.headers.update(bearer(EVE))
        answer = await ask(hub, "ReceiveReturn", rma=RMA, serial="FOC1", key="k")

    assert answer["errors"][0]["code"] == "FORBIDDEN"
    assert "'technician'" in answer["errors"][0]["message"]
