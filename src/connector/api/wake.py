"""Waking other processes through Redis: a hint that something was committed, never the news itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

CHANNEL = "connector:committed"
RETRY_S = 1.0

log = logging.getLogger(__name__)


async def listen(url: str, wake: Callable[[], None]) -> None:
    """Call `wake` for every hint, for ever; says once when Redis is lost and once when it is back."""
    is_lost = False
    while True:
        client = Redis.from_url(url, socket_connect_timeout=5)
        try:
            async with client.pubsub() as hints:
                await hints.subscribe(CHANNEL)
                if is_lost:
                    log.info("Redis is back: commits of other processes wake this one again")
                is_lost = False
                wake()
                async for _ in hints.listen():
                    wake()
        except (RedisError, OSError) as error:
            if not is_lost:
                log.warning("Redis is lost (%s): changes are now seen by polling until it is back", error)
            is_lost = True
        finally:
            await client.aclose()
        await asyncio.sleep(RETRY_S)


class Announcer:
    """Tells other processes that something was committed. Losing Redis costs them a moment, so it is no error."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Redis | None = None

    async def announce(self) -> None:
        """Send the hint; done after each commit."""
        if self._client is None:
            self._client = Redis.from_url(self._url, socket_connect_timeout=1, socket_timeout=1)
        with suppress(RedisError, OSError):
            await self._client.publish(CHANNEL, b"")

    async def aclose(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
