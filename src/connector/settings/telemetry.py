"""What the operator configures of how the hub is watched."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TelemetrySettings(BaseModel):
    """Who may read the metrics."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    metrics: Literal["guarded", "open", "off"] = Field(
        default="guarded",
        description="Who reads /metrics: this machine and whoever shows a token, everybody, or nobody.",
        examples=["guarded"],
    )
    ready_lag_seconds: float = Field(
        default=300,
        gt=0,
        le=86_400,
        description="/readyz is 503 while the rules are so far behind the change log.",
        examples=[300],
    )
    drain_seconds: float = Field(
        default=0,
        ge=0,
        le=300,
        description="A hub that is told to stop goes on answering for so long, with /readyz 503.",
        examples=[5],
    )
