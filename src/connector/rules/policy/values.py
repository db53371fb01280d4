"""Kinds of value that several parts of a policy document share, each checked when the document is read."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from connector.model.calendars import parse_hours
from connector.model.kinds import HubTier, Lane
from connector.rules.policy.conditions import compile_condition


class Mode(StrEnum):
    """How a unit gets from the hub to the site: brought by car, sent, or collected by a technician."""

    DRIVE = "drive"
    COURIER = "courier"
    TECHNICIAN = "technician"


class Part(BaseModel):
    """A part of a policy document: does not change, and refuses what it does not know."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


def checked_hours(text: str) -> str:
    """Refuse hours that cannot be read."""
    parse_hours(text)
    return text


def _condition(text: str) -> str:
    compile_condition(text)
    return text


def not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a list without entries."""
    if not values:
        raise ValueError("is empty: expected at least one entry")
    return values


def no_repetition(values: tuple[StrEnum, ...]) -> tuple[StrEnum, ...]:
    """Refuse a list that names something twice."""
    twice = sorted({value.value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"names {', '.join(twice)} more than once")
    return values


Hours = Annotated[str, AfterValidator(checked_hours), Field(examples=["Mon-Fri 08:00-18:00"])]
ConditionText = Annotated[str, AfterValidator(_condition), Field(examples=["ticket.priority in ['P1', 'P2']"])]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", examples=["hardware-incident"])]
Lanes = Annotated[
    tuple[Lane, ...], Field(examples=[["normal"]]), AfterValidator(not_empty), AfterValidator(no_repetition)
]
Tiers = Annotated[
    tuple[HubTier, ...],
    Field(examples=[["local", "regional"]]),
    AfterValidator(not_empty),
    AfterValidator(no_repetition),
]
Transport = Annotated[
    tuple[Mode, ...], Field(examples=[["drive", "courier"]]), AfterValidator(not_empty), AfterValidator(no_repetition)
]
DriveKm = Annotated[float, Field(ge=0, le=5_000, examples=[120])]
