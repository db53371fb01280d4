"""What a ticket is told of the unit that has failed: that it is to come back, and what becomes of that.

Each note is written once, whatever happens meanwhile: its key is the change that it tells of.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from connector.fulfilment.keys import effect_key
from connector.fulfilment.wording import return_note
from connector.fulfilment.work import Work, ref_of
from connector.model.errors import NotKnown
from connector.model.lifecycle import RmaState
from connector.sdk import AddNote
from connector.storage.database.changes import LoggedChange, change_at
from connector.storage.database.engine import reading, transaction
from connector.storage.database.receipts import find_receipt, record_receipt
from connector.storage.shipments.consignments import ticket_side
from connector.storage.tickets.rmas import rma_row

RETURN_NOTE: Final = "return-note"
FAILED: Final = "The unit that has failed"
SURPLUS: Final = "The unit that was sent first, and is one too many,"


def return_note_id(position: int) -> str:
    """The workflow that tells a ticket of the change of a return at a position of the log."""
    return f"{RETURN_NOTE}-{position}"


def is_return_told(change: LoggedChange) -> bool:
    """Whether the ticket is told of a change of a return."""
    return _headline(change) is not None


async def tell_ticket_of_return(work: Work, position: int) -> None:
    """Tell the ticket of a return what the change at a position of the log means to it, unless it was told."""
    key = f"{return_note_id(position)}:note"
    async with reading(work.database) as tx:
        if await find_receipt(tx, key) is not None:
            return
        change = await change_at(tx, position)
        if change is None:
            raise NotKnown(f"there is no change at position {position}")
        row = await rma_row(tx, change.entity_id)
        ticket = await ticket_side(tx, row.ticket_id)
    headline = _headline(change)
    if headline is None:
        return
    if row.is_surplus:
        headline = headline.replace(FAILED, SURPLUS)
    due = _new(change, "due_back_at")
    body = return_note(
        row,
        headline,
        due_back_at=datetime.fromisoformat(due) if due else row.due_back_at,
        reason=_new(change, "reason"),
    )
    note = AddNote(effect_key(key, change.at), ref_of(ticket), body, is_public=work.options.notes_are_public)
    written = await work.write_note(ticket, note)
    async with transaction(work.database) as tx:
        await record_receipt(tx, key, written, at=work.clock.now())


def _headline(change: LoggedChange) -> str | None:
    if change.operation == "created":
        is_replaced = not {"reservation_id", "procurement_id"}.isdisjoint(change.fields)  # else its recovery tells
        return "The replacement is there: the unit that has failed is to come back." if is_replaced else None
    if change.operation != "updated":
        return None
    if _new(change, "overdue_since") is not None:
        return "The unit that has failed is overdue."
    match _new(change, "state"):
        case RmaState.IN_TRANSIT.value:
            return "The unit that has failed is on its way back."
        case RmaState.RECEIVED.value:
            return "The unit that has failed was received; nothing is due any more."
        case RmaState.CANCELLED.value:
            return "The unit that has failed does not have to come back any more."
    if _new(change, "asset_id") is not None:
        return "It is known now which unit is to come back."
    return "The unit that has failed has more time to come back." if "due_back_at" in change.fields else None


def _new(change: LoggedChange, name: str) -> str | None:
    value = (change.fields.get(name) or (None, None))[1]
    return None if value is None else str(value)
