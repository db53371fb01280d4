from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import TypeAlias

import httpx
import pytest

from connector.sdk import SourceClient
from connector_pagerduty import PagerDuty, PagerDutyConfig
from connector_pagerduty.sandbox import PagerDutySandbox

Changing: TypeAlias = Callable[[httpx.Request], httpx.Response | None]
"""Answers in place of the sandbox, or None to let it answer."""
Opened: TypeAlias = Callable[..., AbstractAsyncContextManager[PagerDuty]]
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class Clock:
    """Goes when a test moves it."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


class Between(httpx.AsyncBaseTransport):
    """Between adapter and sandbox: keeps what was asked, and answers in its place where it is told to."""

    def __init__(self) -> None:
        self.sandbox: httpx.ASGITransport | None = None
        self.asked: list[httpx.Request] = []
        self.change: Changing = lambda _: None

    def count(self, path: str) -> int:
        return sum(request.url.path == path for request in self.asked)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert self.sandbox is not None
        self.asked.append(request)
        return self.change(request) or await self.sandbox.handle_async_request(request)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> PagerDutySandbox:
    return PagerDutySandbox(clock)


@pytest.fixture
def wire() -> Between:
    return Between()


@pytest.fixture
def opened(sandbox: PagerDutySandbox, clock: Clock, wire: Between) -> Opened:
    """An adapter of a sandbox, with other settings."""

    @asynccontextmanager
    async def open_one(of: PagerDutySandbox = sandbox, **settings: object) -> AsyncIterator[PagerDuty]:
        config = PagerDutyConfig.model_validate({**of.settings(), **settings})
        wire.sandbox = httpx.ASGITransport(app=of.app())
        async with SourceClient(str(config.base_url), headers=config.headers(), attempts=1, transport=wire) as http:
            yield PagerDuty(config, http, clock)

    return open_one


@pytest.fixture
async def pagerduty(opened: Opened) -> AsyncIterator[PagerDuty]:
    async with opened() as adapter:
        yield adapter
