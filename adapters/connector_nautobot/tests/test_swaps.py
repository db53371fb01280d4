"""What the hub writes to Nautobot after a swap, and what it leaves alone."""

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
from connector_nautobot.config import NautobotConfig

from .conftest import Source

DONE = "swap-1:20261125T090000.000000Z"


def ref(kind: EntityKind, external_id: str) -> SourceRef:
    return SourceRef(kind=kind, external_id=external_id)


@pytest.fixture
async def writing(world):
    source = Source(world, write_back=True, site_location_types=["Site"])
    yield source
    await source.connection.aclose()


@pytest.fixture
def room(world) -> str:
    kind = world.nautobot.add_location_type("Office", parent=world.site_type, at=world.old)
    return world.nautobot.add_location("Room 1", kind, parent=world.vienna, at=world.old)


@pytest.fixture
def swap(world, room) -> RecordSwap:
    """vie-1 in a room of Vienna has failed, spare-1 of hub Graz was sent."""
    of_the_unit = {"revision": "A", "warranty_ends_on": "2026-12-31", "holder": "Front desk"}
    failed = world.device(
        "vie-1", location=room, serial="sn-old", asset_tag="AT-OLD", comments="Cabled by hand",
        custom_fields=of_the_unit,
    )  # fmt: skip
    spare = world.device("spare-1", location=world.shelf, status="Inventory", serial="SN-NEW", rack="r1")
    return RecordSwap(
        key=DONE,
        failed=ref(EntityKind.ASSET, failed),
        replacement=ref(EntityKind.ASSET, spare),
        failed_serial="SN-OLD",
        serial="SN-NEW",
        asset_tag=None,
        product=ProductKey(manufacturer="Juniper", model="MX204"),
        product_ref=ref(EntityKind.PRODUCT, world.mx204),
        site=ref(EntityKind.SITE, world.vienna),
        reference="INC-1",
    )


def done_now(world, swap: RecordSwap) -> SwapReceipt:
    assert swap.replacement is not None
    now = world.clock.now()
    return SwapReceipt(
        DONE, swap.replacement, updated_at=now, failed_state=AssetState.RETURN_PENDING, failed_updated_at=now
    )


def row(world, reference: SourceRef | None) -> dict:
    assert reference is not None
    return world.nautobot.store.tables["dcim.device"].rows[reference.external_id]


def changes(source: Source) -> int:
    return sum(request.method != "GET" for request in source.requests)


def writer(source: Source) -> WritesAssets:
    adapter = source.adapter
    assert isinstance(adapter, WritesAssets)
    return adapter


def onto_failed(swap: RecordSwap, **values: object) -> RecordSwap:
    return replace(swap, **{"replacement": None, "serial": "SN-7", "asset_tag": "AT-7", **values})


async def test_a_spare_with_its_own_record_takes_the_room_and_the_failed_device_its_status(world, room, writing, swap):
    receipt = await writer(writing).record_swap(swap)

    spare, failed = row(world, swap.replacement), row(world, swap.failed)
    assert receipt == done_now(world, swap)
    assert (spare["location"], spare["status"]) == (room, world.nautobot.status("Active"))
    assert (spare["rack"], spare["position"], spare["face"]) == (None, None, "")
    assert spare["comments"] == f"Ticket INC-1: put in place of SN-OLD [connector:{DONE}]"
    assert failed["status"] == world.nautobot.status("Decommissioning")
    assert (failed["serial"], failed["location"]) == ("sn-old", room)
    assert failed["comments"] == "Cabled by hand\nTicket INC-1: replaced by SN-NEW"


async def test_without_a_record_of_its_own_the_position_gets_its_serial_and_tag(world, room, writing, swap):
    other = world.nautobot.add_device_type(world.juniper, "MX304", at=world.old)
    op = onto_failed(swap, product_ref=ref(EntityKind.PRODUCT, other), revision="C")

    receipt = await writer(writing).record_swap(op)

    device = row(world, swap.failed)
    assert receipt.record == swap.failed
    assert (device["serial"], device["asset_tag"], device["device_type"]) == ("SN-7", "AT-7", other)
    assert (device["location"], device["status"], device["name"]) == (room, world.nautobot.status("Active"), "vie-1")
    assert device["custom_fields"] == {"revision": "C", "warranty_ends_on": None, "holder": "Front desk"}
    assert device["comments"].endswith(f"Ticket INC-1: serial SN-OLD replaced by SN-7 [connector:{DONE}]")
    assert changes(writing) == 1


async def test_the_tag_of_the_failed_device_goes_with_it(world, writing, swap):
    await writer(writing).record_swap(onto_failed(swap, asset_tag=None))

    assert row(world, swap.failed)["asset_tag"] is None


async def test_what_comes_back_is_the_replacement_in_use_at_the_site(world, writing, swap):
    await writer(writing).record_swap(swap)

    pulled = by_ref(await writing.pull("devices"))

    assert swap.replacement is not None
    assert swap.failed is not None
    spare, failed = pulled[swap.replacement], pulled[swap.failed]
    assert (spare.serial, spare.place, spare.state) == ("SN-NEW", swap.site, AssetState.DEPLOYED)
    assert (failed.serial, failed.place, failed.state) == ("sn-old", swap.site, AssetState.RETURN_PENDING)


async def test_what_somebody_entered_by_hand_is_found_and_not_written_again(world, room, writing, swap):
    world.nautobot.change(swap.replacement.external_id, location=room, status=world.nautobot.status("Active"))
    world.nautobot.change(swap.failed.external_id, status=world.nautobot.status("Decommissioning"))

    found = await writer(writing).find_swap(swap)
    again = await writer(writing).record_swap(swap)

    assert found == again == done_now(world, swap)
    assert changes(writing) == 0


async def test_a_swap_is_found_by_its_key_whatever_happened_to_the_device_since(world, writing, swap):
    await writer(writing).record_swap(swap)
    world.nautobot.change(swap.replacement.external_id, location=world.graz)

    found = await writer(writing).find_swap(swap)
    assert found is not None
    assert found.record == swap.replacement
    await writer(writing).record_swap(swap)
    assert row(world, swap.replacement)["location"] == world.graz


async def test_a_failed_device_that_is_retired_already_stays_so(world, writing, swap):
    retired = world.nautobot.add("extras.status", name="Retired", content_types=["dcim.device"], at=world.old)
    world.nautobot.change(swap.failed.external_id, status=retired)

    await writer(writing).record_swap(swap)

    assert row(world, swap.failed)["status"] == retired


async def test_a_replacement_of_which_only_its_own_record_is_known_moves_to_the_site(world, writing, swap):
    await writer(writing).record_swap(replace(swap, failed=None, failed_serial=None))

    assert row(world, swap.replacement)["location"] == world.vienna


async def test_another_device_there_is_left_alone(world, writing, swap):
    world.nautobot.change(swap.failed.external_id, serial="SN-SOMETHING")

    with pytest.raises(Conflict) as raised:
        await writer(writing).record_swap(onto_failed(swap))

    assert raised.value.message == "record swap: device 'vie-1' of Nautobot shows serial 'SN-SOMETHING', not 'SN-OLD'"
    assert changes(writing) == 0


async def test_a_serial_that_another_device_has_is_not_given_twice(world, writing, swap):
    with pytest.raises(Conflict) as raised:
        await writer(writing).record_swap(onto_failed(swap, serial="SN-NEW"))

    assert raised.value.message == "record swap: device 'spare-1' of Nautobot has serial 'SN-NEW' already"
    assert raised.value.ref == swap.replacement
    assert changes(writing) == 0


async def test_refusals_name_the_field_in_nautobots_words(world, writing, swap):
    world.device("other", asset_tag="AT-7")

    with pytest.raises(Invalid) as raised:
        await writer(writing).record_swap(onto_failed(swap))

    assert raised.value.fields == {"asset_tag": "device with this Asset tag already exists."}
    assert raised.value.message == (
        "Nautobot refuses to record swap: asset_tag: device with this Asset tag already exists."
    )


async def test_a_status_that_nautobot_does_not_have_changes_nothing(world, swap):
    source = Source(world, write_back=True, failed_status="Sent back", states={"Sent back": "return_pending"})

    with pytest.raises(Invalid) as raised:
        await writer(source).record_swap(swap)

    assert list(raised.value.fields) == ["status"]
    assert row(world, swap.replacement)["location"] == world.shelf
    await source.connection.aclose()


async def test_a_product_that_nautobot_does_not_have_is_for_a_person(writing, swap):
    with pytest.raises(Invalid) as raised:
        await writer(writing).record_swap(onto_failed(swap, product_ref=None))

    assert raised.value.fields == {"device_type": "there is none for Juniper MX204"}


async def test_a_token_that_may_only_read_is_told_apart(world, writing, swap):
    world.nautobot.is_read_only = True

    with pytest.raises(AuthError) as raised:
        await writer(writing).record_swap(swap)

    assert str(raised.value) == (
        "record swap: the token's user lacks a permission in Nautobot. "
        "Let the user change devices, with a write-enabled token."
    )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"in_use_status": "Planned"}, "in_use_status 'Planned' must mean deployed here: add it to states"),
        ({"failed_status": "Active"}, "failed_status 'Active' must mean one of inspection, quarantined, repair, "),
    ],
)
def test_statuses_that_would_be_read_as_something_else_are_refused(settings, reason):
    given = {"base_url": "http://nautobot.test", "token": "none", **settings}

    with pytest.raises(ValidationError) as raised:
        NautobotConfig.model_validate({**given, "write_back": True})

    assert reason in str(raised.value)
    assert NautobotConfig.model_validate(given).write_back is False
