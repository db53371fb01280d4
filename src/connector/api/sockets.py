"""Closing a WebSocket from our side."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

LONGEST_REASON: Final = 123
"""Bytes that the reason of a close frame may have (RFC 6455, 5.5)."""


async def close_socket(socket: WebSocket, code: int, reason: str, *, patience: float) -> None:
    """Close it, or drop it when its client does not even read that within `patience` seconds."""
    try:
        async with asyncio.timeout(patience):
            await socket.close(code=code, reason=reason.encode()[:LONGEST_REASON].decode(errors="ignore"))
    except TimeoutError:
        socket.state.work.cancel()
    except (RuntimeError, WebSocketDisconnect):
        return  # it is closed already
