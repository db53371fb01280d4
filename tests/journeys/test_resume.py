"""A hub in one process, on a file: it is killed while clients write and follow, and is started again on the file."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.api.conftest import connected
from tests.fulfilment.scene import Scene, make_scene
from tests.journeys.following import FOLLOW, PAUSE_SECONDS, BrowserFollower, Follower, eventually, logged
from tests.journeys.served import Served
from websockets.exceptions import ConnectionClosed

from connector.api.schema.nodes import global_id

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

WRITERS = 3
ENOUGH = 10
"""Events that are seen before the hub is killed, and after it is back."""
CREATE = """
mutation ($input: CreateRolloutInput!) {
  createRollout(input: $input) { rollout { id ticket { title } } errors { code message } }
}
"""
"""Makes a ticket, too, whose title has the name of the rollout."""


@pytest.fixture
def hub(database: str, tmp_path: Path) -> Iterator[Served]:
    """The test's database, served by one process."""
    hub = Served(tmp_path, 1, {"CONNECTOR_DATABASE": database, "CONNECTOR_AUTH__ANONYMOUS": "true"})
    yield hub
    hub.close()


class Writer:
    """A client that has tickets made, one after the other, and asks again under the same key until it is answered."""

    def __init__(self, hub: Served, scene: Scene, name: str) -> None:
        self._hub = hub
        self._scene = scene
        self._name = name
        self.answers: dict[str, Any] = {}
        self.unanswered = 0
        self.is_over = False

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            for number in count(1):
                if self.is_over:
                    return
                name = f"{self._name}-{number}"
                self.answers[name] = await self._answer(http, name)

    async def _answer(self, http: httpx.AsyncClient, name: str) -> Any:
        while True:
            try:
                return await self.ask(http, name)
            except httpx.TransportError:
                self.unanswered += 1
                await asyncio.sleep(PAUSE_SECONDS)

    async def ask(self, http: httpx.AsyncClient, name: str) -> Any:
        """The answer to the mutation that makes a ticket, each time under the same key."""
        given = {
            "name": name,
            "productId": global_id("Product", self._scene.product_id),
            "sites": [{"code": "HAM"}],
            "idempotencyKey": name,
        }
        asked = {"query": CREATE, "variables": {"input": given}}
        answer = (await http.post(f"{self._hub.url}/graphql", json=asked)).json()
        assert answer["data"]["createRollout"]["errors"] == [], answer
        return answer


async def test_told_to_stop_it_tells_whoever_follows_from_where_to_resume(engine: AsyncEngine, hub: Served):
    scene = await make_scene(engine)
    await hub.listening()
    after = (await hub.ask("{ feedCursor }"))["feedCursor"]
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        await Writer(hub, scene, "Ada").ask(http, "Ada-1")
    async with connected(hub.url.removeprefix("http://"), proxy=None) as client:
        await client.subscribe(FOLLOW, after=after)
        heard = [await client.event()]
        assert heard[0]["ticket"]["title"].endswith("Ada-1")
        assert await asyncio.to_thread(hub.stop) == 0

        async def hear_out() -> None:
            while True:
                message = json.loads(await client.socket.recv())
                if message["type"] == "next":
                    heard.append(message["payload"]["data"]["tickets"])

        with pytest.raises(ConnectionClosed) as closed:
            await hear_out()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    resume = re.fullmatch(r'the hub is stopping: resume with `after: "(\d+)"`', closed.value.rcvd.reason)
    assert resume is not None, closed.value.rcvd.reason
    hub.start_again()
    await hub.listening(2)
    async with connected(hub.url.removeprefix("http://"), proxy=None) as client:
        await client.subscribe(FOLLOW, after=resume[1])
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            await Writer(hub, scene, "Ada").ask(http, "Ada-2")
        while not heard[-1]["ticket"]["title"].endswith("Ada-2"):
            heard.append(await client.event())
    assert [int(event["cursor"]) for event in heard] == [
        int(cursor) for cursor in await logged(engine, after) if int(cursor) <= int(heard[-1]["cursor"])
    ]


async def test_killed_while_it_writes_it_tells_whoever_comes_back_everything_once(engine: AsyncEngine, hub: Served):
    scene = await make_scene(engine)
    await hub.listening()
    after = (await hub.ask("{ feedCursor }"))["feedCursor"]
    followers = [Follower(hub, after), BrowserFollower(hub, after)]
    writers = [Writer(hub, scene, name) for name in ("Ada", "Bob", "Cem")]

    async def have_grown(seen: list[int]) -> bool:
        return all(len(each.events) >= before + ENOUGH for each, before in zip(followers, seen, strict=True))

    async with asyncio.TaskGroup() as tasks:
        following = [tasks.create_task(follower.run()) for follower in followers]
        for follower in followers:
            await follower.connected.get()
        writing = [tasks.create_task(writer.run()) for writer in writers]
        await eventually(lambda: have_grown([0, 0]))

        await hub.kill()
        answered = {name: answer for writer in writers for name, answer in writer.answers.items()}
        seen = [len(follower.events) for follower in followers]
        hub.start_again()
        await hub.listening(2)
        await eventually(lambda: have_grown(seen))

        for writer in writers:
            writer.is_over = True
        await asyncio.gather(*writing)
        for follower in followers:
            await follower.has_seen_all(engine)
        for task in following:
            task.cancel()

    assert all(follower.connected.qsize() == 1 for follower in followers)
    assert all(writer.unanswered for writer in writers)
    made = [f"Rollout: {name}" for writer in writers for name in writer.answers]
    assert len(made) > len(answered) >= ENOUGH - WRITERS
    for follower in followers:
        told = [event["ticket"]["title"] for event in follower.events if event["operation"] == "CREATED"]
        assert Counter(told) == Counter(made)
    async with httpx.AsyncClient(trust_env=False) as http:
        again = {name: await writers[0].ask(http, name) for name in answered}
    assert again == answered
