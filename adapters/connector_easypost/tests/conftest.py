from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import TypeAlias

import httpx
import pytest

from connector.sdk import SourceClient
from connector_easypost import EasyPost, EasyPostConfig
from connector_easypost.sandbox import EasyPostSandbox

Changing: TypeAlias = Callable[[httpx.Request], httpx.Response | None]
"""Answers in place of the sandbox, or None to let it answer."""
Opened: TypeAlias = Callable[..., AbstractAsyncContextManager[EasyPost]]


class Clock:
    """Goes when a test moves it."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


class Between(httpx.AsyncBaseTransport):
    """Between adapter and sandbox: keeps what was asked, and answers in its place where it is told to."""

    def __init__(self, sandbox: EasyPostSandbox, change: Changing) -> None:
        self._sandbox = httpx.ASGITransport(app=sandbox.app())
        self._change = change
        self.asked: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, request.url.path))
        return self._change(request) or await self._sandbox.handle_async_request(request)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> EasyPostSandbox:
    return EasyPostSandbox(clock)


@pytest.fixture
def opened(sandbox: EasyPostSandbox, clock: Clock) -> Opened:
    """An adapter of the sandbox, with other settings or answers."""

    @asynccontextmanager
    async def open_one(change: Changing = lambda _: None, **settings: object) -> AsyncIterator[EasyPost]:
        config = EasyPostConfig.model_validate({**sandbox.settings(), **settings})
        wire = Between(sandbox, change)
        async with SourceClient(str(config.base_url), headers=config.headers(), attempts=1, transport=wire) as http:
            adapter = EasyPost(config, http, clock)
            adapter.wire = wire  # type: ignore[attr-defined] # for what tests ask of it
            yield adapter

    return open_one


@pytest.fixture
async def easypost(opened: Opened) -> AsyncIterator[EasyPost]:
    async with opened() as adapter:
        yield adapter
