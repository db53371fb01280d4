"""What the processes of a hub have counted, together, in Redis; each by itself while there is none.

No request waits for it. Ten times a second at most a process says what it has let in of each client, and hears by how
much that client is ahead of its rate. Several processes may so let in a burst more between two of these; it is counted
all the same, so that the rate holds over time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from connector.api.rates import Client, Rate
from connector.api.redis_link import RedisLink

PREFIX: Final = "connector:rate:"
EVERY_S: Final = 0.1
MOST_AT_ONCE: Final = 500
"""Clients that one script counts: Redis answers nobody else meanwhile."""

COUNT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ahead = {}
for i, key in ipairs(KEYS) do
  local due = math.max(tonumber(redis.call('GET', key) or '0'), now) + tonumber(ARGV[i])
  redis.call('SET', key, string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000) + 1)
  ahead[i] = string.format('%.0f', due - now)
end
return ahead
"""
"""KEYS: clients. ARGV: what each has asked, as microseconds of its rate. By how many it is ahead of that now.

The time is that of Redis, so that the clocks of processes do not matter."""


class SharedRates:
    """Tells other processes what this one counts, and hears of theirs. Losing Redis costs that alone."""

    def __init__(self, url: str, rates: Sequence[Rate]) -> None:
        self._link = RedisLink(url, "each process counts by itself how much a client asks")
        self._rates = rates
        for rate in rates:
            rate.is_shared = True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.share()

    async def share(self) -> None:
        """Tell what is not told yet, and hear of it."""
        news = [(rate, client, count) for rate in self._rates for client, count in rate.uncounted.items()]
        for rate in self._rates:
            rate.uncounted.clear()
        for start in range(0, len(news), MOST_AT_ONCE):
            await self._share(news[start : start + MOST_AT_ONCE])

    async def _share(self, news: Sequence[tuple[Rate, Client, int]]) -> None:
        keys = [f"{PREFIX}{rate.name}:{client}" for rate, client, _ in news]
        asked = [str(round(count * 60_000_000 / rate.per_minute)) for rate, _, count in news]

        async def count(redis: Redis) -> list[bytes | str]:
            answer: list[bytes | str] = await redis.eval(COUNT, len(keys), *keys, *asked)
            return answer

        ahead = await self._link.ask(count)
        if ahead is None:
            return
        for (rate, client, _), micros in zip(news, ahead, strict=True):
            rate.heard(client, int(micros) / 1_000_000)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._link.aclose()
