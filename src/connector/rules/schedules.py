"""When hubs work under a policy: opened, closed by holidays, collected from; found once per profile and week."""

from __future__ import annotations

from connector.rules.days import DaysOff, Place, days_off
from connector.rules.document import Sourcing
from connector.rules.facts import HubFacts, Profile
from connector.rules.timetable import WEEK, Departures, Timetable, departures, timetable

_REMEMBERED = 16
"""Policies and weeks whose schedules are kept; an installation decides with one policy, a comparison with two."""


class Schedule:
    """When one hub, and every other like it, works. opening: its own hours; collection: when couriers leave.

    text: the hours and the days that they do not count on, for people.
    """

    __slots__ = ("_off", "_profile", "collection", "opening", "text")

    def __init__(self, profile: Profile, opening: DaysOff, collecting: DaysOff, minute: int) -> None:
        self._profile, self._off = profile, opening.joined(collecting)
        self.opening: Timetable = timetable(profile.time_zone, profile.hours, opening, minute)
        self.collection: Departures | None = None
        if profile.cut_offs:
            self.collection = departures(profile.time_zone, profile.hours, self._off, profile.cut_offs, minute)
        self.text = f"{profile.hours} in {profile.time_zone}{opening.text}"
        if profile.cut_offs and collecting.text != opening.text:
            self.text += f"; couriers collect{collecting.text}"

    def times(self, start: int, *, may_send: bool) -> tuple[int | None, int | None]:
        """When a unit asked for at `start` is ready, handled in open time only, and when a courier leaves with it."""
        ready = self.opening.after_open_time(start, self._profile.handling_minutes)
        if ready is None or not may_send or self.collection is None:
            return ready, None
        return ready, self.collection.next(ready)


class Schedules:
    """The schedules of all hubs under a policy, good from a minute on for the weeks after it."""

    __slots__ = ("_known", "_minute", "sourcing")

    def __init__(self, sourcing: Sourcing, minute: int) -> None:
        self.sourcing = sourcing
        self._minute = minute
        self._known: dict[Profile | tuple[Profile, str], Schedule] = {}

    def of(self, hub: HubFacts) -> Schedule:
        """The schedule of a hub whose data can be used."""
        exceptions = self.sourcing.hubs.exceptions
        key = (hub.profile, hub.label) if exceptions and hub.label in exceptions else hub.profile
        schedule = self._known.get(key)
        if schedule is None:
            schedule = self._known[key] = self._made(hub)
        return schedule

    def _made(self, hub: HubFacts) -> Schedule:
        sourcing, profile = self.sourcing, hub.profile
        place, default = Place("hub", profile.country, profile.state), sourcing.default_country
        days, courier = sourcing.hubs.of(hub.label), sourcing.courier
        opening = days_off(days.holidays, frozenset(days.closed), profile.hours, place, default)
        collecting = days_off(courier.holidays, frozenset(courier.closed), courier.delivery_hours, place, default)
        return Schedule(profile, opening, collecting, self._minute)


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
