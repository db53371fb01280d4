"""What waits to be sent to one client, and its sending, one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final

from connector.api.live.limits import LiveLimits
from connector.api.live.turn import Turn

MOST_GATHERED: Final = 64 * 1024
"""Bytes that are sent in one piece, and not held back for more."""


class Mark:
    """How far one subscription of a client is sent. sent: position of its last event that was, of its beginning before.

    wrap: makes what is sent of an event, of its position and its JSON. is_over: nothing more of it is to be sent.
    """

    __slots__ = ("is_over", "sent", "wrap")

    def __init__(self, wrap: Callable[[int, bytes], bytes]) -> None:
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

    __slots__ = ("_sending", "_waited_for")

    def __init__(self, sending: Coroutine[Any, Any, None], waited_for: Any) -> None:
        self._sending = sending
        self._waited_for = waited_for

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            yield self._waited_for
        except BaseException:
            self._sending.close()
            raise
        yield from self._sending.__await__()


class Outlet:
    """A bounded queue and what empties it. send: sends some messages, and waits as long as the network takes none.

    turn: at whose end events are sent for which nothing else waits, together and without anything to be woken up for
    it; mostly the network takes them. The JSON of an event waits once, whatever the number of those whom it waits for.
    """

    def __init__(
        self, send: Callable[[list[bytes]], Coroutine[Any, Any, None]], limits: LiveLimits, turn: Turn
    ) -> None:
        self._send = send
        self._limits = limits
        self._turn = turn
        self._now = asyncio.get_running_loop().time
        self._waiting: deque[tuple[bytes, Mark | None, int]] = deque()
        self._under_way: list[tuple[Mark, int]] | None = None
        self._size = 0
        self._size_under_way = 0
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

    def put(self, text: bytes, mark: Mark, position: int) -> bool:
        """Have an event sent; whether there was room for it."""
        if self._is_resting:
            if not self._waiting:
                self._turn.add(self)
            elif self._size >= MOST_GATHERED or self.is_full:
                self.deliver()
        if self.is_full:
            return False
        self._waiting.append((text, mark, position))
        self._size += len(text)
        if not self._is_resting:
            self._note_full()
        return True

    def say(self, text: bytes) -> None:
        """Have a message sent that is no event; wait for `room` before."""
        self._waiting.append((text, None, 0))
        self._size += len(text)
        self._go_on()

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
        while self._waiting or self._under_way is not None:
            self._sent.clear()
            await self._sent.wait()

    def deliver(self) -> None:
        """Send what has gathered while nothing else waited; what the network does not take now is sent on by `run`."""
        while self._is_resting and self._waiting:
            sending = self._send(self._taken())
            try:
                waited_for = sending.send(None)
            except StopIteration:
                self._note_sent()
                continue
            except Exception as error:  # noqa: BLE001 - this client is gone, which is for `run` to say
                waited_for, sending = None, _raising(error)
            self._begun = _Begun(sending, waited_for)
            self._go_on()

    async def _send_waiting(self) -> None:
        if self._begun is not None:
            begun, self._begun = self._begun, None
            await begun
            self._note_sent()
        while self._waiting:
            self._taken_at = self._now()
            await self._send(self._taken())
            self._note_sent()

    def _taken(self) -> list[bytes]:
        """The next messages."""
        waiting, messages, marks, size = self._waiting, [], [], 0
        while waiting and size < MOST_GATHERED:
            text, mark, position = waiting.popleft()
            size += len(text)
            if mark is None:
                messages.append(text)
            elif not mark.is_over:
                messages.append(mark.wrap(position, text))
                marks.append((mark, position))
        self._under_way, self._size_under_way = marks, size
        return messages

    def _note_sent(self) -> None:
        sent = self._under_way or ()
        for mark, position in sent:
            mark.sent = position
        self._turn.sent += len(sent)
        self._under_way = None
        self._size -= self._size_under_way
        self._sent.set()
        if self._full.is_set() and self._is_half_free():
            self._full.clear()
            self._room.set()

    def _go_on(self) -> None:
        """Have `run` send what waits."""
        if self._is_resting:
            self._is_resting = False
            self._taken_at = self._now()
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
