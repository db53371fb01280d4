"""Settings that adapters of lists of devices share."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from connector.model.lifecycle import AssetState
from connector.sdk.config import HttpConfig

OUT_OF_USE = frozenset(
    {AssetState.RETURN_PENDING, AssetState.QUARANTINED, AssetState.INSPECTION, AssetState.REPAIR,
     AssetState.VENDOR_RETURN, AssetState.RETIRED}
)  # fmt: skip
"""What the status of a failed device may mean."""


def _on_earth(points: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    for name, (latitude, longitude) in points.items():
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            raise ValueError(f"{name!r}: latitude and longitude are wanted, in this order")
    return points


Points: TypeAlias = Annotated[dict[str, tuple[float, float]], AfterValidator(_on_earth)]
"""Latitude and longitude by name of a place, for systems that keep none."""


class SwapsConfig(HttpConfig):
    """Settings of a source of devices that may be told of swaps."""

    default_states: ClassVar[dict[str, AssetState]] = {}
    """What the statuses mean that such a system comes with; names in lower case."""

    states: dict[str, AssetState] = Field(
        default_factory=dict,
        description="State of a device by its status, beside and before the defaults.",
        examples=[{"Burn-in": "inspection"}],
    )

    write_back: bool = Field(
        default=False,
        description="Whether the hub may change devices after a swap; the token must allow it.",
        examples=[True],
    )
    in_use_status: str = Field(
        default="Active",
        description="Status that a device gets when it was put in place of a failed one.",
        examples=["Active"],
    )
    failed_status: str = Field(
        default="Decommissioning",
        description="Status that a failed device gets whose replacement has a record of its own.",
        examples=["Decommissioning"],
    )

    @model_validator(mode="after")
    def _statuses_that_are_written_say_what_is_meant(self) -> Self:
        if not self.write_back:
            return self
        in_use = self.asset_states().get(self.in_use_status.casefold())
        if in_use is not AssetState.DEPLOYED:
            raise ValueError(f"in_use_status {self.in_use_status!r} must mean deployed here: add it to states")
        failed = self.asset_states().get(self.failed_status.casefold())
        if failed not in OUT_OF_USE:
            meant = ", ".join(sorted(state.value for state in OUT_OF_USE))
            raise ValueError(f"failed_status {self.failed_status!r} must mean one of {meant} here: add it to states")
        return self

    def asset_states(self) -> dict[str, AssetState]:
        """State by status, in lower case."""
        return self.default_states | {name.casefold(): state for name, state in self.states.items()}

    def custom_field(self, name: str) -> str:
        """Key over there of the custom field that is called `name` here."""
        return name


class DevicesConfig(SwapsConfig):
    """Settings of a source that lists devices with custom fields, posts webhooks, and may be told of swaps."""

    webhook_max_age: timedelta = Field(
        default=timedelta(minutes=15),
        description="A webhook whose time is further away than this is refused.",
        examples=["PT15M"],
    )
    page_size: int = Field(
        default=500, ge=1, le=500, description="Rows per request; 200 to 500 serves best.", examples=[500]
    )
    custom_fields: dict[str, str] = Field(
        default_factory=dict,
        description="Key of the custom field over there by the name that the adapter looks for.",
        examples=[{"hub_tier": "depot_level"}],
    )

    def custom_field(self, name: str) -> str:
        """Key over there of the custom field that is called `name` here."""
        return self.custom_fields.get(name, name)
