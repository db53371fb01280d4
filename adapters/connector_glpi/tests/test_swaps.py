"""Swaps are written to devices whose ids are of their type."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.sdk import AssetState, ConfigError, Conflict, Invalid, RecordSwap, SourceRef
from connector.sdk.testing import Connected
from connector_glpi.mapping import asset_ref
from connector_glpi.sandbox import GlpiSandbox

from .conftest import Opened


def swap(sandbox: GlpiSandbox, **changes: object) -> RecordSwap:
    operation = sandbox.operation(RecordSwap, "wf-1.swap")
    assert isinstance(operation, RecordSwap)
    return replace(operation, **changes)


async def test_a_spare_of_another_type_takes_the_place(sandbox: GlpiSandbox, source: Connected):
    spare = sandbox.device(kind="NetworkEquipment", states_id=sandbox.states["In stock"])
    operation = swap(
        sandbox, replacement=asset_ref("NetworkEquipment", spare["id"]), serial=spare["serial"],
        asset_tag=spare["otherserial"],
    )  # fmt: skip
    receipt = await source.adapter.record_swap(operation)

    failed = sandbox.row(operation.failed)
    assert (spare["states_id"], spare["locations_id"]) == (sandbox.states["In use"], failed["locations_id"])
    assert (failed["states_id"], receipt.failed_state) == (sandbox.states["Defective"], AssetState.QUARANTINED)
    assert "[connector:wf-1.swap]" in spare["comment"]
    assert await source.adapter.find_swap(operation) == receipt


async def test_without_a_record_of_its_own_the_replacement_gets_that_of_the_failed_one(
    sandbox: GlpiSandbox, source: Connected
):
    model, maker = sandbox.model()["id"], sandbox.inventory.add("Manufacturer", name="HPE")["id"]
    model = sandbox.model()["id"]
    product = SourceRef(kind="product", external_id=f"ComputerModel-{model}-{maker}")
    operation = swap(sandbox, replacement=None, serial="NEW-1", asset_tag="A-NEW", product_ref=product)
    await source.adapter.record_swap(operation)

    row = sandbox.row(operation.failed)
    assert (row["serial"], row["otherserial"], row["computermodels_id"], row["manufacturers_id"]) == (
        "NEW-1", "A-NEW", model, maker,
    )  # fmt: skip


async def test_a_record_does_not_become_one_of_another_type(sandbox: GlpiSandbox, source: Connected):
    product = SourceRef(kind="product", external_id="NetworkEquipmentModel-1-1")
    operation = swap(sandbox, replacement=None, serial="NEW-1", product_ref=product)

    with pytest.raises(Invalid, match="is no model of a Computer"):
        await source.adapter.record_swap(operation)


async def test_a_serial_that_a_device_of_another_type_shows_is_a_conflict(sandbox: GlpiSandbox, source: Connected):
    sandbox.device(kind="NetworkEquipment", serial="new-1")
    sandbox.device(kind="NetworkEquipment", serial="NEW-11")
    operation = swap(sandbox, replacement=None, serial="NEW-1")

    with pytest.raises(Conflict, match="has serial 'NEW-1' already") as conflict:
        await source.adapter.record_swap(operation)

    assert str(conflict.value.ref) == "asset:NetworkEquipment-1"


async def test_a_status_that_is_not_there_is_told_by_name(sandbox: GlpiSandbox, opened: Opened):
    source = opened(in_use_status="Parc > En service", states={"Parc > En service": "deployed"})
    with pytest.raises(ConfigError, match="GLPI has no status 'Parc > En service'"):
        await source.adapter.record_swap(swap(sandbox))

    state = sandbox.inventory.add("State", name="En service", completename="Parc > En service")["id"]
    operation = swap(sandbox)
    await source.adapter.record_swap(operation)
    assert sandbox.row(operation.record)["states_id"] == state


async def test_a_device_in_the_bin_is_not_written(sandbox: GlpiSandbox, source: Connected):
    operation = swap(sandbox)
    sandbox.row(operation.record)["is_deleted"] = 1

    with pytest.raises(Exception, match="lies in the bin"):
        await source.adapter.record_swap(operation)
