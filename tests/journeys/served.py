"""`connector serve`, as its operator sees it: a port, a log, and the ids of its processes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.commits import eventually

CONNECTOR = Path(sys.executable).with_name("connector")
DEADLINE_SECONDS = 60.0


class Served:
    """A hub in so many processes, with its files in one directory."""

    def __init__(self, directory: Path, count: int, environment: Mapping[str, str]) -> None:
        self.count = count
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = directory / "hub.log"
        self.environment = {**os.environ, **environment, "CONNECTOR_SERVER__PORT": str(self.port)}
        self.parent = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("a") as log:
            return subprocess.Popen(
                [CONNECTOR, "serve", "--processes", str(self.count)],
                cwd=self._log.parent,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def started(self, number: int) -> list[int]:
        """Ids of the processes that were started under a number, the newest last."""
        return [int(pid) for pid in re.findall(rf"process {number} of {self.count} is started, pid (\d+)", self.log)]

    async def said(self, text: str, times: int = 1) -> None:
        """Wait until its log has a text so often."""

        async def has_said() -> bool:
            assert self.parent.poll() is None or self.log.count(text) >= times, self.log
            return self.log.count(text) >= times

        try:
            await eventually(has_said, within=DEADLINE_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{text!r} was not said {times} times:\n{self.log}") from None

    async def listening(self, times: int | None = None) -> None:
        """Wait until all processes listen, or so many have begun to."""
        await self.said("listening on http://", times or self.count)

    @contextmanager
    def without(self, number: int) -> Iterator[None]:
        """A process stands still meanwhile: whatever is answered, another one answers.

        For what reads: where it stands still it may be in a transaction, which others that write would wait for.
        """
        pid = self.started(number)[-1]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    async def ask(self, query: str) -> dict[str, Any]:
        """The data that a query returns, over a connection of its own."""
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            answer = (await client.post(f"{self.url}/graphql", json={"query": query})).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def stop(self) -> int:
        """End it as an operator does; its exit status."""
        self.parent.send_signal(signal.SIGTERM)
        return self.parent.wait(DEADLINE_SECONDS)

    async def kill(self) -> None:
        """Kill the only process of a hub, whatever it is at."""
        assert self.count == 1
        self.parent.kill()
        assert await asyncio.to_thread(self.parent.wait, DEADLINE_SECONDS) == -signal.SIGKILL

    def start_again(self) -> None:
        """With the same port and files, after it has ended."""
        assert self.parent.poll() is not None
        self.parent = self._start()

    def close(self) -> None:
        """End it, whatever became of it."""
        if self.parent.poll() is None:
            self.parent.kill()
            self.parent.wait()


def is_there(pid: int) -> bool:
    """Whether a process runs: one that has ended and was not asked for its status counts as gone."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
