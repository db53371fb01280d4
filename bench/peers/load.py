"""Load over kept connections from this process, as fast as the answers come; every answer is compared, byte by byte.

One thread and non-blocking sockets: what it costs itself is told by the measure of bytes that are just sent.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from statistics import median

HEAD_BYTES = 4096
PATIENCE_SECONDS = 30.0


class WrongAnswerError(AssertionError):
    """A server answered something else than before."""


@dataclass(frozen=True)
class Exchange:
    """What is sent, and what must come back."""

    content: bytes
    answer: bytes


@dataclass
class Rate:
    """What was answered. latencies_s: of each answer."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.seconds

    @property
    def median_ms(self) -> float:
        """Half of the answers took less."""
        return median(self.latencies_s) * 1000


class _Client:
    """One connection; `answered` reads what is there and tells whether an answer is complete."""

    def __init__(self, port: int, exchanges: Iterator[Exchange], largest: int) -> None:
        self._exchanges = exchanges
        self._answer = b""
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(largest + HEAD_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = self._head = self._whole = 0
        self.sent_at = 0.0

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self) -> None:
        self._filled = self._whole = 0
        exchange = next(self._exchanges)
        self._answer = exchange.answer
        self.sent_at = time.perf_counter()
        self._socket.sendall(exchange.content)

    def answered(self) -> bool:
        got = self._socket.recv_into(self._view[self._filled :])
        self._filled += got
        if not self._whole:
            self._read_head()
        if not got:
            raise self._wrong("closed the connection")
        if self._filled == len(self._buffer) or self._filled > self._whole > 0:
            raise self._wrong("sent more than was expected")
        if self._filled != self._whole:
            return False
        if self._buffer[self._head : self._whole] != self._answer:
            raise self._wrong("sent another answer")
        return True

    def _wrong(self, what: str) -> WrongAnswerError:
        shown = bytes(self._view[: min(self._filled, 1000)])
        return WrongAnswerError(f"the server {what}, {self._filled} of {self._whole} bytes: {shown!r}")

    def _read_head(self) -> None:
        end = self._buffer.find(b"\r\n\r\n", 0, self._filled)
        if end < 0:
            return
        self._head = end + 4
        for line in bytes(self._view[:end]).lower().split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name == b"content-length":
                self._whole = self._head + int(value)
                return
        raise WrongAnswerError(f"an answer without content-length: {bytes(self._view[:end])!r}")

    def close(self) -> None:
        self._socket.close()


def load(port: int, exchanges: Sequence[Exchange], *, connections: int, seconds: float, warm_up: float = 0.0) -> Rate:
    """Send the requests in turn over so many connections for so long, or until each has had an answer.

    Raises WrongAnswerError for any answer that differs.
    """
    rate = Rate()
    in_turn = cycle(exchanges)
    largest = max(len(exchange.answer) for exchange in exchanges)
    with contextlib.ExitStack() as stack, select.epoll() as ready:
        clients: dict[int, _Client] = {}
        for _ in range(connections):
            client = _Client(port, in_turn, largest)
            stack.callback(client.close)
            clients[client.fileno()] = client
            ready.register(client.fileno(), select.EPOLLIN)
        begin = time.perf_counter() + warm_up
        end = begin + seconds
        for client in clients.values():
            client.send()
        waiting = len(clients)
        while waiting:
            events = ready.poll(PATIENCE_SECONDS)
            if not events:
                raise WrongAnswerError(f"no answer within {PATIENCE_SECONDS:.0f} s")
            for number, _ in events:
                client = clients[number]
                if client.answered():
                    now = time.perf_counter()
                    enough = now > end and len(rate.latencies_s) >= connections
                    if now > begin and not enough:
                        rate.latencies_s.append(now - client.sent_at)
                        rate.seconds = now - begin
                    if enough:
                        waiting -= 1
                        ready.unregister(number)  # the server may close it from now on
                    else:
                        client.send()
    return rate
