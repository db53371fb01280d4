"""The traps of reading from NetBox."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from connector.sdk import (
    AssetState,
    AuthError,
    ConfigError,
    Deferred,
    EntityKind,
    HubRecord,
    Invalid,
    NotFound,
    SiteRecord,
    UnexpectedResponse,
)
from connector.sdk.testing import by_ref, ids
from connector_netbox.sandbox_shapes import DEVICE, DEVICE_TYPE, GROUP, LOCATION, MANUFACTURER, REGION, SITE

from .conftest import NOW, OLD, TOKEN, Source, World, ref

HOUR = timedelta(hours=1)
SITES, HUBS, ASSETS = EntityKind.SITE, EntityKind.HUB, EntityKind.ASSET


async def test_tags_make_hubs_of_sites_and_of_locations_and_devices_stand_in_the_nearest(world, source):
    in_room = world.device("a", location=world.room)
    on_shelf = world.device("b", location=world.shelf, status="inventory")
    nowhere, in_graz = world.device("c"), world.device("d", site=world.graz)

    places = by_ref(await source.pull("places"))
    devices = by_ref(await source.pull("devices"))

    site, hub, store = ref(SITES, world.vienna), ref(HUBS, world.graz), ref(HUBS, f"location-{world.store}")
    assert {key: type(record) for key, record in places.items()} == {site: SiteRecord, hub: HubRecord, store: HubRecord}
    assert (places[store].name, places[store].region, places[store].time_zone) == ("Store", "North", "Europe/Vienna")
    assert places[store].point == places[site].point
    assert {int(key.external_id): record.place for key, record in devices.items()} == {
        in_room: site, on_shelf: store, nowhere: site, in_graz: hub,
    }  # fmt: skip
    assert devices[ref(ASSETS, on_shelf)].state is AssetState.IN_STOCK


async def test_a_group_makes_hubs_of_its_sites_and_of_those_of_groups_below(world):
    depots = world.netbox.add(GROUP, name="Depots", at=OLD)
    below = world.netbox.add(GROUP, name="Far depots", parent=depots, at=OLD)
    linz = world.netbox.add_site("Linz", group=below, at=OLD)
    source = Source(world, hub_tags=[], hub_site_groups=["depots"])

    places = by_ref(await source.pull("places"))

    assert {str(key) for key in places} == {f"site:{world.vienna}", f"site:{world.graz}", f"hub:{linz}"}
    await source.connection.aclose()


@pytest.mark.parametrize("settings", [{"hub_tags": ["spare-hub", "nosuch"]}, {"hub_site_groups": ["nosuch"]}])
async def test_a_tag_or_group_that_netbox_does_not_have_stops_the_source_and_names_the_setting(world, settings):
    source = Source(world, **settings)

    with pytest.raises(ConfigError) as refused:
        await source.pull("devices")

    assert refused.value.message.startswith(f"{next(iter(settings))} names 'nosuch', and NetBox refuses it")
    assert "nosuch is not one of the available choices" in refused.value.message
    await source.connection.aclose()


@pytest.mark.parametrize("version", [(4, 6), (4, 5), (4, 1)])
@pytest.mark.parametrize("largest", [1000, 3])
async def test_everything_is_read_along_the_ids_with_or_without_cursors_whatever_the_largest_page(
    clock, version, largest
):
    world = World(clock, version=version, token="0f1e2d3c4b5a69788796a5b4c3d2e1f001234567")
    world.netbox.max_page_size = largest
    devices = [world.device(f"same name {number % 2}") for number in range(10)]
    world.netbox.tables[DEVICE][devices[4]]["last_updated"] = None
    source = Source(world, token=world.netbox.token)

    batches = await source.pull("devices")

    assert sorted(map(int, ids(batches))) == devices
    assert batches[-1].complete
    counted = [request for request in source.requests if "start" not in request.url.params]
    walked = [request for request in counted if "id__gte" in request.url.params]
    assert bool([request for request in walked if request.url.path == "/api/dcim/devices/"]) == (version < (4, 6))
    await source.connection.aclose()


async def test_a_device_without_any_time_is_older_than_everything(world, source):
    number = world.device("dev", serial="SN1")
    world.netbox.tables[DEVICE][number] |= {"last_updated": None, "created": None}

    (device,) = by_ref(await source.pull("devices")).values()

    assert (device.serial, device.updated_at.isoformat()) == ("SN1", "1970-01-01T00:00:00+00:00")


async def test_what_changes_while_everything_is_read_is_found_by_the_next_pull(world, source):
    devices = [world.device(f"dev-{number}") for number in range(9)]
    batches = []
    async for batch in source.adapter.pull(source.stream("devices"), None):
        batches.append(batch)
        if len(batches) == 2:
            world.netbox.change(DEVICE, devices[0], at=NOW - timedelta(days=1), serial="SN-NEW")

    following = by_ref(await source.pull("devices", batches[-1].resume))

    assert following[ref(ASSETS, devices[0])].serial == "SN-NEW"


async def test_rows_of_one_instant_are_all_read_while_some_of_them_change(world, source):
    first = await source.pull("devices")
    world.clock.advance(HOUR)
    devices = [world.device(f"dev-{number}", at=world.clock.now()) for number in range(12)]
    batches = []

    async for batch in source.adapter.pull(source.stream("devices"), first[-1].resume):
        batches.append(batch)
        if len(batches) in (1, 2):
            world.netbox.change(DEVICE, devices[len(batches)], at=world.clock.now() + HOUR, comments="moved to the end")

    assert sorted(set(map(int, ids(batches)))) == devices


async def test_a_server_that_writes_its_own_zone_is_read_in_utc_and_loses_nothing(clock):
    world = World(clock, zone="Europe/Vienna")
    world.device("dev-0", at=OLD)
    source = Source(world)
    first = await source.pull("devices")
    world.clock.advance(HOUR)
    changed = world.device("dev-1", at=world.clock.now())

    second = by_ref(await source.pull("devices", first[-1].resume))

    (record,) = [record for key, record in second.items() if key == ref(ASSETS, changed)]
    assert (record.updated_at, record.updated_at.tzinfo) == (NOW + HOUR, UTC)
    await source.connection.aclose()


async def test_a_pull_that_is_cut_off_goes_on_behind_its_last_page_and_does_not_say_complete(world, source):
    devices = [world.device(f"dev-{number}") for number in range(9)]
    whole = await source.pull("devices")

    rest = await source.pull("devices", whole[0].resume)

    assert ids(rest) == [str(number) for number in devices[4:]]
    assert [batch.complete for batch in rest] == [False] * len(rest)


async def test_names_that_rows_show_are_read_anew_when_they_change(world, source):
    places, types = await source.pull("places"), await source.pull("device_types")
    world.netbox.change(REGION, world.north, name="Far North")
    world.netbox.change(MANUFACTURER, world.juniper, name="HPE Juniper")

    places = by_ref(await source.pull("places", places[-1].resume))
    (product,) = by_ref(await source.pull("device_types", types[-1].resume)).values()

    assert {record.region for record in places.values()} == {"Far North"}
    assert (product.key.manufacturer, product.key.model) == ("HPE Juniper", "MX204")


async def test_a_site_that_becomes_a_hub_takes_its_devices_with_it(world, source):
    device = world.device("dev")
    places, devices = await source.pull("places"), await source.pull("devices")
    world.netbox.change(SITE, world.vienna, tags=["spare-hub"])

    places = by_ref(await source.pull("places", places[-1].resume))
    devices = by_ref(await source.pull("devices", devices[-1].resume))

    assert isinstance(places[ref(HUBS, world.vienna)], HubRecord)
    assert devices[ref(ASSETS, device)].place == ref(HUBS, world.vienna)


async def test_an_edit_of_a_site_reaches_the_hub_in_it_and_an_edit_of_the_hub_itself_is_seen(world, source):
    store = ref(HUBS, f"location-{world.store}")
    first = await source.pull("places")
    world.clock.advance(HOUR)
    world.netbox.change(SITE, world.vienna, shipping_address="12 Airport Road")
    second = await source.pull("places", first[-1].resume)
    world.clock.advance(HOUR)
    world.netbox.change(LOCATION, world.store, name="Big store")

    third = await source.pull("places", second[-1].resume)

    moved, renamed = by_ref(second)[store], by_ref(third)[store]
    assert (moved.address.line1, moved.updated_at) == ("12 Airport Road", NOW + HOUR)
    assert (renamed.name, renamed.address, renamed.updated_at) == ("Big store", moved.address, NOW + 2 * HOUR)


async def test_a_location_that_goes_to_another_site_takes_its_devices_along_although_their_times_stay(world, source):
    desk = world.netbox.add_location("Desk", world.vienna, parent=world.room, at=OLD)
    device, other = world.device("dev", location=desk), world.device("other")
    first = await source.pull("devices")
    world.clock.advance(HOUR)
    world.netbox.change(LOCATION, world.room, site=world.graz)

    second = by_ref(await source.pull("devices", first[-1].resume))

    assert second[ref(ASSETS, device)].place == ref(HUBS, world.graz)
    assert second[ref(ASSETS, device)].updated_at == OLD
    assert second[ref(ASSETS, other)].place == ref(SITES, world.vienna)


async def test_an_idle_source_costs_no_row_once_its_last_minutes_are_settled(world, source):
    for number in range(6):
        world.device(f"dev-{number}", at=NOW - timedelta(seconds=10 - number))
    seen, since = [], None

    for _ in range(4):
        batches = await source.pull("devices", since)
        since = batches[-1].resume
        seen.append(len(ids(batches)))
        world.clock.advance(timedelta(minutes=6))

    assert seen == [6, 6, 0, 0]


async def test_a_row_that_is_committed_behind_the_last_one_is_read(world, source):
    world.device("dev-0", at=NOW)
    first = await source.pull("devices")
    late = world.device("late", at=NOW - timedelta(minutes=4))

    assert str(late) in ids(await source.pull("devices", first[-1].resume))


async def test_a_record_is_made_anew_for_what_it_shows_and_not_for_counts_of_others(world, source):
    device = world.device("dev", location=world.room)

    async def digest() -> bytes:
        (item,) = [
            item
            async for batch in source.adapter.pull(source.stream("devices"), None)
            for item in batch.records
            if item.ref == ref(ASSETS, device)
        ]
        assert isinstance(item, Deferred)
        return item.digest

    before = await digest()
    world.device("another of the type")
    assert await digest() == before
    world.netbox.tables[LOCATION][world.room]["tags"] = ["spare-hub"]
    in_a_hub = await digest()
    world.netbox.tables[DEVICE][device]["custom_fields"] = {"holder": "Grace"}

    assert len({before, in_a_hub, await digest()}) == 3


async def test_a_status_is_known_by_its_value_since_labels_are_translated_and_taken_away(world, source):
    world.netbox.statuses |= {"active": "Aktiv", "haunted": "Active"}
    good, bad = world.device("good"), world.device("bad", status="haunted")
    gone = world.device("gone", status="burn-in")

    batches = await source.pull("devices")

    rejected = {item.ref: item for batch in batches for item in batch.rejected}
    assert list(by_ref(batches)) == [ref(ASSETS, good)]
    assert set(rejected) == {ref(ASSETS, bad), ref(ASSETS, gone)}
    assert rejected[ref(ASSETS, bad)].path == "/status"
    assert "status 'haunted' of device 'bad' has no meaning here" in rejected[ref(ASSETS, bad)].reason
    assert rejected[ref(ASSETS, gone)].reason.endswith('states = { "burn-in" = "deployed" }.')


async def test_a_status_of_the_customer_gets_the_state_that_the_settings_give(world):
    world.device("dev", status="burn-in")
    source = Source(world, states={"Burn-In": "inspection"})

    (device,) = by_ref(await source.pull("devices")).values()

    assert device.state is AssetState.INSPECTION
    await source.connection.aclose()


@pytest.mark.parametrize("version", [(4, 6), (4, 5)])
@pytest.mark.parametrize("hub_tags", [["spare-hub"], []])
async def test_deletions_erase_what_the_object_may_have_been(world, hub_tags, version):
    """Also where NetBox takes only the last of several kinds that it is asked for, as before 4.6."""
    world.netbox.version = version
    source = Source(world, hub_tags=hub_tags)
    first = await source.pull("deletions")
    device, model = world.device("dev"), world.netbox.add_device_type(world.juniper, "MX304")
    world.netbox.remove(DEVICE, device)
    world.netbox.remove(DEVICE_TYPE, model)
    world.netbox.remove(MANUFACTURER, world.netbox.add_manufacturer("None"))
    world.netbox.remove(SITE, world.vienna)

    erased = by_ref(await source.pull("deletions", first[-1].resume))

    locations = [f"hub:location-{number}" for number in (world.room, world.store, world.shelf)] if hub_tags else []
    assert sorted(map(str, erased)) == sorted(
        [f"asset:{device}", f"product:{model}", f"site:{world.vienna}", f"hub:{world.vienna}", *locations]
    )
    assert {record.updated_at for record in erased.values()} == {NOW}
    await source.connection.aclose()


@pytest.mark.parametrize(
    ("token", "header"), [(TOKEN, f"Bearer {TOKEN}"), ("0f1e2d3c4b5a6978", "Token 0f1e2d3c4b5a6978")]
)
async def test_both_versions_of_tokens_are_sent_as_they_are_taken(clock, token, header):
    world = World(clock, token=token)
    source = Source(world, token=token)

    health = await source.adapter.check()

    assert health.version == "4.6.8"
    assert source.requests[-1].headers["authorization"] == header
    await source.connection.aclose()


async def test_a_token_that_expires_in_the_middle_of_a_pull_is_told_from_one_that_lacks_a_permission(world, source):
    for number in range(20):
        world.device(f"dev-{number}")
    batches = source.adapter.pull(source.stream("devices"), None)
    await anext(batches)
    await anext(batches)
    world.netbox.token_problem = "Token expired"
    with pytest.raises(AuthError) as expired:
        await anext(batches)
    world.netbox.token_problem = None
    world.netbox.hidden.add(DEVICE)

    with pytest.raises(AuthError) as hidden:
        await source.pull("devices")

    assert expired.value.message == "pull devices: NetBox does not accept the token: Token expired"
    assert "API Tokens" in expired.value.hint
    assert hidden.value.message == "pull devices: the token's user lacks a permission in NetBox"
    assert "view sites" in hidden.value.hint
    assert TOKEN not in repr(expired.value) + str(expired.value) + expired.value.detail


async def test_a_single_object_is_what_a_pull_says_of_it(world, source):
    device = world.device("dev")
    pulled = by_ref(await source.pull("places")) | by_ref(await source.pull("devices"))
    asked = [ref(SITES, world.vienna), ref(HUBS, world.graz), ref(HUBS, f"location-{world.store}"), ref(ASSETS, device)]

    assert [await source.adapter.fetch(one) for one in asked] == [pulled[one] for one in asked]
    assert await source.adapter.fetch(ref(SITES, world.graz)) == pulled[ref(HUBS, world.graz)]


@pytest.mark.parametrize(
    "gone", [ref(HUBS, "location-1"), ref(ASSETS, 99), ref(ASSETS, "../sites"), ref(EntityKind.TICKET, 1)]
)
async def test_what_is_no_hub_or_not_there_is_not_found(world, source, gone):
    assert world.room == 1

    with pytest.raises(NotFound):
        await source.adapter.fetch(gone)


async def test_the_site_of_a_hub_that_may_not_be_seen_is_said_to_be_missing(world, source):
    del world.netbox.tables[SITE][world.vienna]

    (item,) = [item for batch in await source.pull("places") for item in batch.rejected]

    assert (item.ref, item.path) == (ref(HUBS, f"location-{world.store}"), "/site")


async def test_many_places_are_asked_for_in_short_addresses_of_the_configured_host(world):
    for number in range(250):
        site = world.netbox.add_site(f"Site {number}", at=OLD)
        world.netbox.add_location(f"Store {number}", site, tags=["spare-hub"], at=OLD)
    source = Source(world, page_size=500)

    places = by_ref(await source.pull("places"))

    assert len(places) == 250 * 2 + 3
    assert {request.url.host for request in source.requests} == {"netbox.test"}
    assert max(len(str(request.url)) for request in source.requests) < 4096
    await source.connection.aclose()


class Answering:
    """A server that answers each list with the same bytes."""

    def __init__(self, body: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.answer = status, headers, body

    async def __call__(self, _scope, _receive, send):
        status, headers, body = self.answer
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (
            200,
            b'{"count": null, "next": "x", "results": [{"id": 3}]}',
            "a page from id 4 on ends with id 3",
        ),
        (200, b'{"count": null, "next": "x", "results": []}', "there is a further page, but no rows"),
        (200, b'{"count": null, "next": null}', "holds no list `results` of objects"),
        (200, b'{"count": 1, "results": [', "the answer to pull devices is not JSON"),
        (200, b"<html>Log in</html>", "the answer to pull devices is not JSON"),
        (302, b"", "the system answered 302"),
    ],
)
async def test_an_answer_that_is_none_is_unexpected_and_never_the_end_of_the_list(world, status, body, reason):
    world.netbox.app = Answering(body, status, [(b"location", b"https://elsewhere.test/login")])
    source = Source(world, hub_tags=[])
    since = '{"rows": {"at": "2026-01-01T00:00:00Z", "is_full": true, "started": "2026-01-01T00:00:00Z"}}'

    with pytest.raises(UnexpectedResponse, match=reason):
        await source.pull("devices", since)

    assert {request.url.host for request in source.requests} == {"netbox.test"}
    await source.connection.aclose()


@pytest.mark.parametrize("cursor", ["", "[]", '{"rows": 7}', '{"rows": {"nosuch": 1}}', "not json"])
async def test_a_cursor_of_something_else_is_refused(source, cursor):
    with pytest.raises(Invalid, match="is not one of this adapter"):
        await source.pull("devices", cursor)
