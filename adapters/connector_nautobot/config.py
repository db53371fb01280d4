"""Settings of a Nautobot source."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, SecretStr, model_validator

from connector.sdk import AssetState
from connector.sdk.rest import DevicesConfig

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


class NautobotConfig(DevicesConfig):
    """Settings below `[sources.NAME]` with `adapter = "nautobot"`."""

    default_states = DEFAULT_STATES

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
