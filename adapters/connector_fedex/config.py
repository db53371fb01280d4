"""Settings of a FedEx account."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import httpx
from pydantic import Field, HttpUrl, PositiveInt, SecretStr, StringConstraints

from connector.sdk import HttpConfig, TimeZone

SHORTEST_SECRET = 16
ServiceType = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]{3,60}$")]


class FedExConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "fedex"`."""

    base_url: HttpUrl = Field(
        default=HttpUrl("https://apis.fedex.com"),
        description="Address of the API. That of the sandbox makes labels that are not valid.",
        examples=["https://apis-sandbox.fedex.com"],
    )
    client_id: SecretStr = Field(
        description="API key of the project at developer.fedex.com.", examples=[{"env": "FEDEX_API_KEY"}]
    )
    client_secret: SecretStr = Field(description="Its secret key.", examples=[{"env": "FEDEX_SECRET_KEY"}])
    track_client_id: SecretStr | None = Field(
        default=None,
        description="API key of another project, where tracking has one of its own.",
        examples=[{"env": "FEDEX_TRACK_API_KEY"}],
    )
    track_client_secret: SecretStr | None = Field(
        default=None, description="Its secret key.", examples=[{"env": "FEDEX_TRACK_SECRET_KEY"}]
    )
    account_number: str = Field(
        pattern=r"^[0-9]{9}$", description="The account that ships and pays.", examples=["740561073"]
    )
    services: tuple[ServiceType, ...] = Field(
        default=(), description="Services that may be bought; all, if not given.", examples=[["FEDEX_GROUND"]]
    )
    account_rates: bool = Field(
        default=True, description="Offer the account's own prices, else those of the list.", examples=[True]
    )
    units: Literal["imperial", "metric"] | None = Field(
        default=None,
        description="Pounds and inches, or kilograms and centimetres; by the sender's country, if not given.",
        examples=["metric"],
    )
    time_zone: TimeZone = Field(
        default="UTC", description="IANA time zone in which the day of a shipment counts.", examples=["Europe/Berlin"]
    )
    pickup_type: Literal["USE_SCHEDULED_PICKUP", "DROPOFF_AT_FEDEX_LOCATION", "CONTACT_FEDEX_TO_SCHEDULE"] = Field(
        default="USE_SCHEDULED_PICKUP",
        description="How parcels come to FedEx, in its own words.",
        examples=["CONTACT_FEDEX_TO_SCHEDULE"],
    )
    usual_phone: str | None = Field(
        default=None,
        pattern=r"^[0-9+() -]{7,20}$",
        description="Telephone number of whoever has none: FedEx makes no label without.",
        examples=["+1 512 555 0100"],
    )
    usual_size_mm: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        default=None,
        description="Length, width and height of parcels whose size nobody declared.",
        examples=[[400, 300, 200]],
    )
    settles_after: timedelta = Field(
        default=timedelta(minutes=10),
        ge=timedelta(0),
        description="How long after a lost answer tracking surely tells whether a label was made.",
        examples=["PT10M"],
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        min_length=SHORTEST_SECRET,
        description="Security token of Advanced Integrated Visibility. Without it webhooks are refused.",
        examples=[{"env": "FEDEX_WEBHOOK_SECRET"}],
    )

    def headers(self) -> dict[str, str]:
        """What every request says; the token is added to each."""
        return {"Accept": "application/json", "x-locale": "en_US"}

    def proof(self, *, tracks: bool) -> dict[str, str]:
        """Credentials, as a token is asked for with them. tracks: those of tracking, where there are such."""
        key, secret = self.client_id, self.client_secret
        if tracks and self.track_client_id is not None and self.track_client_secret is not None:
            key, secret = self.track_client_id, self.track_client_secret
        return {"client_id": key.get_secret_value(), "client_secret": secret.get_secret_value()}

    @property
    def tokens_from(self) -> str:
        """Where tokens are given out."""
        return f"{httpx.URL(str(self.base_url)).copy_with(raw_path=b'/oauth/token')}"

    @property
    def is_test(self) -> bool:
        """Whether nothing of what is bought is valid."""
        return self.base_url.host == "apis-sandbox.fedex.com"
