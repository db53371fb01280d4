"""The closed vocabularies of the domain as GraphQL enums."""

from enum import StrEnum

import strawberry

from connector.model.kinds import (
    ActivationKind,
    CalendarKind,
    Criticality,
    Direction,
    GroupKind,
    HubTier,
    LabelFormat,
    Lane,
    LinkKind,
    LoanReturn,
    Priority,
    ProcurementKind,
    ProductStatus,
    ReplenishmentKind,
    RolloutOutcome,
    SourceState,
    Success,
    TaskKind,
    TicketType,
    Tracking,
    Trouble,
    Verdict,
)
from connector.model.lifecycle import (
    ApprovalState,
    AssetState,
    GroupState,
    LoanState,
    ProcurementState,
    RecoveryState,
    ReplenishmentState,
    ReservationState,
    RmaState,
    RolloutLineState,
    RolloutState,
    ShipmentStatus,
    TaskState,
    TicketState,
)
from connector.model.refs import EntityKind
from connector.rules.placement.belonging import Place
from connector.rules.placement.verdict import PlacementVerdict
from connector.rules.policy.values import Mode


@strawberry.enum(description="Which way an ordering runs.")
class SortDirection(StrEnum):
    """Ascending or descending."""

    ASC = "asc"
    DESC = "desc"


@strawberry.enum(description="What happened to the thing that changed.")
class ChangeOperation(StrEnum):
    """As the change log records it."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


_NAMES = {
    GroupKind: "IncidentGroupKind",
    GroupState: "IncidentGroupState",
    Trouble: "ShipmentTrouble",
    ActivationKind: "PolicyActivationKind",
    Direction: "ShipmentDirection",
    Mode: "TransportMode",
    Place: "SparePlace",
    Success: "RolloutSuccess",
    Tracking: "StockTracking",
}

ENUMS: tuple[type[StrEnum], ...] = (
    ActivationKind,
    ApprovalState,
    AssetState,
    CalendarKind,
    Criticality,
    Direction,
    EntityKind,
    GroupKind,
    GroupState,
    HubTier,
    LabelFormat,
    Lane,
    LinkKind,
    LoanReturn,
    LoanState,
    RmaState,
    Mode,
    Place,
    PlacementVerdict,
    Priority,
    ProcurementKind,
    ProcurementState,
    ProductStatus,
    RecoveryState,
    ReplenishmentKind,
    ReplenishmentState,
    ReservationState,
    RolloutLineState,
    RolloutOutcome,
    RolloutState,
    ShipmentStatus,
    SourceState,
    Success,
    TaskKind,
    TaskState,
    TicketState,
    TicketType,
    Tracking,
    Trouble,
    Verdict,
)


def enum_name(enum: type[StrEnum]) -> str:
    """The name of the enum in the schema."""
    return _NAMES.get(enum, enum.__name__)


for _enum in ENUMS:
    strawberry.enum(_enum, name=enum_name(_enum), description=" ".join((_enum.__doc__ or "").split()))
