"""What the test of a policy may say of the ways to its site: deliveries that were made, offers, measured roads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connector.model.geo import Point
from connector.model.kinds import LaneScope
from connector.rules.arrival.lanes import ANY_SERVICE, LaneHistory, Offer, SiteLanes, Travel
from connector.rules.facts.fleet import HubFacts, unit_vector
from connector.rules.facts.ticket import SiteFacts


def _not_empty(values: tuple[int, ...]) -> tuple[int, ...]:
    if not values:
        raise ValueError("is empty: state the minutes of at least one delivery, or leave the entry out")
    return values


Minutes = Annotated[int, Field(ge=0, le=525_600, examples=[1200])]
HubName = Annotated[str, Field(examples=["BER"])]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


class GivenDeliveries(_Part):
    """What parcels took, in minutes from the departure. hub: None means all hubs, which needs scope `everywhere`.

    service: None means all services together.
    """

    hub: HubName | None = None
    scope: LaneScope = LaneScope.SITE
    service: str | None = None
    minutes: Annotated[tuple[Minutes, ...], Field(examples=[[1200, 1260, 1500]]), AfterValidator(_not_empty)]


class GivenOffer(_Part):
    """What a courier offers for the way from a hub: in minutes, or in business days.

    currency: that of the policy when left out.
    """

    hub: HubName
    service: str = "courier/parcel"
    minutes: Minutes | None = None
    business_days: Annotated[int, Field(ge=0, le=60, examples=[2])] | None = None
    cost_cents: Annotated[int, Field(ge=0, examples=[4500])]
    currency: str | None = None
    days_ago: Annotated[int, Field(ge=0, le=3650)] = 0

    @model_validator(mode="after")
    def _states_one_transit(self) -> Self:
        if (self.minutes is None) == (self.business_days is None):
            raise ValueError("states how long it takes once: as minutes, or as business_days")
        return self

    @property
    def least_minutes(self) -> int:
        """Transit without a weekend in between."""
        return self.business_days * 24 * 60 if self.minutes is None and self.business_days else self.minutes or 0


class GivenTravel(_Part):
    """What a provider measured for the road from a hub; minutes and km left out: it found no way."""

    hub: HubName
    minutes: Minutes | None = None
    km: Annotated[float, Field(ge=0, examples=[27.5])] | None = None
    provider: str = "test"


def given_lanes(
    deliveries: Iterable[GivenDeliveries],
    offers: Iterable[tuple[GivenOffer, datetime, str]],
    travel: Iterable[tuple[GivenTravel, datetime]],
    *,
    hubs: Mapping[str, HubFacts],
    site: SiteFacts | None,
) -> SiteLanes:
    """The given ways as decisions read them. With each offer when and in what currency; with each road, when."""
    to_site: dict[int, dict[str, LaneHistory]] = {}
    to_region: dict[int, dict[str, LaneHistory]] = {}
    everywhere: dict[str, LaneHistory] = {}
    for item in deliveries:
        service = item.service or ANY_SERVICE
        history = LaneHistory(item.scope, service, tuple(sorted(item.minutes)))
        if item.hub is None:
            everywhere[service] = history
        elif item.scope is LaneScope.SITE:
            to_site.setdefault(hubs[item.hub].id, {})[service] = history
        else:
            to_region.setdefault(hubs[item.hub].id, {})[service] = history
    by_hub: dict[int, tuple[Offer, ...]] = {}
    for offer, quoted_at, currency in offers:
        hub_id = hubs[offer.hub].id
        made = Offer(
            offer.service, offer.least_minutes, offer.cost_cents, offer.currency or currency, quoted_at,
            offer.business_days,
        )  # fmt: skip
        by_hub[hub_id] = (*by_hub.get(hub_id, ()), made)
    measured: dict[int, Travel] = {}
    if site is not None and site.latitude is not None and site.longitude is not None:
        target = unit_vector(Point(site.latitude, site.longitude))
        for road, at in travel:
            hub = hubs[road.hub]
            if hub.unit is not None:
                measured[hub.id] = Travel(road.minutes, road.km, road.provider, at, hub.unit, target)
    return SiteLanes(measured, by_hub, to_site, to_region, everywhere)
