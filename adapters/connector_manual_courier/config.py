"""Settings of a courier without a vendor: its tariff, its book, and how people report."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, field_validator

from connector.sdk import AdapterConfig, TimeZone

Price = Annotated[Decimal, Field(ge=0, le=1_000_000)]
Weekday = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
WEEKDAYS: tuple[Weekday, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHORTEST_SECRET = 16


class Service(BaseModel):
    """One line of the tariff. Prices are per parcel, per begun kilometre of road and per begun kilogram."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=60, description="What it is called.", examples=["same day"])
    base: Price = Field(default=Decimal(0), description="Price of a parcel.", examples=["12.50"])
    per_km: Price = Field(default=Decimal(0), description="Price of a begun kilometre of road.", examples=["0.80"])
    per_kg: Price = Field(default=Decimal(0), description="Price of a begun kilogram.", examples=["0.40"])
    minimum: Price = Field(default=Decimal(0), description="The least that a parcel costs.", examples=["20"])
    transit_hours: float = Field(gt=0, le=24 * 60, description="From departure to delivery.", examples=[4])
    days: tuple[Weekday, ...] = Field(
        default=WEEKDAYS[:5], min_length=1, description="Days on which it departs.", examples=[["Mon", "Wed", "Fri"]]
    )
    opens: time = Field(default=time(8), description="Nothing departs earlier in a day.", examples=["08:00"])
    cut_off: time = Field(
        default=time(16), description="What is ordered later departs on its next day.", examples=["14:00"]
    )
    max_km: float | None = Field(default=None, gt=0, description="The longest road that it serves.", examples=[150])
    max_kg: float | None = Field(default=None, gt=0, description="The heaviest parcel.", examples=[30])

    @property
    def needs_distance(self) -> bool:
        """Whether it cannot be offered where nobody knows how far it is."""
        return self.per_km > 0 or self.max_km is not None

    @field_validator("opens", "cut_off")
    @classmethod
    def _is_of_the_zone(cls, at: time) -> time:
        if at.tzinfo is not None:
            raise ValueError("a time of day is in the time_zone of the source: leave its own zone out")
        return at


class ManualCourierConfig(AdapterConfig):
    """Settings below `[sources.NAME]` with `adapter = "manual_courier"`."""

    book: Path = Field(
        description="Directory in which its parcels are kept; all processes of the hub must see the same one.",
        examples=["van-book"],
    )
    carrier: str = Field(
        min_length=1, max_length=60, description="What it is called on labels and offers.", examples=["Van Berlin"]
    )
    services: tuple[Service, ...] = Field(
        min_length=1,
        description="The tariff.",
        examples=[[{"name": "same day", "base": "12.50", "per_km": "0.80", "transit_hours": 4, "cut_off": "14:00"}]],
    )
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code of all prices.", examples=["EUR"])
    time_zone: TimeZone = Field(description="IANA time zone of hours and days.", examples=["Europe/Berlin"])
    closed_on: tuple[date, ...] = Field(
        default=(), description="Days on which nothing departs.", examples=[["2026-12-25", "2026-12-26"]]
    )
    detour_factor: float = Field(
        default=1.3, ge=1, le=5, description="Length of roads over the great circle.", examples=[1.3]
    )
    prefix: str = Field(
        default="MC",
        pattern=r"^[A-Z]{1,4}$",
        description="Letters that its tracking numbers begin with; leave them as they are while parcels are under way.",
        examples=["VAN"],
    )
    report_secret: SecretStr | None = Field(
        default=None,
        min_length=SHORTEST_SECRET,
        description="What proves that a report comes from a label. Without it nobody can report by link.",
        examples=[{"env": "VAN_REPORT_SECRET"}],
    )
    report_address: HttpUrl | None = Field(
        default=None,
        description="Address of this source's webhooks, as phones reach it; it is in the code on the labels.",
        examples=["https://connector.example.com/webhooks/van"],
    )
    dots_per_mm: Literal[8, 12, 24] = Field(
        default=8, description="Of the printer that prints ZPL: 8 is 203 dpi, 12 is 300 dpi.", examples=[12]
    )

    @field_validator("services")
    @classmethod
    def _have_names_of_their_own(cls, services: tuple[Service, ...]) -> tuple[Service, ...]:
        names = [service.name for service in services]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two services are called {twice[0]!r}")
        return services

    @property
    def zone(self) -> ZoneInfo:
        """Of hours and days."""
        return ZoneInfo(self.time_zone)

    @property
    def proof_secret(self) -> str | None:
        """What proofs of links are made with."""
        return self.report_secret.get_secret_value() if self.report_secret is not None else None
