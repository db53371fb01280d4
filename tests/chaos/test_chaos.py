"""The hub is broken in every way at random times while it works; afterwards everything is as if nothing had happened.

`make test-chaos` runs it. CHAOS_SECONDS: for how long faults come. CHAOS_SEED: which ones; a run says its own.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from time import monotonic

import pytest

from connector.storage.migrations import migrate
from tests.chaos import faults
from tests.chaos.servers import Postgres, RedisBehindWire
from tests.chaos.truths import violations
from tests.chaos.world import World, world

pytestmark = pytest.mark.skipif("CHAOS_SECONDS" not in os.environ, reason="make test-chaos runs it")
SECONDS = float(os.environ.get("CHAOS_SECONDS", "15"))
REST_S = 120.0
"""Until everything has come to rest after the last fault."""
LOOK_S = 0.5


async def break_it(found: World, ways: Mapping[str, faults.Fault]) -> Counter[str]:
    """Let incidents come, and things go wrong, for a while; how often each did."""
    done: Counter[str] = Counter()
    reporting = asyncio.create_task(found.report())
    until = monotonic() + SECONDS
    try:
        while monotonic() < until:
            await asyncio.sleep(found.chance.uniform(0, 1.0))
            name = found.chance.choice(list(ways))
            done[name] += 1
            await ways[name]()
            assert not reporting.done() or reporting.exception() is None, reporting
    finally:
        for wire in found.wires.values():
            wire.going.set()
            wire.losing = 0
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
    return done


async def rest(found: World) -> dict[str, list[str]]:
    """Wait until everything is as it has to be; what is not, in the end."""
    until = monotonic() + REST_S
    while True:
        wrong = await violations(found)
        if not any(wrong.values()) or monotonic() > until:
            return wrong
        await asyncio.sleep(LOOK_S)


def told(seed: int, found: World, done: Mapping[str, int], wrong: Mapping[str, list[str]], rest_s: float) -> str:
    """What happened, as a table."""
    lines = [f"seed {seed}: {len(found.accepted)} tickets, {len(found.withdrawn)} of them withdrawn; "
             f"at rest {rest_s:.1f} s after the last fault"]  # fmt: skip
    lines += [f"{count:6} × {name}" for name, count in sorted(done.items())]
    lines += [f"{len(each):6} violations of {name}" for name, each in wrong.items()]
    lines += [f"       {name}: {text}" for name, each in wrong.items() for text in each[:5]]
    return "\n".join(lines)


async def run(found: World, seed: int, ways: Mapping[str, faults.Fault]) -> None:
    done = await break_it(found, ways)
    begun = monotonic()
    wrong = await rest(found)
    table = told(seed, found, done, wrong, monotonic() - begun)
    print(f"\n{table}")  # noqa: T201 - the table is what the run is for
    assert not any(wrong.values()), f"{table}\n\n{found.hub.log[-20_000:]}"
    assert found.accepted


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("CHAOS_SEED") or random.randrange(1_000_000))  # noqa: S311


@pytest.mark.usefixtures("postgres")  # which sees to where servers have their sockets
async def test_many_processes_on_postgresql_and_redis(tmp_path: Path, seed: int):
    postgres, redis = Postgres(), RedisBehindWire(tmp_path)
    try:
        await postgres.wire.begin()
        await redis.wire.begin()
        await asyncio.to_thread(migrate, postgres.direct)
        async with world(tmp_path, postgres.url, postgres.direct, seed, 2, CONNECTOR_REDIS=redis.url) as found:
            found.wires |= {"database": postgres.wire, "redis": redis.wire}
            await run(
                found,
                seed,
                {
                    "a process is killed": faults.kill_process(found),
                    "all processes are killed": faults.kill_all(found),
                    "a process stands still": faults.stop_process(found),
                    "the way to the database is cut": faults.cut(postgres.wire),
                    "the database hangs": faults.hang(postgres.wire, found, 2),
                    "commits lose their answers": faults.lose_answers(postgres.wire, found),
                    "the database sends all away": faults.terminate(postgres),
                    "the database is restarted": faults.restart(postgres, "fast"),
                    "the database crashes": faults.restart(postgres, "immediate"),
                    "Redis is killed and empty": faults.kill_redis(redis),
                    "Redis hangs": faults.hang_redis(redis, found),
                    "the courier is cut off": faults.cut(found.wires["parcels"]),
                    "the courier hangs": faults.hang(found.wires["parcels"], found, 3),
                    "the courier's answers are lost": faults.lose_answers(found.wires["parcels"], found),
                    "the desk hangs": faults.hang(found.wires["itsm"], found, 3),
                    "the desk's answers are lost": faults.lose_answers(found.wires["itsm"], found),
                },
            )
    finally:
        await postgres.wire.close()
        await redis.wire.close()
        redis.server.kill()
        postgres.close()


async def test_one_process_on_sqlite(tmp_path: Path, seed: int):
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    await asyncio.to_thread(migrate, url)
    async with world(tmp_path, url, url, seed, 1) as found:
        await run(
            found,
            seed,
            {
                "the process is killed": faults.kill_process(found),
                "the process stands still": faults.stop_process(found),
                "there is no room on the disk": faults.no_room(found),
                "the courier is cut off": faults.cut(found.wires["parcels"]),
                "the courier hangs": faults.hang(found.wires["parcels"], found, 3),
                "the courier's answers are lost": faults.lose_answers(found.wires["parcels"], found),
                "the desk hangs": faults.hang(found.wires["itsm"], found, 3),
                "the desk's answers are lost": faults.lose_answers(found.wires["itsm"], found),
            },
        )
