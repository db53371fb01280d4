"""A sandbox with a small world, and the adapter connected to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.sdk import EntityKind, SourceRef
from connector.sdk.testing import Connected, MovableClock
from connector_netbox.sandbox import Hook, NetBoxSandbox
from connector_netbox.sandbox_shapes import REGION

TOKEN = "nbt_4F9DAouzURLb.zjebxBPzICiPbWz0Wtx0fTL7bCKXKGTYhNzkgC2S"
SECRET = "shared-webhook-secret"
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
OLD = NOW - timedelta(days=30)


class World:
    """Region North with site Vienna and hub Graz; a store room of Vienna is a hub, too; everything a month old."""

    def __init__(self, clock: MovableClock, **settings: Any) -> None:
        self.clock = clock
        hooks = (Hook("http://hub.test/webhooks/cmdb", SECRET),)
        self.netbox = add = NetBoxSandbox(clock, **{"token": TOKEN, "hooks": hooks, **settings})
        add.add_tag("spare-hub")
        self.north = add.add(REGION, name="North", at=OLD)
        self.vienna = add.add_site(
            "Vienna", region=self.north, latitude=48.208176, longitude=16.373819, time_zone="Europe/Vienna", at=OLD
        )
        self.graz = add.add_site("Graz", region=self.north, tags=["spare-hub"], at=OLD)
        self.room = add.add_location("Room 1", self.vienna, at=OLD)
        self.store = add.add_location("Store", self.vienna, tags=["spare-hub"], at=OLD)
        self.shelf = add.add_location("Shelf 7", self.vienna, parent=self.store, at=OLD)
        self.juniper = add.add_manufacturer("Juniper", at=OLD)
        self.mx204 = add.add_device_type(self.juniper, "MX204", at=OLD)

    def device(self, name: str | None, *, at: datetime = OLD, **fields: Any) -> int:
        return self.netbox.add_device(name, at=at, **{"device_type": self.mx204, "site": self.vienna, **fields})


class Source(Connected):
    """The adapter, connected to the world, with every request that it sends."""

    def __init__(self, world: World, **settings: object) -> None:
        given = {
            "base_url": "http://netbox.test", "token": TOKEN, "webhook_secret": SECRET, "page_size": 4,
            "hub_tags": ["spare-hub"],
        }  # fmt: skip
        super().__init__("netbox", world.netbox.app, {**given, **settings}, world.clock)


def ref(kind: EntityKind, number: object) -> SourceRef:
    return SourceRef(kind=kind, external_id=str(number))


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOW)


@pytest.fixture
def world(clock: MovableClock) -> World:
    return World(clock)


@pytest.fixture
async def source(world: World) -> AsyncIterator[Connected]:
    async with Source(world) as source:
        yield source
