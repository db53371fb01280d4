"""The closed vocabularies of the domain as GraphQL enums."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from connector.api.schema.vocabulary import VOCABULARY
from connector.model.kinds import (
    ActivationKind,
    Direction,
    GroupKind,
    PlanState,
    RunOutcome,
    Success,
    SuggestionState,
    Tracking,
    Trouble,
)
from connector.model.lifecycle import GroupState
from connector.model.quality import QualityDimension, QualityMeasure
from connector.rules.placement.belonging import Place
from connector.rules.policy.values import Mode

_NAMES = {
    GroupKind: "IncidentGroupKind",
    GroupState: "IncidentGroupState",
    Trouble: "ShipmentTrouble",
    ActivationKind: "PolicyActivationKind",
    Direction: "ShipmentDirection",
    Mode: "TransportMode",
    Place: "SparePlace",
    PlanState: "SyncPlanState",
    QualityDimension: "DataQualityDimension",
    QualityMeasure: "DataQualityMeasure",
    RunOutcome: "SyncOutcome",
    Success: "RolloutSuccess",
    SuggestionState: "AliasSuggestionState",
    Tracking: "StockTracking",
}

EnumT = TypeVar("EnumT", bound=type[StrEnum])


def enum_name(enum: type[StrEnum]) -> str:
    """The name of the enum in the schema."""
    return _NAMES.get(enum, enum.__name__)


def described(description: str, values: Mapping[str, str]) -> Callable[[EnumT], EnumT]:
    """Makes an enum one of the schema. values: the name of each of its values -> what it means.

    Raises KeyError for an enum with a value of which nothing is said.
    """

    def made(enum: EnumT) -> EnumT:
        strawberry.enum(enum, name=enum_name(enum), description=description)
        definition: StrawberryEnumDefinition = enum.__strawberry_definition__  # type: ignore[attr-defined]
        for value in definition.values:
            value.description = values[value.name]
        return enum

    return made


@described(
    "Which way an ordering runs.",
    {"ASC": "From the smallest, or the earliest, upwards.", "DESC": "From the largest, or the latest, downwards."},
)
class SortDirection(StrEnum):
    """Ascending or descending."""

    ASC = "asc"
    DESC = "desc"


@described(
    "What happened to the thing that changed.",
    {
        "CREATED": "The hub knows it from now on.",
        "UPDATED": "Some of its fields have other values now.",
        "DELETED": "The hub does not keep it any more.",
    },
)
class ChangeOperation(StrEnum):
    """As the change log records it."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


for _enum, _values in VOCABULARY.items():
    described(" ".join((_enum.__doc__ or "").split()), _values)(_enum)
