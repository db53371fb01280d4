"""What must be true once everything has come to rest, whatever was done to the hub."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from sqlalchemy import select

from connector.model.lifecycle import RESERVATION_LIVE, ReservationState
from connector.storage import tables
from connector.storage.database.engine import reading
from tests.chaos.world import World
from tests.invariants.truth import broken_histories, lies, look
from tests.journeys.following import logged

Truth: TypeAlias = Callable[[World], Awaitable[list[str]]]
NOTE = "A replacement is on its way."


async def webhooks_are_dealt_with(world: World) -> list[str]:
    """Every webhook that was answered 202 is applied; none is in quarantine."""
    waiting = await world.scene.rows(tables.inbox, processed_at=None)
    refused = await world.scene.rows(tables.quarantine, stream="webhooks")
    return [f"webhook {row['id']} waits: {row['error']}" for row in waiting] + [row["reason"] for row in refused]


async def tickets_have_one_outcome(world: World) -> list[str]:
    """Each accepted ticket is there once; it has one committed unit, or none where it was withdrawn."""
    numbers = Counter(row["number"] for row in await world.scene.rows(tables.ticket))
    ids = {row["number"]: row["id"] for row in await world.scene.rows(tables.ticket)}
    claims = await world.scene.rows(tables.reservation)
    found = []
    for number in world.accepted:
        if numbers[str(number)] != 1:
            found.append(f"ticket {number} is there {numbers[str(number)]} times")
            continue
        states = [row["state"] for row in claims if row["ticket_id"] == ids[str(number)]]
        live = [state for state in states if state in RESERVATION_LIVE]
        wanted = [] if number in world.withdrawn else [ReservationState.COMMITTED]
        if live != wanted:
            found.append(f"ticket {number} has reservations {[state.value for state in states]}, live: {wanted} wanted")
    return found


async def people_are_told_once(world: World) -> list[str]:
    """The desk has one note that a replacement is on its way for each ticket that got one."""
    found = []
    for number, ticket in world.accepted.items():
        told = sum(NOTE in text for text in world.notes(ticket))
        if told > 1 or (told == 0 and number not in world.withdrawn):
            found.append(f"ticket {number} was told {told} times")
    return found


async def stock_adds_up(world: World) -> list[str]:
    """Books, units, claims and their histories agree."""
    async with reading(world.database) as tx:
        scene = await look(tx, [world.scene.product_id])
        return lies(scene) + await broken_histories(tx, scene)


async def labels_are_known_or_void(world: World) -> list[str]:
    """Each label that the courier sold is a parcel of the hub's, or was handed back; none was bought twice."""
    sold = {
        item["tracking_number"] for item in world.office.office.shipments.values()
        if item["tracking_number"] and item["status"] != "cancelled"
    }  # fmt: skip
    known = Counter(row["tracking_number"] for row in await world.scene.rows(tables.shipment))
    return [f"label {number} is not known" for number in sold if number not in known] + [
        f"label {number} is known {count} times" for number, count in known.items() if number and count > 1
    ]


async def followers_saw_everything_once(world: World) -> list[str]:
    """Each subscriber, however often it came back, has every event once and in order."""
    found = []
    for number, follower in enumerate(world.followers):
        wanted = await logged(world.database, follower.after)
        if follower.cursors != wanted:
            missing, extra = set(wanted) - set(follower.cursors), len(follower.cursors) - len(set(follower.cursors))
            found.append(f"follower {number}: {len(missing)} missing, {extra} twice, of {len(wanted)}")
    return found


async def followers_were_told_why(world: World) -> list[str]:
    """Whoever could not follow for a while was told that the hub is away, and nothing else."""
    return [text for text in world.told_followers if "UNAVAILABLE" not in text and "503" not in text]


async def the_log_has_no_gap(world: World) -> list[str]:
    """Positions of the change log are one after the other."""
    async with reading(world.database) as tx:
        positions = list(
            (await tx.execute(select(tables.change.c.position).order_by(tables.change.c.position))).scalars()
        )
    unpublished = positions.count(None)
    given = [position for position in positions if position is not None]
    gaps = [b for a, b in itertools.pairwise(given) if b != a + 1]
    return [f"gap before position {b}" for b in gaps] + ([f"{unpublished} unpublished"] if unpublished else [])


TRUTHS: tuple[Truth, ...] = (
    webhooks_are_dealt_with, tickets_have_one_outcome, people_are_told_once, stock_adds_up, labels_are_known_or_void,
    followers_saw_everything_once, followers_were_told_why, the_log_has_no_gap,
)  # fmt: skip


async def violations(world: World) -> dict[str, list[str]]:
    """What is not true, by truth."""
    return {truth.__name__: await truth(world) for truth in TRUTHS}
