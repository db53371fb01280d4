"""Swaps beyond what the contract kit checks: hubs, comments that are full, and identification and reconciliation."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from connector.sdk import Conflict, EntityKind, Invalid, ProductKey, RecordSwap, SourceRef
from connector.sdk.testing import Connected
from connector_servicenow.sandbox import Instance, ServiceNowSandbox

from .conftest import Opened


def swap(sandbox: ServiceNowSandbox) -> RecordSwap:
    operation = sandbox.operation(RecordSwap, "wf-7:swap")
    assert isinstance(operation, RecordSwap)
    return operation


def items(instance: Instance) -> RecordSwap:
    """A switch that stands for a position, and a replacement without a record."""
    maker = instance.add("core_company", name="Cisco")
    model = instance.add("cmdb_hardware_product_model", name="C9300-48P", manufacturer=maker)
    site = instance.add("cmn_location", name="Vienna")
    switch = instance.add(
        "cmdb_ci_ip_switch", name="vie-1", serial_number="SN-OLD", asset_tag="AT-OLD", install_status="1",
        location=site, model_id=model, warranty_expiration="2026-12-31",
    )  # fmt: skip
    return RecordSwap(
        key="wf-7:swap", failed=SourceRef(kind=EntityKind.ASSET, external_id=switch), replacement=None,
        failed_serial="SN-OLD", serial="SN-NEW", asset_tag="AT-NEW", warranty_ends_on=date(2029, 6, 30),
        product=ProductKey(manufacturer="Cisco", model="C9300-48P"),
        product_ref=SourceRef(kind=EntityKind.PRODUCT, external_id=model),
        site=SourceRef(kind=EntityKind.SITE, external_id=site), reference="INC0010001",
    )  # fmt: skip


def by_reconciliation(opened: Opened) -> Connected:
    return opened(device_table="cmdb_ci_hardware", write_through="reconcile")


async def test_the_replacement_leaves_its_stockroom_and_the_failed_device_keeps_its_place(
    source: Connected, sandbox: ServiceNowSandbox, instance: Instance
):
    operation = swap(sandbox)
    assert operation.replacement is not None
    assert operation.failed is not None

    await source.adapter.record_swap(operation)

    spare, failed = (instance.rows[ref.external_id] for ref in (operation.replacement, operation.failed))
    assert operation.site is not None
    assert (spare["install_status"], spare["substatus"], spare["stockroom"]) == ("1", "", "")
    assert spare["location"] == failed["location"] == operation.site.external_id
    assert spare["comments"] == "Ticket INC0010001: put in place of SN-OLD [connector:wf-7:swap]"
    assert failed["comments"] == "Ticket INC0010001: replaced by SN-NEW"


async def test_a_device_that_is_to_be_used_in_a_hub_keeps_the_location_of_it(
    source: Connected, sandbox: ServiceNowSandbox, instance: Instance
):
    operation = swap(sandbox)
    hub = SourceRef(kind=EntityKind.HUB, external_id=instance.add("alm_stockroom", name="Depot 2"))

    await source.adapter.record_swap(replace(operation, site=hub))

    assert instance.rows[operation.record.external_id]["stockroom"] == hub.external_id


async def test_full_comments_lose_their_oldest_lines_and_not_the_key(
    source: Connected, sandbox: ServiceNowSandbox, instance: Instance
):
    operation = swap(sandbox)
    row = instance.rows[operation.record.external_id]
    row["comments"] = "\n".join(f"line {number:03} {'x' * 70}" for number in range(50))

    await source.adapter.record_swap(operation)

    assert len(row["comments"]) <= 4000
    assert row["comments"].startswith("line ")
    assert row["comments"].endswith("line 049 " + "x" * 70 + "\nTicket INC0010001: put in place of SN-OLD "
                                    "[connector:wf-7:swap]")  # fmt: skip
    assert await source.adapter.find_swap(operation) is not None


async def test_reconciliation_is_asked_what_it_would_do_before_it_does_it(opened: Opened, instance: Instance):
    operation, source = items(instance), by_reconciliation(opened)

    receipt = await source.adapter.record_swap(operation)

    row = instance.rows[operation.record.external_id]
    assert (row["serial_number"], row["asset_tag"], row["warranty_expiration"]) == ("SN-NEW", "AT-NEW", "2029-06-30")
    posted = [request for request in source.requests if request.method == "POST"]
    assert [request.url.path for request in posted] == [
        "/api/now/identifyreconcile/query", "/api/now/identifyreconcile",
    ]  # fmt: skip
    assert {request.url.params["sysparm_data_source"] for request in posted} == {"ServiceNow"}
    assert b'"className":"cmdb_ci_ip_switch"' in posted[0].content
    assert receipt.record == operation.record
    assert await source.adapter.record_swap(operation) == receipt
    assert len([request for request in source.requests if request.method == "POST"]) == 2


async def test_what_reconciliation_takes_for_another_record_is_not_written(
    opened: Opened, sandbox: ServiceNowSandbox, instance: Instance
):
    operation, source = items(instance), by_reconciliation(opened)
    sandbox.server.by_sys_id = False

    with pytest.raises(Conflict, match=r"identification takes .* for 'Unknown', to INSERT it"):
        await source.adapter.record_swap(operation)

    assert instance.changes == []
    assert {request.url.path for request in source.requests if request.method == "POST"} == {
        "/api/now/identifyreconcile/query"
    }


async def test_a_column_that_another_source_has_authority_over_is_named(
    opened: Opened, sandbox: ServiceNowSandbox, instance: Instance
):
    sandbox.server.authoritative = {"serial_number", "model_id", "location", "install_status", "comments"}

    with pytest.raises(Invalid, match="does not take asset_tag, warranty_expiration of asset:") as raised:
        await by_reconciliation(opened).adapter.record_swap(items(instance))

    assert raised.value.fields == {"asset_tag": "stays 'AT-OLD'", "warranty_expiration": "stays '2026-12-31'"}


async def test_a_serial_that_another_device_has_is_not_given_twice(opened: Opened, instance: Instance):
    operation = items(instance)
    instance.add("cmdb_ci_ip_switch", name="vie-2", serial_number="sn-new", install_status="6")

    with pytest.raises(Conflict, match="device 'vie-2' of ServiceNow has serial 'SN-NEW' already"):
        await opened(device_table="cmdb_ci_hardware").adapter.record_swap(operation)

    assert instance.changes == []
