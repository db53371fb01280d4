from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from connector.sdk.testing import Between, Changing, Connected, MovableClock
from connector_easypost import EasyPost
from connector_easypost.sandbox import EasyPostSandbox

Opened: TypeAlias = Callable[..., AbstractAsyncContextManager[EasyPost]]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(datetime(2026, 11, 25, 12, 0, tzinfo=UTC))


@pytest.fixture
def sandbox(clock: MovableClock) -> EasyPostSandbox:
    return EasyPostSandbox(clock)


@pytest.fixture
def wire() -> Between:
    return Between()


@pytest.fixture
def opened(sandbox: EasyPostSandbox, clock: MovableClock, wire: Between) -> Opened:
    """An adapter of the sandbox, with other settings or answers."""

    @asynccontextmanager
    async def open_one(change: Changing = lambda _: None, **settings: object) -> AsyncIterator[EasyPost]:
        wire.change = change
        async with Connected.to("easypost", sandbox, clock, wire, **settings) as source:
            yield source.adapter

    return open_one


@pytest.fixture
async def easypost(opened: Opened) -> AsyncIterator[EasyPost]:
    async with opened() as adapter:
        yield adapter
