"""Distances."""

from __future__ import annotations

from math import acos, cos, isclose, pi, radians, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.model.geo import EARTH_RADIUS_KM, Point, great_circle_km

points = st.builds(Point, st.floats(-90, 90), st.floats(-180, 180))


def by_dot_product(start: Point, end: Point) -> float:
    """The angle between two vectors from the Earth's centre; a second method, less exact for short distances."""

    def vector(point: Point) -> tuple[float, float, float]:
        lat, lon = radians(point.latitude), radians(point.longitude)
        return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)

    dot = sum(a * b for a, b in zip(vector(start), vector(end), strict=True))
    return EARTH_RADIUS_KM * acos(max(-1.0, min(1.0, dot)))


@given(points, points)
def test_distance_agrees_with_the_angle_between_vectors(start: Point, end: Point):
    assert isclose(great_circle_km(start, end), by_dot_product(start, end), rel_tol=1e-6, abs_tol=0.2)


@given(points, points)
def test_distance_is_symmetric_bounded_and_zero_to_itself(start: Point, end: Point):
    assert great_circle_km(start, end) == pytest.approx(great_circle_km(end, start), abs=1e-9)
    assert 0 <= great_circle_km(start, end) <= pi * EARTH_RADIUS_KM + 1e-6
    assert great_circle_km(start, start) == 0


@pytest.mark.parametrize(
    ("start", "end", "km"),
    [
        (Point(0, 0), Point(0, 180), 20015.115),
        (Point(0, 0), Point(90, 0), 10007.557),
        (Point(0, 179.5), Point(0, -179.5), 111.195),
        (Point(52.52, 13.405), Point(53.55, 9.993), 255.2),
    ],
)
def test_known_distances(start: Point, end: Point, km: float):
    assert great_circle_km(start, end) == pytest.approx(km, rel=2e-3)


@pytest.mark.parametrize(
    ("latitude", "longitude", "message"),
    [
        (90.1, 0, "latitude 90.1 is outside [-90, 90]"),
        (-91, 0, "latitude -91 is outside [-90, 90]"),
        (0, 180.5, "longitude 180.5 is outside [-180, 180]"),
        (float("nan"), 0, "latitude nan is outside [-90, 90]"),
        (0, float("inf"), "longitude inf is outside [-180, 180]"),
    ],
)
def test_a_position_off_the_earth_is_refused(latitude: float, longitude: float, message: str):
    with pytest.raises(ValueError, match="outside") as raised:
        Point(latitude, longitude)

    assert str(raised.value) == message
