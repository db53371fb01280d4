"""A Redis that is killed, empty or hung costs nobody more than a moment."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest
from redis import Redis
from redis.exceptions import RedisError

from connector.api import redis_link, wake
from connector.api.shared import SharedDocuments
from connector.api.wake import Announcer, listen
from tests.commits import eventually
from tests.conftest import redis_server


class Own:
    """A Redis server of this test's own, that it may kill and stop."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.server: Redis = redis_server(home)
        self.url = f"unix://{self.server.socket_file}"  # type: ignore[attr-defined]
        self.pid = int(self.server.info()["process_id"])  # type: ignore[index]

    def hang(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Own]:
    own = Own(tmp_path)
    yield own
    with suppress(ProcessLookupError):
        own.go_on()
    with suppress(RedisError):
        own.server.shutdown(nosave=True)


async def test_one_that_hangs_is_waited_for_once_and_then_left_alone_for_a_while(
    own: Own, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(redis_link, "AWAY_S", 0.3)
    shared = SharedDocuments(own.url)
    await shared.put("a", "query a")
    assert await shared.get("a") == "query a"

    own.hang()
    begun = monotonic()
    assert [await shared.get("a") for _ in range(200)] == [None] * 200
    waited = monotonic() - begun
    own.go_on()
    await eventually(lambda: shared.get("a"))

    assert waited < 5
    assert caplog.text.count("Redis does not answer (TimeoutError)") == 1
    await shared.aclose()


async def test_commits_while_it_hangs_leave_one_hint_and_no_heap_of_tasks(own: Own):
    announcer = Announcer(own.url)
    announcer.announce()
    await eventually(lambda: _is_idle(announcer))

    own.hang()
    before = len(asyncio.all_tasks())
    for _ in range(1_000):
        announcer.announce()
    assert len(asyncio.all_tasks()) <= before + 1
    await eventually(lambda: _is_idle(announcer))
    own.go_on()
    await announcer.aclose()


async def _is_idle(announcer: Announcer) -> bool:
    return announcer._telling is None


async def test_one_that_falls_silent_is_found_out_and_heard_again(
    own: Own, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A machine that goes without a word closes no connection: without asking nobody would ever know."""
    monkeypatch.setattr(wake, "QUIET_S", 0.1)
    monkeypatch.setattr(wake, "PONG_S", 0.2)
    monkeypatch.setattr(wake, "RETRY_S", 0.05)
    caplog.set_level("INFO")
    woken = asyncio.Event()
    listening = asyncio.create_task(listen(own.url, woken.set))
    await asyncio.wait_for(woken.wait(), 20)

    own.hang()
    await eventually(lambda: _says(caplog, "Redis is lost"))
    own.go_on()
    await eventually(lambda: _says(caplog, "Redis is back"))
    woken.clear()
    announcer = Announcer(own.url)
    announcer.announce()
    await asyncio.wait_for(woken.wait(), 20)

    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await announcer.aclose()


async def _says(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return text in caplog.text


async def test_one_that_starts_again_empty_is_filled_anew(own: Own):
    shared = SharedDocuments(own.url)
    await shared.put("a", "query a")

    own.server.flushall()

    assert await shared.get("a") is None
    await shared.put("a", "query a")
    assert await shared.get("a") == "query a"
    await shared.aclose()
