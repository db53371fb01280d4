"""What the operator configures of each external system: when it is pulled, and how far it is trusted."""

from __future__ import annotations

from typing import Annotated

from croniter import croniter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from connector.model.calendars import check_time_zone


def checked_cron(text: str) -> str:
    """A cron expression; with six fields it begins with seconds. Raises ValueError for what is none."""
    if not croniter.is_valid(text, second_at_beginning=True):
        raise ValueError(f"{text!r} is no cron expression; write minute hour day month weekday")
    return text


class GuardSettings(BaseModel):
    """How much of what a source has a sync may retire or change unasked: more than both share and count stops it."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    retired_share: float = Field(
        default=0.2, ge=0, le=1, description="Share that may be retired at once.", examples=[0.2]
    )
    retired_count: int = Field(
        default=10, ge=0, description="So many may be retired whatever their share.", examples=[10]
    )
    changed_share: float = Field(
        default=0.5, ge=0, le=1, description="Share that may change at once; 1 lets everything change.", examples=[0.5]
    )
    changed_count: int = Field(
        default=100, ge=0, description="So many may change whatever their share.", examples=[100]
    )


class SourceSettings(BaseModel):
    """One external system. Keys beyond these belong to its adapter, which checks them."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="allow")

    adapter: str = Field(description="Name of the adapter.", examples=["nautobot"])
    schedule: str | None = Field(
        default="*/5 * * * *", description="When to pull, as cron; empty means by hand only.", examples=["*/5 * * * *"]
    )
    schedules: dict[str, str] = Field(
        default_factory=dict, description="Stream -> its own cron.", examples=[{"deletions": "0 * * * *"}]
    )
    full_schedule: str | None = Field(
        default=None, description="When to read everything anew, as cron; empty means never.", examples=["0 3 * * 0"]
    )
    schedule_time_zone: Annotated[str, AfterValidator(check_time_zone)] = Field(
        default="UTC", description="IANA time zone of these times.", examples=["Europe/Berlin"]
    )
    schedule_jitter_seconds: int = Field(
        default=0,
        ge=0,
        le=3_600,
        description="Pulls begin up to so much later, each time another while.",
        examples=[30],
    )
    watch_seconds: int = Field(
        default=5,
        ge=0,
        le=3_600,
        description="How often a source that can be watched, such as a directory of sheets, is looked at for changes; "
        "0 means never, and neither is one without a schedule.",
        examples=[5],
    )
    guard: GuardSettings = GuardSettings()
    webhook: bool = Field(default=True, description="Whether the system may post webhooks.", examples=[True])

    @field_validator("schedule", "full_schedule", "schedules")
    @classmethod
    def _is_cron(cls, value: str | dict[str, str] | None) -> str | dict[str, str] | None:
        for text in value.values() if isinstance(value, dict) else filter(None, [value]):
            checked_cron(text)
        return value or None if isinstance(value, str) else value

    def adapter_settings(self) -> dict[str, object]:
        """The keys that belong to the adapter."""
        return dict(self.__pydantic_extra__ or {})
