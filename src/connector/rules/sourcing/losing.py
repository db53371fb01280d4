"""Why everything else lost: shelves of a ladder that were not chosen, and what to say when none was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Final

from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.shelves import Holding, ShelfKey
from connector.rules.facts.ticket import ProductFacts
from connector.rules.sourcing.candidate import Losers
from connector.rules.sourcing.candidates import Found, Refusal
from connector.rules.sourcing.comparison import losers_of
from connector.rules.sourcing.decision import Reason
from connector.rules.sourcing.deferred import entries
from connector.rules.sourcing.descent import Descended, Looked
from connector.rules.sourcing.kits import INCOMPLETE, PART_OF_KIT
from connector.rules.sourcing.preemption import CLAIMED
from connector.rules.sourcing.quest import KEPT
from connector.rules.sourcing.ranking import HUB, OTHER_LANE, PRODUCT, Route

_NOT_ALLOWED: Final = frozenset(
    {"lane_not_allowed", "tier_not_allowed", "substitute_not_allowed", "condition_not_met", KEPT, *CLAIMED}
)
_WITHOUT_KIT: Final = frozenset({INCOMPLETE, PART_OF_KIT, *_NOT_ALLOWED})
_SHELF: Final = itemgetter(HUB, PRODUCT, OTHER_LANE)
"""The shelf of a route."""


def passed_over(descended: Descended, emptied: frozenset[ShelfKey]) -> tuple[Losers, ...]:
    """Every shelf that is not among the candidates: of the rung that serves, of the others, of no rung at all.

    Told once: what the rung that serves has timed is not told again of a rung that was passed, nor is a reason that
    two rungs have for the same hub. emptied: shelves that somebody else claimed the last unit of.
    """
    losers: list[Losers] = []
    told: Found | None = None
    timed: set[tuple[int, int, int]] = set()
    if isinstance(descended.chosen, Looked):
        told = descended.chosen.found
        losers += losers_of(told, descended.chosen.ranking)
        timed.update(map(_SHELF, told.timed))
    for looked in descended.passed:
        found = looked.found
        others: list[Route] = []
        if found is not told and not timed.issuperset(map(_SHELF, found.timed)):
            others = [route for route in found.routes if _SHELF(route) not in timed]
            timed.update(map(_SHELF, others))
        hubs = tuple(chain([route[HUB] for route in others], *[beyond for _, beyond in found.beyond]))
        if hubs:
            number = looked.step.number
            losers.append(Losers("rung_passed", f"rung {number} of the ladder has nothing that is better", hubs))
    losers += [Losers(refusal.code, refusal.text, hubs) for refusal, hubs in _refused(descended).items()]
    return (*losers, *_taken(emptied))


def barred_from(why: str, hubs: tuple[int, ...]) -> tuple[Losers, ...]:
    """Break-glass shelves that are not for this ticket."""
    return (Losers("break_glass_kept", why, hubs),) if hubs else ()


def _refused(descended: Descended) -> Mapping[Refusal, tuple[int, ...]]:
    """Why shelves could not serve in the rungs that were passed, or in any: the same reason once per hub."""
    refused: dict[Refusal, tuple[int, ...]] = {}
    for looked in descended.passed:
        for refusal, hubs in looked.found.refused.items():
            known = refused.get(refusal)
            refused[refusal] = hubs if known is None else tuple(dict.fromkeys((*known, *hubs)))
    return refused | entries(descended.leftovers)


def _taken(emptied: frozenset[ShelfKey]) -> tuple[Losers, ...]:
    if not emptied:
        return ()
    text = "the last unit was claimed by somebody else while this was decided"
    return (Losers("emptied", text, tuple(sorted(hub for hub, _, _ in emptied))),)


def nothing_found(
    facts: SourcingFacts, product: ProductFacts, descended: Descended, holdings: Sequence[Holding]
) -> tuple[Reason, str]:
    """Why no rung has anything, as a code and for people."""
    wanted = f"{product.label!r}"
    if facts.substitutes:
        wanted += f" or its substitutes {', '.join(repr(s.label) for s in facts.substitutes)}"
    if not descended.passed:
        return Reason.LADDER_SAYS_PERSON, f"No rung of the ladder looks for {wanted} for this ticket."
    refused = _refused(descended)
    if not refused and any(holding.free for holding in holdings):
        return Reason.NOTHING_ALLOWED, f"There is stock of {wanted}, but only for rungs that are not for this ticket."
    if not refused:
        return Reason.NO_COMPATIBLE_STOCK, f"No hub has a free unit of {wanted}."
    counts = "; ".join(f"{len(hubs)} × {refusal.text}" for refusal, hubs in refused.items())
    if all(refusal.code in CLAIMED for refusal, _ in refused.items()):
        return Reason.NO_COMPATIBLE_STOCK, f"No hub has a free unit of {wanted}, and none may be taken: {counts}."
    codes = {refusal.code for refusal in refused}
    if INCOMPLETE in codes and codes <= _WITHOUT_KIT:
        return Reason.KIT_INCOMPLETE, f"There is stock of {wanted}, but no hub has the whole kit: {counts}."
    if all(refusal.code in _NOT_ALLOWED for refusal, _ in refused.items()):
        return Reason.NOTHING_ALLOWED, f"There is stock of {wanted}, but none of it is allowed: {counts}."
    return Reason.NOTHING_REACHABLE, f"There is stock of {wanted}, but none of it can be brought: {counts}."
