from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fulfilment.world import World
from tests.journeys.killing import Forker, Hub, served


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """The outside world on a loopback port."""
    world = World()
    async with served(world.app()) as world.url:
        yield world


@pytest.fixture(scope="session")
def forker() -> Iterator[Forker]:
    """What makes the hubs of this worker."""
    forker = Forker()
    yield forker
    forker.close()


@pytest.fixture
def killable_hub(forker: Forker, database: str, tmp_path: Path) -> Callable[..., Hub]:
    """A hub on the test's database, given the outside world: `world`, or `sources` and what else there is."""

    def hub(**outside: Any) -> Hub:
        return Hub(forker, database, tmp_path / "point", outside)

    return hub
