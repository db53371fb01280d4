"""Settings of a NetBox source."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, SecretStr

from connector.sdk import AssetState
from connector.sdk.rest import DevicesConfig

DEFAULT_STATES: dict[str, AssetState] = {
    "active": AssetState.DEPLOYED,
    "offline": AssetState.DEPLOYED,
    "planned": AssetState.ORDERED,
    "staged": AssetState.ORDERED,
    "inventory": AssetState.IN_STOCK,
    "failed": AssetState.QUARANTINED,
    "decommissioning": AssetState.RETURN_PENDING,
    "decommissioned": AssetState.RETIRED,
    "retired": AssetState.RETIRED,
}
"""What the values of NetBox's own statuses of devices mean, and of two that FIELD_CHOICES often adds."""

V2_PREFIX = "nbt_"
"""What a token of version 2 begins with; one of version 1 is hexadecimal."""


class NetBoxConfig(DevicesConfig):
    """Settings below `[sources.NAME]` with `adapter = "netbox"`."""

    default_states = DEFAULT_STATES

    timeout: timedelta = Field(
        default=timedelta(seconds=60),
        description="Longest wait for one answer.",
        examples=["PT60S"],
    )
    token: SecretStr = Field(
        description="API token, of version 2 (`nbt_KEY.TOKEN`) or 1, of a user that may view sites, regions, "
        "locations, device types, manufacturers, devices and object changes; with write_back also change devices.",
        examples=[{"env": "NETBOX_TOKEN"}],
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret of the webhook in NetBox; without it no webhook is accepted.",
        examples=[{"env": "NETBOX_WEBHOOK_SECRET"}],
    )
    hub_tags: tuple[str, ...] = Field(
        default=(),
        description="Tags, by slug, that make a site a hub, or a location: what is below that belongs to it.",
        examples=[["spare-hub"]],
    )
    hub_site_groups: tuple[str, ...] = Field(
        default=(),
        description="Site groups, by slug, whose sites are hubs, those of groups below them included.",
        examples=[["depots"]],
    )
    in_use_status: str = Field(
        default="active",
        description="Status, by value, that a device gets when it was put in place of a failed one.",
        examples=["active"],
    )
    failed_status: str = Field(
        default="decommissioning",
        description="Status, by value, that a failed device gets whose replacement has a record of its own.",
        examples=["decommissioning"],
    )

    def headers(self) -> dict[str, str]:
        """The token in the form of its version, and that JSON is wanted."""
        token = self.token.get_secret_value()
        scheme = "Bearer" if token.startswith(V2_PREFIX) else "Token"
        return {"Authorization": f"{scheme} {token}", "Accept": "application/json"}
