"""Travel times of an OSRM server (Open Source Routing Machine), by its `table` service.

Source: Project OSRM, HTTP API, "Table service": coordinates as `longitude,latitude`, durations in seconds, distances
in metres, null where no route is found. Servers allow a hundred coordinates in a question unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from pydantic import Field

from connector.model.geo import Point
from connector.sdk.client import SourceClient
from connector.sdk.config import AdapterConfig, HttpConfig
from connector.sdk.errors import UnexpectedResponse
from connector.sdk.travel import RoadTime

OPERATION = "measure travel times"


class OsrmConfig(HttpConfig):
    """Settings of an OSRM server."""

    profile: str = Field(
        default="driving", pattern="^[a-z0-9_-]+$", description="Profile of the server.", examples=["driving"]
    )
    max_table_size: int = Field(
        default=100, ge=2, le=10_000, description="Coordinates in one question, at most.", examples=[100]
    )


class Osrm:
    """Asks an OSRM server."""

    def __init__(self, config: Any, http: SourceClient) -> None:
        self._config: OsrmConfig = config
        self._http = http

    @classmethod
    def config_type(cls) -> type[AdapterConfig]:
        """Its settings."""
        return OsrmConfig

    @property
    def most_origins(self) -> int:
        """How many origins one question may have; the target is a coordinate too."""
        return self._config.max_table_size - 1

    async def measure(self, origins: Sequence[Point], target: Point) -> Sequence[RoadTime]:
        """The road from each origin to the target. Raises AdapterError."""
        places = ";".join(f"{point.longitude:.6f},{point.latitude:.6f}" for point in (*origins, target))
        response = await self._http.request(
            "GET",
            f"/table/v1/{self._config.profile}/{places}",
            operation=OPERATION,
            params={
                "sources": ";".join(map(str, range(len(origins)))),
                "destinations": len(origins),
                "annotations": "duration,distance",
            },
        )
        answer = self._http.json(response, operation=OPERATION)
        seconds, metres = _column(answer, "durations", len(origins)), _column(answer, "distances", len(origins))
        return [
            RoadTime(None, None) if s is None or m is None else RoadTime(ceil(s / 60), m / 1000)
            for s, m in zip(seconds, metres, strict=True)
        ]


def _column(answer: object, name: str, count: int) -> list[float | None]:
    """The one column of a matrix. Raises UnexpectedResponse when the answer has no such matrix."""
    rows = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(rows, list) or len(rows) != count or not all(isinstance(row, list) and row for row in rows):
        code = answer.get("code") if isinstance(answer, Mapping) else None
        raise UnexpectedResponse(
            f"{OPERATION}: the server's answer (code {code!r}) has no {name} for {count} places",
            operation=OPERATION,
            hint="Check that base_url is an OSRM server with the table service.",
        )
    values = [row[0] for row in rows]
    if any(value is not None and not isinstance(value, int | float) for value in values):
        raise UnexpectedResponse(f"{OPERATION}: {name} holds something that is no number", operation=OPERATION)
    return values
