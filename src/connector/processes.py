"""Several processes behind one address: a parent that answers nothing, and children each of which is a whole hub.

The parent binds the address, reads the configuration and forks, so that all children accept on one socket, agree about
what is configured and share the memory of what is loaded. The first child begins alone: what keeps it from serving
keeps every other from it, too, and is said once. The others follow as soon as it serves; from then on whichever ends is
started again, after a pause that grows while it keeps ending.

A line (a pair of sockets) joins the parent with each child. A child says through it that it serves; its end tells a
child that the parent is gone, however it went, and the child ends as well.
"""

from __future__ import annotations

import logging
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from connector.model.errors import Unavailable

log = logging.getLogger("connector")

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
STEADY_SECONDS: Final = 60.0
"""A process that lived for so long did not end for what it began with: the pause after it is the first again."""
ORPHAN_SECONDS: Final = 30.0
"""That a child without a parent may take to end in order."""
SERVES: Final = b"s"
HANDLED: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Process:
    """One of the processes behind an address.

    number: from 1 to count, the same after it was started again. is_first: the hub begins with it; all others, and
    those that are started again, come to a hub that runs. folder: what they tell each other, None for one alone.
    """

    number: int = 1
    count: int = 1
    is_first: bool = True
    line: socket.socket | None = None
    folder: Path | None = None

    def tell_serves(self) -> None:
        """Tell the parent that this process serves. Should it be gone, the watch of the line sees to that."""
        if self.line is not None:
            with suppress(OSError):
                self.line.send(SERVES)


ALONE: Final = Process()
"""A hub in one process, without a parent."""


def become_one_of(count: int) -> Process:
    """Start so many processes and look after them: returns in each of them, and never in the parent.

    The parent raises SystemExit once all have ended: with the status of the first when that never served, else with 0
    or the first status that tells of a failure. SIGINT and SIGTERM end all in order, a second one kills them.
    Raises Unavailable where processes cannot be forked.
    """
    if not hasattr(os, "fork"):
        raise Unavailable(
            f"this system cannot run {count} processes behind one address: it does not fork",
            hint="Set server.processes to 1; more hubs may run on ports of their own, behind a proxy.",
        )
    return _Parent(count).run()


@dataclass(slots=True)
class _Child:
    number: int
    pid: int
    line: socket.socket
    began: float = field(default_factory=time.monotonic)
    is_watched: bool = True


class _Parent:
    """due: number -> when that child is to be started. failed: number -> how often in a row it ended soon."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._running: dict[int, _Child] = {}
        self._due: dict[int, float] = {1: 0.0}
        self._failed: dict[int, int] = {}
        self._serves = False
        self._folder = Path(tempfile.mkdtemp(prefix="connector-"))
        self._asked: list[int] = []
        self._told = 0
        self._status = 0

    def run(self) -> Process:
        """Start what is due and wait for what happens, again and again; returns in a child."""
        self._take_signals()
        while True:
            for number in [number for number, at in self._due.items() if at <= time.monotonic()]:
                del self._due[number]
                process = self._start(number)
                if process is not None:
                    return process
            self._wait()
            self._reap()
            self._obey()
            if not self._running and not self._due:
                self._leave()

    def _take_signals(self) -> None:
        """Signals wake the loop, which then does what they ask for."""
        self._awake, waking = socket.socketpair()
        self._waking = waking
        for end in (self._awake, waking):
            end.setblocking(False)
        self._before = {number: signal.signal(number, self._note) for number in (*HANDLED, signal.SIGCHLD)}
        signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)

    def _note(self, number: int, _frame: object) -> None:
        if number in HANDLED:
            self._asked.append(number)

    def _start(self, number: int) -> Process | None:
        """Fork a child; its Process in the child, None in the parent."""
        ours, theirs = socket.socketpair()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, self._before)
        try:
            pid = os.fork()
            if pid == 0:
                self._become_child(ours)
        except OSError as error:
            ours.close()
            theirs.close()
            self._could_not_fork(number, error)
            return None
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self._before)
        if pid == 0:
            threading.Thread(target=_end_with_the_parent, args=(theirs,), name="parent", daemon=True).start()
            return Process(number, self._count, not self._serves, theirs, self._folder)
        theirs.close()
        self._running[pid] = _Child(number, pid, ours)
        log.info("process %d of %d is started, pid %d", number, self._count, pid)
        return None

    def _become_child(self, ours: socket.socket) -> None:
        """Give back what the parent took, and let go of its ends of all lines: they must end with it alone."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for each in (self._awake, self._waking, ours, *(child.line for child in self._running.values())):
            each.close()

    def _could_not_fork(self, number: int, error: OSError) -> None:
        if not self._serves:
            raise Unavailable(f"no process could be started: {error.strerror}") from error
        self._again(number, f"process {number} could not be started: {error.strerror}")

    def _wait(self) -> None:
        """Until a signal comes, a child says something, or one is due."""
        seconds = max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None
        watched = [child for child in self._running.values() if child.is_watched]
        ready, _, _ = select.select([self._awake, *(child.line for child in watched)], [], [], seconds)
        if self._awake in ready:
            self._awake.recv(1024)
        for child in watched:
            if child.line in ready:
                child.is_watched = False
                with suppress(ConnectionError):
                    if child.line.recv(1) == SERVES and not self._serves:
                        self._serves = True
                        self._due |= dict.fromkeys(range(2, self._count + 1), 0.0)

    def _reap(self) -> None:
        for pid, child in list(self._running.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                del self._running[pid]
                child.line.close()
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: _Child, code: int) -> None:
        """code: its exit status, negative for the signal that ended it."""
        if self._asked:
            in_order = (0, *(-number for number in HANDLED))
            self._status = self._status or (0 if code in in_order else _status(code))
            return
        if not self._serves:
            self._status = _status(code) or 1
            return
        steady = time.monotonic() - child.began >= STEADY_SECONDS
        self._failed[child.number] = 0 if steady else self._failed.get(child.number, 0)
        self._again(child.number, f"process {child.number} of {self._count}, pid {child.pid}, {_how(code)}")

    def _again(self, number: int, what: str) -> None:
        pause = min(FIRST_PAUSE * 2 ** self._failed.get(number, 0), LONGEST_PAUSE)
        self._failed[number] = self._failed.get(number, 0) + 1
        self._due[number] = time.monotonic() + pause
        log.error("%s; it is started again in %g s", what, pause)

    def _obey(self) -> None:
        """End all in order when it was asked for once, at once when it was asked for again."""
        if len(self._asked) == self._told:
            return
        number = signal.SIGTERM if self._told == 0 and len(self._asked) == 1 else signal.SIGKILL
        self._told = len(self._asked)
        self._due.clear()
        log.info("%s: %d processes end", signal.Signals(self._asked[-1]).name, len(self._running))
        for pid in self._running:
            os.kill(pid, number)

    def _leave(self) -> NoReturn:
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._serves:
            log.info("all processes have ended")
        raise SystemExit(self._status)


def _status(code: int) -> int:
    """The exit status of a parent whose child ended so, as shells tell it."""
    return 128 - code if code < 0 else code


def _how(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


def _end_with_the_parent(line: socket.socket) -> None:
    """Wait for the end of the line, which is the end of the parent; then end in order, or else at once."""
    with suppress(ConnectionError):
        line.recv(1)
    log.warning("the parent process is gone: this one ends, too")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)
