"""What goes wrong. Each fault is done and is over when it returns; what it was stays counted."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

from tests.chaos.servers import OwnRedis, Postgres, RedisBehindWire
from tests.chaos.world import World
from tests.proxy import Wire

Fault: TypeAlias = Callable[[], Awaitable[None]]


def kill_process(world: World) -> Fault:
    """One of the processes, at any point of whatever it does."""

    async def fault() -> None:
        with suppress(ProcessLookupError, IndexError):
            os.kill(world.chance.choice(world.processes()), signal.SIGKILL)
        if world.hub.count == 1:
            await world.start_again()

    return fault


def kill_all(world: World) -> Fault:
    """Everything at once, as when the machine goes; then it is started again."""

    async def fault() -> None:
        for pid in (world.hub.parent.pid, *world.processes()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await world.start_again()

    return fault


def stop_process(world: World) -> Fault:
    """One stands still for a while, as when its machine swaps or is moved; nobody tells it."""

    async def fault() -> None:
        pid = world.chance.choice(world.processes())
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(world.chance.uniform(0.5, 3))
            os.kill(pid, signal.SIGCONT)

    return fault


def cut(wire: Wire) -> Fault:
    """All connections over a wire, wherever they are in what they say."""

    async def fault() -> None:
        wire.cut()

    return fault


def hang(wire: Wire, world: World, longest_s: float) -> Fault:
    """Nothing gets through for a while, and then everything does, late."""

    async def fault() -> None:
        wire.going.clear()
        await asyncio.sleep(world.chance.uniform(0.2, longest_s))
        wire.going.set()

    return fault


def lose_answers(wire: Wire, world: World) -> Fault:
    """What was asked is done, and the answer never comes."""

    async def fault() -> None:
        wire.losing += world.chance.randint(1, 4)

    return fault


def terminate(postgres: Postgres) -> Fault:
    """PostgreSQL sends everybody away."""

    async def fault() -> None:
        await asyncio.to_thread(postgres.terminate)

    return fault


def restart(postgres: Postgres, mode: str) -> Fault:
    """PostgreSQL is started again."""

    async def fault() -> None:
        await postgres.restart(mode)

    return fault


def kill_redis(redis: RedisBehindWire) -> Fault:
    """Redis is killed, and is back with nothing in it."""

    async def fault() -> None:
        redis.server.kill()
        await asyncio.sleep(0.5)
        redis.server = OwnRedis(redis.server.home)

    return fault


def hang_redis(redis: RedisBehindWire, world: World) -> Fault:
    """Redis answers nothing for a while."""

    async def fault() -> None:
        await redis.server.hang(world.chance.uniform(0.5, 2))

    return fault


def no_room(world: World) -> Fault:
    """No file of the hub's can grow, as on a disk that is full, for a while."""

    async def fault() -> None:
        with suppress(ProcessLookupError):
            [pid] = world.processes()
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
            await asyncio.sleep(world.chance.uniform(0.2, 2))
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))

    return fault
