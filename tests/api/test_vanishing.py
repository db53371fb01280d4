"""A thousand clients that vanish at once, as when a switch loses its power, leave nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

from tests.api.conftest import Hub, connected, served, until
from tests.api.test_subscriptions import begin, give_task

CLIENTS = 1_000
QUERY = "subscription ($after: String) { tasks(after: $after) { cursor task { title } } }"


def frame(message: dict[str, object]) -> bytes:
    """A text frame of a client, masked with zeros (RFC 6455, 5.2)."""
    payload = json.dumps(message).encode()
    return struct.pack("!BBH", 0x81, 0x80 | 126, len(payload)) + bytes(4) + payload


HANDSHAKE = (
    "GET /graphql HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)
BODY = json.dumps({"query": QUERY}).encode()
REQUEST = (
    "POST /graphql HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\n"
    f"content-length: {len(BODY)}\r\n\r\n"
)
SUBSCRIBE = frame({"type": "subscribe", "id": "1", "payload": {"query": QUERY}})


async def follow(address: str, number: int) -> socket.socket:
    """A client over a WebSocket, or of server-sent events, in turn; it never reads after it has begun."""
    host, _, port = address.partition(":")
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await loop.sock_connect(client, (host, int(port)))
    if number % 2:
        await loop.sock_sendall(client, REQUEST.format(address).encode() + BODY)
    else:
        await loop.sock_sendall(client, HANDSHAKE.format(address).encode())
        assert b" 101 " in await loop.sock_recv(client, 4096)
        await loop.sock_sendall(client, frame({"type": "connection_init"}) + SUBSCRIBE)
    return client


async def test_a_thousand_connections_that_vanish_leave_no_task_no_subscriber_and_no_socket(hub: Hub):
    async with served(hub.app) as address:
        async with connected(address) as client:  # whatever is made once is made by now
            await begin(hub, client, QUERY)
        await until(lambda: hub.streams.subscribers == 0)
        await until(lambda: not socket_tasks())
        tasks, sockets = len(asyncio.all_tasks()), open_sockets(address)
        clients: list[socket.socket] = []
        for start in range(0, CLIENTS, 100):
            clients += await asyncio.gather(*(follow(address, start + number) for number in range(100)))
        await until(lambda: hub.streams.subscribers == CLIENTS, timeout=30)
        assert len(hub.streams) == 1
        await give_task(hub.engine, "sent to all of them")

        for vanishing in clients:
            vanishing.close()  # its linger of zero seconds makes that a reset, without a farewell
        await until(lambda: hub.streams.subscribers == 0, timeout=30)
        await until(lambda: len(asyncio.all_tasks()) <= tasks, timeout=30)
        await until(lambda: open_sockets(address) <= sockets, timeout=30)

        assert (len(hub.streams), hub.feed.readers) == (0, 0)
        async with connected(address) as client:
            await begin(hub, client, QUERY)
            await give_task(hub.engine, "later")
            assert (await client.event())["task"]["title"] == "Task later"


def socket_tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name() in ("socket", "operation", "events")]


def open_sockets(address: str) -> int:
    """How many sockets this process has at the hub's port; those of its database may become more meanwhile."""
    port = f":{int(address.partition(':')[2]):04X}"
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    ours = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port)}
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += os.readlink(descriptor) in ours
    return found
