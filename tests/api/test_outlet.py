"""What waits for one client is sent in order, at once where nothing waits, and no faster than the network takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from connector.api.live.limits import LiveLimits
from connector.api.live.outlet import Mark, Outlet


class Network:
    """Takes texts while it is open, and remembers them."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.is_gone = False

    async def send(self, text: str) -> None:
        await self.is_open.wait()
        if self.is_gone:
            raise ConnectionResetError("gone")
        self.taken.append(text)


@asynccontextmanager
async def _running(outlet: Outlet) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(outlet.run())
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _mark() -> Mark:
    return Mark(lambda position, text: f"{position} {text}")


async def test_an_event_for_which_nothing_waits_is_sent_before_anything_else_happens():
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits())
    async with _running(outlet):
        assert outlet.put("a", mark, 1)

        assert (network.taken, mark.sent) == (["1 a"], 1)
        outlet.say("hello")
        assert outlet.put("b", mark, 2)
        assert mark.sent == 1
        await outlet.flush()

    assert network.taken == ["1 a", "hello", "2 b"]


async def test_what_the_network_does_not_take_waits_and_comes_in_order():
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits(queue=3))
    async with _running(outlet):
        network.is_open.clear()
        assert [outlet.put(text, mark, place) for place, text in enumerate("abcd", start=1)] == [True, True, True, True]
        assert outlet.is_full
        assert not outlet.put("e", mark, 5)
        assert (network.taken, mark.sent) == ([], None)

        network.is_open.set()
        await outlet.flush()

        assert network.taken == ["1 a", "2 b", "3 c", "4 d"]
        assert mark.sent == 4
        assert outlet.put("f", mark, 6)
        assert network.taken[-1] == "6 f"


@pytest.mark.parametrize("is_blocked", [False, True])
async def test_a_client_that_is_gone_ends_its_own_sending_alone(is_blocked: bool):
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits())
    async with _running(outlet) as task:
        network.is_gone = True
        if is_blocked:
            network.is_open.clear()

        assert outlet.put("a", mark, 1)
        network.is_open.set()

        with pytest.raises(ConnectionResetError):
            await task
    assert (network.taken, mark.sent) == ([], None)


async def test_a_sending_that_is_broken_off_leaves_nothing_behind():
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits())
    async with _running(outlet):
        network.is_open.clear()
        assert outlet.put("a", mark, 1)
        await asyncio.sleep(0)

    network.is_open.set()
    await asyncio.sleep(0)
    assert (network.taken, mark.sent) == ([], None)


async def test_an_event_of_a_subscription_that_is_over_is_not_sent():
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits())
    async with _running(outlet):
        mark.is_over = True
        assert outlet.put("a", mark, 1)
        await outlet.flush()

    assert network.taken == []
