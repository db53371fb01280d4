"""What waits to be sent to one client, and its sending, one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any

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


class _Begun:
    """A sending that was begun and waits for something; awaited, it goes on.

    sending: the coroutine; waited_for: what it gave to its event loop to be woken by.
    """

    __slots__ = ("_sending", "_waited_for", "mark", "position", "size")

    def __init__(
        self, sending: Coroutine[Any, Any, None], waited_for: Any, size: int, mark: Mark, position: int
    ) -> None:
        self._sending = sending
        self._waited_for = waited_for
        self.size = size
        self.mark = mark
        self.position = position

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            yield self._waited_for
        except BaseException:
            self._sending.close()
            raise
        yield from self._sending.__await__()


class Outlet:
    """A bounded queue and what empties it. send: sends one text, and waits as long as the network does not take it.

    An event for which nothing waits is sent at once, without anything to be woken up for it; mostly the network takes
    it. The JSON of an event waits once, whatever the number of those whom it waits for.
    """

    def __init__(self, send: Callable[[str], Coroutine[Any, Any, None]], limits: LiveLimits) -> None:
        self._send = send
        self._limits = limits
        self._now = asyncio.get_running_loop().time
        self._waiting: deque[tuple[str, Mark | None, int]] = deque()
        self._size = 0
        self._unsent = 0
        self._is_resting = False
        self._begun: _Begun | None = None
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
        if self._is_resting and not mark.is_over:
            self._send_at_once(text, mark, position)
        elif self.is_full:
            return False
        else:
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
            self._is_resting = True
            try:
                await self._news.wait()
            finally:
                self._is_resting = False

    async def flush(self) -> None:
        """Wait until all is sent."""
        while self._unsent:
            self._sent.clear()
            await self._sent.wait()

    def _send_at_once(self, text: str, mark: Mark, position: int) -> None:
        """Send an event for which nothing waits; what the network does not take now is sent on by `run`."""
        sending = self._send(mark.wrap(position, text))
        try:
            waited_for = sending.send(None)
        except StopIteration:
            mark.sent = position
            return
        except Exception as error:  # noqa: BLE001 - this client is gone, which is for `run` to say
            waited_for, sending = None, _raising(error)
        self._begun = _Begun(sending, waited_for, len(text), mark, position)
        self._is_resting = False
        self._taken_at = self._now()
        self._size += len(text)
        self._unsent += 1
        self._news.set()
        self._note_full()

    async def _send_waiting(self) -> None:
        if self._begun is not None:
            begun = self._begun
            await begun
            self._begun = None
            begun.mark.sent = begun.position
            self._sent_one(begun.size)
        while self._waiting:
            text, mark, position = self._waiting.popleft()
            if mark is None:
                await self._send(text)
            elif not mark.is_over:
                await self._send(mark.wrap(position, text))
                mark.sent = position
            self._sent_one(len(text))
        self._sent.set()

    def _sent_one(self, size: int) -> None:
        self._size -= size
        self._taken_at = self._now()
        self._unsent -= 1
        if self._full.is_set() and self._is_half_free():
            self._full.clear()
            self._room.set()

    def _add(self, text: str, mark: Mark | None, position: int) -> None:
        if not self._waiting:
            self._taken_at = self._now()
        self._is_resting = False
        self._waiting.append((text, mark, position))
        self._size += len(text)
        self._unsent += 1
        self._news.set()
        self._note_full()

    def _note_full(self) -> None:
        if self.is_full:
            self._room.clear()
            self._full.set()

    def _is_half_free(self) -> bool:
        return len(self._waiting) * 2 <= self._limits.queue and self._size * 2 <= self._limits.queue_size


async def _raising(error: Exception) -> None:
    raise error
