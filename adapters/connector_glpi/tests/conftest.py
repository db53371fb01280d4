from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from connector.sdk.testing import Between, Connected, MovableClock
from connector_glpi.sandbox import GlpiSandbox

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
MORE: dict[str, object] = {"read_links": True, "device_types": ["Computer", "NetworkEquipment"]}
"""What the kit leaves out, since each request costs it time."""
Opened: TypeAlias = Callable[..., Connected]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def sandbox(clock: MovableClock) -> GlpiSandbox:
    return GlpiSandbox(clock)


@pytest.fixture
def wire() -> Between:
    return Between()


@pytest.fixture
async def opened(sandbox: GlpiSandbox, clock: MovableClock, wire: Between) -> AsyncIterator[Opened]:
    """Sources connected to the sandbox, with other settings; a setting of None is left out."""
    made: list[Connected] = []

    def open_one(**changes: object) -> Connected:
        settings = {
            name: value for name, value in {**sandbox.settings(), **MORE, **changes}.items() if value is not None
        }
        made.append(Connected("glpi", sandbox.app(), settings, clock, wire))
        return made[-1]

    yield open_one
    for source in made:
        await source.aclose()


@pytest.fixture
def source(opened: Opened) -> Connected:
    return opened()
