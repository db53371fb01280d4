"""Sixteen workers at once, and workers that are killed: what is true afterwards is what was true before."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.invariants.moves import SWITCHES, TICKETS, Yard, known_yard, make_yard
from tests.invariants.truth import FINAL, broken_histories, lies, look

from connector.model.kinds import Lane
from connector.model.lifecycle import AssetState
from connector.storage import tables
from connector.storage.database.engine import open_engine, reading

WORKERS, MOVES_EACH = 16, 12
WEAK = (0, 1, 2)
"""Tickets that others may take from."""
ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("killed_workers.py")
KILLED_AT = (2, 9, 20, 33, 54, 80)
"""Writing statements of all workers together: each lies in the middle of a transaction."""


async def check(yard: Yard) -> None:
    """Everything that must be true is."""
    async with reading(yard.engine) as tx:
        scene = await look(tx, yard.products)
        assert lies(scene) == []
        assert await broken_histories(tx, scene) == []


async def give_everything_back(yard: Yard) -> None:
    """End what is live; then nothing is promised any more, and every reservation has ended once."""
    for number in (await yard.scene()).live:
        await yard.release(number)
    await check(yard)
    scene = await yard.scene()
    assert {claim.state for claim in scene.claims.values()} <= FINAL
    assert {book.reserved for book in scene.books.values()} == {0}


async def reasons(yard: Yard) -> set[str]:
    """How the reasons begin for which reservations have ended."""
    c = tables.reservation.c
    async with reading(yard.engine) as tx:
        rows = await tx.execute(select(c.reason).where(c.ticket_id.in_(yard.tickets), c.reason.is_not(None)))
        return {reason.partition(" ")[0] for reason in rows.scalars()}


@pytest.mark.parametrize("seed", [1, 2])
async def test_sixteen_workers_leave_books_units_and_reservations_agreeing(database: str, seed: int):
    engine = open_engine(database, pool_size=WORKERS)
    yard = await make_yard(engine, "yard")
    weak = await scarce(yard)

    async def worker(number: int) -> None:
        rng = random.Random(f"{seed}-{number}")  # noqa: S311 - to be the same each time
        for _ in range(MOVES_EACH):
            await yard.at_random(rng)

    async with asyncio.timeout(120):
        await asyncio.gather(*(contend(yard, weak, number) for number in range(WORKERS)))  # while all of it is held
        await asyncio.gather(*(worker(number) for number in range(WORKERS)))

    assert {"its", "split", "moved"} <= await reasons(yard), "units were taken over, split off and moved"
    assert len(await yard.numbers()) > len(yard.tickets)
    await check(yard)
    await give_everything_back(yard)
    await engine.dispose()


async def scarce(yard: Yard) -> list[int]:
    """Weak tickets hold all switches that are left, and one of them cables; their claims, that of the cables last."""
    await yard.weaken(*WEAK)
    for unit in range(SWITCHES - len(WEAK)):
        await yard.state_unit(unit=unit, hub="north", lane=Lane.NORMAL, state=AssetState.LOST, is_router=False)
    for ticket in WEAK:
        await yard.decide(ticket=ticket)
    await yard.claim(kind="cable", ticket=WEAK[0], hub="north", quantity=3)
    await yard.claim(kind="cable", ticket=WEAK[1], hub="north", quantity=1)
    numbers = await yard.numbers()
    assert len(numbers) == len(WEAK) + 2
    return numbers


async def contend(yard: Yard, weak: list[int], number: int) -> None:
    """The first move of a worker: all at once want the same claims."""
    match number % 4:
        case 0 | 1:
            await yard.take_over(ticket=len(WEAK) + number % (TICKETS - len(WEAK)))
        case 2:
            await yard.extend(weak[number % len(WEAK)], minutes=50 + number)
            await yard.split(weak[-2], quantity=1)
        case _:
            await yard.move(weak[-1], hub="south", kind="cable")


async def test_workers_killed_in_the_middle_of_a_transaction_leave_nothing_half_done(database: str):
    engine: AsyncEngine = open_engine(database)
    yard = await make_yard(engine, "yard")
    await yard.weaken(*WEAK)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    script = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), database, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert script.stdin is not None
    assert script.stdout is not None

    for generation, kill_at in enumerate(KILLED_AT, start=1):
        order = {"kill_at": kill_at, "seed": generation, "first_version": generation * 10_000}
        script.stdin.write(f"{json.dumps(order)}\n".encode())
        ended = json.loads(await script.stdout.readline())
        assert ended == {"died": signal.SIGKILL}

        yard = await known_yard(engine, "yard")
        await check(yard)
    script.stdin.close()
    assert await script.wait() == 0

    await give_everything_back(yard)
    await engine.dispose()
