"""How the routes of a rule are compared: criterion by criterion, each in steps, ties settled by number.

A route is a tuple of numbers, indexed by the constants below; lower is better in each of those that are compared.
Times are whole minutes since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final, TypeAlias

from connector.rules.policy.document import Criterion, Policy, Rule, Sourcing
from connector.rules.policy.transport import ComparisonSteps

Route: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int, float, int, int, int, float]
"""The shelf (up to PRODUCT), then the way from its hub."""
Way: TypeAlias = tuple[int, int, int, int, int, float, int, int, int, float]
"""The second part of a route: what is the same for every shelf of a hub."""

NOT_EXACT: Final = 0
PREFERENCE: Final = 1
OTHER_LANE: Final = 2
HUB: Final = 3
PRODUCT: Final = 4
LATE: Final = 5
UNLIKELY: Final = 6
"""Steps of probability that lie between it and certainty."""
LATENESS: Final = 7
ARRIVES: Final = 8
COST: Final = 9
DISTANCE: Final = 10
MODE: Final = 11
READY: Final = 12
DEPARTS: Final = 13
CHANCE: Final = 14
"""Probability to arrive in time, 0 to 1."""

_INDEX: Final = {
    Criterion.EXACT: NOT_EXACT,
    Criterion.WITHIN_SLA: LATE,
    Criterion.PROBABILITY: UNLIKELY,
    Criterion.LATENESS: LATENESS,
    Criterion.PREFERENCE: PREFERENCE,
    Criterion.ARRIVAL: ARRIVES,
    Criterion.COST: COST,
    Criterion.DISTANCE: DISTANCE,
}
_NAMES: Final = {index: criterion.value for criterion, index in _INDEX.items()}
TIES: Final = (OTHER_LANE, HUB, PRODUCT, MODE)


Order: TypeAlias = tuple[int, ...]
"""Indexes of a route, in the order in which they are compared."""

_known: dict[tuple[int, int], tuple[Rule, Sourcing, Ranking]] = {}
_MOST_KNOWN: Final = 256


def ranking_of(rule: Rule, policy: Policy) -> Ranking:
    """The comparison of a rule, made once for each rule of the policies that are in use."""
    sourcing = policy.sourcing
    key = (id(rule), id(sourcing))
    known = _known.get(key)
    if known is None or known[0] is not rule or known[1] is not sourcing:
        while len(_known) >= _MOST_KNOWN:
            _known.pop(next(iter(_known)))
        criteria = rule.ranking or sourcing.ranking
        ranking = Ranking((*(_INDEX[criterion] for criterion in criteria), *TIES), sourcing.steps)
        known = _known[key] = rule, sourcing, _same_as_known(ranking)
    return known[2]


def _same_as_known(ranking: Ranking) -> Ranking:
    """One that compares alike, if there is one: so that it can be told by its identity that two rules do."""
    return next((known for _, _, known in _known.values() if known.compares_as(ranking)), ranking)


class Ranking:
    """A comparison. order: indexes of a route; key: what a route is sorted by, lower is better.

    recorded: the same as JSON values.
    """

    __slots__ = ("_sizes", "_steps", "key", "order", "recorded", "step_percent")

    def __init__(self, order: Order, steps: ComparisonSteps) -> None:
        self.order, self._steps = order, steps
        self.step_percent = steps.probability_percent
        minutes = steps.arrival_minutes
        sizes: dict[int, float] = {ARRIVES: minutes, LATENESS: minutes, COST: steps.cost_cents}
        as_it_is = {index: 0 for index, size in sizes.items() if size == 1}
        sizes |= {**as_it_is, DISTANCE: steps.distance_km}
        self._sizes = tuple(sizes.get(index, 0) for index in self.order)
        self.key: Callable[[Route], Any] = self._stepped if any(self._sizes) else itemgetter(*self.order)
        self.recorded = {"criteria": [_NAMES[index] for index in order[: -len(TIES)]], "steps": steps.model_dump()}

    @classmethod
    def of_recorded(cls, recorded: Mapping[str, Any]) -> Ranking:
        """The comparison that was recorded as these JSON values."""
        order = (*(_INDEX[Criterion(name)] for name in recorded["criteria"]), *TIES)
        return cls(order, ComparisonSteps.model_validate(recorded["steps"]))

    def compares_as(self, other: Ranking) -> bool:
        """Whether another one compares in the same way."""
        return (self.order, self._steps) == (other.order, other._steps)

    def in_time_first(self) -> Ranking:
        """The same after what is in time before what is late."""
        return Ranking((LATE, *self.order), self._steps)

    def first_difference(self, route: Route, chosen: Route) -> int:
        """The index in which two routes differ first, as they are compared; HUB when they are equal."""
        for index, size in zip(self.order, self._sizes, strict=True):
            if _in_steps(route[index], size) != _in_steps(chosen[index], size):
                return index
        return HUB

    def unlikely(self, chance: float) -> int:
        """Whole steps of probability between a chance and certainty."""
        return int((1 - chance) * 100 / self.step_percent + 1e-9)

    def _stepped(self, route: Route) -> tuple[float, ...]:
        return tuple(_in_steps(route[index], size) for index, size in zip(self.order, self._sizes, strict=True))


def _in_steps(value: float, size: float) -> float:
    return value // size if size else value
