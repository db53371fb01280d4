from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest

from connector.sdk.testing import Between, Connected, MovableClock
from connector_webhook import Webhook
from connector_webhook.sandbox import AcmeDeskSandbox

Opened: TypeAlias = Callable[..., AbstractAsyncContextManager[Webhook]]
NOON = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
TICKET: dict[str, Any] = {"id": "T-1", "number": "T-1", "status": "Open"}


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def sandbox(clock: MovableClock) -> AcmeDeskSandbox:
    return AcmeDeskSandbox(clock)


@pytest.fixture
def wire() -> Between:
    return Between()


@pytest.fixture
def opened(sandbox: AcmeDeskSandbox, clock: MovableClock, wire: Between) -> Opened:
    """An adapter of the sandbox, with other settings."""

    @asynccontextmanager
    async def open_one(**settings: object) -> AsyncIterator[Webhook]:
        async with Connected.to("webhook", sandbox, clock, wire, **settings) as source:
            yield source.adapter

    return open_one


@pytest.fixture
async def webhook(opened: Opened) -> AsyncIterator[Webhook]:
    async with opened() as adapter:
        yield adapter
