"""Counting what clients ask: by itself, and with the other processes of the hub where there is a Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connector.api.rates import RateLimits, Rates
from connector.settings.sections import Settings


def rates_of(settings: Settings) -> Rates:
    """What counts how much each client asks, as it is configured."""
    given = settings.limits
    return Rates(
        RateLimits(
            per_key=given.requests_per_minute,
            per_address=given.address_requests_per_minute,
            webhooks=given.webhooks_per_minute,
            burst_s=given.burst_seconds,
        )
    )


@asynccontextmanager
async def counting_together(settings: Settings, rates: Rates) -> AsyncIterator[None]:
    """Count with the other processes what clients ask, where there is a Redis to do it through."""
    if settings.redis is None or not rates.counted:
        yield
        return
    from connector.api.shared_rates import SharedRates  # Redis takes a while to import, and most hubs have none

    shared = SharedRates(settings.redis, rates.counted)
    sharing = asyncio.create_task(shared.run(), name="shared-rates")
    try:
        yield
    finally:
        sharing.cancel()
        await asyncio.gather(sharing, return_exceptions=True)
        await shared.aclose()
