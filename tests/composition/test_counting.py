"""Processes of one hub count together what clients ask, by configuration alone."""

from __future__ import annotations

import asyncio

import pytest

from connector.counting import counting_together, rates_of
from connector.settings.limits import LimitSettings
from connector.settings.sections import Settings


def settings(redis: str | None) -> Settings:
    return Settings(redis=redis, limits=LimitSettings(requests_per_minute=60, burst_seconds=10))


async def test_two_processes_with_a_redis_keep_one_limit(redis_url: str):
    given = settings(redis_url)
    first, second = rates_of(given), rates_of(given)
    async with counting_together(given, first), counting_together(given, second):
        assert [first.by_key("together") is None for _ in range(11)] == [True] * 10 + [False]
        asked = 0
        async with asyncio.timeout(10):
            while second.by_key("together") is None:
                asked += 1
                await asyncio.sleep(0.5)  # half as long as one of the rate takes: alone it would be let in 19 times

    assert asked < 10


@pytest.mark.parametrize(
    "limits",
    [LimitSettings(), LimitSettings(requests_per_minute=0, address_requests_per_minute=0, webhooks_per_minute=0)],
)
async def test_without_one_each_counts_by_itself(limits: LimitSettings):
    given = Settings(limits=limits)
    rates = rates_of(given)
    async with counting_together(given, rates):
        assert rates.by_key("alone") is None

    assert [rate.uncounted for rate in rates.counted] == [{}] * len(rates.counted)
    assert len(rates.counted) == (3 if limits.requests_per_minute else 0)
