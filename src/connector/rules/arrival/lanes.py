"""What is known of the ways between hubs and a site: deliveries that were made, prices that were quoted, roads.

A lane is the way from a hub to a site. Transit is counted in whole minutes, rounded up. Kept by
`connector.storage.facts.lanes`, or stated in the test of a policy.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import ceil
from typing import Final
from zoneinfo import ZoneInfo

from connector.model.frozen import frozen
from connector.model.kinds import LaneScope

ANY_SERVICE: Final = ""
"""All services of all couriers taken together."""
_SATURDAY: Final = 5
QUANTILES: Final = (0.1, 0.5, 0.9, 0.95)
"""The quantiles that are kept and shown."""


def service_key(carrier: str | None, service: str | None) -> str:
    """How a courier's service is called among lanes, for example `dhl/express`; `""` when nobody knows it."""
    return f"{carrier or ''}/{service}".strip("/").casefold() if carrier or service else ANY_SERVICE


def quantile(minutes: Collection[int], share: float) -> int:
    """The transit that a share of deliveries does not exceed, from ascending ones; rounded up, between neighbours.

    Linear between order statistics. share: 0 to 1. Raises ValueError without deliveries.
    """
    ordered = tuple(minutes)
    if not ordered:
        raise ValueError("no deliveries, so they have no quantile")
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ceil(ordered[below] + (ordered[above] - ordered[below]) * (place - below) - 1e-9)


@lru_cache(maxsize=4096)
def business_transit(business_days: int, leaves: int, time_zone: str) -> int:
    """Minutes until the wall clock shows the same time so many weekdays later.

    leaves: minute since 1970 UTC. time_zone: of the place that it leaves.
    """
    left = datetime.fromtimestamp(leaves * 60, UTC).astimezone(ZoneInfo(time_zone))
    day = left.date()
    while business_days > 0:
        day += timedelta(days=1)
        business_days -= day.weekday() < _SATURDAY
    arrives = datetime.combine(day, left.time(), tzinfo=left.tzinfo)
    return max(0, int(arrives.timestamp()) // 60 - leaves)


@frozen
class LaneHistory:
    """Deliveries over a lane, or over all lanes of a region. minutes: transit of each, ascending, at least one.

    service: see `service_key`.
    """

    scope: LaneScope
    service: str
    minutes: tuple[int, ...]

    @property
    def deliveries(self) -> int:
        """How many there were."""
        return len(self.minutes)

    def quantile(self, share: float) -> int:
        """Transit in minutes that a share of the deliveries did not exceed."""
        return quantile(self.minutes, share)

    def share_within(self, minutes: int) -> float:
        """Share of the deliveries that took no longer: the chance that the next one does not either."""
        return bisect_right(self.minutes, minutes) / len(self.minutes)


@frozen
class Offer:
    """What a courier asked for a lane. minutes: transit from the departure; amount_cents: of `currency`.

    business_days: the transit, where the courier stated that instead; minutes are those of as many days then, which it
    takes when no weekend comes in between.
    """

    service: str
    minutes: int
    amount_cents: int
    currency: str
    quoted_at: datetime
    business_days: int | None = None

    def transit(self, leaves: int, time_zone: str) -> int:
        """Minutes that it takes when it leaves at a minute since 1970 UTC. time_zone: of the hub."""
        return self.minutes if self.business_days is None else business_transit(self.business_days, leaves, time_zone)


@frozen
class Travel:
    """The way by road, as a provider measured it; None when it knows none.

    origin, target: unit vectors that it was measured between. It holds as long as neither end has moved: an
    engineer's car does.
    """

    minutes: int | None
    km: float | None
    provider: str
    measured_at: datetime
    origin: tuple[float, float, float]
    target: tuple[float, float, float]


@frozen
class SiteLanes:
    """Everything that is known of the lanes to one site, by hub. Histories are by service."""

    travel: Mapping[int, Travel] = field(default_factory=dict)
    offers: Mapping[int, tuple[Offer, ...]] = field(default_factory=dict)
    to_site: Mapping[int, Mapping[str, LaneHistory]] = field(default_factory=dict)
    to_region: Mapping[int, Mapping[str, LaneHistory]] = field(default_factory=dict)
    everywhere: Mapping[str, LaneHistory] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known at all."""
        return not (self.travel or self.offers or self.to_site or self.to_region or self.everywhere)

    def history(
        self, hub_id: int, service: str = ANY_SERVICE, *, minimum: int, scopes: Collection[LaneScope] = tuple(LaneScope)
    ) -> LaneHistory | None:
        """The nearest history with enough deliveries: of the lane, of the region, of everything; None without one.

        Each of them by the service first, then by all services together.
        """
        by_scope = (
            (LaneScope.SITE, self.to_site.get(hub_id)),
            (LaneScope.REGION, self.to_region.get(hub_id)),
            (LaneScope.EVERYWHERE, self.everywhere),
        )
        for scope, histories in by_scope:
            if not histories or scope not in scopes:
                continue
            for name in dict.fromkeys((service, ANY_SERVICE)):
                found = histories.get(name)
                if found is not None and found.deliveries >= minimum:
                    return found
        return None


NO_LANES: Final = SiteLanes()
"""Where nothing is known of any lane."""
