"""When a request is tried again, and how long a system is left alone. Only the hub's HTTP client uses this."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeAlias

import httpx
from tenacity import RetryCallState

from connector.sdk.errors import RateLimited, Transient

LONGEST_WAIT = timedelta(seconds=60)
"""A source that asks for more than this is left alone until its next scheduled run."""
LONGEST_PATIENCE = timedelta(minutes=5)
"""How long one request may wait in all, however often the source asks to slow down."""
CIRCUIT_FAILURES = 5
CIRCUIT_PAUSE = timedelta(seconds=30)

SHORTEST_WAIT = timedelta(seconds=1)
"""A source that says "again in 0 seconds" is not asked in a tight loop."""
MOST_SECONDS = 10**9
"""More than this in a header is the same as never."""

Sleep: TypeAlias = Callable[[float], Awaitable[None]]


def retry_after(response: httpx.Response, now: datetime) -> timedelta | None:
    """Retry-After as seconds or HTTP date (RFC 9110, section 10.2.3), else the seconds of RateLimit-Reset.

    The latter is what draft-ietf-httpapi-ratelimit-headers has up to its version 07, and some systems send nothing
    else. None when both are absent or unreadable.
    """
    text = response.headers.get("retry-after", "").strip()
    if (asked := _seconds(text)) is not None:
        return asked
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return _seconds(response.headers.get("ratelimit-reset", "").strip())
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(timedelta(0), until - now)


def _seconds(text: str) -> timedelta | None:
    return timedelta(seconds=min(int(text), MOST_SECONDS)) if text.isascii() and text.isdigit() else None


def backoff(state: RetryCallState) -> float:
    """Seconds before the next try: what the system asked for, else exponential with full jitter."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RateLimited) and error.retry_after is not None:
        if error.retry_after > LONGEST_WAIT:
            raise error
        return max(error.retry_after, SHORTEST_WAIT).total_seconds()
    ceiling = min(0.5 * 2.0**state.attempt_number, 15.0)
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, protects nothing


class Patience:
    """When one request is given up: after so many failed tries, or when waiting took too long in all."""

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._failed = 0

    def __call__(self, state: RetryCallState) -> bool:
        """Whether to give up now."""
        error = state.outcome.exception() if state.outcome else None
        if self._attempts > 1 and isinstance(error, RateLimited):
            return state.idle_for >= LONGEST_PATIENCE.total_seconds()
        self._failed += 1
        return self._failed >= self._attempts


class Pace:
    """Spaces requests evenly so that no more than so many start a minute."""

    def __init__(self, per_minute: int | None, sleep: Sleep) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._sleep = sleep

    async def wait(self) -> None:
        """Sleep until the next request may start."""
        if not self._interval:
            return
        now = asyncio.get_running_loop().time()
        start = max(now, self._next)
        self._next = start + self._interval
        if start > now:
            await self._sleep(start - now)


class Circuit:
    """Stops asking a system that keeps failing, and lets one request through after a pause."""

    def __init__(self) -> None:
        self._failures = 0
        self._opened_at = 0.0

    def require_closed(self, operation: str) -> None:
        """Refuse while the pause lasts. Raises Transient."""
        if self._failures < CIRCUIT_FAILURES:
            return
        since = asyncio.get_running_loop().time() - self._opened_at
        if since < CIRCUIT_PAUSE.total_seconds():
            raise Transient(
                f"{operation} was not tried: the system failed {self._failures} times in a row",
                operation=operation,
                hint=f"It is tried again {CIRCUIT_PAUSE.total_seconds() - since:.0f} s from now.",
            )
        self._opened_at = asyncio.get_running_loop().time()

    def failed(self) -> None:
        """One more request got no useful answer."""
        self._failures += 1
        self._opened_at = asyncio.get_running_loop().time()

    def succeeded(self) -> None:
        """The system answered, whatever it said."""
        self._failures = 0
