"""Settings of a UPS account."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Annotated, Literal

import httpx
from pydantic import Field, HttpUrl, PositiveInt, SecretStr, StringConstraints

from connector.sdk import HttpConfig, LabelFormat, TimeZone

SHORTEST_SECRET = 16
ServiceCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{2,3}$")]


class UpsConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "ups"`."""

    base_url: HttpUrl = Field(
        default=HttpUrl("https://onlinetools.ups.com/api"),
        description="Address of the API. That of the Customer Integration Environment makes labels that are not valid.",
        examples=["https://wwwcie.ups.com/api"],
    )
    client_id: SecretStr = Field(description="Of the app that UPS knows.", examples=[{"env": "UPS_CLIENT_ID"}])
    client_secret: SecretStr = Field(description="Its secret.", examples=[{"env": "UPS_CLIENT_SECRET"}])
    account_number: str = Field(
        pattern=r"^[0-9A-Z]{6}$", description="The account that ships and pays.", examples=["A1B2C3"]
    )
    services: tuple[ServiceCode, ...] = Field(
        default=(), description="Codes of services that may be bought; all, if not given.", examples=[["03", "02"]]
    )
    negotiated_rates: bool = Field(
        default=True, description="Ask for the account's own prices, where it has some.", examples=[True]
    )
    units: Literal["imperial", "metric"] | None = Field(
        default=None,
        description="Pounds and inches, or kilograms and centimetres; by the sender's country, if not given.",
        examples=["metric"],
    )
    time_zone: TimeZone = Field(
        default="UTC", description="IANA time zone in which the day of a shipment counts.", examples=["Europe/Berlin"]
    )
    return_service: Literal["2", "3", "5", "8", "9"] = Field(
        default="9", description="UPS's code of return labels: 9 is one to print.", examples=["9"]
    )
    recovered_format: LabelFormat = Field(
        default=LabelFormat.PDF,
        description="Format of a label that is found again after its answer was lost: that of [fulfilment].",
        examples=["zpl"],
    )
    settles_after: timedelta = Field(
        default=timedelta(minutes=2),
        ge=timedelta(0),
        description="How long after a lost answer UPS surely tells whether a label was made.",
        examples=["PT2M"],
    )
    usual_size_mm: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        default=None,
        description="Length, width and height of parcels whose size nobody declared.",
        examples=[[400, 300, 200]],
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        min_length=SHORTEST_SECRET,
        description="Credential that Track Alert sends along. Without it no alerts are asked for.",
        examples=[{"env": "UPS_WEBHOOK_SECRET"}],
    )
    webhook_header: Literal["credential", "authorization", "x-api-key"] = Field(
        default="credential", description="Header in which the credential comes.", examples=["authorization"]
    )

    def headers(self) -> dict[str, str]:
        """What every request says; the token is added to each."""
        return {"Accept": "application/json", "transactionSrc": "connector"}

    def proof(self) -> str:
        """The app's credentials, as a token is asked for with them (RFC 7617)."""
        pair = f"{self.client_id.get_secret_value()}:{self.client_secret.get_secret_value()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    @property
    def tokens_from(self) -> str:
        """Where tokens are given out: beside the API, at its host."""
        return f"{httpx.URL(str(self.base_url)).copy_with(raw_path=b'/security/v1/oauth/token')}"

    @property
    def is_test(self) -> bool:
        """Whether nothing of what is bought is valid."""
        return self.base_url.host == "wwwcie.ups.com"
