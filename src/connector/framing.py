"""WebSockets that take many messages at once, and write them in one piece.

An event that a hundred subscriptions of one client follow is a hundred messages. Each by itself is a call of the
system, and its way through the layers of the server, which both take longer than all else that is done for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

from connector.api.live.socket import SEND_MANY

_TEXT: Final = 0x81
"""A message of text in one frame."""
_SHORT: Final = 126
_MEDIUM: Final = 1 << 16
_OF_SHORT, _OF_MEDIUM, _OF_LONG = Struct("!BB"), Struct("!BBH"), Struct("!BBQ")


def framed(texts: Iterable[bytes]) -> bytes:
    """Messages as a server sends them that has agreed on no extension (RFC 6455, 5.2)."""
    parts: list[bytes] = []
    for text in texts:
        size = len(text)
        if size < _SHORT:
            head = _OF_SHORT.pack(_TEXT, size)
        elif size < _MEDIUM:
            head = _OF_MEDIUM.pack(_TEXT, 126, size)
        else:
            head = _OF_LONG.pack(_TEXT, 127, size)
        parts += (head, text)
    return b"".join(parts)


class FramingSocket(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket, which offers `SEND_MANY` to the application as an extension of ASGI."""

    def handle_connect(self, event: Request) -> None:
        """A client is there; from the next turn on the application has it."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"][SEND_MANY] = {}

    async def send(self, message: Any) -> None:
        """As ASGI has it. Raises ClientDisconnected."""
        if message["type"] != SEND_MANY:
            await super().send(message)
            return
        if not self.writable.is_set():
            await self.writable.wait()
        if self.disconnected or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        if self.conn.extensions:
            for text in message["texts"]:
                self.conn.send_text(text)
            self.transport.write(b"".join(self.conn.data_to_send()))
        else:
            self.transport.write(framed(message["texts"]))
