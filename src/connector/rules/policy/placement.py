"""Asset classes in the policy document: how much each matters, how it is replaced, how often it fails, where it stands.

What follows from it for a product and a region is in `connector.rules.placement`; docs/placement.md tells all of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from connector.model.kinds import HubTier
from connector.rules.policy.values import Part, Tiers


class Level(StrEnum):
    """How much of something: of business impact, of the work of a replacement."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


FAILURES: Final[Mapping[str, float]] = {"low": 1.0, "medium": 5.0, "high": 15.0}
"""Failures of 100 units in a year that a word stands for."""


def _rate(value: Any) -> Any:
    """A word as its number; YAML's `yes` and the like are no numbers."""
    if isinstance(value, bool) or (isinstance(value, str) and value not in FAILURES):
        raise ValueError(f"is neither {', '.join(FAILURES)} nor the failures of 100 units in a year")
    return FAILURES[value] if isinstance(value, str) else value


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no pattern: {error}") from error
    return text


class _Span(Part):
    """From so many to so many."""

    least: Annotated[int, Field(ge=0, le=3_650, examples=[7])]
    most: Annotated[int, Field(ge=1, le=3_650, examples=[14])]

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            if len(value) != 2:
                raise ValueError("expected two numbers: the least and the most")
            return {"least": value[0], "most": value[1]}
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"begins at {self.least}, after its end {self.most}: write the smaller number first")
        return self


class AssetClass(Part):
    """A class of hardware, and the three values that say where its spares belong.

    matches: pattern in a product's asset class, without regard to case; without it, the name of the entry itself.
    impact: what an outage costs the business. complexity: of a replacement; high where it takes a bench or the maker.
    failures: of 100 units in a year, as a number or a word (low 1, medium 5, high 15). tiers: where such hardware
    usually stands. cover_days, cover_spares: how much of it should be there, in days of demand or spares of each model;
    without both, what demand over the lead time and the buffer come to.
    """

    matches: Annotated[Annotated[str, AfterValidator(_pattern)] | None, Field(examples=["laptop|notebook"])] = None
    impact: Annotated[Level, Field(examples=["high"])]
    complexity: Annotated[Level, Field(examples=["low"])]
    failures: Annotated[float, BeforeValidator(_rate), Field(gt=0, le=1_000, examples=["medium"])]
    tiers: Tiers = (HubTier.REGIONAL,)
    cover_days: Annotated[_Span | None, Field(examples=[[7, 14]])] = None
    cover_spares: Annotated[_Span | None, Field(examples=[[1, 3]])] = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.cover_days is not None and self.cover_spares is not None:
            raise ValueError("cover_days and cover_spares exclude each other: state the one that stock is kept by")
        if self.impact is Level.LOW and HubTier.CENTRAL not in self.tiers:
            raise ValueError(
                "impact: low belongs into central hubs, which tiers does not name: add central, or say more"
            )
        if self.complexity is Level.HIGH and set(self.tiers) == {HubTier.LOCAL}:
            raise ValueError(
                "complexity: high takes a regional bench or the maker, and tiers names local hubs alone: add regional"
            )
        return self

    @property
    def cover(self) -> str:
        """The target cover, for people."""
        if self.cover_days is not None:
            return f"{self.cover_days.least}-{self.cover_days.most} days"
        if self.cover_spares is not None:
            least, most = self.cover_spares.least, self.cover_spares.most
            return f"{most} of each model" if least == most else f"{least}-{most} of each model"
        return "lead time and buffer"


UNSTATED: Final = AssetClass(impact=Level.MEDIUM, complexity=Level.MEDIUM, failures=FAILURES["medium"])
"""What is taken of hardware that no entry is about."""


class PlacementTerms(Part):
    """What counts as seldom and as often, and over which time demand is looked at.

    seldom_per_quarter: what is needed so often or less, in a region and quarter, does not stand near where next-day
    delivery is in time. often_per_quarter: what is needed so often or more stands in local hubs, where its class may.
    window_days: whose use counts. least_days: how long use must have been recorded before it counts. next_day_percent:
    share of tickets that next-day delivery must be in time for.
    """

    seldom_per_quarter: Annotated[float, Field(ge=0, le=1_000, examples=[1.5])] = 1.5
    often_per_quarter: Annotated[float, Field(gt=0, le=100_000, examples=[13])] = 13
    window_days: Annotated[int, Field(ge=7, le=1_826, examples=[365])] = 365
    least_days: Annotated[int, Field(ge=1, le=365, examples=[28])] = 28
    next_day_percent: Annotated[int, Field(ge=1, le=100, examples=[90])] = 90

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.seldom_per_quarter >= self.often_per_quarter:
            raise ValueError(
                f"seldom_per_quarter ({self.seldom_per_quarter:g}) must be less than often_per_quarter "
                f"({self.often_per_quarter:g})"
            )
        if self.least_days > self.window_days:
            raise ValueError(
                f"least_days ({self.least_days}) is longer than window_days ({self.window_days}): "
                "no use would ever count"
            )
        return self


def class_of(asset_class: str | None, stated: Mapping[str, AssetClass]) -> tuple[str, AssetClass] | None:
    """The first entry that is about a product's asset class, with its name; None when none is."""
    if not asset_class:
        return None
    for name, entry in stated.items():
        is_meant = (
            _folded(asset_class) == _folded(name)
            if entry.matches is None
            else re.search(entry.matches, asset_class, re.IGNORECASE) is not None
        )
        if is_meant:
            return name, entry
    return None


def _folded(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text.casefold()).strip("-")
