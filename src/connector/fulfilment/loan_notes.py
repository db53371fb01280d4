"""What the ticket of a loan is told after its unit was sent: when it is due back, when it is overdue, that it is back.

Each note is written once, whatever happens meanwhile: its key is the change that it tells of.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from connector.fulfilment.keys import effect_key
from connector.fulfilment.work import Work, ref_of
from connector.model.errors import NotKnown
from connector.model.lifecycle import LoanState
from connector.sdk import AddNote
from connector.storage.database.changes import LoggedChange, change_at
from connector.storage.database.engine import reading, transaction
from connector.storage.database.receipts import find_receipt, record_receipt
from connector.storage.shipments.consignments import ticket_side
from connector.storage.stock.loans import LoanRow, loan_row

LOAN_NOTE: Final = "loan-note"


def loan_note_id(position: int) -> str:
    """The workflow that tells a ticket of the change of its loan at a position of the log."""
    return f"{LOAN_NOTE}-{position}"


def is_told(change: LoggedChange) -> bool:
    """Whether the ticket is told of a change of its loan; that its unit was sent it hears from the fulfilment."""
    return _headline(change) is not None


async def tell_ticket_of_loan(work: Work, position: int) -> None:
    """Tell the ticket of a loan what the change at a position of the log means to it, unless it was told."""
    key = f"{loan_note_id(position)}:note"
    async with reading(work.database) as tx:
        if await find_receipt(tx, key) is not None:
            return
        change = await change_at(tx, position)
        if change is None:
            raise NotKnown(f"there is no change at position {position}")
        row = await loan_row(tx, change.entity_id)
        ticket = await ticket_side(tx, row.ticket_id)
    body = note_of(change, row)
    if body is None:
        return
    note = AddNote(effect_key(key, change.at), ref_of(ticket), body, is_public=work.options.notes_are_public)
    written = await work.write_note(ticket, note)
    async with transaction(work.database) as tx:
        await record_receipt(tx, key, written, at=work.clock.now())


def note_of(change: LoggedChange, row: LoanRow) -> str | None:
    """What a change of a loan means to its ticket; None when it is not told."""
    headline = _headline(change)
    if headline is None:
        return None
    reason = (change.fields.get("reason") or (None, None))[1]
    due = (change.fields.get("due_back_at") or (None, None))[1]
    at = datetime.fromisoformat(due) if due else row.due_back_at
    is_back = "state" in change.fields and change.fields["state"][1] == LoanState.RETURNED
    lines = [headline, "", f"Device: {row.goods}"]
    if not is_back:
        lines += [f"Due back: {at:%a %d %b %Y, %H:%M} (UTC), at {row.hub}"]
    if reason and not is_back:
        lines.append(f"Reason: {reason}")
    return "\n".join([*lines, f"Reference: loan {row.id}"])


def _headline(change: LoggedChange) -> str | None:
    if change.operation != "updated":
        return None
    if (change.fields.get("overdue_since") or (None, None))[1] is not None:
        return "The unit on loan is overdue."
    match (change.fields.get("state") or (None, None))[1]:
        case LoanState.DUE_BACK.value:
            return "The unit on loan is due back."
        case LoanState.RETURNED.value:
            return "The unit on loan was received; nothing is due any more."
    return "The unit on loan may stay longer." if "due_back_at" in change.fields else None
