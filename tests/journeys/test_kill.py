"""The process is killed at the points of a fulfilment and of its undoing: nothing twice, nothing missing.

Each round brings a new ticket and kills the hub (SIGKILL) at the next point of it, while it also goes on with what
the earlier rounds left behind. The outside world is a server of its own and remembers what was really done.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from tests.fulfilment.killed_hub import SystemClock
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.world import World

from connector.model.lifecycle import RecoveryState, ReservationState, ShipmentStatus, TaskState, TicketState
from connector.model.refs import EntityKind
from connector.storage import tables
from connector_karrio.sandbox import KarrioSandbox
from connector_request_tracker.sandbox import RequestTrackerSandbox, SandboxTicket

TICKETS = 40
"""More than there are points."""
EVERY = 5
"""Of the points of the two long ways one in so many is tried, beginning at another one in each run: a round takes
seconds, and a few runs try all of them."""


def tried() -> range:
    """Numbers of the points that this run tries."""
    return range(random.randint(1, EVERY), TICKETS, EVERY)  # noqa: S311


class Hub:
    """The hub as the tests see it: a process that is run until something is done, or is killed before."""

    def __init__(self, process: asyncio.subprocess.Process, trace: Path) -> None:
        self._process = process
        self._trace = trace

    async def run(
        self, wanted: dict[str, int], *, kill_at: int | None = None, after: int = 0, only: str | None = None
    ) -> str | None:
        """Run the hub; the name of the point at which it was killed, None when it got done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"kill_at": kill_at, "after": after, "wanted": wanted, "only": only}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        answer = json.loads(await self._process.stdout.readline())
        if answer["died"] == signal.SIGKILL:
            return self._trace.read_text()
        assert answer["status"] == 0
        return None


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    """The address of an application on a loopback port."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """The outside world on a loopback port."""
    world = World()
    async with served(world.app()) as world.url:
        yield world


@asynccontextmanager
async def killable_hub(database: str, tmp_path: Path, **outside: Any) -> AsyncIterator[Hub]:
    trace = tmp_path / "point"
    config = {"database": database, "trace": str(trace), **outside}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fulfilment.killed_hub",
        json.dumps(config),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield Hub(process, trace)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def newest(scene: Scene) -> int:
    return max((row["id"] for row in await scene.rows(tables.reservation)), default=0)


async def test_killed_at_the_points_of_a_fulfilment_everything_is_done_once(
    engine: AsyncEngine, database: str, world: World, tmp_path: Path
):
    scene = await make_scene(engine, spares=TICKETS)
    points: list[str] = []

    async with killable_hub(database, tmp_path, world=world.url) as hub:
        for number, kill_at in enumerate(tried(), start=1):
            await scene.open_ticket(number=f"T{number}")
            point = await hub.run({"state": number}, kill_at=kill_at, after=await newest(scene))
            if point is None:
                break
            points.append(point)
        count = len(points) + 1
        await hub.run({"state": count})

    assert kill_at > 18
    assert len(points) >= 18 // EVERY
    reservations = await scene.rows(tables.reservation)
    assert [row["state"] for row in reservations] == [ReservationState.COMMITTED] * count
    assert len({row["asset_id"] for row in reservations}) == count
    assert await scene.shelf() == (TICKETS, count)
    assert len(await scene.rows(tables.decision)) == count
    assert await scene.tasks() == [("pickup", "open")] * count
    assert len(world.bought()) == len(world.labels) == count
    shipments = await scene.rows(tables.shipment)
    assert sorted(row["tracking_number"] for row in shipments) == sorted(world.labels)
    assert sorted(world.tracked) == sorted(world.labels)
    assert Counter(note["ticket"] for note in world.notes) == {f"T{n}": 1 for n in range(1, count + 1)}


async def test_killed_at_the_points_of_a_cancellation_everything_is_undone_once(
    engine: AsyncEngine, database: str, world: World, tmp_path: Path
):
    scene = await make_scene(engine, spares=TICKETS)
    count = 8
    tickets = [await scene.open_ticket(number=f"T{number}") for number in range(1, count + 1)]
    points: list[str] = []

    async with killable_hub(database, tmp_path, world=world.url) as hub:
        await hub.run({"state": count})
        for number, (ticket_id, kill_at) in enumerate(zip(tickets, tried(), strict=False), start=1):
            [reservation] = await scene.rows(tables.reservation, ticket_id=ticket_id)
            await cancel(scene, ticket_id)
            point = await hub.run({"undo-note": number}, kill_at=kill_at, after=reservation["id"] - 1)
            if point is None:
                break
            points.append(point)
        undone = len(points) + 1
        assert undone < count
        await hub.run({"undo-note": undone})

    assert kill_at > 12
    assert len(points) >= 12 // EVERY
    assert await scene.shelf() == (TICKETS, count - undone)
    states = Counter(row["state"] for row in await scene.rows(tables.reservation))
    assert states == {ReservationState.RELEASED: undone, ReservationState.COMMITTED: count - undone}
    statuses = Counter(row["status"] for row in await scene.rows(tables.shipment))
    assert statuses == {ShipmentStatus.CANCELLED: undone, ShipmentStatus.LABEL_CREATED: count - undone}
    tasks = Counter(row["state"] for row in await scene.rows(tables.task))
    assert tasks == {TaskState.CANCELLED: undone, TaskState.OPEN: count - undone}
    assert len(world.labels) == count
    assert len(world.bought()) == count - undone
    told = Counter(note["ticket"] for note in world.notes)
    assert told == {f"T{n}": 2 if n <= undone else 1 for n in range(1, count + 1)}


async def test_cancelled_wherever_the_fulfilment_was_killed_nothing_is_left(
    engine: AsyncEngine, database: str, world: World, tmp_path: Path
):
    scene = await make_scene(engine, spares=TICKETS)
    points: list[str] = []

    async with killable_hub(database, tmp_path, world=world.url) as hub:
        for kill_at in (*range(random.randint(3, 7), 16, 5), 16):  # noqa: S311
            ticket_id = await scene.open_ticket(number=f"T{kill_at}")
            point = await hub.run({"state": TICKETS}, kill_at=kill_at, after=await newest(scene))
            assert point is not None
            points.append(point)
            await cancel(scene, ticket_id)
        await hub.run({"undo-note": len(points)})

    states = {row["state"] for row in await scene.rows(tables.reservation)}
    assert states == {ReservationState.RELEASED}
    assert await scene.shelf() == (TICKETS, 0)
    assert world.bought() == []
    assert {row["status"] for row in await scene.rows(tables.shipment)} == {ShipmentStatus.CANCELLED}
    assert {row["state"] for row in await scene.rows(tables.task)} == {TaskState.CANCELLED}
    assert points[-1] == "after push"  # the ticket has its note, and nobody kept the receipt
    assert set(Counter(note["ticket"] for note in world.notes).values()) == {2}


async def test_killed_at_every_point_of_a_recovery_there_is_one_second_unit(
    engine: AsyncEngine, database: str, world: World, tmp_path: Path
):
    count = 4
    scene = await make_scene(engine, spares=TICKETS)
    tickets = [await scene.open_ticket(number=f"T{number}") for number in range(1, count + 1)]
    points: list[str] = []

    async with killable_hub(database, tmp_path, world=world.url) as hub:
        await hub.run({"state": count})
        for number, ticket_id in enumerate(tickets, start=1):
            [parcel] = await scene.rows(tables.shipment, ticket_id=ticket_id)
            for status in (ShipmentStatus.PICKED_UP, ShipmentStatus.LOST):
                await scene.change(tables.shipment, EntityKind.SHIPMENT, parcel["id"], status=status)
            point = await hub.run({"state": TICKETS}, kill_at=number, after=await newest(scene))
            assert point is not None
            points.append(point)
        await hub.run({"state": 2 * count, "note": 3 * count})

    assert {"recovery written, not committed", "before start_recovery", "after start_recovery"} <= set(points)
    states = [(row["ticket_id"], row["state"]) for row in await scene.rows(tables.reservation)]
    second = (ReservationState.FULFILLED, ReservationState.COMMITTED)
    assert sorted(states) == sorted((ticket_id, state) for ticket_id in tickets for state in second)
    found = await scene.rows(tables.recovery)
    assert [(row["ticket_id"], row["state"]) for row in found] == [(n, RecoveryState.SOURCED) for n in tickets]
    assert len({row["reservation_id"] for row in found}) == count
    assert await scene.shelf() == (TICKETS - count, count)
    assert len(world.bought()) == len(world.labels) == 2 * count
    told = Counter(note["ticket"] for note in world.notes)
    assert told == {f"T{n}": 3 for n in range(1, count + 1)}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_killed_after_every_request_to_request_tracker_and_karrio_nothing_happens_twice(
    engine: AsyncEngine, database: str, tmp_path: Path
):
    clock = SystemClock()
    desk, parcels = RequestTrackerSandbox(clock), KarrioSandbox(clock, journey=())
    scene = await make_scene(engine, spares=TICKETS)
    tickets: list[SandboxTicket] = []
    points: list[str] = []

    async with served(desk.app()) as itsm, served(parcels.app()) as courier:
        sources = {
            "itsm": {"adapter": "request_tracker", "settings": {**desk.settings(), "base_url": itsm}},
            "courier": {"adapter": "karrio", "settings": {**parcels.settings(), "base_url": courier}},
        }
        async with killable_hub(database, tmp_path, sources=sources, requests=True) as hub:
            for kill_at in range(1, TICKETS):
                tickets.append(desk.open_ticket())
                ticket_id = await scene.open_ticket(number=str(tickets[-1].id))
                point = await hub.run({"state": await scene.receipts("state") + 1}, kill_at=kill_at)
                if point is None:
                    break
                points.append(point)
                await cancel(scene, ticket_id)
                await hub.run({"undo-note": len(points)})

    bought = [item for item in parcels.office.shipments.values() if item["tracking_number"]]
    kept = [item for item in bought if item["status"] != "cancelled"]
    assert points[1:] == ["after buy label", "after buy label", "after download label", "after track", "after add note"]
    assert len(kept) == 1
    assert {row["external_id"] for row in await scene.rows(tables.shipment)} <= {item["id"] for item in bought}
    assert await scene.shelf() == (TICKETS, 1)
    for ticket in tickets:
        texts = [each.content for each in desk.desk.attachments if each.ticket == ticket.id]
        assert sum("A replacement is on its way." in text for text in texts) <= 1
        assert sum("was called back." in text for text in texts) <= 1


async def cancel(scene: Scene, ticket_id: int) -> None:
    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.CANCELLED)
