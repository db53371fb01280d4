"""The hub as the tests that kill it see it, and the world around it on loopback ports."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

EVERYWHERE = "CONNECTOR_KILL_EVERYWHERE" in os.environ
"""Whether hubs are killed at all points; otherwise at some, other ones in each run."""


class Forker:
    """The process that makes hubs, one after the other: it has imported everything, for all tests of a worker."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fulfilment.killed_hub"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True,
        )  # fmt: skip
        self._orders = 0

    def run(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a hub and wait until it is over; what a test that was broken off did not wait for is passed over."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders += 1
        number = self._orders
        self._process.stdin.write(json.dumps({"number": number, **order}) + "\n")
        self._process.stdin.flush()
        while True:
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
            if answer["number"] == number:
                return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class Hub:
    """A hub on a database: a process that is run until something is done, or is killed before."""

    def __init__(self, forker: Forker, database: str, trace: Path, outside: Mapping[str, Any]) -> None:
        self._forker = forker
        self._config = {"database": database, "trace": str(trace), **outside}
        self._trace = trace

    async def run(
        self, wanted: dict[str, int], *, kill_at: int | None = None, after: int = 0, only: str | None = None
    ) -> str | None:
        """Run the hub; the name of the point at which it was killed, None when it got done."""
        order = {"config": self._config, "kill_at": kill_at, "after": after, "wanted": wanted, "only": only}
        answer = await asyncio.to_thread(self._forker.run, order)
        if answer["died"] == signal.SIGKILL:
            return self._trace.read_text()
        assert answer["status"] == 0
        return None


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    """The address of an application on a loopback port."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
