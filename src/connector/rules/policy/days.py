"""Which days do not count: how a policy says whose public holidays close a place, and what follows for one.

A place is a site or a hub; its address says in which country and state it lies. Hours that are `24x7` are kept on
public holidays too, all others are not, unless the policy says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from connector.model.calendars import ALWAYS, Calendar, parse_hours
from connector.model.public_holidays import check_region, region_of

LOCAL: Final = "local"
"""The public holidays of the place itself."""
SITE: Final = "site"
"""The same, where a service class says it: those of the site that it is for."""
NONE: Final = "none"
"""Public holidays are days like any other."""
_LISTED: Final = 3
"""Dates that a text names one by one."""


def _no_truth(value: Any) -> Any:
    """YAML reads `NO` without quotes as false."""
    if isinstance(value, bool):
        raise ValueError(f"is read as {str(value).lower()}: write {NONE!r}, or the code in quotes ('NO' is Norway)")
    return value


def _observed(own: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text in (own, NONE):
            return text
        if near := get_close_matches(text, (own, NONE), n=1):
            raise ValueError(f"is neither {own!r}, {NONE!r} nor a region: did you mean {near[0]}?")
        try:
            return check_region(text)
        except ValueError as error:
            raise ValueError(f"is neither {own!r} nor {NONE!r}, and no region: {error}") from error

    return check


def _country(text: str) -> str:
    if "-" in text:
        raise ValueError(f"names a part of a country: write {text.partition('-')[0]!r}")
    return check_region(text)


_Local = Annotated[str, BeforeValidator(_no_truth), AfterValidator(_observed(LOCAL))]
_Site = Annotated[str, BeforeValidator(_no_truth), AfterValidator(_observed(SITE))]
_Country = Annotated[str, BeforeValidator(_no_truth), AfterValidator(_country)]
LocalHolidays = Annotated[_Local | None, Field(examples=["DE-BY"])]
SiteHolidays = Annotated[_Site | None, Field(examples=["site"])]
Country = Annotated[_Country | None, Field(examples=["DE"])]
ClosedDates = Annotated[tuple[date, ...], Field(examples=[["2026-12-24"]])]


class PlaceDays(BaseModel):
    """What closes a place beside its weekly hours.

    holidays: `local`, `none`, or the region whose public holidays close it; None means what its hours imply.
    closed: further dates, local to the place.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    holidays: LocalHolidays = None
    closed: ClosedDates = ()


class Places(PlaceDays):
    """The same for all hubs or all sites. exceptions: by code (name where there is none), what is other there."""

    exceptions: Annotated[dict[str, PlaceDays], Field(examples=[{"HUB-7": {"holidays": "none"}}])] = Field(
        default_factory=dict
    )

    def of(self, label: str) -> PlaceDays:
        """What holds for one: the dates of its exception come to those of all."""
        other = self.exceptions.get(label)
        if other is None:
            return self
        return PlaceDays(holidays=other.holidays or self.holidays, closed=(*self.closed, *other.closed))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a place lies. kind: `site`, `hub` or `supplier`; country, state: of its address, "" when unknown."""

    kind: str
    country: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class DaysOff:
    """Dates that do not count. regions: whose public holidays; text: which and why, behind the hours of a calendar."""

    regions: tuple[str, ...] = ()
    closed: frozenset[date] = frozenset()
    text: str = field(default="", compare=False)

    def joined(self, other: DaysOff) -> DaysOff:
        """The days off of both."""
        regions = tuple(dict.fromkeys((*self.regions, *other.regions)))
        return DaysOff(regions, self.closed | other.closed, self.text)

    def calendar(self, time_zone: str, hours: str) -> Calendar:
        """Hours without these days. Raises ValueError for hours that cannot be read."""
        return Calendar(time_zone, parse_hours(hours), self.closed, self.regions)


@lru_cache(maxsize=4096)
def days_off(
    holidays: str | None, closed: frozenset[date], hours: str, place: Place, default_country: str | None
) -> DaysOff:
    """The days on which hours at a place do not count.

    holidays: as a policy says it; None leaves it to the hours. Raises ValueError for hours that cannot be read.
    """
    if holidays in (None, NONE) and parse_hours(hours) == ALWAYS:
        return DaysOff(closed=closed, text=_dates(closed))
    if holidays == NONE:
        return DaysOff(closed=closed, text=f" with public holidays (the policy says so){_dates(closed)}")
    if holidays in (None, LOCAL, SITE):
        region, why = _own(place, default_country)
    else:
        region, why = holidays, ""
    if region is None:
        return DaysOff(closed=closed, text=f" with public holidays ({why}){_dates(closed)}")
    text = f" without the public holidays of {region}" + (f" ({why})" if why else "") + _dates(closed)
    return DaysOff((region,), closed, text)


def _own(place: Place, default_country: str | None) -> tuple[str | None, str]:
    """The region of a place, and why it is that one where its address does not say so."""
    if place.country:
        region = region_of(place.country, place.state)
        return region, "" if region else f"none are known for the {place.kind}'s country {place.country!r}"
    if default_country is None:
        return None, f"the {place.kind} has no country and the policy no default_country"
    return default_country, f"default_country, the {place.kind} has no country"


def _dates(closed: frozenset[date]) -> str:
    if not closed:
        return ""
    first = sorted(closed)[:_LISTED]
    more = len(closed) - len(first)
    return f", closed on {', '.join(map(str, first))}" + (f" and {more} more days" if more else "")
