"""The traps of reading from Nautobot."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.sdk import AssetState, AuthError, EntityKind, HubRecord, Invalid, NotFound, SiteRecord, SourceRef
from connector.sdk.testing import by_ref, ids
from connector_nautobot import sandbox_lists
from connector_nautobot.sandbox_shapes import STATUS

from .conftest import NOW, Source

HOUR = timedelta(hours=1)


async def test_regions_group_hubs_hold_and_rooms_belong_to_what_is_above_them(world, source):
    spare = world.device("spare", location=world.shelf, status="Inventory")
    in_use = world.device("in-use")

    places = by_ref(await source.pull("locations"))
    devices = by_ref(await source.pull("devices"))

    hub = SourceRef(kind=EntityKind.HUB, external_id=world.graz)
    site = SourceRef(kind=EntityKind.SITE, external_id=world.vienna)
    assert {ref: type(record) for ref, record in places.items()} == {hub: HubRecord, site: SiteRecord}
    assert (places[hub].region, places[hub].time_zone) == ("North", "Europe/Vienna")
    assert {record.ref.external_id: (record.place, record.state) for record in devices.values()} == {
        spare: (hub, AssetState.IN_STOCK),
        in_use: (site, AssetState.DEPLOYED),
    }


async def test_an_edit_of_a_parent_reaches_the_places_below_although_their_rows_do_not_change(world, source):
    first = await source.pull("locations")
    world.clock.advance(HOUR)
    world.nautobot.change(world.north, name="Far North")

    batches = await source.pull("locations", first[-1].resume)

    assert {record.name: (record.region, record.updated_at) for record in by_ref(batches).values()} == {
        "Vienna": ("Far North", NOW + HOUR),
        "Graz": ("Far North", NOW + HOUR),
    }


async def test_a_renamed_manufacturer_reaches_its_products(world, source):
    first = await source.pull("device_types")
    world.nautobot.change(world.juniper, name="HPE Juniper")

    (product,) = by_ref(await source.pull("device_types", first[-1].resume)).values()

    assert (product.key.manufacturer, product.key.model) == ("HPE Juniper", "MX204")


async def test_a_renamed_status_reaches_the_devices_that_have_it(world, source):
    device = world.device("dev", status="Offline")
    first = await source.pull("devices")
    world.nautobot.change(world.nautobot.status("Offline"), name="Failed twice")

    batches = await source.pull("devices", first[-1].resume)

    assert [item.ref.external_id for batch in batches for item in batch.rejected] == [device]


async def test_an_unknown_status_is_rejected_with_the_setting_that_would_help(world, source):
    haunted = world.nautobot.add(STATUS, name="Haunted", content_types=["dcim.device"], at=world.old)
    device = world.device("dev-1")
    world.nautobot.store.put("dcim.device", {**world.nautobot.store.find(device)[1], "status": haunted})

    batches = await source.pull("devices")

    (rejected,) = [item for batch in batches for item in batch.rejected]
    assert rejected.ref == SourceRef(kind=EntityKind.ASSET, external_id=device)
    assert rejected.path == "/status"
    assert "status 'Haunted' of device 'dev-1' has no meaning here" in rejected.reason
    assert rejected.reason.endswith('Add it to the source\'s settings: states = { "Haunted" = "deployed" }.')


async def test_a_status_of_the_customer_gets_the_state_that_the_settings_give(world):
    world.nautobot.add(STATUS, name="Burn-In", content_types=["dcim.device"], at=world.old)
    world.device("dev-1", status="Burn-In")
    source = Source(world, states={"burn-in": "inspection"})

    (device,) = by_ref(await source.pull("devices")).values()

    assert device.state is AssetState.INSPECTION
    await source.connection.aclose()


async def test_rows_of_one_instant_are_all_read_while_some_of_them_change(world, source):
    devices = sorted(world.device(f"dev-{number}") for number in range(15))
    batches = []

    async for batch in source.adapter.pull(source.stream("devices"), None):
        batches.append(batch)
        if len(batches) in (1, 2):
            world.nautobot.change(devices[len(batches)], comments="moved to the end")

    seen = ids(batches)
    assert sorted(set(seen)) == devices
    assert len(seen) == 15 + 2


async def test_a_server_that_gives_shorter_pages_than_asked_for_loses_nothing(world, source, monkeypatch):
    monkeypatch.setattr(sandbox_lists, "LARGEST_LIMIT", 3)
    devices = [world.device(f"dev-{number}", at=world.old + HOUR * number) for number in range(10)]

    batches = await source.pull("devices")

    assert ids(batches) == devices


async def test_a_full_pull_says_complete_and_a_resumed_one_does_not(world, source):
    for number in range(6):
        world.device(f"dev-{number}", at=world.old + HOUR * number)

    whole = await source.pull("devices")
    rest = await source.pull("devices", whole[0].resume)

    assert [batch.complete for batch in whole] == [False, False, True]
    assert [batch.complete for batch in rest] == [False, False]


async def test_an_idle_source_costs_no_row_once_its_last_minutes_are_settled(world, source):
    for number in range(10):
        world.device(f"dev-{number}", at=NOW - timedelta(seconds=10 - number))
    seen = []
    since = None

    for _ in range(4):
        batches = await source.pull("devices", since)
        since = batches[-1].resume
        seen.append(len(ids(batches)))
        world.clock.advance(timedelta(minutes=6))

    assert seen == [10, 10, 0, 0]


async def test_frequent_pulls_settle_as_well(world, source):
    for number in range(10):
        world.device(f"dev-{number}", at=NOW - timedelta(seconds=10 - number))
    seen = []
    since = None

    for _ in range(5):
        batches = await source.pull("devices", since)
        since = batches[-1].resume
        seen.append(len(ids(batches)))
        world.clock.advance(timedelta(minutes=2))

    assert seen == [10, 10, 10, 10, 0]


async def test_a_row_that_is_committed_behind_the_last_one_is_read(world, source):
    world.device("dev-0", at=NOW)
    first = await source.pull("devices")
    late = world.device("late", at=NOW - timedelta(minutes=4))

    assert late in ids(await source.pull("devices", first[-1].resume))


async def test_a_change_that_changes_nothing_moves_the_time_and_nothing_else(world, source):
    device = world.device("dev-0")
    first = await source.pull("devices")
    world.clock.advance(HOUR)
    world.nautobot.change(device, name="dev-0")

    (before,) = by_ref(first).values()
    (after,) = by_ref(await source.pull("devices", first[-1].resume)).values()

    assert after.updated_at == NOW + HOUR
    assert after.model_copy(update={"updated_at": before.updated_at}) == before


async def test_deletions_erase_what_the_object_was(world, source):
    first = await source.pull("deletions")
    device = world.device("dev-0")
    for gone in (device, world.shelf, world.graz, world.vienna, world.mx204, world.north):
        world.nautobot.remove(gone)

    erased = by_ref(await source.pull("deletions", first[-1].resume))

    assert sorted(map(str, erased)) == sorted(
        [
            f"site:{world.vienna}",
            f"site:{world.shelf}",
            f"hub:{world.graz}",
            f"product:{world.mx204}",
            f"asset:{device}",
        ]
    )
    assert {record.updated_at for record in erased.values()} == {NOW}


async def test_no_request_leaves_the_configured_address_and_no_url_is_longer_than_uwsgi_takes(world, source):
    for number in range(120):
        place = world.nautobot.add_location(f"Site {number}", world.site_type, parent=world.north, at=world.old)
        world.device(f"dev-{number}", location=place)
    source = Source(world, page_size=500)

    batches = await source.pull("devices")

    assert len(by_ref(batches)) == 120
    assert {request.url.host for request in source.requests} == {"nautobot.test"}
    assert max(len(str(request.url)) for request in source.requests) < 4096
    await source.connection.aclose()


async def test_a_wrong_token_and_a_missing_permission_are_told_apart(world, source):
    wrong = Source(world, token="f" * 40)
    with pytest.raises(AuthError, match="check: Nautobot does not accept the token") as refused:
        await wrong.adapter.check()
    await wrong.connection.aclose()

    world.nautobot.hidden.add("dcim.device")
    with pytest.raises(AuthError, match="pull devices: the token's user lacks a permission in Nautobot"):
        await source.pull("devices")

    assert "API Tokens" in refused.value.hint
    assert "f" * 40 not in str(refused.value) + refused.value.detail


async def test_a_region_cannot_be_fetched_since_it_is_no_place(world, source):
    with pytest.raises(NotFound, match="is neither a site nor a hub itself"):
        await source.adapter.fetch(SourceRef(kind=EntityKind.SITE, external_id=world.north))


async def test_a_fetched_location_is_what_it_is_now(world, source):
    record = await source.adapter.fetch(SourceRef(kind=EntityKind.SITE, external_id=world.graz))

    assert record == by_ref(await source.pull("locations"))[SourceRef(kind=EntityKind.HUB, external_id=world.graz)]


@pytest.mark.parametrize("cursor", ["", "[]", '{"rows": 7}', '{"rows": {"nosuch": 1}}', "not json"])
async def test_a_cursor_of_something_else_is_refused(source, cursor):
    with pytest.raises(Invalid, match="is not one of this adapter"):
        await source.pull("devices", cursor)


def test_a_location_type_has_one_meaning(world):
    with pytest.raises(Exception, match="location type 'hub' is given more than one meaning: hub, region or site"):
        Source(world, region_location_types=["Region", "HUB"])
