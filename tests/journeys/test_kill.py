"""The process is killed at the points of a fulfilment and of its undoing: nothing twice, nothing missing.

Each round brings a new ticket and kills the hub (SIGKILL) at the next point of it, while it also goes on with what
the earlier rounds left behind. The outside world is a server of its own and remembers what was really done.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fulfilment.killed_hub import SystemClock
from tests.fulfilment.scene import Scene, make_scene
from tests.fulfilment.world import World
from tests.journeys.killing import EVERYWHERE, Hub, served

from connector.model.lifecycle import RecoveryState, ReservationState, ShipmentStatus, TaskState, TicketState
from connector.model.refs import EntityKind
from connector.storage import tables
from connector_karrio.sandbox import KarrioSandbox
from connector_request_tracker.sandbox import RequestTrackerSandbox, SandboxTicket

TICKETS = 40
"""More than there are points."""
EVERY = 1 if EVERYWHERE else 5
"""Of the points of the two long ways one in so many is tried, beginning at another one in each run: a round takes
seconds, and a few runs try all of them."""

REQUESTS = [
    "after quote", "after buy label", "after buy label", "after download label", "after track", "after add note",
]  # fmt: skip
"""What Karrio and Request Tracker are asked to do for a ticket; the first and the last are always tried."""


def tried() -> range:
    """Numbers of the points that this run tries."""
    return range(random.randint(1, EVERY), TICKETS, EVERY)  # noqa: S311


async def newest(scene: Scene) -> int:
    return max((row["id"] for row in await scene.rows(tables.reservation)), default=0)


async def test_killed_at_the_points_of_a_fulfilment_everything_is_done_once(
    engine: AsyncEngine, killable_hub: Callable[..., Hub], world: World
):
    scene = await make_scene(engine, spares=TICKETS)
    points: list[str] = []

    hub = killable_hub(world=world.url)
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
    engine: AsyncEngine, killable_hub: Callable[..., Hub], world: World
):
    scene = await make_scene(engine, spares=TICKETS)
    count = TICKETS // EVERY
    tickets = [await scene.open_ticket(number=f"T{number}") for number in range(1, count + 1)]
    points: list[str] = []

    hub = killable_hub(world=world.url)
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
    engine: AsyncEngine, killable_hub: Callable[..., Hub], world: World
):
    scene = await make_scene(engine, spares=TICKETS)
    points: list[str] = []

    hub = killable_hub(world=world.url)
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
    engine: AsyncEngine, killable_hub: Callable[..., Hub], world: World
):
    count = 4
    scene = await make_scene(engine, spares=TICKETS)
    tickets = [await scene.open_ticket(number=f"T{number}") for number in range(1, count + 1)]
    points: list[str] = []

    hub = killable_hub(world=world.url)
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
    engine: AsyncEngine, killable_hub: Callable[..., Hub]
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
        hub = killable_hub(sources=sources, requests=True)
        between = range(2, len(REQUESTS))
        tried = [1, *(between if EVERYWHERE else [random.choice(between)]), len(REQUESTS), len(REQUESTS) + 1]  # noqa: S311
        for kill_at in tried:
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
    assert points == [REQUESTS[kill_at - 1] for kill_at in tried[:-1]]
    assert len(kept) == 1
    assert {row["external_id"] for row in await scene.rows(tables.shipment)} <= {item["id"] for item in bought}
    assert await scene.shelf() == (TICKETS, 1)
    for ticket in tickets:
        texts = [each.content for each in desk.desk.attachments if each.ticket == ticket.id]
        assert sum("A replacement is on its way." in text for text in texts) <= 1
        assert sum("was called back." in text for text in texts) <= 1


async def cancel(scene: Scene, ticket_id: int) -> None:
    await scene.change(tables.ticket, EntityKind.TICKET, ticket_id, state=TicketState.CANCELLED)
