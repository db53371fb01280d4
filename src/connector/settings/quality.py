"""What the operator configures of data quality."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class QualitySettings(BaseModel):
    """How data quality is measured, and how long its history is kept."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    unconfirmed_days: int = Field(
        default=30,
        ge=1,
        le=3_650,
        description="Days after which a device counts as unconfirmed that no source had which could be read.",
        examples=[30],
    )
    kept_days: int = Field(
        default=400, ge=1, le=3_650, description="Days of measures that are kept for the trend.", examples=[400]
    )

    @property
    def confirmed_for(self) -> timedelta:
        """How long a source that was read confirms what it has."""
        return timedelta(days=self.unconfirmed_days)

    @property
    def kept(self) -> timedelta:
        """How long a day's measures are kept."""
        return timedelta(days=self.kept_days)
