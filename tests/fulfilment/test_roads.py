"""Roads are measured beforehand, from a server that speaks OSRM's table service, and decisions use them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.conftest import MovableClock
from tests.factories import BERLIN, HAMBURG, make_hub, make_site

from connector.fulfilment.roads import RoadsMeasured, measure_roads
from connector.model.geo import Point, great_circle_km
from connector.sdk.errors import ConfigError
from connector.sdk.travel import TravelConnection, connect_travel_times, travel_problems
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.facts.lanes import lanes_of_sites

POTSDAM = {**BERLIN, "latitude": 52.4, "longitude": 13.06}
DAY = timedelta(days=1)


@dataclass
class OsrmServer:
    """A sandbox of the table service: 50 km/h over 1.5 times the great circle, and no road to islands."""

    asked: list[int] = field(default_factory=list)
    fails: bool = False
    islands: set[tuple[float, float]] = field(default_factory=set)

    async def table(self, request: Request) -> Response:
        if self.fails:
            return JSONResponse({"code": "TooBig", "message": "Too many table coordinates"}, status_code=400)
        pairs = [tuple(map(float, text.split(","))) for text in request.path_params["places"].split(";")]
        points = [Point(latitude, longitude) for longitude, latitude in pairs]
        sources = [points[int(number)] for number in request.query_params["sources"].split(";")]
        target = points[int(request.query_params["destinations"])]
        assert request.query_params["annotations"] == "duration,distance"
        self.asked.append(len(sources))
        metres = [
            None if (one.latitude, one.longitude) in self.islands else great_circle_km(one, target) * 1_500
            for one in sources
        ]
        seconds = [None if m is None else m / 50_000 * 3_600 for m in metres]
        return JSONResponse({"code": "Ok", "durations": [[s] for s in seconds], "distances": [[m] for m in metres]})


@pytest.fixture
def server() -> OsrmServer:
    return OsrmServer()


@pytest.fixture
async def osrm(server: OsrmServer, clock: MovableClock) -> AsyncIterator[TravelConnection]:
    app = Starlette(routes=[Route("/table/v1/driving/{places}", server.table)])
    settings = {"base_url": "http://osrm.test", "max_table_size": 3}
    connection = connect_travel_times("osrm", settings, clock=clock, transport=httpx.ASGITransport(app))
    yield connection
    await connection.aclose()


async def measure(engine: AsyncEngine, connection: TravelConnection, clock: MovableClock) -> RoadsMeasured:
    return await measure_roads(engine, connection, clock=clock, within_km=200, max_age=30 * DAY)


async def test_roads_near_enough_are_measured_once_and_again_when_an_end_moves_or_they_are_old(
    engine: AsyncEngine, osrm: TravelConnection, server: OsrmServer, clock: MovableClock
):
    async with transaction(engine) as tx:
        site = await make_site(tx, **BERLIN)
        near = [await make_hub(tx, **POTSDAM), await make_hub(tx, **BERLIN), await make_hub(tx, **POTSDAM)]
        await make_hub(tx, **HAMBURG)
        await make_hub(tx, latitude=None, longitude=None)

    assert await measure(engine, osrm, clock) == RoadsMeasured(3, 1)
    assert server.asked == [2, 1]  # three coordinates in a question, the target among them
    assert await measure(engine, osrm, clock) == RoadsMeasured()

    async with reading(engine) as tx:
        travel = (await lanes_of_sites(tx, [site]))[site].travel
    km = great_circle_km(Point(52.4, 13.06), Point(52.52, 13.405)) * 1.5
    assert travel.keys() == set(near)
    assert (travel[near[0]].minutes, travel[near[0]].provider) == (ceil(km / 50 * 60), "osrm")
    assert travel[near[0]].km == pytest.approx(km, abs=0.01)

    async with transaction(engine) as tx:
        await tx.execute(update(tables.hub).where(tables.hub.c.id == near[1]).values(latitude=52.45))
    assert await measure(engine, osrm, clock) == RoadsMeasured(1, 1)
    clock.advance(31 * DAY)
    assert await measure(engine, osrm, clock) == RoadsMeasured(3, 1)


async def test_a_place_without_a_road_is_known_as_such(
    engine: AsyncEngine, osrm: TravelConnection, server: OsrmServer, clock: MovableClock
):
    async with transaction(engine) as tx:
        site, island = await make_site(tx, **BERLIN), await make_hub(tx, **POTSDAM)
    server.islands.add((52.4, 13.06))

    await measure(engine, osrm, clock)

    async with reading(engine) as tx:
        travel = (await lanes_of_sites(tx, [site]))[site].travel[island]
    assert (travel.minutes, travel.km) == (None, None)


async def test_a_provider_that_fails_is_seen_among_the_sources_and_what_was_measured_stays(
    engine: AsyncEngine, osrm: TravelConnection, server: OsrmServer, clock: MovableClock
):
    async with transaction(engine) as tx:
        site, hub = await make_site(tx, **BERLIN), await make_hub(tx, **POTSDAM)
    await measure(engine, osrm, clock)
    async with transaction(engine) as tx:
        await make_hub(tx, **POTSDAM)
    server.fails = True

    failed = (await measure(engine, osrm, clock)).failed

    assert failed is not None
    assert failed.startswith("measure travel times: the system answered 400")
    columns = (tables.source.c.name, tables.source.c.adapter, tables.source.c.state, tables.source.c.last_error)
    async with reading(engine) as tx:
        assert [tuple(row) for row in await tx.execute(select(*columns))] == [
            ("travel_time", "osrm", "backing_off", failed)
        ]
        assert (await lanes_of_sites(tx, [site]))[site].travel.keys() == {hub}
    server.fails = False
    assert await measure(engine, osrm, clock) == RoadsMeasured(1, 1)
    async with reading(engine) as tx:
        assert (await tx.execute(select(tables.source.c.state))).scalar_one() == "ok"


async def test_the_built_in_provider_measures_without_a_server(engine: AsyncEngine, clock: MovableClock):
    async with transaction(engine) as tx:
        site, hub = await make_site(tx, **BERLIN), await make_hub(tx, **POTSDAM)
    connection = connect_travel_times("great_circle", {"detour_factor": 1.2, "speed_kmh": 90}, clock=clock)

    await measure(engine, connection, clock)
    await connection.aclose()

    km = great_circle_km(Point(52.4, 13.06), Point(52.52, 13.405)) * 1.2
    async with reading(engine) as tx:
        assert (await lanes_of_sites(tx, [site]))[site].travel[hub].minutes == ceil(km / 90 * 60)


def test_every_problem_of_a_provider_is_told(clock: MovableClock):
    assert travel_problems("osmr", {}) == (
        "travel_time.provider: travel-time provider 'osmr' cannot be used: it is not installed. "
        "Known are: great_circle, osrm",
    )
    assert travel_problems("osrm", {"max_table_size": 1}) == (
        "travel_time.base_url: Field required",
        "travel_time.max_table_size: Input should be greater than or equal to 2",
    )
    with pytest.raises(ConfigError, match=r"\[travel_time\] cannot be used:\n  travel_time.base_url: Field required"):
        asyncio.run(_connect(clock))


async def _connect(clock: MovableClock) -> None:
    connect_travel_times("osrm", {}, clock=clock)
