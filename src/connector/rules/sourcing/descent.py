"""Going down a ladder: which rung gives the ticket what it needs, and what came of every other one.

A rung that takes anything ends the descent with the best that was found so far, once it has something itself. One that
takes only what is in time ends it with that; its best late offer is remembered, and is taken after all when no rung
below has a better one: in time; or late as well, and preferred. Of two late offers from stock the rule's ranking says
which is preferred, with a supplier among them it is the one that arrives first; of equals the upper rung's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import TypeAlias

from connector.model.frozen import frozen
from connector.model.kinds import HubTier, Lane
from connector.rules.arrival.timetable import instant_of
from connector.rules.facts.shelves import Contested, Holding
from connector.rules.policy.conditions import ConditionFailed, Facts
from connector.rules.policy.document import Step
from connector.rules.policy.ladder import TERMINAL, Accept, RungKind
from connector.rules.sourcing.candidates import LANES, Found, Refusal
from connector.rules.sourcing.comparison import duration_text
from connector.rules.sourcing.decision import RungOutcome, RungTried
from connector.rules.sourcing.deferred import Deferred, DeferredMapping
from connector.rules.sourcing.offers import Asking, Offer, offers_of
from connector.rules.sourcing.preemption import Taker
from connector.rules.sourcing.quest import Quest
from connector.rules.sourcing.ranking import ARRIVES, COST, HUB, LATE, OTHER_LANE, PRODUCT, Ranking, Route
from connector.rules.sourcing.splitting import Share, split


class RungFailed(Exception):  # noqa: N818 - named by what is wrong
    """The condition of a rung could not be evaluated; the text says which and why."""


@frozen
class Looked:
    """What a stock rung found. ranking: how its routes are compared.

    takes: the claims of other tickets whose units its best route uses; empty where that uses free ones. shares: the
    routes of a split, with the units that travel each; empty where one shelf has everything. best: the best route; of
    a split the last one to arrive, which is when the ticket has everything.
    """

    step: Step
    found: Found
    ranking: Ranking
    best: Route | None
    is_late: bool
    takes: tuple[Contested, ...] = ()
    shares: tuple[Share, ...] = ()


def looked_for(
    step: Step,
    found: Found,
    ranking: Ranking,
    *,
    takes: tuple[Contested, ...] = (),
    shares: tuple[Share, ...] = (),
) -> Looked:
    """What a stock rung found, with the best of it."""
    best = max((route for route, _ in shares), key=itemgetter(ARRIVES)) if shares else found.first
    return Looked(step, found, ranking, best, best is not None and best[LATE] == 1, takes, shares)


@frozen
class Asked:
    """What the suppliers of a rung offer, the best first, and why the others offer nothing."""

    step: Step
    offers: Sequence[Offer]
    refused: Mapping[str, Refusal]

    @property
    def best(self) -> Offer | None:
        """The best offer."""
        return self.offers[0] if self.offers else None

    @property
    def is_late(self) -> bool:
        """Whether even the best offer arrives after the due time."""
        return bool(self.offers) and self.offers[0].is_late


Answer: TypeAlias = Looked | Asked
"""What a rung says."""


@frozen
class Descended:
    """How a descent ended. chosen: the rung that serves; None when none has anything, and `end` answers.

    end: the terminal rung that was reached. passed: the other stock rungs that were tried. rungs: all of them, for the
    explanation. leftovers: shelves that no rung of the ladder may use. wants_contested: a rung could take what other
    tickets hold, which was not read.
    """

    chosen: Answer | None
    end: Step | None
    passed: tuple[Looked, ...]
    rungs: Sequence[RungTried]
    leftovers: Mapping[Refusal, tuple[int, ...]]
    wants_contested: bool = False


def descend(quest: Quest, steps: Sequence[Step], condition_facts: Facts) -> Descended:
    """Go down a ladder. Raises RungFailed when the condition of a rung cannot be evaluated."""
    stocked = [step for step in steps if step.kind is RungKind.STOCK]
    tried: list[Answer | str] = []
    best: Answer | None = None
    end: Step | None = None
    wants_contested = False
    for step in steps:
        if step.condition is not None or quest.facts.refusals:
            why_not = _why_not(quest, step, condition_facts)
            if why_not is not None:
                tried.append(why_not)
                continue
        if step.kind in TERMINAL:
            end = step
            break
        answer = _answer(quest, step, condition_facts, is_only=len(stocked) == 1)
        better = _better(best, answer)
        if isinstance(answer, Looked) and _may_take(better, step, condition_facts):
            if quest.facts.contested is None:
                wants_contested = True
            else:
                answer = _with_taken(quest, answer, is_alone=best is None)
                better = _better(best, answer)
        tried.append(answer)
        best = better
        takes_any = answer.best is not None and step.rung.accept is Accept.ANY
        if best is not None and (takes_any or not best.is_late):
            break
    passed = tuple([answer for answer in tried if isinstance(answer, Looked) and answer is not best])
    leftovers: Mapping[Refusal, tuple[int, ...]] = DeferredMapping(lambda: _leftovers(quest, stocked))
    told = Deferred(lambda: _told(quest, steps, tried, best, is_at_end=end is not None))
    return Descended(best, end, passed, told, leftovers, wants_contested)


def _may_take(best: Answer | None, step: Step, condition_facts: Facts) -> bool:
    """Whether a rung may take what other tickets hold: its rule says so, and nothing free is in time so far."""
    preempt = step.rule.preempt
    if preempt is None or (best is not None and not best.is_late):
        return False
    try:
        return preempt.condition is None or preempt.condition.holds(condition_facts)
    except ConditionFailed as error:
        raise RungFailed(f"rung {step.number}, preempt: {error}") from error


def _with_taken(quest: Quest, looked: Looked, *, is_alone: bool) -> Looked:
    """What a rung offers when it may take what other tickets hold. is_alone: no rung above has anything."""
    rule, found = looked.step.rule, looked.found
    if rule.preempt is None or not quest.facts.contested:
        return looked
    taker = Taker(
        quest.facts.ticket.priority,
        quest.facts.quantity,
        rule.preempt,
        quest.policy.fairness,
        quest.now,
        is_red=quest.is_red,
    )
    offer = taker.best(
        quest.facts.contested,
        lambda held, claims: quest.look(rule, held, given=taker.parts_given(claims)),
        may_be_late=is_alone and found.first is None,
    )
    if offer.refused:
        found = found.again()
        for refusal, hubs in offer.refused.items():
            found.refuse(hubs, refusal.code, refusal.text)
    if offer.route is None:
        return replace(looked, found=found) if offer.refused else looked
    led = found.led_by(offer.route)
    return looked_for(looked.step, led, looked.ranking.in_time_first(), takes=offer.claims)


def _why_not(quest: Quest, step: Step, condition_facts: Facts) -> str | None:
    """Why a rung is not for the ticket; None when it is."""
    condition = step.condition
    try:
        if condition is not None and not condition.holds(condition_facts):
            return f"only when {step.rung.when}"
    except ConditionFailed as error:
        raise RungFailed(f"rung {step.number}: {error}") from error
    approval = step.approval
    return f"approval {approval!r} was refused" if approval in quest.facts.refusals else None


def _answer(quest: Quest, step: Step, condition_facts: Facts, *, is_only: bool) -> Answer:
    if step.kind is not RungKind.STOCK:
        return _asked(quest, step, condition_facts)
    found = quest.look_for(step, is_only=is_only)
    looked = looked_for(step, found, found.searching.ranking)
    is_whole = looked.best is not None and not looked.is_late
    if step.rule.split == "never" or quest.facts.quantity == 1 or is_whole:
        return looked
    return _combined(quest, looked, quest.shelves_of(step.rule, is_only=is_only))


def _asked(quest: Quest, step: Step, condition_facts: Facts) -> Asked:
    """What the suppliers of a rung offer."""
    facts = quest.facts
    asking = Asking(facts, quest.product, quest.policy, quest.destination, quest.start, quest.due, facts.quantity)
    return Asked(step, *offers_of(asking, step, condition_facts))


def _combined(quest: Quest, looked: Looked, holdings: Sequence[Holding]) -> Looked:
    """What several shelves offer together, where that is better than what one of them has: all of it, in time."""
    rule = looked.step.rule.model_copy(update={"releases": ()})
    found = quest.look(rule, holdings, quantity=1)
    kits = quest.kits(rule)
    units = {
        (h.product_id, h.lane, hub): n if kits is None else min(n, kits.whole_at(hub))
        for h in holdings
        for hub, n in h.free.items()
    }
    routes = found.best if kits is None else _one_shelf_each(found.best)
    shares = split(
        routes, lambda route: units[route[PRODUCT], LANES[route[OTHER_LANE]], route[HUB]], quest.facts.quantity
    )
    if not shares or (looked.best is not None and any(route[LATE] for route, _ in shares)):
        return looked
    chosen = [route for route, _ in shares]
    others = [route for route in (*found.best, *found.worse) if route not in chosen]
    led = found.ordered(*chosen, *others)
    return looked_for(looked.step, led, found.searching.ranking, shares=shares)


def _one_shelf_each(routes: Sequence[Route]) -> list[Route]:
    """The best route of each hub: the kits that a hub has go along with the devices of one of its shelves."""
    first = {route[HUB]: route for route in reversed(routes)}
    return [route for route in routes if first[route[HUB]] is route]


def _leftovers(quest: Quest, stocked: Sequence[Step]) -> dict[Refusal, tuple[int, ...]]:
    """Shelves that none of several rungs may use, whether it was tried or not; a single rung tells it by itself."""
    if len(stocked) < 2:
        return {}
    name, fleet = stocked[0].rule.name, quest.facts.fleet
    used: dict[Lane, frozenset[HubTier]] = {}
    for step in stocked:
        for lane in step.rule.lanes:
            used[lane] = used.get(lane, frozenset()).union(step.rule.sources)
    left: dict[Refusal, tuple[int, ...]] = {}
    for holding in quest.holdings:
        usable, there = used.get(holding.lane), holding.free.keys()
        members = fleet.members(usable) if usable is not None else frozenset()
        if there <= members:
            continue
        if usable is None:
            refusal = Refusal("lane_not_allowed", f"{holding.lane.value} lane not allowed by rule {name!r}")
        else:
            refusal = Refusal("tier_not_allowed", f"tier not allowed by any rung of rule {name!r}")
        left[refusal] = (*left.get(refusal, ()), *sorted(there - members))
    return left


def _arrives(answer: Answer) -> int:
    best = answer.best
    if best is None:
        raise AssertionError("asked only of answers that have something")
    return best.arrives if isinstance(best, Offer) else best[ARRIVES]


def _better(first: Answer | None, second: Answer) -> Answer | None:
    """The one whose best is better: in time before late, then as the module says; the upper rung when equal."""
    if second.best is None:
        return first
    if first is None or first.best is None:
        return second
    if second.best is first.best:
        return first
    if first.is_late != second.is_late:
        return second if first.is_late else first
    if isinstance(first, Looked) and isinstance(second, Looked):
        key = second.ranking.key
        return second if key(second.best) < key(first.best) else first
    return second if _arrives(second) < _arrives(first) else first


def _told(
    quest: Quest, steps: Sequence[Step], tried: Sequence[Answer | str], best: Answer | None, *, is_at_end: bool
) -> Iterable[RungTried]:
    for place, step in enumerate(steps):
        answer = tried[place] if place < len(tried) else None
        if isinstance(answer, Looked | Asked):
            yield _told_of(quest, answer, best)
        elif answer is not None:
            yield _bare(step, RungOutcome.SKIPPED, answer)
        elif place > len(tried) or not is_at_end:
            yield _bare(step, RungOutcome.NOT_REACHED, "a rung above ends the ladder")
        elif best is None:
            yield _bare(step, RungOutcome.TAKEN, "no rung above has anything")
        else:
            yield _bare(step, RungOutcome.LOST, f"rung {best.step.number} has a unit, late as it is")


def _bare(step: Step, outcome: RungOutcome, text: str) -> RungTried:
    return RungTried(step.number, step.rung.kind.value, outcome, text)


def _told_of(quest: Quest, answer: Answer, best: Answer | None) -> RungTried:
    is_best = answer is best
    refused = "; ".join(_refusals(answer)) if isinstance(answer, Asked) or answer.best is None else ""
    match answer.best:
        case None:
            return _bare(answer.step, RungOutcome.NOTHING, refused or "no free unit there")
        case Offer() as offer:
            label, cost = offer.supplier, offer.cost_cents
        case route:
            label, cost = quest.facts.fleet.hubs[route[HUB]].label, route[COST]
    text = _taken(answer) if is_best or best is None else _lost(answer, best)
    return RungTried(
        number=answer.step.number,
        kind=answer.step.rung.kind.value,
        outcome=RungOutcome.TAKEN if is_best else RungOutcome.LOST,
        text=f"{text} ({refused})" if refused and isinstance(answer, Asked) else text,
        offered=label,
        arrives_at=instant_of(_arrives(answer)),
        cost_cents=cost,
        is_within_sla=not answer.is_late,
    )


def _taken(answer: Answer) -> str:
    is_late = answer.is_late
    if isinstance(answer, Looked) and answer.takes:
        whose = " and ".join(claim.label for claim in answer.takes)
        return f"taken from {whose}, {'late: nothing else can be brought' if is_late else 'in time'}"
    if isinstance(answer, Looked) and answer.shares:
        return f"{len(answer.shares)} parcels together; the last one arrives {'late' if is_late else 'in time'}"
    known = answer.best.known if isinstance(answer.best, Offer) else None
    ordered = f"; {known.state.value} already" if known is not None else ""
    if not is_late:
        return f"arrives in time{ordered}"
    if answer.step.rung.accept is Accept.ANY:
        return f"late; the rung takes what arrives late as well{ordered}"
    return f"late; no rung below has anything better{ordered}"


def _lost(answer: Answer, best: Answer) -> str:
    if answer.is_late and not best.is_late:
        return f"late; rung {best.step.number} has one in time"
    later = _arrives(answer) - _arrives(best)
    beside = f", arrives {duration_text(later)} later" if later > 0 else ""
    return f"late as well; rung {best.step.number} has the better one{beside}"


def _refusals(answer: Answer) -> Iterable[str]:
    match answer:
        case Looked(found=found):
            return (f"{len(hubs)} × {refusal.text}" for refusal, hubs in found.refused.items())
        case Asked(refused=refused):
            return (refusal.text for refusal in refused.values())
