"""The hub as a customer runs it: a configuration file, `connector serve`, and clients of its GraphQL."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import websockets

from tests.real.server import LOOPBACK, end

CONNECTOR = Path(sys.prefix) / "bin" / "connector"
PROTOCOL = websockets.Subprotocol("graphql-transport-ws")


@dataclass(slots=True)
class Hub:
    """A hub in a process of its own, with its files in one directory.

    start_seconds: from its start to the first answered query.
    """

    directory: Path
    port: int
    environment: Mapping[str, str]
    start_seconds: float = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers a query."""
        log = self.directory / "hub.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(CONNECTOR), "serve", "--config", str(self.directory / "connector.toml")],
                env={**os.environ, **self.environment},
                cwd=self.directory,
                stdout=output,
                stderr=output,
            )
        began = time.monotonic()
        while True:
            with suppress(httpx.TransportError):
                if httpx.post(f"{self.url}/graphql", json={"query": "{ __typename }"}).status_code == httpx.codes.OK:
                    self.start_seconds = time.monotonic() - began
                    return
            if self._process.poll() is not None or time.monotonic() > began + 60:
                raise AssertionError(f"the hub did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it as Ctrl-C does, and check that it ended well."""
        if self._process is not None:
            end(self._process.pid, seconds=30)
            self._process.wait()

    async def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """The data that a query returns; fails on any error."""
        async with httpx.AsyncClient(timeout=60) as client:
            given = {"query": query, "variables": variables}
            answer = (await client.post(f"{self.url}/graphql", json=given)).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def ask_until(
        self, query: str, is_wanted: Callable[[dict[str, Any]], bool], *, seconds: float, **variables: object
    ) -> dict[str, Any]:
        """Ask again and again until the answer is as wanted."""
        deadline = time.monotonic() + seconds
        while True:
            data = await self.ask(query, **variables)
            if is_wanted(data):
                return data
            log = (self.directory / "hub.log").read_text(errors="replace")[-4000:]
            assert time.monotonic() < deadline, f"still so after {seconds} s: {json.dumps(data)[:4000]}\n{log}"
            await asyncio.sleep(0.5)


@dataclass(slots=True)
class Subscriber:
    """A client of one subscription, the field `topic`; it keeps every event."""

    url: str
    query: str
    topic: str
    variables: Mapping[str, object]
    events: list[dict[str, Any]] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Subscriber:
        subscribed = asyncio.Event()
        self._task = asyncio.create_task(self._listen(subscribed))
        await asyncio.wait_for(subscribed.wait(), 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def until(self, is_wanted: Callable[[dict[str, Any]], bool], *, seconds: float) -> dict[str, Any]:
        """The first event that is as wanted, waited for."""
        async with self._arrived:
            try:
                await asyncio.wait_for(self._arrived.wait_for(lambda: any(map(is_wanted, self.events))), seconds)
            except TimeoutError:
                raise AssertionError(f"no such event of {self.topic} in {seconds} s: {self.events}") from None
        return next(event for event in self.events if is_wanted(event))

    async def _listen(self, subscribed: asyncio.Event) -> None:
        address = self.url.replace("http://", "ws://") + "/graphql"
        async with websockets.connect(address, subprotocols=[PROTOCOL]) as socket:
            await socket.send(json.dumps({"type": "connection_init"}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            given = {"query": self.query, "variables": self.variables}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": given}))
            subscribed.set()
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "ping":
                    await socket.send(json.dumps({"type": "pong"}))
                    continue
                assert message["type"] == "next", message
                assert not message["payload"].get("errors"), message
                async with self._arrived:
                    self.events.append(message["payload"]["data"][self.topic])
                    self._arrived.notify_all()
