"""Settings of a Nautobot source."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, SecretStr, model_validator

from connector.sdk import AssetState, HttpConfig

DEFAULT_STATES: dict[str, AssetState] = {
    "active": AssetState.DEPLOYED,
    "offline": AssetState.DEPLOYED,
    "maintenance": AssetState.DEPLOYED,
    "planned": AssetState.ORDERED,
    "staged": AssetState.ORDERED,
    "inventory": AssetState.IN_STOCK,
    "available": AssetState.IN_STOCK,
    "failed": AssetState.QUARANTINED,
    "decommissioning": AssetState.RETURN_PENDING,
    "decommissioned": AssetState.RETIRED,
    "retired": AssetState.RETIRED,
}
"""What Nautobot's own statuses, and some that are often added, mean for a device; names in lower case."""

OUT_OF_USE = frozenset(
    {AssetState.RETURN_PENDING, AssetState.QUARANTINED, AssetState.INSPECTION, AssetState.REPAIR,
     AssetState.VENDOR_RETURN, AssetState.RETIRED}
)  # fmt: skip
"""What the status of a failed device may mean."""


class NautobotConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "nautobot"`."""

    timeout: timedelta = Field(
        default=timedelta(seconds=60),
        description="Longest wait for one answer; Nautobot needs 3 to 5 s for 1,000 rows.",
        examples=["PT60S"],
    )
    token: SecretStr = Field(
        description="API token of a user that may view locations, device types, devices and the change log; with "
        "write_back also change devices.",
        examples=[{"env": "NAUTOBOT_TOKEN"}],
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret of the webhook in Nautobot; without it no webhook is accepted.",
        examples=[{"env": "NAUTOBOT_WEBHOOK_SECRET"}],
    )
    webhook_max_age: timedelta = Field(
        default=timedelta(minutes=15),
        description="A webhook whose time is further away than this is refused.",
        examples=["PT15M"],
    )
    page_size: int = Field(
        default=500, ge=1, le=500, description="Rows per request; 200 to 500 serves best.", examples=[500]
    )
    hub_location_types: tuple[str, ...] = Field(
        default=("Hub",),
        description="Location types whose locations are hubs; what is below one belongs to it.",
        examples=[["Hub", "Depot"]],
    )
    region_location_types: tuple[str, ...] = Field(
        default=("Region",),
        description="Location types that only group: their name becomes the region of what is below.",
        examples=[["Region", "Country"]],
    )
    site_location_types: tuple[str, ...] = Field(
        default=(),
        description="Location types whose locations are sites; what is below one belongs to it. "
        "Empty: every type that is neither hub nor region.",
        examples=[["Site", "Branch"]],
    )
    states: dict[str, AssetState] = Field(
        default_factory=dict,
        description="State of a device by the name of its status, beside and before the defaults.",
        examples=[{"Burn-in": "inspection"}],
    )
    custom_fields: dict[str, str] = Field(
        default_factory=dict,
        description="Key of the custom field in Nautobot by the name that the adapter looks for.",
        examples=[{"hub_tier": "depot_level"}],
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
    def _statuses_that_are_written_say_what_is_meant(self) -> NautobotConfig:
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

    @model_validator(mode="after")
    def _one_meaning_per_type(self) -> NautobotConfig:
        groups = (self.hub_location_types, self.region_location_types, self.site_location_types)
        names = [name.casefold() for group in groups for name in set(group)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"location type {twice[0]!r} is given more than one meaning: hub, region or site")
        return self

    def headers(self) -> dict[str, str]:
        """The token, and that JSON is wanted."""
        return {"Authorization": f"Token {self.token.get_secret_value()}", "Accept": "application/json"}

    def asset_states(self) -> dict[str, AssetState]:
        """State by status name, in lower case."""
        return DEFAULT_STATES | {name.casefold(): state for name, state in self.states.items()}

    def custom_field(self, name: str) -> str:
        """Key in Nautobot of the custom field that is called `name` here."""
        return self.custom_fields.get(name, name)
