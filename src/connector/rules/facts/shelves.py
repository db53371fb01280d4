"""What lies on shelves, what can stand in for what, and what other tickets hold of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import TypeAlias

from connector.model.frozen import but, frozen
from connector.model.kinds import (
    Lane,
    Priority,
    Protection,
)
from connector.rules.facts.protection import Kept

ShelfKey: TypeAlias = tuple[int, int, Lane]
"""Hub, product, lane."""
Revisions: TypeAlias = Mapping[ShelfKey, Mapping[str, int]]
"""Free units of each shelf by the revision of their hardware, "" for those of which nobody knows it."""


@frozen
class Holding:
    """Where free units of one product are in one lane. free: hub id to the units that may be used, at least 1 each.

    kept: the shelves that keep some of their free units, by hub id; those that keep all of them are only here.
    """

    product_id: int
    lane: Lane
    free: Mapping[int, int]
    kept: Mapping[int, Kept] = field(default_factory=dict)

    def without(self, hubs: Collection[int]) -> Holding:
        """The same without these hubs."""
        if not hubs:
            return self
        free = {hub: units for hub, units in self.free.items() if hub not in hubs}
        return replace(self, free=free, kept={hub: kept for hub, kept in self.kept.items() if hub not in hubs})

    def fitting(self, units: Mapping[int, int]) -> Holding:
        """The same with so many units of each hub at most; hubs that are not named have none that could serve."""
        free = {hub: min(count, units[hub]) for hub, count in self.free.items() if units.get(hub)}
        kept = {hub: replace(shelf, fitting=units[hub]) for hub, shelf in self.kept.items() if units.get(hub)}
        return but(self, free=free, kept=kept)

    def opened(self, releases: Collection[Protection]) -> Holding:
        """The same with what is kept for these purposes free to use."""
        if not self.kept or not releases:
            return self
        usable = {hub: kept.usable(releases) for hub, kept in self.kept.items()}
        return replace(self, free={**self.free, **{hub: units for hub, units in usable.items() if units}})

    def less(self, hub_id: int, quantity: int) -> Holding:
        """The same after so many units of a hub were claimed, kept ones included."""
        free, kept = dict(self.free), dict(self.kept)
        left = free.pop(hub_id, 0) - quantity
        shelf = kept.pop(hub_id, None)
        if shelf is not None and shelf.free > quantity:
            fitting = None if shelf.fitting is None else max(shelf.fitting - quantity, 0)
            kept[hub_id] = but(shelf, free=shelf.free - quantity, fitting=fitting)
            left = kept[hub_id].usable()
        if left > 0:
            free[hub_id] = left
        return but(self, free=free, kept=kept)


def holding_of(product_id: int, lane: Lane, shelves: Mapping[int, Kept]) -> Holding:
    """The holding of these shelves; those that keep nothing are not noted as keeping."""
    free = {hub: shelf.usable() for hub, shelf in shelves.items() if shelf.usable()}
    keeping = {hub: shelf for hub, shelf in shelves.items() if shelf.safety_stock or shelf.emergency_buffer}
    return Holding(product_id, lane, free, keeping)


@frozen
class SubstituteFacts:
    """A product that can stand in for the needed one. preference: 1 first. condition: CEL, None means always."""

    product_id: int
    label: str
    preference: int
    condition: str | None = None


@frozen
class ClaimedPart:
    """Components that another ticket's claim of a device holds with it, in the same hub."""

    reservation_id: int
    product_id: int
    lane: Lane
    quantity: int


@frozen
class Contested:
    """Units that are held or committed for another ticket and have not left their hub.

    since: when that ticket was opened. losses: units of the same line that went to other tickets before. is_rollout:
    they are for a line of a rollout. made_at: when they were reserved. revision: of the unit, where that is known.
    red_until: when the red channel ends through which they were decided, as long as nobody has closed it. is_transfer:
    they are to fill up another hub's shelf. parts: of the kit that goes along with them.
    """

    reservation_id: int
    ticket_id: int
    ticket: str
    hub_id: int
    product_id: int
    lane: Lane
    quantity: int
    priority: Priority | None
    since: datetime
    made_at: datetime
    losses: int = 0
    is_rollout: bool = False
    revision: str | None = None
    red_until: datetime | None = None
    is_transfer: bool = False
    parts: tuple[ClaimedPart, ...] = ()

    @property
    def label(self) -> str:
        """How people call it, for example `INC-7 (P4)`."""
        what = "rollout" if self.is_rollout else "transfer" if self.is_transfer else self.priority or "no priority"
        return f"{self.ticket} ({what})"

    @property
    def is_for_no_incident(self) -> bool:
        """Whether nobody waits for them: they rank below all tickets, and losing them counts for nobody."""
        return self.is_rollout or self.is_transfer
