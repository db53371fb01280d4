"""A hub under load in a world that fails: a service desk, a courier, people who follow, and what all of them know."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette

from connector.rules.policy.reading import default_policy_text
from connector.sdk.webhook import WebhookRequest
from connector.storage import tables
from connector.storage.database.engine import open_engine, transaction
from connector_karrio.sandbox import KarrioSandbox
from connector_request_tracker.mapping import ticket_ref
from connector_request_tracker.sandbox import RequestTrackerSandbox, SandboxTicket
from tests.factories import make_asset
from tests.fulfilment.killed_hub import SystemClock
from tests.fulfilment.scene import Scene, make_scene
from tests.journeys.following import BrowserFollower, Follower
from tests.journeys.killing import served
from tests.journeys.served import Served
from tests.proxy import Wire

SPARES = 600
DEVICES = 500
FOLLOWERS = 6
PAUSE_S = 0.1
"""Between two incidents; each is a decision, a label, a task and a note."""
ONCE_A_YEAR = "0 0 1 1 *"


class World:
    """Everything of one run.

    accepted: tickets of which the hub took a webhook, by number; withdrawn: those that were then cancelled over there.
    """

    def __init__(self, home: Path, database: AsyncEngine, scene: Scene, chance: random.Random) -> None:
        self.home, self.database, self.scene, self.chance = home, database, scene, chance
        clock = SystemClock()
        self.clock = clock
        self.desk = RequestTrackerSandbox(clock)
        self.office = KarrioSandbox(clock, journey=())
        self.hub: Served
        self.wires: dict[str, Wire] = {}
        self.followers: list[Follower] = []
        self.accepted: dict[int, SandboxTicket] = {}
        self.withdrawn: set[int] = set()
        self.refused = 0
        self.told_followers: list[str] = []
        self.devices: list[str] = []

    async def post(self, http: httpx.AsyncClient, hook: WebhookRequest) -> None:
        """As a vendor does: again and again until it is taken."""
        while True:
            with suppress(httpx.TransportError):
                answer = await http.post(f"{self.hub.url}/webhooks/itsm", content=hook.body, headers=hook.headers)
                if answer.status_code == 202:
                    return
                assert answer.status_code == 503, answer.text
                assert answer.headers["retry-after"]
                self.refused += 1
            await asyncio.sleep(PAUSE_S)

    async def report(self) -> None:
        """Incidents, until cancelled; one in five is withdrawn, each webhook is sent once, twice or three times."""
        async with asyncio.TaskGroup() as tasks:
            for tag in self.devices:
                tasks.create_task(self.report_one(tag))
                await asyncio.sleep(PAUSE_S)

    async def report_one(self, tag: str) -> None:
        """An incident about a device, which may be withdrawn."""
        ticket = self.desk.open_ticket(CustomFields={"Asset Tag": tag})
        async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
            hook = self.desk.webhook(ticket_ref(ticket.id), at=self.clock.now()).request
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self.chance.randint(1, 3)):
                    tasks.create_task(self.post(http, hook))
            self.accepted[ticket.id] = ticket
            if self.chance.random() < 0.2:
                await asyncio.sleep(self.chance.random())
                self.desk.desk.set_status(ticket, "rejected", "user")
                self.withdrawn.add(ticket.id)
                await self.post(http, self.desk.webhook(ticket_ref(ticket.id), at=self.clock.now()).request)

    async def follow(self, follower: Follower) -> None:
        """As a client does that is told that the hub is away: it comes back, and remembers what it was told."""
        while True:
            try:
                await follower.run()
            except AssertionError as error:
                self.told_followers.append(str(error))
            await asyncio.sleep(PAUSE_S)

    def processes(self) -> list[int]:
        """Those that answer, without the one that watches over them."""
        if self.hub.count == 1:
            return [self.hub.parent.pid]
        return [self.hub.started(number)[-1] for number in range(1, self.hub.count + 1)]

    async def start_again(self) -> None:
        """All of it, after all of it was killed."""
        await asyncio.to_thread(self.hub.parent.wait)
        self.hub.start_again()

    def notes(self, ticket: SandboxTicket) -> list[str]:
        return [each.content for each in self.desk.desk.attachments if each.ticket == ticket.id]


@asynccontextmanager
async def world(
    home: Path, database_url: str, direct_url: str, seed: int, processes: int, *, devices: int = DEVICES,
    followers: int = FOLLOWERS, **environment: str,
) -> AsyncIterator[World]:  # fmt: skip
    """A hub on a migrated database, everything that it talks to, and people who follow it.

    direct_url: of the same database, for the test, around what fails.
    """
    engine = open_engine(direct_url)
    chance = random.Random(seed)  # noqa: S311 - so that a run can be repeated
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        scene = await make_scene(engine, spares=SPARES * devices // DEVICES)
        async with transaction(engine) as tx:
            for _ in range(devices - 1):
                await make_asset(tx, site_id=scene.site_id, product_id=scene.product_id)
        found = World(home, engine, scene, chance)
        found.devices = [row["asset_tag"] for row in await scene.rows(tables.asset, site_id=scene.site_id)]
        sources: dict[str, Mapping[str, object]] = {}
        for name, adapter, sandbox in (("itsm", "request_tracker", found.desk), ("parcels", "karrio", found.office)):
            address = await stack.enter_async_context(served(_app(sandbox)))
            port = int(address.rsplit(":", 1)[1])
            wire = found.wires[name] = Wire(lambda port=port: asyncio.open_connection("127.0.0.1", port))  # type: ignore[misc]
            await wire.begin()
            stack.push_async_callback(wire.close)
            sources[name] = {
                "adapter": adapter, **sandbox.settings(), "base_url": f"http://127.0.0.1:{wire.port}",
                "schedule": ONCE_A_YEAR,
            }  # fmt: skip
        calm = default_policy_text().replace(
            "    tickets: 100\n", f"    tickets: {10 * DEVICES}\n"
        )  # so many are no burst
        policy = home / "policy.yaml"
        await asyncio.to_thread(policy.write_text, calm)
        settings = {
            "CONNECTOR_DATABASE": database_url, "CONNECTOR_AUTH__ANONYMOUS": "true", "CONNECTOR_POLICY": str(policy),
            "CONNECTOR_SOURCES": json.dumps(sources), "CONNECTOR_FULFILMENT": '{"courier": "parcels"}', **environment,
        }  # fmt: skip
        found.hub = Served(home, processes, settings)
        stack.callback(_end, found)
        await found.hub.listening()
        after = (await found.hub.ask("{ feedCursor }"))["feedCursor"]
        kinds = (Follower, BrowserFollower)
        found.followers = [kinds[number % 2](found.hub, after) for number in range(followers)]
        following = [asyncio.create_task(found.follow(follower)) for follower in found.followers]
        try:
            yield found
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)


def _app(sandbox: Any) -> Starlette:
    app: Starlette = sandbox.app()
    return app


def _end(found: World) -> None:
    for pid in found.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    found.hub.close()
