"""The sandbox behaves as the source of NetBox 4.6.8 says."""

from __future__ import annotations

import httpx
import orjson
import pytest

from connector.sdk.testing import MovableClock
from connector_netbox.sandbox import Hook, NetBoxSandbox, sign
from connector_netbox.sandbox_shapes import DEVICE, LOCATION, SITE

from .conftest import NOW, OLD, SECRET, TOKEN, World

NONE = "is not one of the available choices."
DEVICES, SITES = "/api/dcim/devices/", "/api/dcim/sites/"


def client(world: World, token: str = f"Bearer {TOKEN}") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=world.netbox.app)
    headers = {"Authorization": token, "Host": "cmdb.proxy.test"}
    return httpx.AsyncClient(transport=transport, base_url="http://netbox.test", headers=headers)


@pytest.fixture
async def api(world):
    async with client(world) as opened:
        yield opened


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "Authentication credentials were not provided."),
        ("Bearer nbt_4F9DAouzURLb.wrong", "Invalid v2 token"),
        ("Token wrong", "Invalid v1 token"),
    ],
)
async def test_a_wrong_token_is_a_403_as_a_missing_permission_is(world, header, said):
    async with client(world, header) as api:
        answer = await api.get(DEVICES)

    assert (answer.status_code, answer.json()) == (403, {"detail": said})


async def test_an_older_version_neither_knows_tokens_of_version_2_nor_tags_of_entities(clock):
    world = World(clock, version=(4, 4), token="0f1e2d3c4b5a69788796")
    async with client(world, "Token 0f1e2d3c4b5a69788796") as api:
        answer = await api.get(f"{SITES}{world.vienna}/")
        listed = (await api.get(SITES, params={"start": 2, "limit": 1})).json()

    assert (answer.headers["api-version"], "etag" in answer.headers) == ("4.4", False)
    assert (listed["count"], [row["name"] for row in listed["results"]]) == (2, ["Graz"])


@pytest.mark.parametrize(("limit", "given"), [("", 50), ("5000", 1000), ("0", 1000), ("-1", 50), ("abc", 50)])
async def test_limits_are_clamped_without_a_word(world, api, limit, given):
    for number in range(1001):
        world.device(f"dev-{number:04}")

    page = (await api.get(DEVICES, params={"fields": "id", **({"limit": limit} if limit else {})})).json()

    assert (page["count"], len(page["results"])) == (1001, given)
    assert page["next"] == f"http://cmdb.proxy.test{DEVICES}?fields=id&limit={given}&offset={given}"


async def test_what_it_does_not_know_it_passes_over_and_the_order_is_by_name(world, api):
    for name in ("c", "a", "b"):
        world.device(name)

    page = (await api.get(DEVICES, params={"nosuch": 1, "last_updatd__gte": "x", "ordering": "nosuch"})).json()

    assert [row["name"] for row in page["results"]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("path", "params", "body"),
    [
        (SITES, {"tag": "no"}, {"tag": ["Select a valid choice. no is not one of the available choices."]}),
        (DEVICES, {"location_id": 9}, {"location_id": [f"Select a valid choice. 9 {NONE}"]}),
        (DEVICES, {"last_updated__gte": "garbage"}, {"last_updated__gte": ["Enter a valid date/time."]}),
        (DEVICES, {"start": 0, "offset": 0}, ["'start' and 'offset' are mutually exclusive."]),
        (
            DEVICES,
            {"start": 0, "ordering": "id"},
            ["Ordering cannot be specified in conjunction with cursor-based pagination."],
        ),
        (DEVICES, {"start": -1}, ["Invalid 'start' parameter: must be a non-negative integer."]),
    ],
)
async def test_what_it_does_not_accept_is_a_400(api, path, params, body):
    answer = await api.get(path, params=params)

    assert (answer.status_code, answer.json()) == (400, body)


async def test_a_row_without_a_time_fits_no_bound_and_is_the_first_of_the_latest(world, api):
    number, other = world.device("dev"), world.device("other")
    world.netbox.tables[DEVICE][number]["last_updated"] = None

    bounded = (await api.get(DEVICES, params={"last_updated__gte": "1970-01-01T00:00:00Z"})).json()
    latest = (await api.get(DEVICES, params={"ordering": "-last_updated"})).json()

    assert [row["id"] for row in bounded["results"]] == [other]
    assert [row["id"] for row in latest["results"]] == [number, other]
    assert latest["results"][0]["last_updated"] is None


async def test_a_cursor_does_not_count_and_leads_on(world, api):
    numbers = [world.device("dev") for _ in range(5)]

    page = (await api.get(DEVICES, params={"start": numbers[1], "limit": 2, "fields": "id"})).json()

    assert page == {
        "count": None, "next": f"http://cmdb.proxy.test{DEVICES}?fields=id&start={numbers[3]}&limit=2",
        "previous": None, "results": [{"id": numbers[1]}, {"id": numbers[2]}],
    }  # fmt: skip


async def test_several_tags_must_all_be_there(world, api):
    world.netbox.add_tag("big")
    world.netbox.tables[SITE][world.graz]["tags"] = ["spare-hub", "big"]

    both = (await api.get(SITES, params={"tag": ["spare-hub", "big"]})).json()
    world.netbox.tables[SITE][world.graz]["tags"] = ["big"]

    assert both["count"] == 1
    assert (await api.get(SITES, params={"tag": ["spare-hub", "big"]})).json()["count"] == 0


async def test_references_are_brief_choices_are_value_and_label_coordinates_are_numbers(world, api):
    number = world.device("dev", location=world.room)
    world.netbox.statuses.pop("active")

    device = (await api.get(f"{DEVICES}{number}/")).json()
    site = (await api.get(f"{SITES}{world.vienna}/")).json()

    assert device["status"] == {"value": "active", "label": ""}
    assert {"id", "url", "display", "name", "slug", "description"} <= set(device["site"])
    assert (device["device_type"]["manufacturer"]["name"], device["device_type"]["device_count"]) == ("Juniper", 1)
    assert (site["latitude"], site["time_zone"], site["tags"]) == (48.208176, "Europe/Vienna", [])


async def test_a_precondition_that_fails_is_a_412_with_the_tag_of_now(world, api):
    path = f"{DEVICES}{world.device('dev')}/"
    tag = (await api.get(path)).headers["etag"]

    kept = await api.patch(path, json={"serial": "1"}, headers={"If-Match": tag})
    late = await api.patch(path, json={"serial": "2"}, headers={"If-Match": tag})
    any_of_them = await api.patch(path, json={"serial": "3"}, headers={"If-Match": "*"})

    assert (tag, kept.status_code) == ('W/"2026-10-26T09:00:00+00:00"', 200)
    assert (late.status_code, late.json()) == (412, {"detail": "Precondition failed."})
    assert late.headers["etag"] == kept.headers["etag"] == 'W/"2026-11-25T09:00:00+00:00"'
    assert any_of_them.json()["serial"] == "3"


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({"status": "nope"}, {"status": ["nope is not a valid choice."]}),
        (
            {"status": {"value": "active"}},
            {"status": ['Value must be passed directly (e.g. "foo": 123); do not use a dictionary or list.']},
        ),
        ({"asset_tag": "AT-1"}, {"asset_tag": ["device with this asset tag already exists."]}),
        ({"site": 99}, {"site": ["Related object not found using the provided numeric ID: 99"]}),
        ({"site": 2}, {"location": ["Location Room 1 does not belong to site Graz."]}),
        ({"face": "front"}, {"face": ["Cannot select a rack face without assigning a rack."]}),
        (
            {"custom_fields": {"nosuch": 1}},
            {"custom_fields": {"nosuch": ["Custom field 'nosuch' does not exist for this object type."]}},
        ),
    ],
)
async def test_changes_that_cannot_be_are_refused_by_field(world, api, change, body):
    number = world.device("dev", location=world.room)
    world.device("other", asset_tag="AT-1")

    answer = await api.patch(f"{DEVICES}{number}/", json=change)

    assert (answer.status_code, answer.json()) == (400, body)
    assert (await api.patch(f"{DEVICES}{number}/", json={"nosuch": 1})).status_code == 200


async def test_a_site_in_use_is_not_deleted_and_a_deletion_is_in_the_change_log(world, api):
    number = world.device("dev")

    kept = await api.delete(f"{SITES}{world.vienna}/")
    gone = await api.delete(f"{DEVICES}{number}/")
    asked = {"action": "delete", "changed_object_type": ["dcim.site", "dcim.device"], "time_after": NOW.isoformat()}
    (change,) = (await api.get("/api/core/object-changes/", params=asked)).json()["results"]

    text = f"Unable to delete object. 1 dependent objects were found: dev ({number})"
    assert (kept.status_code, kept.json(), gone.status_code) == (409, {"detail": text}, 204)
    assert (change["changed_object_id"], change["action"]) == (number, {"value": "delete", "label": "Delete"})
    assert (change["prechange_data"]["site"], change["postchange_data"]) == (world.vienna, None)


async def test_a_location_that_moves_takes_devices_along_whose_times_stay(world, api):
    number = world.device("dev", location=world.shelf)

    await api.patch(f"/api/dcim/locations/{world.store}/", json={"site": world.graz})
    device = (await api.get(f"{DEVICES}{number}/")).json()

    assert (device["site"]["name"], device["last_updated"]) == ("Graz", "2026-10-26T09:00:00Z")
    assert world.netbox.tables[LOCATION][world.shelf]["site"] == world.graz


async def test_times_are_written_in_the_servers_zone(clock):
    world = World(clock, zone="Europe/Vienna")
    async with client(world) as api:
        site = (await api.get(f"{SITES}{world.vienna}/")).json()

    assert site["last_updated"] == "2026-10-26T10:00:00+01:00"


async def test_webhooks_are_posted_signed():
    received = []

    async def hub(scope, receive, send):
        message = await receive()
        received.append((dict(scope["headers"]), message["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    hook = Hook("http://hub.test/webhooks/cmdb", SECRET)
    transport = httpx.ASGITransport(app=hub)
    sandbox = NetBoxSandbox(MovableClock(NOW), token=TOKEN, hooks=(hook,), transport=transport)
    site = sandbox.add_site("Vienna", at=OLD)
    sandbox.change(SITE, site, facility="VIE")

    assert (await sandbox.deliver(), await sandbox.deliver()) == (1, 0)

    ((headers, body),) = received
    assert headers[b"x-hook-signature"].decode() == sign(SECRET, body)
    payload = orjson.loads(body)
    assert (payload["event"], payload["object_type"], payload["data"]["id"]) == ("updated", "dcim.site", site)
    assert payload["timestamp"] == "2026-11-25T09:00:00+00:00"
    assert [payload["snapshots"][when]["facility"] for when in ("prechange", "postchange")] == ["", "VIE"]
