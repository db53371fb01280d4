"""The hub's application on uvicorn and on granian, each on one core with one event loop; the load is on the other core.

A page of tickets and one ticket over PostgreSQL, and bytes that are just sent: rates, and the CPU of the server for an
answer, which another load on the machine changes least. And how long each takes until it answers. Nothing is required:
a measure tells how granian stands to uvicorn, both on uvloop. BENCH_SECONDS, BENCH_ROUNDS: as in `bench.graphql`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.asking import OURS, asked, exchange, fill_database, new_database
from bench.databases import postgres_server
from bench.graphql import CONNECTIONS, ROUNDS, SECONDS, TICKETS, WARM_UP_SECONDS
from bench.measure import Measure
from bench.peers.install import install_granian
from bench.peers.load import Exchange, load
from bench.peers.operations import OPERATIONS
from bench.peers.servers import LOAD_CORE, Server, hub_on

UVICORN, ON_UVLOOP, GRANIAN = SERVERS = ("uvicorn", "uvicorn on uvloop", "granian")
"""The second as `connector serve` has it; granian is on uvloop as well."""
STARTS = 3
ASKED = ("tickets", "single", "bytes")


def measures() -> Iterator[Measure]:
    """Granian against uvicorn."""
    packages = install_granian()
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="connector-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        postgres = postgres_server(home / "postgres")
        stack.callback(postgres.cleanup)
        database = new_database(postgres.get_uri(), TICKETS)
        asyncio.run(fill_database(database, TICKETS))
        body = home / "body.json"
        body.write_bytes(b"{}")
        with hub_on(UVICORN, packages, database, body) as first:
            body.write_bytes(first.ask(*asked(OURS, OPERATIONS[0])))
        yield _starts(packages, database, body)
        running = {name: stack.enter_context(hub_on(name, packages, database, body)) for name in SERVERS}
        for what in ASKED:
            exchanges = {name: _exchanged(server, what) for name, server in running.items()}
            for connections in CONNECTIONS:
                yield _compared(what, connections, running, exchanges)


def _starts(packages: Path, database: str, body: Path) -> Measure:
    took: dict[str, list[float]] = {name: [] for name in SERVERS}
    for _ in range(STARTS):
        for name in SERVERS:
            began = time.perf_counter()
            with hub_on(name, packages, database, body) as server:
                server.ask("/graphql", {"query": "{ __typename }"})
                took[name].append(time.perf_counter() - began)
    begun = {name: median(times) for name, times in took.items()}
    figures = {f"{name} s": round(s, 2) for name, s in begun.items()}
    return Measure("servers-start", begun[ON_UVLOOP] / begun[GRANIAN], 0.0, figures)


def _exchanged(server: Server, what: str) -> list[Exchange]:
    operation = next((operation for operation in OPERATIONS if operation.name == what), None)
    path, body = ("/bytes", {"variables": {}}) if operation is None else asked(OURS, operation)
    return [exchange(server.port, path, body, server.ask(path, body))]


def _compared(
    what: str, connections: int, running: Mapping[str, Server], exchanges: Mapping[str, list[Exchange]]
) -> Measure:
    best, answers, cpu_s = (dict.fromkeys(SERVERS, 0.0) for _ in range(3))
    for turn in range(ROUNDS * 2):
        for name in SERVERS if turn % 2 else reversed(SERVERS):
            server = running[name]
            load(server.port, exchanges[name], connections=connections, seconds=0, warm_up=WARM_UP_SECONDS)
            before = server.cpu_s()
            rate = load(server.port, exchanges[name], connections=connections, seconds=SECONDS)
            cpu_s[name] += server.cpu_s() - before
            answers[name] += len(rate.latencies_s)
            best[name] = max(best[name], rate.per_second)
    cpu_ms = {name: cpu_s[name] / answers[name] * 1000 for name in SERVERS}
    return Measure(
        f"servers-{what}-{connections}",
        best[GRANIAN] / best[ON_UVLOOP],
        0.0,
        {f"{name} per s": round(best[name], 1) for name in SERVERS}
        | {f"{name} cpu ms": round(cpu_ms[name], 3) for name in SERVERS},
    )
