"""From the candidates that serve to what is taken of them, and what of that was kept for worse days. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from connector.model.kinds import Protection
from connector.rules.facts.facts import SourcingFacts
from connector.rules.sourcing.candidate import Candidate
from connector.rules.sourcing.descent import Looked
from connector.rules.sourcing.kits import KitShelves, drawn_parts
from connector.rules.sourcing.picks import PartPick, Pick


def picks_of(candidates: Sequence[Candidate], facts: SourcingFacts, looked: Looked) -> tuple[Pick, ...]:
    """What is taken of the candidates of a rung, the chosen ones of which stand first."""
    if not looked.shares:
        return (_pick(candidates[0], facts, looked),)
    parts = zip(candidates, looked.shares, strict=False)
    return tuple(_pick(candidate, facts, looked, units=units) for candidate, (_, units) in parts)


def _pick(chosen: Candidate, facts: SourcingFacts, looked: Looked, *, units: int | None = None) -> Pick:
    """Units of a candidate, with their kits. units: of a split, which uses no kept ones; else all."""
    rule = looked.step.rule if units is None else looked.step.rule.model_copy(update={"releases": ()})
    quantity = facts.quantity if units is None else units
    parts: tuple[PartPick, ...] = ()
    if rule.kit == "swap" and facts.kit is not None:
        given = [part for claim in looked.takes for part in claim.parts]
        parts = KitShelves(facts.kit, rule).parts_from(chosen.hub_id, quantity, given)
    return Pick(
        hub_id=chosen.hub_id,
        product_id=chosen.product_id,
        requested_product_id=facts.product.id if facts.product else chosen.product_id,
        lane=chosen.lane,
        quantity=quantity,
        arrives_at=chosen.arrives_at,
        releases=rule.releases,
        takes=tuple(claim.reservation_id for claim in looked.takes),
        parts=parts,
    )


def drawn_by(
    looked: Looked, chosen: Candidate, facts: SourcingFacts, picks: Sequence[Pick]
) -> Mapping[Protection, int]:
    """The kept units that the choice uses, by what they were kept for."""
    parts = drawn_parts(facts.kit, picks) if facts.kit is not None else Counter[Protection]()
    for holding in facts.holdings:
        kept = holding.kept.get(chosen.hub_id)
        if (
            kept
            and not looked.takes
            and not looked.shares
            and (holding.product_id, holding.lane) == (chosen.product_id, chosen.lane)
        ):
            return parts + Counter(kept.drawn(facts.quantity, looked.step.rule.releases))
    return parts
