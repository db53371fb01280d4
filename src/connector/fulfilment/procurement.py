"""What is done about things that are got from outside: who is asked to order, what follows, what is taken in.

What goes out through a source is sent by `connector.fulfilment.ordering`; here is what a person does about it.

Reactions are steps of the transaction that moves the reader of the change log past the change. Commands are what a
person records of an order that they placed, confirmed, called off or received; each is once per key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connector.fulfilment.keys import ACTOR
from connector.fulfilment.once import once
from connector.fulfilment.ordering_tasks import calling_off, placing, receiving, task_key
from connector.fulfilment.outcomes import told
from connector.fulfilment.work import Work
from connector.model.errors import IllegalTransition, InvalidInput
from connector.model.kinds import Direction, ProcurementKind, TaskKind
from connector.model.lifecycle import ProcurementState, ShipmentStatus, TaskState
from connector.model.refs import EntityKind
from connector.storage.approvals.approvals import withdraw_approvals
from connector.storage.database.changes import LoggedChange, log_changes
from connector.storage.database.engine import Transaction
from connector.storage.database.receipts import record_receipt
from connector.storage.shipments.shipments import NewShipment, create_shipment
from connector.storage.sources.sources import source_ids
from connector.storage.stock.book import Shelf
from connector.storage.stock.goods_in import put_into_use, take_into_stock
from connector.storage.stock.swaps import in_use_key
from connector.storage.tickets.orders import give_up_orders
from connector.storage.tickets.procurements import (
    ProcurementRow,
    lock_procurement,
    move_procurement,
    procurement_row,
    update_procurement,
)
from connector.storage.tickets.supplier_orders import order_of_parcel
from connector.storage.tickets.tasks import move_task, require_task, unfinished_tasks

RECORDABLE: Final = (
    ProcurementState.ORDERED, ProcurementState.CONFIRMED, ProcurementState.SHIPPED, ProcurementState.REFUSED,
    ProcurementState.CANCELLED,
)  # fmt: skip
"""States that a person may report; what is received has a command of its own."""
_PLACED: Final = (ProcurementState.ORDERED, ProcurementState.CONFIRMED)
_ENDED: Final = (ProcurementState.REFUSED, ProcurementState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Report:
    """What a person says of an order. order_number: needed once it is placed; reason: of a refusal or an end."""

    state: ProcurementState
    order_number: str | None = None
    expected_at: datetime | None = None
    cost_cents: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """How a procurement stands after a command."""

    procurement_id: int
    state: ProcurementState


class Procurements:
    """Reactions to procurements, and the commands that people record them with."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def on_change(self, tx: Transaction, change: LoggedChange) -> ProcurementRow:
        """Have a person order, or call off, what a change asks for; close what is not to be done any more."""
        row, at = await procurement_row(tx, change.entity_id), self._work.clock.now()
        if row.state is ProcurementState.APPROVED and row.is_wanted and row.via is None:
            await require_task(tx, placing(row), actor=ACTOR, cause=None, at=at)
        if row.state is not ProcurementState.REQUESTED:
            why = row.reason or f"it is {row.state.value}"
            await withdraw_approvals(tx, EntityKind.PROCUREMENT, row.id, reason=why, actor=ACTOR, at=at)
        if row.state is not ProcurementState.APPROVED or not row.is_wanted:
            is_given_up = row.state in _ENDED or not row.is_wanted
            target = TaskState.CANCELLED if is_given_up else TaskState.DONE
            await self._close(tx, row, ("place", "stalled"), target, at)
        if not row.is_wanted and row.state in _PLACED and not row.is_at_source:
            await require_task(tx, calling_off(row), actor=ACTOR, cause=None, at=at)
        if row.state not in _PLACED:
            await self._close(tx, row, ("call-off",), TaskState.DONE, at)
        if not row.is_open:
            await self._close(tx, row, ("receive",), TaskState.DONE, at)
        if not row.is_open or "expected_at" in change.fields or "delivered_at" in change.fields:
            await self._close(tx, row, ("overdue",), TaskState.DONE, at)
        if "tracking_number" in change.fields:
            row = await self._expect_parcel(tx, row, at)
        if "delivered_at" in change.fields and row.is_open:
            _, serials = change.fields.get("serials", (None, ()))
            row = await self._take_delivered(tx, row, serials, at)
        return row

    async def delivered(self, tx: Transaction, shipment_id: int) -> None:
        """A parcel has arrived: if it is that of an order, its goods are to be taken in."""
        procurement_id = await order_of_parcel(tx, shipment_id)
        if procurement_id is None:
            return
        row, at = await lock_procurement(tx, procurement_id), self._work.clock.now()
        if row.is_open and row.delivered_at is None:
            await update_procurement(
                tx, row, {"delivered_at": at}, actor=ACTOR, cause=f"shipment {row.tracking_number}", at=at
            )

    async def give_up(self, tx: Transaction, ticket_id: int, reason: str, at: datetime) -> Sequence[int]:
        """Nothing is to come for a ticket any more; ids of what was on order."""
        ids, changes = await give_up_orders(tx, ticket_id, reason, at=at)
        await log_changes(tx, list(changes), actor=ACTOR, cause=reason, at=at)
        for procurement_id in ids:
            await withdraw_approvals(tx, EntityKind.PROCUREMENT, procurement_id, reason=reason, actor=ACTOR, at=at)
        return ids

    async def record(self, procurement_id: int, report: Report, *, key: str, actor: str) -> Recorded:
        """Record what became of an order outside: its number when it was placed, a date, a refusal.

        Raises NotKnown, InvalidInput for a backorder, or where number or reason is missing, IllegalTransition.
        """
        said = (report.reason or "").strip() or None
        number = (report.order_number or "").strip() or None
        state = report.state

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            row = await lock_procurement(tx, procurement_id)
            _check(row, state, number, said, report.cost_cents)
            values = {
                "order_number": number,
                "expected_at": report.expected_at,
                "cost_cents": report.cost_cents,
                "reason": said,
                "ordered_at": at if state is ProcurementState.ORDERED else None,
            }
            row = await move_procurement(tx, row, state, values, actor=actor, at=at)
            return {"procurement_id": row.id, "state": row.state.value}

        return await self._once("record-procurement", key, procurement_id, do)

    async def receive(
        self,
        procurement_id: int,
        *,
        key: str,
        actor: str,
        hub_id: int | None = None,
        serials: Sequence[str] = (),
    ) -> Recorded:
        """The goods are there: on the shelf of a hub, or in use at the site that they were sent to.

        hub_id: where they came to, when it is not where they were to go. The ticket that waits is decided anew first.
        Raises NotKnown, InvalidInput, IllegalTransition.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            row = await lock_procurement(tx, procurement_id)
            row = await _take_in(tx, row, hub_id, serials, actor=actor, at=at)
            return {"procurement_id": row.id, "state": row.state.value}

        return await self._once("receive-procurement", key, procurement_id, do)

    async def _expect_parcel(self, tx: Transaction, row: ProcurementRow, at: datetime) -> ProcurementRow:
        """Have the parcel of an order among the shipments, where a courier reports on it."""
        tracker = self._work.tracker()
        if row.shipment_id is not None or not row.is_open or not row.carrier or not row.tracking_number or not tracker:
            return row
        new = NewShipment(
            reservation_id=None,
            ticket_id=row.ticket_id,
            hub_id=row.hub_id,
            site_id=row.site_id,
            status=ShipmentStatus.IN_TRANSIT,
            carrier=row.carrier,
            source_id=(await source_ids(tx)).get(tracker[0].name),
            direction=Direction.INBOUND,
            tracking_number=row.tracking_number,
            estimated_delivery_at=row.expected_at,
        )
        shipment_id = await create_shipment(tx, new, actor=ACTOR, cause=f"procurement {row.id}", at=at)
        return await update_procurement(tx, row, {"shipment_id": shipment_id}, actor=ACTOR, cause=None, at=at)

    async def _take_delivered(
        self, tx: Transaction, row: ProcurementRow, serials: Sequence[str], at: datetime
    ) -> ProcurementRow:
        """Take in goods that the supplier says were delivered; a person is asked for what it does not say."""
        try:
            async with tx.begin_nested():
                return await _take_in(tx, row, None, serials, actor=ACTOR, at=at)
        except (InvalidInput, IllegalTransition) as error:
            new = receiving(row, told(error))
            await require_task(tx, new, actor=ACTOR, cause=f"procurement {row.id}", at=at)
            return row

    async def _once(
        self, name: str, key: str, target: int, do: Callable[[Transaction, datetime], Awaitable[dict[str, Any]]]
    ) -> Recorded:
        result = await once(self._work, name, key, target, do)
        return Recorded(result["procurement_id"], ProcurementState(result["state"]))

    async def _close(
        self, tx: Transaction, row: ProcurementRow, what: Sequence[str], target: TaskState, at: datetime
    ) -> None:
        prefixes = [task_key(row, name) for name in what]
        for item in await unfinished_tasks(tx, ticket_id=row.ticket_id, kind=TaskKind.ORDER, key_prefixes=prefixes):
            await move_task(tx, item.id, target, actor=ACTOR, cause=f"it is {row.state.value}", at=at)


def _check(
    row: ProcurementRow, state: ProcurementState, number: str | None, reason: str | None, cost_cents: int | None
) -> None:
    if row.kind is ProcurementKind.BACKORDER:
        raise InvalidInput(f"procurement {row.id} waits for stock: nothing is ordered that could be recorded")
    if state not in RECORDABLE:
        allowed = ", ".join(item.value for item in RECORDABLE)
        raise InvalidInput(f"state {state.value!r} cannot be recorded: it is one of {allowed}")
    if row.state is ProcurementState.REQUESTED and state not in _ENDED:
        raise IllegalTransition(
            f"procurement {row.id} cannot be {state.value}: it waits for approval {row.approval_name!r}"
        )
    if state is ProcurementState.ORDERED and number is None:
        raise InvalidInput("an order has a number at the supplier: it is needed to ask for it, and to call it off")
    if state in _ENDED and reason is None:
        raise InvalidInput("a reason is needed: it is told to the ticket and kept", hint="Write why.")
    if cost_cents is not None and cost_cents < 0:
        raise InvalidInput(f"cost {cost_cents} is negative: give what it costs in hundredths of the currency")


async def _take_in(
    tx: Transaction, row: ProcurementRow, hub_id: int | None, serials: Sequence[str], *, actor: str, at: datetime
) -> ProcurementRow:
    """Goods become stock of a hub, or are in use at their site."""
    _check_goods(row, hub_id)
    cause, shelf_hub = f"procurement {row.id}", hub_id if hub_id is not None else row.hub_id
    if shelf_hub is not None:
        shelf = Shelf(shelf_hub, row.product_id, row.lane)
        await take_into_stock(
            tx, shelf, row.quantity, serials, row.tracking, revision=row.revision, actor=actor, cause=cause, at=at
        )
    else:
        ids = await put_into_use(
            tx, row.site_id, row.product_id, row.quantity, serials, actor=actor, cause=cause, at=at
        )
        await record_receipt(tx, in_use_key(row.id), {"asset_ids": list(ids)}, at=at)
    values: dict[str, Any] = {"received_at": at, "hub_id": shelf_hub}
    return await move_procurement(tx, row, ProcurementState.RECEIVED, values, actor=actor, at=at)


def _check_goods(row: ProcurementRow, hub_id: int | None) -> None:
    if row.kind is ProcurementKind.BACKORDER:
        raise InvalidInput(f"procurement {row.id} waits for stock: no goods of its own can arrive")
    if not row.is_wanted and row.hub_id is None and hub_id is None:
        raise InvalidInput(
            f"ticket {row.ticket_number} does not need {row.goods} any more: say which hub takes them",
            hint="They become stock there.",
        )
