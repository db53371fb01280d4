"""Orders at suppliers: checks 40 and 41. That each is placed once is in checks 32 and 33."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from connector.model.lifecycle import ProcurementState
from connector.model.records import OrderRecord, Record
from connector.model.refs import EntityKind, SourceRef
from connector.sdk.adapter import Cursor, Fetches, Stream
from connector.sdk.errors import Conflict, NotFound
from connector.sdk.operations import Receipt
from connector.sdk.ordering import CancelOrder, OrderParts, OrderReceipt
from connector.sdk.testing.bench import NOW, Bench, Broken, Rig, end_of, pull, raised_by, records_of, require
from connector.sdk.testing.check import Check, check
from connector.sdk.testing.checks.writing import require_effects
from connector.sdk.testing.operating import perform
from connector.sdk.testing.sandbox import Operation

CARRIER, TRACKING_NUMBER = "dhl", "00340434161094042557"


@check(40, "an order: cancelled twice is cancelled, sent -> Conflict, unknown -> NotFound", "Procures")
async def cancelling(bench: Bench) -> None:
    """Whoever calls an order off must know whether it will come all the same."""
    async with bench.rig() as rig:
        operation = _cancel(rig, "contract-40-once")
        await perform(rig.adapter(), operation)
        again = await perform(rig.adapter(), replace(operation, key="contract-40-twice"))
        require(isinstance(again, Receipt), f"cancelling what is cancelled returns {type(again).__name__}")
        require_effects(rig, operation, 1, "after it was cancelled twice, with two keys,")
    async with bench.rig() as rig:
        operation = _cancel(rig, "contract-40-sent")
        rig.sandbox.send_order(operation.order, carrier=CARRIER, tracking_number=TRACKING_NUMBER, at=NOW)
        await raised_by(perform(rig.adapter(), operation), Conflict, when="when the order was sent already")
        require_effects(rig, operation, 0, "after the cancellation was refused")
    async with bench.rig() as rig:
        operation = replace(_cancel(rig, "contract-40-unknown"), order=rig.sandbox.unknown_order())
        await raised_by(perform(rig.adapter(), operation), NotFound, when="when there is no such order")


@check(41, "what becomes of an order comes back as its record", "Procures")
async def progress(bench: Bench) -> None:
    """The record names the order as its receipt does; a parcel's number comes with it."""
    streams = [stream for stream in bench.streams() if stream.record is OrderRecord]
    require(
        bool(streams) or bench.has("Fetches"),
        "nothing tells what becomes of an order: pull a stream of OrderRecord, or fetch it when a webhook names it",
    )
    async with bench.rig() as rig:
        placed = await perform(rig.adapter(), _order(rig, "contract-41"))
        if not isinstance(placed, OrderReceipt):
            raise Broken(f"order() returns {type(placed).__name__} where OrderReceipt is right")
        require(
            placed.order.kind is EntityKind.PROCUREMENT,
            f"the receipt names {placed.order}: the reference of an order has the kind procurement",
        )
        found, cursors = await _told(rig, streams, placed.order, {})
        for record in found:
            require(record.key in (None, placed.key), f"the record's key is {record.key!r}, not {placed.key!r}")
            require(
                (record.order_number, record.state) == (placed.order_number, placed.state),
                f"the receipt says {placed.order_number!r} {placed.state.value}, the record {record.order_number!r} "
                f"{record.state.value}",
            )
        at = NOW + timedelta(minutes=20)
        rig.sandbox.send_order(placed.order, carrier=CARRIER, tracking_number=TRACKING_NUMBER, at=at)
        found, _ = await _told(rig, streams, placed.order, cursors)
        for record in found:
            said = (record.state, record.carrier, record.tracking_number)
            require(
                said == (ProcurementState.SHIPPED, CARRIER, TRACKING_NUMBER),
                f"of an order that was sent by {CARRIER} as {TRACKING_NUMBER} the record says {said}",
            )


async def _told(
    rig: Rig, streams: Sequence[Stream], order: SourceRef, cursors: dict[str, Cursor | None]
) -> tuple[list[OrderRecord], dict[str, Cursor | None]]:
    """What each way says of an order now, and where the next pulls begin."""
    found: list[OrderRecord] = []
    ends: dict[str, Cursor | None] = {}
    for stream in streams:
        batches = await pull(rig.adapter(), stream, cursors.get(stream.name))
        ends[stream.name] = end_of(batches)
        found.append(_record(records_of(batches).get(order), f"a pull of {stream.name!r}", order))
    adapter = rig.adapter()
    if isinstance(adapter, Fetches):
        found.append(_record(await adapter.fetch(order), "fetch()", order))
    return found, ends


def _record(record: Record | None, way: str, order: SourceRef) -> OrderRecord:
    if record is None:
        raise Broken(f"{way} says nothing of {order}, which was placed or has changed")
    if not isinstance(record, OrderRecord) or record.ref != order:
        raise Broken(f"{way} says of {order} a {type(record).__name__} of {record.ref}, not its OrderRecord")
    return record


def _order(rig: Rig, key: str) -> Operation:
    operation = rig.sandbox.operation(OrderParts, key)
    if not isinstance(operation, OrderParts):
        raise Broken(f"the sandbox was asked for OrderParts and gives {type(operation).__name__}")
    return operation


def _cancel(rig: Rig, key: str) -> CancelOrder:
    operation = rig.sandbox.operation(CancelOrder, key)
    if not isinstance(operation, CancelOrder):
        raise Broken(f"the sandbox was asked for CancelOrder and gives {type(operation).__name__}")
    return operation


CHECKS: tuple[Check, ...] = (cancelling, progress)
