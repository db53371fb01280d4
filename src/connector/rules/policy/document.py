"""The policy document: which tickets need hardware, what may serve them, and how outages are counted.

Read by `connector.rules.policy.reading.read_policy`; how the parts fit together is judged by
`connector.rules.checks.consistency`. Every field is explained in docs/rules.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from connector.model.calendars import ALWAYS, check_time_zone, parse_hours
from connector.model.kinds import HubTier, Lane
from connector.rules.policy.approvals import Approval
from connector.rules.policy.break_glass import BreakGlass
from connector.rules.policy.channels import RedChannel
from connector.rules.policy.competition import Fairness, Holds, Preempt, Releases
from connector.rules.policy.conditions import Condition, compile_condition
from connector.rules.policy.data_quality import MinDataQuality
from connector.rules.policy.days import ClosedDates, Country, Places, SiteHolidays
from connector.rules.policy.given import PolicyTest
from connector.rules.policy.grouping import Grouping
from connector.rules.policy.ladder import PLAIN, RESERVED, Accept, Ladder, Rung, RungKind, Rungs
from connector.rules.policy.loaners import Loaner
from connector.rules.policy.missing import Missing
from connector.rules.policy.placement import AssetClass, PlacementTerms
from connector.rules.policy.replenishment import Replenishment
from connector.rules.policy.returning import Returns
from connector.rules.policy.rollouts import Rollouts
from connector.rules.policy.suppliers import Supplier
from connector.rules.policy.transport import Band, ComparisonSteps, Courier, Drive, Handling, Technician
from connector.rules.policy.values import (
    ConditionText,
    DriveKm,
    Hours,
    Lanes,
    Mode,
    Name,
    Part,
    Tiers,
    Transport,
    checked_hours,
    no_repetition,
    not_empty,
)
from connector.rules.policy.watching import Watching

__all__ = [
    "DEFAULT_RANKING",
    "Band",
    "Courier",
    "Criterion",
    "Drive",
    "Mode",
    "Policy",
    "Rule",
    "ServiceCalendar",
    "ServiceClass",
    "Sourcing",
    "Step",
]


class Criterion(StrEnum):
    """One thing that candidates are compared by; the first in which two differ decides.

    exact: the needed product before substitutes. within_sla: in time before late. probability: chance to arrive in
    time. lateness: minutes after the due time; where nothing is due, minutes from now. preference: of substitutes.
    """

    EXACT = "exact"
    WITHIN_SLA = "within_sla"
    PROBABILITY = "probability"
    LATENESS = "lateness"
    PREFERENCE = "preference"
    ARRIVAL = "arrival"
    COST = "cost"
    DISTANCE = "distance"


DEFAULT_RANKING = (
    Criterion.EXACT, Criterion.WITHIN_SLA, Criterion.PREFERENCE, Criterion.ARRIVAL, Criterion.COST,
    Criterion.DISTANCE,
)  # fmt: skip


Ranking = Annotated[
    tuple[Criterion, ...],
    Field(examples=[["within_sla", "exact", "arrival", "cost", "distance"]]),
    AfterValidator(not_empty),
    AfterValidator(no_repetition),
]


class Sourcing(Part):
    """How candidates are timed and compared. currency: ISO 4217, of all costs in this document.

    handling: by asset class, instead of the hubs' own handling minutes. steps: what counts as equal in `ranking`.
    hubs, sites: what closes them beside their hours. default_country: of sites and hubs whose address names none.
    due_tolerance_minutes: how far a ticket's due time may be from the computed one before the explanation flags it.
    ladders: by name, for rules that refer to them. suppliers: who sends units that no hub has. missing: what follows
    where facts are missing.
    """

    handling: Annotated[dict[str, Handling], Field(examples=[{"laptop": {"pick": 10, "qa": 45, "pack": 10}}])] = Field(
        default_factory=dict
    )
    drive: Drive = Drive()
    technician: Technician = Technician()
    courier: Courier
    hubs: Places = Places()
    sites: Places = Places()
    ranking: Ranking = DEFAULT_RANKING
    steps: ComparisonSteps = ComparisonSteps()
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["EUR"])] = "EUR"
    default_time_zone: Annotated[str, AfterValidator(check_time_zone), Field(examples=["Europe/Berlin"])] = "UTC"
    default_country: Country = None
    default_service_class: Annotated[str, Field(examples=["standard"])] | None = None
    due_tolerance_minutes: Annotated[int, Field(ge=0, le=525_600, examples=[15])] = 15
    ladders: Annotated[dict[Name, Rungs], Field(examples=[{"usual": ["stock", "person"]}])] = Field(
        default_factory=dict
    )
    suppliers: Annotated[
        dict[Name, Supplier], Field(examples=[{"acme-support": {"offers": ["vendor_replacement"], "lead_hours": 24}}])
    ] = Field(default_factory=dict)
    missing: Missing = Missing()


class ServiceCalendar(Part):
    """When an outage counts: `24x7` or business hours in the site's zone, without days that do not count.

    holidays: `site`, `none`, or the region whose public holidays do not count; without it those of the site, and none
    for `24x7`. closed: further dates that do not count.
    """

    hours: Hours = "24x7"
    holidays: SiteHolidays = None
    closed: ClosedDates = ()

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"hours": checked_hours(value)} if isinstance(value, str) else value


class ServiceClass(Part):
    """The longest outage that a service bears, and when it counts. calendar: its hours alone may be written as text.

    business_days: the outage ends with the close of so many of the calendar's days after the day that it began on, if
    that is sooner: 1 for the next business day.
    """

    maximum_outage_minutes: Annotated[int, Field(gt=0, le=525_600, examples=[240])]
    calendar: Annotated[ServiceCalendar, Field(examples=["24x7"])] = ServiceCalendar()
    business_days: Annotated[int, Field(ge=1, le=60, examples=[1])] | None = None

    @model_validator(mode="after")
    def _closes(self) -> Self:
        if self.business_days is not None and parse_hours(self.calendar.hours) == ALWAYS:
            raise ValueError("business_days needs a calendar that closes, such as Mon-Fri 08:00-17:00: 24x7 never does")
        return self


class Rule(Part):
    """What happens to tickets that meet a condition; the first rule whose condition holds decides.

    hardware: `replace` sources a unit, `none` says that the ticket needs none. sources: hub tiers that may serve it.
    ladder: where to look, rung by rung. same_revision_only: only units of the very revision that the device has, and no
    substitutes. split: whether several units may come from several shelves. partial: whether what is there is sent
    where not all units can be had, the rest later. transport: ways
    that a unit may travel. max_drive_km, ranking: instead of the ones under `sourcing`. hold_minutes: how long a claim
    waits to be committed before it expires. approval: one of `approvals`, which a claim waits for; that of a rung
    counts before it. kit: `swap` when the product's swap kit goes along with the device. releases: kept units that may
    be used where nothing else is in time. preempt: whether what other tickets hold may be taken, where nothing free is
    in time. loaner: a unit is lent until the replacement is there. min_data_quality: how good the data behind product
    and site must be for it to decide alone.
    """

    name: Name
    when: ConditionText
    hardware: Annotated[Literal["replace", "none"], Field(examples=["replace"])]
    lanes: Lanes = (Lane.NORMAL,)
    sources: Tiers = tuple(HubTier)
    ladder: Ladder | None = None
    allow_substitutes: bool = True
    same_revision_only: bool = False
    split: Annotated[Literal["never", "allowed"], Field(examples=["allowed"])] = "never"
    partial: Annotated[Literal["never", "allowed"], Field(examples=["allowed"])] = "never"
    transport: Transport = (Mode.DRIVE, Mode.COURIER)
    max_drive_km: DriveKm | None = None
    ranking: Ranking | None = None
    hold_minutes: Annotated[int, Field(gt=0, le=10_080, examples=[60])] = 60
    approval: Annotated[str, Field(examples=["costly-spare"])] | None = None
    kit: Annotated[Literal["none", "swap"], Field(examples=["swap"])] = "none"
    releases: Releases = ()
    preempt: Preempt | None = None
    loaner: Annotated[Loaner, Field(examples=[{"when": "service_class.name == 'critical'"}])] | None = None
    min_data_quality: Annotated[MinDataQuality, Field(examples=[{"product": 90}])] | None = None

    @model_validator(mode="after")
    def _asks_for_what_can_be(self) -> Self:
        if self.same_revision_only and self.allow_substitutes and "allow_substitutes" in self.model_fields_set:
            raise ValueError(
                "same_revision_only and allow_substitutes exclude each other: a substitute is another product, whose "
                "revisions are others; leave one of them out"
            )
        if self.same_revision_only and self.hardware == "none":
            raise ValueError("same_revision_only is for rules with hardware: replace; this one sources nothing")
        return self

    @property
    def takes_substitutes(self) -> bool:
        """Whether another product may stand in for the needed one."""
        return self.allow_substitutes and not self.same_revision_only

    @cached_property
    def condition(self) -> Condition:
        """The compiled `when`."""
        return compile_condition(self.when)


@dataclass(frozen=True, slots=True)
class Step:
    """A rung of a rule's ladder. number: from 1. rule: the rule as this rung narrows it.

    What every descent asks of it is worked out once. condition: of the rung. approval: what units of it wait for; None
    for nothing. search: what finding shelves for it depends on, beside what it releases: the same for steps that search
    alike.
    """

    number: int
    rung: Rung
    rule: Rule
    kind: RungKind = field(init=False)
    condition: Condition | None = field(init=False)
    approval: str | None = field(init=False)
    search: str = field(init=False)

    def __post_init__(self) -> None:
        """Work out what is asked again and again."""
        rung, rule = self.rung, self.rule
        known: dict[str, Any] = {
            "kind": rung.kind,
            "condition": rung.condition,
            "approval": rung.approval or (None if rung.is_terminal else rule.approval),
            "search": rule.model_dump_json(exclude=_NOT_SEARCHED),
        }
        for name, value in known.items():
            object.__setattr__(self, name, value)


_NO_STEPS: tuple[Rule | None, tuple[Step, ...]] = (None, ())
_NOT_SEARCHED = {"when", "ladder", "split", "hold_minutes", "approval", "releases", "preempt", "min_data_quality"}
"""Fields of a rule that say nothing of which shelves a search finds, or are looked at by themselves."""


class Policy(Part):
    """A whole policy. name: stated by its author; version: the name and the hash of the text, set when it is read."""

    name: Name
    rules: Annotated[
        tuple[Rule, ...],
        Field(examples=["- {name: any, when: 'true', hardware: replace}"]),
        AfterValidator(not_empty),
    ]
    sourcing: Sourcing
    service_classes: Annotated[
        dict[str, ServiceClass], Field(examples=[{"standard": {"maximum_outage_minutes": 480}}])
    ] = Field(default_factory=dict)
    asset_classes: Annotated[
        dict[Name, AssetClass], Field(examples=[{"switch": {"impact": "high", "complexity": "low", "failures": 3}}])
    ] = Field(default_factory=dict)
    placement: Annotated[PlacementTerms, Field(examples=[{"seldom_per_quarter": 1.5}])] = PlacementTerms()
    fairness: Fairness = Fairness()
    holds: Holds = Holds()
    approvals: Annotated[
        dict[Name, Approval], Field(examples=[{"costly-spare": {"roles": ["approver"], "within_minutes": 60}}])
    ] = Field(default_factory=dict)
    watching: Annotated[Watching, Field(examples=[{"act": "source", "silent_hours": 24}])] | None = None
    grouping: Annotated[Grouping, Field(examples=[{"site_event": {"devices": 3, "window_minutes": 30}}])] = Grouping()
    rollouts: Annotated[Rollouts, Field(examples=[{"wave_size": 25}])] = Rollouts()
    replenishment: Annotated[Replenishment, Field(examples=[{"rules": [{"name": "any-shelf", "act": "propose"}]}])] = (
        Replenishment()
    )
    returns: Annotated[Returns, Field(examples=[{"due_days": 14}])] | None = None
    break_glass: Annotated[BreakGlass, Field(examples=[{"approval": "break-glass"}])] | None = None
    red_channels: Annotated[
        dict[Name, RedChannel], Field(examples=[{"recall": {"roles": ["duty-manager"], "max_hours": 48}}])
    ] = Field(default_factory=dict)
    tests: Annotated[
        tuple[PolicyTest, ...],
        Field(examples=["- {name: a dead switch, given: {ticket: {priority: P1}}, expect: {rule: critical}}"]),
    ] = ()
    _version: str = PrivateAttr(default="")

    @cached_property
    def version(self) -> str:
        """For example `default@3f0c9a1b22d4`: which text decided."""
        return self._version or self.name

    def steps_of(self, rule: Rule, more: tuple[Lane, ...] = ()) -> tuple[Step, ...]:
        """The rungs of a rule's ladder, in order. more: lanes that a ticket may draw on beside those of the rule.

        One that draws on break-glass stock alone gets a last rung of normal stock, where the policy falls back to that.
        A ladder that is named and not there is for `consistency` to tell.
        """
        known, steps = self._steps.get((rule.name, more), _NO_STEPS)
        if known is not rule:
            ladder = rule.ladder
            plain = RESERVED if rule.releases else PLAIN
            rungs = self.sourcing.ladders.get(ladder, plain) if isinstance(ladder, str) else ladder or plain
            narrowed = [(rung, _narrowed(rule, rung, self.sourcing.ranking, more)) for rung in rungs]
            if self.break_glass is not None and self.break_glass.fallback == "normal" and _is_reserve_alone(narrowed):
                end = narrowed.pop()
                normal = end[1].model_copy(update={"lanes": (Lane.NORMAL,)})
                narrowed += [(Rung(kind=RungKind.STOCK), normal), end]
            steps = tuple(Step(number, *rung) for number, rung in enumerate(narrowed, 1))
            self._steps[rule.name, more] = rule, steps
        return steps

    @cached_property
    def _steps(self) -> dict[tuple[str, tuple[Lane, ...]], tuple[Rule, tuple[Step, ...]]]:
        """Steps that were asked for with their rules, by the names of these; copies of a policy share them."""
        return {}

    def lending_of(self, rule: Rule) -> Rule | None:
        """How a rule looks for the unit that it lends; None where it lends nothing."""
        if rule.loaner is None:
            return None
        found = self._lending.get(rule.name)
        if found is None:
            found = self._lending[rule.name] = _lending(rule, rule.loaner)
        return found

    @cached_property
    def _lending(self) -> dict[str, Rule]:
        """Rules as their loans are looked for, by name."""
        return {}

    def with_version(self, version: str) -> Policy:
        """The same policy, marked with the version of its text."""
        copy = self.model_copy()
        copy._version = version
        copy.__dict__.pop("version", None)
        return copy


_SOONEST = (
    Criterion.WITHIN_SLA, Criterion.ARRIVAL, Criterion.EXACT, Criterion.PREFERENCE, Criterion.COST, Criterion.DISTANCE,
)  # fmt: skip
"""How units that could be lent are compared: what matters is the time that is bridged."""


def _lending(rule: Rule, loaner: Loaner) -> Rule:
    """A rule with what its loans say in place of what it says itself."""
    stated: dict[str, Any] = {
        "lanes": loaner.lanes, "sources": loaner.sources, "transport": loaner.transport,
        "max_drive_km": loaner.max_drive_km, "allow_substitutes": loaner.allow_substitutes, "ranking": _SOONEST,
        "releases": (), "preempt": None, "ladder": None, "split": "never", "same_revision_only": False,
        "kit": "none",
    }  # fmt: skip
    return rule.model_copy(update=stated)


def _is_reserve_alone(rungs: Iterable[tuple[Rung, Rule]]) -> bool:
    """Whether a ladder draws on break-glass stock and on nothing else."""
    stocked = [rule.lanes for rung, rule in rungs if rung.kind is RungKind.STOCK]
    return bool(stocked) and all(lanes == (Lane.BREAK_GLASS,) for lanes in stocked)


def _narrowed(rule: Rule, rung: Rung, ranking: tuple[Criterion, ...], more: tuple[Lane, ...]) -> Rule:
    """A rule with what one rung says in place of what it says itself, and more lanes.

    A rung that takes only what is in time asks for that before anything else, so that its best one is in time
    whenever any of them is.
    """
    stated: dict[str, Any] = {
        "lanes": rung.lanes, "sources": rung.tiers, "transport": rung.transport, "max_drive_km": rung.max_drive_km,
        "releases": rung.releases, "preempt": rung.preempt,
    }  # fmt: skip
    if rung.accept is Accept.IN_TIME:
        others = (criterion for criterion in rule.ranking or ranking if criterion is not Criterion.WITHIN_SLA)
        stated["ranking"] = (Criterion.WITHIN_SLA, *others)
    if more:
        stated["lanes"] = tuple(dict.fromkeys((*(rung.lanes or rule.lanes), *more)))
    return rule.model_copy(update={name: value for name, value in stated.items() if value is not None})
