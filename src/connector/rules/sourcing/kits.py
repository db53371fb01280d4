"""Which hubs have a whole kit: every component in one hub, or the kit is not there. Pure.

A component comes from one shelf of the hub, in the first of the rule's lanes that has enough of it. What is kept on
that shelf is released by the same rule as that of the device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import Final

from connector.model.kinds import Lane, Protection
from connector.rules.facts.kits import KitFacts, KitPart
from connector.rules.facts.shelves import ClaimedPart, Holding
from connector.rules.policy.document import Rule
from connector.rules.sourcing.candidates import LANES, Refusal
from connector.rules.sourcing.picks import KitAlong, PartPick, Pick
from connector.rules.sourcing.preemption import Shelf

INCOMPLETE: Final = "kit_incomplete"
"""Code of hubs that lack a component."""
PART_OF_KIT: Final = "part_of_kit"
"""Code of substitutes that the kit itself needs."""


class KitShelves:
    """What hubs have of a kit's components, as a rule may use it."""

    def __init__(self, kit: KitFacts, rule: Rule) -> None:
        self.kit = kit
        self.products: frozenset[int] = frozenset(part.product_id for part in kit.parts)
        self._releases = rule.releases
        self._lanes = tuple(lane for lane in LANES if lane in rule.lanes)
        self._free = {(h.product_id, h.lane): h.opened(rule.releases).free for h in kit.holdings}

    def whole_at(self, hub_id: int) -> int:
        """How many whole kits a hub can ship."""
        return min(self._most(part, hub_id) // part.quantity for part in self.kit.parts)

    def lacking(self, hub_id: int, kits: int, given: Sequence[ClaimedPart] = ()) -> tuple[KitPart, ...]:
        """Components that a hub has too few of for so many kits. given: what it gets back from claims that end."""
        return tuple(
            part
            for part in self.kit.parts
            if self._most(part, hub_id) + self._passing(part, given) < part.quantity * kits
        )

    def parts_from(self, hub_id: int, kits: int, given: Sequence[ClaimedPart] = ()) -> tuple[PartPick, ...]:
        """What is taken at a hub that lacks nothing: first what claims that end give back, the rest from its shelf."""
        picks: list[PartPick] = []
        for part in self.kit.parts:
            needed = part.quantity * kits
            for claim in given:
                if needed and claim.product_id == part.product_id and claim.lane in self._lanes:
                    units = min(needed, claim.quantity)
                    picks.append(PartPick(part.product_id, part.label, claim.lane, units, claim.reservation_id))
                    needed -= units
            if needed:
                picks.append(PartPick(part.product_id, part.label, self._lane(part, hub_id, needed), needed))
        return tuple(picks)

    def without_incomplete(
        self,
        holdings: Iterable[Holding],
        kits: int,
        *,
        devices: Container[int],
        hubs: Container[int],
        given: Mapping[Shelf, Sequence[ClaimedPart]],
    ) -> tuple[list[Holding], Mapping[Refusal, tuple[int, ...]]]:
        """Holdings of devices without the hubs that have enough of them and lack a component, and what those lack.

        devices: products that may serve; hubs: those that may. given: what a hub gets back from claims that end, by the
        shelf whose devices are taken from them. What cannot serve anyway is left for others to explain.
        """
        left: list[Holding] = []
        incomplete: dict[Refusal, tuple[int, ...]] = {}
        for holding in holdings:
            if holding.product_id not in devices or holding.lane not in self._lanes:
                left.append(holding)
                continue
            could = [hub for hub, free in holding.free.items() if free >= kits and hub in hubs]
            refused = self._refused(holding, could, kits, given)
            for refusal, ids in refused.items():
                incomplete[refusal] = (*incomplete.get(refusal, ()), *ids)
            left.append(holding.without({hub for ids in refused.values() for hub in ids}))
        return left, incomplete

    def _refused(
        self, holding: Holding, hubs: Collection[int], kits: int, given: Mapping[Shelf, Sequence[ClaimedPart]]
    ) -> Mapping[Refusal, tuple[int, ...]]:
        """Those of the hubs of a device's holding that cannot ship it with its kit, by reason."""
        if holding.product_id in self.products:
            text = f"is itself a component of kit {self.kit.name!r}, which goes along"
            return {Refusal(PART_OF_KIT, text): tuple(sorted(hubs))} if hubs else {}
        refused: dict[Refusal, tuple[int, ...]] = {}
        for hub in sorted(hubs):
            parts = self.lacking(hub, kits, given.get((holding.product_id, holding.lane, hub), ()))
            if parts:
                refusal = Refusal(INCOMPLETE, self._lacks(parts, kits))
                refused[refusal] = (*refused.get(refusal, ()), hub)
        return refused

    def _lacks(self, parts: Sequence[KitPart], kits: int) -> str:
        listed = " and ".join(f"{part.quantity * kits} × {part.label}" for part in parts)
        return f"lacks {listed} of kit {self.kit.name!r}"

    def _most(self, part: KitPart, hub_id: int) -> int:
        return max((self._at(part, lane, hub_id) for lane in self._lanes), default=0)

    def _lane(self, part: KitPart, hub_id: int, needed: int) -> Lane:
        return next(lane for lane in self._lanes if self._at(part, lane, hub_id) >= needed)

    def _at(self, part: KitPart, lane: Lane, hub_id: int) -> int:
        free = self._free.get((part.product_id, lane))
        return free.get(hub_id, 0) if free else 0

    def _passing(self, part: KitPart, given: Sequence[ClaimedPart]) -> int:
        return sum(
            claim.quantity for claim in given if claim.product_id == part.product_id and claim.lane in self._lanes
        )


def along(kit: KitFacts, picks: Sequence[Pick]) -> KitAlong | None:
    """What goes along with picked devices; None when they go alone."""
    parts = Counter[str]()
    for part in (part for pick in picks for part in pick.parts):
        parts[part.label] += part.quantity
    return KitAlong(kit.id, kit.name, parts) if parts else None


def drawn_parts(kit: KitFacts, picks: Sequence[Pick]) -> Counter[Protection]:
    """The kept components that picks use, by what they were kept for."""
    drawn = Counter[Protection]()
    shelves = {(holding.product_id, holding.lane): holding for holding in kit.holdings}
    for pick in picks:
        for part in pick.parts:
            holding = shelves.get((part.product_id, part.lane))
            kept = holding.kept.get(pick.hub_id) if holding is not None and part.takes is None else None
            if kept is not None:
                drawn.update(kept.drawn(part.quantity, pick.releases))
    return drawn
