"""Assets as devices: what they mean, and lists of them that tell no length and know no "later than this row"."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from connector.sdk import (
    AssetRelation,
    AssetState,
    ConfigError,
    EntityKind,
    HubRecord,
    NotFound,
    Point,
    ProductKey,
    RelationKind,
    SiteRecord,
    SourceRef,
)
from connector.sdk.testing import Connected, MovableClock, by_ref, ids
from connector_request_tracker.asset_mapping import asset_ref
from connector_request_tracker.mapping import ticket_ref
from connector_request_tracker.sandbox import RequestTrackerSandbox

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PLACES = {"places": {"Hamburg": [53.55, 10.0], "Depot Berlin": [52.52, 13.4]}, "hubs": ["depot berlin "]}


@pytest.fixture
def sandbox() -> RequestTrackerSandbox:
    return RequestTrackerSandbox(MovableClock(NOON))


@pytest.fixture
async def source(sandbox: RequestTrackerSandbox) -> AsyncIterator[Connected]:
    settings = {**sandbox.settings(), **PLACES, "asset_states": {"On Loan": "deployed", "defective": "quarantined"}}
    async with Connected("request_tracker", sandbox.app(), settings, MovableClock(NOON)) as connected:
        yield connected


async def test_an_asset_is_a_device_with_what_its_fields_and_links_say(
    source: Connected, sandbox: RequestTrackerSandbox
):
    shelf = sandbox.shelf
    rack = shelf.add(NOON, Site="hamburg", Serial_Number=" S1 ")
    blade = shelf.add(
        NOON, Site="DEPOT BERLIN", Manufacturer="Cisco", Model="C9300", Part_Number="C9300-48P", Asset_Tag="A-2"
    )
    shelf.change(blade, NOON, status="on loan", held_by=["kim", "root"], links=[("parent", rack.id), ("refers-to", 9)])
    shelf.add(NOON, catalog="Furniture")
    elsewhere = shelf.add(NOON, Site="Moon", Model="no maker")
    ticket = sandbox.open_ticket(NOON)
    ticket.extra = {"_hyperlinks": [{"ref": "refers-to", "type": "asset", "id": str(blade.id)}]}

    found = by_ref(await source.pull("assets"))
    places = [record for batch in await source.pull("places") for record in batch.records]

    assert found[asset_ref(rack.id)].place == SourceRef(kind=EntityKind.SITE, external_id="hamburg")
    assert found[asset_ref(rack.id)].serial == "S1"
    record = found[asset_ref(blade.id)]
    assert record.place == SourceRef(kind=EntityKind.HUB, external_id="depot berlin")
    assert (record.state, record.holder, record.asset_tag) == (AssetState.DEPLOYED, "kim", "A-2")
    assert record.product == ProductKey(manufacturer="Cisco", model="C9300", part_number="C9300-48P")
    assert record.relations == (AssetRelation.to(RelationKind.PART_OF, str(rack.id)),)
    assert (found[asset_ref(elsewhere.id)].place, found[asset_ref(elsewhere.id)].product) == (None, None)
    assert len(found) == 3
    assert [(type(place), place.name, place.point) for place in places] == [
        (SiteRecord, "Hamburg", Point(53.55, 10.0)), (HubRecord, "Depot Berlin", Point(52.52, 13.4)),
    ]  # fmt: skip
    assert by_ref(await source.pull("tickets"))[ticket_ref(ticket.id)].asset == asset_ref(blade.id)


async def test_more_assets_of_one_second_than_a_page_holds_are_all_read_and_a_deletion_shows_by_reading_all(
    source: Connected, sandbox: RequestTrackerSandbox
):
    refs = sandbox.seed("assets", 12, at=NOON - MINUTE, step=timedelta(0))
    first = await source.pull("assets")
    assert (len(ids(first)), first[-1].complete, any(batch.complete for batch in first[:-1])) == (12, True, False)

    later = sandbox.seed("assets", 7, at=NOON, step=timedelta(0))
    sandbox.delete(refs[0], at=NOON)
    found = await source.pull("assets", first[-1].resume)
    assert set(ids(found)) >= {ref.external_id for ref in later}
    assert not any(batch.complete for batch in found)
    assert refs[0].external_id not in ids(await source.pull("assets"))
    with pytest.raises(NotFound, match="there is no asset:1 in our catalogs"):
        await source.adapter.fetch(refs[0])


async def test_a_catalog_that_is_not_there_stops_the_source(sandbox: RequestTrackerSandbox):
    settings = {**sandbox.settings(), "catalogs": ["Genral assets"]}
    async with Connected("request_tracker", sandbox.app(), settings, MovableClock(NOON)) as source:
        with pytest.raises(ConfigError, match="catalog 'Genral assets' does not exist"):
            await source.adapter.check()
