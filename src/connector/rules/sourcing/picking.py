"""From the routes that serve to what is taken along them, and what of that was kept for worse days. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from connector.model.kinds import Protection
from connector.rules.arrival.timetable import instant_of
from connector.rules.facts.facts import SourcingFacts
from connector.rules.sourcing.candidates import LANES
from connector.rules.sourcing.descent import Looked
from connector.rules.sourcing.kits import KitShelves, drawn_parts
from connector.rules.sourcing.picks import PartPick, Pick
from connector.rules.sourcing.ranking import ARRIVES, HUB, OTHER_LANE, PRODUCT, Route

_NOTHING: Final[Mapping[Protection, int]] = {}


def picks_of(looked: Looked, facts: SourcingFacts) -> tuple[Pick, ...]:
    """What is taken of what a rung has found: the shares of a split, or everything from the best shelf."""
    if looked.shares:
        return tuple(_pick(route, facts, looked, units=units) for route, units in looked.shares)
    return () if looked.best is None else (_pick(looked.best, facts, looked),)


def _pick(route: Route, facts: SourcingFacts, looked: Looked, *, units: int | None = None) -> Pick:
    """Units along a route, with their kits. units: of a split, which uses no kept ones; else all."""
    rule = looked.step.rule if units is None else looked.step.rule.model_copy(update={"releases": ()})
    quantity = facts.quantity if units is None else units
    parts: tuple[PartPick, ...] = ()
    if rule.kit == "swap" and facts.kit is not None:
        given = [part for claim in looked.takes for part in claim.parts]
        parts = KitShelves(facts.kit, rule).parts_from(route[HUB], quantity, given)
    return Pick(
        hub_id=route[HUB],
        product_id=route[PRODUCT],
        requested_product_id=facts.product.id if facts.product else route[PRODUCT],
        lane=LANES[route[OTHER_LANE]],
        quantity=quantity,
        arrives_at=instant_of(route[ARRIVES]),
        releases=rule.releases,
        takes=tuple([claim.reservation_id for claim in looked.takes]),
        parts=parts,
    )


def drawn_by(looked: Looked, facts: SourcingFacts, picks: Sequence[Pick]) -> Mapping[Protection, int]:
    """The kept units that the choice uses, by what they were kept for."""
    parts = drawn_parts(facts.kit, picks) if facts.kit is not None else _NOTHING
    if looked.takes or looked.shares:
        return parts
    for holding in facts.holdings:
        kept = holding.kept.get(picks[0].hub_id)
        if kept and (holding.product_id, holding.lane) == (picks[0].product_id, picks[0].lane):
            return Counter(parts) + Counter(kept.drawn(facts.quantity, looked.step.rule.releases))
    return parts
