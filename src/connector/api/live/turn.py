"""What clients are sent in one turn of the event loop goes to each of them in one piece, when the turn is over."""

from __future__ import annotations

from asyncio import get_running_loop
from collections import deque
from typing import Final, Protocol

AT_ONCE: Final = 100
"""Clients that are sent what was gathered before anything else of the process has its turn."""


class Gathers(Protocol):
    """Something that gathers what a client is to be sent."""

    def deliver(self) -> None:
        """Send what was gathered."""


class Turn:
    """Whatever has something to send when the turn of the event loop is over.

    One call of the loop serves all of them: thousands of calls would be as many objects for the collector of garbage.
    sent: how many events they have sent in all.
    """

    def __init__(self) -> None:
        self.sent = 0
        self._waiting: deque[Gathers] = deque()

    def add(self, one: Gathers) -> None:
        """Have it send what it has gathered, once for each time that it is added."""
        if not self._waiting:
            get_running_loop().call_soon(self._end)
        self._waiting.append(one)

    def _end(self) -> None:
        for _ in range(min(len(self._waiting), AT_ONCE)):
            self._waiting.popleft().deliver()
        if self._waiting:
            get_running_loop().call_soon(self._end)
