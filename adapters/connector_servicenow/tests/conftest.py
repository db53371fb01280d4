from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from connector.sdk.testing import Connected, MovableClock
from connector_servicenow.sandbox import Instance, ServiceNowSandbox

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
Opened: TypeAlias = Callable[..., Connected]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def sandbox(clock: MovableClock) -> ServiceNowSandbox:
    return ServiceNowSandbox(clock)


@pytest.fixture
def instance(sandbox: ServiceNowSandbox) -> Instance:
    return sandbox.instance


@pytest.fixture
async def opened(sandbox: ServiceNowSandbox, clock: MovableClock) -> AsyncIterator[Opened]:
    """Sources connected to the sandbox, with other settings; a setting of None is left out."""
    made: list[Connected] = []

    def open_one(**changes: object) -> Connected:
        settings = {name: value for name, value in {**sandbox.settings(), **changes}.items() if value is not None}
        made.append(Connected("servicenow", sandbox.app(), settings, clock))
        return made[-1]

    yield open_one
    for source in made:
        await source.aclose()


@pytest.fixture
def source(opened: Opened) -> Connected:
    return opened()
