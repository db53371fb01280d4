"""What surrounds every request: security headers, and a limit on the size of what comes in."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.api.access import error_response
from connector.model.errors import InvalidInput

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For pages. Styles may stand in the page, since the query editor measures text with them; scripts may not."""

DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""For everything else."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": DATA_POLICY,
    "cache-control": "no-store",
}
HSTS = (b"strict-transport-security", b"max-age=31536000")
"""For a hub that is reached by TLS: a browser that was there once comes by nothing else for a year."""
RAW_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


def headers_for(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The headers of answers to a request."""
    return [*RAW_HEADERS, HSTS] if scope.get("scheme") == "https" else RAW_HEADERS


class SecurityHeaders:
    """Adds the headers to every response that does not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                present = {name for name, _ in headers}
                message["headers"] = [*headers, *(pair for pair in headers_for(scope) if pair[0] not in present)]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class TooLarge(InvalidInput):
    """The body of a request is larger than is allowed."""

    code = "TOO_LARGE"


class BodyLimit:
    """Reads the body of a request, up to a limit, before the application sees it. limit: bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        body = None
        if announced.isdigit() and int(announced) <= self._limit:
            body = await self._read(receive)
        if body is None:
            error = TooLarge(f"the body is larger than the {self._limit:,} bytes that are allowed")
            await error_response(413, error)(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body; None when it exceeds the limit. A client that goes away leaves what it had sent."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b"".join(parts)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._limit:
                return None
            if not message.get("more_body", False):
                return b"".join(parts)
