"""What a replay starts from: hubs, what lies on their shelves, what can stand in for what, what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from connector.model.frozen import frozen
from connector.model.kinds import Lane
from connector.rules.arrival.lanes import SiteLanes
from connector.rules.facts.fleet import Fleet
from connector.rules.facts.shelves import SubstituteFacts
from connector.rules.facts.standing import ChannelFacts
from connector.rules.facts.ticket import ProductFacts, ServiceClassFacts, SiteFacts


@dataclass(frozen=True, slots=True, order=True)
class Shelf:
    """Units of one product in one hub and lane."""

    hub_id: int
    product_id: int
    lane: Lane


@frozen
class Place:
    """A site with the service class that it names."""

    site: SiteFacts
    service_class: ServiceClassFacts | None = None


@frozen
class Scene:
    """The world at the beginning of a replay.

    stock: free units, at least 0. keeps: how many of them a shelf keeps as safety stock and as emergency buffer, where
    it keeps any. regions: hub id to its region, "" when it has none. substitutes: product id to what can stand in for
    it. lanes: site id to what is known of the ways there. channels: red channels, when each was open. in_the_field:
    product id to its devices that are in use. unknown_costs: products in stock whose unit cost nobody knows; they count
    as free of charge.
    """

    fleet: Fleet
    stock: Mapping[Shelf, int]
    products: Mapping[int, ProductFacts]
    places: tuple[Place, ...] = ()
    keeps: Mapping[Shelf, tuple[int, int]] = field(default_factory=dict)
    regions: Mapping[int, str] = field(default_factory=dict)
    substitutes: Mapping[int, tuple[SubstituteFacts, ...]] = field(default_factory=dict)
    lanes: Mapping[int, SiteLanes] = field(default_factory=dict)
    channels: tuple[ChannelFacts, ...] = ()
    in_the_field: Mapping[int, int] = field(default_factory=dict)

    @property
    def unknown_costs(self) -> tuple[str, ...]:
        """Labels of products that lie somewhere and have no unit cost."""
        stocked = {shelf.product_id for shelf, units in self.stock.items() if units}
        return tuple(sorted(self.products[key].label for key in stocked if self.products[key].unit_cost_cents is None))
