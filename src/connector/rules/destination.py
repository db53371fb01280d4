"""The site as a place to arrive at: where it is, and when somebody or some courier can hand over there.

Its access hours are kept by every way of transport: nothing arrives while they are closed.
"""

from __future__ import annotations

from connector.model.geo import Point
from connector.rules.days import Place, days_off
from connector.rules.document import Policy
from connector.rules.facts import SiteFacts, unit_vector
from connector.rules.timetable import Timetable, timetable


class Destination:
    """A site, planned for at and after a minute. access_text, delivery_text: the hours of both, for people.

    Raises ValueError for coordinates, hours or a time zone that cannot be used.
    """

    def __init__(self, site: SiteFacts, policy: Policy, now: int) -> None:
        if site.latitude is None or site.longitude is None:
            raise ValueError("it has no coordinates")
        sourcing, zone = policy.sourcing, site.time_zone or policy.sourcing.default_time_zone
        place, days, courier = place_of(site), sourcing.sites.of(site.label), sourcing.courier
        hours, default = site.access_hours or "24x7", sourcing.default_country
        let_in = days_off(days.holidays, frozenset(days.closed), hours, place, default)
        handed = days_off(courier.holidays, frozenset(courier.closed), courier.delivery_hours, place, default)
        self.unit = unit_vector(Point(site.latitude, site.longitude))
        self.access_text = f"{hours} in {zone}{let_in.text}"
        self.delivery_text = f"{courier.delivery_hours} in {zone}{handed.text}"
        self._access = timetable(zone, hours, let_in, now)
        self._delivery = timetable(zone, courier.delivery_hours, handed, now)
        self._handed_over: dict[int, int | None] = {}

    def access(self, minute: int) -> int | None:
        """When somebody who is there at `minute` is let in; None when never."""
        return minute if self._access.always else self._access.next_open(minute)

    def handed_over(self, minute: int) -> int | None:
        """When a parcel that is near at `minute` is handed over: couriers deliver and the site is open."""
        if minute not in self._handed_over:
            self._handed_over[minute] = _both_open(self._delivery, self._access, minute)
        return self._handed_over[minute]


def place_of(site: SiteFacts | None) -> Place:
    """Where a site lies, for its public holidays."""
    return Place("site", site.country or "" if site else "", site.state or "" if site else "")


def _both_open(first: Timetable, second: Timetable, minute: int) -> int | None:
    """The first minute at or after at which both are open; None when there is none within reach."""
    for _ in range(1_000):
        at = first.next_open(minute)
        if at is None:
            return None
        let_in = second.next_open(at)
        if let_in is None or let_in == at:
            return let_in
        minute = let_in
    return None
