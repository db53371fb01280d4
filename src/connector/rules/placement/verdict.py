"""Whether spares of a product stand where they belong for a region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from connector.model.kinds import HubTier
from connector.rules.placement.belonging import Belonging, NextDay, Place, belonging, farness
from connector.rules.policy.placement import UNSTATED, AssetClass, PlacementTerms, class_of

QUARTER_DAYS = 365.25 / 4


class PlacementVerdict(StrEnum):
    """How the place where spares stand compares with the one where they belong.

    too_near: some stand nearer than they belong. too_far: they belong near, and none stands so near. not_stocked: there
    are none, and none needs to be near.
    """

    IN_PLACE = "in_place"
    TOO_NEAR = "too_near"
    TOO_FAR = "too_far"
    NOT_STOCKED = "not_stocked"

    @property
    def is_misplaced(self) -> bool:
        """Whether something should be moved or bought."""
        return self in (PlacementVerdict.TOO_NEAR, PlacementVerdict.TOO_FAR)


@dataclass(frozen=True, slots=True)
class Demand:
    """Units that a region needs of a product. used: within the window; days: how much of it is recorded.

    in_use: devices of it at the region's sites.
    """

    used: int
    days: float
    in_use: int


_UNKNOWN = NextDay(serves=False, text="no devices and no use of it are known there yet, so its class alone decides")
"""What is taken where nobody knows what a region needs: nothing is moved away for want of facts."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the policy makes of a product in a region. asset_class: name of its entry, None where none is about it.

    per_quarter: units needed in a quarter; is_measured: from what was used, else from the failures of its class.
    """

    asset_class: str | None
    cover: str
    per_quarter: float
    is_measured: bool
    belongs: Belonging
    verdict: PlacementVerdict


def judged(
    asset_class: str | None,
    demand: Demand,
    units: Mapping[HubTier, int],
    next_day: NextDay,
    classes: Mapping[str, AssetClass],
    terms: PlacementTerms,
) -> Judged:
    """Where a product belongs for a region, and whether it stands there.

    asset_class: of the product, as its source has it. units: that stand in the region's local and regional hubs, and in
    central ones wherever they are.
    """
    found = class_of(asset_class, classes)
    name, stated = found if found is not None else (None, UNSTATED)
    per_quarter, basis = per_quarter_of(demand, stated, terms)
    if basis and not per_quarter:
        basis, next_day = "", _UNKNOWN
    belongs = belonging(stated, per_quarter, next_day, terms)
    notes = [belongs.reason]
    if found is None:
        called = f"asset class {asset_class!r}" if asset_class else "a product without asset class"
        notes.append(f"asset_classes says nothing of {called}: medium is taken for all three values")
    if basis:
        notes.append(basis)
    return Judged(
        asset_class=name,
        cover=stated.cover,
        per_quarter=per_quarter,
        is_measured=demand.days >= terms.least_days,
        belongs=Belonging(belongs.place, "; ".join(notes)),
        verdict=verdict(belongs.place, units, stated),
    )


def per_quarter_of(demand: Demand, stated: AssetClass, terms: PlacementTerms) -> tuple[float, str]:
    """Units needed in a quarter; what is taken instead of use, "" where use says it.

    Use that is recorded for too short a time counts only as the least that is needed.
    """
    if demand.days >= terms.least_days:
        return demand.used * QUARTER_DAYS / demand.days, ""
    expected = demand.in_use * stated.failures / 100 / 4
    recorded = f"use is recorded for {demand.days:.0f} days, fewer than {terms.least_days}"
    if demand.used > expected:
        return float(demand.used), f"{recorded}: what was used in them is taken for a quarter"
    return expected, f"{recorded}: {stated.failures:g} of 100 fail in a year, and {demand.in_use} are in use"


def verdict(belongs: Place, units: Mapping[HubTier, int], stated: AssetClass) -> PlacementVerdict:
    """How where units stand compares with where they belong; nearer is fine where the class usually stands there."""
    standing = [Place(tier) for tier, count in units.items() if count > 0]
    near = [place for place in standing if place in (Place.LOCAL, Place.REGIONAL)]
    if belongs in (Place.LOCAL, Place.REGIONAL):
        if not any(farness(place) <= farness(belongs) for place in standing):
            return PlacementVerdict.TOO_FAR
        is_usual = HubTier.LOCAL in stated.tiers or belongs is Place.LOCAL
        return PlacementVerdict.IN_PLACE if is_usual or Place.LOCAL not in standing else PlacementVerdict.TOO_NEAR
    if near:
        return PlacementVerdict.TOO_NEAR
    return PlacementVerdict.IN_PLACE if standing else PlacementVerdict.NOT_STOCKED
