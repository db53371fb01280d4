"""When hubs work and sites let in under a policy: opened, closed by holidays, collected from; found once per week."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias
from weakref import WeakKeyDictionary

from connector.model.calendars import HORIZON_DAYS
from connector.rules.arrival.timetable import WEEK, Departures, Timetable, departures, timetable
from connector.rules.facts.fleet import Fleet, HubFacts
from connector.rules.facts.ticket import Profile, SiteFacts
from connector.rules.policy.days import DaysOff, Place, days_off
from connector.rules.policy.document import Sourcing

STEPS = ("pick", "qa", "pack")
"""What is done to a unit before it leaves."""
WHOLE = "handling"
"""The same, where nobody says how long each takes."""

_REMEMBERED = 16
"""Policies and weeks whose schedules are kept, and minutes of each; a hub decides with one policy, now."""
_MOST_HANDED = 4096
"""Minutes for which a site remembers when parcels are handed over."""


class Schedule:
    """When one hub, and every other like it, works. opening: its own hours; collection: when couriers leave.

    assumed_cut_offs: by the policy, of a hub that states none; used instead of its own. text: the hours and the days
    that they do not count on; cut_off: what says when the van leaves, both for people.
    """

    __slots__ = ("_off", "collection", "cut_off", "opening", "text")

    def __init__(
        self,
        profile: Profile,
        opening: DaysOff,
        collecting: DaysOff,
        minute: int,
        assumed_cut_offs: tuple[int, ...] = (),
    ) -> None:
        self._off = opening.joined(collecting)
        self.opening: Timetable = timetable(profile.time_zone, profile.hours, opening, minute)
        self.collection: Departures | None = None
        cut_offs = profile.cut_offs or assumed_cut_offs
        self.cut_off = "the courier's van leaves"
        if cut_offs:
            self.collection = departures(profile.time_zone, profile.hours, self._off, cut_offs, minute)
        if assumed_cut_offs and profile.without_cut_offs is not None:
            self.cut_off += f", as the policy has it of {profile.without_cut_offs.value} hubs that state no cut-off"
        self.text = f"{profile.hours} in {profile.time_zone}{opening.text}"
        if cut_offs and collecting.text != opening.text:
            self.text += f"; couriers collect{collecting.text}"

    def times(self, start: int, handling: int, *, may_send: bool) -> tuple[int | None, int | None]:
        """When a unit asked for at `start` is ready, handled in open time only, and when a courier leaves with it."""
        ready = self.opening.after_open_time(start, handling)
        if ready is None or not may_send or self.collection is None:
            return ready, None
        return ready, self.collection.next(ready)


class SiteHours:
    """When a site lets somebody in, when couriers hand over there, when a technician sets out; with texts for people.

    handed: when parcels were handed over, by the minute at which they were near; None for never.
    Raises ValueError for hours or a time zone that cannot be used.
    """

    __slots__ = ("_delivery", "access", "access_text", "delivery_text", "handed", "technician")

    def __init__(self, site: SiteFacts, sourcing: Sourcing, minute: int) -> None:
        zone, default = site.time_zone or sourcing.default_time_zone, sourcing.default_country
        place, days, courier = place_of(site), sourcing.sites.of(site.label), sourcing.courier
        hours, working = site.access_hours or "24x7", sourcing.technician.hours
        let_in = days_off(days.holidays, frozenset(days.closed), hours, place, default)
        handed = days_off(courier.holidays, frozenset(courier.closed), courier.delivery_hours, place, default)
        self.access_text = f"{hours} in {zone}{let_in.text}"
        self.delivery_text = f"{courier.delivery_hours} in {zone}{handed.text}"
        self.access = timetable(zone, hours, let_in, minute)
        self._delivery = timetable(zone, courier.delivery_hours, handed, minute)
        self.technician = timetable(zone, working, days_off(None, frozenset(), working, place, default), minute)
        self.handed: dict[int, int | None] = {}

    def handed_over(self, minute: int) -> int | None:
        """When a parcel that is near at `minute` is handed over: couriers deliver and the site is open."""
        handed = self.handed
        if minute not in handed:
            if len(handed) >= _MOST_HANDED:
                handed.clear()
            only = self.access.always
            handed[minute] = (
                self._delivery.next_open(minute) if only else both_open(self._delivery, self.access, minute)
            )
        return handed[minute]


TimedStep: TypeAlias = tuple[str, int, int | None, str]
"""A step as it is recorded: name, the minute since 1970 UTC at which it is over, its minutes, its text."""

Times: TypeAlias = tuple[Schedule, int | None, int | None]
"""A schedule, when a unit is ready to leave, and when a courier leaves with it; None for never."""


class Leaving:
    """When units that are asked for in one minute leave the hubs of a fleet: found once for hubs that work alike.

    of_hubs: by hub, the schedule, when a unit is ready to leave, and when a courier leaves with it, None for never; of
    those hubs that somebody has asked about.
    """

    __slots__ = ("_asset_class", "_groups", "_handled", "_may_send", "_of_groups", "_schedules", "_start", "of_hubs")

    def __init__(
        self, schedules: Schedules, groups: Mapping[int, int], start: int, asset_class: str, *, may_send: bool
    ) -> None:
        self._schedules, self._start, self._asset_class, self._may_send = schedules, start, asset_class, may_send
        self._groups = groups
        self._of_groups: dict[int, Times] = {}
        self._handled: dict[int, tuple[TimedStep, ...]] = {}
        self.of_hubs: dict[int, Times] = {}

    def of(self, hub: HubFacts) -> Times:
        """The times of a hub whose data can be used."""
        known = self.of_hubs.get(hub.id)
        if known is None:
            group = self._groups[hub.id]
            known = self._of_groups.get(group)
            if known is None:
                schedule = self._schedules.of(hub)
                minutes = sum(minutes for _, minutes in self._handling(hub.profile))
                known = (schedule, *schedule.times(self._start, minutes, may_send=self._may_send))
                self._of_groups[group] = known
            self.of_hubs[hub.id] = known
        return known

    def handled(self, hub: HubFacts) -> tuple[TimedStep, ...]:
        """What is done to the unit before it leaves a hub, in open time only."""
        group = self._groups[hub.id]
        known = self._handled.get(group)
        if known is None:
            opening, at, steps = self._schedules.of(hub).opening, self._start, list[TimedStep]()
            for name, minutes in self._handling(hub.profile):
                done = opening.after_open_time(at, minutes)
                at = at if done is None else done
                steps.append((name, at, minutes, ""))
            known = self._handled[group] = tuple(steps)
        return known

    def _handling(self, profile: Profile) -> tuple[tuple[str, int], ...]:
        """What is done to the unit before it leaves, and the minutes of each step."""
        return self._schedules.handling(profile, self._asset_class)


class Schedules:
    """The schedules of all hubs and sites under a policy, good from a minute on for the weeks after it."""

    __slots__ = ("_classes", "_known", "_leaving", "_minute", "_sites", "sourcing")

    def __init__(self, sourcing: Sourcing, minute: int) -> None:
        self.sourcing = sourcing
        self._minute = minute
        self._known: dict[Profile | tuple[Profile, str], Schedule] = {}
        self._sites: dict[tuple[str | None, ...], SiteHours] = {}
        self._leaving: WeakKeyDictionary[Fleet, dict[tuple[int, str, bool], Leaving]] = WeakKeyDictionary()
        self._classes = {name.casefold(): handling for name, handling in sourcing.handling.items()}

    def of(self, hub: HubFacts) -> Schedule:
        """The schedule of a hub whose data can be used."""
        exceptions = self.sourcing.hubs.exceptions
        key = (hub.profile, hub.label) if exceptions and hub.label in exceptions else hub.profile
        schedule = self._known.get(key)
        if schedule is None:
            schedule = self._known[key] = self._made(hub)
        return schedule

    def leaving(self, fleet: Fleet, start: int, asset_class: str, *, may_send: bool) -> Leaving:
        """When units asked for at a minute leave the hubs of a fleet: tickets that are decided together ask alike."""
        of_fleet = self._leaving.get(fleet)
        if of_fleet is None:
            of_fleet = self._leaving[fleet] = {}
        named = asset_class.casefold()
        key = (start, named if named in self._classes else "", may_send)
        leaving = of_fleet.get(key)
        if leaving is None:
            while len(of_fleet) >= _REMEMBERED:
                of_fleet.pop(next(iter(of_fleet)))
            groups = dict(zip(fleet.hubs, fleet.hubs, strict=True)) if self.sourcing.hubs.exceptions else fleet.groups
            leaving = of_fleet[key] = Leaving(self, groups, start, named, may_send=may_send)
        return leaving

    def at_site(self, site: SiteFacts) -> SiteHours:
        """The hours of a site. Raises ValueError for hours or a time zone that cannot be used."""
        label = site.label if self.sourcing.sites.exceptions else None
        key = (site.time_zone, site.access_hours, site.country, site.state, label)
        hours = self._sites.get(key)
        if hours is None:
            hours = self._sites[key] = SiteHours(site, self.sourcing, self._minute)
        return hours

    def handling(self, profile: Profile, asset_class: str) -> tuple[tuple[str, int], ...]:
        """The steps before a unit leaves a hub and the minutes of each: the hub's own, or those of the asset class.

        A hub that states no steps and a class that the policy does not name: the hub's handling minutes as a whole.
        """
        if profile.steps is not None:
            return tuple(zip(STEPS, profile.steps, strict=True))
        stated = None if profile.is_mobile else self._classes.get(asset_class.casefold())
        if stated is None:
            return ((WHOLE, profile.handling_minutes),)
        return (STEPS[0], stated.pick), (STEPS[1], stated.qa), (STEPS[2], stated.pack)

    def _made(self, hub: HubFacts) -> Schedule:
        sourcing, profile = self.sourcing, hub.profile
        place, default = Place("hub", profile.country, profile.state), sourcing.default_country
        days, courier = sourcing.hubs.of(hub.label), sourcing.courier
        opening = days_off(days.holidays, frozenset(days.closed), profile.hours, place, default)
        collecting = days_off(courier.holidays, frozenset(courier.closed), courier.delivery_hours, place, default)
        return Schedule(profile, opening, collecting, self._minute, courier.cut_offs_of(profile.without_cut_offs))


_schedules: dict[tuple[int, int], Schedules] = {}


def schedules(sourcing: Sourcing, minute: int) -> Schedules:
    """The schedules under a policy's sourcing, good for asking about `minute` and the weeks after it."""
    key = (id(sourcing), minute // WEEK)
    known = _schedules.get(key)
    if known is None or known.sourcing is not sourcing:
        while len(_schedules) >= _REMEMBERED:
            _schedules.pop(next(iter(_schedules)))
        known = _schedules[key] = Schedules(sourcing, minute)
    return known


def place_of(site: SiteFacts | None) -> Place:
    """Where a site lies, for its public holidays."""
    return Place("site", site.country or "" if site else "", site.state or "" if site else "")


def both_open(first: Timetable, second: Timetable, minute: int) -> int | None:
    """The first minute at or after at which both are open; None when there is none as far as calendars look ahead."""
    end = minute + HORIZON_DAYS * 24 * 60
    while minute < end:
        at = first.next_open(minute)
        if at is None:
            return None
        let_in = second.next_open(at)
        if let_in is None or let_in == at:
            return let_in
        minute = let_in
    return None
