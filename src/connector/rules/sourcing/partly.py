"""A part of the units now, and the rest as its own decision: for rules that send what is there.

Only where no stock rung has all units. The first rung that has any gives what it has; the rest goes down the ladder
again, and is a decision of its own, with its own claims, orders and approval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from connector.model.kinds import Lane
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.shelves import Holding
from connector.rules.policy.ladder import Accept
from connector.rules.sourcing.candidates import LANES
from connector.rules.sourcing.decision import Decision, RungOutcome, RungTried
from connector.rules.sourcing.deferred import Deferred
from connector.rules.sourcing.descent import Descended, Looked, looked_for
from connector.rules.sourcing.quest import Quest
from connector.rules.sourcing.ranking import HUB, LATE, OTHER_LANE, PRODUCT
from connector.rules.sourcing.splitting import Share

MOST_PARTS: Final = 10
"""Parts that are given at once; whatever else there is goes to the ticket when it is looked at again."""


def part_of(quest: Quest, descended: Descended) -> tuple[Descended, int]:
    """The descent that ends with a part of the units, and how many that are; the same and 0 where there is no part.

    What is late is taken only from rungs that take it, or where nobody else has anything. What a supplier was ordered
    from already is not taken from a shelf as well.
    """
    wanted = quest.facts.quantity
    most = min(wanted - 1, wanted - _placed(quest.facts))
    if most < 1 or isinstance(descended.chosen, Looked) or quest.facts.recovery is not None:
        return descended, 0
    for may_be_late in (False, True) if descended.chosen is None else (False,):
        for looked in descended.passed:
            found = _part(quest, looked, most, may_be_late=may_be_late or looked.step.rung.accept is Accept.ANY)
            if found is not None:
                given = sum(units for _, units in found.shares)
                told = Deferred(partial(_told, descended.rungs, found, given, wanted))
                others = tuple(other for other in descended.passed if other is not looked)
                return replace(descended, chosen=found, end=None, passed=others, rungs=told), given
    return descended, 0


def facts_of_rest(facts: SourcingFacts, first: Decision) -> SourcingFacts:
    """The facts of the rest, without what the first part takes; of the group the first part tells."""
    left, of_kit = list(facts.holdings), list(facts.kit.holdings if facts.kit is not None else ())
    for pick in first.picks:
        _take(left, pick.hub_id, pick.product_id, pick.lane, pick.quantity)
        for part in pick.parts:
            _take(of_kit, pick.hub_id, part.product_id, part.lane, part.quantity)
    return replace(
        facts,
        quantity=facts.quantity - first.quantity,
        had=facts.had + first.quantity,
        group=None,
        holdings=tuple(holding for holding in left if holding.free or holding.kept),
        kit=replace(facts.kit, holdings=tuple(of_kit)) if facts.kit is not None else None,
    )


def in_parts(first: Decision, rest: Decision, had: int) -> Decision:
    """Both in one: what is given now, with what becomes of the rest. had: units that the ticket has then."""
    rest = told_of_rest(rest, had)
    of = had + rest.wanted
    text = f"{first.quantity} of {of} units: {first.text} The other {rest.wanted}: {rest.text}"
    contested = first.wants_contested or rest.wants_contested
    return replace(first, text=text, rest=rest, wants_contested=contested)


def told_of_rest(decision: Decision, had: int) -> Decision:
    """A decision about the rest says so. had: units that the ticket has."""
    if not had:
        return decision
    text = f"The ticket has {had} of the {had + decision.wanted} units that it needs. {decision.text}"
    return replace(decision, had=had, text=text)


def _part(quest: Quest, looked: Looked, most: int, *, may_be_late: bool) -> Looked | None:
    """What a rung has of one product: of one shelf, or of several where its rule splits; None when it has nothing."""
    rule = looked.step.rule.model_copy(update={"releases": ()})
    holdings = [holding for holding in quest.holdings if holding.lane in rule.lanes]
    found = quest.look(rule, holdings, quantity=1)
    routes = [route for route in found.best if may_be_late or not route[LATE]]
    if not routes:
        return None
    units = {(h.product_id, h.lane, hub): n for h in holdings for hub, n in h.free.items()}
    kits = quest.kits(rule)
    shelves: list[Share] = []
    for route in routes:
        there = min(units[route[PRODUCT], LANES[route[OTHER_LANE]], route[HUB]], most)
        if kits is not None:  # the kits of a hub go with the devices of one of its shelves
            is_first = route[HUB] not in {shelf[HUB] for shelf, _ in shelves}
            there = min(there, kits.whole_at(route[HUB])) if is_first else 0
        if route[PRODUCT] == routes[0][PRODUCT] and there:
            shelves.append((route, there))
    if not shelves:
        return None
    if rule.split == "never":
        shelves = [max(shelves, key=lambda shelf: shelf[1])]
    shares: list[Share] = []
    for route, there in shelves:
        taken = min(there, most - sum(n for _, n in shares))
        if taken:
            shares.append((route, taken))
    chosen = [route for route, _ in shares]
    others = [route for route in (*found.best, *found.worse) if route not in chosen]
    led = found.ordered(*chosen, *others)
    return looked_for(looked.step, led, found.searching.ranking, takes=looked.takes, shares=tuple(shares))


def _placed(facts: SourcingFacts) -> int:
    """Units that suppliers were ordered from and that may not be called off in time."""
    return sum(past.quantity for past in facts.procurements if past.may_be_placed)


def _take(holdings: list[Holding], hub_id: int, product_id: int, lane: Lane, units: int) -> None:
    """Take units off the shelf that they lie on."""
    place = next(n for n, holding in enumerate(holdings) if (holding.product_id, holding.lane) == (product_id, lane))
    holdings[place] = holdings[place].less(hub_id, units)


def _told(rungs: Sequence[RungTried], part: Looked, given: int, wanted: int) -> Sequence[RungTried]:
    """The rungs as they are told where one gives a part: what ends the ladder is for the rest."""
    told = []
    for rung in rungs:
        if rung.number == part.step.number:
            text = f"{given} of the {wanted} units that are wanted"
            rung = replace(rung, outcome=RungOutcome.TAKEN, text=text)
        elif rung.outcome is RungOutcome.TAKEN:
            rung = replace(rung, outcome=RungOutcome.NOT_REACHED, text="is for the rest")
        told.append(rung)
    return told
