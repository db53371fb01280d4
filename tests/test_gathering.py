"""What is sent over a WebSocket in one turn of the event loop leaves in one piece, in order, and before the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from connector.connections import server_config
from connector.gathering import AT_ONCE, MOST_GATHERED, GatheredTransport, Turn


class Noted:
    """A transport that notes what it is asked for."""

    def __init__(self) -> None:
        self.seen: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.seen.append(data)

    def close(self) -> None:
        self.seen.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.seen


def listening() -> socket.socket:
    """A loopback port that takes connections, whether or not somebody answers them yet."""
    return socket.create_server(("127.0.0.1", 0))


async def heard(client: ClientConnection) -> AsyncIterator[str]:
    """Its messages until it is ended, for whatever reason."""
    with suppress(ConnectionClosedError):
        while True:
            yield str(await client.recv())


def gathered(noted: Noted, turn: Turn) -> GatheredTransport:
    transport: Any = noted
    return GatheredTransport(transport, turn)


async def test_what_is_written_in_a_turn_goes_out_together_when_it_is_over():
    noted = Noted()
    transport = gathered(noted, Turn())

    transport.write(b"a")
    transport.write(b"b")
    assert noted.seen == []
    await asyncio.sleep(0)
    assert noted.seen == [b"ab"]

    transport.write(b"c")
    await asyncio.sleep(0)
    assert noted.seen == [b"ab", b"c"]


async def test_much_is_not_held_back_and_nothing_is_written_twice():
    noted = Noted()
    transport = gathered(noted, Turn())

    transport.write(b"a")
    transport.write(b"b" * MOST_GATHERED)
    assert noted.seen == [b"a" + b"b" * MOST_GATHERED]
    transport.write(b"c")
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert noted.seen[1:] == [b"c"]


async def test_what_was_written_goes_out_before_the_end():
    noted = Noted()
    transport = gathered(noted, Turn())

    transport.write(b"a")
    assert not transport.is_closing()
    transport.close()
    await asyncio.sleep(0)

    assert noted.seen == [b"a", "closed"]
    assert transport.is_closing()


async def test_others_have_their_turn_between_many_connections():
    turn, noted = Turn(), [Noted() for _ in range(2 * AT_ONCE + 1)]
    for one in noted:
        gathered(one, turn).write(b"a")

    counts = []
    for _ in range(4):
        await asyncio.sleep(0)
        counts.append(sum(len(one.seen) for one in noted))

    assert counts == [AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 1, 2 * AT_ONCE + 1]


async def test_a_thousand_messages_arrive_in_order_and_the_reason_of_the_end_behind_them():
    async def talk(client: WebSocket) -> None:
        await client.accept()
        for number in range(1_000):
            await client.send_text(f"{number} {'x' * (number % 7) * 1_000}")
        await client.close(4000, "said all")

    server = uvicorn.Server(server_config(Starlette(routes=[WebSocketRoute("/", talk)])))
    with closing(listening()) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/", proxy=None) as client:
            got = [message async for message in heard(client)]

        server.should_exit = True
        await serving
    assert [int(text.split(" ")[0]) for text in got] == list(range(1_000))
    assert (client.close_code, client.close_reason) == (4000, "said all")
