"""Every shelf that could serve a ticket, timed: the part of a decision that must be fast.

Few shelves are all timed. Of many, those are of whose lanes something is known; the others from the nearest outwards,
and no further than something could still be found that is better than the best ones so far: what a hub farther away
could offer at best is known from its distance. Which hubs lost without being timed, and why, is put together when
somebody asks.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from connector.model.kinds import Lane
from connector.rules.arrival.legs import NEVER, Refusal
from connector.rules.arrival.ways import Ways
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import NO_COORDINATES
from connector.rules.facts.shelves import Holding
from connector.rules.policy.document import Policy, Rule
from connector.rules.sourcing.ranking import Route, Way

__all__ = ["DETAILED", "LANES", "NEVER", "Found", "Refusal", "Search", "search"]

LANES: Final = tuple(Lane)
"""In the order in which they are preferred where nothing else tells two shelves apart."""
DETAILED: Final = 20
"""Routes that are exactly the best ones, in order; the rest is only known to be no better."""
FEW: Final = 32
"""Shelves that are all timed, since that costs less than to bring them in order first."""
_CHECK_EVERY: Final = 8
_NOT_COMPATIBLE: Final = Refusal("not_compatible", "cannot stand in for the product")


class _Look(NamedTuple):
    """What was done about a holding. refusal: of all its hubs; else those from `rest` on, in order, were not timed.

    bound: what they could offer at best; None where all of them are out of reach.
    """

    holding: Holding
    refusal: Refusal | None = None
    rest: int | None = None
    bound: Route | None = None


class Found:
    """What was found. first: the best route; None where there is none.

    The order of the others, and what lost without being timed, are worked out when they are asked for, from facts that
    must not have changed since.
    """

    __slots__ = ("_noted", "_routes", "first", "searching")

    def __init__(self, searching: Search, first: Route | None, routes: Sequence[Route] | None = None) -> None:
        self.searching, self.first = searching, first
        self._routes = routes
        self._noted: dict[Refusal, tuple[int, ...]] = {}

    @property
    def routes(self) -> Sequence[Route]:
        """All that were timed, in order."""
        return self.searching.routes if self._routes is None else self._routes

    @property
    def timed(self) -> Collection[Route]:
        """The same in any order, which costs nothing."""
        return self.searching.timed if self._routes is None else self._routes

    @property
    def best(self) -> Sequence[Route]:
        """The best routes, in order, at most DETAILED."""
        return self.routes[:DETAILED]

    @property
    def worse(self) -> Sequence[Route]:
        """The other routes that were timed."""
        return self.routes[DETAILED:]

    @property
    def beyond(self) -> Sequence[tuple[Route, tuple[int, ...]]]:
        """The best that the hubs of a group could offer, which were not timed since even that is worse."""
        return self.searching.left_out[0]

    @property
    def refused(self) -> Mapping[Refusal, tuple[int, ...]]:
        """Why hubs cannot serve, to their ids."""
        noted, left = self._noted, self.searching.left_out[1]
        if not noted:
            return left
        return {reason: noted.get(reason, ()) + left.get(reason, ()) for reason in (*noted, *left)}

    def refuse(self, hubs: Iterable[int], code: str, text: str) -> None:
        """Note that hubs cannot serve, for a reason that the search does not know."""
        ids, refusal = tuple(hubs), Refusal(code, text)
        if ids:
            self._noted[refusal] = self._noted.get(refusal, ()) + ids

    def again(self) -> Found:
        """The same, to be noted on by itself."""
        same = Found(self.searching, self.first, self._routes)
        same._noted = self._noted.copy()
        return same

    def led_by(self, route: Route) -> Found:
        """The same behind a route that was found elsewhere and comes before all of these."""
        return self.ordered(route, *self.routes)

    def ordered(self, *routes: Route) -> Found:
        """What the same search has found, in another order."""
        same = Found(self.searching, routes[0], routes)
        same._noted = self._noted
        return same


class Search:
    """One search for routes under a rule, along the ways of a decision. timed: what it has found, in no order."""

    def __init__(self, rule: Rule, policy: Policy, facts: SourcingFacts, ways: Ways, *, quantity: int) -> None:
        self.ways, self.ranking = ways, ways.ranking
        self._rule, self._fleet, self._destination, self._quantity = rule, facts.fleet, ways.destination, quantity
        self._assumes = policy.sourcing.missing.hub_coordinates == "assume"
        self._usable = facts.fleet.usable(rule.sources, with_unlocated=self._assumes)
        self._looks: list[_Look] = []
        self._few: list[tuple[tuple[int, int, int], int, list[int]]] = []
        self.timed: list[Route] = []
        self._keys: list[Any] | None = None

    def found(self) -> Found:
        """What was found, once everything was looked at."""
        self._time_few()
        return Found(self, min(self.timed, key=self.ranking.key, default=None))

    @cached_property
    def routes(self) -> Sequence[Route]:
        """All of them, the best first."""
        return sorted(self.timed, key=self.ranking.key)

    def look_at(self, holding: Holding, preference: int) -> None:
        """Add what one product in one lane offers. preference: 0 for the needed product itself."""
        if holding.lane not in self._rule.lanes:
            text = f"{holding.lane.value} lane not allowed by rule {self._rule.name!r}"
            self.refuse(holding, Refusal("lane_not_allowed", text))
            return
        head = (1 if preference else 0, preference, LANES.index(holding.lane))
        if len(holding.free) <= FEW or self._destination.unit is None:
            self._few.append((head, holding.product_id, self._usable_of(holding, holding.free)))
            self._looks.append(_Look(holding))
        else:
            self._looks.append(self._outwards(head, holding))

    def refuse(self, holding: Holding, refusal: Refusal) -> None:
        """Note that nothing of a holding can serve."""
        self._looks.append(_Look(holding, refusal))

    @cached_property
    def left_out(self) -> tuple[list[tuple[Route, tuple[int, ...]]], dict[Refusal, tuple[int, ...]]]:
        """What was not timed, with the best that it could offer; and what cannot serve, by reason."""
        beyond: list[tuple[Route, tuple[int, ...]]] = []
        refused: dict[Refusal, tuple[int, ...]] = {}
        for look in self._looks:
            hubs, found = self._sorted_out(look)
            for refusal, ids in found:
                refused[refusal] = refused.get(refusal, ()) + ids
            if hubs and look.bound is not None:
                beyond.append((look.bound, hubs))
        return beyond, refused

    def _usable_of(self, holding: Holding, hubs: Iterable[int]) -> list[int]:
        """Those of the hubs that may serve and have enough, as far as their distance does not matter."""
        usable, free, quantity = self._usable, holding.free, self._quantity
        return [hub for hub in hubs if hub in usable and free[hub] >= quantity]

    def _time_few(self) -> None:
        """Time the hubs of all holdings that have few."""
        few, self._few = self._few, []
        if few:
            found = self.ways.find(*[hubs for _, _, hubs in few])
            for head, product_id, hubs in few:
                self._add(head, product_id, hubs, found)

    def _add(
        self, head: tuple[int, int, int], product_id: int, hubs: Iterable[int], found: Mapping[int, Way | None]
    ) -> None:
        routes: list[Route] = [(*head, hub, product_id, *way) for hub in hubs if (way := found[hub]) is not None]
        self.timed += routes
        if self._keys is not None:
            for route in routes:
                _keep(self._keys, self.ranking.key(route))

    def _outwards(self, head: tuple[int, int, int], holding: Holding) -> _Look:
        """Time many hubs: those of known lanes first, the others outwards until nothing better can come."""
        self._time_few()
        key, ways, free, usable, product_id = (
            self.ranking.key,
            self.ways,
            holding.free,
            self._usable,
            holding.product_id,
        )
        if self._keys is None:
            self._keys = sorted(map(key, self.timed))[:DETAILED]
        keys = self._keys
        known = self._known()
        of_known = self._usable_of(holding, sorted(known & free.keys()))
        self._add(head, product_id, of_known, ways.find(of_known))
        last_km = NEVER if ways.reaches_everywhere else ways.max_km
        near: list[tuple[float, int]] = []
        for place, (km, hub) in enumerate(self._order()):
            if hub not in free or hub not in usable or hub in known or free[hub] < self._quantity:
                continue
            if len(near) % _CHECK_EVERY == 0:
                self._add(head, product_id, [hub for _, hub in near], ways.find_along(near))
                near.clear()
                if km > last_km:
                    return _Look(holding, rest=place)
                if len(keys) == DETAILED:
                    bound: Route = (*head, 0, 0, *ways.least(km))
                    if key(bound) > keys[-1]:
                        return _Look(holding, rest=place, bound=bound)
            near.append((km, hub))
        self._add(head, product_id, [hub for _, hub in near], ways.find_along(near))
        return _Look(holding)

    def _known(self) -> set[int]:
        """The hubs that distance says nothing about: of known lanes, or without coordinates."""
        known = set(self.ways.known)
        return known | self._fleet.unlocated if self._assumes else known

    def _order(self) -> Sequence[tuple[float, int]]:
        unit = self._destination.unit
        return () if unit is None else self._fleet.outwards(unit)

    def _sorted_out(self, look: _Look) -> tuple[tuple[int, ...], list[tuple[Refusal, tuple[int, ...]]]]:
        """The hubs of a holding that could serve and were not timed; and those that cannot, by reason."""
        if look.refusal is not None:
            return (), [(look.refusal, tuple(sorted(look.holding.free)))]
        is_timed = look.rest is None and self._quantity == 1 and not self.ways.refusals
        if is_timed and look.holding.free.keys() <= self._usable:
            return (), []
        left = set(look.holding.free) & self._fleet.hubs.keys()
        refused: list[tuple[Refusal, tuple[int, ...]]] = []
        for refusal, hubs in self._refusals(look.holding):
            if ids := tuple(sorted(left.intersection(hubs))):
                refused.append((refusal, ids))
                left.difference_update(ids)
        by_reason: dict[Refusal, list[int]] = {}
        for hub in sorted(left & self.ways.refusals.keys()):
            by_reason.setdefault(self.ways.refusals[hub], []).append(hub)
        beyond: tuple[int, ...] = ()
        if look.rest is not None:
            left -= self._known() | self.ways.refusals.keys()
            beyond, reason, far = self.ways.split_by_reach(self._order(), look.rest, left)
            if far:
                by_reason.setdefault(reason, []).extend(far)
        return beyond, refused + [(reason, tuple(sorted(hubs))) for reason, hubs in by_reason.items()]

    def _refusals(self, holding: Holding) -> Iterator[tuple[Refusal, Collection[int]]]:
        """Why hubs may not serve, wherever they are."""
        fleet, rule = self._fleet, self._rule
        for tier, members in fleet.tiers.items():
            if tier not in rule.sources:
                yield Refusal("tier_not_allowed", f"tier {tier.value} not allowed by rule {rule.name!r}"), members
        if self._quantity > 1:
            few = {hub for hub, units in holding.free.items() if units < self._quantity}
            yield Refusal("not_enough", f"fewer than the {self._quantity} units that are needed"), few
        for problem, members in fleet.unusable.items():
            if problem == NO_COORDINATES:
                yield Refusal("no_coordinates", problem), () if self._assumes else members
            else:
                yield Refusal("unusable_data", problem), members
        yield Refusal("never_open", "has no opening hours"), fleet.never_open


def search(
    holdings: Iterable[Holding], preferences: Mapping[int, int], refused: Mapping[int, Refusal], searching: Search
) -> Found:
    """Look at the holdings, the most preferred product first.

    preferences: 0 for the needed product, from 1 for substitutes that may serve; refused: why others may not.
    """

    def preferred(holding: Holding) -> tuple[int, int, int]:
        return preferences.get(holding.product_id, NEVER), holding.product_id, LANES.index(holding.lane)

    for holding in sorted(holdings, key=preferred):
        preference = preferences.get(holding.product_id)
        if preference is not None:
            searching.look_at(holding, preference)
        else:
            searching.refuse(holding, refused.get(holding.product_id, _NOT_COMPATIBLE))
    return searching.found()


def _keep(keys: list[Any], key: Any) -> None:
    """Keep the best keys, in order."""
    if len(keys) < DETAILED:
        insort(keys, key)
    elif key < keys[-1]:
        keys.pop()
        insort(keys, key)
