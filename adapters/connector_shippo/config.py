"""Settings of a Shippo source."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, PositiveInt, SecretStr

from connector.sdk import HttpConfig

API_VERSION = "2018-02-08"
LABEL_HOSTS = (
    "deliver.goshippo.com", "shippo-delivery.s3.amazonaws.com", "shippo-delivery-east.s3.amazonaws.com",
)  # fmt: skip
"""Where labels lie: Shippo's own host, and its buckets."""
CarrierToken = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
"""Shippo's short name of a carrier: `usps`, `dhl_express`."""


class ShippoConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "shippo"`."""

    base_url: HttpUrl = Field(
        default=HttpUrl("https://api.goshippo.com"),
        description="Address of Shippo's API.",
        examples=["https://api.goshippo.com"],
    )
    api_token: SecretStr = Field(
        min_length=1, description="API token; a test token buys nothing.", examples=[{"env": "SHIPPO_API_TOKEN"}]
    )
    webhook_auth: Literal["token", "hmac"] = Field(
        default="token",
        description="What webhooks prove themselves by: `?token=` in the webhook's address, or Shippo's HMAC.",
        examples=["hmac"],
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="The token, or the secret that Shippo signs with; without it no webhook is accepted.",
        examples=[{"env": "SHIPPO_WEBHOOK_SECRET"}],
    )
    carrier_accounts: tuple[str, ...] = Field(
        default=(),
        description="Carrier accounts, by their object id, that may carry; empty means all.",
        examples=[["078870331023437cb917f5187429b093"]],
    )
    services: tuple[str, ...] = Field(
        default=(),
        description="Service levels, by their token, that may be bought; empty means all.",
        examples=[["usps_priority", "ups_ground"]],
    )
    carriers: dict[str, CarrierToken] = Field(
        default_factory=dict,
        description="Carrier as it is called elsewhere -> Shippo's token, where lower case and underscores do not do.",
        examples=[{"Deutsche Post DHL": "deutsche_post"}],
    )
    usual_size_mm: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        default=None,
        description="Length, width and height of parcels whose size nobody declared; Shippo takes none without.",
        examples=[[400, 300, 200]],
    )
    pdf_type: Literal["PDF", "PDF_4x6", "PDF_4x8", "PDF_A4", "PDF_A5", "PDF_A6"] = Field(
        default="PDF_4x6", description="Paper of labels that are asked for as PDF.", examples=["PDF_A6"]
    )
    look_back: timedelta = Field(
        default=timedelta(days=7),
        gt=timedelta(0),
        description="How far back the labels are searched for one that an earlier attempt bought.",
        examples=["P7D"],
    )
    label_hosts: tuple[str, ...] = Field(
        default=LABEL_HOSTS, description="Hosts from which labels are read.", examples=[list(LABEL_HOSTS)]
    )
    page_size: int = Field(default=100, ge=1, le=100, description="Labels per request.", examples=[100])

    def headers(self) -> dict[str, str]:
        """The token, the version of the interface, and that JSON is wanted."""
        return {
            "Authorization": f"ShippoToken {self.api_token.get_secret_value()}",
            "Shippo-Api-Version": API_VERSION,
            "Accept": "application/json",
        }

    def token_of(self, carrier: str) -> str:
        """Shippo's token of a carrier, by whatever it is called."""
        return self.carriers.get(carrier) or "_".join(carrier.casefold().replace("-", " ").split())
