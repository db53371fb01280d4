"""Idle start: from the command to the first answered query, on SQLite, as a user starts it again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.measure import Measure

LIMIT_SECONDS = 2.0
STARTS = 5
QUERY = {"query": "{ sites(first: 1) { totalCount } }"}


def measures() -> Iterator[Measure]:
    """The median of some starts against the limit; the first start, which makes the database, is told beside it."""
    with tempfile.TemporaryDirectory() as home:
        first = _start(Path(home))
        again = [_start(Path(home)) for _ in range(STARTS)]
    bare = median(_bare() for _ in range(STARTS))
    yield Measure(
        "start",
        ratio=LIMIT_SECONDS / median(again),
        required=1.0,
        figures={
            "first_start_s": round(first, 2),
            "median_s": round(median(again), 2),
            "slowest_s": round(max(again), 2),
            "bare_interpreter_s": round(bare, 3),
        },
    )


def _start(home: Path) -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "CONNECTOR_SERVER__PORT": str(port),
        "CONNECTOR_AUTH__ANONYMOUS": "true",
        "CONNECTOR_LOG_LEVEL": "ERROR",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # whoever starts again starts what was compiled before
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps(QUERY).encode(),
        headers={"content-type": "application/json"},
    )
    began = time.perf_counter()
    process = subprocess.Popen([Path(sys.executable).with_name("connector"), "serve"], cwd=home, env=environment)
    try:
        while True:
            try:
                answer = json.load(urllib.request.urlopen(request, timeout=10))
            except (urllib.error.URLError, ConnectionError):
                if process.poll() is not None:
                    raise RuntimeError(f"the hub ended with {process.returncode}") from None
                time.sleep(0.005)
            else:
                break
        took = time.perf_counter() - began
        if answer != {"data": {"sites": {"totalCount": 0}}}:
            raise RuntimeError(f"the hub answered {answer}")
        return took
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def _bare() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - began
