"""Counts requests and how long they wait for their answer, around everything else."""

from __future__ import annotations

from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.telemetry.metrics import HTTP_REQUESTS, HTTP_SECONDS, REFUSED
from connector.telemetry.tally import OTHER, Tally

TOO_MANY_REQUESTS: Final = 429
ROUTES: Final = frozenset({"/", "/graphql", "/healthz", "/readyz", "/metrics"})
BELOW: Final = {
    "/webhooks/": "/webhooks/{source}",
    "/labels/": "/labels/{id}",
    "/worksheets/": "/worksheets/{hub}",
    "/static/": "/static/{name}",
}


def route_of(path: str) -> str:
    """The route of a path, whatever stands in it; all that are none are one."""
    if path in ROUTES:
        return path
    return next((route for prefix, route in BELOW.items() if path.startswith(prefix)), OTHER)


class Counting:
    """Around the application. What it answers is counted when the answer begins."""

    def __init__(self, app: ASGIApp, tally: Tally) -> None:
        self._app = app
        self._tally = tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = perf_counter()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route, status = route_of(scope["path"]), message["status"]
                self._tally.count(HTTP_REQUESTS, route, str(status))
                if status == TOO_MANY_REQUESTS:
                    self._tally.count(REFUSED, route, "rate")
                self._tally.took(HTTP_SECONDS, perf_counter() - begun, route)
            await send(message)

        await self._app(scope, receive, send_counted)
