"""Settings of a Snipe-IT source, and what its status labels mean."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PositiveInt, SecretStr, model_validator

from connector.sdk import AssetState, HttpConfig, TimeZone
from connector.sdk.rest import Points
from connector.sdk.rest.config import OUT_OF_USE

LABELS: dict[str, AssetState] = {
    "out for diagnostics": AssetState.INSPECTION,
    "out for repair": AssetState.REPAIR,
    "broken - not fixable": AssetState.RETIRED,
    "lost/stolen": AssetState.LOST,
}
"""What the labels mean that Snipe-IT comes with, as far as their type does not say it; names in lower case."""

TYPES: dict[str, AssetState] = {
    "deployable": AssetState.IN_STOCK,
    "pending": AssetState.INSPECTION,
    "undeployable": AssetState.QUARANTINED,
    "archived": AssetState.RETIRED,
}
"""What a label means by its type, where nobody is in possession of the device."""


class SnipeItConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "snipe_it"`."""

    token: SecretStr = Field(
        min_length=1, description="Personal access token of the hub's user.", examples=[{"env": "SNIPE_IT_TOKEN"}]
    )
    time_zone: TimeZone = Field(
        default="UTC",
        description="APP_TIMEZONE of the Snipe-IT server: its times state no zone.",
        examples=["Europe/Berlin"],
    )
    requests_per_minute: PositiveInt | None = Field(
        default=100,
        description="Requests a minute, at most; Snipe-IT allows a user 120 unless API_THROTTLE_PER_MINUTE says more.",
        examples=[100],
    )
    page_size: int = Field(
        default=500, ge=2, le=500, description="Rows per request; MAX_RESULTS may be less.", examples=[500]
    )
    hub_locations: tuple[str, ...] = Field(
        default=(),
        description="Locations, by name or id, that are hubs; what is below one belongs to it.",
        examples=[["Depot Hamburg", "17"]],
    )
    sites: Literal["every", "top"] = Field(
        default="every",
        description="Which other locations are sites: every one, or those without a parent, with all that is below.",
        examples=["top"],
    )
    points: Points = Field(
        default_factory=dict,
        description="Latitude and longitude by name or id of a location, since Snipe-IT keeps none.",
        examples=[{"Depot Hamburg": [53.55, 10.0]}],
    )
    states: dict[str, AssetState] = Field(
        default_factory=dict,
        description="State of a device by the name of its status label, before what the label's type means.",
        examples=[{"Awaiting collection": "return_pending"}],
    )
    custom_fields: dict[str, str] = Field(
        default_factory=dict,
        description="Name of the custom field over there by the name that the adapter looks for.",
        examples=[{"revision": "Hardware revision"}],
    )
    write_back: bool = Field(
        default=False,
        description="Whether the hub may change assets after a swap; the token's user must be allowed to.",
        examples=[True],
    )
    in_use_status: str = Field(
        default="Ready to Deploy",
        min_length=1,
        description="Label, of type deployable, that a device gets when it is checked out in place of a failed one.",
        examples=["Ready to Deploy"],
    )
    failed_status: str = Field(
        default="Out for Diagnostics",
        min_length=1,
        description="Label that a failed device gets whose replacement has a record of its own.",
        examples=["Awaiting collection"],
    )

    @model_validator(mode="after")
    def _label_of_the_failed_says_what_is_meant(self) -> Self:
        meant = self.named_state(self.failed_status)
        if self.write_back and meant is not None and meant not in OUT_OF_USE:
            raise ValueError(
                f"failed_status {self.failed_status!r} means {meant.value} by `states`, expected one of "
                f"{', '.join(sorted(state.value for state in OUT_OF_USE))}"
            )
        return self

    def headers(self) -> dict[str, str]:
        """The token, and that JSON is wanted: without that a login page is the answer to a wrong token."""
        return {"Authorization": f"Bearer {self.token.get_secret_value()}", "Accept": "application/json"}

    def named_state(self, label: str) -> AssetState | None:
        """What a label means by its name; None where its type says it."""
        name = label.strip().casefold()
        own = {theirs.strip().casefold(): state for theirs, state in self.states.items()}
        return own.get(name, LABELS.get(name))

    def custom_field(self, name: str) -> str:
        """Name over there of the custom field that is called `name` here."""
        return self.custom_fields.get(name, name)
