"""GraphQL over HTTP, against other servers of the same queries over the same PostgreSQL, and against no GraphQL at all.

All that answers is on one core, the server and PostgreSQL; the load is on the other. Every server must give the same
answers, as JSON; under load every answer must be the bytes that were compared. Servers take turns in rounds, so that
whatever else the machine does meets all of them; the best round counts. BENCH_SECONDS: how long a point is measured.
BENCH_OPERATIONS: only these, and no growth (`bench.growth`). BENCH_DATABASE_CORE=load: PostgreSQL is on the core of the
load instead.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench import growth
from bench.asking import HAND_WRITTEN, OURS, POSTGRAPHILE, asked, exchange, fill_database, new_database
from bench.databases import postgres_server, processor_seconds
from bench.measure import Measure
from bench.peers.install import install
from bench.peers.load import Exchange, Rate, load
from bench.peers.operations import OPERATIONS, Operation, as_of_ours
from bench.peers.servers import (
    DATABASE_CORE,
    LOAD_CORE,
    Server,
    connector,
    direct,
    node_peer,
    python_peer,
)

SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
WARM_UP_SECONDS = SECONDS / 2
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "2"))
CONNECTIONS = (1, 16)
TICKETS = 10_000
USUAL_TIMES, FASTEST_TIMES, HAND_WRITTEN_SHARE = 25, 2.5, 0.85
KEPT_TIMES = 5

ON_SQLITE, BYTES = "connector on sqlite", "bytes"
KEEPING = "connector with kept answers"
STRAWBERRY, ARIADNE, MERCURIUS, _ = PEERS = ("strawberry", "ariadne", "mercurius", POSTGRAPHILE)


@dataclass(frozen=True)
class Point:
    """One server, one operation, so many connections: the best of the rounds."""

    rate: Rate
    cpu_ms: float
    """CPU of the server for one answer."""
    database_cpu_ms: float
    """CPU of PostgreSQL for one answer."""

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.rate.per_second


Points = dict[tuple[str, int], Point]
"""Of one operation: server, connections -> what was measured."""


def measures() -> Iterator[Measure]:
    """Install the peers, start them; operation by operation compare their answers and measure them in turns."""
    peers = install()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end with it
    os.sched_setaffinity(0, {LOAD_CORE})
    operations = [o for o in OPERATIONS if o.name in os.environ.get("BENCH_OPERATIONS", o.name).split(",")]
    with tempfile.TemporaryDirectory(prefix="connector-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        server = postgres_server(home / "postgres", DATABASE_CORE)
        stack.callback(server.cleanup)
        database, sqlite = new_database(server.get_uri(), TICKETS), f"sqlite:///{home}/bench.db"
        for url in (database, sqlite):
            asyncio.run(fill_database(url, TICKETS))
        ours = stack.enter_context(connector(OURS, database, home / "ours"))
        keeping = stack.enter_context(connector(KEEPING, database, home / "keeping", keeps_answers=True))
        embedded = stack.enter_context(connector(ON_SQLITE, sqlite, home / "embedded"))
        body = home / "body.json"
        body.write_bytes(ours.ask(*asked(OURS, OPERATIONS[0])))
        alchemy = database.replace("postgresql://", "postgresql+psycopg://")
        servers = [
            ours,
            embedded,
            stack.enter_context(python_peer(STRAWBERRY, peers, "strawberry_app", alchemy)),
            stack.enter_context(python_peer(ARIADNE, peers, "ariadne_app", alchemy)),
            stack.enter_context(node_peer(MERCURIUS, peers, "mercurius_app.mjs", database, home)),
            stack.enter_context(node_peer(POSTGRAPHILE, peers, "postgraphile_app.mjs", database, home)),
            stack.enter_context(direct(HAND_WRITTEN, database, body)),
        ]
        for operation in operations:
            yield from _judged(_compete(servers, keeping, operation, server), operation)
    if len(operations) == len(OPERATIONS):
        yield from growth.measures()


def _compete(servers: Sequence[Server], keeping: Server, operation: Operation, postgres: Any) -> Points:
    """Every server in turn, round after round; the best round counts.

    keeping: takes its turn where the page of tickets is asked for, which it is asked for again and again.
    """
    points: Points = {}
    sent = next(server for server in servers if server.name == HAND_WRITTEN)
    taking_part = [server for server in servers if server.name != POSTGRAPHILE or operation.postgraphile is not None]
    expected = [orjson.loads(taking_part[0].ask(*asked(OURS, operation, given))) for given in operation.variables]
    exchanges = {server.name: _compared(server, operation, expected) for server in taking_part}
    for connections in CONNECTIONS:
        for turn in range(ROUNDS):
            start = turn % len(taking_part)
            for server in (*taking_part[start:], *taking_part[:start]):
                point = _measured(server, exchanges[server.name], connections, postgres)
                _keep_best(points, (server.name, connections), point)
            if operation.name == "tickets":
                point = _measured(sent, _bytes(sent, exchanges[OURS][0].answer), connections, postgres)
                _keep_best(points, (BYTES, connections), point)
                point = _measured(keeping, _compared(keeping, operation, expected), connections, postgres)
                _keep_best(points, (KEEPING, connections), point)
    return points


def _measured(server: Server, exchanges: Sequence[Exchange], connections: int, postgres: Any) -> Point:
    load(server.port, exchanges, connections=connections, seconds=0, warm_up=WARM_UP_SECONDS)
    server_cpu_s, database_cpu_s = server.cpu_s(), processor_seconds(postgres)
    rate = load(server.port, exchanges, connections=connections, seconds=SECONDS)
    answers = len(rate.latencies_s)
    return Point(
        rate,
        cpu_ms=(server.cpu_s() - server_cpu_s) / answers * 1000,
        database_cpu_ms=(processor_seconds(postgres) - database_cpu_s) / answers * 1000,
    )


def _keep_best(points: Points, key: tuple[str, int], point: Point) -> None:
    if key not in points or point.rate.per_second > points[key].rate.per_second:
        points[key] = point


def _compared(server: Server, operation: Operation, expected: Sequence[Any]) -> list[Exchange]:
    """The requests, and the bytes of answers that mean the same as ours. Raises AssertionError when they do not."""
    exchanges = []
    for given, ours in zip(operation.variables, expected, strict=True):
        path, body = asked(server.name, operation, given)
        answer = server.ask(path, body)
        got = orjson.loads(answer)
        if server.name == POSTGRAPHILE:
            got = as_of_ours(got)
        if got != ours:
            raise AssertionError(f"{server.name} answers {operation.name} differently: {got!s:.500} not {ours!s:.500}")
        exchanges.append(exchange(server.port, path, body, answer))
    return exchanges


def _bytes(server: Server, answer: bytes) -> list[Exchange]:
    return [exchange(server.port, "/bytes", {"variables": {}}, answer)]


def _judged(points: Points, operation: Operation) -> Iterator[Measure]:
    for connections in CONNECTIONS:
        found = {server: point for (server, n), point in points.items() if n == connections}
        fastest = max((peer for peer in PEERS if peer in found), key=lambda server: found[server].per_second)
        figures = _figures(found) | {"fastest peer": fastest}
        name = f"graphql-{operation.name}-{connections}"
        yield _ratio(f"{name}-vs-fastest-peer", found, OURS, fastest, 1.0, figures)
        yield _ratio(f"{name}-sqlite-vs-postgresql", found, ON_SQLITE, OURS, 1.0, {})
        yield _ratio(f"{name}-vs-hand-written", found, OURS, HAND_WRITTEN, HAND_WRITTEN_SHARE, {})
        if operation.name == "tickets" and connections == max(CONNECTIONS):
            yield _ratio("graphql-tickets-vs-strawberry", found, OURS, STRAWBERRY, USUAL_TIMES, {})
            yield _ratio("graphql-tickets-vs-fastest-peer", found, OURS, fastest, FASTEST_TIMES, {})
            yield _ratio("graphql-tickets-cached-vs-fastest-peer", found, KEEPING, fastest, KEPT_TIMES, {})


def _ratio(
    name: str, found: Mapping[str, Point], ours: str, other: str, required: float, figures: Mapping[str, float | str]
) -> Measure:
    return Measure(name, found[ours].per_second / found[other].per_second, required, figures)


def _figures(found: Mapping[str, Point]) -> dict[str, float | str]:
    figures: dict[str, float | str] = {}
    for server, point in found.items():
        figures[f"{server} per s"] = round(point.per_second, 1)
        figures[f"{server} median ms"] = round(point.rate.median_ms, 2)
        figures[f"{server} cpu ms"] = round(point.cpu_ms, 2)
        figures[f"{server} postgresql cpu ms"] = round(point.database_cpu_ms, 2)
    return figures
