"""For tests of one's own: an adapter connected to a sandbox, a clock to move, requests to look at, other answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, TypeAlias

import httpx

from connector.model.refs import SourceRef
from connector.sdk.adapter import Batch, Cursor, Stream
from connector.sdk.connection import Connection, connect
from connector.sdk.testing.sandbox import App, Sandbox

Changing: TypeAlias = Callable[[httpx.Request], httpx.Response | None]
"""Answers in place of the system, or None to let it answer."""


class MovableClock:
    """A clock that stands until a test moves it."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """The time at which it stands."""
        return self.at

    def advance(self, by: timedelta) -> None:
        """Move it."""
        self.at += by


class Between(httpx.AsyncBaseTransport):
    """Between an adapter and a sandbox's server. requests: what was sent. change: is asked before the server."""

    def __init__(self, app: App | None = None, change: Changing = lambda _: None) -> None:
        self.app = app
        self.change = change
        self.requests: list[httpx.Request] = []

    def count(self, path: str) -> int:
        """Requests of this path."""
        return sum(request.url.path == path for request in self.requests)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The changed answer, or the server's."""
        self.requests.append(request)
        changed = self.change(request)
        if changed is not None:
            return changed
        if self.app is None:
            raise httpx.ConnectError("nobody listens", request=request)
        return await httpx.ASGITransport(app=self.app).handle_async_request(request)


class Connected:
    """One source, whose client tries each request once. name: as sources are named."""

    def __init__(
        self, adapter: str, app: App | None, settings: Mapping[str, object], clock: MovableClock,
        wire: Between | None = None, *, name: str = "tested",
    ) -> None:  # fmt: skip
        self.clock = clock
        self.wire = wire or Between()
        self.wire.app = app
        self.connection: Connection = connect(name, adapter, settings, clock=clock, attempts=1, transport=self.wire)
        self.adapter: Any = self.connection.adapter

    @classmethod
    def to(
        cls, adapter: str, sandbox: Sandbox, clock: MovableClock, wire: Between | None = None, **settings: object
    ) -> Connected:
        """Connected to a sandbox by its own settings, but for those that are given."""
        return cls(adapter, sandbox.app(), {**sandbox.settings(), **settings}, clock, wire)

    @property
    def requests(self) -> list[httpx.Request]:
        """What was sent; a test may empty it."""
        return self.wire.requests

    def stream(self, name: str) -> Stream:
        """The stream of this name."""
        streams: tuple[Stream, ...] = self.adapter.streams()
        return next(stream for stream in streams if stream.name == name)

    async def pull(self, name: str, since: Cursor | None = None) -> list[Batch]:
        """All batches of a pull."""
        return [batch.made() async for batch in self.adapter.pull(self.stream(name), since)]

    async def __aenter__(self) -> Connected:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client."""
        await self.connection.aclose()


def ids(batches: list[Batch]) -> list[str]:
    """Identifiers of all records, in their order."""
    return [record.ref.external_id for batch in batches for record in batch.records]


def by_ref(batches: list[Batch]) -> dict[SourceRef, Any]:
    """The latest record of each reference."""
    return {record.ref: record for batch in batches for record in batch.records}
