"""Why the hub ends a connection that lives on, and when it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeAlias

from connector.api.access import (
    NOT_ADMITTED,
    NOT_ALLOWED,
    Admitted,
    Again,
    ProviderUnreachable,
    Unauthenticated,
    close_code,
)
from connector.api.live.limits import LiveLimits
from connector.api.live.outlet import Outlet
from connector.api.live.streams import Streams
from connector.model.errors import ConnectorError, Unavailable
from connector.sdk.adapter import Clock

SLOW_CONSUMER: Final = 4429
"""Code that a WebSocket is closed with when its client does not keep up; also that of a second introduction."""
GOING_AWAY: Final = 1001
SERVICE_RESTART: Final = 1012

RESUME: Final = "Subscribe again with `after` set to the cursor of the last event that was received."

LONGEST_NAP: Final = timedelta(minutes=1)
"""After that the clock is read again: it may have been set, or the machine have slept."""

Admit: TypeAlias = Callable[[], Awaitable[Admitted]]
"""Looks again at what a client showed. Raises what is in `NOT_ADMITTED`."""


class SlowConsumer(ConnectorError):  # noqa: N818 - named by what is wrong
    """The client does not read as fast as things happen."""

    code = "SLOW_CONSUMER"


class Silent(ConnectorError):  # noqa: N818 - named by what is wrong
    """The client answers no more."""

    code = "NO_ANSWER"


class Ending(Exception):  # noqa: N818 - says what is so
    """The hub ends the connection. code: what a WebSocket is closed with. error: why."""

    def __init__(self, code: int, error: ConnectorError) -> None:
        super().__init__(error.message)
        self.code = code
        self.error = error


async def end_when_slow(outlet: Outlet, limits: LiveLimits) -> None:
    """Raises Ending as soon as the client has long not read while its queue is full."""
    patience = limits.patience.total_seconds()
    while not outlet.is_stuck:
        await outlet.full()
        await asyncio.sleep(patience / 4)
    raise Ending(
        SLOW_CONSUMER,
        SlowConsumer(
            f"nothing was read for {patience:g} s while the queue was full",
            hint=RESUME,
        ),
    )


async def end_with_hub(streams: Streams, code: int) -> None:
    """Raises Ending when the hub stops: a server closes what is still open then, without saying where to resume."""
    await streams.is_stopping.wait()
    raise Ending(code, Unavailable("the hub is stopping", hint=RESUME))


async def end_with_rights(admitted: Admitted, admit: Admit, clock: Clock, limits: LiveLimits) -> None:
    """Raises Ending when what the client showed has expired, or is not taken any more, or gives it other roles."""
    again = admitted.again or Again(partial(_check_again, admitted, admit), limits.recheck)
    checked_at = clock.now()
    while True:
        now = clock.now()
        if admitted.until is not None and admitted.until <= now:
            raise Ending(
                NOT_ALLOWED,
                Unauthenticated("The token has expired, come back with a new one", hint=RESUME),
            )
        if now - checked_at >= again.every or admitted.again is not None:
            checked_at = now
            try:
                await again.check()
            except ProviderUnreachable:
                pass  # what was said holds until it expires; while the database is away, there are no events either
            except NOT_ADMITTED as error:
                raise Ending(close_code(error), error) from error
        await asyncio.sleep(_nap(now, admitted.until, checked_at + again.every))


async def _check_again(admitted: Admitted, admit: Admit) -> None:
    if (await admit()).principal != admitted.principal:
        raise Unauthenticated("The roles have changed, come back", hint=RESUME)


def _nap(now: datetime, *moments: datetime | None) -> float:
    soonest = min([moment - now for moment in moments if moment is not None] + [LONGEST_NAP])
    return max(soonest.total_seconds(), 0.001)
