"""The sandbox behaves as Nautobot 3.2.7 was measured to."""

from __future__ import annotations

import httpx
import orjson
import pytest

from connector.sdk.testing import MovableClock
from connector_nautobot.sandbox import Hook, NautobotSandbox, sign

from .conftest import NOW, SECRET, TOKEN

DEVICES = "/api/dcim/devices/"
BAYS, STACKS = "/api/dcim/device-bays/", "/api/dcim/virtual-chassis/"


@pytest.fixture
async def api(world):
    transport = httpx.ASGITransport(app=world.nautobot.app)
    headers = {"Authorization": f"Token {TOKEN}", "Host": "cmdb.proxy.test"}
    async with httpx.AsyncClient(transport=transport, base_url="http://nautobot.test", headers=headers) as client:
        yield client


async def test_tokens(api):
    wrong = await api.get(DEVICES, headers={"Authorization": "Token wrong"})
    none = await api.get(DEVICES, headers={"Authorization": ""})

    assert (wrong.status_code, wrong.json()) == (403, {"detail": "Invalid token"})
    assert (none.status_code, none.json()) == (403, {"detail": "Authentication credentials were not provided."})


async def test_every_answer_names_the_version(api):
    status = await api.get("/api/status/")

    assert (status.headers["api-version"], status.json()["nautobot-version"]) == ("3.2", "3.2.7")


@pytest.mark.parametrize(("limit", "given"), [("", 50), ("5000", 1000), ("0", 1000), ("-1", 50), ("abc", 50)])
async def test_limits_are_clamped_without_a_word(world, api, limit, given):
    for number in range(1001):
        world.device(f"dev-{number:04}")

    page = (await api.get(DEVICES, params={"limit": limit} if limit else {})).json()

    assert (page["count"], len(page["results"])) == (1001, given)
    assert page["next"] == f"http://cmdb.proxy.test{DEVICES}?limit={given}&offset={given}"


@pytest.mark.parametrize(
    ("params", "body"),
    [
        ({"nosuch": "1"}, {"nosuch": ["Unknown filter field"]}),
        ({"id__gt": "1"}, {"id__gt": ["Unknown filter field"]}),
        ({"last_updated__gte": "garbage"}, {"last_updated__gte": ["Enter a valid date/time."]}),
        ({"status": "nope"}, {"status": ["Select a valid choice. nope is not one of the available choices."]}),
        ({"depth": "11"}, {"detail": "The depth parameter must be an integer between 0 and 10"}),
    ],
)
async def test_what_it_does_not_understand_is_a_400(api, params, body):
    answer = await api.get(DEVICES, params=params)

    assert (answer.status_code, answer.json()) == (400, body)


async def test_references_are_bare_until_depth_asks_for_more(world, api):
    device = world.device("dev")

    bare = (await api.get(f"{DEVICES}{device}/")).json()
    nested = (await api.get(f"{DEVICES}{device}/", params={"depth": 1})).json()

    url = f"http://cmdb.proxy.test/api/dcim/locations/{world.vienna}/"
    assert bare["location"] == {"id": world.vienna, "object_type": "dcim.location", "url": url}
    assert (nested["location"]["name"], nested["status"]["name"]) == ("Vienna", "Active")
    assert set(nested["location"]["parent"]) == {"id", "object_type", "url"}


async def test_changes_by_name_conflicts_and_unknown_fields(world, api):
    first, second = world.device("one", asset_tag="AT-1"), world.device("two")

    by_name = await api.patch(f"{DEVICES}{first}/", json={"status": "Offline", "nosuch": 1})
    unknown = await api.patch(f"{DEVICES}{first}/", json={"status": "Nope"})
    taken = await api.patch(f"{DEVICES}{second}/", json={"asset_tag": "AT-1"})

    assert (by_name.status_code, by_name.json()["status"]["id"]) == (200, world.nautobot.status("Offline"))
    assert unknown.json() == {"status": ["Related object not found using the provided attributes: {'name': 'Nope'}"]}
    assert (taken.status_code, taken.json()) == (400, {"asset_tag": ["device with this Asset tag already exists."]})


async def test_a_location_in_use_is_not_deleted(world, api):
    device = world.device("dev")

    answer = await api.delete(f"/api/dcim/locations/{world.vienna}/")

    text = f"Unable to delete object. 1 dependent objects were found: dev ({device})"
    assert (answer.status_code, answer.json()) == (409, {"detail": text})


async def test_a_deletion_is_in_the_change_log_with_its_last_state(world, api):
    device = world.device("dev", serial="SN1")

    gone = await api.delete(f"{DEVICES}{device}/")
    both = {"action": "delete", "changed_object_type": ["dcim.location", "dcim.device"]}
    (change,) = (await api.get("/api/extras/object-changes/", params=both)).json()["results"]

    assert gone.status_code == 204
    assert (change["changed_object_id"], change["action"]["value"]) == (device, "delete")
    assert change["object_data_v2"]["location"]["name"] == "Vienna"
    assert (await api.get(f"{DEVICES}{device}/")).json() == {"detail": "No Device matches the given query."}


async def test_coordinates_are_texts_of_six_decimals_and_nine_digits_at_most(world, api):
    path = f"/api/dcim/locations/{world.vienna}/"

    kept = await api.patch(path, json={"latitude": 48.2})
    refused = await api.patch(path, json={"latitude": "123.1234567"})

    assert kept.json()["latitude"] == "48.200000"
    assert refused.json() == {"latitude": ["Ensure that there are no more than 8 digits in total."]}


async def test_a_parents_edit_leaves_the_children_and_a_vain_one_moves_the_time(world, api):
    path = f"/api/dcim/locations/{world.vienna}/"
    before = (await api.get(path)).json()["last_updated"]

    await api.patch(f"/api/dcim/locations/{world.north}/", json={"name": "Far North"})
    after_parent = (await api.get(path)).json()["last_updated"]
    await api.patch(path, json={"name": "Vienna"})

    assert after_parent == before == "2026-10-26T09:00:00Z"
    assert (await api.get(path)).json()["last_updated"] == "2026-11-25T09:00:00Z"


async def test_it_goes_on_where_it_stopped(tmp_path):
    journal = tmp_path / "nautobot.jsonl"
    first = NautobotSandbox(MovableClock(NOW), token=TOKEN, journal=journal)
    site = first.add_location("Vienna", first.add_location_type("Site"))
    gone = first.add_location("Gone", first.add_location_type("Other"))
    first.change(site, facility="VIE")
    first.remove(gone)
    first.store.close()
    journal.write_bytes(journal.read_bytes() + b'{"put":"dcim.location","row":{"id":')

    second = NautobotSandbox(MovableClock(NOW), token=TOKEN, journal=journal)

    assert [(row["name"], row["facility"]) for row in second.rows("dcim.location")] == [("Vienna", "VIE")]
    assert second.count("extras.status") == 7
    second.store.close()


async def test_webhooks_are_posted_signed(world):
    received = []

    async def hub(scope, receive, send):
        message = await receive()
        received.append((dict(scope["headers"]), message["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    hook = Hook("http://hub.test/webhooks/cmdb", SECRET)
    sandbox = NautobotSandbox(world.clock, token=TOKEN, hooks=(hook,), transport=httpx.ASGITransport(app=hub))
    place = sandbox.add_location("Vienna", sandbox.add_location_type("Site"))
    sandbox.change(place, facility="VIE")

    assert await sandbox.deliver() == 1
    assert await sandbox.deliver() == 0

    ((headers, body),) = received
    assert headers[b"x-hook-signature"].decode() == sign(SECRET, body)
    payload = orjson.loads(body)
    assert (payload["event"], payload["model"], payload["timestamp"]) == (
        "updated",
        "location",
        "2026-11-25 09:00:00+00:00",
    )
    assert payload["snapshots"]["differences"] == {"removed": {"facility": ""}, "added": {"facility": "VIE"}}


async def test_a_bay_names_its_device_and_the_device_its_bay_without_a_change_of_its_time(world, api):
    chassis, blade = world.device("chassis"), world.device("blade")
    before = (await api.get(f"{DEVICES}{blade}/")).json()

    bay = (await api.post(BAYS, json={"name": "Slot 1", "device": chassis})).json()["id"]
    installed = (await api.patch(f"{BAYS}{bay}/", json={"installed_device": blade})).json()

    url = f"http://cmdb.proxy.test{BAYS}{bay}/"
    after = (await api.get(f"{DEVICES}{blade}/")).json()
    assert installed["installed_device"]["id"] == blade
    assert after == before | {"parent_bay": {"id": bay, "object_type": "dcim.devicebay", "url": url}}
    twice = await api.post(BAYS, json={"name": "Slot 2", "device": chassis, "installed_device": blade})
    assert twice.json() == {"installed_device": ["device bay with this installed device already exists."]}
    await api.delete(f"{DEVICES}{chassis}/")
    assert (await api.get(f"{DEVICES}{blade}/")).json() == before
    assert (await api.get(f"{BAYS}{bay}/")).status_code == 404


@pytest.mark.parametrize("name", ["last_updated", "last_updated__gte", "last_updated__isnull", "created__lte"])
async def test_the_list_of_bays_knows_no_times(api, name):
    answer = await api.get(BAYS, params={name: "2026-01-01T00:00:00Z", "sort": "last_updated,id"})

    assert (answer.status_code, answer.json()) == (400, {name: ["Unknown filter field"]})


async def test_a_stack_takes_its_first_master_in_and_a_later_one_has_to_be_a_member(world, api):
    master, member, alone = world.device("master"), world.device("member"), world.device("alone")

    stack = (await api.post(STACKS, json={"name": "stack", "master": master})).json()["id"]
    first = (await api.get(f"{DEVICES}{master}/")).json()
    nowhere = await api.patch(f"{DEVICES}{member}/", json={"virtual_chassis": stack})
    second = (await api.patch(f"{DEVICES}{member}/", json={"virtual_chassis": stack, "vc_position": 2})).json()
    foreign = await api.patch(f"{STACKS}{stack}/", json={"master": alone})
    kept = await api.delete(f"{DEVICES}{master}/")

    assert (first["virtual_chassis"]["id"], first["vc_position"]) == (stack, 1)
    assert first["last_updated"] == "2026-11-25T09:00:00Z"
    assert (second["virtual_chassis"]["id"], second["vc_position"]) == (stack, 2)
    told = {"vc_position": ["A device assigned to a virtual chassis must have its position defined."]}
    assert (nowhere.status_code, nowhere.json()) == (400, told)
    assert foreign.json() == {"master": ["The selected master (alone) is not assigned to this virtual chassis."]}
    text = f"Unable to delete object. 1 dependent objects were found: stack ({stack})"
    assert (kept.status_code, kept.json()) == (409, {"detail": text})


async def test_members_of_a_deleted_stack_are_in_none_and_their_time_moves(world, api):
    master = world.device("master")
    stack = world.nautobot.add("dcim.virtualchassis", name="stack", master=master, at=world.old)

    await api.delete(f"{STACKS}{stack}/")

    row = (await api.get(f"{DEVICES}{master}/")).json()
    assert (row["virtual_chassis"], row["vc_position"]) == (None, None)
    assert row["last_updated"] == "2026-11-25T09:00:00Z"
