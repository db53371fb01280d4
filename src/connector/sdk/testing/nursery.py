"""Imports and builds adapters, each in a process of its own, and tells what they do meanwhile that they should not.

A new interpreter takes longer to start than most adapters take to be built. So one is started and keeps what every
adapter needs; each adapter is then built in a copy of it (fork), which sees what a new process would see. Where the
system has no fork, each adapter gets a new interpreter.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module, invalidate_caches
from types import FrameType
from typing import Any, Final

from connector.sdk.client import SourceClient
from connector.sdk.errors import ConfigError

CHILD: Final = "from connector.sdk.testing.nursery import serve; serve()"
NETWORK: Final = frozenset({"socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.system"})
DISK: Final = frozenset({"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "sqlite3.connect"})
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PYTHONS_OWN: Final = frozenset({"os", "collections.abc", "_collections_abc"})
"""Modules through which the environment is read; who reads it is whoever calls them."""


def serve() -> None:
    """In the interpreter that is copied: a line in for each adapter to build, a line out with what it did."""
    for line in sys.stdin:
        asked = json.loads(line)
        told = _of_a_copy(asked) if hasattr(os, "fork") else _told(asked)
        print(told or json.dumps({"failed": "its process ended"}), flush=True)  # noqa: T201 - the way back


def _of_a_copy(asked: Mapping[str, Any]) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what it prints is no answer
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            pipe.write(_told(asked))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


def _told(asked: Mapping[str, Any]) -> str:
    try:
        return json.dumps({"seen": _built(**asked)})
    except BaseException as error:  # noqa: BLE001 - also one that calls sys.exit() has an answer
        return json.dumps({"failed": f"{type(error).__name__}: {error}"})


def _built(path: list[str], module: str, attribute: str, settings: Mapping[str, object]) -> list[str]:
    """What happens while the adapter is imported and built."""
    seen: list[str] = []
    watching = True

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if not watching:
            return
        if event in NETWORK:
            seen.append(f"it does {event}{args[1:]!r}")
        elif event in DISK:
            seen.append(f"it does {event} {args[0]!r}")
        elif event == "open" and isinstance(args[2], int) and args[2] & WRITING and args[0] != os.devnull:
            seen.append(f"it writes the file {args[0]!r}")

    class AskingForTheTime:
        def now(self) -> datetime:
            seen.append("it asks for the time")
            return datetime(2026, 3, 2, tzinfo=UTC)

    sys.path[:] = path
    sys.dont_write_bytecode = True
    invalidate_caches()
    _watch_environment(module.partition(".")[0], seen)
    sys.addaudithook(watch)
    kind: Any = import_module(module)
    for part in attribute.split("."):
        kind = getattr(kind, part)
    config = kind.config_type().model_validate(settings)
    kind(config, SourceClient("http://localhost", headers=config.headers()), AskingForTheTime())
    watching = False
    return seen


def _watch_environment(package: str, seen: list[str]) -> None:
    """Have reading the environment noted where the package does it."""

    def noted(original: Callable[..., Any]) -> Callable[..., Any]:
        def read(*args: Any) -> Any:
            frame: FrameType | None = sys._getframe(1)
            while frame is not None and frame.f_globals.get("__name__") in PYTHONS_OWN:
                frame = frame.f_back
            who = str(frame.f_globals.get("__name__")) if frame is not None else ""
            if frame is not None and who.partition(".")[0] == package:
                seen.append(f"it reads the environment ({who}, line {frame.f_lineno})")
            return original(*args)

        return read

    kind = type(os.environ)
    reading = {name: noted(getattr(kind, name)) for name in ("__getitem__", "__iter__", "__contains__")}
    os.environ.__class__ = type("Watched", (kind,), reading)


class Nursery:
    """The interpreter that is copied; started when it is first needed, ended with this process."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def side_effects(self, *, module: str, attribute: str, settings: Mapping[str, object]) -> list[str]:
        """What the adapter does while it is imported and built, that only the hub should do; blocks.

        settings: as a customer writes them. Raises ConfigError when it cannot be built at all.
        """
        asked = json.dumps(
            {
                "path": list(filter(None, sys.path)),
                "module": module,
                "attribute": attribute,
                "settings": dict(settings),
            },
            default=str,
        )
        with self._one_at_a_time:
            told = self._ask(asked)
            if not hasattr(os, "fork"):
                self.close()
        if "seen" not in told:
            raise ConfigError(
                f"it cannot be imported and built in a new process: {told.get('failed')}", operation="build adapter"
            )
        return [str(each) for each in told["seen"]]

    def _ask(self, asked: str) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            self._process = self._started()
        reading, writing = self._process.stdout, self._process.stdin
        if reading is None or writing is None:
            return {}
        try:
            writing.write(asked + "\n")
            writing.flush()
            answer = json.loads(reading.readline())
        except (OSError, ValueError):
            self.close()
            return {"failed": "its process ended"}
        return answer if isinstance(answer, dict) else {}

    def _started(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        atexit.register(self.close)
        return subprocess.Popen(  # noqa: S603 - this interpreter, and code of this module
            [sys.executable, "-W", "ignore", "-c", CHILD], env=environment, text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def close(self) -> None:
        """End the interpreter."""
        process, self._process = self._process, None
        if process is not None:
            process.communicate()
        atexit.unregister(self.close)


NURSERY: Final = Nursery()
"""One for all checks of this process."""
