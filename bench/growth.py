"""How the time of an answer grows: pages and single rows with the database, which must be flat; a tree with itself.

The same rows, ten and a hundred times as many. One connection asks; databases take turns in rounds, of which the best
one counts.
BENCH_LARGEST: rows of the largest database. BENCH_DATABASE: `postgresql` or `sqlite`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.asking import OURS, asked, exchange, fill_database, new_database
from bench.databases import postgres_server
from bench.measure import Measure
from bench.peers.load import load
from bench.peers.operations import OPERATIONS, Operation
from bench.peers.servers import DATABASE_CORE, LOAD_CORE, Server, connector

SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "2"))
LARGEST = int(os.environ.get("BENCH_LARGEST", "1000000"))
DATABASE = os.environ.get("BENCH_DATABASE", "postgresql")
TICKETS = [rows for rows in (10_000, 100_000, 1_000_000) if rows <= LARGEST]
PAGES = ("tickets", "filtered", "single")
TREE_SITES = (5, 10, 20, 40)
FLAT_SHARE = 0.8


def measures() -> Iterator[Measure]:
    """The smallest database beside each larger one; the time for a site of a tree beside that of the smallest tree."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end with it
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="connector-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        servers = {rows: stack.enter_context(_hub(url, rows, home)) for rows, url in _databases(home, stack).items()}
        for operation in (operation for operation in OPERATIONS if operation.name in PAGES):
            yield from _flat(servers, operation)
        yield _linear(servers[TICKETS[0]], next(operation for operation in OPERATIONS if operation.name == "tree"))


def _databases(home: Path, stack: ExitStack) -> Mapping[int, str]:
    """Rows -> URL of a database that has them."""
    if DATABASE == "sqlite":
        urls = {rows: f"sqlite:///{home}/{rows}.db" for rows in TICKETS}
    else:
        server = postgres_server(home / "postgres", DATABASE_CORE)
        stack.callback(server.cleanup)
        urls = {rows: new_database(server.get_uri(), rows) for rows in TICKETS}
    for rows, url in urls.items():
        asyncio.run(fill_database(url, rows))
    return urls


def _hub(url: str, rows: int, home: Path) -> Any:
    return connector(OURS, url, home / f"hub-{rows}")


def _flat(servers: Mapping[int, Server], operation: Operation) -> Iterator[Measure]:
    best = dict.fromkeys(servers, 0.0)
    for _ in range(ROUNDS):
        for rows, server in servers.items():
            best[rows] = max(best[rows], _per_second(server, operation, {}))
    for rows in TICKETS[1:]:
        yield Measure(
            f"graphql-{operation.name}-growth-{rows}",
            ratio=best[rows] / best[TICKETS[0]],
            required=FLAT_SHARE,
            figures={f"ms at {count}": 1000 / best[count] for count in servers},
        )


def _linear(server: Server, tree: Operation) -> Measure:
    best = dict.fromkeys(TREE_SITES, 0.0)
    for _ in range(ROUNDS):
        for sites in TREE_SITES:
            best[sites] = max(best[sites], _per_second(server, tree, {"sites": sites}))
    few, many = TREE_SITES[0], TREE_SITES[-1]
    return Measure(
        "graphql-tree-growth",
        ratio=(best[many] * many) / (best[few] * few),
        required=FLAT_SHARE,
        figures={f"ms of {sites} sites": 1000 / rate for sites, rate in best.items()},
    )


def _per_second(server: Server, operation: Operation, others: Mapping[str, Any]) -> float:
    """Answers a second of one client after the other, for all variables of an operation in turn."""
    exchanges = []
    for given in operation.variables:
        path, body = asked(OURS, operation, {**given, **others})
        exchanges.append(exchange(server.port, path, body, server.ask(path, body)))
    return load(server.port, exchanges, connections=1, seconds=SECONDS, warm_up=SECONDS / 2).per_second
