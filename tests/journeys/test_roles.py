"""Processes that answer and processes that work, on one database; a worker is killed and all goes on."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fulfilment.killed_hub import SystemClock
from tests.fulfilment.scene import Scene, make_scene
from tests.journeys.following import eventually
from tests.journeys.killing import served
from tests.journeys.served import Served
from tests.journeys.test_processes import are_fulfilled, are_pulled, post

from connector.api.schema.nodes import global_id
from connector.model.lifecycle import ReservationState
from connector.storage import tables
from connector.storage.database.engine import reading
from connector_karrio.sandbox import KarrioSandbox
from connector_request_tracker.mapping import ticket_ref
from connector_request_tracker.sandbox import RequestTrackerSandbox

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

DOES = "this process does the watching of sources"
RELEASE = """mutation ($id: ID!) { release(input: {
  reservationId: $id, reason: "not needed", idempotencyKey: "one"
}) { isFinished errors { code message } } }"""
SYNC = """mutation ($id: ID!, $key: String!) { syncSource(input: { sourceId: $id, idempotencyKey: $key }) {
  outcome streams { name outcome } errors { code message }
} }"""

Start = Callable[..., Served]


@pytest.fixture
def start(database: str, tmp_path: Path) -> Iterator[Start]:
    """Starts processes of a role, each time as on a machine of its own: with a port and a log of their own."""
    hubs: list[Served] = []

    def one(role: str, count: int = 1, **environment: str) -> Served:
        directory = tmp_path / f"{role}-{len(hubs)}"
        directory.mkdir()
        given = {
            "CONNECTOR_DATABASE": database,
            "CONNECTOR_AUTH__ANONYMOUS": "true",
            "CONNECTOR_SERVER__ROLE": role,
            "CONNECTOR_POSTGRESQL__POOL_SIZE": "4",
            "CONNECTOR_POSTGRESQL__DIRECT_CONNECTIONS": "3",
        }
        hubs.append(Served(directory, count, {**given, **environment}))
        return hubs[-1]

    yield one
    for hub in hubs:
        hub.close()


async def say(hub: Served, query: str, **variables: Any) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        answer = (await client.post(f"{hub.url}/graphql", json={"query": query, "variables": variables})).json()
    assert "errors" not in answer, answer
    return next(iter(answer["data"].values()))


async def status(hub: Served, path: str) -> int:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        return (await client.get(f"{hub.url}{path}")).status_code


async def does(*hubs: Served) -> list[bool]:
    """Which of them sees to the sources."""
    return [DOES in hub.log for hub in hubs]


async def source_id(engine: AsyncEngine, name: str) -> str:
    async with reading(engine) as tx:
        key = (await tx.execute(select(tables.source.c.id).where(tables.source.c.name == name))).scalar_one()
    return global_id("Source", key)


async def test_what_comes_in_where_requests_are_answered_is_done_by_workers_though_one_is_killed(
    engine: AsyncEngine, start: Start, redis_url: str
):
    count, clock = 2, SystemClock()
    desk, parcels = RequestTrackerSandbox(clock), KarrioSandbox(clock, journey=())
    scene = await make_scene(engine, spares=count)

    async with served(desk.app()) as itsm, served(parcels.app()) as courier:
        once_a_year = {"schedule": "0 0 1 1 *"}
        sources = {
            "itsm": {"adapter": "request_tracker", **desk.settings(), "base_url": itsm, **once_a_year},
            "parcels": {"adapter": "karrio", **parcels.settings(), "base_url": courier, **once_a_year},
        }
        given = {
            "CONNECTOR_REDIS": redis_url,
            "CONNECTOR_SOURCES": json.dumps(sources),
            "CONNECTOR_FULFILMENT": '{"courier": "parcels"}',
        }
        front = start("api", 2, **given)
        await front.listening()
        itsm_id = await source_id(engine, "itsm")
        first = start("worker", **given)
        await first.listening()
        await eventually(lambda: _leads(first))
        second = start("worker", **given)
        await second.listening()
        await eventually(lambda: are_pulled(scene))

        assert [await status(first, path) for path in ("/healthz", "/readyz", "/graphql", "/webhooks/itsm")] == [
            200, 200, 404, 404,
        ]  # fmt: skip
        [device, *_] = await scene.rows(tables.asset, site_id=scene.site_id)
        ticket = desk.open_ticket(CustomFields={"Asset Tag": device["asset_tag"]})
        assert await post(front, [desk.webhook(ticket_ref(ticket.id), at=clock.now()).request]) == [202]
        await eventually(lambda: are_fulfilled(scene, 1))
        assert await does(front, first, second) == [False, True, False]

        os.kill(first.parent.pid, signal.SIGKILL)
        other = desk.open_ticket(CustomFields={"Asset Tag": device["asset_tag"]})
        assert await post(front, [desk.webhook(ticket_ref(other.id), at=clock.now()).request]) == [202]
        await eventually(lambda: _leads(second))
        pulled = await say(front, SYNC, id=itsm_id, key="again")
        assert (pulled["outcome"], pulled["errors"]) == ("pulled", [])
        assert {stream["outcome"] for stream in pulled["streams"]} == {"pulled"}
        await eventually(lambda: _has_tickets(scene, 2))

        [reservation, *_] = await scene.rows(tables.reservation, state=ReservationState.COMMITTED)
        gone = await say(front, RELEASE, id=global_id("Reservation", reservation["id"]))
        assert gone == {"isFinished": True, "errors": []}
        assert front.stop() == second.stop() == 0


async def _leads(hub: Served) -> bool:
    return DOES in hub.log


async def _has_tickets(scene: Scene, count: int) -> bool:
    return len(await scene.rows(tables.ticket)) == count
