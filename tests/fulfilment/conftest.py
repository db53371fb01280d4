from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fulfilment.scene import make_engine
from tests.fulfilment.world import World

from connector.fulfilment.engine import FulfilmentEngine
from connector.sdk import Clock

Launch = Callable[..., Any]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def launch(engine: AsyncEngine, database: str, world: World, clock: Clock) -> AsyncIterator[Callable[..., Any]]:
    """Launches the hub's fulfilment over the test's database and world; closed at the end."""
    launched: list[FulfilmentEngine] = []

    async def start(**options: Any) -> FulfilmentEngine:
        for earlier in launched:
            await earlier.close()
        launched.clear()
        hub = make_engine(engine, database, world.connections(clock), clock, **options)
        await hub.launch()
        launched.append(hub)
        return hub

    yield start
    for hub in launched:
        await hub.close()
