"""The sourcing ladder of a policy: the rungs that a ticket goes down, in order, until one gives it what it needs.

A rule spells its ladder out, names one under `sourcing.ladders`, or has none: then its own sources are the one rung,
and a person is asked where they have nothing. How a decision goes down is in `connector.rules.sourcing.descent`.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Self, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from connector.rules.policy.competition import Preempt, Releases
from connector.rules.policy.conditions import Condition, compile_condition
from connector.rules.policy.values import ConditionText, DriveKm, Lanes, Name, Part, Tiers, Transport, not_empty


class RungKind(StrEnum):
    """Where a rung looks. person: nowhere, somebody is asked. backorder: nowhere, the ticket waits for stock.

    vendor_replacement, purchase: at the suppliers of the policy that offer it.
    """

    STOCK = "stock"
    VENDOR_REPLACEMENT = "vendor_replacement"
    PURCHASE = "purchase"
    BACKORDER = "backorder"
    PERSON = "person"


class Accept(StrEnum):
    """What a rung takes: only what arrives until the due time, or the best whenever it arrives."""

    IN_TIME = "in_time"
    ANY = "any"


TERMINAL = frozenset({RungKind.BACKORDER, RungKind.PERSON})
"""Rungs that always have an answer, so that nothing comes after them."""
OF_SUPPLIERS = frozenset({RungKind.VENDOR_REPLACEMENT, RungKind.PURCHASE})
"""Rungs that ask the suppliers of the policy."""
_OFFERING = frozenset({RungKind.STOCK, *OF_SUPPLIERS})
_FIELDS_OF: dict[str, frozenset[RungKind]] = {
    **dict.fromkeys(
        ("tiers", "lanes", "transport", "max_drive_km", "releases", "preempt"), frozenset({RungKind.STOCK})
    ),
    "accept": _OFFERING,
    "suppliers": OF_SUPPLIERS,
    "expected_hours": frozenset({RungKind.BACKORDER}),
    "approval": _OFFERING,
}
"""Fields that not every rung has, and which have them."""


class Rung(Part):
    """One step of a ladder. A bare text stands for `{kind: TEXT}`.

    when: only tickets of which this is true. approval: a name under `approvals`, which whatever the rung gives waits
    for. accept: see `Accept`, any when left out. Of `stock` rungs: tiers, lanes, transport, max_drive_km, releases,
    preempt instead of the rule's own; releases: kept units that may be used; preempt: taking what other tickets hold,
    where nothing free is in time. Of `vendor_replacement` and `purchase`: suppliers that are asked, all when left out.
    Of `backorder`: expected_hours, what the ticket is told when nobody knows better.
    """

    kind: Annotated[RungKind, Field(examples=["stock"])]
    when: ConditionText | None = None
    approval: Annotated[str, Field(examples=["regional-approver"])] | None = None
    tiers: Tiers | None = None
    lanes: Lanes | None = None
    transport: Transport | None = None
    max_drive_km: DriveKm | None = None
    accept: Annotated[Accept, Field(examples=["in_time"])] = Accept.ANY
    releases: Releases | None = None
    preempt: Preempt | None = None
    suppliers: Annotated[tuple[Name, ...], Field(examples=[["acme-support"]]), AfterValidator(not_empty)] | None = None
    expected_hours: Annotated[float, Field(gt=0, le=24 * 365, examples=[72])] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        foreign = sorted(
            name for name in self.model_fields_set if name in _FIELDS_OF and self.kind not in _FIELDS_OF[name]
        )
        if foreign:
            others = sorted({kind.value for name in foreign for kind in _FIELDS_OF[name]})
            raise ValueError(
                f"a rung of kind {self.kind.value} has no {', '.join(foreign)}: only {', '.join(others)} have"
            )
        return self

    @cached_property
    def condition(self) -> Condition | None:
        """The compiled `when`; None where every ticket may try the rung."""
        return None if self.when is None else compile_condition(self.when)

    @property
    def is_terminal(self) -> bool:
        """Whether it always has an answer."""
        return self.kind in TERMINAL


def _has_an_end(rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    last = rungs[-1]
    if not last.is_terminal or last.when is not None:
        endings = " or ".join(sorted(kind.value for kind in TERMINAL))
        why = f"the last rung is {last.kind.value}" + (f", only when {last.when}" if last.when is not None else "")
        raise ValueError(f"is a ladder with no end: {why}; end it with {endings}, without a condition")
    return rungs


Rungs: TypeAlias = Annotated[
    tuple[Rung, ...],
    Field(examples=[["{kind: stock, accept: in_time}", "person"]]),
    AfterValidator(not_empty),
    AfterValidator(_has_an_end),
]

BY_NAME, SPELLED_OUT = "ladder by name", "ladder spelled out"


def _written(value: Any) -> str:
    return BY_NAME if isinstance(value, str) else SPELLED_OUT


Ladder: TypeAlias = Annotated[
    Annotated[Name, Tag(BY_NAME)] | Annotated[Rungs, Tag(SPELLED_OUT)], Discriminator(_written)
]
"""A ladder as a rule has it: the name of one under `sourcing.ladders`, or its rungs."""

PLAIN: tuple[Rung, ...] = (Rung(kind=RungKind.STOCK), Rung(kind=RungKind.PERSON))
"""What a rule without a ladder goes down: its own sources, then a person."""

RESERVED: tuple[Rung, ...] = (Rung(kind=RungKind.STOCK, accept=Accept.IN_TIME, releases=(), preempt=None), *PLAIN)
"""The same for a rule that releases kept units: what is kept for nothing goes first, if it is in time."""
