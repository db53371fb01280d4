"""Waking other processes through Redis: a hint that something was committed, never the news itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import RedisError

from connector.api.redis_link import RedisLink

CHANNEL: Final = "connector:committed"
RETRY_S: Final = 1.0
QUIET_S: Final = 5.0
"""After so long without a hint Redis is asked whether it is there; a machine that went says nothing by itself."""
PONG_S: Final = 2.0

log = logging.getLogger(__name__)


async def listen(url: str, wake: Callable[[], None]) -> None:
    """Call `wake` for every hint, for ever; says once when Redis is lost and once when it is back."""
    is_lost = False
    while True:
        client = Redis.from_url(url, socket_connect_timeout=PONG_S)
        try:
            async with client.pubsub() as hints:
                await asyncio.wait_for(hints.subscribe(CHANNEL), PONG_S)
                await _answer(hints)
                if is_lost:
                    log.info("Redis is back: commits of other processes wake this one again")
                is_lost = False
                wake()
                while True:
                    if await hints.get_message(timeout=QUIET_S) is None:
                        await asyncio.wait_for(hints.ping(), PONG_S)
                        await _answer(hints)
                    wake()
        except (RedisError, OSError) as error:
            if not is_lost:
                log.warning("Redis is lost (%s): changes are now seen by polling until it is back", error)
            is_lost = True
        finally:
            await client.aclose()
        await asyncio.sleep(RETRY_S)


async def _answer(hints: PubSub) -> None:
    if await hints.get_message(timeout=PONG_S) is None:
        raise LostError("it does not answer")


class Announcer:
    """Tells other processes that something was committed. Losing Redis costs them a moment, so it is no error."""

    def __init__(self, url: str) -> None:
        self._link = RedisLink(url, "other processes see changes by polling")
        self._telling: asyncio.Task[None] | None = None
        self._is_news = False

    def announce(self) -> None:
        """Send the hint, after a commit. What is committed while one is sent has one hint for all."""
        self._is_news = True
        if self._telling is None:
            self._telling = asyncio.get_running_loop().create_task(self._tell(), name="announce")

    async def _tell(self) -> None:
        try:
            while self._is_news:
                self._is_news = False
                await self._link.ask(lambda client: client.publish(CHANNEL, b""))
        finally:
            self._telling = None

    async def aclose(self) -> None:
        """Close the connection."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self._link.aclose()
