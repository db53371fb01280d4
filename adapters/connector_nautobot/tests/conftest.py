"""A sandbox with a small world, and the adapter connected to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connector.sdk import Batch, Connection, Record, SourceRef, connect
from connector_nautobot.sandbox import Hook, NautobotSandbox

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f001234567"
SECRET = "shared-webhook-secret"
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


class MovableClock:
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class World:
    """Region North with site Vienna, hub Graz and its shelf; one device type; everything a month old."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        old = clock.now() - timedelta(days=30)
        self.old = old
        self.nautobot = NautobotSandbox(clock, token=TOKEN, hooks=(Hook("http://hub.test/webhooks/cmdb", SECRET),))
        add = self.nautobot
        self.region_type = add.add_location_type("Region", at=old)
        self.site_type = add.add_location_type("Site", parent=self.region_type, at=old)
        self.hub_type = add.add_location_type("Hub", parent=self.region_type, at=old)
        self.room_type = add.add_location_type("Room", parent=self.hub_type, at=old)
        self.north = add.add_location("North", self.region_type, at=old)
        self.vienna = add.add_location(
            "Vienna", self.site_type, parent=self.north, latitude="48.208176", longitude="16.373819", at=old
        )
        self.graz = add.add_location("Graz", self.hub_type, parent=self.north, time_zone="Europe/Vienna", at=old)
        self.shelf = add.add_location("Shelf 1", self.room_type, parent=self.graz, at=old)
        self.juniper = add.add_manufacturer("Juniper", at=old)
        self.mx204 = add.add_device_type(self.juniper, "MX204", at=old)

    def device(self, name: str, *, at: datetime | None = None, **fields: str) -> str:
        place = {"device_type": self.mx204, "location": self.vienna, **fields}
        return self.nautobot.add_device(name, at=at or self.old, **place)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOW)


@pytest.fixture
def world(clock: MovableClock) -> World:
    return World(clock)


class Source:
    """The adapter, connected to the world, with every request that it sends."""

    def __init__(self, world: World, **settings: object) -> None:
        self.requests: list[httpx.Request] = []
        inner = httpx.ASGITransport(app=world.nautobot.app)
        outer = self

        class Recording(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                outer.requests.append(request)
                return await inner.handle_async_request(request)

        given = {"base_url": "http://nautobot.test", "token": TOKEN, "webhook_secret": SECRET, "page_size": 4}
        self.connection: Connection = connect(
            "cmdb", "nautobot", {**given, **settings}, clock=world.clock, attempts=1, transport=Recording()
        )
        self.adapter = self.connection.adapter

    def stream(self, name: str):
        return next(stream for stream in self.adapter.streams() if stream.name == name)

    async def pull(self, name: str, since: str | None = None) -> list[Batch]:
        return [batch.made() async for batch in self.adapter.pull(self.stream(name), since)]


@pytest.fixture
async def source(world: World) -> AsyncIterator[Source]:
    source = Source(world)
    yield source
    await source.connection.aclose()


def by_ref(batches: list[Batch]) -> dict[SourceRef, Record]:
    return {record.ref: record for batch in batches for record in batch.records}


def ids(batches: list[Batch]) -> list[str]:
    return [record.ref.external_id for batch in batches for record in batch.records]
