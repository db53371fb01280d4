"""A wire between two of the hub's parts that can be cut, stopped and robbed of answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

CHUNK = 65_536
Connect: TypeAlias = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Wire:
    """A TCP port that leads to another server.

    going: cleared while nothing gets through. losing: so many answers are lost on their way back, each with its
    connection, after the server has done what was asked; all but the first bytes of them, as many as are `kept`.
    lost, cuts: how many answers and connections were.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.going = asyncio.Event()
        self.going.set()
        self.losing = 0
        self.kept = 0
        self.lost = 0
        self.cuts = 0

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._open)

    async def begin(self) -> None:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._open, return_exceptions=True)

    def cut(self) -> None:
        """All connections end at once, wherever they are."""
        self.cuts += len(self._open)
        for task in self._open:
            task.cancel()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        there: asyncio.StreamWriter | None = None
        try:
            back, there = await self._connect()
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, there))
                both.create_task(self._pass(back, writer, is_answer=True))
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass
        finally:
            self._open.discard(task)
            for end in (writer, there):
                if end is not None:
                    abort(end)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool = False) -> None:
        while data := await source.read(CHUNK):
            await self.going.wait()
            if is_answer and self.losing:
                self.losing -= 1
                self.lost += 1
                sink.write(data[: self.kept])
                raise ConnectionResetError("the answer is lost")
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError("one end was closed")


def abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, as a cable that is pulled looks once anything is sent."""
    with suppress(OSError):
        raw = writer.get_extra_info("socket")
        if raw is not None and raw.family == socket.AF_INET:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()
