"""Settings of a DHL Express account, and of tracking."""

from __future__ import annotations

import base64
from datetime import time
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, PositiveInt, SecretStr, StringConstraints

from connector.sdk import HttpConfig, TimeZone

SHORTEST_SECRET = 16
INTERFACE = "3.1.0"
"""What MyDHL API is told in `x-version`, as its description demands."""
Code = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,6}$")]


class DhlConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "dhl"`."""

    base_url: HttpUrl = Field(
        default=HttpUrl("https://express.api.dhl.com/mydhlapi"),
        description="Address of MyDHL API. That of the test environment makes labels that are not valid.",
        examples=["https://express.api.dhl.com/mydhlapi/test"],
    )
    api_key: SecretStr = Field(
        description="API key of the app at developer.dhl.com, with DHL Express - MyDHL API.",
        examples=[{"env": "MYDHL_API_KEY"}],
    )
    api_secret: SecretStr = Field(description="Its secret.", examples=[{"env": "MYDHL_API_SECRET"}])
    account_number: str = Field(
        pattern=r"^[0-9]{7,12}$", description="The account that ships and pays.", examples=["123456789"]
    )
    return_account_number: str | None = Field(
        default=None,
        pattern=r"^[0-9]{7,12}$",
        description="The account that pays for returns, where DHL has given one of its own for imports.",
        examples=["953456789"],
    )
    services: tuple[Code, ...] = Field(
        default=(), description="Product codes that may be bought; all, if not given.", examples=[["N", "U", "W"]]
    )
    return_services: tuple[Code, ...] = Field(
        default=(),
        description="Codes of value added services of returns: PT keeps their labels valid for three months.",
        examples=[["PT"]],
    )
    units: Literal["imperial", "metric"] | None = Field(
        default=None,
        description="Pounds and inches, or kilograms and centimetres; by the sender's country, if not given.",
        examples=["metric"],
    )
    time_zone: TimeZone = Field(
        default="UTC", description="IANA time zone of `ready_at`, that of the hubs.", examples=["Europe/Berlin"]
    )
    ready_at: time = Field(
        default=time(17),
        description="When parcels of a working day are given to DHL; later ones are those of the next.",
        examples=["17:00"],
    )
    label_template: str = Field(
        default="ECOM26_84_001",
        pattern=r"^[A-Z0-9_]{1,25}$",
        description="DHL's template of labels; by default 8 by 4 inches.",
        examples=["ECOM26_A6_002"],
    )
    usual_phone: str | None = Field(
        default=None,
        pattern=r"^[0-9+() -]{7,20}$",
        description="Telephone number of whoever has none: DHL makes no label without.",
        examples=["+49 30 555 0100"],
    )
    usual_size_mm: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        default=None,
        description="Length, width and height of parcels whose size nobody declared.",
        examples=[[400, 300, 200]],
    )
    tracking_url: HttpUrl = Field(
        default=HttpUrl("https://api-eu.dhl.com"),
        description="Address of Shipment Tracking - Unified.",
        examples=["https://api-test.dhl.com"],
    )
    tracking_key: SecretStr | None = Field(
        default=None,
        description="API key of the app with Shipment Tracking - Unified: it tells of parcels that are not of Express.",
        examples=[{"env": "DHL_TRACKING_KEY"}],
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        min_length=SHORTEST_SECRET,
        description="Token that pushes are to carry. Without it they are refused.",
        examples=[{"env": "DHL_PUSH_TOKEN"}],
    )
    webhook_header: str = Field(
        default="x-dhl-push-token",
        pattern=r"^[a-z][a-z0-9-]{2,60}$",
        description="Header in which pushes carry it, as the subscription says.",
        examples=["x-dhl-push-token"],
    )

    def headers(self) -> dict[str, str]:
        """What every request to MyDHL API says."""
        pair = f"{self.api_key.get_secret_value()}:{self.api_secret.get_secret_value()}"
        proof = base64.b64encode(pair.encode()).decode()
        return {"Accept": "application/json", "Authorization": f"Basic {proof}", "x-version": INTERFACE}

    @property
    def is_test(self) -> bool:
        """Whether nothing of what is bought is valid."""
        return self.base_url.host == "api-mock.dhl.com" or (self.base_url.path or "").rstrip("/").endswith("/test")
