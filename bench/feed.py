"""Events to many subscribers, against strawberry's own handler of the same schema, and against texts that are ready.

10,000 subscriptions (BENCH_SUBSCRIBERS) of 100 different documents, 100 to a socket, which is the most that the hub
allows; every one of them wants every event. The server is on one core, the load on the other. An event happens when
the one before has reached everybody: the figures are frames received a second, and how long after the event 99 of a
hundred had come. BENCH_SECONDS: how long a server is measured, but for at least two events.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx
import orjson

from bench.measure import Measure, quantile
from bench.peers.servers import LOAD_CORE, Server, feed_app

SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
SUBSCRIBERS = int(os.environ.get("BENCH_SUBSCRIBERS", "10000"))
DOCUMENTS, A_SOCKET = 100, 100
STRAWBERRY_TIMES, RAW_SHARE = 4, 0.6
PATIENCE_SECONDS = 600.0
SILENCE_SECONDS = 3.0
FIRST_BYTES = 4096
NEXT = b'"next"'
CONNECTOR, STRAWBERRY, RAW = "connector", "strawberry", "raw"


@dataclass(frozen=True)
class Rate:
    """What was received."""

    per_second: float
    p99_ms: float
    events: int


def measures() -> list[Measure]:
    """Each server in turn, alone."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end with it
    os.sched_setaffinity(0, {LOAD_CORE})
    rates: dict[str, Rate] = {}
    payload = ""
    for way in (CONNECTOR, RAW, STRAWBERRY):
        with tempfile.TemporaryDirectory(prefix="connector-bench-") as home, ExitStack() as stack:
            server = stack.enter_context(feed_app(way, f"sqlite:///{home}/feed.db", payload))
            sockets = [stack.enter_context(_socket(server, number)) for number in range(SUBSCRIBERS // A_SOCKET)]
            rates[way], shown = _measured(server, sockets)
            payload = payload or shown
    figures = {f"{way} {name}": value for way, rate in rates.items() for name, value in _figures(rate).items()}
    ours = rates[CONNECTOR].per_second
    return [
        Measure("feed-vs-strawberry", ours / rates[STRAWBERRY].per_second, STRAWBERRY_TIMES, figures),
        Measure("feed-vs-raw-frames", ours / rates[RAW].per_second, RAW_SHARE, {}),
    ]


def _figures(rate: Rate) -> dict[str, float]:
    """What was observed of one server."""
    return {"per s": round(rate.per_second), "p99 ms": round(rate.p99_ms, 1), "events": rate.events}


def _document(number: int) -> str:
    return (
        f"subscription Follow{number} {{ tasks {{ cursor at operation actor before after "
        "changes { field before after } task { id title state } } }"
    )


def _frame(message: dict[str, object]) -> bytes:
    """A text frame of a client, masked with zeros (RFC 6455, 5.2)."""
    payload = orjson.dumps(message)
    return struct.pack("!BBH", 0x81, 0x80 | 126, len(payload)) + bytes(4) + payload


@contextmanager
def _socket(server: Server, number: int) -> Iterator[socket.socket]:
    """A WebSocket with its subscriptions."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as client:
        client.sendall(
            (
                f"GET /graphql HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\nupgrade: websocket\r\n"
                "connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                "sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
            ).encode()
        )
        _read_until(client, b"\r\n\r\n")
        client.sendall(_frame({"type": "connection_init"}))
        _read_until(client, b"connection_ack")
        for place in range(A_SOCKET):
            query = _document((number + place) % DOCUMENTS)
            client.sendall(_frame({"type": "subscribe", "id": f"{place:02}", "payload": {"query": query}}))
        yield client


def _read_until(client: socket.socket, end: bytes) -> None:
    got = b""
    while end not in got:
        got += client.recv(65536)


def _measured(server: Server, sockets: list[socket.socket]) -> tuple[Rate, str]:
    """Events one after the other; also the text of one of them, with ID where its id was."""
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=PATIENCE_SECONDS) as http:
        shown = _warm_up(http, sockets)
        latencies: list[tuple[float, int]] = []
        begin, events = time.perf_counter(), 0
        while events < 2 or time.perf_counter() - begin < SECONDS:
            latencies += _event(http, sockets)
            events += 1
        seconds = time.perf_counter() - begin
    spread = [latency * 1000 for latency, count in latencies for _ in range(count)]
    return Rate(len(sockets) * A_SOCKET * events / seconds, quantile(spread, 0.99), events), shown


def _warm_up(http: httpx.Client, sockets: list[socket.socket]) -> str:
    """Let things happen until one of them has reached every subscription; the text of one frame."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        received = _Received(sockets)
        http.post("/happen").raise_for_status()
        received.wait(SUBSCRIBERS, silence=SILENCE_SECONDS)
        if received.frames == SUBSCRIBERS:
            return received.text()
    raise RuntimeError("not every subscription was told of an event")


def _event(http: httpx.Client, sockets: list[socket.socket]) -> list[tuple[float, int]]:
    """One event, until it has reached everybody: seconds after it began, and how many frames came then."""
    received = _Received(sockets)
    http.post("/happen").raise_for_status()
    received.wait(SUBSCRIBERS, silence=PATIENCE_SECONDS)
    if received.frames != SUBSCRIBERS:
        raise RuntimeError(f"{received.frames} frames came of {SUBSCRIBERS}")
    return received.times


class _Received:
    """Counts the frames of one event."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self.frames = 0
        self.times: list[tuple[float, int]] = []
        self._sockets = {client.fileno(): client for client in sockets}
        self._rests = dict.fromkeys(self._sockets, b"")
        self._first = b""
        self._begin = time.perf_counter()

    def wait(self, frames: int, *, silence: float) -> None:
        """Read until so many came, or none for so many seconds."""
        with select.epoll() as ready:
            for number in self._sockets:
                ready.register(number, select.EPOLLIN)
            while self.frames < frames:
                found = ready.poll(silence)
                if not found:
                    return
                for number, _ in found:
                    self._read(number)

    def text(self) -> str:
        """The JSON of a frame, with ID where its id was."""
        text = self._first[self._first.index(b"{") :].decode(errors="ignore")
        message, _ = json.JSONDecoder().raw_decode(text)
        return orjson.dumps({**message, "id": "ID"}).decode()

    def _read(self, number: int) -> None:
        got = self._sockets[number].recv(1 << 20)
        if not got:
            raise RuntimeError("the server closed a connection")
        if len(self._first) < FIRST_BYTES:
            self._first += got
        text = self._rests[number] + got
        count = text.count(NEXT)
        self._rests[number] = text[-(len(NEXT) - 1) :]
        self.frames += count
        self.times.append((time.perf_counter() - self._begin, count))
