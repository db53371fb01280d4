"""What a parcel costs by the tariff, and when it arrives. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from math import ceil

from connector.sdk import Invalid, Parcel, Quote, great_circle_km
from connector.sdk.courier import allowed_offers, cents
from connector_manual_courier.config import WEEKDAYS, ManualCourierConfig, Service

LONGEST_WAIT = 366
"""Days until the next departure, at most."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A service for a parcel. arrives_at: if it is ordered now."""

    carrier: str
    service: str
    amount_cents: int
    currency: str
    arrives_at: datetime
    account: str | None = None
    transit_days: int | None = None

    @property
    def names(self) -> tuple[str | None, ...]:
        """What it may be asked for by."""
        return (self.carrier,)

    @property
    def quote(self) -> Quote:
        """As the hub compares it."""
        return Quote(
            self.carrier, self.service, self.amount_cents, self.currency, estimated_delivery_at=self.arrives_at
        )


def offers_for(parcel: Parcel, config: ManualCourierConfig, now: datetime, *, operation: str) -> tuple[Offer, ...]:
    """The services that take a parcel, cheapest first.

    Raises Invalid when there are none because nobody knows where sender or recipient are.
    """
    km = road_km(parcel, config)
    fitting = [service for service in config.services if _takes(service, parcel, km)]
    if km is None and not fitting:
        raise _unknown_distance(parcel, config, operation)
    return allowed_offers(_offers(fitting, parcel, km, config, now), services=(), accounts=())


def road_km(parcel: Parcel, config: ManualCourierConfig) -> float | None:
    """How far it is by road, if it is known where sender and recipient are."""
    start, end = parcel.sender.point, parcel.recipient.point
    if start is None or end is None:
        return None
    return great_circle_km(start, end) * config.detour_factor


def price(service: Service, weight_g: int, km: float | None) -> Decimal:
    """Of a parcel."""
    total = service.base + service.per_kg * ceil(weight_g / 1000) + service.per_km * ceil(km or 0)
    return max(total, service.minimum)


def departure(service: Service, config: ManualCourierConfig, now: datetime) -> datetime | None:
    """When a parcel that is ordered now departs: within the hours of a day that it departs on; None for never."""
    here = now.astimezone(config.zone)
    for days in range(LONGEST_WAIT):
        day = here.date() + timedelta(days=days)
        if WEEKDAYS[day.weekday()] not in service.days or day in config.closed_on:
            continue
        opens = datetime.combine(day, service.opens, config.zone)
        if days or here.time() < service.opens:
            return opens.astimezone(UTC)
        if here.time() <= _whole_minute(service.cut_off):
            return now
    return None


def _whole_minute(at: time) -> time:
    """A cut-off at 14:00 takes what is ordered at 14:00."""
    return at.replace(second=59, microsecond=999_999)


def _offers(
    services: list[Service], parcel: Parcel, km: float | None, config: ManualCourierConfig, now: datetime
) -> Iterator[Offer]:
    for service in services:
        leaves = departure(service, config, now)
        if leaves is not None:
            amount = cents(price(service, parcel.weight_g, km))
            arrives = leaves + timedelta(hours=service.transit_hours)
            yield Offer(config.carrier, service.name, amount, config.currency, arrives)


def _takes(service: Service, parcel: Parcel, km: float | None) -> bool:
    if service.max_kg is not None and parcel.weight_g > service.max_kg * 1000:
        return False
    if km is None:
        return not service.needs_distance
    return service.max_km is None or km <= service.max_km


def _unknown_distance(parcel: Parcel, config: ManualCourierConfig, operation: str) -> Invalid:
    lacking = {
        f"{name}.point": "is not known"
        for name, party in (("sender", parcel.sender), ("recipient", parcel.recipient))
        if party.point is None
    }
    return Invalid(
        f"{config.carrier} cannot tell how far it is: the coordinates of {' and '.join(sorted(lacking))} are missing",
        operation=operation,
        fields=lacking,
        hint="Give hub and site their coordinates, or the tariff a service without `per_km` and `max_km`.",
    )
