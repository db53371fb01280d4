"""Orders that go out through a source: placed once, called off when they are not needed any more.

Each of both is tried by a workflow until it is done or of no use. As every step, it looks for its receipt, then asks
the supplier whether an earlier attempt took effect, and only then acts, outside any transaction. What cannot be done
this way is handed to a person, and the reason with it.
"""

from __future__ import annotations

from datetime import datetime

from connector.fulfilment.keys import ACTOR, call_off_id, order_id
from connector.fulfilment.ordering_tasks import calling_off, left_over, placing, stalled
from connector.fulfilment.outcomes import told
from connector.fulfilment.work import Work, naming
from connector.model.errors import IllegalTransition
from connector.model.kinds import ProcurementKind
from connector.model.lifecycle import ProcurementState
from connector.model.records import ProductKey
from connector.model.refs import EntityKind, SourceRef
from connector.sdk import (
    CancelOrder,
    Conflict,
    Connection,
    Invalid,
    NotFound,
    OrderParts,
    OrderReceipt,
    Party,
    Procures,
    RequestReplacement,
    Warranty,
)
from connector.storage.database.engine import Transaction, reading, transaction
from connector.storage.database.receipts import find_receipt, find_receipts, record_receipt
from connector.storage.shipments.consignments import Place
from connector.storage.tickets.procurements import (
    ProcurementRow,
    lock_procurement,
    move_procurement,
    procurement_row,
    update_procurement,
)
from connector.storage.tickets.supplier_orders import OrderDetails, order_details
from connector.storage.tickets.tasks import require_task

_PLACED = (ProcurementState.ORDERED, ProcurementState.CONFIRMED)


class Ordering:
    """What the workflows of orders do, step by step."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def send(self, procurement_id: int) -> None:
        """Place the order, unless it is not wanted any more or was placed before. Raises what the supplier's does."""
        receipt = f"{order_id(procurement_id)}:send"
        begun = f"{order_id(procurement_id)}:begun"
        async with reading(self._work.database) as tx:
            known = await find_receipts(tx, [receipt, begun])
            details = await order_details(tx, procurement_id)
        if receipt in known or details.row.via is None:
            return  # it is done, or a person was asked to place it
        if begun not in known and not await self._begin(procurement_id, begun):
            return
        connection, supplier = self._work.supplier(details.row.via)
        placed, refusal = await self._place(connection, supplier, details)
        async with transaction(self._work.database) as tx:
            row = await lock_procurement(tx, procurement_id)
            if await find_receipt(tx, receipt) is not None:
                return
            at = self._work.clock.now()
            if placed is None or _is_ours(row, placed):
                await self._settle(tx, row, placed, refusal, at)
                result = {"refused": refusal} if placed is None else {"external_id": placed.order.external_id}
                await record_receipt(tx, receipt, result, at=at)
                return
        await self._take_back(connection, supplier, details, placed, receipt)

    async def call_off(self, procurement_id: int) -> None:
        """Have the supplier cancel it. Raises IllegalTransition when that is too late."""
        async with reading(self._work.database) as tx:
            row = await procurement_row(tx, procurement_id)
        if row.state not in _PLACED or row.is_wanted or row.via is None or row.external_id is None:
            return
        connection, supplier = self._work.supplier(row.via)
        await self._cancel(connection, supplier, row.external_id, f"{call_off_id(row.id)}:cancel", row.reason)
        async with transaction(self._work.database) as tx:
            row = await lock_procurement(tx, procurement_id)
            if row.state in _PLACED:
                await move_procurement(
                    tx, row, ProcurementState.CANCELLED, {}, actor=ACTOR, cause=row.reason, at=self._work.clock.now()
                )

    async def hand_over(self, procurement_id: int, reason: str) -> None:
        """The order cannot go out through its source: a person is asked to place it."""
        async with transaction(self._work.database) as tx:
            row = await lock_procurement(tx, procurement_id)
            if row.state is not ProcurementState.APPROVED or row.via is None:
                return
            at = self._work.clock.now()
            if not row.is_wanted:
                await move_procurement(tx, row, ProcurementState.CANCELLED, {}, actor=ACTOR, cause=reason, at=at)
                return
            await require_task(tx, placing(row, failed=reason), actor=ACTOR, cause=reason, at=at)
            await update_procurement(tx, row, {"via": None}, actor=ACTOR, cause=reason, at=at)

    async def hand_over_call_off(self, procurement_id: int, reason: str) -> None:
        """The order cannot be called off by its source, or not yet: a person is asked to see to it."""
        async with transaction(self._work.database) as tx:
            row = await lock_procurement(tx, procurement_id)
            if row.state in _PLACED:
                at = self._work.clock.now()
                await require_task(tx, calling_off(row, failed=reason), actor=ACTOR, cause=reason, at=at)

    async def tell_stalled(self, procurement_id: int, reason: str) -> None:
        """Show a person that an order does not get out; it is tried on all the same."""
        async with transaction(self._work.database) as tx:
            row = await lock_procurement(tx, procurement_id)
            if row.state is ProcurementState.APPROVED and row.is_wanted:
                await require_task(tx, stalled(row, reason), actor=ACTOR, cause=reason, at=self._work.clock.now())

    async def _begin(self, procurement_id: int, begun: str) -> bool:
        """Note that the supplier may have the order from now on; False when it is not to be placed any more."""
        async with transaction(self._work.database) as tx:
            row, at = await lock_procurement(tx, procurement_id), self._work.clock.now()
            if row.state is not ProcurementState.APPROVED or row.via is None:
                return False
            if not row.is_wanted:
                await move_procurement(tx, row, ProcurementState.CANCELLED, {}, actor=ACTOR, cause=row.reason, at=at)
                return False
            await record_receipt(tx, begun, {}, at=at)
            return True

    async def _place(
        self, connection: Connection, supplier: Procures, details: OrderDetails
    ) -> tuple[OrderReceipt | None, str | None]:
        """The order as the supplier has it, or why it does not take it; neither when it is not to be placed."""
        row = details.row
        with naming(connection):
            placed = await supplier.find_order(details.key)
            if placed is not None or row.state is not ProcurementState.APPROVED or not row.is_wanted:
                return placed, None
            try:
                return await supplier.order(operation_of(details)), None
            except (Invalid, NotFound) as error:
                return None, told(error)

    async def _settle(
        self, tx: Transaction, row: ProcurementRow, placed: OrderReceipt | None, refusal: str | None, at: datetime
    ) -> None:
        """What came of an attempt, of an order that nobody else has placed or ended."""
        if row.state is not ProcurementState.APPROVED:
            return  # what the supplier says of it came first
        if placed is not None:
            values = {
                "external_id": placed.order.external_id,
                "order_number": placed.order_number,
                "expected_at": placed.expected_at,
                "ordered_at": at,
            }
            target = placed.state if placed.state in _PLACED else ProcurementState.ORDERED
            await move_procurement(tx, row, target, values, actor=ACTOR, cause=f"via {row.via}", at=at)
        elif not row.is_wanted:
            await move_procurement(tx, row, ProcurementState.CANCELLED, {}, actor=ACTOR, cause=row.reason, at=at)
        elif refusal is not None:
            values = {"reason": refusal}
            await move_procurement(tx, row, ProcurementState.REFUSED, values, actor=ACTOR, cause=refusal, at=at)

    async def _take_back(
        self, connection: Connection, supplier: Procures, details: OrderDetails, placed: OrderReceipt, receipt: str
    ) -> None:
        """A person has placed or ended the order meanwhile: the one that went out is called off."""
        why = f"ticket {details.row.ticket_number} was served another way meanwhile"
        failure: str | None = None
        try:
            await self._cancel(connection, supplier, placed.order.external_id, f"{receipt}:take-back", why)
        except IllegalTransition as error:
            failure = told(error)
        async with transaction(self._work.database) as tx:
            row, at = await lock_procurement(tx, details.row.id), self._work.clock.now()
            if await find_receipt(tx, receipt) is not None:
                return
            if failure is not None:
                new = left_over(row, placed.order_number, connection.name, failure)
                await require_task(tx, new, actor=ACTOR, cause=failure, at=at)
            await record_receipt(tx, receipt, {"taken_back": placed.order.external_id, "failure": failure}, at=at)

    async def _cancel(
        self, connection: Connection, supplier: Procures, external_id: str, key: str, reason: str | None
    ) -> None:
        ref = SourceRef(kind=EntityKind.PROCUREMENT, external_id=external_id)
        with naming(connection):
            try:
                await supplier.cancel_order(CancelOrder(key, ref, reason or "it is not needed any more"))
            except Conflict as error:
                raise IllegalTransition(error.message, hint=error.hint) from error


def operation_of(details: OrderDetails) -> RequestReplacement | OrderParts:
    """What the supplier is asked for."""
    row = details.row
    product = ProductKey(
        manufacturer=details.manufacturer, model=details.model, part_number=details.part_number or None
    )
    recipient = _recipient(details.destination, row)
    if row.kind is ProcurementKind.VENDOR_REPLACEMENT:
        ends_on = details.warranty_ends_on
        return RequestReplacement(
            key=details.key,
            product=product,
            serial=details.serial,
            fault=details.fault,
            recipient=recipient,
            reference=row.ticket_number,
            quantity=row.quantity,
            needed_by=row.expected_at,
            revision=row.revision,
            warranty=Warranty(ends_on=ends_on) if ends_on else None,
        )
    return OrderParts(
        key=details.key,
        product=product,
        quantity=row.quantity,
        recipient=recipient,
        reference=row.ticket_number,
        needed_by=row.expected_at,
        revision=row.revision,
    )


def _recipient(place: Place | None, row: ProcurementRow) -> Party:
    if place is None:
        raise IllegalTransition(
            f"ticket {row.ticket_number} names no site that is known, so there is no address to order to",
            hint="Set the ticket's site, or the place of its device.",
        )
    return Party(name=place.address.contact or place.name, company=place.label, address=place.address)


def _is_ours(row: ProcurementRow, placed: OrderReceipt) -> bool:
    """Whether what the supplier has is the order that the procurement stands for.

    It is not when a person recorded another one, or an end, while this one went out.
    """
    if row.state is ProcurementState.APPROVED:
        return True
    return row.external_id == placed.order.external_id
