"""A sandbox with a small world, and the adapter connected to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from connector.sdk.testing import Connected, MovableClock
from connector_nautobot.sandbox import Hook, NautobotSandbox

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f001234567"
SECRET = "shared-webhook-secret"
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


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


class Source(Connected):
    """The adapter, connected to the world, with every request that it sends."""

    def __init__(self, world: World, **settings: object) -> None:
        given = {"base_url": "http://nautobot.test", "token": TOKEN, "webhook_secret": SECRET, "page_size": 4}
        super().__init__("nautobot", world.nautobot.app, {**given, **settings}, world.clock)


@pytest.fixture
async def source(world: World) -> AsyncIterator[Connected]:
    async with Source(world) as source:
        yield source
