"""Whether delivery by courier from a central hub is in time for what the sites of a region bear.

Asked of the arrival rules: a ticket that opens at each hour of an ordinary week in which the outage counts, sent from
the central hub that gets it there first, with the policy's transit by distance. Parcels that were really delivered and
couriers' offers are not looked at: this is about where stock should stand, not about one parcel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Final

from connector.model.calendars import close_of_business_day
from connector.model.kinds import HubTier
from connector.rules.arrival.destination import assumed_position
from connector.rules.arrival.due import Outage, defined_class, outage_of
from connector.rules.arrival.schedules import schedules
from connector.rules.arrival.timetable import Timetable, instant_of, minute_at_or_after
from connector.rules.facts.fleet import Fleet, HubFacts, km_between, unit_vector
from connector.rules.facts.ticket import ServiceClassFacts, SiteFacts
from connector.rules.placement.belonging import NextDay
from connector.rules.policy.document import Policy

WEEK: Final = datetime(2026, 8, 24, tzinfo=UTC)
"""Monday of the week that stands for all: hardly any country has a public holiday in it or the week after."""
HOURS: Final = 7 * 24
NEAREST: Final = 4
"""Central hubs that are looked at for a site: a farther one that is sooner would be so by its cut-off alone."""


@dataclass(frozen=True, slots=True)
class SiteGroup:
    """Sites of a region that bear the same and lie in the same time zone.

    place: their middle, as a site. sites: how many. service_class: what they name; None where they name none.
    """

    place: SiteFacts
    service_class: ServiceClassFacts | None
    sites: int


class NextDays:
    """Answers for the regions of one policy, each found once. groups: the sites of each region."""

    def __init__(self, policy: Policy, fleet: Fleet, groups: Mapping[str, Sequence[SiteGroup]]) -> None:
        self._policy, self._fleet, self._groups = policy, fleet, groups
        central = sorted(fleet.usable((HubTier.CENTRAL,), with_unlocated=True))
        hubs = [fleet.hubs[key] for key in central]
        courier = policy.sourcing.courier
        self._central = [
            hub for hub in hubs if hub.profile.cut_offs or courier.cut_offs_of(hub.profile.without_cut_offs)
        ]
        self._handled = {name.casefold() for name in policy.sourcing.handling}
        self._shares: dict[tuple[SiteGroup, str], float | str] = {}
        self._known: dict[tuple[str, frozenset[str | None], str], NextDay] = {}

    def of(self, region: str, names: Iterable[str | None], asset_class: str | None) -> NextDay:
        """Whether it is in time for the sites of a region whose service class is among these; None for sites without.

        Without any such site, for all sites of the region. asset_class: of the product, for its handling.
        """
        handled = (asset_class or "").casefold()
        key = (region, frozenset(names), handled if handled in self._handled else "")
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._judged(*key)
        return found

    def _judged(self, region: str, names: frozenset[str | None], asset_class: str) -> NextDay:
        if not self._central:
            return NextDay(serves=False, text="there is no central hub that a courier collects from")
        groups = self._groups.get(region, ())
        meant = [group for group in groups if _named(group) in names] or groups
        if not meant:
            return NextDay(serves=True, text="no site is known there that next-day delivery could be late for")
        sums: dict[str, list[tuple[float, int]]] = {}
        for group in meant:
            share = self._share(group, asset_class)
            if isinstance(share, str):
                return NextDay(serves=False, text=f"whether next-day delivery is in time cannot be told: {share}")
            sums.setdefault(self._called(group), []).append((share * group.sites, group.sites))
        shares = {name: sum(part for part, _ in parts) / sum(n for _, n in parts) for name, parts in sums.items()}
        name, worst = min(shares.items(), key=lambda item: (item[1], item[0]))
        least = self._policy.placement.next_day_percent
        serves = worst * 100 >= least
        text = f"next-day delivery is in time for {worst:.0%} of tickets of {name}"
        return NextDay(serves=serves, text=text if serves else f"{text} ({least} % are wanted)")

    def _called(self, group: SiteGroup) -> str:
        service = defined_class(group.service_class, self._policy)
        return "sites without service class" if service is None else f"service class {service.name!r}"

    def _share(self, group: SiteGroup, asset_class: str) -> float | str:
        """For how many of the hours at which the outage counts delivery is in time, 0 to 1; why that is not known."""
        key = (group, asset_class)
        if key not in self._shares:
            try:
                self._shares[key] = self._counted(group, asset_class)
            except ValueError as error:
                self._shares[key] = str(error)
        return self._shares[key]

    def _counted(self, group: SiteGroup, asset_class: str) -> float:
        outage = outage_of(group.service_class, group.place, self._policy)
        if outage is None:
            return 1.0
        first = minute_at_or_after(WEEK)
        counting = Timetable(outage.calendar, first)
        asked = [at for at in range(first, first + HOURS * 60, 60) if counting.next_open(at) == at]
        due = {at: _due(outage, counting, at) for at in asked}
        hubs = self._nearest(group.place)
        in_time = 0
        for at, ends in due.items():
            arrives = self._arrives(group.place, hubs, asset_class, at)
            in_time += ends is None or (arrives is not None and arrives <= ends)
        return in_time / len(asked) if asked else 1.0

    def _nearest(self, site: SiteFacts) -> list[tuple[HubFacts, int]]:
        """The nearest central hubs, and the minutes of transit from each."""
        sourcing = self._policy.sourcing
        there = unit_vector(site.point) if site.point is not None else assumed_position(site, self._policy)[0]
        distances = [
            sourcing.missing.assumed_km if hub.unit is None or there is None else km_between(hub.unit, there)
            for hub in self._central
        ]
        nearest = sorted(zip(distances, self._central, strict=True), key=lambda item: (item[0], item[1].id))[:NEAREST]
        return [(hub, ceil(sourcing.courier.band(km).hours * 60)) for km, hub in nearest]

    def _arrives(self, site: SiteFacts, hubs: Sequence[tuple[HubFacts, int]], asset_class: str, at: int) -> int | None:
        """When a unit that is asked for at a minute is handed over at the soonest; None for never."""
        planned = schedules(self._policy.sourcing, at)
        leaving, hours = planned.leaving(self._fleet, at, asset_class, may_send=True), planned.at_site(site)
        arrivals: list[int] = []
        for hub, transit in hubs:
            _, _, leaves = leaving.of(hub)
            arrives = None if leaves is None else hours.handed_over(leaves + transit)
            if arrives is not None:
                arrivals.append(arrives)
        return min(arrivals, default=None)


def _due(outage: Outage, counting: Timetable, at: int) -> int | None:
    """The minute by which an outage that begins at one must have ended; None for never."""
    ends = counting.after_open_time(at, outage.minutes)
    if ends is None or outage.business_days is None:
        return ends
    closes = close_of_business_day(outage.calendar, instant_of(at), outage.business_days)
    return ends if closes is None else min(ends, minute_at_or_after(closes))


def _named(group: SiteGroup) -> str | None:
    return group.service_class.name if group.service_class else None
