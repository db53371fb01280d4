"""Swaps, as people find them in Intune afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connector.sdk import AssetState, ConfigError, Conflict, Invalid, RecordSwap
from connector_intune.sandbox import IntuneSandbox
from connector_intune.sandbox.system import IN_USE, REPLACED

from .conftest import Opened


def swap(sandbox: IntuneSandbox, **changes: Any) -> RecordSwap:
    operation = sandbox.operation(RecordSwap, "wf-1:swap")
    assert isinstance(operation, RecordSwap)
    return replace(operation, **changes)


def numbers(op: RecordSwap) -> tuple[str, str]:
    assert op.failed
    assert op.replacement
    return op.failed.external_id, op.replacement.external_id


async def test_both_devices_get_their_category_and_nothing_is_retired(sandbox: IntuneSandbox, opened: Opened):
    op = swap(sandbox)
    failed, spare = numbers(op)
    async with opened() as source:
        receipt = await source.adapter.record_swap(op)
        await source.adapter.record_swap(op)

    assert sandbox.tenant.writes == [("PUT", failed, REPLACED), ("PUT", spare, IN_USE)]
    assert (receipt.record, receipt.failed_state) == (op.replacement, AssetState.RETURN_PENDING)


async def test_a_replaced_device_is_retired_once_where_the_settings_say_so(sandbox: IntuneSandbox, opened: Opened):
    op = swap(sandbox)
    failed, spare = numbers(op)
    async with opened(retire_failed=True) as source:
        sandbox.tenant.assign(failed, next(n for n, name in sandbox.tenant.categories.items() if name == REPLACED))
        sandbox.tenant.assign(spare, next(n for n, name in sandbox.tenant.categories.items() if name == IN_USE))
        assert await source.adapter.find_swap(op) is None
        await source.adapter.record_swap(op)
        await source.adapter.record_swap(op)
        found = await source.adapter.find_swap(op)

    assert [value for method, number, value in sandbox.tenant.writes if method == "POST" and number == failed] == [
        "retire"
    ]
    assert found is not None


async def test_a_failed_device_that_has_left_intune_is_not_missed(sandbox: IntuneSandbox, opened: Opened):
    op = swap(sandbox)
    failed, spare = numbers(op)
    del sandbox.tenant.devices[failed]
    async with opened(retire_failed=True) as source:
        receipt = await source.adapter.record_swap(op)
        found = await source.adapter.find_swap(op)

    assert sandbox.tenant.writes == [("PUT", spare, IN_USE)]
    assert receipt == found
    assert receipt.failed_state is None


async def test_a_replacement_that_has_another_serial_by_now_is_left_alone(sandbox: IntuneSandbox, opened: Opened):
    op = swap(sandbox, serial="SOMETHING-ELSE")
    async with opened() as source:
        with pytest.raises(Conflict, match="shows serial 'PF"):
            await source.adapter.record_swap(op)

    assert sandbox.tenant.writes == []


async def test_a_replacement_that_has_not_enrolled_is_a_persons(sandbox: IntuneSandbox, opened: Opened):
    async with opened() as source:
        with pytest.raises(Invalid, match="a serial is what the device itself says") as refused:
            await source.adapter.record_swap(swap(sandbox, replacement=None))

    assert "Enrol the replacement" in refused.value.hint


async def test_a_category_that_is_not_there_is_named(sandbox: IntuneSandbox, opened: Opened):
    sandbox.tenant.categories = {n: name for n, name in sandbox.tenant.categories.items() if name != REPLACED}
    async with opened() as source:
        with pytest.raises(ConfigError, match="Intune has no device category 'Replaced'"):
            await source.adapter.record_swap(swap(sandbox))

    assert sandbox.tenant.writes == []


async def test_nothing_is_retired_of_which_nobody_can_be_sure(sandbox: IntuneSandbox, opened: Opened):
    async with opened(retire_failed=True) as source:
        with pytest.raises(Conflict, match="is not retired: its serial is 'PF"):
            await source.adapter.record_swap(swap(sandbox, failed_serial=None))

    assert sandbox.tenant.writes == []
