"""Who comes in while the hub is busy: whoever would wait too long is told so at once, and when to come again.

By Little's law a request that comes waits for as long as those before it take, at the rate at which they are answered.
A hub that takes in more than it can answer makes all of them wait ever longer, most of them for an answer that nobody
waits for any more. What changes something is refused like what reads: nothing of it has begun.
"""

from __future__ import annotations

import math
from collections import deque
from time import monotonic
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.api.access import error_response
from connector.api.counting import route_of
from connector.api.guard import SecurityHeaders
from connector.model.errors import Overloaded
from connector.telemetry.metrics import REFUSED
from connector.telemetry.tally import Tally

LONGEST_WAIT_S: Final = 3.0
"""How long a request may have to wait when nothing else is configured."""
LEAST: Final = 32
"""So many are worked on at the same time, however long they take: a few slow ones are no crowd."""
SEEN: Final = 64
"""So many answers, the last ones, tell at which rate the hub answers."""
LONGEST_RETRY_S: Final = 30
_FREE: Final = ("/healthz", "/readyz", "/metrics", "/webhooks/")
"""Those who watch over the hub are always told how it is; webhooks have a bound of their own, where they are kept."""


class Admission:
    """Counts those who wait for the beginning of an answer. longest_wait_s: for how long they may have to. tally: who
    was refused is counted there.
    """

    def __init__(self, app: ASGIApp, *, longest_wait_s: float = LONGEST_WAIT_S, tally: Tally | None = None) -> None:
        self._app = app
        self._tally = tally or Tally()
        self._longest_s = longest_wait_s
        self._waiting = 0
        self._answered: deque[float] = deque(maxlen=SEEN)
        """When the last ones were, since there was nobody."""

    @property
    def waiting(self) -> int:
        """How many wait for the beginning of an answer."""
        return self._waiting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http" or scope["path"].startswith(_FREE):
            await self._app(scope, receive, send)
            return
        wait_s = self._expected_s()
        if wait_s > self._longest_s:
            self._tally.count(REFUSED, route_of(scope["path"]), "overload")
            await _refuse(wait_s, scope, receive, send)
            return
        await _Turn(self, receive, send).run(self._app, scope)

    def arrive(self) -> None:
        """Somebody waits for an answer."""
        if not self._waiting:
            self._answered.clear()
            self._answered.append(monotonic())
        self._waiting += 1

    def leave(self) -> None:
        """Somebody does so no more."""
        self._waiting -= 1
        self._answered.append(monotonic())

    def _expected_s(self) -> float:
        """How long whoever comes now is going to wait; nothing, while there is no crowd."""
        if self._waiting < LEAST:
            return 0.0
        since_s = monotonic() - self._answered[0]
        return self._waiting * since_s / max(len(self._answered) - 1, 1)


class _Turn:
    """A request from the end of its body until its answer begins."""

    __slots__ = ("_admission", "_is_waiting", "_receive", "_send")

    def __init__(self, admission: Admission, receive: Receive, send: Send) -> None:
        self._admission = admission
        self._receive = receive
        self._send = send
        self._is_waiting: bool | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self.receive, self.send)
        finally:
            self._end()

    async def receive(self) -> Message:
        message = await self._receive()
        if self._is_waiting is None and not message.get("more_body", False):
            self._is_waiting = True
            self._admission.arrive()
        return message

    async def send(self, message: Message) -> None:
        self._end()
        await self._send(message)

    def _end(self) -> None:
        if self._is_waiting:
            self._admission.leave()
        self._is_waiting = False


async def _refuse(wait_s: float, scope: Scope, receive: Receive, send: Send) -> None:
    after = min(max(math.ceil(wait_s), 1), LONGEST_RETRY_S)
    error = Overloaded(
        "more is asked of the hub just now than it can answer in time; nothing of this request was done",
        hint=f"Ask again in {after} s.",
    )
    await SecurityHeaders(error_response(503, error, {"retry-after": str(after)}))(scope, receive, send)
