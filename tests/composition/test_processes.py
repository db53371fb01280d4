"""A parent and its children, as the system sees them: each test runs a small program that becomes several processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.journeys.served import is_there
from typer.testing import CliRunner

from connector.cli import app

IMPORT = """
import errno, logging, os, signal, sys
from connector import processes
logging.basicConfig(level="INFO", format="%(message)s")
processes.FIRST_PAUSE = 0.01
"""
BEGIN = "process = processes.become_one_of(2)\n"
SERVE = "process.tell_serves()\nprint('serves', flush=True)\nwhile True: signal.pause()\n"
DEADLINE_SECONDS = 30.0


class Program:
    """A program that runs, and what it has said so far."""

    def __init__(self, text: str, before: str, said: Path) -> None:
        self._said = said
        with said.open("w") as output:
            words = [sys.executable, "-c", IMPORT + before + BEGIN + text]
            self.process = subprocess.Popen(words, stderr=output, stdout=output)

    @property
    def said(self) -> str:
        return self._said.read_text()

    def started(self, number: int) -> list[int]:
        """Ids of the processes that were started under a number."""
        return [int(pid) for pid in re.findall(rf"process {number} of 2 is started, pid (\d+)", self.said)]

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.005)

    def serving(self) -> tuple[int, int]:
        """Wait until both processes serve; their ids. A process may serve before its parent says that it is started."""
        self.until(lambda: self.said.count("serves") == 2 and self.started(1) and self.started(2))
        return self.started(1)[0], self.started(2)[0]

    def status(self) -> int:
        return self.process.wait(DEADLINE_SECONDS)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    running: list[Program] = []

    def run(text: str, *, before: str = "") -> Program:
        running.append(Program(text, before, tmp_path / "said"))
        return running[-1]

    yield run
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


@pytest.mark.parametrize(("end", "status"), [("sys.exit(2)", 2), ("sys.exit()", 1), ("os.abort()", 134)])
def test_what_keeps_the_first_from_serving_ends_the_parent_with_its_status_and_is_said_once(
    program: Callable[..., Program], end: str, status: int
):
    run = program(f"print('the policy is wrong', flush=True)\n{end}\n")

    assert run.status() == status
    assert run.said.count("the policy is wrong") == 1
    assert run.started(2) == []


def test_one_that_ends_is_started_again_under_its_number_and_the_pauses_grow(program: Callable[..., Program]):
    run = program("if process.number == 2: sys.exit(7)\n" + SERVE)

    run.until(lambda: len(run.started(2)) > 3)

    told = re.findall(r"process 2 of 2, pid (\d+), ended with status 7; it is started again in ([\d.]+) s", run.said)
    assert [int(pid) for pid, _ in told][:3] == run.started(2)[:3]
    assert [float(pause) for _, pause in told][:3] == [0.01, 0.02, 0.04]
    assert len(run.started(1)) == 1
    run.process.terminate()
    assert run.status() == 0


def test_what_cannot_be_started_again_is_tried_again(program: Callable[..., Program]):
    """The third process that is asked for is refused, as by a system that has too many."""
    refusing = """
fork, asked = os.fork, []
def refuse():
    asked.append(1)
    if len(asked) == 3:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
    return fork()
os.fork = refuse
"""
    run = program(SERVE, before=refusing)
    _, second = run.serving()

    os.kill(second, signal.SIGTERM)

    run.until(lambda: len(run.started(2)) == 2)
    assert "process 2 could not be started: Resource temporarily unavailable; it is started again in 0.02 s" in run.said
    run.process.terminate()
    assert run.status() == 0


def test_where_not_even_the_first_can_be_started_that_is_said(program: Callable[..., Program]):
    refusing = """
def refuse():
    raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
os.fork = refuse
"""
    run = program(SERVE, before=refusing)

    assert run.status() == 1
    assert "Unavailable: no process could be started: Resource temporarily unavailable" in run.said


def test_a_signal_before_the_first_serves_ends_in_order(program: Callable[..., Program]):
    run = program("while True: signal.pause()\n")
    run.until(lambda: run.started(1))

    run.process.terminate()

    assert run.status() == 0
    assert run.started(2) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_parent_ends_all_in_order(program: Callable[..., Program], number: signal.Signals):
    ended = "signal.signal(signal.SIGTERM, lambda *_: (print('in order', flush=True), sys.exit()))\n"
    run = program(ended + SERVE)
    children = run.serving()

    run.process.send_signal(number)

    assert run.status() == 0
    assert run.said.count("in order") == 2
    assert not any(map(is_there, children))


def test_a_second_signal_kills_those_that_do_not_end(program: Callable[..., Program]):
    run = program("signal.signal(signal.SIGTERM, lambda *_: None)\n" + SERVE)
    children = run.serving()
    run.process.terminate()
    run.until(lambda: "SIGTERM: 2 processes end" in run.said)

    run.process.terminate()

    assert run.status() == 128 + signal.SIGKILL
    assert not any(map(is_there, children))


def test_a_parent_that_is_killed_leaves_nobody_behind_whoever_was_started_again(program: Callable[..., Program]):
    run = program(SERVE)
    _, second = run.serving()
    os.kill(second, signal.SIGKILL)
    run.until(lambda: len(run.started(2)) == 2)

    run.process.kill()

    run.until(lambda: not any(map(is_there, run.started(1) + run.started(2))))
    assert "was ended by SIGKILL; it is started again in 0.01 s" in run.said


def test_one_without_a_parent_that_does_not_end_in_order_is_ended(program: Callable[..., Program]):
    run = program("processes.ORPHAN_SECONDS = 0.05\nsignal.signal(signal.SIGTERM, lambda *_: None)\n" + SERVE)
    children = run.serving()

    run.process.kill()

    run.until(lambda: not any(map(is_there, children)))


def served(monkeypatch: pytest.MonkeyPatch, directory: Path, *words: str, **environment: str) -> tuple[int, str]:
    """Run `connector serve`, which must end before it starts anything: its status, and what it says in one line."""
    monkeypatch.chdir(directory)
    monkeypatch.setenv("CONNECTOR_SERVER__PROCESSES", "1")  # put back at the end, whatever the command makes of it
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["serve", *words])
    return done.exit_code, " ".join(done.stderr.split())


def test_several_processes_are_refused_on_sqlite_with_why_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    status, said = served(monkeypatch, tmp_path, "--processes", "3")

    assert status == 2
    assert "server.processes: 3 processes cannot share a SQLite database, which has one writer at a time and" in said
    assert "set it to 1, or database to a PostgreSQL one, such as 'postgresql://user:password@host/name'" in said
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_told_once_however_many_processes_there_would_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        database = {"CONNECTOR_DATABASE": "postgresql://nobody@127.0.0.1:1/none", "CONNECTOR_SERVER__PORT": port}
        status, said = served(monkeypatch, tmp_path, "--processes", "2", **database)

    assert status == 5
    assert said.count(f"the hub cannot listen on 127.0.0.1:{port}: Address already in use") == 1
    assert "set server.port or CONNECTOR_SERVER__PORT" in said
    assert "is started" not in said


def test_where_processes_cannot_be_forked_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delattr(os, "fork")

    database = {"CONNECTOR_DATABASE": "postgresql://nobody@127.0.0.1:1/none", "CONNECTOR_SERVER__PORT": "0"}
    status, said = served(monkeypatch, tmp_path, "--processes", "2", **database)

    assert status == 5
    assert "this system cannot run 2 processes behind one address: it does not fork" in said
