"""What the hub writes to NetBox after a swap, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from connector.sdk import (
    AssetState,
    AuthError,
    Conflict,
    EntityKind,
    Invalid,
    ProductKey,
    RecordSwap,
    SourceRef,
    SwapReceipt,
    WritesAssets,
)
from connector.sdk.testing import by_ref
from connector_netbox.config import NetBoxConfig
from connector_netbox.sandbox_shapes import DEVICE, Fields

from .conftest import OLD, TOKEN, Source, World, ref

DONE = "swap-1:20261125T090000.000000Z"


@pytest.fixture
async def writing(world):
    source = Source(world, write_back=True)
    yield source
    await source.connection.aclose()


@pytest.fixture
def swap(world) -> RecordSwap:
    return swap_in(world)


def swap_in(world: World) -> RecordSwap:
    """vie-1 in a room of Vienna has failed, spare-1 in a rack of hub Graz was sent."""
    of_the_unit = {"revision": "A", "warranty_ends_on": "2026-12-31", "holder": "Front desk"}
    failed = world.device(
        "vie-1", location=world.room, serial="sn-old", asset_tag="AT-OLD", comments="Cabled by hand",
        custom_fields=of_the_unit,
    )  # fmt: skip
    rack = world.netbox.add_rack("R1", world.graz, at=OLD)
    spare = world.device(
        "spare-1", site=world.graz, rack=rack, position=7.0, face="front", status="inventory", serial="SN-NEW"
    )
    return RecordSwap(
        key=DONE, failed=ref(EntityKind.ASSET, failed), replacement=ref(EntityKind.ASSET, spare),
        failed_serial="SN-OLD", serial="SN-NEW", asset_tag=None,
        product=ProductKey(manufacturer="Juniper", model="MX204"), product_ref=ref(EntityKind.PRODUCT, world.mx204),
        site=ref(EntityKind.SITE, world.vienna), reference="INC-1",
    )  # fmt: skip


def row(world, reference: SourceRef | None) -> Fields:
    assert reference is not None
    return world.netbox.tables[DEVICE][int(reference.external_id)]


def changes(source: Source) -> int:
    return sum(request.method != "GET" for request in source.requests)


def writer(source: Source) -> WritesAssets:
    adapter = source.adapter
    assert isinstance(adapter, WritesAssets)
    return adapter


def onto_failed(swap: RecordSwap, **values: object) -> RecordSwap:
    return replace(swap, **{"replacement": None, "serial": "SN-7", "asset_tag": "AT-7", **values})


async def test_a_spare_with_its_own_record_takes_the_room_and_the_failed_device_its_status(world, writing, swap):
    receipt = await writer(writing).record_swap(swap)

    spare, failed = row(world, swap.replacement), row(world, swap.failed)
    now = world.clock.now()
    assert receipt == SwapReceipt(
        DONE, swap.replacement, updated_at=now, failed_state=AssetState.RETURN_PENDING, failed_updated_at=now
    )
    assert (spare["site"], spare["location"], spare["status"]) == (world.vienna, world.room, "active")
    assert (spare["rack"], spare["position"], spare["face"]) == (None, None, "")
    assert spare["comments"] == f"Ticket INC-1: put in place of SN-OLD [connector:{DONE}]"
    assert (failed["status"], failed["serial"], failed["location"]) == ("decommissioning", "sn-old", world.room)
    assert failed["comments"] == "Cabled by hand\nTicket INC-1: replaced by SN-NEW"


async def test_without_a_record_of_its_own_the_position_gets_its_serial_and_tag(world, writing, swap):
    other = world.netbox.add_device_type(world.juniper, "MX304", at=OLD)
    op = onto_failed(swap, product_ref=ref(EntityKind.PRODUCT, other), revision="C")

    receipt = await writer(writing).record_swap(op)

    device = row(world, swap.failed)
    assert receipt.record == swap.failed
    assert (device["serial"], device["asset_tag"], device["device_type"]) == ("SN-7", "AT-7", other)
    assert (device["location"], device["status"], device["name"]) == (world.room, "active", "vie-1")
    assert device["custom_fields"] == {"revision": "C", "warranty_ends_on": None, "holder": "Front desk"}
    assert device["comments"].endswith(f"Ticket INC-1: serial SN-OLD replaced by SN-7 [connector:{DONE}]")
    assert changes(writing) == 1


async def test_custom_fields_that_netbox_does_not_have_are_not_written(world, writing, swap):
    row(world, swap.failed)["custom_fields"] = {}

    await writer(writing).record_swap(onto_failed(swap, revision="C"))

    assert row(world, swap.failed)["custom_fields"] == {}


async def test_what_comes_back_is_the_replacement_in_use_at_the_site(world, writing, swap):
    await writer(writing).record_swap(swap)

    pulled = by_ref(await writing.pull("devices"))

    assert swap.replacement is not None
    assert swap.failed is not None
    spare, failed = pulled[swap.replacement], pulled[swap.failed]
    assert (spare.serial, spare.place, spare.state) == ("SN-NEW", swap.site, AssetState.DEPLOYED)
    assert (failed.serial, failed.place, failed.state) == ("sn-old", swap.site, AssetState.RETURN_PENDING)


async def test_a_room_of_the_old_site_is_left_with_it_when_only_the_site_is_known(world, writing, swap):
    world.netbox.tables[DEVICE][int(swap.replacement.external_id)] |= {"rack": None, "position": None, "face": None}
    shelf = world.netbox.add_location("Shelf 1", world.graz, at=OLD)
    row(world, swap.replacement)["location"] = shelf

    await writer(writing).record_swap(replace(swap, failed=None, failed_serial=None))

    spare = row(world, swap.replacement)
    assert (spare["site"], spare["location"]) == (world.vienna, None)


async def test_a_replacement_for_a_hub_in_a_site_goes_to_its_location(world, writing, swap):
    await writer(writing).record_swap(replace(swap, site=ref(EntityKind.HUB, f"location-{world.store}")))

    spare = row(world, swap.replacement)
    assert (spare["site"], spare["location"]) == (world.vienna, world.store)


async def test_a_device_that_is_changed_after_it_was_read_is_not_written_over(world, swap):
    inner = world.netbox.app

    async def meanwhile(scope, receive, send):
        if scope["method"] == "PATCH":
            world.netbox.change(DEVICE, int(swap.failed.external_id), serial="SN-OTHER")
        await inner(scope, receive, send)

    world.netbox.app = meanwhile
    source = Source(world, write_back=True)

    with pytest.raises(Conflict) as raised:
        await writer(source).record_swap(swap)

    assert "was changed in NetBox after it was read, and is left as it is" in raised.value.message
    assert (row(world, swap.failed)["serial"], row(world, swap.failed)["status"]) == ("SN-OTHER", "active")
    assert row(world, swap.replacement)["site"] == world.graz
    await source.connection.aclose()


@pytest.mark.parametrize(("version", "is_sent"), [((4, 6), True), ((4, 5), False)])
async def test_the_version_that_was_read_is_the_precondition_where_netbox_has_one(clock, version, is_sent):
    world = World(clock, version=version)
    op, source = swap_in(world), Source(world, write_back=True)

    await writer(source).record_swap(op)

    patches = [request for request in source.requests if request.method == "PATCH"]
    assert [request.headers.get("if-match") for request in patches] == [
        'W/"2026-10-26T09:00:00+00:00"' if is_sent else None
    ] * 2
    await source.connection.aclose()


async def test_what_somebody_entered_by_hand_is_found_and_not_written_again(world, writing, swap):
    by_hand = {"site": world.vienna, "location": world.room, "rack": None, "position": None, "face": None}
    world.netbox.change(DEVICE, int(swap.replacement.external_id), status="active", **by_hand)
    world.netbox.change(DEVICE, int(swap.failed.external_id), status="decommissioning")

    found = await writer(writing).find_swap(swap)
    again = await writer(writing).record_swap(swap)

    assert found is not None
    assert found == again
    assert changes(writing) == 0


async def test_a_swap_is_found_by_its_key_whatever_happened_to_the_device_since(world, writing, swap):
    await writer(writing).record_swap(swap)
    world.netbox.change(DEVICE, int(swap.replacement.external_id), site=world.graz, location=None)
    sent = changes(writing)

    found = await writer(writing).find_swap(swap)
    await writer(writing).record_swap(swap)

    assert found is not None
    assert found.record == swap.replacement
    assert (row(world, swap.replacement)["site"], changes(writing)) == (world.graz, sent)


async def test_a_failed_device_that_is_retired_already_stays_so(world, writing, swap):
    world.netbox.statuses["retired"] = "Retired"
    world.netbox.change(DEVICE, int(swap.failed.external_id), status="retired")

    await writer(writing).record_swap(swap)

    assert row(world, swap.failed)["status"] == "retired"


async def test_another_device_there_is_left_alone(world, writing, swap):
    world.netbox.change(DEVICE, int(swap.failed.external_id), serial="SN-SOMETHING")

    with pytest.raises(Conflict) as raised:
        await writer(writing).record_swap(onto_failed(swap))

    assert raised.value.message == "record swap: device 'vie-1' of NetBox shows serial 'SN-SOMETHING', not 'SN-OLD'"
    assert changes(writing) == 0


async def test_a_serial_that_another_device_has_is_not_given_twice_in_any_case(world, writing, swap):
    with pytest.raises(Conflict) as raised:
        await writer(writing).record_swap(onto_failed(swap, serial="sn-new"))

    assert raised.value.message == "record swap: device 'spare-1' of NetBox has serial 'sn-new' already"
    assert raised.value.ref == swap.replacement
    assert changes(writing) == 0


async def test_refusals_name_the_field_in_netboxs_words(world, writing, swap):
    world.device("other", asset_tag="AT-7")

    with pytest.raises(Invalid) as raised:
        await writer(writing).record_swap(onto_failed(swap))

    assert raised.value.fields == {"asset_tag": "device with this asset tag already exists."}
    assert (
        raised.value.message == "NetBox refuses to record swap: asset_tag: device with this asset tag already exists."
    )


async def test_a_status_that_netbox_does_not_have_changes_nothing(world, swap):
    source = Source(world, write_back=True, failed_status="sent-back", states={"sent-back": "return_pending"})

    with pytest.raises(Invalid) as raised:
        await writer(source).record_swap(swap)

    assert raised.value.fields == {"status": "sent-back is not a valid choice."}
    assert row(world, swap.replacement)["site"] == world.graz
    await source.connection.aclose()


async def test_a_token_that_may_only_read_is_told_apart(world, writing, swap):
    world.netbox.is_read_only = True

    with pytest.raises(AuthError) as raised:
        await writer(writing).record_swap(swap)

    assert str(raised.value) == (
        "record swap: the token's user lacks a permission in NetBox. "
        "Let the user change devices, with a write-enabled token."
    )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"in_use_status": "planned"}, "in_use_status 'planned' must mean deployed here: add it to states"),
        ({"failed_status": "active"}, "failed_status 'active' must mean one of inspection, quarantined, repair, "),
    ],
)
def test_statuses_that_would_be_read_as_something_else_are_refused(settings, reason):
    given = {"base_url": "http://netbox.test", "token": TOKEN, **settings}

    with pytest.raises(ValidationError) as raised:
        NetBoxConfig.model_validate({**given, "write_back": True})

    assert reason in str(raised.value)
    assert NetBoxConfig.model_validate(given).write_back is False
