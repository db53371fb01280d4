"""How a policy says what ways a unit may travel, how long each takes, and what it costs.

Part of the policy document (`connector.rules.policy.document`). Every field is explained in docs/rules.md.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from connector.model.calendars import parse_time_of_day
from connector.model.kinds import HubTier, LaneScope
from connector.rules.policy.days import ClosedDates, LocalHolidays
from connector.rules.policy.values import Hours, Part, no_repetition, not_empty

Latitude = Annotated[float, Field(ge=-90, le=90, examples=[52.5])]
Longitude = Annotated[float, Field(ge=-180, le=180, examples=[13.4])]
Minutes = Annotated[int, Field(ge=0, le=10_080, examples=[15])]


def _times(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        parse_time_of_day(text)
    return texts


CutOffs = Annotated[tuple[str, ...], Field(examples=[["17:00"]]), AfterValidator(not_empty), AfterValidator(_times)]


class Handling(Part):
    """Minutes that each step before the departure takes, in opening hours: pick, check (QA), pack."""

    pick: Minutes = 0
    qa: Minutes = 0
    pack: Minutes = 0


class Drive(Part):
    """Bringing a unit by car: the hub's driver, or an engineer with a trunk stock.

    Road distance is the great circle times `detour_factor`, unless a provider measured the way; cost counts the way
    there and back (of an engineer, there). spread_percent: how much longer or shorter than estimated a drive may
    take, each in between as likely.
    """

    detour_factor: Annotated[float, Field(ge=1, le=5, examples=[1.3])] = 1.3
    speed_kmh: Annotated[float, Field(gt=0, le=300, examples=[60])] = 60
    max_drive_km: Annotated[float, Field(ge=0, le=5_000, examples=[120])] = 120
    cost_cents_per_km: Annotated[int, Field(ge=0, examples=[60])] = 60
    spread_percent: Annotated[int, Field(ge=0, le=90, examples=[25])] = 0


class Base(Part):
    """Where technicians set out."""

    name: Annotated[str, Field(min_length=1, examples=["Service centre Spandau"])]
    latitude: Latitude
    longitude: Longitude


class Technician(Part):
    """Collecting a unit at the hub: a technician drives there, and with it to the site.

    bases: where they set out, the one nearest to the site counts; without any, the site. notice_minutes: from the
    decision until one sets out, in `hours` (of the site's time zone). max_drive_km: road, both ways together. Speed,
    detour and spread are those of `drive`.
    """

    bases: tuple[Base, ...] = ()
    notice_minutes: Annotated[int, Field(ge=0, le=10_080, examples=[30])] = 0
    hours: Hours = "24x7"
    max_drive_km: Annotated[float, Field(ge=0, le=5_000, examples=[240])] = 240
    cost_cents_per_km: Annotated[int, Field(ge=0, examples=[60])] = 60


class Band(Part):
    """Courier transit up to a great-circle distance. within_km: None in the last band, which has no end."""

    within_km: Annotated[float, Field(gt=0, examples=[300])] | None = None
    hours: Annotated[float, Field(gt=0, le=24 * 60, examples=[24])]
    cost_cents: Annotated[int, Field(ge=0, examples=[4500])] = 0


class Courier(Part):
    """Sending a unit by parcel. delivery_hours: when couriers hand over, in the site's time zone.

    holidays, closed: when they neither collect (days of the hub) nor deliver (days of the site); without holidays,
    those of the place, or none when they deliver `24x7`.
    cut_offs: by tier, local times at which the van leaves hubs that state none; a tier that is left out has no van.
    transit: by distance, where nothing better is known. quote_days: how long a courier's offer for a lane counts; 0
    means never. minimum_history: deliveries that a lane needs before they count instead; history: which ones may,
    the nearest first; estimate: which of their quantiles an arrival is planned with.
    """

    delivery_hours: Hours = "Mon-Sat 08:00-18:00"
    holidays: LocalHolidays = None
    closed: ClosedDates = ()
    cut_offs: Annotated[dict[HubTier, CutOffs], Field(examples=[{"regional": ["17:00"]}])] = Field(default_factory=dict)
    transit: Annotated[
        tuple[Band, ...], Field(examples=[[{"hours": 24, "cost_cents": 3000}]]), AfterValidator(not_empty)
    ]
    quote_days: Annotated[int, Field(ge=0, le=365, examples=[30])] = 30
    minimum_history: Annotated[int, Field(ge=1, le=100, examples=[8])] = 8
    history: Annotated[tuple[LaneScope, ...], Field(examples=[["site", "region"]]), AfterValidator(no_repetition)] = (
        LaneScope.SITE,
        LaneScope.REGION,
    )
    estimate: Annotated[Literal["p10", "p50", "p90", "p95"], Field(examples=["p50"])] = "p50"

    def cut_offs_of(self, tier: HubTier | None) -> tuple[int, ...]:
        """Minutes after midnight at which the van leaves a hub of that tier that states none; None: it states some."""
        texts = self.cut_offs.get(tier, ()) if tier is not None else ()
        return tuple(sorted({parse_time_of_day(text) for text in texts}))

    def band(self, distance_km: float) -> Band:
        """The band of transit that a great-circle distance lies in."""
        return next(band for band in self.transit if band.within_km is None or distance_km <= band.within_km)

    @property
    def estimate_share(self) -> float:
        """The share of deliveries that the planned transit is not exceeded by."""
        return int(self.estimate[1:]) / 100

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        ends = [band.within_km for band in self.transit]
        if ends[-1] is not None or None in ends[:-1]:
            raise ValueError("the last band, and only that, has no within_km: it serves every distance beyond")
        bounds = [end for end in ends if end is not None]
        if bounds != sorted(set(bounds)):
            raise ValueError("within_km must grow from band to band")
        return self


class ComparisonSteps(Part):
    """How far apart two candidates must be for a criterion to tell them apart: values in the same step are equal.

    So the criteria that come after it decide between what is nearly the same: the greater a step, the less its
    criterion weighs.
    """

    probability_percent: Annotated[int, Field(ge=1, le=50, examples=[5])] = 5
    arrival_minutes: Annotated[int, Field(ge=1, le=10_080, examples=[30])] = 1
    cost_cents: Annotated[int, Field(ge=1, le=1_000_000, examples=[500])] = 1
    distance_km: Annotated[float, Field(ge=0, le=1_000, examples=[10])] = 0
