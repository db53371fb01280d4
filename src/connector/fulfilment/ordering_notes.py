"""What a ticket is told of things that are got for it from outside. Pure; plain text, times in UTC."""

from __future__ import annotations

from datetime import datetime

from connector.model.kinds import ProcurementKind
from connector.model.lifecycle import ProcurementState
from connector.storage.tickets.procurements import ProcurementRow


def procurement_note(row: ProcurementRow, state: ProcurementState) -> str | None:
    """What the ticket is told when a procurement has come to a state; None when that is nothing to tell."""
    headline = _of_backorder(row, state) if row.kind is ProcurementKind.BACKORDER else _of_order(row, state)
    if headline is None:
        return None
    lines = [headline, "", f"Device: {row.goods}"]
    if row.is_rest:
        lines.append(f"Units: {row.quantity} of {row.units_needed} that this ticket needs")
    if row.kind is not ProcurementKind.BACKORDER:
        lines.append(f"Supplier: {row.supplier}")
        lines.append(f"To: {'hub ' + row.hub if row.hub_id is not None else 'site ' + row.site}")
    if row.order_number is not None:
        lines.append(f"Order: {row.order_number}")
    if row.is_open and row.tracking_number is not None:
        lines.append(f"Parcel: {' '.join(filter(None, (row.carrier, row.tracking_number)))}")
    if row.is_open:
        lines.append(f"Expected: {_expected(row)}")
    if state in (ProcurementState.REFUSED, ProcurementState.CANCELLED) and row.reason:
        lines.append(f"Reason: {row.reason}")
    lines.append(f"Reference: procurement {row.id}")
    return "\n".join(lines)


def late_note(row: ProcurementRow, before: datetime) -> str:
    """What the ticket is told when something comes later than it was told before."""
    what = "A replacement in advance" if row.kind is ProcurementKind.VENDOR_REPLACEMENT else "A new device"
    lines = [f"{what} comes later than expected.", "", f"Device: {row.goods}", f"Supplier: {row.supplier}"]
    if row.order_number is not None:
        lines.append(f"Order: {row.order_number}")
    lines += [f"Expected: {_expected(row)}, before: {before:%Y-%m-%d %H:%M} UTC", f"Reference: procurement {row.id}"]
    return "\n".join(lines)


def _of_order(row: ProcurementRow, state: ProcurementState) -> str | None:
    what = "A replacement in advance" if row.kind is ProcurementKind.VENDOR_REPLACEMENT else "A new device"
    match state:
        case ProcurementState.REQUESTED:
            return None  # the request for approval is told of by itself
        case ProcurementState.APPROVED:
            return f"{what} is being ordered."
        case ProcurementState.ORDERED:
            return f"{what} was ordered."
        case ProcurementState.CONFIRMED:
            return f"{what}: the supplier has confirmed the order."
        case ProcurementState.SHIPPED:
            return f"{what} was sent by the supplier."
        case ProcurementState.RECEIVED if row.hub_id is not None:
            return f"{what} has arrived at hub {row.hub}."
        case ProcurementState.RECEIVED:
            return f"{what} was delivered."
        case ProcurementState.REFUSED:
            return f"{what} does not come."
        case ProcurementState.CANCELLED:
            return f"{what} was called off."


def _of_backorder(row: ProcurementRow, state: ProcurementState) -> str | None:
    match state:
        case ProcurementState.REQUESTED if row.is_rest:
            return "No hub has the rest at the moment. The ticket is in the queue and gets it when stock comes."
        case ProcurementState.REQUESTED:
            return "No hub has a device at the moment. The ticket is in the queue and is served when stock comes."
        case ProcurementState.CANCELLED:
            return "The ticket is not in the queue for stock any more."
        case _:
            return None  # what is sent from stock is told of by itself


def _expected(row: ProcurementRow) -> str:
    return f"{row.expected_at:%Y-%m-%d %H:%M} UTC" if row.expected_at else "nobody can say yet"
