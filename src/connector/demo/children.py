"""Child processes of the demo: started in their own session, stopped in order, by pid, and never left behind."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

GRACE_SECONDS = 15.0


class Children:
    """Processes that end with the demo, the last started first. Their output goes to a log file each."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[tuple[str, asyncio.subprocess.Process]] = []

    async def __aenter__(self) -> Children:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._running:
            _, process = self._running.pop()
            await _stop(process)

    async def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process; Ctrl-C in the terminal does not reach it, so that it can be stopped in order."""
        with (self._logs / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._running.append((name, process))

    def ended(self) -> str | None:
        """What to say when a process ended by itself: which, how, and the last lines of its log; None if none did."""
        for name, process in self._running:
            if process.returncode is not None:
                log = self._logs / f"{name}.log"
                tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
                return f"{name} ended with {process.returncode}; the end of {log}:\n{tail}"
        return None


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
