from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from connector.sdk.testing import Between, Changing, Connected, MovableClock
from connector_dhl import Dhl
from connector_dhl.sandbox import DhlSandbox

Opened: TypeAlias = Callable[..., AbstractAsyncContextManager[Dhl]]
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def sandbox(clock: MovableClock) -> DhlSandbox:
    return DhlSandbox(clock)


@pytest.fixture
def wire() -> Between:
    return Between()


@pytest.fixture
def opened(sandbox: DhlSandbox, clock: MovableClock, wire: Between) -> Opened:
    """An adapter of the sandbox, with other settings or answers."""

    @asynccontextmanager
    async def open_one(change: Changing = lambda _: None, **settings: object) -> AsyncIterator[Dhl]:
        wire.change = change
        async with Connected.to("dhl", sandbox, clock, wire, **settings) as source:
            yield source.adapter

    return open_one


@pytest.fixture
async def dhl(opened: Opened) -> AsyncIterator[Dhl]:
    async with opened() as adapter:
        yield adapter
