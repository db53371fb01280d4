"""What the operator configures of how much each client may ask."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LimitSettings(BaseModel):
    """How often one client may ask; 0 is no limit."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    requests_per_minute: int = Field(
        default=30_000, ge=0, le=100_000_000, description="Requests and operations of one key, or one person.",
        examples=[6_000],
    )  # fmt: skip
    address_requests_per_minute: int = Field(
        default=60_000, ge=0, le=100_000_000, description="Requests and operations from one address.",
        examples=[12_000],
    )  # fmt: skip
    webhooks_per_minute: int = Field(
        default=60_000, ge=0, le=100_000_000, description="Webhooks for one source from one address.",
        examples=[6_000],
    )  # fmt: skip
    burst_seconds: float = Field(
        default=10, gt=0, le=600, description="So many seconds' worth may come at once.", examples=[10]
    )
