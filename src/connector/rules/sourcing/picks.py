"""What a decision takes: devices of a shelf, and the components of their kits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connector.model.frozen import frozen
from connector.model.kinds import Lane, Protection


@frozen
class PartPick:
    """Components that go along with picked devices, from a shelf of the same hub. label: how people call the product.

    takes: the reservation of another ticket whose units they are; None for free units.
    """

    product_id: int
    label: str
    lane: Lane
    quantity: int
    takes: int | None = None


@frozen
class Pick:
    """Units to take from one shelf, in the order in which they become lines of the ticket.

    product_id: what is taken; requested_product_id: what was needed, the same unless it is a substitute. releases:
    which kept units may be among them. takes: reservations of other tickets whose units they are; empty for free units.
    revision: the one that the units must have; None when any will do. parts: of the kits that go along, all of them or
    the devices do not go either.
    """

    hub_id: int
    product_id: int
    requested_product_id: int
    lane: Lane
    quantity: int
    arrives_at: datetime
    releases: tuple[Protection, ...] = ()
    takes: tuple[int, ...] = ()
    revision: str | None = None
    parts: tuple[PartPick, ...] = ()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes that it draws on, its own first."""
        return (self.lane, *[part.lane for part in self.parts]) if self.parts else (self.lane,)


@frozen
class KitAlong:
    """The kit that goes along with the devices. parts: by component, the units that go with all of them."""

    id: int
    name: str
    parts: Mapping[str, int]

    def explained(self) -> dict[str, Any]:
        """As JSON values."""
        parts = [{"product": label, "quantity": quantity} for label, quantity in self.parts.items()]
        return {"id": self.id, "name": self.name, "parts": parts}
