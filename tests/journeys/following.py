"""Clients of the events of tickets that come back behind the last one when they are cut off, and what is to be seen."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests import commits
from tests.api.conftest import connected
from tests.journeys.served import DEADLINE_SECONDS, Served
from websockets.exceptions import WebSocketException

from connector.model.refs import EntityKind
from connector.storage import tables
from connector.storage.database.engine import reading

FOLLOW = "subscription ($after: String) { tickets(after: $after) { cursor operation ticket { title } } }"
PAUSE_SECONDS = 0.05
"""That a client waits before it tries again."""

eventually = partial(commits.eventually, within=DEADLINE_SECONDS)


class Follower:
    """By WebSocket; comes back with `after`."""

    def __init__(self, hub: Served, after: str) -> None:
        self._hub = hub
        self.after = after
        self.events: list[dict[str, Any]] = []
        self.connected: asyncio.Queue[None] = asyncio.Queue()

    @property
    def cursors(self) -> list[str]:
        """Of all events so far."""
        return [event["cursor"] for event in self.events]

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            with suppress(WebSocketException, OSError, EOFError):
                await self._follow(self.events[-1]["cursor"] if self.events else self.after)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self, last: str) -> None:
        async with connected(self._hub.url.removeprefix("http://"), proxy=None) as client:
            await client.subscribe(FOLLOW, after=last)
            self.connected.put_nowait(None)
            while True:
                message = await client.receive(timeout=DEADLINE_SECONDS)
                if message["type"] == "ping":
                    await client.send(type="pong")
                    continue
                assert message["type"] == "next", message
                (event,) = message["payload"]["data"].values()
                self.events.append(event)

    async def has_seen_all(self, database: AsyncEngine) -> None:
        """Wait until it has seen each change of a ticket, once and in order; the hub may still be at work on some."""

        async def are_seen() -> bool:
            return self.cursors == await logged(database, self.after)

        try:
            await eventually(are_seen)
        except TimeoutError:
            assert self.cursors == await logged(database, self.after)  # which says what is missing or twice
            raise


class BrowserFollower(Follower):
    """By server-sent events; asks for the same each time, with `Last-Event-ID` when it comes back, as browsers do."""

    async def _follow(self, last: str) -> None:
        asked = {"query": FOLLOW, "variables": json.dumps({"after": self.after})}
        headers = {"accept": "text/event-stream", **({"last-event-id": last} if self.events else {})}
        with suppress(httpx.TransportError):
            async with (
                httpx.AsyncClient(timeout=DEADLINE_SECONDS, trust_env=False) as http,
                http.stream("GET", f"{self._hub.url}/graphql", params=asked, headers=headers) as response,
            ):
                assert response.status_code == 200, f"{response.status_code} {await response.aread()!r}"
                self.connected.put_nowait(None)
                id_ = ""
                async for line in response.aiter_lines():
                    name, _, value = line.partition(": ")
                    if name == "id":
                        id_ = value
                    elif name == "data":
                        told = json.loads(value)
                        assert told.get("data"), told
                        (event,) = told["data"].values()
                        assert event["cursor"] == id_
                        self.events.append(event)


async def logged(database: AsyncEngine, after: str) -> list[str]:
    """Cursors of the changes of tickets behind one."""
    c = tables.change.c
    wanted = select(c.position).where(c.kind == EntityKind.TICKET, c.position > int(after)).order_by(c.position)
    async with reading(database) as tx:
        return [str(position) for position in (await tx.execute(wanted)).scalars()]
