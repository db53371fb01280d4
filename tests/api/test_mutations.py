"""Mutations over the hub's real fulfilment: a courier and a ticket desk behind HTTP, durable workflows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from connector.api.commands import hub_commands
from connector.api.schema.nodes import global_id
from connector.sdk import Batch, Connection
from connector.storage import tables
from tests.api.conftest import Hub, OpenHub
from tests.api.seed import seed
from tests.conftest import MovableClock
from tests.fulfilment.scene import Scene, make_engine, make_scene
from tests.fulfilment.world import World
from tests.ingest.adapters import scripted
from tests.ingest.conftest import Intake
from tests.ingest.records import count, site
from tests.ingest.records import hub as a_hub

OPERATIONS = Path(__file__).parents[2] / "graphql" / "operations"
DISPATCH = (OPERATIONS / "Dispatch.graphql").read_text(encoding="utf-8")
OPERATE = (OPERATIONS / "Operate.graphql").read_text(encoding="utf-8")


@dataclass
class Dispatcher:
    """A person at a hub whose fulfilment runs."""

    hub: Hub
    scene: Scene
    ticket: str

    async def do(self, name: str, text: str = DISPATCH, /, **variables: Any) -> Any:
        """The payload of one of the published mutations."""
        body = {"query": text, "operationName": name, "variables": variables}
        answer = (await self.hub.client.post("/graphql", json=body)).json()
        assert "errors" not in answer, answer
        (payload,) = answer["data"].values()
        return payload


Dispatching = Any


@pytest.fixture
def dispatching(engine: AsyncEngine, database: str, clock: MovableClock, open_hub: OpenHub) -> Dispatching:
    @asynccontextmanager
    async def dispatching(*, spares: int = 2) -> AsyncIterator[Dispatcher]:
        scene = await make_scene(engine, spares=spares)
        connections = World().connections(clock)
        fulfilment = make_engine(engine, database, connections, clock)
        await fulfilment.launch()
        try:
            ticket = await scene.open_ticket()
            commands = hub_commands(fulfilment.commands, engine, connections, clock)
            async with open_hub(commands=commands) as hub:
                yield Dispatcher(hub, scene, global_id("Ticket", ticket))
        finally:
            await fulfilment.close()

    return dispatching


async def test_a_unit_goes_from_reservation_to_its_site(dispatching: Dispatching):
    async with dispatching() as at:
        reserved = await at.do("Reserve", ticket=at.ticket, key="r1")
        again = await at.do("Reserve", ticket=at.ticket, key="r1")
        await at.scene.finished(1)
        task = await at.scene.row(tables.task, kind="pickup")
        picked = await at.do("ConfirmPickup", task=global_id("Task", task["id"]), key="p1")
        shipment = await at.scene.row(tables.shipment)
        received = await at.do("Receive", shipment=global_id("Shipment", shipment["id"]), key="g1")

    assert (reserved["outcome"], reserved["errors"]) == ("reserve", [])
    assert reserved["reservation"]["hub"] == {"name": "Berlin Depot"}
    assert again["reservation"]["id"] == reserved["reservation"]["id"]
    assert (picked["task"]["state"], picked["errors"]) == ("DONE", [])
    assert received == {
        "shipment": {
            "id": global_id("Shipment", shipment["id"]),
            "status": "DELIVERED",
            "deliveredAt": "2026-11-25T09:00:00Z",
        },
        "errors": [],
    }


async def test_what_was_done_for_a_ticket_is_undone_when_it_is_cancelled(dispatching: Dispatching):
    async with dispatching() as at:
        await at.do("Reserve", ticket=at.ticket, key="r1")
        await at.scene.finished(1)

        cancelled = await at.do("Cancel", ticket=at.ticket, reason="found the cable", key="c1")
        await at.scene.undone(1)

        assert cancelled["errors"] == []
        assert cancelled["ticket"]["id"] == at.ticket
        assert (await at.scene.row(tables.reservation))["state"].value == "released"
        assert await at.scene.shelf() == (2, 0)


async def test_a_released_unit_is_back_on_its_shelf_and_what_was_done_with_it_undone(dispatching: Dispatching):
    async with dispatching() as at:
        reserved = await at.do("Reserve", ticket=at.ticket, key="r1")
        await at.scene.finished(1)
        taken = await at.scene.shelf()
        reservation = reserved["reservation"]["id"]

        released = await at.do("Release", reservation=reservation, reason="wrong model", key="l1")
        await at.scene.undone(1)
        again = await at.do("Release", reservation=reservation, reason="wrong model", key="l1")
        anew = await at.do("Reserve", ticket=at.ticket, key="r2")
        await at.scene.finished(2)

        assert (taken, await at.scene.shelf()) == ((2, 1), (2, 1))
        assert [row["state"].value for row in await at.scene.rows(tables.reservation)] == ["released", "committed"]
    assert released["errors"] == again["errors"] == anew["errors"] == []
    assert again["reservation"] == {"id": reservation, "state": "RELEASED", "reason": "wrong model"}
    assert anew["reservation"]["id"] != reservation


async def test_a_claim_is_moved_to_another_unit_once_per_key_and_what_cannot_be_is_an_answer(dispatching: Dispatching):
    async with dispatching() as at:
        reserved = await at.do("Reserve", ticket=at.ticket, key="r1")
        await at.scene.finished(1)
        reservation, other = reserved["reservation"]["id"], global_id("Asset", at.scene.spare_ids[1])

        moved = await at.do("Move", reservation=reservation, unit=other, reason="scratched", key="m1")
        again = await at.do("Move", reservation=reservation, unit=other, reason="scratched", key="m1")
        extended = await at.do("Extend", reservation=reservation, until="2026-12-01T18:00:00Z", reason="x", key="e1")
        split = await at.do("Split", reservation=moved["reservation"]["id"], quantity=1, key="s1")
        await at.scene.undone(1)

        assert await at.scene.shelf() == (2, 1)
    assert moved["errors"] == again["errors"] == []
    assert again["reservation"]["id"] == moved["reservation"]["id"]
    replaced = {"id": reservation, "state": "RELEASED", "reason": "moved by api: scratched"}
    assert moved["reservation"]["replaces"] == replaced
    [late], [single] = extended["errors"], split["errors"]
    assert late["message"] == "reservation 1 is released: it has ended, so it is not extended"
    assert single["message"].startswith("reservation 2 has 1 unit: 1 cannot be split off")


async def test_a_refusal_is_an_answer_with_a_type(dispatching: Dispatching):
    async with dispatching(spares=1) as at:
        hub = global_id("Hub", at.scene.hub_id)
        reserved = await at.do("Reserve", ticket=at.ticket, hub=hub, key="r1")
        other = global_id("Ticket", await at.scene.open_ticket("4712"))

        no_stock = await at.do("Reserve", ticket=other, hub=hub, key="r2")
        unknown = await at.do("Receive", shipment=global_id("Shipment", 99), key="g1")
        wrong_id = await at.do("Receive", shipment=hub, key="g2")
        bad_key = await at.do("Release", reservation=reserved["reservation"]["id"], reason="x", key="a b")
        no_reason = await at.do("Release", reservation=reserved["reservation"]["id"], reason=" ", key="l1")

    assert reserved["errors"] == []
    assert no_stock["reservation"] is None
    refusals = [payload["errors"] for payload in (no_stock, unknown, wrong_id, bad_key, no_reason)]
    assert [[(item["__typename"], item["code"]) for item in errors] for errors in refusals] == [
        [("OutOfStockRefusal", "OUT_OF_STOCK")],
        [("NotFoundRefusal", "NOT_FOUND")],
        [("InvalidInputRefusal", "INVALID_INPUT")],
        [("InvalidInputRefusal", "INVALID_INPUT")],
        [("InvalidInputRefusal", "INVALID_INPUT")],
    ]
    assert unknown["errors"][0]["message"] == "there is no shipment with id 99"
    assert bad_key["errors"][0]["message"] == "idempotencyKey 'a b' cannot be used"


async def operator(hub: Hub, name: str, **variables: Any) -> Any:
    answer = (
        await hub.client.post("/graphql", json={"query": OPERATE, "operationName": name, "variables": variables})
    ).json()
    assert "errors" not in answer, answer
    (payload,) = answer["data"].values()
    return payload


async def test_a_source_is_pulled_now_and_its_quarantine_dealt_with(
    engine: AsyncEngine, database: str, clock: MovableClock, open_hub: OpenHub
):
    seeded = await seed(engine)
    adapter, connection = scripted(clock, name="itsm")
    adapter.scripts["things"] = [Batch(records=(site(),), resume="1")]
    connections: dict[str, Connection] = {"itsm": connection}
    fulfilment = make_engine(engine, database, connections, clock)
    commands = hub_commands(fulfilment.commands, engine, connections, clock)
    async with open_hub(commands=commands, connections=connections) as hub:
        synced = await operator(hub, "SyncSource", source=seeded.id("Source"), key="s1")
        pulls = len(adapter.asked)
        repeated = await operator(hub, "SyncSource", source=seeded.id("Source"), key="s1")
        other = await operator(hub, "SyncSource", source=global_id("Source", 99), key="s1")
        unknown = await operator(hub, "SyncSource", source=global_id("Source", 99), key="s2")
        wrong = await operator(hub, "SyncSource", source=seeded.id("Source"), streams=["nonsense"], key="s3")
        discarded = await operator(hub, "DiscardQuarantine", ids=[seeded.id("QuarantinedRecord")], key="d1")
        same = await operator(hub, "DiscardQuarantine", ids=[seeded.id("QuarantinedRecord")], key="d1")
        again = await operator(hub, "DiscardQuarantine", ids=[seeded.id("QuarantinedRecord")], key="d2")
        missing = await operator(hub, "ReplayQuarantine", ids=[global_id("QuarantinedRecord", 99)], key="q1")

    assert (synced["outcome"], synced["state"], synced["error"], synced["errors"]) == ("pulled", "OK", None, [])
    (stream,) = synced["streams"]
    assert (stream["name"], stream["seen"], stream["created"]) == ("things", 1, 1)
    assert synced["source"]["lastSuccessAt"] == "2026-11-25T09:00:00Z"
    assert unknown["errors"][0]["message"] == "source 99 is not connected"
    assert wrong["errors"][0]["__typename"] == "InvalidInputRefusal"
    assert (repeated, pulls, len(adapter.asked)) == (synced, 1, 1)
    assert other["errors"][0]["message"] == "source 99 is not connected"
    assert (discarded["settled"], same["settled"], again["settled"]) == (1, 1, 0)
    assert missing["errors"][0]["code"] == "NOT_FOUND"


async def test_a_record_in_quarantine_is_used_once_what_it_names_is_there(
    engine: AsyncEngine, database: str, clock: MovableClock, open_hub: OpenHub
):
    await seed(engine)
    intake = Intake(engine, clock)
    assert (await intake(count(quantity=7), source="itsm")).quarantined == 1
    ids = [global_id("QuarantinedRecord", (await intake.quarantine())[-1]["id"])]
    shelves = len(await intake.rows("stock"))
    fulfilment = make_engine(engine, database, {}, clock)
    commands = hub_commands(fulfilment.commands, engine, {}, clock)
    async with open_hub(commands=commands) as hub:
        too_early = await operator(hub, "ReplayQuarantine", ids=ids, key="q1")
        await intake(a_hub(), source="itsm")
        replayed = await operator(hub, "ReplayQuarantine", ids=ids, key="q2")
        same = await operator(hub, "ReplayQuarantine", ids=ids, key="q2")
        again = await operator(hub, "ReplayQuarantine", ids=ids, key="q3")

    assert [(answer["settled"], answer["errors"]) for answer in (too_early, replayed, same, again)] == [
        (0, []), (1, []), (1, []), (0, []),
    ]  # fmt: skip
    assert [row["on_hand"] for row in (await intake.rows("stock"))[shelves:]] == [7]
