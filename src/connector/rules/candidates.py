"""Every way in which a hub could serve a ticket, timed: the part of a decision that must be fast.

Hubs that may not serve are set aside as sets. The others are looked at from the nearest outwards, and no further
than something could still be found that is better than the best ones so far: what a hub farther away could offer at
best is known from its distance. A route is a tuple of numbers, indexed by the constants below. Times are whole
minutes since 1970 UTC.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop
from math import asin, ceil, dist, pi, sin
from operator import itemgetter
from typing import Any, Final, TypeAlias

from connector.model.geo import EARTH_RADIUS_KM
from connector.model.kinds import Lane
from connector.rules.destination import Destination
from connector.rules.document import Criterion, Mode, Policy, Rule
from connector.rules.facts import NO_COORDINATES, Fleet, Holding
from connector.rules.schedules import Schedule, schedules

Route: TypeAlias = tuple[int, int, int, int, int, float, int, int, int, int, int, int]
"""Indexed by the constants below; lower is better in every one up to MODE."""

NOT_EXACT: Final = 0
LATE: Final = 1
PREFERENCE: Final = 2
ARRIVES: Final = 3
COST: Final = 4
DISTANCE: Final = 5
OTHER_LANE: Final = 6
HUB: Final = 7
PRODUCT: Final = 8
MODE: Final = 9
READY: Final = 10
DEPARTS: Final = 11

MODES: Final = (Mode.DRIVE, Mode.COURIER)
LANES: Final = (Lane.NORMAL, Lane.BREAK_GLASS)
NEVER: Final = 2**40
"""A minute that never comes."""
DETAILED: Final = 20
"""Routes that are exactly the best ones, in order; the rest is only known to be no better."""

_INDEX: Final = {
    Criterion.EXACT: NOT_EXACT,
    Criterion.WITHIN_SLA: LATE,
    Criterion.PREFERENCE: PREFERENCE,
    Criterion.ARRIVAL: ARRIVES,
    Criterion.COST: COST,
    Criterion.DISTANCE: DISTANCE,
}
_CHECK_EVERY: Final = 8


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why hubs cannot serve. code: stable; text: for people."""

    code: str
    text: str


@dataclass(slots=True)
class Found:
    """What was found. best: the best routes, in order, at most DETAILED. worse: routes that were timed and are worse.

    beyond: the best that the hubs of a group could offer, which were not timed since even that is worse.
    refused: reason to the hubs that it concerns.
    """

    best: list[Route] = field(default_factory=list)
    worse: list[Route] = field(default_factory=list)
    beyond: list[tuple[Route, tuple[int, ...]]] = field(default_factory=list)
    refused: dict[Refusal, tuple[int, ...]] = field(default_factory=dict)

    def refuse(self, hubs: Iterable[int], code: str, text: str) -> None:
        """Note that hubs cannot serve."""
        ids = tuple(hubs)
        if ids:
            refusal = Refusal(code, text)
            self.refused[refusal] = self.refused.get(refusal, ()) + ids


def order_of(rule: Rule, policy: Policy) -> tuple[int, ...]:
    """Indexes of a route in the order in which a rule compares them; the last ones only settle ties."""
    criteria = tuple(_INDEX[criterion] for criterion in rule.ranking or policy.sourcing.ranking)
    return (*criteria, OTHER_LANE, HUB, PRODUCT, MODE)


class Search:
    """One decision's search for routes under a rule. start: the minute of the decision; due: the last one in time."""

    def __init__(
        self, rule: Rule, policy: Policy, fleet: Fleet, destination: Destination, *, start: int, due: int, quantity: int
    ) -> None:
        self.found = Found()
        self._rule, self._fleet, self._destination = rule, fleet, destination
        self._start, self._due, self._quantity = start, due, quantity
        self._key: Callable[[Route], Any] = itemgetter(*order_of(rule, policy))
        self._may_send = Mode.COURIER in rule.transport
        drive = policy.sourcing.drive
        limit = drive.max_drive_km if rule.max_drive_km is None else rule.max_drive_km
        self._max_km = limit if Mode.DRIVE in rule.transport else -1.0
        self._max_direct_km = self._max_km / drive.detour_factor
        self._minutes_per_km = drive.detour_factor * 60 / drive.speed_kmh
        self._cents_per_km = 2 * drive.detour_factor * drive.cost_cents_per_km
        bands = policy.sourcing.courier.transit
        self._band_ends = [band.within_km for band in bands if band.within_km is not None]
        self._transits = [(ceil(band.hours * 60), band.cost_cents) for band in bands]
        self._cheapest_from = [
            (min(hours for hours, _ in self._transits[i:]), min(cost for _, cost in self._transits[i:]))
            for i in range(len(bands))
        ]
        self._allowed = set[int]().union(*(fleet.tiers[tier] for tier in rule.sources))
        self._schedules = schedules(policy.sourcing, start)
        self._times: dict[Schedule, tuple[int | None, int | None]] = {}

    def look_at(self, holding: Holding, preference: int) -> None:
        """Add what one product in one lane offers. preference: 0 for the needed product itself."""
        queue = self._usable(holding)
        seen = 0
        while queue:
            if seen % _CHECK_EVERY == 0 and len(self.found.best) == DETAILED:
                bound = self._bound(holding, preference, _km(queue[0][0]))
                if self._key(bound) > self._key(self.found.best[-1]):
                    self._leave(bound, [hub for _, hub in queue])
                    return
            chord, hub_id = heappop(queue)
            seen += 1
            route = self._route(holding, preference, hub_id, _km(chord))
            if route is not None:
                self._keep(route)

    def _usable(self, holding: Holding) -> list[tuple[float, int]]:
        """The hubs that may serve, as a heap by their chord to the site; the others are refused."""
        fleet, found, rule = self._fleet, self.found, self._rule
        hubs = holding.free.keys() & fleet.hubs.keys()
        if holding.lane not in rule.lanes:
            text = f"{holding.lane.value} lane not allowed by rule {rule.name!r}"
            found.refuse(sorted(hubs), "lane_not_allowed", text)
            return []
        for tier, members in fleet.tiers.items():
            if tier not in rule.sources:
                text = f"tier {tier.value} not allowed by rule {rule.name!r}"
                found.refuse(sorted(hubs & members), "tier_not_allowed", text)
        hubs &= self._allowed
        if self._quantity > 1:
            few = {hub for hub in hubs if holding.free[hub] < self._quantity}
            found.refuse(sorted(few), "not_enough", f"fewer than the {self._quantity} units that are needed")
            hubs -= few
        for problem, members in fleet.unusable.items():
            code = "no_coordinates" if problem == NO_COORDINATES else "unusable_data"
            found.refuse(sorted(hubs & members), code, problem)
            hubs -= members
        if fleet.never_open:
            found.refuse(sorted(hubs & fleet.never_open), "never_open", "has no opening hours")
            hubs -= fleet.never_open
        site, units = self._destination.unit, fleet.units
        queue = [(dist(units[hub], site), hub) for hub in hubs]
        if not self._may_send or fleet.uncollected:
            queue = self._within_drive(queue)
        heapify(queue)
        return queue

    def _within_drive(self, queue: list[tuple[float, int]]) -> list[tuple[float, int]]:
        """Without those that no courier serves and that are too far to drive."""
        drivable, uncollected = _chord(self._max_direct_km), self._fleet.uncollected
        far = [hub for chord, hub in queue if chord > drivable and (not self._may_send or hub in uncollected)]
        if self._may_send:
            self.found.refuse(sorted(far), "no_courier", "no courier collects there and it is too far to drive")
        else:
            text = f"farther than {self._max_km:g} km by road, and rule {self._rule.name!r} allows no courier"
            self.found.refuse(sorted(far), "too_far", text)
        left_out = set(far)
        return [entry for entry in queue if entry[1] not in left_out]

    def _route(self, holding: Holding, preference: int, hub_id: int, km: float) -> Route | None:
        """The better one of driving and sending; refused when the site's hours allow neither."""
        schedule = self._schedules.of(self._fleet.hubs[hub_id])
        times = self._times.get(schedule)
        if times is None:
            times = self._times[schedule] = schedule.times(self._start, may_send=self._may_send)
        ready, leaves = times
        if ready is None:
            self.found.refuse((hub_id,), "never_open", "has no opening hours that are long enough")
            return None
        routes: list[Route] = []
        head, tail = (1 if preference else 0), (LANES.index(holding.lane), hub_id, holding.product_id)
        if leaves is not None:
            transit, cost = self._transits[bisect_left(self._band_ends, km)]
            arrives = self._destination.handed_over(leaves + transit)
            if arrives is not None:
                late = 1 if arrives > self._due else 0
                routes.append((head, late, preference, arrives, cost, km, *tail, 1, ready, leaves))
        if km <= self._max_direct_km:
            arrives = self._destination.access(ready + ceil(km * self._minutes_per_km))
            if arrives is not None:
                late, cost = (1 if arrives > self._due else 0), round(km * self._cents_per_km)
                routes.append((head, late, preference, arrives, cost, km, *tail, 0, ready, ready))
        if not routes:
            self.found.refuse((hub_id,), "site_never_open", "the site's access hours never allow a delivery")
            return None
        return min(routes, key=self._key) if len(routes) > 1 else routes[0]

    def _bound(self, holding: Holding, preference: int, km: float) -> Route:
        """What a hub at this distance or farther could offer at best, in every respect by itself."""
        band = bisect_left(self._band_ends, km)
        transit, cost = self._cheapest_from[band] if self._may_send else (NEVER, NEVER)
        arrives = self._start + transit
        if km <= self._max_direct_km:
            arrives = min(arrives, self._start + ceil(km * self._minutes_per_km))
            cost = min(cost, round(km * self._cents_per_km))
        late, lane = (1 if arrives > self._due else 0), LANES.index(holding.lane)
        return (1 if preference else 0, late, preference, arrives, cost, km, lane, 0, 0, 0, 0, 0)

    def _keep(self, route: Route) -> None:
        best = self.found.best
        if len(best) < DETAILED:
            insort(best, route, key=self._key)
        elif self._key(route) < self._key(best[-1]):
            self.found.worse.append(best.pop())
            insort(best, route, key=self._key)
        else:
            self.found.worse.append(route)

    def _leave(self, bound: Route, hubs: list[int]) -> None:
        self.found.beyond.append((bound, tuple(hubs)))


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
            refusal = refused.get(holding.product_id, Refusal("not_compatible", "cannot stand in for the product"))
            searching.found.refuse(sorted(holding.free), refusal.code, refusal.text)
    return searching.found


def _km(chord: float) -> float:
    """Great-circle distance of two points whose unit vectors are that far apart."""
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, chord / 2))


def _chord(km: float) -> float:
    """The opposite of `_km`; -1 for a negative distance."""
    return -1.0 if km < 0 else 2 * sin(min(km / (2 * EARTH_RADIUS_KM), pi / 2))
