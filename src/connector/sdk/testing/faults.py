"""What can go wrong between an adapter and its system, put in by a transport between both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx

from connector.sdk.testing.sandbox import App

Forward: TypeAlias = Callable[[httpx.Request], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a request fails. act: gets the request, and the way on to the system."""

    name: str
    act: Callable[[httpx.Request, Forward], Awaitable[httpx.Response]] = field(repr=False)


def answers(
    status: int, *, headers: Mapping[str, str] | None = None, body: str = "", content_type: str = "text/plain"
) -> Fault:
    """The system answers with this status and does nothing."""

    async def act(request: httpx.Request, _: Forward) -> httpx.Response:
        await request.aread()
        return httpx.Response(status, headers={"content-type": content_type, **(headers or {})}, text=body)

    return Fault(f"status {status}", act)


def html_page() -> Fault:
    """A login page or a proxy answers instead of the system, with status 200."""
    page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>"
    fault = answers(200, body=page, content_type="text/html")
    return Fault("an HTML page with status 200", fault.act)


def oversized() -> Fault:
    """The system answers with three gigabytes, and says so."""
    length = {"content-type": "application/json", "content-length": str(3 * 2**30)}

    async def act(request: httpx.Request, _: Forward) -> httpx.Response:
        await request.aread()
        return httpx.Response(200, headers=length, stream=_Half(b""))

    return Fault("an answer of 3 GB", act)


def refused() -> Fault:
    """Nobody listens at the address."""

    async def act(request: httpx.Request, _: Forward) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    return Fault("connection refused", act)


def silence() -> Fault:
    """The system takes the request and does not answer; waits no longer than the request allows."""

    async def act(request: httpx.Request, _: Forward) -> httpx.Response:
        if request.extensions.get("timeout", {}).get("read") is None:
            raise AssertionError(f"{request.method} {request.url.path} is sent without a time limit")
        raise httpx.ReadTimeout("no answer in time", request=request)

    return Fault("time-out of a read", act)


def cut_before() -> Fault:
    """The connection breaks after the request was sent, before the system acted on it."""

    async def act(request: httpx.Request, _: Forward) -> httpx.Response:
        await request.aread()
        raise httpx.ReadError("connection reset by peer", request=request)

    return Fault("connection cut before the effect", act)


def cut_after() -> Fault:
    """The system acts on the request; its answer never arrives."""

    async def act(request: httpx.Request, forward: Forward) -> httpx.Response:
        response = await forward(request)
        await response.aread()
        await response.aclose()
        raise httpx.ReadError("connection reset by peer", request=request)

    return Fault("connection cut after the effect", act)


def truncated() -> Fault:
    """The connection breaks in the middle of the answer."""

    async def act(request: httpx.Request, forward: Forward) -> httpx.Response:
        response = await forward(request)
        body = await response.aread()
        await response.aclose()
        headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
        return httpx.Response(response.status_code, headers=headers, stream=_Half(body))

    return Fault("an answer that breaks off", act)


class _Half(httpx.AsyncByteStream):
    """The first half of a body, then the end of the connection."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body[: len(self._body) // 2]
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


class Wire(httpx.AsyncBaseTransport):
    """The way from an adapter to its sandbox: counts what passes, and breaks what a check wants broken.

    requests: everything that was sent. open: answers that are not closed yet. in_flight, most_in_flight:
    requests under way now, and at most so far. pause: awaited during each request, to let others overlap.
    """

    def __init__(self, app: App) -> None:
        self._system = httpx.ASGITransport(app=app)
        self.requests: list[httpx.Request] = []
        self.open = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.pause: Callable[[], Awaitable[None]] | None = None
        self._fault: Fault | None = None
        self._only_once = False
        self._from = 0

    def fail(self, fault: Fault, *, request: int = 1, only_once: bool = False) -> None:
        """Break the n-th request from now and all after it, or that one alone."""
        self._fault, self._only_once, self._from = fault, only_once, len(self.requests) + request

    def forgive(self) -> None:
        """Where the system itself breaks on what it is sent, it answers 500, as a real one does."""
        self._system.raise_app_exceptions = False

    def heal(self) -> None:
        """Break nothing any more."""
        self._fault = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request on, or fail as planned."""
        self.requests.append(request)
        number = len(self.requests)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.pause is not None:
                await self.pause()
            fault = self._fault
            if fault is None or number < self._from or (self._only_once and number > self._from):
                response = await self._system.handle_async_request(request)
            else:
                response = await fault.act(request, self._system.handle_async_request)
        finally:
            self.in_flight -= 1
        self.open += 1
        response.stream = _Counted(response.stream, self)
        return response


class _Counted(httpx.AsyncByteStream):
    """A body that tells the wire when it is closed."""

    def __init__(self, stream: object, wire: Wire) -> None:
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError(f"the transport answered with a {type(stream).__name__}, which cannot be read here")
        self._stream: httpx.AsyncByteStream | None = stream
        self._wire = wire

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._stream is not None:
            async for chunk in self._stream:
                yield chunk

    async def aclose(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            self._wire.open -= 1
            await stream.aclose()
