"""Devices in bays of others, and in stacks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.sdk import AssetRelation, AuthError, Deferred, EntityKind, Rejected, RelationKind, SourceRef
from connector.sdk.testing import by_ref, ids
from connector_nautobot import sandbox_lists
from connector_nautobot.sandbox_shapes import DEVICE, DEVICE_BAY, VIRTUAL_CHASSIS

from .conftest import Source

BAYS, STACKS = "/api/dcim/device-bays/", "/api/dcim/virtual-chassis/"


def ref(external_id):
    return SourceRef(kind=EntityKind.ASSET, external_id=external_id)


def bay(world, chassis, device=None, *, name="Slot 1"):
    return world.nautobot.add(DEVICE_BAY, name=name, device=chassis, installed_device=device, at=world.old)


async def items(source, since=None):
    """What a pull gives, whether or not it is made already."""
    batches = [batch async for batch in source.adapter.pull(source.stream("devices"), since)]
    return {item.ref.external_id: item for batch in batches for item in batch.records}


async def digests(source):
    return {key: item.digest for key, item in (await items(source)).items() if isinstance(item, Deferred)}


def asked(source, path):
    return [request for request in source.requests if request.url.path == path]


async def test_a_bay_is_a_part_of_its_chassis_and_a_member_is_connected_to_its_master(world, source):
    chassis, blade, master, member = (world.device(name) for name in ("chassis", "blade", "master", "member"))
    bay(world, chassis, blade)
    stack = world.nautobot.add(VIRTUAL_CHASSIS, name="stack", master=master)
    world.nautobot.change(member, virtual_chassis=stack, vc_position=2)

    found = by_ref(await source.pull("devices"))

    assert {key.external_id: record.relations for key, record in found.items()} == {
        chassis: (),
        blade: (AssetRelation.to(RelationKind.PART_OF, chassis),),
        master: (),
        member: (AssetRelation.to(RelationKind.CONNECTED_TO, master),),
    }


async def test_a_fetched_device_has_its_relations(world, source):
    chassis, blade = world.device("chassis"), world.device("blade")
    bay(world, chassis, blade)

    assert (await source.adapter.fetch(ref(blade))).relations == (AssetRelation.to(RelationKind.PART_OF, chassis),)


async def test_a_blade_may_be_a_member_of_a_stack_as_well(world, source):
    chassis, blade, master = world.device("chassis"), world.device("blade"), world.device("master")
    bay(world, chassis, blade)
    stack = world.nautobot.add(VIRTUAL_CHASSIS, name="stack", master=master)
    world.nautobot.change(blade, virtual_chassis=stack, vc_position=2)

    assert by_ref(await source.pull("devices"))[ref(blade)].relations == (
        AssetRelation.to(RelationKind.PART_OF, chassis), AssetRelation.to(RelationKind.CONNECTED_TO, master),
    )  # fmt: skip


async def test_a_stack_without_a_master_is_no_relation(world, source):
    member = world.device("member")
    stack = world.nautobot.add(VIRTUAL_CHASSIS, name="stack")
    world.nautobot.change(member, virtual_chassis=stack, vc_position=1)

    assert by_ref(await source.pull("devices"))[ref(member)].relations == ()


async def test_bays_and_stacks_are_asked_for_only_where_devices_name_them(world, source):
    for number in range(6):
        world.device(f"dev-{number}")

    await source.pull("devices")

    assert asked(source, BAYS) + asked(source, STACKS) == []


async def test_a_hundred_blades_of_a_page_cost_two_requests(world):
    chassis = world.device("chassis")
    blades = [world.device(f"blade-{number}") for number in range(100)]
    for number, blade in enumerate(blades):
        bay(world, chassis, blade, name=f"Slot {number}")
    source = Source(world, page_size=500)

    found = by_ref(await source.pull("devices"))
    await source.connection.aclose()

    assert {found[ref(blade)].relations for blade in blades} == {(AssetRelation.to(RelationKind.PART_OF, chassis),)}
    assert len(asked(source, BAYS)) == 2


async def test_a_server_that_gives_shorter_pages_loses_no_bay(world, source, monkeypatch):
    chassis = world.device("chassis")
    blades = [world.device(f"blade-{number}") for number in range(4)]
    for number, blade in enumerate(blades):
        bay(world, chassis, blade, name=f"Slot {number}")
    monkeypatch.setattr(sandbox_lists, "LARGEST_LIMIT", 3)

    found = by_ref(await source.pull("devices"))

    assert [found[ref(blade)].relations for blade in blades] == [(AssetRelation.to(RelationKind.PART_OF, chassis),)] * 4


async def test_what_did_not_change_has_the_same_digest_and_what_a_bay_or_a_stack_changes_another(world, source):
    first, second, blade, member = (world.device(name) for name in ("first", "second", "blade", "member"))
    slot = bay(world, first, blade)
    stack = world.nautobot.add(VIRTUAL_CHASSIS, name="stack", master=first)
    world.nautobot.change(second, virtual_chassis=stack, vc_position=2)
    world.nautobot.change(member, virtual_chassis=stack, vc_position=3)
    before = await digests(source)
    assert await digests(source) == before

    world.nautobot.change(slot, device=second)
    world.nautobot.change(stack, master=second)

    after = await digests(source)
    assert {key for key in before if before[key] != after[key]} == {blade, first, second, member}


async def test_a_new_bay_is_no_change_of_the_device_and_is_found_by_the_next_full_pull(world, source):
    chassis, blade = world.device("chassis"), world.device("blade")
    world.device("newer", at=world.old + timedelta(days=1))
    first = await source.pull("devices")
    bay(world, chassis, blade)

    changes, everything = await source.pull("devices", first[-1].resume), await source.pull("devices")

    assert blade not in ids(changes)
    assert by_ref(everything)[ref(blade)].relations == (AssetRelation.to(RelationKind.PART_OF, chassis),)


@pytest.mark.parametrize(
    ("content_type", "field", "what"),
    [(DEVICE_BAY, "parent_bay", "device bays"), (VIRTUAL_CHASSIS, "virtual_chassis", "virtual chassis")],
)
async def test_a_bay_or_stack_that_nautobot_does_not_show_keeps_its_device_out_until_it_does(
    world, source, content_type, field, what
):
    device, other = world.device("dev"), world.device("other")
    gone = "5b2b5f63-6a0e-4a5f-9a35-3f9a7a4f0c11"
    row = world.nautobot.store.tables[DEVICE].rows[device]
    world.nautobot.store.put(DEVICE, {**row, field: gone})

    found = await items(source)
    refused = found[device].made()

    assert isinstance(refused, Rejected)
    assert (refused.ref, refused.path) == (ref(device), f"/{field}")
    assert refused.reason == (
        f"dcim.device 'dev': {field} '{gone}' is not among the {what} that Nautobot shows. Let the user view {what} in "
        "Nautobot; one that was just deleted is settled by the next full pull."
    )
    assert found[other].made().relations == ()
    shown = {"device": other} if content_type == DEVICE_BAY else {"master": other}
    world.nautobot.store.put(content_type, {"id": gone, "created": 0, "last_updated": 0, "name": "x", **shown})
    again = (await items(source))[device]
    assert again.digest != found[device].digest
    assert [relation.other for relation in again.made().relations] == [ref(other)]


@pytest.mark.parametrize(
    ("content_type", "operation", "hint"),
    [
        (DEVICE_BAY, "look up device bays", "Let the user view device bays in Nautobot."),
        (VIRTUAL_CHASSIS, "look up virtual chassis", "Let the user view virtual chassis in Nautobot."),
    ],
)
async def test_a_permission_that_is_missing_is_named(world, source, content_type, operation, hint):
    chassis, blade = world.device("chassis"), world.device("blade")
    bay(world, chassis, blade)
    world.nautobot.add(VIRTUAL_CHASSIS, name="stack", master=chassis)
    world.nautobot.hidden.add(content_type)

    with pytest.raises(AuthError) as refused:
        await source.pull("devices")

    assert str(refused.value).startswith(f"{operation}: the token's user lacks a permission in Nautobot")
    assert refused.value.hint == hint
