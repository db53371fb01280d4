"""WebSockets on which what is sent in one turn of the event loop goes out together.

An event that a hundred subscriptions of one client follow is a hundred messages. Each by itself is a call of the
system, which takes longer than all else that is done for it.
"""

from __future__ import annotations

from asyncio import BaseTransport, Transport, get_running_loop
from collections import deque
from functools import partial
from typing import Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_GATHERED: Final = 64 * 1024
"""Bytes that are not held back for more."""
AT_ONCE: Final = 100
"""Connections that are sent what was gathered before anything else of the process has its turn."""


class Turn:
    """Connections that have something to send when the turn of the event loop is over.

    One call of the loop serves all of them: thousands of calls would be as many objects for the collector of garbage.
    """

    def __init__(self) -> None:
        self._waiting: deque[GatheredTransport] = deque()

    def add(self, transport: GatheredTransport) -> None:
        """Have it send what it has gathered."""
        if not self._waiting:
            get_running_loop().call_soon(self._end)
        self._waiting.append(transport)

    def _end(self) -> None:
        for _ in range(min(len(self._waiting), AT_ONCE)):
            self._waiting.popleft().flush()
        if self._waiting:
            get_running_loop().call_soon(self._end)


class GatheredTransport:
    """A transport that writes at the end of the turn. What it does not know is the transport's own affair."""

    def __init__(self, transport: Transport, turn: Turn) -> None:
        self._transport = transport
        self._turn = turn
        self._gathered: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send it with what else is sent in this turn."""
        if not self._gathered:
            self._turn.add(self)
        self._gathered.append(data)
        self._size += len(data)
        if self._size >= MOST_GATHERED:
            self.flush()

    def flush(self) -> None:
        """Send what was gathered."""
        if self._gathered:
            data = self._gathered[0] if len(self._gathered) == 1 else b"".join(self._gathered)
            self._gathered.clear()
            self._size = 0
            self._transport.write(data)

    def close(self) -> None:
        """Close it behind what was sent."""
        self.flush()
        self._transport.close()


class GatheringSocket(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket on such a transport. turn: the same for all connections of a server."""

    def __init__(self, turn: Turn, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._turn = turn

    def connection_made(self, transport: BaseTransport) -> None:
        """As the event loop calls it."""
        super().connection_made(cast("BaseTransport", GatheredTransport(cast("Transport", transport), self._turn)))


def gathering_sockets() -> Any:
    """What a server makes WebSockets with."""
    return partial(GatheringSocket, Turn())
