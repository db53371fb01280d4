"""The best sockets that ready texts can have: what is sent in one turn of the event loop goes out together.

Without them each text is a call of the system, and what is compared with them would be that call.
"""

from __future__ import annotations

from asyncio import BaseTransport, Transport
from functools import partial
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from connector.api.live.outlet import MOST_GATHERED
from connector.api.live.turn import Turn


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
            self.deliver()

    def deliver(self) -> None:
        """Send what was gathered."""
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._size = 0
            self._transport.write(data)

    def close(self) -> None:
        """Close it behind what was sent."""
        self.deliver()
        self._transport.close()


class GatheringSocket(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket on such a transport. turn: the same for all connections of a server."""

    def __init__(self, turn: Turn, *arguments: Any, **named: Any) -> None:
        WebSocketsSansIOProtocol.__init__(self, *arguments, **named)
        self._turn = turn

    def connection_made(self, transport: BaseTransport) -> None:
        """As the event loop calls it."""
        super().connection_made(cast("BaseTransport", GatheredTransport(cast("Transport", transport), self._turn)))


def gathering_sockets() -> Any:
    """What a server makes WebSockets with."""
    return partial(GatheringSocket, Turn())
