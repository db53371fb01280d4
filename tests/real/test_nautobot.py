"""Relations of devices as a real Nautobot tells them: bays and virtual chassis, and a user who may not view them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import httpx
import pytest

from connector.sdk import AssetRecord, AssetRelation, AuthError, Deferred, Record, Rejected, RelationKind
from connector.sdk.connection import Connection, connect
from tests.real.connected import SystemClock
from tests.real.nautobot import Nautobot

VIEWED = (
    "dcim.location", "dcim.locationtype", "dcim.device", "dcim.devicetype", "dcim.manufacturer", "extras.status",
    "extras.objectchange",
)  # fmt: skip
"""What the adapter reads of a Nautobot without bays and virtual chassis."""


@dataclass(frozen=True, slots=True)
class Related:
    """Devices of a chassis with a blade in a bay, and of a stack of two, by their ids."""

    chassis: str
    blade: str
    bay: str
    master: str
    member: str
    stack: str


@dataclass(slots=True)
class User:
    """A user of Nautobot. made: where it and its permissions are."""

    id: str
    client: httpx.Client
    made: list[str]
    token: str = ""

    def permit(self, action: str, *types: str, **fields: object) -> None:
        """Let the user do something with objects of these types."""
        given = {"name": token_hex(4), "actions": [action], "object_types": types, "users": [self.id], **fields}
        made = self.client.post("/api/users/permissions/", json=given).raise_for_status().json()
        self.made.append(f"/api/users/permissions/{made['id']}/")


@pytest.fixture
def client(cmdb: Nautobot) -> Iterator[httpx.Client]:
    with cmdb.client() as client:
        yield client


@pytest.fixture
def related(client: httpx.Client) -> Iterator[Related]:
    """What a person would enter, and removes again."""
    made: list[str] = []

    def enter(path: str, **fields: object) -> str:
        found = client.post(f"/api/dcim/{path}/", json=fields).raise_for_status().json()["id"]
        made.append(f"/api/dcim/{path}/{found}/")
        return str(found)

    like = client.get("/api/dcim/devices/", params={"limit": 1, "asset_tag": "AT-000001"}).json()["results"][0]
    model = client.get(f"/api/dcim/device-types/{like['device_type']['id']}/").json()
    maker = model["manufacturer"]["id"]
    place = {name: like[name]["id"] for name in ("role", "location", "status")}
    mark = token_hex(4)
    try:
        holder = enter("device-types", manufacturer=maker, model=f"C-{mark}", u_height=4, subdevice_role="parent")
        held = enter("device-types", manufacturer=maker, model=f"B-{mark}", u_height=0, subdevice_role="child")
        chassis = enter("devices", name=f"chassis-{mark}", device_type=holder, **place)
        blade = enter("devices", name=f"blade-{mark}", device_type=held, **place)
        bay = enter("device-bays", name="Slot 1", device=chassis, installed_device=blade)
        master = enter("devices", name=f"master-{mark}", device_type=model["id"], **place)
        member = enter("devices", name=f"member-{mark}", device_type=model["id"], **place)
        stack = enter("virtual-chassis", name=f"stack-{mark}", master=master)
        joined = {"virtual_chassis": stack, "vc_position": 2}
        client.patch(f"/api/dcim/devices/{member}/", json=joined).raise_for_status()
        yield Related(chassis, blade, bay, master, member, stack)
    finally:
        for path in reversed(made):
            client.delete(path).raise_for_status()


@pytest.fixture
def user(cmdb: Nautobot, client: httpx.Client) -> Iterator[User]:
    """A user who may view what the adapter reads but for bays and virtual chassis."""
    name, password = f"user-{token_hex(4)}", token_hex(16)
    made = client.post("/api/users/users/", json={"username": name, "password": password}).raise_for_status()
    user = User(made.json()["id"], client, [f"/api/users/users/{made.json()['id']}/"])
    try:
        user.permit("view", *VIEWED)
        user.permit("add", "users.token")
        given = httpx.post(f"{cmdb.url}/api/users/tokens/", json={"write_enabled": False}, auth=(name, password))
        user.token = given.raise_for_status().json()["key"]
        yield user
    finally:
        for path in reversed(user.made):
            client.delete(path).raise_for_status()


@pytest.fixture
async def source(cmdb: Nautobot) -> AsyncIterator[Connection]:
    connection = connected(cmdb, cmdb.token)
    yield connection
    await connection.aclose()


async def test_a_bay_and_a_virtual_chassis_are_relations(source: Connection, related: Related) -> None:
    found = await recent(source)

    assert relations(found, related.blade) == (AssetRelation.to(RelationKind.PART_OF, related.chassis),)
    assert relations(found, related.member) == (AssetRelation.to(RelationKind.CONNECTED_TO, related.master),)
    assert relations(found, related.chassis) == relations(found, related.master) == ()


async def test_an_empty_bay_and_another_master_leave_the_rows_and_change_the_records(
    source: Connection, related: Related, client: httpx.Client
) -> None:
    before = await recent(source)
    again = await recent(source)

    change(client, f"/api/dcim/device-bays/{related.bay}/", installed_device=None)
    change(client, f"/api/dcim/virtual-chassis/{related.stack}/", master=related.member)

    after = await recent(source)
    ours = (related.chassis, related.blade, related.master, related.member)
    assert [again[key].digest for key in ours] == [before[key].digest for key in ours]
    assert [after[key].updated_at for key in ours] == [before[key].updated_at for key in ours]
    assert after[related.chassis].digest == before[related.chassis].digest
    assert {key for key in ours if after[key].digest != before[key].digest} == {*ours} - {related.chassis}
    assert relations(after, related.blade) == relations(after, related.member) == ()
    assert relations(after, related.master) == (AssetRelation.to(RelationKind.CONNECTED_TO, related.member),)


async def test_a_user_who_may_not_view_bays_is_told_so_and_one_who_sees_none_gets_the_device_with_its_reason(
    cmdb: Nautobot, related: Related, user: User
) -> None:
    connection = connected(cmdb, user.token)

    with pytest.raises(AuthError) as refused:
        await recent(connection)
    user.permit("view", "dcim.virtualchassis")
    user.permit("view", "dcim.devicebay", constraints={"name": "none of these"})
    found = await recent(connection)
    await connection.aclose()

    assert refused.value.hint == "Let the user view device bays in Nautobot."
    hidden = found[related.blade].made()
    assert isinstance(hidden, Rejected)
    assert hidden.path == "/parent_bay"
    assert f"parent_bay '{related.bay}' is not among the device bays that Nautobot shows" in hidden.reason
    assert relations(found, related.member) == (AssetRelation.to(RelationKind.CONNECTED_TO, related.master),)


def connected(cmdb: Nautobot, token: str) -> Connection:
    """The adapter, connected as the hub connects it."""
    return connect("cmdb", "nautobot", {"base_url": cmdb.url, "token": token}, clock=SystemClock())


def change(client: httpx.Client, path: str, **fields: object) -> None:
    """Set fields of an object, as a person does."""
    client.patch(path, json=fields).raise_for_status()


async def recent(source: Connection) -> dict[str, Deferred]:
    """The devices that were changed in the last minutes, by their ids."""
    adapter: Any = source.adapter
    (stream,) = [stream for stream in adapter.streams() if stream.name == "devices"]
    since = adapter.cursor_since(stream, datetime.now(UTC) - timedelta(minutes=5))
    items: list[Record | Deferred] = [item async for batch in adapter.pull(stream, since) for item in batch.records]
    return {item.ref.external_id: item for item in items if isinstance(item, Deferred)}


def relations(found: dict[str, Deferred], external_id: str) -> tuple[AssetRelation, ...] | None:
    """What the record of a device says of others."""
    record = found[external_id].made()
    assert isinstance(record, AssetRecord)
    return record.relations
