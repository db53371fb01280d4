"""The site as a place to arrive at: where it is, and when somebody or some courier can hand over there.

Its access hours are kept by every way of transport: nothing arrives while they are closed.
"""

from __future__ import annotations

from connector.model.geo import Point
from connector.rules.arrival.schedules import schedules
from connector.rules.arrival.timetable import Timetable
from connector.rules.facts.fleet import unit_vector
from connector.rules.facts.ticket import SiteFacts
from connector.rules.policy.document import Policy


class Destination:
    """A site, planned for at and after a minute.

    unit: its position as a unit vector; None where only a distance is assumed. assumed: how the position was found
    where the site has no coordinates, for people; else "". access_text, delivery_text: the hours, for people.
    Raises ValueError for coordinates, hours or a time zone that cannot be used, and for coordinates that are missing
    unless the policy plans with assumed ones.
    """

    __slots__ = (
        "_access",
        "_delivery",
        "_handed_over",
        "access_text",
        "assumed",
        "delivery_text",
        "technician",
        "unit",
    )

    def __init__(self, site: SiteFacts, policy: Policy, now: int) -> None:
        self.unit, self.assumed = _position(site, policy)
        hours = schedules(policy.sourcing, now).at_site(site)
        self.access_text, self.delivery_text = hours.access_text, hours.delivery_text
        self.technician: Timetable = hours.technician
        self._access, self._delivery = hours.access, hours.delivery
        self._handed_over: dict[int, int | None] = {}

    def access(self, minute: int) -> int | None:
        """When somebody who is there at `minute` is let in; None when never."""
        return minute if self._access.always else self._access.next_open(minute)

    def handed_over(self, minute: int) -> int | None:
        """When a parcel that is near at `minute` is handed over: couriers deliver and the site is open."""
        if minute in self._handed_over:
            return self._handed_over[minute]
        if self._access.always:
            at = self._delivery.next_open(minute)
        else:
            at = _both_open(self._delivery, self._access, minute)
        self._handed_over[minute] = at
        return at


def _position(site: SiteFacts, policy: Policy) -> tuple[tuple[float, float, float] | None, str]:
    if site.latitude is not None and site.longitude is not None:
        return unit_vector(Point(site.latitude, site.longitude)), ""
    if policy.sourcing.missing.site_coordinates == "person":
        raise ValueError("it has no coordinates")
    return assumed_position(site, policy)


def assumed_position(site: SiteFacts, policy: Policy) -> tuple[tuple[float, float, float] | None, str]:
    """Where a site without coordinates is taken to be, and what that is, for people; None: only a distance is taken."""
    missing = policy.sourcing.missing
    for name in (site.region, site.country):
        centre = missing.centres.get(name) if name else None
        if centre is not None:
            return unit_vector(Point(centre.latitude, centre.longitude)), f"the centre of {name!r} is taken"
    return None, f"{missing.assumed_km:g} km to every hub are taken"


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
