"""Settings of a Karrio source."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr

from connector.sdk import HttpConfig


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{name!r} is no IANA time zone; write for example 'Europe/Berlin'") from None
    return name


class KarrioConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "karrio"`."""

    token: SecretStr = Field(description="API key of Karrio.", examples=[{"env": "KARRIO_TOKEN"}])
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret that Karrio made for the webhook; without it no webhook is accepted.",
        examples=[{"env": "KARRIO_WEBHOOK_SECRET"}],
    )
    carrier_ids: tuple[str, ...] = Field(
        default=(),
        description="Carrier connections, by their carrier_id, that may carry; empty means all.",
        examples=[["ups-eu", "dhl-express"]],
    )
    services: tuple[str, ...] = Field(
        default=(), description="Services that may be bought; empty means all.", examples=[["ups_express_saver"]]
    )
    tracking_carrier: str | None = Field(
        default=None,
        description="Karrio's name of the carrier that reports on parcels of carriers that cannot be tracked.",
        examples=["dhl_universal"],
    )
    tracking_carriers: dict[str, str] = Field(
        default_factory=dict,
        description="Carrier of the label -> Karrio's name of the carrier that reports on its parcels.",
        examples=[{"testpost": "dhl_universal"}],
    )
    tracking_time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC",
        description="Zone of scans for which the carrier tells a local time only.",
        examples=["Europe/Berlin"],
    )
    weight_unit: Literal["KG", "G", "LB", "OZ"] = Field(
        default="KG", description="Unit in which weights are declared.", examples=["KG"]
    )
    dimension_unit: Literal["CM", "IN"] = Field(
        default="CM", description="Unit in which sizes are declared.", examples=["CM"]
    )
    page_size: int = Field(default=100, ge=1, le=100, description="Trackers per request.", examples=[100])

    def headers(self) -> dict[str, str]:
        """The API key, and that JSON is wanted."""
        return {"Authorization": f"Token {self.token.get_secret_value()}", "Accept": "application/json"}

    def reporter_for(self, carrier: str) -> str:
        """Karrio's name of the carrier that reports on parcels of this one."""
        return self.tracking_carriers.get(carrier) or self.tracking_carrier or carrier
