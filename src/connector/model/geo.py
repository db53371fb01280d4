"""Positions on the Earth and the distance between them."""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

EARTH_RADIUS_KM = 6371.0088
"""Mean radius R1 of the WGS-84 ellipsoid (IUGG)."""


@dataclass(frozen=True, slots=True)
class Point:
    """A WGS-84 position in decimal degrees.

    Raises ValueError when latitude is outside [-90, 90] or longitude outside [-180, 180].
    """

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        if not -90 <= self.latitude <= 90:
            raise ValueError(f"latitude {self.latitude!r} is outside [-90, 90]")
        if not -180 <= self.longitude <= 180:
            raise ValueError(f"longitude {self.longitude!r} is outside [-180, 180]")


def great_circle_km(start: Point, end: Point) -> float:
    """Length of the shortest way over the sphere, km; haversine form, stable for short distances.

    Source: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68(2), 1984, p. 159.
    """
    lat1, lat2 = radians(start.latitude), radians(end.latitude)
    half_lat = sin((lat2 - lat1) / 2)
    half_lon = sin(radians(end.longitude - start.longitude) / 2)
    chord = half_lat * half_lat + cos(lat1) * cos(lat2) * half_lon * half_lon
    return 2 * EARTH_RADIUS_KM * asin(sqrt(min(1.0, chord)))
