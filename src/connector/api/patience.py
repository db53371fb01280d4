"""How long a query is worked on: as long as is configured, and no longer than somebody waits for its answer.

Breaking off cancels the task, and with it the statement in the database. What changes something is run to its end:
broken off, nobody would know what came of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import TracebackType
from typing import ClassVar, Final, Self
from weakref import WeakKeyDictionary

from starlette.types import Receive

from connector.model.errors import ConnectorError

LONGEST_QUERY: Final = timedelta(seconds=10)
"""How long a query may take when nothing else is configured."""

ROUND_S: Final = 0.1
"""From the second round on that a query sees, the clock and its client are looked at. Most are over before."""


class BrokenOff(ConnectorError):  # noqa: N818 - named by what is wrong
    """A query was not worked on to its end."""


class TimedOut(BrokenOff):
    """It took too long."""

    code = "TIMEOUT"
    hint_text: ClassVar[str] = (
        "Ask for smaller pages and fewer lists within lists, or filter by something narrower. "
        "The hub may also be busy: ask once more, later."
    )


class ClientGone(BrokenOff):
    """Nobody waits for the answer."""

    code = "CLIENT_GONE"


def took_too_long(what: str, longest: timedelta) -> TimedOut:
    """Says that something was broken off."""
    return TimedOut(
        f"{what} took longer than the {longest.total_seconds():g} s that are allowed and was broken off",
        hint=TimedOut.hint_text,
    )


@asynccontextmanager
async def in_time(what: str, longest: timedelta) -> AsyncIterator[None]:
    """A context whose inside may take so long. Raises TimedOut at its end when it was broken off."""
    timeout = asyncio.timeout(longest.total_seconds())
    try:
        async with timeout:
            yield
    except Exception as error:
        if timeout.expired():  # the database may have something of its own to say of being broken off
            raise took_too_long(what, longest) from error
        raise


class Patience:
    """An asynchronous context in which one query is run. receive: over HTTP, what tells when its client is gone.

    Raises TimedOut or ClientGone at its end when it broke off what is inside.
    """

    __slots__ = ("_cancelling", "_is_broken_off", "_is_gone", "_late", "_listener", "_longest", "_receive", "_rounds",
                 "_task", "_until")  # fmt: skip

    def __init__(self, longest: timedelta, receive: Receive | None) -> None:
        self._longest = longest.total_seconds()
        self._receive = receive
        self._is_gone = self._is_broken_off = False
        self._late: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None

    def end(self) -> None:
        """Let it take as long as it takes, whoever waits."""
        self._rounds.end(self)
        if self._late is not None:
            self._late.cancel()
        if self._listener is not None:
            self._listener.cancel()

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a query is run in a task")
        loop = task.get_loop()
        self._task, self._cancelling = task, task.cancelling()
        self._until = loop.time() + self._longest
        self._rounds = _rounds(loop)
        self._rounds.begin(self, loop)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()
        if not self._is_broken_off:
            return
        is_own = self._task.uncancel() <= self._cancelling  # nobody else cancelled it as well
        if isinstance(error, Exception) or (is_own and isinstance(error, asyncio.CancelledError)):
            raise self._broken_off() from error  # the database may have something of its own to say of it

    def _broken_off(self) -> BrokenOff:
        if self._is_gone:
            return ClientGone("the client is gone")
        return took_too_long("the query", timedelta(seconds=self._longest))

    def watch(self) -> None:
        """Begin to look at the clock and at the client, as it takes long."""
        self._late = self._task.get_loop().call_at(self._until, self._break_off)
        if self._receive is not None:
            self._listener = asyncio.create_task(self._listen(self._receive), name="client")

    def _break_off(self) -> None:
        self._is_broken_off = True
        self._task.cancel()

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        self._is_gone = True
        if self._late is not None:
            self._late.cancel()
        self._break_off()


class _Rounds:
    """Looks again and again at the queries that an event loop runs, which is cheaper than a timer for each."""

    def __init__(self) -> None:
        self._new: set[Patience] = set()
        """Begun since the last round."""
        self._old: set[Patience] = set()
        self._is_going = False

    def begin(self, patience: Patience, loop: asyncio.AbstractEventLoop) -> None:
        """A query is run."""
        self._new.add(patience)
        if not self._is_going:
            self._is_going = True
            loop.call_later(ROUND_S, self._look)

    def end(self, patience: Patience) -> None:
        """It is over, or nobody is to watch it any more."""
        self._new.discard(patience)
        self._old.discard(patience)

    def _look(self) -> None:
        for patience in self._old:
            patience.watch()
        self._old, self._new = self._new, set()
        self._is_going = bool(self._old)
        if self._is_going:
            asyncio.get_running_loop().call_later(ROUND_S, self._look)


_going: WeakKeyDictionary[asyncio.AbstractEventLoop, _Rounds] = WeakKeyDictionary()


def _rounds(loop: asyncio.AbstractEventLoop) -> _Rounds:
    rounds = _going.get(loop)
    if rounds is None:
        rounds = _going[loop] = _Rounds()
    return rounds
