"""What waits for one client is sent in order, at the end of the turn where nothing waits, as the network takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from connector.api.live.limits import LiveLimits
from connector.api.live.outlet import MOST_GATHERED, Mark, Outlet
from connector.api.live.turn import AT_ONCE, Turn


class Network:
    """Takes texts while it is open, and remembers them, and how many came together."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.pieces: list[int] = []
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.is_gone = False

    async def send(self, texts: list[bytes]) -> None:
        await self.is_open.wait()
        if self.is_gone:
            raise ConnectionResetError("gone")
        self.taken += [text.decode() for text in texts]
        self.pieces.append(len(texts))


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
    return Mark(lambda position, text: b"%d %b" % (position, text))


async def test_events_for_which_nothing_waits_are_sent_together_when_the_turn_is_over():
    network, mark, other = Network(), _mark(), _mark()
    outlet = Outlet(network.send, LiveLimits(), Turn())
    async with _running(outlet):
        assert outlet.put(b"a", mark, 1)
        assert outlet.put(b"a", other, 1)
        assert outlet.put(b"b", mark, 2)
        assert (network.taken, mark.sent) == ([], None)

        await asyncio.sleep(0)

        assert (network.taken, network.pieces) == (["1 a", "1 a", "2 b"], [3])
        assert (mark.sent, other.sent) == (2, 1)
        assert outlet.put(b"c", mark, 3)
        outlet.say(b"hello")
        assert outlet.put(b"d", mark, 4)
        assert mark.sent == 2
        await outlet.flush()

    assert network.taken[3:] == ["3 c", "hello", "4 d"]


async def test_much_is_not_held_back_for_more():
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits(), Turn())
    async with _running(outlet):
        assert outlet.put(b"x" * MOST_GATHERED, mark, 1)
        assert network.pieces == []
        assert outlet.put(b"b", mark, 2)
        assert (network.pieces, mark.sent) == ([1], 1)

        await outlet.flush()

    assert (network.pieces, mark.sent) == ([1, 1], 2)


async def test_a_queue_that_is_full_of_what_the_network_takes_makes_room_at_once():
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits(queue=2), Turn())
    async with _running(outlet):
        assert all(outlet.put(b"a", mark, place) for place in range(1, 8))
        await outlet.flush()

    assert network.taken == [f"{place} a" for place in range(1, 8)]
    assert mark.sent == 7


async def test_what_the_network_does_not_take_waits_and_comes_in_order():
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits(queue=3), Turn())
    async with _running(outlet):
        network.is_open.clear()
        assert outlet.put(b"a", mark, 1)
        await asyncio.sleep(0)
        assert [outlet.put(text, mark, place) for place, text in enumerate((b"b", b"c", b"d"), start=2)] == [True] * 3
        assert outlet.is_full
        assert not outlet.put(b"e", mark, 5)
        assert (network.taken, mark.sent) == ([], None)

        network.is_open.set()
        await outlet.flush()

        assert network.taken == ["1 a", "2 b", "3 c", "4 d"]
        assert mark.sent == 4
        assert outlet.put(b"f", mark, 6)
        await outlet.flush()
        assert network.taken[-1] == "6 f"


async def test_an_event_that_is_larger_than_the_queue_is_sent_and_waited_for():
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits(queue_size=10), Turn())
    async with _running(outlet):
        network.is_open.clear()
        assert outlet.put(b"x" * 20, mark, 1)
        assert not outlet.put(b"b", mark, 2)
        room = asyncio.create_task(outlet.room())
        await asyncio.sleep(0)
        assert not room.done()

        network.is_open.set()
        await room
        assert outlet.put(b"b", mark, 2)
        await outlet.flush()

    assert network.taken == ["1 " + "x" * 20, "2 b"]


async def test_a_client_that_takes_nothing_is_stuck_whatever_else_is_said_to_it(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits(queue=1, patience=timedelta(seconds=10)), Turn())
    async with _running(outlet):
        network.is_open.clear()
        assert outlet.put(b"a", mark, 1)
        await asyncio.sleep(0)
        assert outlet.put(b"b", mark, 2)
        for now in (109.0, 111.0):
            outlet.say(b"are you there?")
            assert outlet.is_stuck == (now > 110)

        network.is_open.set()
        await outlet.flush()
        assert not outlet.is_stuck


@pytest.mark.parametrize("is_blocked", [False, True])
async def test_a_client_that_is_gone_ends_its_own_sending_alone(is_blocked: bool):
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits(), Turn())
    async with _running(outlet) as task:
        network.is_gone = True
        if is_blocked:
            network.is_open.clear()

        assert outlet.put(b"a", mark, 1)
        await asyncio.sleep(0)
        network.is_open.set()

        with pytest.raises(ConnectionResetError):
            await task
    assert (network.taken, mark.sent) == ([], None)


async def test_a_sending_that_is_broken_off_leaves_nothing_behind():
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits(), Turn())
    async with _running(outlet):
        network.is_open.clear()
        assert outlet.put(b"a", mark, 1)
        await asyncio.sleep(0)

    network.is_open.set()
    await asyncio.sleep(0)
    assert (network.taken, mark.sent) == ([], None)


async def test_an_event_of_a_subscription_that_is_over_is_not_sent():
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits(), Turn())
    async with _running(outlet):
        mark.is_over = True
        assert outlet.put(b"a", mark, 1)
        await outlet.flush()

    assert network.taken == []


async def test_an_event_of_a_subscription_that_ends_in_the_same_turn_is_not_sent():
    network, mark, other = Network(), _mark(), _mark()
    outlet = Outlet(network.send, LiveLimits(), Turn())
    async with _running(outlet):
        assert outlet.put(b"a", mark, 1)
        assert outlet.put(b"a", other, 1)
        mark.is_over = True
        await outlet.flush()

    assert network.taken == ["1 a"]
    assert (mark.sent, other.sent) == (None, 1)


async def test_what_has_gathered_for_a_client_that_is_gone_is_dropped():
    network, mark = Network(), _mark()
    outlet = Outlet(network.send, LiveLimits(), Turn())
    async with _running(outlet) as task:
        task.cancel()
        assert outlet.put(b"a", mark, 1)
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)

    assert (network.taken, mark.sent) == ([], None)


class Counted:
    """Counts how often it is to deliver."""

    def __init__(self) -> None:
        self.times = 0

    def deliver(self) -> None:
        self.times += 1


async def test_others_have_their_turn_between_many_clients():
    turn, clients = Turn(), [Counted() for _ in range(2 * AT_ONCE + 1)]
    for client in clients:
        turn.add(client)

    counts = []
    for _ in range(4):
        await asyncio.sleep(0)
        counts.append(sum(client.times for client in clients))

    assert counts == [AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 1, 2 * AT_ONCE + 1]
