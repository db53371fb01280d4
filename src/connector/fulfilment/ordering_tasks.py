"""Tasks for people about orders: to place one, to call one off, to take goods in. Pure."""

from __future__ import annotations

from connector.model.kinds import ProcurementKind, TaskKind
from connector.storage.tickets.procurements import ProcurementRow
from connector.storage.tickets.tasks import NewTask


def task_key(row: ProcurementRow, what: str) -> str:
    """The key of a task about a procurement."""
    return f"procurement:{row.id}:{what}"


def placing(row: ProcurementRow, *, failed: str = "") -> NewTask:
    """Place the order. failed: why its source could not."""
    how = "Ask for a replacement in advance" if row.kind is ProcurementKind.VENDOR_REPLACEMENT else "Order"
    where = f"hub {row.hub}" if row.hub_id is not None else f"site {row.site}"
    contact = f" ({row.contact})" if row.contact else ""
    by = f" It is needed there by {row.expected_at:%Y-%m-%d %H:%M}Z." if row.expected_at else ""
    why = f" It could not be sent through {row.via}: {failed} Look there first whether it was taken." if failed else ""
    return NewTask(
        key=task_key(row, "place"),
        kind=TaskKind.ORDER,
        title=f"Order {row.goods} from {row.supplier} for ticket {row.ticket_number}",
        instructions=(
            f"{how}: {row.goods} from {row.supplier}{contact}, to {where}.{by}{why} Record the order's number."
        ),
        ticket_id=row.ticket_id,
        hub_id=row.hub_id,
    )


def stalled(row: ProcurementRow, reason: str) -> NewTask:
    """An order does not get out."""
    return NewTask(
        key=task_key(row, "stalled"),
        kind=TaskKind.ORDER,
        title=f"The order of {row.goods} from {row.supplier} for ticket {row.ticket_number} does not get out",
        instructions=(
            f"It is sent through {row.via}, again and again: {reason} See to it that it can be sent. Whoever places it "
            "another way records its number: it is not sent any more then."
        ),
        ticket_id=row.ticket_id,
        hub_id=row.hub_id,
    )


def calling_off(row: ProcurementRow, *, failed: str = "") -> NewTask:
    """Call the order off. failed: why its source could not, or not yet."""
    why = f" {row.via} could not do it: {failed}" if failed else ""
    return NewTask(
        key=task_key(row, "call-off"),
        kind=TaskKind.ORDER,
        title=f"Call off order {row.order_number} of {row.goods} at {row.supplier}",
        instructions=(
            f"Ticket {row.ticket_number} does not need it any more: {row.reason}.{why} Record that it is cancelled; "
            "where that is not possible, receive the goods at a hub."
        ),
        ticket_id=row.ticket_id,
        hub_id=row.hub_id,
    )


def left_over(row: ProcurementRow, order_number: str, via: str, reason: str) -> NewTask:
    """An order that went out beside the one that a person placed cannot be called off."""
    return NewTask(
        key=task_key(row, "left-over"),
        kind=TaskKind.ORDER,
        title=f"A second order of {row.goods} at {row.supplier}: {order_number}",
        instructions=(
            f"It went out through {via} while procurement {row.id} was recorded as {row.state.value}, and it could not "
            f"be called off: {reason} Have the goods sent back, or put them into stock at a hub."
        ),
        ticket_id=row.ticket_id,
        hub_id=row.hub_id,
    )


def overdue(row: ProcurementRow) -> NewTask:
    """Goods that should have come have not. One task for each date that the supplier has given."""
    at = row.expected_at
    return NewTask(
        key=task_key(row, f"overdue:{at:%Y%m%dT%H%MZ}"),
        kind=TaskKind.ORDER,
        title=f"Overdue: order {row.order_number} of {row.goods} from {row.supplier}",
        instructions=(
            f"It was expected on {at:%Y-%m-%d %H:%M}Z for ticket {row.ticket_number}. Ask {row.supplier}, and record "
            "what comes of it: the new date, that it was delivered, or that it does not come."
        ),
        ticket_id=row.ticket_id,
        hub_id=row.hub_id,
    )


def receiving(row: ProcurementRow, why: str) -> NewTask:
    """Take in goods that were delivered. why: what is needed to know for it."""
    return NewTask(
        key=task_key(row, "receive"),
        kind=TaskKind.ORDER,
        title=f"Receive {row.goods} of order {row.order_number} from {row.supplier}",
        instructions=f"{row.supplier} says that they were delivered. {why} Record that they are received.",
        ticket_id=row.ticket_id,
        hub_id=row.hub_id,
    )
