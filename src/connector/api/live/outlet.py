"""What waits to be sent to one client, and its sending, one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from connector.api.live.limits import LiveLimits


class Mark:
    """How far one subscription of a client is sent. sent: position of its last event that was, of its beginning before.

    wrap: makes what is sent of an event, of its position and its JSON. is_over: nothing more of it is to be sent.
    """

    __slots__ = ("is_over", "sent", "wrap")

    def __init__(self, wrap: Callable[[int, str], str]) -> None:
        self.wrap = wrap
        self.sent: int | None = None
        self.is_over = False

    def begin(self, position: int) -> None:
        """Say where the subscription begins, if that is not known yet."""
        if self.sent is None:
            self.sent = position


class Outlet:
    """A bounded queue and what empties it. send: sends one text, and waits as long as the network does not take it.

    The JSON of an event waits once, whatever the number of those whom it waits for.
    """

    def __init__(self, send: Callable[[str], Awaitable[None]], limits: LiveLimits) -> None:
        self._send = send
        self._limits = limits
        self._waiting: deque[tuple[str, Mark | None, int]] = deque()
        self._size = 0
        self._unsent = 0
        self._taken_at = self._now()
        self._news = asyncio.Event()
        self._sent = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._full = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether no further event is taken."""
        return len(self._waiting) >= self._limits.queue or self._size >= self._limits.queue_size

    @property
    def is_stuck(self) -> bool:
        """Whether it was full and the client has long taken nothing of it."""
        return not self._room.is_set() and self._now() - self._taken_at > self._limits.patience.total_seconds()

    def put(self, text: str, mark: Mark, position: int) -> bool:
        """Have an event sent; whether there was room for it."""
        if self.is_full:
            return False
        self._add(text, mark, position)
        return True

    def say(self, text: str) -> None:
        """Have a message sent that is no event; wait for `room` before."""
        self._add(text, None, 0)

    async def room(self) -> None:
        """Wait until at least half of the queue is free."""
        await self._room.wait()

    async def full(self) -> None:
        """Wait until there is not."""
        await self._full.wait()

    async def run(self) -> None:
        """Send what waits, and what comes. Raises OSError when the client is gone."""
        while True:
            await self._send_waiting()
            self._news.clear()
            await self._news.wait()

    async def flush(self) -> None:
        """Wait until all is sent."""
        while self._unsent:
            self._sent.clear()
            await self._sent.wait()

    async def _send_waiting(self) -> None:
        while self._waiting:
            text, mark, position = self._waiting.popleft()
            self._size -= len(text)
            if mark is None:
                await self._send(text)
            elif not mark.is_over:
                await self._send(mark.wrap(position, text))
                mark.sent = position
            self._taken_at = self._now()
            self._unsent -= 1
            if self._full.is_set() and self._is_half_free():
                self._full.clear()
                self._room.set()
        self._sent.set()

    def _add(self, text: str, mark: Mark | None, position: int) -> None:
        if not self._waiting:
            self._taken_at = self._now()
        self._waiting.append((text, mark, position))
        self._size += len(text)
        self._unsent += 1
        self._news.set()
        if self.is_full:
            self._room.clear()
            self._full.set()

    def _is_half_free(self) -> bool:
        return len(self._waiting) * 2 <= self._limits.queue and self._size * 2 <= self._limits.queue_size

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
