"""Events and parcels in the tests of a policy: what a ticket belongs to, and what was sent for it already."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from connector.model.kinds import GroupKind
from connector.model.lifecycle import GroupState, ShipmentStatus

Hours = Annotated[float, Field(ge=0, le=10_000, examples=[30])]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


class GivenGroup(_Part):
    """An event that the ticket belongs to. served: tickets of it that have a unit.

    serves, limit_units: as a person said when they confirmed it; without, what the policy says under `confirmed`.
    """

    kind: Annotated[GroupKind, Field(examples=["site_event"])]
    state: Annotated[GroupState, Field(examples=["proposed"])] = GroupState.PROPOSED
    served: Annotated[int, Field(ge=0, examples=[5])] = 0
    serves: bool | None = None
    limit_units: Annotated[int, Field(ge=0, examples=[10])] | None = None


class GivenParcel(_Part):
    """What was sent for the ticket. left_hours_ago, seen_hours_ago: when it left, and its last scan, else the same.

    usual_hours, slow_hours: what its lane takes, and its slowest parcels. expected_in_hours: as the courier says now.
    """

    status: Annotated[ShipmentStatus, Field(examples=["in_transit"])] = ShipmentStatus.IN_TRANSIT
    left_hours_ago: Hours = 0
    seen_hours_ago: Hours | None = None
    usual_hours: Hours = 24
    slow_hours: Hours = 36
    expected_in_hours: Hours | None = None
    is_reported: bool = True
