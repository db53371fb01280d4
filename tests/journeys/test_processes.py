"""One hub in several processes: they answer on one port, one is killed, and nobody misses anything or sees it twice."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.api.conftest import plain_client
from tests.factories import make_asset
from tests.fulfilment.killed_hub import SystemClock
from tests.fulfilment.scene import Scene, make_scene
from tests.journeys.following import BrowserFollower, Follower, eventually, logged
from tests.journeys.killing import served
from tests.journeys.served import Served, is_there

from connector.api.schema.nodes import global_id
from connector.model.kinds import SourceState
from connector.model.lifecycle import ReservationState
from connector.sdk.webhook import WebhookRequest
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.database.presence import is_present
from connector_karrio.sandbox import KarrioSandbox
from connector_request_tracker.mapping import ticket_ref
from connector_request_tracker.sandbox import RequestTrackerSandbox

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

READERS = 2


@pytest.fixture
def serve(database: str, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Serves the test's database in two processes."""
    hubs: list[Served] = []

    def start(**environment: str) -> Served:
        hubs.append(
            Served(tmp_path, 2, {"CONNECTOR_DATABASE": database, "CONNECTOR_AUTH__ANONYMOUS": "true", **environment})
        )
        return hubs[-1]

    yield start
    for hub in hubs:
        hub.close()


async def are_present(hub: Served, engine: AsyncEngine) -> bool:
    """Whether both processes hold their names."""
    async with transaction(engine) as tx:
        return all([await is_present(tx, f"{socket.gethostname()}:{hub.port}/{number}") for number in (1, 2)])


async def test_one_of_two_processes_is_killed_and_everything_goes_on(
    engine: AsyncEngine, serve: Callable[..., Served], redis_url: str
):
    scene = await make_scene(engine)
    hub = serve(CONNECTOR_REDIS=redis_url)
    await hub.listening()
    with hub.without(2):
        assert await hub.ask("{ __typename }") == {"__typename": "Query"}
    with hub.without(1):
        after = (await hub.ask("{ feedCursor }"))["feedCursor"]
    await eventually(lambda: are_present(hub, engine))

    followers = [Follower(hub, after), BrowserFollower(hub, after)]
    answered, failed, is_dead, is_over = Counter[bool](), Counter[bool](), False, False

    async def ask() -> None:
        while not is_over:
            when = is_dead
            try:
                await hub.ask("{ tickets { totalCount } }")
            except httpx.TransportError:
                failed[when] += 1
            else:
                answered[when] += 1

    async def write() -> None:
        while not is_over:
            await scene.open_ticket(f"T{len(await logged(scene.database, after))}")

    async with asyncio.TaskGroup() as tasks:
        with hub.without(2):
            following = [tasks.create_task(follower.run()) for follower in followers]
            for follower in followers:
                await follower.connected.get()
        busy = [tasks.create_task(work()) for work in (write, *[ask] * READERS)]
        await have_grown(followers, 5)

        hub.parent.send_signal(signal.SIGSTOP)  # nobody is started again until the other process has taken over
        killed = hub.started(1)[0]
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: is_gone(killed))
        is_dead = True
        for follower in followers:
            await follower.connected.get()
        await have_grown(followers, 5)
        hub.parent.send_signal(signal.SIGCONT)
        await hub.listening(3)
        await eventually(lambda: are_present(hub, engine))

        is_over = True
        await asyncio.gather(*busy)
        for follower in followers:
            await follower.has_seen_all(scene.database)
        for task in following:
            task.cancel()

    assert failed[True] == 0
    assert failed[False] <= READERS
    assert min(answered[False], answered[True]) > 0
    assert f"process 1 of 2, pid {killed}, was ended by SIGKILL; it is started again in 0.5 s" in hub.log
    with hub.without(2):
        assert (await hub.ask("{ tickets { totalCount } }"))["tickets"]["totalCount"] >= 10
    assert hub.stop() == 0
    assert hub.log.count('"stopped"') == 2
    assert not any(map(is_there, (*hub.started(1), *hub.started(2))))


async def counted(hub: Served) -> tuple[float, float]:
    """How many GraphQL requests all processes have answered, and how many processes there are, as whichever says."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        text = (await client.get(f"{hub.url}/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    asked = sum(s.value for s in samples if s.name.endswith("requests_total") and s.labels.get("route") == "/graphql")
    return asked, next(s.value for s in samples if s.name == "connector_processes")


async def test_whichever_process_is_scraped_tells_what_all_have_counted(serve: Callable[..., Served]):
    hub = serve()
    await hub.listening()
    for stopped, times in ((1, 3), (2, 4)):
        with hub.without(stopped):
            for _ in range(times):
                await hub.ask("{ __typename }")

    async def all_see_seven() -> bool:
        found = []
        for stopped in (1, 2):
            with hub.without(stopped):
                found.append(await counted(hub))
        return found == [(7, 2), (7, 2)]

    await eventually(all_see_seven)
    os.kill(hub.started(2)[0], signal.SIGKILL)
    await hub.listening(3)

    await eventually(all_see_seven)


async def test_a_policy_that_cannot_be_used_ends_all_as_it_ends_one(serve: Callable[..., Served], tmp_path: Path):
    (tmp_path / "policy.yaml").write_text("rules: nonsense\n")

    hub = serve(CONNECTOR_POLICY=str(tmp_path / "policy.yaml"), COLUMNS="200")

    assert await asyncio.to_thread(hub.parent.wait, 60) == 2
    assert hub.log.count("INVALID_POLICY") == 1
    assert hub.started(2) == []


async def have_grown(followers: Sequence[Follower], by: int) -> None:
    """Wait until each has seen so many events more."""
    wanted = [len(follower.events) + by for follower in followers]

    async def are_longer() -> bool:
        return all(len(follower.events) >= length for follower, length in zip(followers, wanted, strict=True))

    await eventually(are_longer)


async def is_gone(*pids: int) -> bool:
    return not any(map(is_there, pids))


class Asked:
    """A service desk, and the lists that were asked of it: each of them once in a pull, for it is empty then."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.lists: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked = unquote_plus(scope["query_string"].decode())
            if scope["path"].endswith("/transactions"):
                self.lists.append("transactions")
            elif scope["path"].endswith("/tickets") and " id = " not in asked.replace("(", " "):
                self.lists += [f"tickets of {queue}" for queue in ("Hardware", "Purchasing") if queue in asked]
        await self._app(scope, receive, send)


async def are_pulled(scene: Scene) -> bool:
    """Whether both sources were pulled."""
    return [row["state"] for row in await scene.rows(tables.source)] == [SourceState.OK] * 2


async def are_fulfilled(scene: Scene, count: int) -> bool:
    return await scene.receipts("state") == count


async def are_decided(scene: Scene, count: int) -> bool:
    return len(await scene.rows(tables.reservation)) == count


async def test_incidents_that_webhooks_bring_to_two_processes_are_fulfilled_once_though_one_is_killed(
    engine: AsyncEngine, serve: Callable[..., Served]
):
    count, clock = 4, SystemClock()
    desk, parcels = RequestTrackerSandbox(clock), KarrioSandbox(clock, journey=())
    scene = await make_scene(engine, spares=count)
    async with transaction(engine) as tx:
        for _ in range(count - 1):
            await make_asset(tx, site_id=scene.site_id, product_id=scene.product_id)
    devices = await scene.rows(tables.asset, site_id=scene.site_id)
    asked = Asked(desk.app())

    async with served(asked) as itsm, served(parcels.app()) as courier:
        once_a_year = {"schedule": "0 0 1 1 *"}
        sources = {
            "itsm": {"adapter": "request_tracker", **desk.settings(), "base_url": itsm, **once_a_year},
            "parcels": {"adapter": "karrio", **parcels.settings(), "base_url": courier, **once_a_year},
        }
        hub = serve(CONNECTOR_SOURCES=json.dumps(sources), CONNECTOR_FULFILMENT='{"courier": "parcels"}')
        await hub.listening()
        await eventually(lambda: are_pulled(scene))
        tickets = [desk.open_ticket(CustomFields={"Asset Tag": device["asset_tag"]}) for device in devices]
        hooks = [desk.webhook(ticket_ref(ticket.id), at=clock.now()).request for ticket in tickets]
        assert await post(hub, [*hooks, *hooks, *hooks]) == [202] * (3 * count)
        await eventually(lambda: are_decided(scene, count))
        os.kill(hub.started(1)[0], signal.SIGKILL)  # what it had under way goes on under its name
        await eventually(lambda: are_fulfilled(scene, count))
        await hub.listening(3)
        await eventually(lambda: are_present(hub, engine))

        hub.parent.kill()
        await eventually(lambda: is_gone(*hub.started(1), *hub.started(2)))

    assert sorted(asked.lists) == ["tickets of Hardware", "tickets of Purchasing", "transactions"]
    reservations = await scene.rows(tables.reservation)
    assert [row["state"] for row in reservations] == [ReservationState.COMMITTED] * count
    assert len({row["asset_id"] for row in reservations}) == count
    assert len(await scene.rows(tables.ticket)) == len(await scene.rows(tables.decision)) == count
    assert len([item for item in parcels.office.shipments.values() if item["tracking_number"]]) == count
    for ticket in tickets:
        texts = [each.content for each in desk.desk.attachments if each.ticket == ticket.id]
        assert sum("A replacement is on its way." in text for text in texts) == 1
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", hub.port))


async def post(hub: Served, hooks: list[WebhookRequest]) -> list[int]:
    """Have the service desk post webhooks, all at once; the status of each answer."""

    async def one(hook: WebhookRequest) -> int:
        async with plain_client(timeout=30) as client:
            return (await client.post(f"{hub.url}/webhooks/itsm", content=hook.body, headers=hook.headers)).status_code

    return await asyncio.gather(*map(one, hooks))


PROPOSE = """mutation ($key: String!, $product: ID!, $site: ID!) { createRollout(input: {
  name: $key, productId: $product, sites: [{ siteId: $site }], idempotencyKey: $key
}) { errors { message } } }"""


class Asking:
    """Clients that write and read by turns. begun, told: how much was to be written, and how much is told is done."""

    def __init__(self, hub: Served, scene: Scene) -> None:
        self.hub = hub
        self._ids = {"product": global_id("Product", scene.product_id), "site": global_id("Site", scene.site_id)}
        self.begun = self.told = self.cut_off = 0
        self.is_over = False

    async def go_on(self, name: str) -> None:
        """Write under a key until it is told that it is done, then read, whichever process takes the connection."""
        for number in itertools.count():
            if self.is_over:
                return
            self.begun += 1
            written = await self._say(PROPOSE, {**self._ids, "key": f"{name}-{number}"})
            assert written == {"createRollout": {"errors": []}}
            self.told += 1
            for _ in range(4):
                least = self.told
                count = (await self._say("{ rollouts { totalCount } }", {}))["rollouts"]["totalCount"]
                assert least <= count <= self.begun

    async def has_told(self, more: int) -> None:
        """Wait until so much more is done."""
        wanted = self.told + more
        await eventually(lambda: self._has_told(wanted))

    async def _has_told(self, wanted: int) -> bool:
        return self.told >= wanted

    async def _say(self, query: str, variables: dict[str, str]) -> dict[str, Any]:
        while True:
            try:
                async with plain_client(timeout=30) as client:
                    body = {"query": query, "variables": variables}
                    answer = (await client.post(f"{self.hub.url}/graphql", json=body)).json()
            except httpx.TransportError:
                self.cut_off += 1
                continue
            assert "errors" not in answer, answer
            data: dict[str, Any] = answer["data"]
            return data


async def test_no_answer_is_older_than_what_was_told_is_done_though_processes_are_killed(
    serve: Callable[..., Served], engine: AsyncEngine
):
    hub = serve()
    await hub.listening()
    asking = Asking(hub, await make_scene(engine))

    async with asyncio.TaskGroup() as tasks:
        for name in ("ada", "eve", "joe"):
            tasks.create_task(asking.go_on(name))
        await asking.has_told(10)
        for restarts, number in enumerate((1, 2) * 10, 1):
            os.kill(hub.started(number)[-1], signal.SIGKILL)
            await asking.has_told(10)
            await hub.listening(2 + restarts)
            await asking.has_told(10)
            if restarts >= 2 and asking.cut_off:  # a process may be killed between two answers
                break
        asking.is_over = True

    assert asking.told == asking.begun
    assert asking.cut_off > 0
    async with reading(engine) as tx:
        assert (await tx.execute(select(func.count()).select_from(tables.rollout))).scalar_one() == asking.told
