"""The tickets of a history, and how long it takes until a used unit is replaced."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from connector.model.kinds import Priority
from connector.model.naming import fold
from connector.rules.facts.ticket import AssetFacts, ProductFacts, ServiceClassFacts, SiteFacts, TicketFacts

MINUTES_PER_DAY = 24 * 60
_LEAST_URGENT: Final = len(Priority)
LeadKey: TypeAlias = tuple[str, str]
"""Product and hub as people call them, folded (`connector.model.naming.fold`), each "" for any."""


@dataclass(frozen=True, slots=True)
class PastTicket:
    """A ticket as it was opened. ticket.opened_at is there. quantity: units that it needed.

    duplicate_of, parent: numbers of the tickets that its system says it is a duplicate or a part of.
    """

    ticket: TicketFacts
    asset: AssetFacts | None = None
    product: ProductFacts | None = None
    site: SiteFacts | None = None
    service_class: ServiceClassFacts | None = None
    quantity: int = 1
    duplicate_of: str | None = None
    parent: str | None = None

    @property
    def opened_at(self) -> datetime:
        """When it was opened. Raises ValueError when the ticket does not say."""
        if self.ticket.opened_at is None:
            raise ValueError(f"ticket {self.ticket.number!r} does not say when it was opened")
        return self.ticket.opened_at

    @property
    def region(self) -> str:
        """Region of its site; "" when it has none."""
        return (self.site.region if self.site else None) or ""


@dataclass(frozen=True, slots=True)
class LeadTime:
    """Days from an order to the shelf: mean and standard deviation of a gamma distribution."""

    days: float = 14.0
    deviation_days: float = 4.0

    def sample_minutes(self, rng: random.Random) -> int:
        """One lead time, whole minutes."""
        if self.deviation_days == 0 or self.days == 0:
            return round(self.days * MINUTES_PER_DAY)
        shape = (self.days / self.deviation_days) ** 2
        return round(rng.gammavariate(shape, self.days / shape) * MINUTES_PER_DAY)


@dataclass(frozen=True, slots=True)
class LeadTimes:
    """Lead times; the most specific one holds: product and hub, product, hub, any."""

    known: Mapping[LeadKey, LeadTime] = field(default_factory=dict)
    otherwise: LeadTime = LeadTime()

    def of(self, product: str, hub: str) -> LeadTime:
        """The lead time of a product at a hub, both as people call them."""
        if not self.known:
            return self.otherwise
        product, hub = fold(product), fold(hub)
        for key in ((product, hub), (product, ""), ("", hub), ("", "")):
            if key in self.known:
                return self.known[key]
        return self.otherwise


def order_of(past: PastTicket) -> tuple[datetime, int, str]:
    """Tickets by opening, then urgency, then number, which is unique."""
    return past.opened_at, _urgency(past), past.ticket.number


def _urgency(past: PastTicket) -> int:
    priority = past.ticket.priority
    return _LEAST_URGENT if priority is None else list(Priority).index(priority)
