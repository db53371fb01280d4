"""A NetBox and the hub together: what the adapter says becomes, stays and ceases to be in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock

from connector.ingest.pull import pull_source
from connector.ingest.reports import PullReport
from connector.sdk.testing import Connected
from connector.storage.database.engine import reading
from connector.storage.tables import asset, hub, site
from connector_netbox.sandbox import NetBoxSandbox
from connector_netbox.sandbox_shapes import DEVICE, LOCATION, SITE

TOKEN = "nbt_4F9DAouzURLb.zjebxBPzICiPbWz0Wtx0fTL7bCKXKGTYhNzkgC2S"
SETTINGS = {"base_url": "http://netbox.test", "token": TOKEN, "page_size": 2, "hub_tags": ["spare-hub"]}


class Fleet:
    """Vienna with a room and a store that is a hub, Linz without anything; three devices, a month old."""

    def __init__(self, clock: MovableClock) -> None:
        at = clock.now() - timedelta(days=30)
        self.netbox = add = NetBoxSandbox(clock, token=TOKEN)
        add.add_tag("spare-hub")
        point = {"latitude": 48.2, "longitude": 16.37, "time_zone": "Europe/Vienna"}
        self.vienna = add.add_site("Vienna", at=at, **point)
        self.linz = add.add_site("Linz", at=at, **point | {"latitude": 48.3, "longitude": 14.28})
        self.room = add.add_location("Room", self.vienna, at=at)
        self.store = add.add_location("Store", self.vienna, tags=["spare-hub"], at=at)
        model = add.add_device_type(add.add_manufacturer("Juniper", at=at), "MX204", at=at)
        places = {"in-room": (self.room, "active"), "in-store": (self.store, "inventory"), "on-site": (None, "active")}
        self.devices = {
            name: add.add_device(
                name, device_type=model, site=self.vienna, location=location, status=status, serial=f"SN-{name}", at=at
            )
            for name, (location, status) in places.items()
        }


@pytest.fixture
def fleet(clock: MovableClock) -> Fleet:
    return Fleet(clock)


@pytest.fixture
async def connected(fleet: Fleet, clock: MovableClock) -> AsyncIterator[Connected]:
    connected = Connected("netbox", fleet.netbox.app, SETTINGS, clock, name="cmdb")
    yield connected
    await connected.connection.aclose()


async def where(engine: AsyncEngine) -> dict[str, tuple[str | None, str]]:
    """The place and state of each device."""
    statement = (
        select(asset.c.name, site.c.name, hub.c.name, asset.c.state)
        .outerjoin(site, site.c.id == asset.c.site_id)
        .outerjoin(hub, hub.c.id == asset.c.hub_id)
    )
    async with reading(engine) as tx:
        rows = (await tx.execute(statement)).all()
    return {name: (at_hub or at_site, str(state)) for name, at_site, at_hub, state in rows}


def quiet(report: PullReport) -> bool:
    return not any(stream.created or stream.updated or stream.deleted for stream in report.streams)


async def test_devices_stand_where_netbox_says_move_with_their_location_and_go_when_they_are_gone(
    engine: AsyncEngine, clock: MovableClock, fleet: Fleet, connected: Connected
):
    await pull_source(engine, connected.connection, clock=clock)
    first = await where(engine)
    clock.advance(timedelta(minutes=10))
    assert quiet(await pull_source(engine, connected.connection, clock=clock))
    fleet.netbox.change(LOCATION, fleet.room, site=fleet.linz)
    fleet.netbox.change(DEVICE, fleet.devices["on-site"], status="failed")
    await pull_source(engine, connected.connection, clock=clock)
    second = await where(engine)
    clock.advance(timedelta(minutes=10))
    fleet.netbox.remove(DEVICE, fleet.devices["in-store"])
    del fleet.netbox.tables[DEVICE][fleet.devices["on-site"]]  # by a script, past the change log
    await pull_source(engine, connected.connection, clock=clock)
    third = await where(engine)
    await pull_source(engine, connected.connection, clock=clock, full=True)
    fourth = await where(engine)

    assert first == {
        "in-room": ("Vienna", "deployed"), "in-store": ("Store", "in_stock"), "on-site": ("Vienna", "deployed"),
    }  # fmt: skip
    assert second == {**first, "in-room": ("Linz", "deployed"), "on-site": ("Vienna", "quarantined")}
    assert (third["in-store"][1], third["on-site"][1]) == ("retired", "quarantined")
    assert (fourth["in-store"][1], fourth["on-site"][1], fourth["in-room"]) == ("retired", "retired", second["in-room"])


async def test_a_full_pull_of_what_has_not_changed_makes_no_record_and_retires_nothing(
    engine: AsyncEngine, clock: MovableClock, fleet: Fleet, connected: Connected
):
    fleet.netbox.tables[SITE][fleet.linz]["last_updated"] = None
    fleet.netbox.tables[DEVICE][fleet.devices["in-room"]]["last_updated"] = None
    await pull_source(engine, connected.connection, clock=clock)
    before = await where(engine)

    report = await pull_source(engine, connected.connection, clock=clock, full=True)

    assert quiet(report)
    assert await where(engine) == before
    async with reading(engine) as tx:
        assert sorted((await tx.execute(select(site.c.name))).scalars()) == ["Linz", "Vienna"]
