"""Connections over HTTP: how long they are kept, and what becomes of a request that was answered before its end.

Uvicorn closes a kept connection some time after its last answer. It waits for ever for the first request, for the rest
of one that has begun, and after what a client sends on behind an answer: each of them would hold a file of the process
for nothing, and a few thousand hold all that it may open.

Whoever sends a request that is too large is told so at once and may be sending on. Were the connection closed then, the
client's system would be told that nobody reads, and often drop the answer for it; so the rest is read and thrown away.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from collections.abc import Sequence
from ssl import SSLContext
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connector.api.limits import LARGEST_REQUEST
from connector.framing import FramingSocket

KEEP_ALIVE_SECONDS: Final = 75
"""A connection without requests. Proxies and gateways keep theirs for about a minute; were the hub to close it first,
they would now and then send a request into the end of it."""
REQUEST_SECONDS: Final = 60.0
"""A request, from its first byte to its last one."""
MOST_IGNORED: Final = 32 * 1024 * 1024
"""Bytes of a request behind its answer; a client that sends more is not waited for."""
SHUTDOWN_SECONDS: Final = 5


def server_config(
    app: Starlette,
    keep_alive_seconds: int = KEEP_ALIVE_SECONDS,
    trusted_proxies: Sequence[str] = (),
    tls: SSLContext | None = None,
) -> uvicorn.Config:
    """How uvicorn serves the application.

    trusted_proxies: addresses and networks from which headers are believed that say for whom somebody asks. tls: None
    for plain HTTP.
    """
    return _Config(
        app,
        tls,
        log_config=None,
        access_log=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        http=KeptConnection,
        ws=FramingSocket,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_keep_alive=keep_alive_seconds,
        ws_ping_interval=20,
        ws_max_size=LARGEST_REQUEST,
    )


class _Config(uvicorn.Config):
    """Uvicorn's, with a context of TLS that is made elsewhere."""

    def __init__(self, app: Starlette, tls: SSLContext | None, **options: Any) -> None:
        super().__init__(app, **options)
        self._tls = tls

    def load(self) -> None:
        """As uvicorn has it."""
        super().load()
        self.ssl = self._tls


class KeptConnection(HttpToolsProtocol):
    """A connection that is closed when nothing comes over it: no request, or not the rest of one."""

    _is_within_request = False
    _ignored = 0
    _late: TimerHandle | None = None
    """Closes it when the request that has begun is not there in time."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """A client is there; it has yet to say something."""
        super().connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, whoever closed it."""
        super().connection_lost(exc)
        self._is_in_time()
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Something came, which may be a part of a request, or several of them."""
        super().data_received(data)
        self._look()

    def handle_websocket_upgrade(self) -> None:
        """From here on it has another protocol, with limits of its own."""
        self._is_in_time()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._is_within_request = True
        self._ignored = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """A part of a request; of one that is answered already, it is thrown away."""
        super().on_body(body)
        if self.cycle is not None and self.cycle.response_complete:
            self._ignored += len(body)
            if self._ignored > MOST_IGNORED:
                self.transport.close()

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        self._is_within_request = False
        self._is_in_time()
        super().on_message_complete()

    def _look(self) -> None:
        """See to it that something ends the wait for whatever is to come next from the client."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self._is_within_request:
            if self._late is None:
                self._late = self.loop.call_later(REQUEST_SECONDS, self.timeout_keep_alive_handler)
        elif self.timeout_keep_alive_task is None and (self.cycle is None or self.cycle.response_complete):
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _is_in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
