"""Asks an adapter to do something, and does after a failure what the hub does."""

from __future__ import annotations

from typing import Any, TypeAlias, assert_never

from connector.sdk.adapter import Adapter, Procures, Ships, TracksShipments, WritesAssets, WritesTickets
from connector.sdk.errors import OutcomeUnknown
from connector.sdk.operations import (
    AddNote,
    BuyLabel,
    LabelReceipt,
    Receipt,
    SetTicketFields,
    SetTicketState,
    TrackShipment,
    VoidLabel,
)
from connector.sdk.ordering import CancelOrder, OrderParts, OrderReceipt, RequestReplacement
from connector.sdk.swapping import RecordSwap, SwapReceipt
from connector.sdk.testing.bench import Bench, Broken
from connector.sdk.testing.sandbox import Operation, OperationKind

KINDS: tuple[tuple[str, OperationKind], ...] = (
    ("WritesTickets", AddNote),
    ("WritesTickets", SetTicketState),
    ("WritesTickets", SetTicketFields),
    ("Ships", BuyLabel),
    ("Ships", VoidLabel),
    ("TracksShipments", TrackShipment),
    ("Procures", RequestReplacement),
    ("Procures", OrderParts),
    ("Procures", CancelOrder),
    ("WritesAssets", RecordSwap),
)
"""Which capability takes which operation."""
EVERY_KIND: tuple[OperationKind, ...] = tuple(operation for _, operation in KINDS)


def kinds_of(bench: Bench) -> tuple[OperationKind, ...]:
    """Operations that the adapter takes."""
    return tuple(kind for capability, kind in KINDS if bench.has(capability))


Receipts: TypeAlias = Receipt | LabelReceipt | OrderReceipt | SwapReceipt


async def perform(adapter: Adapter[Any], operation: Operation) -> Receipts:
    """Have the adapter do it, by the method that takes it."""
    match operation:
        case AddNote() | SetTicketState() | SetTicketFields():
            if isinstance(adapter, WritesTickets):
                return await adapter.push(operation)
        case BuyLabel():
            if isinstance(adapter, Ships):
                return await adapter.buy_label(operation)
        case VoidLabel():
            if isinstance(adapter, Ships):
                return await adapter.void_label(operation)
        case TrackShipment():
            if isinstance(adapter, TracksShipments):
                return await adapter.track(operation)
        case RequestReplacement() | OrderParts():
            if isinstance(adapter, Procures):
                return await adapter.order(operation)
        case CancelOrder():
            if isinstance(adapter, Procures):
                return await adapter.cancel_order(operation)
        case RecordSwap():
            if isinstance(adapter, WritesAssets):
                return await adapter.record_swap(operation)
        case _:
            assert_never(operation)
    raise Broken(f"the adapter does not take {type(operation).__name__}: correct the sandbox")


async def found_by(adapter: Adapter[Any], operation: Operation) -> Receipts | None:
    """What the adapter says of an earlier attempt; None also where the operation has no such question."""
    match operation:
        case AddNote() | SetTicketState() | SetTicketFields() if isinstance(adapter, WritesTickets):
            return await adapter.find(operation)
        case BuyLabel() if isinstance(adapter, Ships):
            return await adapter.find_label(operation.key)
        case RequestReplacement() | OrderParts() if isinstance(adapter, Procures):
            return await adapter.find_order(operation.key)
        case RecordSwap() if isinstance(adapter, WritesAssets):
            return await adapter.find_swap(operation)
        case _:
            return None


def can_be_found(operation: Operation) -> bool:
    """Whether adapters are asked for earlier attempts of it; the others are simply done again."""
    return isinstance(
        operation, AddNote | SetTicketState | SetTicketFields | BuyLabel | RequestReplacement | OrderParts | RecordSwap
    )


async def recover(adapter: Adapter[Any], operation: Operation, failure: Exception | None) -> None:
    """What the hub does after a failed attempt: look for its effect when it is unknown, else do it again."""
    if failure is None:
        return
    if isinstance(failure, OutcomeUnknown) and await found_by(adapter, operation) is not None:
        return
    await perform(adapter, operation)
