"""The hubs, and where they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import asin, cos, dist, radians, sin

from connector.model.calendars import check_time_zone, parse_hours, parse_time_of_day
from connector.model.frozen import frozen
from connector.model.geo import EARTH_RADIUS_KM, Point
from connector.model.kinds import (
    HubTier,
)
from connector.rules.facts.ticket import Profile

NO_COORDINATES = "no coordinates"


_MOST_PLACES = 256
"""Places for which a fleet remembers all hubs in order: 100 kB each with a thousand hubs."""
_MOST_DISTANCES = 4096
"""Places for which a fleet remembers how far away hubs are: of those hubs that somebody has asked about."""
_DIAMETER_KM = 2 * EARTH_RADIUS_KM


@frozen
class HubFacts:
    """A hub that holds something. unit: its position as a unit vector; None without coordinates.

    region: that it serves first, "" when nobody says.
    """

    id: int
    label: str
    tier: HubTier
    unit: tuple[float, float, float] | None
    profile: Profile
    problem: str | None = None
    region: str = ""


class Fleet:
    """The hubs, arranged so that a decision handles most of them as sets and looks only at the nearest one by one.

    hubs, units: by id, units only of those that can be planned with. tiers: ids of the hubs of each. unusable: text
    of the problem to the ids that have it. never_open: ids of hubs without opening hours; uncollected: of those
    that state no cut-off, and of cars; unlocated: of those whose only problem is that nobody knows where they are.
    groups: number of the hub's profile, the same for those that work at the same times. told: what people call the
    hub, its tier, and whether it is a car, as JSON values.
    """

    __slots__ = (
        "__weakref__",
        "_distances",
        "_members",
        "_outside",
        "_outwards",
        "_usable",
        "groups",
        "hubs",
        "never_open",
        "tiers",
        "told",
        "uncollected",
        "units",
        "unlocated",
        "unusable",
    )

    def __init__(self, hubs: Iterable[HubFacts]) -> None:
        self.hubs = {hub.id: hub for hub in hubs}
        self.told = {hub.id: (hub.label, hub.tier.value, hub.profile.is_mobile) for hub in self.hubs.values()}
        self.units: dict[int, tuple[float, float, float]] = {}
        self.tiers: dict[HubTier, set[int]] = {tier: set() for tier in HubTier}
        self.never_open: set[int] = set()
        self.uncollected: set[int] = set()
        self.unlocated: set[int] = set()
        numbers: dict[Profile, int] = {}
        self.groups = {hub.id: numbers.setdefault(hub.profile, len(numbers)) for hub in self.hubs.values()}
        self.unusable: dict[str, set[int]] = {}
        self._members: dict[frozenset[HubTier], frozenset[int]] = {}
        self._distances: dict[tuple[float, float, float], Mapping[int, float]] = {}
        self._outwards: dict[tuple[float, float, float], tuple[tuple[float, int], ...]] = {}
        self._outside: dict[tuple[HubTier, ...], frozenset[int]] = {}
        self._usable: dict[tuple[tuple[HubTier, ...], bool], frozenset[int]] = {}
        for hub in self.hubs.values():
            self.tiers[hub.tier].add(hub.id)
            problem = hub.problem or (NO_COORDINATES if hub.unit is None else None)
            if problem is not None:
                self.unusable.setdefault(problem, set()).add(hub.id)
            if hub.problem is not None:
                continue
            if hub.unit is None:
                self.unlocated.add(hub.id)
            else:
                self.units[hub.id] = hub.unit
            if not any(parse_hours(hub.profile.hours).days):
                self.never_open.add(hub.id)
            if not hub.profile.cut_offs:
                self.uncollected.add(hub.id)

    def members(self, tiers: frozenset[HubTier]) -> frozenset[int]:
        """The hubs of some tiers."""
        found = self._members.get(tiers)
        if found is None:
            found = self._members[tiers] = frozenset[int]().union(*(self.tiers[tier] for tier in tiers))
        return found

    def usable(self, tiers: tuple[HubTier, ...], *, with_unlocated: bool = False) -> frozenset[int]:
        """The hubs of some tiers that can be planned with. with_unlocated: those without coordinates among them."""
        found = self._usable.get((tiers, with_unlocated))
        if found is None:
            members = set[int]().union(*(self.tiers[tier] for tier in tiers)) - self.never_open
            planned = self.units.keys() | self.unlocated if with_unlocated else self.units.keys()
            found = self._usable[tiers, with_unlocated] = frozenset(members & planned)
        return found

    def outside(self, tiers: tuple[HubTier, ...]) -> frozenset[int]:
        """The hubs of all other tiers."""
        found = self._outside.get(tiers)
        if found is None:
            others = (self.tiers[tier] for tier in HubTier if tier not in tiers)
            found = self._outside[tiers] = frozenset().union(*others)
        return found

    def distances(self, unit: tuple[float, float, float]) -> Mapping[int, float]:
        """Great-circle km from a place by hub, of those that can be planned with: hubs stay where they are."""
        found = self._distances.get(unit)
        if found is None:
            while len(self._distances) >= _MOST_DISTANCES:
                self._distances.pop(next(iter(self._distances)))
            found = self._distances[unit] = _Distances(self.units, unit)
        return found

    def outwards(self, unit: tuple[float, float, float]) -> tuple[tuple[float, int], ...]:
        """Great-circle km from a place and the hub, of all that can be planned with, from the nearest one outwards."""
        found = self._outwards.get(unit)
        if found is None:
            while len(self._outwards) >= _MOST_PLACES:
                self._outwards.pop(next(iter(self._outwards)))
            known = self.distances(unit)
            found = self._outwards[unit] = tuple(sorted([(known[hub], hub) for hub in self.units]))
        return found


class _Distances(dict[int, float]):
    """How far hubs are from a place, each worked out when somebody asks first. KeyError for one without a place."""

    def __init__(self, units: Mapping[int, tuple[float, float, float]], unit: tuple[float, float, float]) -> None:
        super().__init__()
        self._units, self._unit = units, unit

    def __missing__(self, hub: int) -> float:
        found = self[hub] = km_between(self._units[hub], self._unit)
        return found


def hub_facts(
    *,
    id: int,
    label: str,
    tier: HubTier,
    latitude: float | None,
    longitude: float | None,
    time_zone: str | None,
    opening_hours: str,
    cut_offs: tuple[str, ...],
    handling_minutes: int,
    country: str | None = None,
    state: str | None = None,
    pick_minutes: int | None = None,
    qa_minutes: int | None = None,
    pack_minutes: int | None = None,
    is_mobile: bool = False,
    region: str | None = None,
) -> HubFacts:
    """A hub's facts, its data checked: what cannot be used becomes its `problem`.

    Steps that are not stated take no time where others are. No courier collects from a mobile hub.
    """
    zone = time_zone or "UTC"
    problem: str | None = None
    unit: tuple[float, float, float] | None = None
    minutes: tuple[int, ...] = ()
    try:
        check_time_zone(zone)
        parse_hours(opening_hours)
        minutes = tuple(sorted({parse_time_of_day(text) for text in cut_offs}))
        if latitude is not None and longitude is not None:
            unit = unit_vector(Point(latitude, longitude))
    except ValueError as error:
        problem = str(error)
    stated = (pick_minutes, qa_minutes, pack_minutes)
    steps = None if stated == (None, None, None) else (pick_minutes or 0, qa_minutes or 0, pack_minutes or 0)
    cut_minutes = () if is_mobile else minutes
    lacks_cut_offs = tier if not minutes and not is_mobile else None
    profile = Profile(
        zone, opening_hours, cut_minutes, handling_minutes, country or "", state or "", steps, is_mobile, lacks_cut_offs
    )
    return HubFacts(id, label, tier, unit, profile, problem, region or "")


def unit_vector(point: Point) -> tuple[float, float, float]:
    """The point on a sphere of radius 1; half the chord between two of them is the sine of half their angle."""
    latitude, longitude = radians(point.latitude), radians(point.longitude)
    return cos(latitude) * cos(longitude), cos(latitude) * sin(longitude), sin(latitude)


def km_between(here: tuple[float, float, float], there: tuple[float, float, float]) -> float:
    """Great-circle distance of two unit vectors."""
    return _DIAMETER_KM * asin(min(1.0, dist(here, there) / 2))
