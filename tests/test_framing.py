"""Many messages sent over a WebSocket at once arrive as what they are: in order, as fast as the client reads."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress

import pytest
import uvicorn
from hypothesis import given
from hypothesis.strategies import lists, text
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from connector.api.live.socket import SEND_MANY
from connector.connections import server_config
from connector.framing import FramingSocket, framed


def listening() -> socket.socket:
    """A loopback port that takes connections, whether or not somebody answers them yet."""
    return socket.create_server(("127.0.0.1", 0))


async def heard(client: ClientConnection) -> AsyncIterator[str]:
    """Its messages until it is ended, for whatever reason."""
    with suppress(ConnectionClosed):
        while True:
            yield str(await client.recv())


class Talk:
    """Accepts a client and talks to it. talk: gets what sends."""

    def __init__(self, talk: Callable[[Send], Awaitable[None]]) -> None:
        self._talk = talk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        assert (await receive())["type"] == "websocket.connect"
        assert SEND_MANY in scope["extensions"]
        await send({"type": "websocket.accept"})
        await self._talk(send)


@asynccontextmanager
async def served(talk: Callable[[Send], Awaitable[None]]) -> AsyncIterator[str]:
    """The address of the hub's server with an application that talks."""
    server = uvicorn.Server(server_config(Starlette(routes=[WebSocketRoute("/", Talk(talk))])))
    with closing(listening()) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True
        await serving


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_message_is_framed_as_the_library_of_the_protocol_frames_it(size: int):
    text = b"x" * size

    assert framed([text]) == Frame(Opcode.TEXT, text).serialize(mask=False)


@given(texts=lists(text(), max_size=5))
def test_messages_are_framed_one_after_the_other(texts: list[str]):
    encoded = [one.encode() for one in texts]

    assert framed(encoded) == b"".join(Frame(Opcode.TEXT, one).serialize(mask=False) for one in encoded)


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_many_messages_at_once_arrive_in_order_and_the_reason_of_the_end_behind_them(compression: str | None):
    texts = [f"{number} ä {'x' * (number % 7) * 1_000}" for number in range(1_000)]

    async def talk(send: Send) -> None:
        await send({"type": SEND_MANY, "texts": [text.encode() for text in texts[:900]]})
        for one in texts[900:]:
            await send({"type": "websocket.send", "text": one})
        await send({"type": "websocket.close", "code": 4000, "reason": "said all"})

    async with served(talk) as url, connect(url, proxy=None, compression=compression) as client:
        got = [message async for message in heard(client)]

    assert got == texts
    assert (client.close_code, client.close_reason) == (4000, "said all")


async def test_many_messages_to_a_client_that_does_not_read_wait_until_it_does(monkeypatch: pytest.MonkeyPatch):
    sent, is_paused = [], asyncio.Event()
    monkeypatch.setattr(FramingSocket, "pause_writing", noting(FramingSocket.pause_writing, is_paused))

    async def talk(send: Send) -> None:
        for number in range(300):
            await send({"type": SEND_MANY, "texts": [b"x" * 100_000]})
            sent.append(number)
        await send({"type": "websocket.close"})

    async with served(talk) as url, connect(url, proxy=None, compression=None, max_queue=1) as client:
        await is_paused.wait()
        assert len(sent) < 300
        got = [len(message) async for message in heard(client)]

    assert got == [100_000] * 300


def noting(pause: Callable[[FramingSocket], None], is_paused: asyncio.Event) -> Callable[[FramingSocket], None]:
    def noted(socket: FramingSocket) -> None:
        pause(socket)
        is_paused.set()

    return noted


async def test_many_messages_to_a_client_that_is_gone_are_refused():
    refused: asyncio.Future[OSError] = asyncio.get_running_loop().create_future()

    async def talk(send: Send) -> None:
        try:
            while True:
                await send({"type": SEND_MANY, "texts": [b"there?"]})
                await asyncio.sleep(0)
        except OSError as error:
            refused.set_result(error)

    async with served(talk) as url:
        client = await connect(url, proxy=None)
        await client.recv()
        client.transport.abort()
        assert isinstance(await refused, ClientDisconnected)
