"""A Snipe-IT and the hub together: where assets are, what becomes of them by a swap, and when they are gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock

from connector.ingest.pull import pull_source
from connector.ingest.reports import PullReport
from connector.sdk import EntityKind, ProductKey, RecordSwap, SourceRef
from connector.sdk.testing import Connected
from connector.storage.database.engine import reading
from connector.storage.tables import asset, hub, site
from connector_snipe_it.sandbox import SnipeItSandbox
from connector_snipe_it.sandbox.system import MAKER, MODEL

MINUTES = timedelta(minutes=10)


class Stores:
    """A hall, and a depot with a shelf in it; a switch in use and two spares, a month old."""

    def __init__(self, clock: MovableClock) -> None:
        at = clock.now() - timedelta(days=30)
        self.sandbox = make = SnipeItSandbox(clock)
        self.hall = make.new_location(at, name="Hall")
        self.depot = make.new_location(at, name="Depot")
        self.shelf = make.new_location(at, name="Shelf", parent_id=self.depot.id)
        self.model = make.new_model(at)
        self.in_use = make.new_asset(at, location_id=self.hall.id, assigned_to=("location", self.hall.id))
        self.spares = [make.new_asset(at, location_id=self.shelf.id) for _ in range(2)]


@pytest.fixture
def stores(clock: MovableClock) -> Stores:
    return Stores(clock)


@pytest.fixture
async def connected(stores: Stores, clock: MovableClock) -> AsyncIterator[Connected]:
    settings = {**stores.sandbox.settings(), "hub_locations": ["Depot"], "page_size": 2}
    async with Connected("snipe_it", stores.sandbox.app(), settings, clock, name="cmdb") as source:
        yield source


async def where(engine: AsyncEngine) -> dict[str, tuple[str | None, str]]:
    """The place and state of each device that is not gone, by serial."""
    statement = (
        select(asset.c.serial, site.c.name, hub.c.name, asset.c.state)
        .outerjoin(site, site.c.id == asset.c.site_id)
        .outerjoin(hub, hub.c.id == asset.c.hub_id)
        .where(asset.c.retired_at.is_(None))
    )
    async with reading(engine) as tx:
        rows = (await tx.execute(statement)).all()
    return {serial: (at_hub or at_site, str(state)) for serial, at_site, at_hub, state in rows}


def quiet(report: PullReport) -> bool:
    return not any(stream.created or stream.updated or stream.deleted for stream in report.streams)


async def test_assets_stand_where_snipe_it_says_and_a_swap_comes_back_as_it_was_written(
    engine: AsyncEngine, clock: MovableClock, stores: Stores, connected: Connected
):
    await pull_source(engine, connected.connection, clock=clock)
    first = await where(engine)
    clock.advance(MINUTES)
    again = await pull_source(engine, connected.connection, clock=clock)
    failed, spare = stores.in_use.values["serial"], stores.spares[0].values["serial"]
    swap = RecordSwap(
        key="wf-1:swap", failed=_ref(stores.in_use.id), replacement=_ref(stores.spares[0].id), failed_serial=failed,
        serial=spare, asset_tag=None, product=ProductKey(manufacturer=MAKER, model=MODEL), product_ref=None,
        site=SourceRef(kind=EntityKind.SITE, external_id=str(stores.hall.id)), reference="INC-1",
    )  # fmt: skip

    await connected.adapter.record_swap(swap)
    await pull_source(engine, connected.connection, clock=clock)

    other = stores.spares[1].values["serial"]
    assert first == {failed: ("Hall", "deployed"), spare: ("Depot", "in_stock"), other: ("Depot", "in_stock")}
    assert quiet(again)
    assert await where(engine) == {
        failed: ("Hall", "inspection"), spare: ("Hall", "deployed"), other: ("Depot", "in_stock"),
    }  # fmt: skip


async def test_what_is_deleted_goes_and_what_was_purged_goes_with_the_next_sweep(
    engine: AsyncEngine, clock: MovableClock, stores: Stores, connected: Connected
):
    await pull_source(engine, connected.connection, clock=clock)
    clock.advance(MINUTES)
    deleted, purged = stores.spares
    stores.sandbox.inventory.delete("hardware", deleted.id, clock.now())
    del stores.sandbox.inventory.tables["hardware"][purged.id]

    await pull_source(engine, connected.connection, clock=clock)
    after_pull = await where(engine)
    await pull_source(engine, connected.connection, clock=clock, full=True)

    in_use = stores.in_use.values["serial"]
    assert set(after_pull) == {in_use, purged.values["serial"]}
    assert set(await where(engine)) == {in_use}


def _ref(number: int) -> SourceRef:
    return SourceRef(kind=EntityKind.ASSET, external_id=str(number))
