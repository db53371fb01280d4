"""Travel times without a server: the great circle, longer by a factor, at a speed."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from pydantic import Field

from connector.model.geo import Point, great_circle_km
from connector.sdk.client import SourceClient
from connector.sdk.config import AdapterConfig
from connector.sdk.travel import RoadTime


class GreatCircleConfig(AdapterConfig):
    """How roads differ from the great circle where this hub's sites are."""

    detour_factor: float = Field(default=1.3, ge=1, le=5, description="Road over great circle.", examples=[1.3])
    speed_kmh: float = Field(default=60, gt=0, le=300, description="Average speed.", examples=[60])


class GreatCircle:
    """Computes what others measure. most_origins: of one question."""

    most_origins = 10_000

    def __init__(self, config: Any, http: SourceClient) -> None:  # noqa: ARG002 - what every provider is built with
        self._config: GreatCircleConfig = config

    @classmethod
    def config_type(cls) -> type[AdapterConfig]:
        """Its settings."""
        return GreatCircleConfig

    async def measure(self, origins: Sequence[Point], target: Point) -> Sequence[RoadTime]:
        """The road from each origin to the target."""
        roads = [great_circle_km(origin, target) * self._config.detour_factor for origin in origins]
        return [RoadTime(ceil(km * 60 / self._config.speed_kmh), km) for km in roads]
