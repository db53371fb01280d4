from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from connector.sdk.testing import Between, Connected, MovableClock
from connector_intune.sandbox import IntuneSandbox

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
Opened: TypeAlias = Callable[..., Connected]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def sandbox(clock: MovableClock) -> IntuneSandbox:
    return IntuneSandbox(clock)


@pytest.fixture
def wire() -> Between:
    return Between()


@pytest.fixture
def opened(sandbox: IntuneSandbox, clock: MovableClock, wire: Between) -> Opened:
    """A source of the sandbox, with other settings."""

    def open_one(**settings: object) -> Connected:
        return Connected.to("intune", sandbox, clock, wire, **settings)

    return open_one
