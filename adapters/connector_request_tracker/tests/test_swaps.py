"""Swaps in Request Tracker's assets: custom fields and statuses, each written once and read back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from connector.sdk import AssetState, Conflict, EntityKind, Invalid, RecordSwap, SourceRef
from connector.sdk.testing import Connected, MovableClock
from connector_request_tracker.config import RequestTrackerConfig
from connector_request_tracker.sandbox import RequestTrackerSandbox
from connector_request_tracker.sandbox.shelf import SandboxAsset

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def sandbox() -> RequestTrackerSandbox:
    return RequestTrackerSandbox(MovableClock(NOON))


@pytest.fixture
async def source(sandbox: RequestTrackerSandbox) -> AsyncIterator[Connected]:
    async with Connected("request_tracker", sandbox.app(), sandbox.settings(), MovableClock(NOON)) as connected:
        yield connected


def swap_in(sandbox: RequestTrackerSandbox) -> RecordSwap:
    operation = sandbox.operation(RecordSwap, "swap-1")
    assert isinstance(operation, RecordSwap)
    return operation


def asset(sandbox: RequestTrackerSandbox, ref: SourceRef | None) -> SandboxAsset:
    assert ref is not None
    return sandbox.shelf.assets[int(ref.external_id)]


async def test_the_spare_goes_to_the_site_and_the_failed_device_out_of_use(
    source: Connected, sandbox: RequestTrackerSandbox
):
    swap = swap_in(sandbox)

    receipt = await source.adapter.record_swap(swap)

    spare, failed = asset(sandbox, swap.replacement), asset(sandbox, swap.failed)
    assert (spare.status, spare.fields["Site"], spare.fields["Serial Number"]) == ("in-use", ["Vienna"], ["S0"])
    assert (failed.status, failed.fields["Site"]) == ("defective", ["Vienna"])
    assert (receipt.record, receipt.failed_state) == (swap.replacement, AssetState.QUARANTINED)


async def test_without_a_record_of_its_own_serial_tag_and_product_go_onto_the_failed_device_s(
    source: Connected, sandbox: RequestTrackerSandbox
):
    swap = swap_in(sandbox)
    product = swap.product.model_copy(update={"model": "C9300-24P", "part_number": None})
    swap = replace(swap, replacement=None, serial="NEW-1", asset_tag=None, product=product)

    await source.adapter.record_swap(swap)
    await source.adapter.record_swap(swap)

    failed = asset(sandbox, swap.failed)
    assert failed.fields == {
        "Serial Number": ["NEW-1"], "Asset Tag": [], "Site": ["Vienna"], "Manufacturer": ["Cisco"],
        "Model": ["C9300-24P"], "Part Number": [],
    }  # fmt: skip
    assert len(failed.history) == 1


async def test_a_device_that_stands_elsewhere_by_now_goes_to_the_ticket_s_place(
    source: Connected, sandbox: RequestTrackerSandbox
):
    swap = swap_in(sandbox)
    asset(sandbox, swap.failed).fields["Site"] = ["Basement"]

    await source.adapter.record_swap(swap)

    assert asset(sandbox, swap.replacement).fields["Site"] == ["Vienna"]


async def test_a_serial_that_another_asset_has_is_not_given_twice(source: Connected, sandbox: RequestTrackerSandbox):
    swap = swap_in(sandbox)
    sandbox.shelf.add(Serial_Number="new-1")

    with pytest.raises(Conflict, match="has serial 'NEW-1' already"):
        await source.adapter.record_swap(replace(swap, replacement=None, serial="NEW-1"))

    assert asset(sandbox, swap.failed).history == []


async def test_a_field_that_the_catalog_lacks_is_refused_by_name_before_anything_is_written(
    sandbox: RequestTrackerSandbox,
):
    swap = swap_in(sandbox)
    settings = {**sandbox.settings(), "site_field": "Room"}
    swap = replace(swap, failed=None, site=SourceRef(kind=EntityKind.SITE, external_id="vienna"))

    async with Connected("request_tracker", sandbox.app(), settings, MovableClock(NOON)) as source:
        with pytest.raises(Invalid) as raised:
            await source.adapter.record_swap(swap)

    assert raised.value.fields == {"Room": "the asset has no such field"}
    assert asset(sandbox, swap.replacement).history == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "failed_status None must mean one of"),
        ({"failed_status": "recycled"}, "failed_status 'recycled' must mean one of"),
        ({"failed_status": "broken", "in_use_status": "new"}, "in_use_status 'new' must mean deployed"),
    ],
)
def test_statuses_that_say_something_else_are_refused(settings: dict[str, object], message: str):
    usual = {"base_url": "https://rt.example.com", "token": "1", "write_back": True}

    with pytest.raises(ValidationError, match=message):
        RequestTrackerConfig.model_validate({**usual, "asset_states": {"broken": "quarantined"}, **settings})
