"""A Redis that may be away, slow or hung: nothing waits for it for long, and nothing at all while it is known to be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

PATIENCE_S: Final = 0.5
"""For an answer of Redis, which on a network takes less than a millisecond."""
AWAY_S: Final = 5.0
"""After a failure Redis is left alone for so long."""
CONNECTIONS: Final = 8
T = TypeVar("T")


class RedisLink:
    """Asks Redis for what can be done without. what: what is missed meanwhile, for the log."""

    def __init__(self, url: str, what: str) -> None:
        self._what = what
        self._client = Redis(
            connection_pool=BlockingConnectionPool.from_url(
                url, max_connections=CONNECTIONS, timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S,
                socket_timeout=PATIENCE_S, retry=Retry(NoBackoff(), 0),
            )
        )  # fmt: skip
        self._away_until = 0.0
        self._is_lost = False

    async def ask(self, do: Callable[[Redis], Awaitable[T]]) -> T | None:
        """What Redis answers; None where it does not, or has not a moment ago."""
        now = asyncio.get_running_loop().time()
        if now < self._away_until:
            return None
        try:
            answer = await do(self._client)
        except (RedisError, OSError) as error:
            self._away_until = asyncio.get_running_loop().time() + AWAY_S
            if not self._is_lost:
                log.warning("Redis does not answer (%s): %s until it does", type(error).__name__, self._what)
            self._is_lost = True
            return None
        if self._is_lost:
            log.info("Redis answers again")
        self._is_lost = False
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose(close_connection_pool=True)
