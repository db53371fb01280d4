"""Swaps between devices of iTop, and onto the record of the one that failed."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from connector.sdk import Conflict, EntityKind, RecordSwap
from connector.sdk.testing import Between, Connected
from connector_itop.mapping import ref_of
from connector_itop.sandbox import ItopSandbox


def swap(sandbox: ItopSandbox) -> RecordSwap:
    operation = sandbox.operation(RecordSwap, "swap-1")
    assert isinstance(operation, RecordSwap)
    return operation


async def test_the_spare_goes_where_the_failed_device_was(sandbox: ItopSandbox, source: Connected):
    op = swap(sandbox)
    assert op.failed is not None
    failed, spare = sandbox.row(op.failed), sandbox.row(op.record)
    where = failed["location_id"]
    receipt = await source.adapter.record_swap(op)

    assert (spare["status"], spare["location_id"], failed["status"]) == ("production", where, "obsolete")
    assert spare["description"].endswith("[connector:swap-1]")
    assert receipt.updated_at is None
    entries = sandbox.inventory.objects["CMDBChangeOpSetAttributeScalar"].values()
    assert {entry["userinfo"] for entry in entries} == {"connector swap-1"}


async def test_a_model_is_written_with_its_brand(sandbox: ItopSandbox, source: Connected):
    op = swap(sandbox)
    assert op.failed is not None
    brand = sandbox.inventory.add("Brand", name="Juniper")
    model = sandbox.model(brand_id=brand["id"])
    op = replace(
        op, replacement=None, serial="JN1", asset_tag=None, product_ref=ref_of(EntityKind.PRODUCT, model["id"])
    )
    await source.adapter.record_swap(op)

    failed = sandbox.row(op.record)
    assert (failed["serialnumber"], failed["asset_number"]) == ("JN1", "")
    assert (failed["model_id"], failed["brand_id"]) == (model["id"], brand["id"])


async def test_a_device_that_somebody_changes_meanwhile_is_left_alone(
    sandbox: ItopSandbox, source: Connected, wire: Between
):
    op = swap(sandbox)
    assert op.failed is not None
    failed = sandbox.row(op.failed)

    def serve(request: httpx.Request) -> None:
        if b"core%2Fupdate" in request.content:
            failed["serialnumber"] = "another"

    wire.change = serve
    with pytest.raises(Conflict, match="somebody has changed"):
        await source.adapter.record_swap(op)

    assert failed["status"] == "production"
