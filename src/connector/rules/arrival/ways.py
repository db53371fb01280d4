"""How a unit could get from a hub to the site: brought by car, sent, or collected; when it arrives and what it costs.

One object per decision. A hub takes part with the better one of its ways, in the order in which the rule compares.
What is known of the lane counts before what the policy says of all: a measured way by road before the great circle;
of couriers see `carriages`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from math import ceil, dist
from operator import itemgetter
from typing import Any, Final

from connector.model.geo import Point
from connector.model.kinds import LaneScope
from connector.rules.arrival.carriages import Carriages
from connector.rules.arrival.destination import Destination
from connector.rules.arrival.legs import NEVER, Carriage, Collection, Refusal, Road
from connector.rules.arrival.schedules import Schedule, TimedStep, Times, schedules
from connector.rules.arrival.terms import terms_of
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.fleet import HubFacts, km_between, unit_vector
from connector.rules.policy.document import Mode, Policy, Rule
from connector.rules.policy.transport import Base
from connector.rules.sourcing.ranking import Ranking, Route, Way

MODES: Final = (Mode.DRIVE, Mode.COURIER, Mode.TECHNICIAN)
DRIVE, COURIER, TECHNICIAN = range(3)
_NO_SHELF: Final = (0, 0, 0, 0, 0)


class Ways:
    """The ways from each hub. start: the minute of the decision; due: the last one in time, NEVER without one.

    leave: by hub, its schedule and when a unit leaves it, of those that were looked at.
    """

    def __init__(
        self,
        rule: Rule,
        policy: Policy,
        facts: SourcingFacts,
        destination: Destination,
        ranking: Ranking,
        *,
        start: int,
        due: int,
    ) -> None:
        sourcing, terms = policy.sourcing, terms_of(rule, policy.sourcing)
        self.start, self.due = start, due
        self.sourcing, self.destination, self.ranking = sourcing, destination, ranking
        self.schedules = schedules(sourcing, start)
        self._rule, self._fleet, self._lanes, self._terms = rule, facts.fleet, facts.lanes, terms
        self._units = facts.fleet.units
        self._distances = facts.fleet.distances(destination.unit) if destination.unit is not None else None
        asset_class = facts.product.asset_class if facts.product else None
        self._leaving = self.schedules.leaving(facts.fleet, start, asset_class or "", may_send=terms.may_send)
        self.leave: Mapping[int, Times] = self._leaving.of_hubs
        self.may_send, self.max_km = terms.may_send, terms.max_km
        self.carriages = Carriages(facts.lanes, sourcing, terms, destination, start=start, due=due)
        self.base = self._nearest_base() if terms.may_collect else None
        self._is_plain = not (
            self.carriages.are_known or self._lanes.travel or terms.may_collect or destination.unit is None
        )
        self._best: dict[int, Way | None] = {}
        self._key: Callable[[Route], Any] = ranking.key
        self.refusals: dict[int, Refusal] = {}

    def km(self, hub_id: int) -> float:
        """Great-circle distance of a hub; the policy's assumption where one of the ends has no coordinates."""
        if self._distances is None or hub_id not in self._units:
            return self.sourcing.missing.assumed_km
        return self._distances[hub_id]

    def is_located(self, hub_id: int) -> bool:
        """Whether the hub has coordinates."""
        return hub_id in self._fleet.units

    def best(self, hub_id: int, km: float | None = None) -> Way | None:
        """The best way from a hub; None when there is none, `refusals` says why. km: its distance, if known."""
        if hub_id not in self._best:
            ways = self.all(hub_id, self.km(hub_id) if km is None else km)
            self._best[hub_id] = self._better(ways) if ways else None
        return self._best[hub_id]

    def find(self, *groups: Sequence[int]) -> Mapping[int, Way | None]:
        """The best ways from these hubs, and all that were found before."""
        best, distances = self._best, self._distances
        unlocated = self._fleet.hubs.keys() if distances is None else self._fleet.unlocated
        places: list[tuple[float, int]] = []
        for hubs in groups:
            if unlocated:
                for hub_id in unlocated & set(hubs):
                    self.best(hub_id)
            if distances is not None:
                places += [(distances[hub_id], hub_id) for hub_id in hubs if hub_id not in best]
        return self.find_along(places)

    def find_along(self, places: Iterable[tuple[float, int]]) -> Mapping[int, Way | None]:
        """The same of hubs that lie so many km from the site.

        Where nothing is known of any lane and nobody collects, which is usual, a hub that is too far to drive has one
        way, which is worked out here; whatever else there may be is for `all`.
        """
        best = self._best
        if not self._is_plain:
            for km, hub_id in places:
                self.best(hub_id, km)
            return best
        terms, times, handed = self._terms, self._leaving.of_hubs, self.destination.handed
        band_ends, transits, max_direct_km = terms.band_ends, terms.transits, terms.max_direct_km
        start, due, least_likely = self.start, self.due, self.ranking.unlikely(0.0)
        for km, hub_id in places:
            if hub_id in best:
                continue
            _, ready, leaves = times.get(hub_id) or self._leaving.of(self._fleet.hubs[hub_id])
            if ready is None or leaves is None or km <= max_direct_km:
                self.best(hub_id, km)
                continue
            minutes, cost = transits[bisect_left(band_ends, km)]
            near = leaves + minutes
            arrives = handed.get(near) or self.destination.handed_over(near)
            if arrives is None:
                self.best(hub_id, km)
            elif arrives > due:
                best[hub_id] = (1, least_likely, arrives - due, arrives, cost, km, COURIER, ready, leaves, 0.0)
            else:
                lateness = arrives - start if due == NEVER else 0
                best[hub_id] = (0, 0, lateness, arrives, cost, km, COURIER, ready, leaves, 1.0)
        return best

    def all(self, hub_id: int, km: float) -> list[Way]:
        """Every way from a hub, in no order."""
        hub = self._fleet.hubs[hub_id]
        schedule, ready, leaves = self.ready(hub)
        if ready is None:
            self.refusals[hub_id] = Refusal("never_open", "has no opening hours that are long enough")
            return []
        is_closed, ways = False, []
        if leaves is not None:
            arrives = self.carriages.of(hub, km, leaves)
            way = self._sent(km, ready, leaves, arrives)
            is_closed = way is None
            if way is not None:
                ways.append(way)
        road = self.road(hub_id, km)
        if road is not None and self._may_drive(road, km):
            way = self._driven(road, km, ready, is_mobile=hub.profile.is_mobile)
            is_closed = is_closed or way is None
            if way is not None:
                ways.append(way)
        if self._terms.may_collect and road is not None and not hub.profile.is_mobile:
            way = self._collected(hub, schedule, road, km, ready)
            if way is not None:
                ways.append(way)
        if not ways:
            self.refusals[hub_id] = self._refusal(is_closed=is_closed)
        return ways

    def ready(self, hub: HubFacts) -> Times:
        """The hub's schedule, when a unit is ready to leave, and when a courier leaves with it."""
        return self._leaving.of(hub)

    def handled(self, hub: HubFacts) -> tuple[TimedStep, ...]:
        """What is done to the unit before it leaves."""
        return self._leaving.handled(hub)

    def road(self, hub_id: int, km: float) -> Road | None:
        """The way by road; None where a provider found that there is none."""
        if self._lanes.travel:
            travel = self._lanes.travel.get(hub_id)
            if (
                travel is not None
                and travel.origin == self._fleet.units.get(hub_id)
                and travel.target == self.destination.unit
            ):
                if travel.minutes is None or travel.km is None:
                    return None
                return Road(travel.minutes, travel.km, travel)
        return Road(ceil(km * self._terms.minutes_per_km), km * self.sourcing.drive.detour_factor)

    def least(self, km: float) -> Way:
        """What a hub that nothing special is known of could offer at best from this distance on, each by itself."""
        band = bisect_left(self._terms.band_ends, km)
        minutes = cost = slow = NEVER
        if self.may_send:
            minutes = slow = min(taken for taken, _ in self._terms.transits[band:])
            cost = min(cents for _, cents in self._terms.transits[band:])
            if self.carriages.are_known and LaneScope.EVERYWHERE in self.sourcing.courier.history:
                minutes = min([minutes, *(history.minutes[0] for history in self._lanes.everywhere.values())])
                slow = minutes
        by_road = ceil(km * self._terms.minutes_per_km)
        if km <= self._terms.max_direct_km:
            slow = min(slow, by_road)
            minutes = min(minutes, self._at_pace(by_road, 100 - self._terms.spread))
            cost = min(cost, round(km * self._terms.cents_per_km / 2))
        technician = self.sourcing.technician
        if self._terms.may_collect and km * self.sourcing.drive.detour_factor <= technician.max_drive_km:
            slow = min(slow, technician.notice_minutes + by_road)
            minutes = min(minutes, technician.notice_minutes + self._at_pace(by_road, 100 - self._terms.spread))
            cost = min(cost, int(km * self.sourcing.drive.detour_factor * technician.cost_cents_per_km))
        chance = 1.0 if self.start + minutes <= self.due else 0.0
        return self._way(self.start + slow, cost, km, 0, 0, 0, chance)

    @property
    def reaches_everywhere(self) -> bool:
        """Whether a way may lead from a hub however far away it is."""
        return self.may_send or self._terms.may_collect

    @property
    def known(self) -> Set[int]:
        """The hubs of whose lanes something is known, which `least` says nothing about."""
        lanes = self._lanes
        return lanes.travel.keys() | lanes.offers.keys() | lanes.to_site.keys() | lanes.to_region.keys()

    def split_by_reach(
        self, places: Sequence[tuple[float, int]], start: int, hubs: Set[int]
    ) -> tuple[tuple[int, ...], Refusal, tuple[int, ...]]:
        """Some hubs by whether a way may lead from them, or they lie too far away, the nearest first.

        places: all hubs by their distance, the nearest first, of which these are from `start` on. hubs: of whose lanes
        nothing is known. The refusal says why no way leads from those that are too far away.
        """
        refusal = self._refusal(is_closed=False)
        kept = hubs
        if self.may_send:
            kept = {hub for hub in self._fleet.uncollected & hubs if not self._is_collected(hub)}
        if not kept:
            return tuple([hub for _, hub in places[start:] if hub in hubs]), refusal, ()
        max_km = NEVER if self._terms.may_collect else self._terms.max_direct_km
        end = max(start, bisect_right(places, max_km, key=itemgetter(0)))
        within = [hub for _, hub in places[start:end] if hub in hubs]
        outside = [hub for _, hub in places[end:] if hub in hubs]
        within += [hub for hub in outside if hub not in kept]
        return tuple(within), refusal, tuple([hub for hub in outside if hub in kept])

    def _is_collected(self, hub_id: int) -> bool:
        """Whether the policy names a cut-off of a hub that states none."""
        return bool(self.sourcing.courier.cut_offs_of(self._fleet.hubs[hub_id].profile.without_cut_offs))

    def chance_of_driving(self, arrives_at: Callable[[int], int | None]) -> float:
        """Share of the paces, in per cent of the estimate, at which a drive is in time. arrives_at: by the pace."""
        if self.due == NEVER:
            return 1.0

        def arrives(pace: int) -> int:
            at = arrives_at(pace)
            return NEVER if at is None else at

        slowest = 100 + self._terms.spread
        if arrives(slowest) <= self.due:
            return 1.0
        if not self._terms.spread or arrives(100 - self._terms.spread) > self.due:
            return 0.0
        paces = range(100 - self._terms.spread, slowest + 1)
        return bisect_right(paces, self.due, key=arrives) / len(paces)

    def collection(self, hub: HubFacts, schedule: Schedule, back: Road, ready: int) -> Collection | None:
        """How a technician would collect it at the estimated pace; None when it is never possible, or too far."""
        there = self._way_there(hub, back)
        if there.km + back.km > self.sourcing.technician.max_drive_km:
            return None
        sets_out = self.destination.technician.next_open(self.start + self.sourcing.technician.notice_minutes)
        if sets_out is None:
            return None
        reaches = sets_out + there.minutes
        collects = schedule.opening.next_open(max(reaches, ready))
        return None if collects is None else Collection(there, sets_out, reaches, collects)

    def _better(self, ways: Sequence[Way]) -> Way:
        if len(ways) == 1:
            return ways[0]
        key = self._key
        return min(ways, key=lambda way: key((*_NO_SHELF, *way)))

    def _way_there(self, hub: HubFacts, back: Road) -> Road:
        """From where the technician is to the hub."""
        if self.base is None:
            return back
        here = self._fleet.units.get(hub.id)
        km = self.sourcing.missing.assumed_km if here is None else km_between(here, _unit_of(self.base))
        return Road(ceil(km * self._terms.minutes_per_km), km * self.sourcing.drive.detour_factor)

    def _collected(self, hub: HubFacts, schedule: Schedule, back: Road, km: float, ready: int) -> Way | None:
        found = self.collection(hub, schedule, back, ready)
        if found is None:
            return None
        arrives = self.destination.access(found.collects + back.minutes)
        if arrives is None:
            return None

        def arrives_at(pace: int) -> int | None:
            reaches = found.sets_out + self._at_pace(found.there.minutes, pace)
            collects = schedule.opening.next_open(max(reaches, ready))
            return None if collects is None else self.destination.access(collects + self._at_pace(back.minutes, pace))

        cost = round((found.there.km + back.km) * self.sourcing.technician.cost_cents_per_km)
        chance = self.chance_of_driving(arrives_at)
        return self._way(arrives, cost, km, TECHNICIAN, ready, found.collects, chance)

    def _driven(self, road: Road, km: float, ready: int, *, is_mobile: bool) -> Way | None:
        access = self.destination.access
        arrives = access(ready + road.minutes)
        if arrives is None:
            return None
        if self._terms.spread:
            chance = self.chance_of_driving(lambda pace: access(ready + self._at_pace(road.minutes, pace)))
        else:
            chance = 1.0 if arrives <= self.due else 0.0
        cents = (
            km * self._terms.cents_per_km
            if road.travel is None
            else 2 * road.km * self.sourcing.drive.cost_cents_per_km
        )
        return self._way(arrives, round(cents / 2 if is_mobile else cents), km, DRIVE, ready, ready, chance)

    def _sent(self, km: float, ready: int, leaves: int, carriage: Carriage) -> Way | None:
        arrives = self.destination.handed_over(leaves + carriage.minutes)
        if arrives is None:
            return None
        due = self.due
        if carriage.history is None:
            chance = 1.0 if arrives <= due else 0.0
        elif due == NEVER:
            chance = 1.0
        else:
            minutes = carriage.history.minutes
            chance = bisect_right(minutes, due, key=lambda taken: self.carriages.handed_over(leaves + taken)) / len(
                minutes
            )
        return self._way(arrives, carriage.cost_cents, km, COURIER, ready, leaves, chance)

    def _way(self, arrives: int, cost: int, km: float, mode: int, ready: int, departs: int, chance: float) -> Way:
        due = self.due
        late = 1 if arrives > due else 0
        lateness = arrives - due if late else arrives - self.start if due == NEVER else 0
        unlikely = 0 if chance == 1.0 else self.ranking.unlikely(chance)
        return late, unlikely, lateness, arrives, cost, km, mode, ready, departs, chance

    def _may_drive(self, road: Road, km: float) -> bool:
        return km <= self._terms.max_direct_km if road.travel is None else road.km <= self.max_km

    def _refusal(self, *, is_closed: bool) -> Refusal:
        if is_closed:
            return Refusal("site_never_open", "the site's access hours never allow a delivery")
        if self.may_send:
            return Refusal(
                "no_courier", "no courier collects there, since no cut-off is known, and it is too far to drive"
            )
        if self.max_km < 0:
            return Refusal("not_collectable", "too far for a technician, or never open when one could be there")
        text = f"farther than {self.max_km:g} km by road, and rule {self._rule.name!r} allows no courier"
        return Refusal("too_far", text)

    def _nearest_base(self) -> Base | None:
        bases, site = self.sourcing.technician.bases, self.destination.unit
        if not bases or site is None:
            return bases[0] if bases else None
        return min(bases, key=lambda base: dist(_unit_of(base), site))

    @staticmethod
    def _at_pace(minutes: int, pace: int) -> int:
        return -(-minutes * pace // 100)


def _unit_of(base: Base) -> tuple[float, float, float]:
    return unit_vector(Point(base.latitude, base.longitude))
