"""Settings that every adapter has; the hub reads them from `[sources.NAME]` of connector.toml."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, PositiveInt

from connector.model.calendars import check_time_zone
from connector.sdk.trust import check_bundle

TimeZone = Annotated[str, AfterValidator(check_time_zone)]
"""A name of the IANA database."""


class AdapterConfig(BaseModel):
    """Base of every adapter's settings: one instance per configured source.

    Secrets are `SecretStr`; every field has a description and an example.
    An adapter that talks to a server derives from `HttpConfig`.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    timeout: timedelta = Field(
        default=timedelta(seconds=30), description="Longest wait for one answer.", examples=["PT30S"]
    )
    deadline: timedelta = Field(
        default=timedelta(minutes=5),
        gt=timedelta(0),
        description="Longest time that one answer may take in all, however steadily it comes; at least `timeout`.",
        examples=["PT5M"],
    )
    ca_bundle: Annotated[Path, AfterValidator(check_bundle)] | None = Field(
        default=None,
        description="File of PEM certificates of authorities that are trusted beside the known ones, for a system "
        "whose certificate is signed by the company itself.",
        examples=["/etc/ssl/company-ca.pem"],
    )
    max_concurrency: PositiveInt = Field(
        default=4, description="Requests under way at the same time, at most.", examples=[4]
    )
    requests_per_minute: PositiveInt | None = Field(
        default=None, description="Requests a minute, at most; empty means no limit.", examples=[120]
    )

    def headers(self) -> dict[str, str]:
        """Headers of every request, credentials included."""
        return {}

    def server(self) -> str | None:
        """Base address of every request; None when the adapter talks to no server."""
        return None


class HttpConfig(AdapterConfig):
    """Settings of an adapter that talks to a server."""

    base_url: HttpUrl = Field(
        description="Address of the system, without the API's path.", examples=["https://cmdb.example.com"]
    )

    def server(self) -> str | None:
        """Its address."""
        return str(self.base_url)
