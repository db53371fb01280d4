"""Mutations about claims, tasks, parcels and orders: what a dispatcher does."""

from connector.api.context import Info
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.inputs import (
    CancelInput,
    ConfirmPickupInput,
    ReceiveInput,
    ReceiveProcurementInput,
    RecordProcurementInput,
    ReleaseInput,
    ReserveInput,
)
from connector.api.schema.money import in_cents
from connector.api.schema.nodes import key_of
from connector.api.schema.payloads import (
    CancelPayload,
    ConfirmPickupPayload,
    ProcurementPayload,
    ReceivePayload,
    ReleasePayload,
    ReservePayload,
)
from connector.fulfilment.procurement import Report
from connector.model.errors import InvalidInput


async def reserve(info: Info, input: ReserveInput) -> ReservePayload:
    """`reserve`."""
    async with refusing(info) as refusals:
        result = await info.context.commands.reserve(
            key_of(input.ticket_id, entity="ticket"),
            _optional_key(input.hub_id, "hub"),
            _optional_key(input.product_id, "product"),
            input.lane,
            input.quantity,
            request_of(info, input.idempotency_key),
        )
        return ReservePayload(
            key=result.reservation_ids[0] if result.reservation_ids else None,
            outcome=result.outcome,
            reason=result.reason,
            is_new=result.is_new,
        )
    return ReservePayload(errors=refusals)


async def release(info: Info, input: ReleaseInput) -> ReleasePayload:
    """`release`."""
    async with refusing(info) as refusals:
        key = key_of(input.reservation_id, entity="reservation")
        result = await info.context.commands.release(key, input.reason, request_of(info, input.idempotency_key))
        return ReleasePayload(key=key, is_finished=result.is_finished)
    return ReleasePayload(errors=refusals)


async def cancel(info: Info, input: CancelInput) -> CancelPayload:
    """`cancel`."""
    async with refusing(info) as refusals:
        key = key_of(input.ticket_id, entity="ticket")
        result = await info.context.commands.cancel(key, input.reason, request_of(info, input.idempotency_key))
        return CancelPayload(key=key, is_finished=result.is_finished)
    return CancelPayload(errors=refusals)


async def confirm_pickup(info: Info, input: ConfirmPickupInput) -> ConfirmPickupPayload:
    """`confirmPickup`."""
    async with refusing(info) as refusals:
        key = key_of(input.task_id, entity="task")
        await info.context.commands.confirm_pickup(key, request_of(info, input.idempotency_key))
        return ConfirmPickupPayload(key=key)
    return ConfirmPickupPayload(errors=refusals)


async def receive(info: Info, input: ReceiveInput) -> ReceivePayload:
    """`receive`."""
    async with refusing(info) as refusals:
        key = key_of(input.shipment_id, entity="shipment")
        await info.context.commands.receive(key, request_of(info, input.idempotency_key))
        return ReceivePayload(key=key)
    return ReceivePayload(errors=refusals)


async def record_procurement(info: Info, input: RecordProcurementInput) -> ProcurementPayload:
    """`recordProcurement`."""
    async with refusing(info) as refusals:
        key = key_of(input.procurement_id, entity="procurement")
        cost = input.cost_cents
        if input.cost is not None:
            if cost is not None:
                raise InvalidInput("both `cost` and `costCents` are given", hint="Give one of them.")
            cost = in_cents(input.cost, "cost")
        report = Report(input.state, input.order_number, input.expected_at, cost, input.reason)
        await info.context.commands.record_procurement(key, report, request_of(info, input.idempotency_key))
        return ProcurementPayload(key=key)
    return ProcurementPayload(errors=refusals)


async def receive_procurement(info: Info, input: ReceiveProcurementInput) -> ProcurementPayload:
    """`receiveProcurement`."""
    async with refusing(info) as refusals:
        key = key_of(input.procurement_id, entity="procurement")
        await info.context.commands.receive_procurement(
            key, _optional_key(input.hub_id, "hub"), input.serials, request_of(info, input.idempotency_key)
        )
        return ProcurementPayload(key=key)
    return ProcurementPayload(errors=refusals)


def _optional_key(text: str | None, entity: str) -> int | None:
    return None if text is None else key_of(text, entity=entity)
