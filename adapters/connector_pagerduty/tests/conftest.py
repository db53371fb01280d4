from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from connector.sdk.testing import Between, Connected, MovableClock
from connector_pagerduty import PagerDuty
from connector_pagerduty.sandbox import PagerDutySandbox

Opened: TypeAlias = Callable[..., AbstractAsyncContextManager[PagerDuty]]
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def sandbox(clock: MovableClock) -> PagerDutySandbox:
    return PagerDutySandbox(clock)


@pytest.fixture
def wire() -> Between:
    return Between()


@pytest.fixture
def opened(sandbox: PagerDutySandbox, clock: MovableClock, wire: Between) -> Opened:
    """An adapter of a sandbox, with other settings."""

    @asynccontextmanager
    async def open_one(of: PagerDutySandbox = sandbox, **settings: object) -> AsyncIterator[PagerDuty]:
        async with Connected.to("pagerduty", of, clock, wire, **settings) as source:
            yield source.adapter

    return open_one


@pytest.fixture
async def pagerduty(opened: Opened) -> AsyncIterator[PagerDuty]:
    async with opened() as adapter:
        yield adapter
