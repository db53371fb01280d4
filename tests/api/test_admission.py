"""A hub that is asked more than it can answer refuses at once those who would wait too long, and no others."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from connector.api import admission
from connector.api.admission import LEAST, Admission


class Clock:
    """Seconds that go by when they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(admission, "monotonic", lambda: self.now)


class Crowd:
    """Requests that are under way to an application behind an admission; it answers as many as it is let."""

    def __init__(self, longest_wait_s: float) -> None:
        self.guarded = Admission(self._app, longest_wait_s=longest_wait_s)
        self.begun = 0
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.asking: list[asyncio.Task[None]] = []
        self._going = asyncio.Semaphore(0)
        self._news: asyncio.Queue[None] = asyncio.Queue()

    async def _app(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.begun += 1
        self._news.put_nowait(None)
        await self._going.acquire()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def come(self, count: int, path: str = "/graphql") -> None:
        """So many ask, and are begun with or refused."""
        self.asking += [asyncio.create_task(self._ask(path)) for _ in range(count)]
        for _ in range(count):
            await self._news.get()

    async def _ask(self, path: str) -> None:
        start: Message = {}

        async def receive() -> Message:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(message: Message) -> None:
            start.update(message)
            if message["type"] == "http.response.body":
                headers = {name.decode(): value.decode() for name, value in start["headers"]}
                self.answers.append((start["status"], headers, message["body"]))
                self._news.put_nowait(None)

        await self.guarded({"type": "http", "path": path}, receive, send)

    async def answer(self, count: int) -> None:
        """So many are answered."""
        for _ in range(count):
            self._going.release()
        for _ in range(count):
            await self._news.get()

    def statuses(self) -> Counter[int]:
        return Counter(status for status, _, _ in self.answers)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_a_few_slow_ones_are_no_crowd(time: Clock):
    crowd = Crowd(1.0)
    await crowd.come(LEAST)
    time.now += 100

    assert crowd.begun == LEAST
    await crowd.answer(LEAST)
    assert crowd.statuses() == {200: LEAST}


async def test_whoever_would_wait_too_long_is_told_when_to_come_again(time: Clock):
    crowd = Crowd(2.0)
    await crowd.come(100)
    assert crowd.begun == 100  # nobody knows yet how quickly they are answered

    for _ in range(20):  # 20 a second
        time.now += 0.05
        await crowd.answer(1)
    await crowd.come(1)  # 80 before it: 4 s

    status, headers, body = crowd.answers[-1]
    assert (status, headers["retry-after"]) == (503, "4")
    assert json.loads(body)["errors"][0]["extensions"] == {"code": "OVERLOADED", "hint": "Ask again in 4 s."}
    assert headers["x-content-type-options"] == "nosniff"
    assert crowd.begun == 100


async def test_it_recovers_once_the_crowd_is_answered(time: Clock):
    crowd = Crowd(2.0)
    await crowd.come(100)
    time.now += 3.0
    await crowd.come(1)
    assert crowd.statuses() == {503: 1}

    for _ in range(80):
        time.now += 0.01
        await crowd.answer(1)
    await crowd.come(40)
    assert crowd.begun == 140
    await crowd.answer(60)

    time.now += 3_600  # nobody asks for an hour; then many at once
    await crowd.come(300)
    assert crowd.begun == 440
    await crowd.answer(300)
    assert crowd.statuses() == {200: 440, 503: 1}


async def test_who_is_gone_or_failed_waits_no_more(time: Clock):
    crowd = Crowd(1.0)
    await crowd.come(2 * LEAST)
    for task in crowd.asking:
        task.cancel()
    await asyncio.gather(*crowd.asking, return_exceptions=True)
    time.now += 10
    crowd.asking.clear()

    await crowd.come(1)

    assert crowd.begun == 2 * LEAST + 1
    await crowd.answer(1)


async def test_health_and_webhooks_are_not_counted(time: Clock):
    crowd = Crowd(1.0)
    await crowd.come(2 * LEAST)
    time.now += 10

    await crowd.come(1)
    assert crowd.statuses() == {503: 1}
    for path in ("/healthz", "/readyz", "/webhooks/cmdb"):
        await crowd.come(1, path)

    assert crowd.begun == 2 * LEAST + 3


async def test_a_request_whose_body_comes_slowly_waits_for_nothing(time: Clock):
    """It is the client that takes long: it counts once all of it is there."""
    arrived: asyncio.Queue[Message] = asyncio.Queue()
    clients: list[asyncio.Queue[Message]] = [asyncio.Queue() for _ in range(2 * LEAST)]

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        while True:
            arrived.put_nowait(await receive())

    async def nothing(_message: Any) -> None:
        raise AssertionError("nobody answers")

    guarded = Admission(app, longest_wait_s=1.0)
    slow = [
        asyncio.create_task(guarded({"type": "http", "path": "/graphql"}, client.get, nothing)) for client in clients
    ]

    async def say(clients: list[asyncio.Queue[Message]], *, more: bool) -> None:
        for client in clients:
            client.put_nowait({"type": "http.request", "body": b"{", "more_body": more})
        for _ in clients:
            await arrived.get()

    await say(clients, more=True)
    assert guarded._waiting == 0
    await say(clients[:LEAST], more=False)
    assert guarded._waiting == LEAST
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    assert guarded._waiting == 0
