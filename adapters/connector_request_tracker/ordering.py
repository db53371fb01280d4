"""Orders in a queue of Request Tracker: opened once per key, found again, rejected when they are not needed any more.

The key stands in the subject, in brackets at its end: a subject can be searched in every queue, where a custom field
that the queue lacks is left out without a word and would let an order be placed twice.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from connector.sdk import (
    AddNote,
    CancelOrder,
    ConfigError,
    Conflict,
    EntityKind,
    IdempotencyKey,
    Invalid,
    InvalidRecord,
    NotFound,
    OrderParts,
    OrderReceipt,
    OrderRecord,
    ProcurementState,
    Receipt,
    RequestReplacement,
    SourceRef,
    TicketState,
    UnexpectedResponse,
)
from connector_request_tracker import ticket_sql
from connector_request_tracker.client import Found, RequestTrackerClient
from connector_request_tracker.config import RequestTrackerConfig
from connector_request_tracker.mapping import ticket_ref
from connector_request_tracker.order_mapping import ORDER_FIELDS, order_record, order_ref, order_ticket
from connector_request_tracker.writing import TicketWriter

Order: TypeAlias = RequestReplacement | OrderParts
_ENDED = (ProcurementState.REFUSED, ProcurementState.CANCELLED)
_GONE = (ProcurementState.SHIPPED, ProcurementState.RECEIVED)


class OrderDesk:
    """Orders in the configured queue."""

    def __init__(self, config: RequestTrackerConfig, client: RequestTrackerClient, writer: TicketWriter) -> None:
        self._config = config
        self._client = client
        self._writer = writer

    async def order(self, op: Order) -> OrderReceipt:
        """Open the ticket, once per key. Raises ConfigError when the queue does not take it."""
        return await self.find(op.key) or await self._open(op)

    async def find(self, key: IdempotencyKey) -> OrderReceipt | None:
        """The order with this key; the first of them, should somebody have copied it."""
        query = ticket_sql.orders_marked(self._queue(), key)
        page = await self._client.tickets(
            query, fields=ORDER_FIELDS, per_page=100, order=ticket_sql.BY_ID, operation="find order"
        )
        for item in page.items:
            record = self._read(item, "find order")
            if record.key == key:
                return OrderReceipt(key, record.ref, record.order_number, record.state, record.expected_at)
        return None

    async def cancel(self, op: CancelOrder) -> Receipt:
        """Say why on its ticket, then reject it. Raises NotFound, Conflict when it was sent or delivered."""
        ticket, record = await self._order(op.order)
        if record.state in _GONE:
            raise Conflict(
                f"order {record.order_number} is {record.state.value}: it cannot be cancelled any more",
                operation="cancel order",
                ref=op.order,
                hint="Take the goods in, or have them sent back.",
            )
        if record.state in _ENDED:
            return _cancelled(op, ticket)
        itself = ticket_ref(op.order.external_id)
        await self._writer.push(AddNote(op.key, itself, f"This order is not needed any more: {op.reason}"))
        ticket, record = await self._order(op.order)
        status = self._config.status_for(TicketState.CANCELLED)
        said = await self._client.update(itself, {"Status": status}, ticket.etag, "cancel order")
        ticket, record = await self._order(op.order)
        if record.state not in _ENDED:
            raise Invalid(
                f"Request Tracker refuses status {status!r} for order {record.order_number}: "
                f"{' '.join(said) or 'no reason given'}",
                operation="cancel order",
                ref=op.order,
                fields={"Status": " ".join(said)},
                hint="Check the queue's lifecycle, the settings `statuses` and `order_states`, the right ModifyTicket.",
            )
        return _cancelled(op, ticket)

    async def _open(self, op: Order) -> OrderReceipt:
        body = order_ticket(op, self._config)
        try:
            number = await self._client.open_ticket(body, "order")
        except Invalid as error:
            raise ConfigError(
                f"queue {self._queue()!r} does not take the order: {error.message}",
                operation="order",
                hint="Check the queue's mandatory fields, and the right CreateTicket of the token's user.",
                detail=error.detail,
            ) from error
        state = self._config.order_state_of("new") or ProcurementState.ORDERED
        return OrderReceipt(op.key, order_ref(number), number, state, op.needed_by)

    async def _order(self, ref: SourceRef) -> tuple[Found, OrderRecord]:
        """Raises NotFound for what is no order here, or not any more."""
        if ref.kind is not EntityKind.PROCUREMENT or not ref.external_id.isdigit():
            raise NotFound(f"{ref} is no order of Request Tracker: its orders have numbers", operation="read order")
        ticket = await self._client.ticket(ticket_ref(ref.external_id), "read order")
        if str(ticket.body.get("id")) != ref.external_id or ticket.body.get("Status") == "deleted":
            raise NotFound(
                f"order {ref.external_id} was deleted, or merged into another ticket", operation="read order", ref=ref
            )
        return ticket, self._read(ticket.body, "read order")

    def _read(self, item: Any, operation: str) -> OrderRecord:
        try:
            return order_record(item, self._config)
        except InvalidRecord as error:
            raise UnexpectedResponse(str(error), operation=operation) from error

    def _queue(self) -> str:
        if self._config.order_queue is None:
            raise ConfigError(
                "this source takes no orders: it has no queue for them",
                operation="order",
                hint="Name the queue in the setting `order_queue`.",
            )
        return self._config.order_queue


def _cancelled(op: CancelOrder, ticket: Found) -> Receipt:
    transaction = (ticket.etag or "").strip('"')
    return Receipt(key=op.key, external_id=transaction or op.order.external_id)
