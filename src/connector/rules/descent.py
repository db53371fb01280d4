"""Going down a ladder: which rung gives the ticket its unit, and what came of every other one.

A rung that takes anything ends the descent with the best that was found so far. One that takes only what is in time
ends it with a unit in time; its best late one is remembered, and is taken after all when no rung below has a better
one: one that is in time, or that the rule's ranking prefers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from connector.model.kinds import HubTier, Lane
from connector.rules.candidates import Found, Refusal, Search, search
from connector.rules.comparison import duration_text
from connector.rules.conditions import ConditionFailed, Facts
from connector.rules.decision import RungOutcome, RungTried
from connector.rules.destination import Destination
from connector.rules.document import Policy, Rule, Step
from connector.rules.facts import Contested, Holding, SourcingFacts
from connector.rules.ladder import Accept, RungKind
from connector.rules.preemption import Taker
from connector.rules.ranking import ARRIVES, COST, HUB, LATE, Ranking, Route
from connector.rules.timetable import instant_of

KEPT: Final = "kept_back"
"""Code of shelves whose free units are all kept for something that the rung does not release."""


class RungFailed(Exception):  # noqa: N818 - named by what is wrong
    """The condition of a rung could not be evaluated; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Quest:
    """What is looked for, and until when. start, due: minutes. preferences, refused: see `candidates.search`."""

    facts: SourcingFacts
    policy: Policy
    destination: Destination
    start: int
    due: int
    now: datetime
    holdings: tuple[Holding, ...]
    preferences: Mapping[int, int]
    refused: Mapping[int, Refusal]

    def look(self, rule: Rule, holdings: Iterable[Holding]) -> Found:
        """What these shelves offer under a rule, with what it releases of them."""
        facts = self.facts
        searching = Search(
            rule, self.policy, facts, self.destination, start=self.start, due=self.due, quantity=facts.quantity
        )
        opened = [holding.opened(rule.releases) for holding in holdings]
        found = search(opened, self.preferences, self.refused, searching)
        for holding in opened:
            if holding.kept and holding.product_id in self.preferences and holding.lane in rule.lanes:
                for hub_id in sorted(holding.kept.keys() - holding.free.keys()):
                    found.refuse((hub_id,), KEPT, holding.kept[hub_id].text(rule.releases))
        return found


@dataclass(frozen=True, slots=True)
class Looked:
    """What a stock rung found. ranking: how its routes are compared.

    takes: the claims of other tickets whose units its best route uses; empty where that uses free ones.
    """

    step: Step
    found: Found
    ranking: Ranking
    takes: tuple[Contested, ...] = ()

    @property
    def best(self) -> Route | None:
        """The best route."""
        return self.found.best[0] if self.found.best else None


@dataclass(frozen=True, slots=True)
class Descended:
    """How a descent ended. chosen: the stock rung that serves, None when no rung has anything.

    passed: the other stock rungs that were tried. rungs: all of them, for the explanation. leftovers: shelves that no
    rung of the ladder may use. wants_contested: a rung could take what other tickets hold, which was not read.
    """

    chosen: Looked | None
    passed: tuple[Looked, ...]
    rungs: tuple[RungTried, ...]
    leftovers: Mapping[Refusal, tuple[int, ...]]
    wants_contested: bool = False


def descend(quest: Quest, steps: Sequence[Step], condition_facts: Facts) -> Descended:
    """Go down a ladder. Raises RungFailed when the condition of a rung cannot be evaluated."""
    stocked = [step for step in steps if step.rung.kind is RungKind.STOCK]
    tried: list[Looked | str] = []
    best: Looked | None = None
    is_at_end = wants_contested = False
    for step in steps:
        why_not = _why_not(quest, step, condition_facts)
        if why_not is not None:
            tried.append(why_not)
            continue
        if step.rung.is_terminal:
            is_at_end = True
            break
        looked = _looked(quest, step, is_only=len(stocked) == 1)
        if _may_take(_better(best, looked), step, condition_facts):
            wants_contested |= quest.facts.contested is None
            looked = _with_taken(quest, looked, is_alone=best is None)
        tried.append(looked)
        best = _better(best, looked)
        if best is not None and (step.rung.accept is Accept.ANY or not _late(best)):
            break
    passed = tuple(looked for looked in tried if isinstance(looked, Looked) and looked is not best)
    leftovers = _leftovers(quest, stocked) if len(stocked) > 1 else {}
    told = tuple(_told(quest, steps, tried, best, is_at_end=is_at_end))
    return Descended(best, passed, told, leftovers, wants_contested)


def _may_take(best: Looked | None, step: Step, condition_facts: Facts) -> bool:
    """Whether a rung may take what other tickets hold: its rule says so, and nothing free is in time so far."""
    preempt = step.rule.preempt
    if preempt is None or (best is not None and not _late(best)):
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
    taker = Taker(quest.facts.ticket.priority, quest.facts.quantity, rule.preempt, quest.policy.fairness, quest.now)
    offer = taker.best(
        quest.facts.contested, lambda held: quest.look(rule, held), may_be_late=is_alone and not found.best
    )
    for refusal, hubs in offer.refused.items():
        found.refuse(hubs, refusal.code, refusal.text)
    if offer.route is None:
        return looked
    led = found.led_by(offer.route)
    return replace(looked, found=led, ranking=looked.ranking.in_time_first(), takes=offer.claims)


def _why_not(quest: Quest, step: Step, condition_facts: Facts) -> str | None:
    """Why a rung is not for the ticket; None when it is."""
    condition = step.rung.condition
    try:
        if condition is not None and not condition.holds(condition_facts):
            return f"only when {step.rung.when}"
    except ConditionFailed as error:
        raise RungFailed(f"rung {step.number}: {error}") from error
    approval = step.rung.approval or (None if step.rung.is_terminal else step.rule.approval)
    return f"approval {approval!r} was refused" if approval in quest.facts.refusals else None


def _looked(quest: Quest, step: Step, *, is_only: bool) -> Looked:
    holdings = quest.holdings if is_only else tuple(_of_rung(quest, step.rule))
    found = quest.look(step.rule, holdings)
    return Looked(step, found, found.searching.ranking)


def _of_rung(quest: Quest, rule: Rule) -> Iterable[Holding]:
    """The shelves that a rung may use; those of other rungs are not its concern."""
    tiers = quest.facts.fleet.tiers
    outside = set[int]().union(*(tiers[tier] for tier in HubTier if tier not in rule.sources))
    for holding in quest.holdings:
        if holding.lane in rule.lanes:
            inside = holding.without(outside)
            if inside.free or inside.kept:
                yield inside


def _leftovers(quest: Quest, stocked: Sequence[Step]) -> dict[Refusal, tuple[int, ...]]:
    """Shelves that none of the rungs may use, whether it was tried or not."""
    name, tiers = stocked[0].rule.name, quest.facts.fleet.tiers
    used: dict[Lane, set[int]] = {}
    for step in stocked:
        members = set[int]().union(*(tiers[tier] for tier in step.rule.sources))
        for lane in step.rule.lanes:
            used.setdefault(lane, set()).update(members)
    left: dict[Refusal, tuple[int, ...]] = {}
    for holding in quest.holdings:
        if holding.lane not in used:
            refusal = Refusal("lane_not_allowed", f"{holding.lane.value} lane not allowed by rule {name!r}")
        else:
            refusal = Refusal("tier_not_allowed", f"tier not allowed by any rung of rule {name!r}")
        hubs = sorted(holding.free.keys() - used.get(holding.lane, set()))
        if hubs:
            left[refusal] = (*left.get(refusal, ()), *hubs)
    return left


def _late(looked: Looked) -> bool:
    return looked.best is not None and looked.best[LATE] == 1


def _better(first: Looked | None, second: Looked) -> Looked | None:
    """The one whose best route is better: in time before late, then by the ranking; the upper rung when equal."""
    if second.best is None:
        return first
    if first is None or first.best is None:
        return second
    if _late(first) != _late(second):
        return second if _late(first) else first
    key = second.ranking.key
    return second if key(second.best) < key(first.best) else first


def _told(
    quest: Quest, steps: Sequence[Step], tried: Sequence[Looked | str], best: Looked | None, *, is_at_end: bool
) -> Iterable[RungTried]:
    for place, step in enumerate(steps):
        looked = tried[place] if place < len(tried) else None
        if isinstance(looked, Looked):
            yield _told_of(quest, looked, best)
        elif looked is not None:
            yield _bare(step, RungOutcome.SKIPPED, looked)
        elif place > len(tried) or not is_at_end:
            yield _bare(step, RungOutcome.NOT_REACHED, "a rung above ends the ladder")
        elif best is None:
            yield _bare(step, RungOutcome.TAKEN, "no rung above has anything")
        else:
            yield _bare(step, RungOutcome.LOST, f"rung {best.step.number} has a unit, late as it is")


def _bare(step: Step, outcome: RungOutcome, text: str) -> RungTried:
    return RungTried(step.number, step.rung.kind.value, outcome, text)


def _told_of(quest: Quest, looked: Looked, best: Looked | None) -> RungTried:
    route = looked.best
    if route is None:
        text = "no free unit there" if not looked.found.refused else _counted(looked.found.refused)
        return _bare(looked.step, RungOutcome.NOTHING, text)
    label = quest.facts.fleet.hubs[route[HUB]].label
    is_best = looked is best
    return RungTried(
        number=looked.step.number,
        kind=looked.step.rung.kind.value,
        outcome=RungOutcome.TAKEN if is_best else RungOutcome.LOST,
        text=_taken(looked) if is_best or best is None else _lost(route, best),
        offered=label,
        arrives_at=instant_of(route[ARRIVES]),
        cost_cents=route[COST],
        is_within_sla=not route[LATE],
    )


def _taken(looked: Looked) -> str:
    if looked.takes:
        whose = " and ".join(claim.label for claim in looked.takes)
        return f"taken from {whose}, {'late: nothing else can be brought' if _late(looked) else 'in time'}"
    if not _late(looked):
        return "arrives in time"
    if looked.step.rung.accept is Accept.ANY:
        return "late; the rung takes what arrives late as well"
    return "late; no rung below has anything better"


def _lost(route: Route, best: Looked) -> str:
    winner = best.best
    if winner is None:
        return ""
    if route[LATE] and not winner[LATE]:
        return f"late; rung {best.step.number} has one in time"
    later = route[ARRIVES] - winner[ARRIVES]
    beside = f", arrives {duration_text(later)} later" if later > 0 else ""
    return f"late as well; rung {best.step.number} has the better one{beside}"


def _counted(refused: Mapping[Refusal, tuple[int, ...]]) -> str:
    return "; ".join(f"{len(hubs)} × {refusal.text}" for refusal, hubs in refused.items())
