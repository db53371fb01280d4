"""The servers that are measured, each a process on one core; the load is on the other.

BENCH_DATABASE_CORE: `server`, so that all that answers is on one core; or `load`, where PostgreSQL shares the other one
with what asks.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.peers.install import Peers
from bench.peers.sdl import SCHEMA

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
DATABASE_CORE = LOAD_CORE if os.environ.get("BENCH_DATABASE_CORE", "server") == "load" else SERVER_CORE
PATIENCE_SECONDS = 180.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """CPU that the process has used, seconds."""
        return _cpu_s(self.process.pid)

    def ask(self, path: str, body: Mapping[str, Any]) -> bytes:
        """The body of an answer. Raises RuntimeError for anything but success."""
        answer = httpx.post(f"http://127.0.0.1:{self.port}{path}", json=body, timeout=PATIENCE_SECONDS)
        if answer.status_code != 200 or b'"errors"' in answer.content[:200]:
            raise RuntimeError(f"{self.name} answered {answer.status_code}: {answer.text[:2000]}")
        return answer.content


@contextmanager
def connector(name: str, database: str, home: Path, *, keeps_answers: bool = False) -> Iterator[Server]:
    """The hub as people start it: `connector serve`. keeps_answers: and has them given again."""
    home.mkdir()
    environment = {
        "CONNECTOR_DATABASE": database,
        "CONNECTOR_AUTH__ANONYMOUS": "true",
        "CONNECTOR_LOG_LEVEL": "ERROR",
        "CONNECTOR_GRAPHQL__KEEP_ANSWERS": str(keeps_answers).lower(),
    }
    command = [Path(sys.executable).with_name("connector"), "serve"]
    with _running(name, command, environment, port_name="CONNECTOR_SERVER__PORT", home=home) as server:
        yield server


@contextmanager
def python_peer(name: str, peers: Peers, module: str, database: str) -> Iterator[Server]:
    """An ASGI application of this package on uvicorn, on the peers' own packages."""
    with _uvicorn(name, peers.python, module, {"DATABASE": database}) as server:
        yield server


@contextmanager
def direct(name: str, database: str, body: Path) -> Iterator[Server]:
    """Statements and bytes, on the packages that Connector runs on."""
    with _uvicorn(name, Path(sys.executable), "direct", {"DATABASE": database, "BODY": str(body)}) as server:
        yield server


@contextmanager
def hub_on(name: str, packages: Path, database: str, body: Path) -> Iterator[Server]:
    """The hub's application on `uvicorn`, `uvicorn on uvloop` or `granian`. packages: the folder that granian is in."""
    module = ["bench.peers.serve_granian"] if name == "granian" else ["bench.peers.serve", "hub_app"]
    command = [sys.executable, "-m", *module]
    environment = {
        "DATABASE": database,
        "BODY": str(body),
        "LOOP": "uvloop" if name == "uvicorn on uvloop" else "asyncio",
        "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{packages}",
    }
    with _running(name, command, environment) as server:
        yield server


@contextmanager
def feed_app(way: str, database: str, ready: Path) -> Iterator[Server]:
    """Subscriptions in one of several ways (`bench.peers.feed_app`). ready: a file with texts that are ready."""
    environment = {"DATABASE": database, "READY": str(ready), "PYTHONPATH": str(HERE.parents[1])}
    with _running(way, [sys.executable, "-m", "bench.peers.feed_app", way], environment) as server:
        yield server


@contextmanager
def node_peer(name: str, peers: Peers, script: str, database: str, home: Path) -> Iterator[Server]:
    """A script of this folder on Node."""
    schema = home / "schema.graphql"
    schema.write_text(SCHEMA, encoding="utf-8")
    environment = {
        "NODE_ENV": "production",
        "DATABASE": database,
        "MODULES": str(peers.modules),
        "SCHEMA": str(schema),
    }
    with _running(name, [peers.node, HERE / script], environment) as server:
        yield server


@contextmanager
def _uvicorn(name: str, python: Path, module: str, environment: Mapping[str, str]) -> Iterator[Server]:
    command = [python, "-m", "bench.peers.serve", module]
    with _running(name, command, {**environment, "PYTHONPATH": str(HERE.parents[1])}) as server:
        yield server


@contextmanager
def _running(
    name: str,
    command: list[Any],
    environment: Mapping[str, str],
    *,
    port_name: str = "PORT",
    home: Path | None = None,
) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        ["taskset", "--cpu-list", str(SERVER_CORE), *command],
        cwd=home,
        env={**os.environ, **environment, port_name: str(port)},
    )
    try:
        _wait(name, process, port)
        yield Server(name, port, process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _cpu_s(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    except FileNotFoundError:  # it has ended meanwhile
        return 0.0
    return sum(map(int, fields[11:13])) / TICKS_PER_SECOND


def _wait(name: str, process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}") from None
            if time.monotonic() > until:
                raise RuntimeError(f"{name} does not listen after {PATIENCE_SECONDS:.0f} s") from None
            time.sleep(0.02)
        else:
            return
