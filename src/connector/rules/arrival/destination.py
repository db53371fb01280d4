"""The site as a place to arrive at: where it is, and when somebody or some courier can hand over there.

Its access hours are kept by every way of transport: nothing arrives while they are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from connector.model.geo import Point
from connector.rules.arrival.schedules import schedules
from connector.rules.arrival.timetable import Timetable
from connector.rules.facts.fleet import unit_vector
from connector.rules.facts.ticket import SiteFacts
from connector.rules.policy.document import Policy


class Destination:
    """A site, planned for at and after a minute.

    unit: its position as a unit vector; None where only a distance is assumed. assumed: how the position was found
    where the site has no coordinates, for people; else "". access_text, delivery_text: the hours, for people. handed,
    handed_over: see `connector.rules.arrival.schedules.SiteHours`.
    Raises ValueError for coordinates, hours or a time zone that cannot be used, and for coordinates that are missing
    unless the policy plans with assumed ones.
    """

    __slots__ = (
        "_access", "access_text", "assumed", "delivery_text", "handed", "handed_over", "technician", "unit",
    )  # fmt: skip

    def __init__(self, site: SiteFacts, policy: Policy, now: int) -> None:
        self.unit, self.assumed = _position(site, policy)
        hours = schedules(policy.sourcing, now).at_site(site)
        self.access_text, self.delivery_text = hours.access_text, hours.delivery_text
        self.technician: Timetable = hours.technician
        self._access = hours.access
        self.handed: Mapping[int, int | None] = hours.handed
        self.handed_over: Callable[[int], int | None] = hours.handed_over

    def access(self, minute: int) -> int | None:
        """When somebody who is there at `minute` is let in; None when never."""
        return minute if self._access.always else self._access.next_open(minute)


def _position(site: SiteFacts, policy: Policy) -> tuple[tuple[float, float, float] | None, str]:
    if site.latitude is not None and site.longitude is not None:
        return _unit_vector(site.latitude, site.longitude), ""
    if policy.sourcing.missing.site_coordinates == "person":
        raise ValueError("it has no coordinates")
    return assumed_position(site, policy)


@lru_cache(maxsize=4096)
def _unit_vector(latitude: float, longitude: float) -> tuple[float, float, float]:
    """The same as `unit_vector`; remembered, since sites are decided about again and again."""
    return unit_vector(Point(latitude, longitude))


def assumed_position(site: SiteFacts, policy: Policy) -> tuple[tuple[float, float, float] | None, str]:
    """Where a site without coordinates is taken to be, and what that is, for people; None: only a distance is taken."""
    missing = policy.sourcing.missing
    for name in (site.region, site.country):
        centre = missing.centres.get(name) if name else None
        if centre is not None:
            return unit_vector(Point(centre.latitude, centre.longitude)), f"the centre of {name!r} is taken"
    return None, f"{missing.assumed_km:g} km to every hub are taken"
