"""Where spares of a product belong for a region: near, central, or with the maker; and why.

High impact and an easy replacement: hub stock. A hard replacement: a regional bench, or the maker's advance
replacement. Low impact: central. What is needed seldom, and what next-day delivery brings in time, does not stand near.
More impact, more demand and a slower delivery never move anything farther away; a harder replacement nothing nearer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connector.model.kinds import HubTier
from connector.rules.policy.placement import AssetClass, Level, PlacementTerms


class Place(StrEnum):
    """Where spares are had from, the nearest first."""

    LOCAL = "local"
    REGIONAL = "regional"
    CENTRAL = "central"
    VENDOR = "vendor"


@dataclass(frozen=True, slots=True)
class NextDay:
    """Whether delivery by courier from a central hub is in time. serves: for enough tickets; text: what says so."""

    serves: bool
    text: str


@dataclass(frozen=True, slots=True)
class Belonging:
    """Where it belongs. reason: why, for people."""

    place: Place
    reason: str


def farness(place: Place) -> int:
    """How far away, 0 for the nearest."""
    return list(Place).index(place)


def belonging(stated: AssetClass, per_quarter: float, next_day: NextDay, terms: PlacementTerms) -> Belonging:
    """Where spares of a class of hardware belong for a region.

    per_quarter: units needed there in a quarter, 0 or more.
    """
    is_seldom = per_quarter <= terms.seldom_per_quarter
    needed = f"needed {_times(per_quarter)} a quarter"
    values = f"impact {stated.impact}, complexity {stated.complexity}"
    is_hard = stated.complexity is Level.HIGH
    if stated.impact is Level.LOW:
        if is_hard:
            return Belonging(Place.VENDOR, f"{values}: nobody waits for it, and its replacement is the maker's work")
        return Belonging(Place.CENTRAL, f"{values}: nobody waits for it, so it need not stand near")
    if is_seldom and next_day.serves:
        why = f"{values}; {needed}, seldom (up to {terms.seldom_per_quarter:g}), and {next_day.text}"
        return Belonging(Place.VENDOR if is_hard else Place.CENTRAL, why)
    near = f"{needed}, more than {terms.seldom_per_quarter:g}" if not is_seldom else f"{needed}, but {next_day.text}"
    if is_hard:
        bench = HubTier.REGIONAL if HubTier.REGIONAL in stated.tiers else HubTier.CENTRAL
        return Belonging(Place(bench), f"{values}: a {bench} bench; {near}")
    return _in_hubs(stated, per_quarter, terms, f"{values}; {near}")


def _in_hubs(stated: AssetClass, per_quarter: float, terms: PlacementTerms, why: str) -> Belonging:
    """Hub stock in one of the tiers where the class usually stands."""
    tiers = stated.tiers
    others = [tier for tier in (HubTier.REGIONAL, HubTier.CENTRAL) if tier in tiers]
    if HubTier.LOCAL not in tiers:
        return Belonging(Place(others[0]), why)
    if not others:
        return Belonging(Place.LOCAL, f"{why}; its class stands in local hubs alone")
    if stated.impact is Level.HIGH:
        return Belonging(Place.LOCAL, f"{why}; its class may stand in local hubs")
    if per_quarter >= terms.often_per_quarter:
        return Belonging(Place.LOCAL, f"{why}, and often ({terms.often_per_quarter:g} or more)")
    return Belonging(Place(others[0]), why)


def _times(per_quarter: float) -> str:
    return f"{per_quarter:.1f} times" if per_quarter < 10 else f"{per_quarter:.0f} times"
