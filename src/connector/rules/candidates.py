"""Every way in which a shelf could serve a ticket, timed: the part of a decision that must be fast.

A route is a tuple of numbers in the order of the constants below, so that thousands are compared without building
objects; `connector.rules.sourcing` makes candidates of the best. Times are whole minutes since 1970 UTC.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from math import asin, ceil, sqrt
from operator import itemgetter
from typing import Any, Final, TypeAlias

from connector.model.geo import EARTH_RADIUS_KM, Point
from connector.model.kinds import Lane
from connector.rules.document import Criterion, Mode, Policy, Rule
from connector.rules.facts import Profile, Shelf, SiteFacts, unit_vector
from connector.rules.timetable import Timetable, departures, minute_at_or_after, timetable

Route: TypeAlias = tuple[int, int, int, int, int, float, int, int, int, int, int, int, int]
"""Indexed by the constants below. Every value compares lower-is-better, up to MODE."""

NOT_EXACT: Final = 0
LATE: Final = 1
PREFERENCE: Final = 2
ARRIVES: Final = 3
COST: Final = 4
DISTANCE: Final = 5
LANE: Final = 6
HUB: Final = 7
PRODUCT: Final = 8
MODE: Final = 9
SHELF: Final = 10
READY: Final = 11
DEPARTS: Final = 12

MODES: Final = (Mode.DRIVE, Mode.COURIER)
_INDEX: Final = {
    Criterion.EXACT: NOT_EXACT,
    Criterion.WITHIN_SLA: LATE,
    Criterion.PREFERENCE: PREFERENCE,
    Criterion.ARRIVAL: ARRIVES,
    Criterion.COST: COST,
    Criterion.DISTANCE: DISTANCE,
}
_TIES: Final = (LANE, HUB, PRODUCT, MODE)
NEVER: Final = 2**40
"""A due minute that everything meets."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a shelf cannot serve. code: stable; text: for people."""

    code: str
    text: str


@dataclass(slots=True)
class Found:
    """routes: at most one per shelf, its best. refused: reason to the shelves (by index) that it concerns."""

    routes: list[Route] = field(default_factory=list)
    refused: dict[Refusal, list[int]] = field(default_factory=dict)

    def refuse(self, shelf: int, code: str, text: str) -> None:
        """Note that a shelf cannot serve."""
        self.refused.setdefault(Refusal(code, text), []).append(shelf)


def order_of(rule: Rule, policy: Policy) -> tuple[int, ...]:
    """Indexes of a route in the order in which a rule compares them; the last ones only make ties deterministic."""
    return tuple(_INDEX[criterion] for criterion in rule.ranking or policy.sourcing.ranking) + _TIES


def ranking_key(rule: Rule, policy: Policy) -> Callable[[Route], Any]:
    """What routes are sorted by under a rule."""
    return itemgetter(*order_of(rule, policy))


class Destination:
    """The site as a place to arrive at: its position, and when somebody or some courier can hand over there.

    Raises ValueError for coordinates, hours or a time zone that cannot be used.
    """

    def __init__(self, site: SiteFacts, policy: Policy, now: int) -> None:
        if site.latitude is None or site.longitude is None:
            raise ValueError("has no coordinates")
        zone = site.time_zone or policy.sourcing.default_time_zone
        self.unit = unit_vector(Point(site.latitude, site.longitude))
        self._access = timetable(zone, site.access_hours or "24x7", now)
        self._delivery = timetable(zone, policy.sourcing.courier.delivery_hours, now)
        self._handed_over: dict[int, int | None] = {}

    def access(self, minute: int) -> int | None:
        """When somebody who is there at `minute` is let in."""
        return minute if self._access.always else self._access.next_open(minute)

    def handed_over(self, minute: int) -> int | None:
        """When a parcel that reached the region at `minute` is handed over: couriers deliver and the site is open."""
        if minute not in self._handed_over:
            self._handed_over[minute] = _both_open(self._delivery, self._access, minute)
        return self._handed_over[minute]


def find_routes(
    shelves: tuple[Shelf, ...],
    *,
    preferences: dict[int, int],
    refused_products: dict[int, Refusal],
    quantity: int,
    rule: Rule,
    policy: Policy,
    destination: Destination,
    now: datetime,
    due: int,
) -> Found:
    """The best route from each shelf that may serve, and why the others may not.

    preferences: 0 for the needed product, from 1 for substitutes; products that are not in it do not count.
    refused_products: substitutes that this ticket may not get. due: minute until which an arrival is in time.
    """
    start = minute_at_or_after(now)
    found = Found()
    sourcing, key = policy.sourcing, ranking_key(rule, policy)
    may_drive, may_send = Mode.DRIVE in rule.transport, Mode.COURIER in rule.transport
    max_km = (sourcing.drive.max_drive_km if rule.max_drive_km is None else rule.max_drive_km) if may_drive else -1.0
    max_direct_km = max_km / sourcing.drive.detour_factor
    drive_minutes_per_km = sourcing.drive.detour_factor * 60 / sourcing.drive.speed_kmh
    drive_cents_per_km = 2 * sourcing.drive.detour_factor * sourcing.drive.cost_cents_per_km
    bands = sourcing.courier.transit
    band_ends = [band.within_km for band in bands if band.within_km is not None]
    band_costs = [(ceil(band.hours * 60), band.cost_cents) for band in bands]
    lanes, tiers = set(rule.lanes), set(rule.sources)
    times: dict[Profile, tuple[int | None, int | None]] = {}
    site_x, site_y, site_z = destination.unit
    routes = found.routes
    for index, (hub, product_id, lane, free) in enumerate(shelves):
        if refused_products and product_id in refused_products:
            refusal = refused_products[product_id]
            found.refuse(index, refusal.code, refusal.text)
            continue
        preference = preferences.get(product_id)
        if preference is None:
            found.refuse(index, "not_compatible", "neither the needed product nor a substitute of it")
            continue
        if lane not in lanes:
            found.refuse(index, "lane_not_allowed", f"{lane.value} lane not allowed by rule {rule.name!r}")
            continue
        if hub.tier not in tiers:
            found.refuse(index, "tier_not_allowed", f"tier {hub.tier.value} not allowed by rule {rule.name!r}")
            continue
        if free < quantity:
            found.refuse(index, "not_enough", f"fewer than the {quantity} units that are needed")
            continue
        if hub.unit is None or hub.problem is not None:
            code, text = ("unusable_data", hub.problem) if hub.problem else ("no_coordinates", "no coordinates")
            found.refuse(index, code, text)
            continue
        profile = hub.profile
        known = times.get(profile)
        if known is None:
            known = times[profile] = _times(profile, start, may_send)
        ready, leaves = known
        if ready is None:
            found.refuse(index, "never_open", f"never open for long enough (hours {profile[1]!r})")
            continue
        x, y, z = hub.unit
        x, y, z = x - site_x, y - site_y, z - site_z
        half_chord = sqrt(x * x + y * y + z * z) / 2
        km = 2 * EARTH_RADIUS_KM * asin(half_chord if half_chord < 1.0 else 1.0)
        not_exact, other_lane = (1 if preference else 0), (0 if lane is Lane.NORMAL else 1)
        best: Route | None = None
        if leaves is not None:
            transit, cost = band_costs[bisect_left(band_ends, km)]
            arrives = destination.handed_over(leaves + transit)
            if arrives is not None:
                best = (
                    not_exact, 1 if arrives > due else 0, preference, arrives, cost, km, other_lane, hub.id,
                    product_id, 1, index, ready, leaves,
                )  # fmt: skip
        if km <= max_direct_km:
            arrives = destination.access(ready + ceil(km * drive_minutes_per_km))
            if arrives is not None:
                cost = round(km * drive_cents_per_km)
                driven: Route = (
                    not_exact, 1 if arrives > due else 0, preference, arrives, cost, km, other_lane, hub.id,
                    product_id, 0, index, ready, ready,
                )  # fmt: skip
                if best is None or key(driven) < key(best):
                    best = driven
        if best is not None:
            routes.append(best)
        elif leaves is not None or km <= max_direct_km:
            found.refuse(index, "site_never_open", "the site's access hours never allow a delivery")
        elif may_send and not profile[2]:
            found.refuse(index, "no_courier", "no courier collects there and it is too far to drive")
        elif may_send:
            found.refuse(index, "never_collected", "the courier never collects there and it is too far to drive")
        else:
            found.refuse(index, "too_far", f"farther than {max_km:g} km by road and rule {rule.name!r} has no courier")
    return found


def _times(profile: Profile, start: int, may_send: bool) -> tuple[int | None, int | None]:
    """When a hub has the unit ready, handled in open time only, and when the next courier leaves with it."""
    zone, hours, cut_offs, handling = profile
    ready = timetable(zone, hours, start).after_open_time(start, handling)
    if ready is None or not may_send or not cut_offs:
        return ready, None
    return ready, departures(zone, hours, cut_offs, start).next(ready)


def _both_open(first: Timetable, second: Timetable, minute: int) -> int | None:
    """The first minute at or after at which both are open; None when there is none within reach."""
    for _ in range(1_000):
        at = first.next_open(minute)
        if at is None:
            return None
        minute_or_none = second.next_open(at)
        if minute_or_none is None or minute_or_none == at:
            return minute_or_none
        minute = minute_or_none
    return None
