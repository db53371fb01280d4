"""Swaps in a system of assets: checks 42 to 44. That each is recorded once is in checks 32 and 33."""

from __future__ import annotations

from dataclasses import replace

from connector.model.lifecycle import AssetState
from connector.model.records import AssetRecord, Record
from connector.model.refs import SourceRef
from connector.sdk.adapter import Fetches, WritesAssets
from connector.sdk.connection import read_config
from connector.sdk.errors import ConfigError, Conflict, Invalid, NotFound
from connector.sdk.swapping import RecordSwap, SwapReceipt
from connector.sdk.testing.bench import Bench, Broken, Rig, pull, raised_by, records_of, require
from connector.sdk.testing.check import Check, check
from connector.sdk.testing.checks.writing import cut_everywhere, require_effects
from connector.sdk.testing.operating import perform
from connector.sdk.testing.sandbox import NotApplicable

NEW_SERIAL, NEW_TAG = "CONTRACT-NEW-1", "CONTRACT-TAG-1"
OTHER_SERIAL = "CONTRACT-OTHER-1"
NOT_IN_USE = frozenset(AssetState) - {AssetState.DEPLOYED, AssetState.IN_STOCK, AssetState.RESERVED}
"""States in which nobody takes a failed device for one that works."""


@check(42, "a swap comes back as the records of both devices show it", "WritesAssets")
async def told(bench: Bench) -> None:
    """What was written is what the next pull says; otherwise the hub would undo it."""
    require(
        bench.has("Fetches") or any(stream.record is AssetRecord for stream in bench.streams()),
        "nothing tells how assets stand: pull a stream of AssetRecord, or fetch one",
    )
    async with bench.rig() as rig:
        operation = _swap(rig, "contract-42-own")
        receipt = await _require_shown(bench, rig, operation, operation.replacement)
        for record in await _said(bench, rig, operation.failed):
            require(
                record.state in NOT_IN_USE,
                f"after the swap the failed device's record says {record.state}: nobody may take it for one that works",
            )
            require(
                record.state is receipt.failed_state,
                f"the receipt says that the failed device is {receipt.failed_state}, its record {record.state}",
            )
            require(
                receipt.failed_updated_at in (None, record.updated_at),
                f"the receipt says that the failed device's record is of {receipt.failed_updated_at}, that says "
                f"{record.updated_at}",
            )
    async with bench.rig() as rig:
        if why := rig.sandbox.keeps_serials():
            bench.notes.append(why)
            return
        operation = _onto_failed(_swap(rig, "contract-42-failed"))
        await _require_shown(bench, rig, operation, operation.failed)


@check(43, "a swap onto the failed device's record: once, whatever breaks", "WritesAssets")
async def onto_failed(bench: Bench) -> None:
    """The replacement has no record of its own there."""
    async with bench.rig() as rig:
        operation = _onto_failed(_swap(rig, "contract-43-twice"))
        if why := rig.sandbox.keeps_serials():
            when = "when no record can come to stand for another device"
            await raised_by(perform(rig.adapter(), operation), Invalid, when=when)
            require_effects(rig, operation, 0, "after the swap was refused")
            bench.notes.append(why)
            return
        await perform(rig.adapter(), operation)
        await perform(rig.adapter(), operation)
        require_effects(rig, operation, 1, "after it was asked for twice with the same key")
    try:
        await cut_everywhere(bench, lambda rig: _onto_failed(_swap(rig, "contract-43")))
    except NotApplicable as absent:
        bench.notes.append(absent.reason)


@check(
    44, "a swap: another device there -> Conflict, no record -> NotFound, not allowed -> ConfigError", "WritesAssets"
)
async def refused(bench: Bench) -> None:
    """Nothing is overwritten that the hub does not know of, and nothing without having been allowed."""
    async with bench.rig() as rig:
        operation = replace(_to_another(rig, "contract-44-other"), failed_serial=OTHER_SERIAL)
        await raised_by(
            perform(rig.adapter(), operation), Conflict, when="when the record shows another device than the failed one"
        )
        require_effects(rig, operation, 0, "after the swap was refused")
    async with bench.rig() as rig:
        operation, unknown = _to_another(rig, "contract-44-unknown"), rig.sandbox.unknown_asset()
        if operation.replacement is None:
            operation = replace(operation, failed=unknown)
        else:
            operation = replace(operation, replacement=unknown)
        await raised_by(perform(rig.adapter(), operation), NotFound, when="when there is no such record")
    async with bench.rig() as rig:
        settings = rig.sandbox.settings_without_write_back()
        adapter = rig.adapter(read_config("contract", rig.adapter_type, settings))
        operation = _swap(rig, "contract-44-not-allowed")
        require(
            isinstance(adapter, WritesAssets) and not adapter.may_write_assets(),
            "may_write_assets() is true although the settings do not allow it",
        )
        sent = rig.sent()
        await raised_by(perform(adapter, operation), ConfigError, when="when the settings do not allow it")
        require(rig.sent() == sent, f"it sends {rig.sent() - sent} requests although the settings do not allow it")
        require_effects(rig, operation, 0, "although the settings do not allow it")


async def _require_shown(bench: Bench, rig: Rig, operation: RecordSwap, expected: SourceRef | None) -> SwapReceipt:
    """Perform the swap; what the record that stands for the replacement says must be what was asked for."""
    adapter = rig.adapter()
    if not isinstance(adapter, WritesAssets) or not adapter.may_write_assets():
        raise Broken("with the sandbox's settings() assets may not be written: let them allow it")
    receipt = await perform(adapter, operation)
    if not isinstance(receipt, SwapReceipt):
        raise Broken(f"record_swap() returns {type(receipt).__name__} where SwapReceipt is right")
    require(receipt.record == expected, f"the receipt names {receipt.record} where {expected} is right")
    for record in await _said(bench, rig, receipt.record):
        shown = (record.serial, record.asset_tag, record.product, record.place, record.state)
        product = operation.product_ref or operation.product
        wanted = (operation.serial, operation.asset_tag, product, operation.site, AssetState.DEPLOYED)
        require(shown == wanted, f"{receipt.record} shows {shown} after a swap to {wanted}")
        require(
            receipt.updated_at in (None, record.updated_at),
            f"the receipt says that {receipt.record} is of {receipt.updated_at}, its record {record.updated_at}",
        )
    return receipt


async def _said(bench: Bench, rig: Rig, ref: SourceRef | None) -> list[AssetRecord]:
    """What a pull and a fetch say of an asset."""
    if ref is None:
        raise Broken("the sandbox's operation(RecordSwap) leaves a record out: name both")
    streams = [stream for stream in bench.streams() if stream.record is AssetRecord]
    found: list[Record | None] = [records_of(await pull(rig.adapter(), stream)).get(ref) for stream in streams]
    adapter = rig.adapter()
    if isinstance(adapter, Fetches):
        found.append(await adapter.fetch(ref))
    records = [record for record in found if isinstance(record, AssetRecord) and record.ref == ref]
    require(len(records) == len(found), f"of {ref} is said {found}, where its AssetRecord is right")
    return records


def _onto_failed(operation: RecordSwap) -> RecordSwap:
    """The same swap of a replacement that has no record there."""
    return replace(operation, replacement=None, serial=NEW_SERIAL, asset_tag=NEW_TAG)


def _to_another(rig: Rig, key: str) -> RecordSwap:
    """A swap that changes a record which may be another device's: the failed one's, where it can be renewed."""
    operation = _swap(rig, key)
    return operation if rig.sandbox.keeps_serials() else _onto_failed(operation)


def _swap(rig: Rig, key: str) -> RecordSwap:
    operation = rig.sandbox.operation(RecordSwap, key)
    if not isinstance(operation, RecordSwap):
        raise Broken(f"the sandbox was asked for RecordSwap and gives {type(operation).__name__}")
    return operation


CHECKS: tuple[Check, ...] = (told, onto_failed, refused)
