"""The swap kit of a product: what goes along with the device, and where that lies."""

from __future__ import annotations

from connector.model.frozen import frozen
from connector.rules.facts.shelves import Holding


@frozen
class KitPart:
    """A component. quantity: units of it that one kit has. label: how people call it."""

    product_id: int
    label: str
    quantity: int


@frozen
class KitFacts:
    """The swap kit of the needed product. parts: at least one. holdings: where free units of them are."""

    id: int
    name: str
    parts: tuple[KitPart, ...]
    holdings: tuple[Holding, ...] = ()
