"""Events to many subscribers, against strawberry's own handler of the same schema, and against texts that are ready.

10,000 subscriptions (BENCH_SUBSCRIBERS) of 100 documents, each of which asks for something else; every one of them
wants every event. Once each has a socket of its own, once 100 share a socket, which is the most that the hub allows
(BENCH_SHARING=1,100). The server is on one core, the load on the other. What the hub and strawberry's handler send is
compared as JSON before anything is measured, and what is sent as ready are the hub's texts. An event happens when the
one before has reached everybody, and whoever makes it happen is answered at once: the figures are frames received a
second, how long after the event 99 of a hundred had come, and the CPU of the server for a frame, which other work on
the machine does not change as much. BENCH_SECONDS: how long a server is measured, but for at least two events.
BENCH_DATABASE: `sqlite` or `postgresql`.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from bench.databases import postgres_server
from bench.measure import Measure, quantile
from bench.peers.servers import LOAD_CORE, Server, feed_app

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
SUBSCRIBERS = int(os.environ.get("BENCH_SUBSCRIBERS", "10000"))
SHARING = [int(text) for text in os.environ.get("BENCH_SHARING", "1,100").split(",")]
DATABASE = os.environ.get("BENCH_DATABASE", "sqlite")
DOCUMENTS = 100
STRAWBERRY_TIMES, RAW_SHARE = 4, 0.6
PATIENCE_SECONDS = 600.0
SILENCE_SECONDS = 5.0
FILES = 4_096
"""What a process has open beside the sockets of its clients, at most."""
NEXT = b'"next"'
CONNECTOR, STRAWBERRY, RAW = "connector", "strawberry", "raw"
FIELDS = ("id", "title", "state", "kind", "assignee", "createdAt", "updatedAt")


@dataclass(frozen=True)
class Rate:
    """What was received. cpu_us: of the server for one frame."""

    per_second: float
    p99_ms: float
    cpu_us: float
    events: int


def measures() -> list[Measure]:
    """Each server in turn, alone, once for each way of sharing sockets."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end with it
    os.sched_setaffinity(0, {LOAD_CORE})
    _allow_files(SUBSCRIBERS + FILES)
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="connector-bench-"))
        postgres = postgres_server(Path(home, "postgres")) if DATABASE == "postgresql" else None
        if postgres is not None:
            stack.callback(postgres.cleanup)
        return [measure for sharing in SHARING for measure in _compared(sharing, postgres, Path(home))]


def _compared(sharing: int, postgres: Any, home: Path) -> list[Measure]:
    """sharing: subscriptions on one socket."""
    rates: dict[str, Rate] = {}
    texts: list[str] = []
    for way in (CONNECTOR, RAW, STRAWBERRY):
        name = f"feed_{way}_{sharing}"
        url = f"sqlite:///{home}/{name}.db" if postgres is None else _created(postgres, name)
        ready = home / f"{name}.json"
        ready.write_bytes(orjson.dumps(texts))
        with ExitStack() as stack:
            server = stack.enter_context(feed_app(way, url, ready))
            if way != RAW:
                shown = _shown(server)
                if texts and [_plain(text) for text in texts] != [_plain(text) for text in shown]:
                    raise RuntimeError("connector and strawberry do not send the same")
                texts = texts or shown
            sockets = [
                stack.enter_context(_socket(server, range(first, min(first + sharing, SUBSCRIBERS))))
                for first in range(0, SUBSCRIBERS, sharing)
            ]
            rates[way] = _measured(server, sockets)
    figures = {f"{way} {name}": value for way, rate in rates.items() for name, value in _figures(rate).items()}
    ours, suffix = rates[CONNECTOR].per_second, "" if sharing == 1 else f"-{sharing}-a-socket"
    return [
        Measure(f"feed-vs-strawberry{suffix}", ours / rates[STRAWBERRY].per_second, STRAWBERRY_TIMES, figures),
        Measure(f"feed-vs-raw-frames{suffix}", ours / rates[RAW].per_second, RAW_SHARE, figures),
    ]


def _created(postgres: Any, name: str) -> str:
    """The URL of a new database."""
    postgres.psql(f"CREATE DATABASE {name}")
    url: str = postgres.get_uri(name)
    return url


def _allow_files(wanted: int) -> None:
    """Raises RuntimeError when the machine does not allow so many open files; servers inherit what it allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if wanted > most:
        raise RuntimeError(f"{wanted} open files are needed, {most} are allowed: set BENCH_SUBSCRIBERS or `ulimit -n`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _figures(rate: Rate) -> dict[str, float]:
    """What was observed of one server."""
    return {
        "per s": round(rate.per_second),
        "p99 ms": round(rate.p99_ms, 1),
        "CPU us": round(rate.cpu_us, 1),
        "events": rate.events,
    }


def _document(number: int) -> str:
    """The number-th document; each asks for other fields."""
    fields = [field for place, field in enumerate(FIELDS) if (number + 1) >> place & 1]
    return (
        f"subscription Follow{number} {{ tasks {{ cursor at operation actor before after "
        f"changes {{ field before after }} task {{ {' '.join(fields)} }} }} }}"
    )


def _frame(message: dict[str, object]) -> bytes:
    """A text frame of a client, masked with zeros (RFC 6455, 5.2)."""
    payload = orjson.dumps(message)
    return struct.pack("!BBH", 0x81, 0x80 | 126, len(payload)) + bytes(4) + payload


@contextmanager
def _socket(server: Server, numbers: Iterable[int]) -> Iterator[socket.socket]:
    """A WebSocket with the subscriptions of these numbers."""
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
        for number in numbers:
            query = _document(number % DOCUMENTS)
            client.sendall(_frame({"type": "subscribe", "id": f"{number:05}", "payload": {"query": query}}))
        yield client


def _read_until(client: socket.socket, end: bytes) -> None:
    got = b""
    while end not in got:
        got += client.recv(65536)


def _shown(server: Server) -> list[str]:
    """What an event is to each document, as text with ID where its id was."""
    with _socket(server, range(DOCUMENTS)) as client, _asking(server) as http:
        client.settimeout(1)
        found: dict[int, str] = {}
        text = b""
        until = time.monotonic() + PATIENCE_SECONDS
        while len(found) < DOCUMENTS and time.monotonic() < until:
            http.post("/happen").raise_for_status()
            try:
                while True:
                    text += client.recv(1 << 20)
            except TimeoutError:
                for payload in _payloads(text):
                    message = orjson.loads(payload)
                    found[int(message["id"])] = payload.decode().replace(message["id"], "ID", 1)
                text = b""
    return [found[number] for number in range(DOCUMENTS)]


def _payloads(frames: bytes) -> Iterator[bytes]:
    """The payloads of whole frames that are not masked (RFC 6455, 5.2)."""
    place = 0
    while place < len(frames):
        length, head = frames[place + 1], 2
        if length == 126:
            (length,), head = struct.unpack_from("!H", frames, place + 2), 4
        elif length == 127:
            (length,), head = struct.unpack_from("!Q", frames, place + 2), 10
        yield frames[place + head : place + head + length]
        place += head + length


def _plain(text: str) -> object:
    """A frame as JSON, but for the place in the log, which differs from server to server."""
    message = orjson.loads(text)
    message["payload"]["data"]["tasks"]["cursor"] = ""
    return message


def _asking(server: Server) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=PATIENCE_SECONDS)


def _measured(server: Server, sockets: list[socket.socket]) -> Rate:
    """Events one after the other."""
    with _asking(server) as http:
        _warm_up(http, sockets)
        latencies: list[tuple[float, int]] = []
        begin, cpu, events = time.perf_counter(), server.cpu_s(), 0
        while events < 2 or time.perf_counter() - begin < SECONDS:
            latencies += _event(http, sockets)
            events += 1
        seconds, cpu = time.perf_counter() - begin, server.cpu_s() - cpu
    spread = [latency * 1000 for latency, count in latencies for _ in range(count)]
    frames = SUBSCRIBERS * events
    return Rate(frames / seconds, quantile(spread, 0.99), cpu / frames * 1e6, events)


def _warm_up(http: httpx.Client, sockets: list[socket.socket]) -> None:
    """Let things happen until one of them has reached every subscription."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        received = _Received(sockets)
        http.post("/happen").raise_for_status()
        received.wait(sys.maxsize, silence=SILENCE_SECONDS)  # what is late of events before comes, too
        if received.frames == SUBSCRIBERS:
            return
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

    def _read(self, number: int) -> None:
        got = self._sockets[number].recv(1 << 20)
        if not got:
            raise RuntimeError("the server closed a connection")
        text = self._rests[number] + got
        count = text.count(NEXT)
        self._rests[number] = text[-(len(NEXT) - 1) :]
        self.frames += count
        self.times.append((time.perf_counter() - self._begin, count))
