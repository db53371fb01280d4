"""Devices and places are read without an order, without a time of change, and without one request per device."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from connector.sdk import (
    AssetState,
    AuthError,
    EntityKind,
    Invalid,
    NotFound,
    RateLimited,
    SourceRef,
    Tombstone,
    UnexpectedResponse,
)
from connector.sdk.testing import Between, MovableClock, by_ref, ids
from connector_intune.sandbox import IntuneSandbox
from connector_intune.sandbox.system import ref_of

from .conftest import NOON, Opened

HOUR, DEVICES = timedelta(hours=1), "/v1.0/deviceManagement/managedDevices"


async def test_a_pull_asks_for_what_has_synced_since(sandbox: IntuneSandbox, opened: Opened, clock: MovableClock):
    devices = [sandbox.tenant.add_device(NOON - HOUR * (20 - number)) for number in range(15)]
    async with opened(audit=False) as source:
        first = await source.pull("devices")
        clock.advance(HOUR)
        sandbox.touch(ref_of(devices[3]), at=clock.now())
        source.requests.clear()
        second = await source.pull("devices", first[-1].resume)

    assert (len(ids(first)), first[-1].complete, second[-1].complete) == (15, True, False)
    assert set(ids(second)) == {devices[3]["id"], devices[-1]["id"]}  # the newest of before, within the overlap, too
    asked = [request.url.params["$filter"] for request in source.requests if request.method == "GET"]
    assert asked == ["lastSyncDateTime gt 2026-07-01T05:44:59Z"]


async def test_the_places_of_three_hundred_people_are_one_request(
    sandbox: IntuneSandbox, opened: Opened, wire: Between
):
    people = [sandbox.tenant.add_user(officeLocation=f"Floor {number % 7}") for number in range(300)]
    for person in people:
        sandbox.tenant.add_device(NOON - HOUR, userId=person["id"].upper())
    del sandbox.tenant.users[people[8]["id"]]
    async with opened(page_size=500) as source:
        batches = await source.pull("devices")

    assert wire.count("/v1.0/$batch") == 1
    asked = json.loads(wire.requests[-1].content)["requests"]
    assert (len(asked), {each["url"].count("'") for each in asked}) == (20, {30})
    places = [record.place for record in by_ref(batches).values()]
    assert (len({str(place) for place in places if place}), places.count(None)) == (7, 1)


async def test_what_people_change_is_told_by_the_audit_log_and_else_by_the_next_whole_list(
    sandbox: IntuneSandbox, opened: Opened, clock: MovableClock
):
    changed, deleted, given, other = (sandbox.tenant.add_device(NOON - HOUR * 30) for _ in range(4))
    sandbox.tenant.add_device(NOON - HOUR)
    async with opened() as audited, opened(audit=False, whole_every="PT6H") as plain:
        starts = [(await source.pull("devices"))[-1].resume for source in (audited, plain)]
        clock.advance(HOUR)
        sandbox.tenant.assign(
            changed["id"], next(n for n, name in sandbox.tenant.categories.items() if name == "Spare")
        )
        sandbox.tenant.delete(deleted["id"], clock.now())
        given["managedDeviceOwnerType"] = "personal"
        sandbox.tenant.note(given["id"], "Update", clock.now())
        told = await audited.pull("devices", starts[0])
        unaware = await plain.pull("devices", starts[1])
        clock.advance(HOUR * 6)
        whole = await plain.pull("devices", unaware[-1].resume)

    found = by_ref(told)
    assert found[ref_of(changed)].state is AssetState.IN_STOCK
    gone = {record.ref for record in found.values() if isinstance(record, Tombstone)}
    assert gone == {ref_of(deleted), ref_of(given)}
    assert ref_of(changed) not in by_ref(unaware)
    assert {changed["id"], other["id"]} <= set(ids(whole))
    assert whole[-1].complete is False


async def test_a_device_that_fell_silent_is_gone_with_the_next_whole_list_until_it_is_back(
    sandbox: IntuneSandbox, opened: Opened, clock: MovableClock
):
    silent = sandbox.tenant.add_device(NOON - timedelta(days=89), serialNumber="TWIN")
    anew = sandbox.tenant.add_device(NOON - HOUR, serialNumber="TWIN")
    never = sandbox.tenant.add_device(NOON - HOUR, lastSyncDateTime="0001-01-01T00:00:00Z")
    async with opened(stale_after="P90D") as source:
        first = await source.pull("devices")
        clock.advance(timedelta(days=2))
        second = await source.pull("devices", first[-1].resume)
        sandbox.touch(ref_of(silent), at=clock.now())
        third = await source.pull("devices", second[-1].resume)

    assert set(ids(first)) == {silent["id"], anew["id"], never["id"]}
    gone = {ref for ref, record in by_ref(second).items() if isinstance(record, Tombstone)}
    assert (gone, set(by_ref(second)) - gone) == ({ref_of(silent)}, {ref_of(anew), ref_of(never)})
    assert by_ref(third)[ref_of(silent)].serial == "TWIN"


async def test_an_event_about_something_else_asks_for_no_device(
    sandbox: IntuneSandbox, opened: Opened, clock: MovableClock, wire: Between
):
    sandbox.tenant.add_device(NOON - HOUR)
    async with opened() as source:
        first = await source.pull("devices")
        sandbox.tenant.note("df07f17c-2d58-42d9-8491-31aa00000000", "Delete", clock.now())
        sandbox.tenant.events[-1] |= {"category": "Application", "componentName": "MobileApp", "activityType": "Delete"}
        sandbox.tenant.events[-1]["resources"][0]["auditResourceType"] = "WinGetApp"
        await source.pull("devices", first[-1].resume)

    assert (wire.count("/v1.0/deviceManagement/auditEvents"), wire.count("/v1.0/$batch")) == (1, 0)


async def test_an_empty_page_is_not_the_end(sandbox: IntuneSandbox, opened: Opened):
    sandbox.server.holes = True
    for _ in range(25):
        sandbox.tenant.add_device(NOON - HOUR)
    async with opened() as source:
        batches = await source.pull("devices")

    assert (len(set(ids(batches))), batches[-1].complete) == (25, True)


async def test_a_link_that_is_no_longer_taken_begins_the_list_anew(sandbox: IntuneSandbox, opened: Opened):
    for _ in range(25):
        sandbox.tenant.add_device(NOON - HOUR)
    async with opened() as source:
        begun = await anext(source.adapter.pull(source.stream("devices"), None))
        sandbox.server.ended.add(ids([begun])[-1])
        anew = await source.pull("devices", begun.resume)
        sandbox.server.ended.add(ids([begun])[-1])
        with pytest.raises(Invalid, match="Skip token is not valid"):  # of a list that is read in one go
            await source.pull("devices")

    assert (len(set(ids(anew))), anew[-1].complete) == (25, False)


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("http://elsewhere.test/v1.0/deviceManagement/managedDevices?$skiptoken=1", "leads to another host"),
        ("http://graph.test/v1.0/deviceManagement/managedDevices?$skiptoken=1", "where it was already"),
        (17, "where it was already"),
    ],
)
async def test_a_link_that_leads_astray_is_not_followed(opened: Opened, wire: Between, link: object, said: str):
    def lead(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(200, json={"value": [], "@odata.nextLink": link}) if request.method == "GET" else None

    wire.change = lead
    async with opened() as source:
        with pytest.raises(UnexpectedResponse, match=said):
            await source.pull("devices")

    assert {request.url.host for request in wire.requests} == {"graph.test", "login.test"}


async def test_throttling_within_a_batch_waits_as_long_as_it_says_and_loses_nothing(
    sandbox: IntuneSandbox, opened: Opened
):
    user = sandbox.tenant.add_user()
    for _ in range(15):
        sandbox.tenant.add_device(NOON - HOUR, userId=user["id"])
    async with opened() as source:
        pulled = source.adapter.pull(source.stream("devices"), None)
        begun = await anext(pulled)
        sandbox.server.throttled["users"] = "17"
        with pytest.raises(RateLimited) as limited:
            await anext(pulled)
        sandbox.server.throttled.clear()
        rest = await source.pull("devices", begun.resume)

    assert limited.value.retry_after == timedelta(seconds=17)
    assert len({*ids([begun]), *ids(rest)}) == 15


async def test_a_permission_that_is_missing_is_named_with_the_request_id(opened: Opened, wire: Between):
    body = {
        "error": {
            "code": "Authorization_RequestDenied", "message": "Insufficient privileges to complete the operation.",
            "innerError": {"request-id": "79019ae1-515e-4672-8ddb-0ffa2a0df97c"},
        }
    }  # fmt: skip
    wire.change = lambda request: httpx.Response(403, json=body) if "users" in request.url.path else None
    async with opened() as source:
        with pytest.raises(AuthError) as denied:
            await source.pull("places")

    assert "Authorization_RequestDenied: Insufficient privileges" in str(denied.value)
    assert "request-id 79019ae1-515e-4672-8ddb-0ffa2a0df97c" in str(denied.value)
    assert "application permissions" in denied.value.hint


async def test_other_categories_read_all_devices_anew(sandbox: IntuneSandbox, opened: Opened, clock: MovableClock):
    old = sandbox.tenant.add_device(NOON - HOUR * 30, deviceCategoryDisplayName="Pool")
    sandbox.tenant.add_device(NOON - HOUR)
    async with opened() as source:
        first = await source.pull("devices")
    clock.advance(HOUR)
    async with opened(hub_categories={"pool": "Depot Hamburg"}) as source:
        second = await source.pull("devices", first[-1].resume)
        places = await source.pull("places")

    record = by_ref(second)[ref_of(old)]
    hub = SourceRef(kind=EntityKind.HUB, external_id="depot hamburg")
    assert (record.state, record.place) == (AssetState.IN_STOCK, hub)
    assert by_ref(places)[hub].name == "Depot Hamburg"


async def test_a_device_that_is_leaving_is_not_in_use_as_far_as_the_cloud_tells(sandbox: IntuneSandbox, opened: Opened):
    leaving = sandbox.tenant.add_device(NOON - HOUR, managementState="retirePending")
    async with opened() as source:
        told = by_ref(await source.pull("devices"))[ref_of(leaving)]
        sandbox.server.unknown.add("managementState")
        with pytest.raises(Invalid, match=r"BadRequest: Could not find a property named 'managementState'.*request-id"):
            await source.pull("devices")
    async with opened(management_state=False) as source:
        untold = await source.adapter.fetch(ref_of(leaving))

    assert (told.state, untold.state) == (AssetState.RETURN_PENDING, AssetState.DEPLOYED)


async def test_without_places_nobody_is_asked_about(sandbox: IntuneSandbox, opened: Opened, wire: Between):
    user = sandbox.tenant.add_user()
    device = sandbox.tenant.add_device(NOON - HOUR, userId=user["id"])
    async with opened(places="none") as source:
        batches = await source.pull("devices")
        places = await source.pull("places")

    assert (by_ref(batches)[ref_of(device)].place, places[0].complete, ids(places)) == (None, True, [])
    assert not any("users" in request.url.path or "$batch" in request.url.path for request in wire.requests)


async def test_single_things_are_found_as_the_lists_show_them(sandbox: IntuneSandbox, opened: Opened):
    user = sandbox.tenant.add_user()
    ours = sandbox.tenant.add_device(NOON - HOUR, userId=user["id"])
    theirs = sandbox.tenant.add_device(NOON - HOUR, managedDeviceOwnerType="personal")
    async with opened(hub_categories={"Pool": "Depot"}) as source:
        listed = by_ref([*await source.pull("places"), *await source.pull("devices")])
        fetched = {ref: await source.adapter.fetch(ref) for ref in listed}
        for missing in (ref_of(theirs), SourceRef(kind=EntityKind.SITE, external_id="de/a/b"), sandbox.unknown_asset()):
            with pytest.raises(NotFound):
                await source.adapter.fetch(missing)

    assert fetched == listed
    assert {ref.kind for ref in listed} == {EntityKind.SITE, EntityKind.HUB, EntityKind.ASSET}
    assert listed[ref_of(ours)].place == sandbox.site_of(user)
