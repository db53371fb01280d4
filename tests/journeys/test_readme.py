"""The README's commands, run as a newcomer does: `make run`, the query, the subscription, an incident, Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
DEADLINE_SECONDS = 120.0


def commands() -> list[str]:
    lines = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
    return [command for line in lines if (command := line.split("#")[0].strip())]


def document(kind: str) -> str:
    (found,) = [text for language, text in BLOCKS if language == "graphql" and text.startswith(kind)]
    return found


class Demo:
    """`make run` in a directory of its own."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self.output = ""
        self._environment = {
            **os.environ,
            "CONNECTOR_DEMO_HOME": str(home),
            "CONNECTOR_SERVER__PORT": str(port),
            "COLUMNS": "200",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.home.parent / "make.log").open("w") as log:
            self._process = subprocess.Popen(
                ["make", "run"], cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_for("Ctrl-C stops everything")

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while text not in self.read():
            assert self._process is not None
            assert self._process.poll() is None, self.output
            assert time.monotonic() < deadline, f"{text!r} did not come; so far:\n{self.output}"
            time.sleep(0.1)

    def read(self) -> str:
        self.output = (self.home.parent / "make.log").read_text()
        return self.output

    def interrupt(self) -> int:
        """Ctrl-C: the terminal sends it to the whole foreground group."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)
        code = self._process.wait(timeout=60)
        self._process = None
        return code

    def run(self, command: str) -> str:
        words = shlex.split(command.replace("var/demo", str(self.home)))
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def query(self, text: str) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/graphql", json={"query": text}, timeout=30).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def close(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGINT)
            self._process.wait(timeout=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "demo", free_port())
    try:
        demo.start()
        yield demo
    finally:
        demo.close()


async def events(url: str, subscription: str) -> AsyncIterator[dict[str, Any]]:
    async with websockets.connect(
        url.replace("http", "ws") + "/graphql", subprotocols=[websockets.Subprotocol("graphql-transport-ws")]
    ) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": subscription}}))
        async for text in socket:
            message = json.loads(text)
            assert message["type"] == "next", message
            assert "errors" not in message["payload"], message
            yield message["payload"]["data"]


def test_the_readme_opens_with_the_two_commands_and_ci_runs_the_second():
    assert [command.split()[0:2] for command in commands()[:2]] == [["make", "run"], ["make", "test"]]
    assert "make test" in (ROOT / ".ci/run").read_text()
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert {"run", "install", "test", "test-real", "lint", "types", "schema", "bench"} <= set(targets)


def test_every_document_that_is_linked_exists():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


async def test_a_newcomer_follows_the_readme_from_the_first_command_to_ctrl_c(demo: Demo):
    # One P1 by itself soon after the start, with everything that follows from it.
    demo.wait_for("Opened incident 1")
    demo.wait_for("is label created")
    demo.wait_for("pickup task is open")
    assert re.search(r"ticket 1: .* from .* hub is committed", demo.read())

    # The query.
    edges = demo.query(document("query"))["tickets"]["edges"]
    (ticket,) = [edge["node"] for edge in edges]
    assert (ticket["number"], ticket["priority"]) == ("1", "P1")
    assert ticket["reservations"][0]["hub"]["name"].endswith(" hub")
    (shipment,) = ticket["shipments"]
    assert shipment["trackingNumber"]
    label = await asyncio.to_thread(httpx.get, httpx.URL(demo.url).join(shipment["label"]["url"]))
    assert label.content.startswith(b"%PDF-")

    # The subscription, and the commands for a second terminal.
    stream = events(demo.url, document("subscription"))
    first = asyncio.ensure_future(anext(stream))
    incident, sources, explanation = await asyncio.to_thread(lambda: [demo.run(command) for command in commands()[2:]])
    event = await asyncio.wait_for(first, DEADLINE_SECONDS)
    await stream.aclose()
    assert event["shipmentStatus"]["cursor"].isdigit()
    assert event["shipmentStatus"]["shipment"]["ticket"]["number"]
    assert incident.startswith("Ticket 2: ")
    assert all(name in sources for name in ("cmdb", "itsm", "parcels", "sheets"))
    assert re.search(r"^ 1  HUB-\w+  \w+, [\d,]+ km by (courier|drive), arrives .* UTC", explanation, re.MULTILINE)

    # Ctrl-C stops everything.
    count = "{ assets(first: 1) { totalCount } tickets(first: 1) { totalCount } }"
    before = demo.query(count)
    demo.interrupt()
    assert "goes on from here" in demo.read()
    state = json.loads((demo.home / "demo.json").read_text())
    for port in (state["hub_port"], *state["ports"].values()):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()

    # The next start goes on where this one stopped.
    demo.start()
    demo.wait_for("Opened incident 3")
    after = demo.query(count)
    assert after["assets"] == before["assets"]
    assert after["tickets"]["totalCount"] == before["tickets"]["totalCount"] + 1
