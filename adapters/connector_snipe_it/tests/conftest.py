from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from connector.sdk.testing import Between, Connected, MovableClock
from connector_snipe_it.sandbox import SnipeItSandbox

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
Opened: TypeAlias = Callable[..., Connected]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def sandbox(clock: MovableClock) -> SnipeItSandbox:
    return SnipeItSandbox(clock)


@pytest.fixture
def wire() -> Between:
    return Between()


@pytest.fixture
def opened(sandbox: SnipeItSandbox, clock: MovableClock, wire: Between) -> Opened:
    """A source of the sandbox, with other settings."""

    def open_one(**settings: object) -> Connected:
        return Connected.to("snipe_it", sandbox, clock, wire, **settings)

    return open_one
