"""What is known of a shelf that may be low, and of the hubs that could fill it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connector.model.geo import Point, great_circle_km
from connector.model.kinds import HubTier, Lane
from connector.rules.facts.ticket import ProductFacts

HEIGHT: Final = {HubTier.LOCAL: 0, HubTier.REGIONAL: 1, HubTier.CENTRAL: 2}
"""Which tier is above which: a shelf is filled up from above."""


@dataclass(frozen=True, slots=True)
class HubPlace:
    """A hub. label: how people call it."""

    id: int
    label: str
    tier: HubTier
    name: str = ""
    code: str | None = None
    region: str | None = None
    country: str | None = None
    is_mobile: bool = False
    point: Point | None = None

    def km_to(self, other: HubPlace) -> int | None:
        """The great circle to another hub in whole kilometres; None where a position is not known."""
        if self.point is None or other.point is None:
            return None
        return round(great_circle_km(self.point, other.point))


@dataclass(frozen=True, slots=True)
class GivingShelf:
    """The same product in the normal lane of another hub. protected: its safety stock and emergency buffer."""

    hub: HubPlace
    free: int
    reorder_point: int = 0
    protected: int = 0

    @property
    def keeps(self) -> int:
        """Free units that it is not brought below."""
        return max(self.reorder_point, self.protected)

    @property
    def can_give(self) -> int:
        """Units that it can spare."""
        return max(self.free - self.keeps, 0)


@dataclass(frozen=True, slots=True)
class ShelfFacts:
    """A shelf with a reorder point. coming: units that are on their way to it without a replenishment of its own.

    givers: hubs of higher tiers that have the product, in any order.
    """

    stock_id: int
    hub: HubPlace
    product: ProductFacts
    lane: Lane
    on_hand: int
    free: int
    reorder_point: int
    target: int | None = None
    coming: int = 0
    givers: tuple[GivingShelf, ...] = ()

    @property
    def is_low(self) -> bool:
        """Whether it needs more than it has and gets."""
        return self.free + self.coming < self.reorder_point

    @property
    def quantity(self) -> int:
        """Units that it needs: up to its target, or to its reorder point where nobody says what it should hold."""
        if not self.is_low:
            return 0
        return max(self.target or 0, self.reorder_point) - self.free - self.coming
