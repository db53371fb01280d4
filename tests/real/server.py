"""State and programs of one real system: made once, started in the background, known and stopped by process id.

Everything is kept below `~/.cache/connector-real` (or `CONNECTOR_REAL_HOME`), so that the second start is quick.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

HOME_VARIABLE = "CONNECTOR_REAL_HOME"
LOOPBACK = "127.0.0.1"


class SetUpFailed(Exception):  # noqa: N818 - says what is so
    """A step of a system's set-up did not succeed; the text says which and where its log is."""


def home() -> Path:
    """Where the systems are installed and keep their state."""
    given = os.environ.get(HOME_VARIABLE)
    return Path(given).expanduser() if given else Path.home() / ".cache" / "connector-real"


class Server:
    """What was installed, made and started for one system."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.directory = home() / name
        self.durations: dict[str, float] = {}
        for part in ("log", "run", "done"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)

    def once(self, step: str, action: Callable[[], object], *, for_: str = "") -> None:
        """Do a step unless it was done before for the same version of what it depends on."""
        stamp = self.directory / "done" / step
        if stamp.exists() and stamp.read_text() == for_:
            return
        self.timed(step, action)
        stamp.write_text(for_)

    def timed(self, step: str, action: Callable[[], T]) -> T:
        """Do a step and say how long it took."""
        started = time.monotonic()
        result = action()
        self.durations[step] = time.monotonic() - started
        self.say(f"{step}: {self.durations[step]:.1f} s")
        return result

    def say(self, text: str) -> None:
        """Tell whoever waits."""
        sys.stderr.write(f"[{datetime.now(UTC):%H:%M:%S}] {self.name}: {text}\n")

    def port(self, purpose: str) -> int:
        """A free port of the loopback address, the same at every start; `CONNECTOR_REAL_NAME_PURPOSE` chooses it."""
        variable = f"CONNECTOR_REAL_{self.name}_{purpose}".upper()
        if variable in os.environ:
            return int(os.environ[variable])
        kept = self.directory / f"{purpose}.port"
        if kept.exists() and (self.is_running(purpose) or _is_free(int(kept.read_text()))):
            return int(kept.read_text())
        kept.write_text(str(free_port()))
        return int(kept.read_text())

    def secret(self, name: str, size: int) -> str:
        """A random hexadecimal text of `size` bytes, the same at every start."""
        file = self.directory / f"{name}.secret"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_hex(size))
        return file.read_text()

    def run(
        self, step: str, *command: str | Path, env: Mapping[str, str] | None = None, given: str | None = None
    ) -> str:
        """Run a program to its end; its output, also kept in the step's log. Raises SetUpFailed."""
        done = subprocess.run(
            [str(part) for part in command],
            env={**os.environ, **(env or {})},
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
        )
        log = self.directory / "log" / f"{step}.log"
        log.write_text(done.stdout + done.stderr)
        if done.returncode != 0:
            last = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise SetUpFailed(f"{self.name}: {step} ended with {done.returncode}, see {log}:\n{last}")
        return done.stdout

    def start(
        self, name: str, *command: str | Path, ready: Callable[[], bool], env: Mapping[str, str] | None = None
    ) -> None:
        """Start a program in the background, in a session of its own, and wait for it. Raises SetUpFailed."""
        if self.is_running(name):
            return
        log = self.directory / "log" / f"{name}.log"
        arguments = ["env", f"--chdir={self.directory}", *map(str, command)]
        # It outlives this program, so that nothing here waits for it, as the objects of `subprocess` would.
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawnp(
            "env",
            arguments,
            {**os.environ, **(env or {})},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        self._pid_file(name).write_text(json.dumps({"pid": pid, "started": _started(pid)}))
        began, deadline = time.monotonic(), time.monotonic() + 180
        while not ready():
            if _started(pid) is None or time.monotonic() > deadline:
                last = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise SetUpFailed(f"{self.name}: {name} does not answer, see {log}:\n{last}")
            time.sleep(0.2)
        self.durations[name] = time.monotonic() - began
        self.say(f"{name}: {self.durations[name]:.1f} s")

    def is_running(self, name: str) -> bool:
        """Whether the very process that was started still runs; another that got its number does not count."""
        file = self._pid_file(name)
        if not file.exists():
            return False
        kept = json.loads(file.read_text())
        return kept["started"] is not None and _started(kept["pid"]) == kept["started"]

    def stop(self, name: str) -> None:
        """End the program and what it started; nothing happens when it does not run."""
        if self.is_running(name):
            pid = json.loads(self._pid_file(name).read_text())["pid"]
            end(pid, group=True)
            self.say(f"stopped {name}")
        self._pid_file(name).unlink(missing_ok=True)

    def wipe(self) -> None:
        """Remove everything; stop the programs first."""
        shutil.rmtree(self.directory)

    def _pid_file(self, name: str) -> Path:
        return self.directory / "run" / f"{name}.json"


def end(pid: int, *, group: bool = False, with_: signal.Signals = signal.SIGTERM, seconds: float = 20) -> None:
    """Ask a process (or its whole group) to end, and end it when it has not done so in time."""
    send = os.killpg if group else os.kill
    for number in (with_, signal.SIGKILL):
        with suppress(ProcessLookupError):
            send(pid, number)
        deadline = time.monotonic() + seconds
        while _started(pid) is not None:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        else:
            return


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def command_line(up: Callable[[], object], down: Callable[[], None], wipe: Callable[[], None]) -> None:
    """`python -m tests.real.SYSTEM up|down|wipe`."""
    commands: dict[str, Callable[[], object]] = {"up": up, "down": down, "wipe": wipe}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        raise SystemExit(f"say one of: {', '.join(commands)}")
    try:
        result = commands[sys.argv[1]]()
    except SetUpFailed as error:
        raise SystemExit(str(error)) from None
    if result is not None:
        sys.stdout.write(f"{result}\n")


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _started(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; None when there is none or it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]
