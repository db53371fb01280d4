"""Settings of an EasyPost source."""

from __future__ import annotations

import base64
from typing import Literal

from pydantic import Field, HttpUrl, SecretStr

from connector.sdk import HttpConfig

LABEL_HOSTS = ("easypost-files.s3.us-west-2.amazonaws.com", "easypost-files.s3-us-west-2.amazonaws.com")
"""Where labels lie. Both are in use: bought ones at the first, converted ones at the second."""


class EasyPostConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "easypost"`."""

    base_url: HttpUrl = Field(
        default=HttpUrl("https://api.easypost.com"),
        description="Address of EasyPost, without the API's path.",
        examples=["https://api.easypost.com"],
    )
    api_key: SecretStr = Field(
        min_length=1, description="API key; a test key buys nothing.", examples=[{"env": "EASYPOST_API_KEY"}]
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret that the webhook was made with; without it no webhook is accepted.",
        examples=[{"env": "EASYPOST_WEBHOOK_SECRET"}],
    )
    webhook_signature: Literal["v1", "v2"] = Field(
        default="v1",
        description="Signature that webhooks must have: `X-Hmac-Signature`, or `X-Hmac-Signature-V2` with its time.",
        examples=["v2"],
    )
    carrier_accounts: tuple[str, ...] = Field(
        default=(),
        description="Carrier accounts, by their id, that may carry; empty means all.",
        examples=[["ca_b25657e9896e4d63ac8151ac346ac41e"]],
    )
    services: tuple[str, ...] = Field(
        default=(), description="Services that may be bought; empty means all.", examples=[["GroundAdvantage"]]
    )
    tracking_carriers: dict[str, str] = Field(
        default_factory=dict,
        description="Carrier of a label from elsewhere -> EasyPost's name of it, where they differ.",
        examples=[{"dhl_express": "DHLExpress"}],
    )
    label_hosts: tuple[str, ...] = Field(
        default=LABEL_HOSTS, description="Hosts from which labels are read.", examples=[list(LABEL_HOSTS)]
    )
    page_size: int = Field(default=100, ge=1, le=100, description="Trackers per request.", examples=[100])

    def headers(self) -> dict[str, str]:
        """The API key as the name of HTTP basic authentication, without a password."""
        given = base64.b64encode(f"{self.api_key.get_secret_value()}:".encode()).decode()
        return {"Authorization": f"Basic {given}", "Accept": "application/json"}
