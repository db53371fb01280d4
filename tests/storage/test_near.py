from __future__ import annotations

import random

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.factories import make_site

from connector.model.geo import Point, great_circle_km
from connector.storage.database.engine import reading, transaction
from connector.storage.query import ENTITIES, EVERYTHING, Near
from connector.storage.query.conditions import condition_sql
from connector.storage.tables import site

A_MILLIMETRE = 1e-6
"""In kilometres: by which two ways of computing a distance may differ."""


def somewhere() -> Point:
    """Anywhere; one place in four where maps end."""
    latitude = random.choice([90.0, -90.0, 0.0, random.uniform(-90, 90)])  # noqa: S311
    longitude = random.choice([180.0, -180.0, 179.99, random.uniform(-180, 180)])  # noqa: S311
    return random.choice([Point(latitude, longitude), Point(random.uniform(-90, 90), random.uniform(-180, 180))])  # noqa: S311


async def test_things_within_a_distance_are_those_that_the_great_circle_says(engine: AsyncEngine):
    places: dict[int, Point] = {}
    async with transaction(engine) as tx:
        nowhere = await make_site(tx, name="Nowhere", latitude=None, longitude=None)
        for number in range(80):
            place = somewhere()
            places[await make_site(tx, name=f"S{number}", latitude=place.latitude, longitude=place.longitude)] = place

    async with reading(engine) as tx:
        for _ in range(40):
            point, within = somewhere(), random.choice([0, 20_016, random.uniform(0, 500), random.uniform(0, 20_000)])  # noqa: S311
            condition = condition_sql(ENTITIES["site"], site, Near(point, within), EVERYTHING)
            found = set((await tx.execute(select(site.c.id).where(condition))).scalars())
            away = {number: great_circle_km(point, place) for number, place in places.items()}

            assert nowhere not in found
            assert {number for number, km in away.items() if km <= within - A_MILLIMETRE} <= found
            assert found <= {number for number, km in away.items() if km <= within + A_MILLIMETRE}
