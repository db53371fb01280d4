"""Measuring roads beforehand: what decisions need is asked of the provider on a schedule, never while one is made.

What fails is told by the condition of the provider among the sources and in the log; decisions go on with what was
measured before, and with the great circle where nothing was.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from connector.model.kinds import SourceState
from connector.sdk import AdapterError, Clock
from connector.sdk.travel import TravelConnection
from connector.storage.database.engine import Database, reading, transaction
from connector.storage.facts.travel_times import MeasuredRoad, Wanted, record_roads, wanted_roads
from connector.storage.sources.sources import register_source, set_condition

log = logging.getLogger("connector.fulfilment")

SOURCE = "travel_time"
"""What the provider is called among the sources."""


@dataclass(frozen=True, slots=True)
class RoadsMeasured:
    """What a round did. failed: the error that ended it, for people; None when nothing is left to measure."""

    roads: int = 0
    sites: int = 0
    failed: str | None = None


async def measure_roads(
    database: Database, connection: TravelConnection, *, clock: Clock, within_km: float, max_age: timedelta
) -> RoadsMeasured:
    """Measure every road that is wanted, site by site; what was measured before a failure is kept."""
    async with reading(database) as tx:
        wanted = await wanted_roads(tx, connection.name, within_km=within_km, at=clock.now(), max_age=max_age)
    roads = sites = 0
    for one in wanted:
        try:
            found = await _measured(connection, one)
        except AdapterError as error:
            log.warning("travel times cannot be measured, decisions use the great circle: %s", error.message)
            await _told(database, connection, clock, error.message)
            return RoadsMeasured(roads, sites, error.message)
        async with transaction(database) as tx:
            await record_roads(tx, one, found, provider=connection.name, at=clock.now())
        roads, sites = roads + len(found), sites + 1
    await _told(database, connection, clock, None)
    return RoadsMeasured(roads, sites)


async def _measured(connection: TravelConnection, wanted: Wanted) -> list[MeasuredRoad]:
    found: list[MeasuredRoad] = []
    size = connection.provider.most_origins
    for begin in range(0, len(wanted.hubs), size):
        part = wanted.hubs[begin : begin + size]
        answers = await connection.provider.measure([origin for _, origin in part], wanted.target)
        found += [
            MeasuredRoad(hub_id, origin, answer.minutes, answer.km)
            for (hub_id, origin), answer in zip(part, answers, strict=True)
        ]
    return found


async def _told(database: Database, connection: TravelConnection, clock: Clock, error: str | None) -> None:
    """Show among the sources how the provider fares."""
    at = clock.now()
    async with transaction(database) as tx:
        source_id = await register_source(tx, name=SOURCE, adapter=connection.name, at=at)
        state = SourceState.OK if error is None else SourceState.BACKING_OFF
        await set_condition(tx, source_id, state=state, at=at, error=error, failures=0 if error is None else 1)
