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

from starlette.types import Receive

from connector.model.errors import ConnectorError

LONGEST_QUERY: Final = timedelta(seconds=10)
"""How long a query may take when nothing else is configured."""

LISTENS_AFTER_S: Final = 0.2
"""From then on it is noticed when the client goes away. Most queries are over before."""


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

    __slots__ = ("_is_gone", "_listener", "_longest", "_look", "_receive", "_timeout")

    def __init__(self, longest: timedelta, receive: Receive | None) -> None:
        self._longest = longest
        self._receive = receive
        self._is_gone = False
        self._look: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        self._timeout = asyncio.timeout(None)

    def end(self) -> None:
        """Let it take as long as it takes, whoever waits."""
        self._stop_watching()
        self._timeout.reschedule(None)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        loop = asyncio.get_running_loop()
        longest = self._longest.total_seconds()
        self._look = loop.call_later(min(LISTENS_AFTER_S, longest), self._watch, loop.time() + longest)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop_watching()
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError:
            raise self._broken_off() from None
        if self._timeout.expired() and isinstance(error, Exception):  # what the database says of being broken off
            raise self._broken_off() from error

    def _broken_off(self) -> BrokenOff:
        if self._is_gone:
            return ClientGone("the client is gone")
        return took_too_long("the query", self._longest)

    def _watch(self, until: float) -> None:
        """Begin to look at the clock and at the client: one timer is all that most queries pay for."""
        self._timeout.reschedule(until)
        if self._receive is not None:
            self._listener = asyncio.create_task(self._listen(self._receive), name="client")

    def _stop_watching(self) -> None:
        if self._look is not None:
            self._look.cancel()
        if self._listener is not None:
            self._listener.cancel()

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        self._is_gone = True
        self._timeout.reschedule(asyncio.get_running_loop().time())
