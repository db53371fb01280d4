"""Swaps, as people find them in Snipe-IT afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from connector.sdk import ConfigError, Conflict, Invalid, NotFound, RecordSwap
from connector_snipe_it.sandbox import SnipeItSandbox
from connector_snipe_it.sandbox.inventory import Thing

from .conftest import Opened

READY, DIAGNOSTICS, REPAIR = 2, 4, 5


def swap(sandbox: SnipeItSandbox, **changes: Any) -> RecordSwap:
    operation = sandbox.operation(RecordSwap, "wf-1:swap")
    assert isinstance(operation, RecordSwap)
    return replace(operation, **changes)


def onto(sandbox: SnipeItSandbox, **changes: Any) -> RecordSwap:
    return swap(sandbox, **({"replacement": None, "serial": "NEW-1", "asset_tag": "TAG-1"} | changes))


def asset(sandbox: SnipeItSandbox, ref: Any) -> Thing:
    return sandbox.inventory.tables["hardware"][int(ref.external_id)]


async def test_the_spare_is_checked_out_to_the_room_of_the_failed_device_which_stays_there(
    sandbox: SnipeItSandbox, opened: Opened
):
    op = swap(sandbox)
    assert op.site
    room = sandbox.new_location(parent_id=int(op.site.external_id))
    failed, spare = asset(sandbox, op.failed), asset(sandbox, op.replacement)
    failed.values.update(location_id=room.id, assigned_to=("user", sandbox.inventory.add("users", name="Kim").id))
    async with opened(sites="top") as source:
        receipt = await source.adapter.record_swap(op)

    assert (spare.values["assigned_to"], spare.values["location_id"]) == (("location", room.id), room.id)
    assert (failed.values["assigned_to"], failed.values["location_id"]) == (None, room.id)
    assert (failed.values["status_id"], receipt.failed_state) == (DIAGNOSTICS, "inspection")
    assert [action for action, _, _ in sandbox.inventory.log] == ["checkin", "checkout"]


async def test_a_failed_device_that_nobody_had_only_gets_its_label(sandbox: SnipeItSandbox, opened: Opened):
    op = swap(sandbox)
    asset(sandbox, op.failed).values["assigned_to"] = None
    async with opened() as source:
        await source.adapter.record_swap(op)

    assert next((action, changed) for action, _, changed in sandbox.inventory.log) == (
        "update",
        {"status_id": DIAGNOSTICS},
    )


async def test_one_that_is_in_repair_already_is_left_alone(sandbox: SnipeItSandbox, opened: Opened):
    op = swap(sandbox)
    asset(sandbox, op.failed).values.update(assigned_to=None, status_id=REPAIR)
    async with opened() as source:
        receipt = await source.adapter.record_swap(op)

    assert (receipt.failed_state, [action for action, _, _ in sandbox.inventory.log]) == ("repair", ["checkout"])


async def test_what_a_person_has_entered_is_found_and_not_entered_again(sandbox: SnipeItSandbox, opened: Opened):
    op = swap(sandbox)
    assert op.site
    failed, spare = asset(sandbox, op.failed), asset(sandbox, op.replacement)
    async with opened() as source:
        assert await source.adapter.find_swap(op) is None
        sandbox.inventory.check_in(failed, {"status_id": DIAGNOSTICS})
        assert await source.adapter.find_swap(op) is None
        sandbox.inventory.check_out(
            spare, {"checkout_to_type": "location", "assigned_location": int(op.site.external_id)}
        )
        sandbox.inventory.log.clear()
        found = await source.adapter.find_swap(op)
        again = await source.adapter.record_swap(op)

    assert found == again
    assert sandbox.inventory.log == []


async def test_a_spare_that_somebody_has_by_now_is_not_taken_away(sandbox: SnipeItSandbox, opened: Opened):
    op = swap(sandbox)
    kim = sandbox.inventory.add("users", name="Kim")
    asset(sandbox, op.replacement).values["assigned_to"] = ("user", kim.id)
    async with opened() as source:
        with pytest.raises(Conflict, match="is checked out to user 'Kim'"):
            await source.adapter.record_swap(op)

    assert sandbox.inventory.log == []


async def test_a_serial_that_another_asset_has_is_not_given_twice(sandbox: SnipeItSandbox, opened: Opened):
    sandbox.inventory.unique_serials = False
    op = onto(sandbox)
    sandbox.new_asset(serial="new-1")
    async with opened() as source:
        with pytest.raises(Conflict, match=r"asset .A-00003. of Snipe-IT has serial .NEW-1. already"):
            await source.adapter.record_swap(op)

    assert sandbox.inventory.log == []


async def test_a_record_that_stands_for_the_position_gets_all_of_the_replacement(
    sandbox: SnipeItSandbox, opened: Opened
):
    model = sandbox.new_model(fields=[("Hardware revision", "_snipeit_hardware_revision_7")])
    op = onto(sandbox, revision="V03", warranty_ends_on=date(2029, 1, 31))
    assert op.product_ref
    op = replace(op, product_ref=op.product_ref.model_copy(update={"external_id": str(model.id)}))
    record = asset(sandbox, op.failed)
    record.values["status_id"] = REPAIR
    async with opened(custom_fields={"revision": "Hardware revision"}) as source:
        await source.adapter.record_swap(op)
        first = dict(record.values)
        await source.adapter.record_swap(op)  # now that the model has the field

    assert (first["serial"], first["asset_tag"], first["model_id"], first["status_id"]) == (
        "NEW-1",
        "TAG-1",
        model.id,
        READY,
    )
    assert record.values["_snipeit_hardware_revision_7"] == "V03"


async def test_an_asset_keeps_its_tag_where_the_replacement_has_none(sandbox: SnipeItSandbox, opened: Opened):
    op = onto(sandbox, asset_tag=None)
    before = asset(sandbox, op.failed).values["asset_tag"]
    async with opened() as source:
        await source.adapter.record_swap(op)

    assert asset(sandbox, op.failed).values["asset_tag"] == before


async def test_what_is_missing_is_named(sandbox: SnipeItSandbox, opened: Opened):
    async with opened() as source:
        with pytest.raises(Invalid, match="no model of Snipe-IT is known to be 'Cisco Catalyst 9300-48P'"):
            await source.adapter.record_swap(onto(sandbox, product_ref=None))
        lost = swap(sandbox, site=None)
        asset(sandbox, lost.failed).values["location_id"] = None
        with pytest.raises(Invalid, match="neither the ticket nor the failed asset says at which location"):
            await source.adapter.record_swap(lost)
        deleted = swap(sandbox)
        assert deleted.failed
        sandbox.inventory.delete("hardware", int(deleted.failed.external_id), source.clock.now())
        with pytest.raises(NotFound, match="was deleted in Snipe-IT"):
            await source.adapter.record_swap(deleted)
    async with opened(in_use_status="Gone") as source:
        with pytest.raises(ConfigError, match="has no status label 'Gone' of type deployable"):
            await source.adapter.record_swap(swap(sandbox))
    async with opened(failed_status="Ready to Deploy") as source:
        with pytest.raises(ConfigError, match="'Ready to Deploy' of Snipe-IT does not say that a device is out of use"):
            await source.adapter.record_swap(swap(sandbox))
