"""The order to stop: from then on no further step of a fulfilment begins, and what was done is undone.

It is a receipt, so that every process sees it, and a change of the reservation, so that the reader of the change
log starts the undoing even when whoever gave the order died right after.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.approvals.approvals import withdraw_approvals
from connector.storage.database.receipts import find_receipt, find_receipts, record_receipt
from connector.storage.database.rows import update_logged
from connector.storage.stock.waiting import subject_of, waiting_claims
from connector.storage.tables import reservation


def stop_key(reservation_id: int) -> str:
    """The key of the order to stop fulfilling a reservation; once it is there no further step begins."""
    return f"fulfil-{reservation_id}:stop"


async def order_stop(tx: AsyncConnection, reservation_id: int, *, reason: str, actor: str, at: datetime) -> bool:
    """Order the fulfilment of a reservation to stop; False when that was ordered before, whose reason stays.

    reason: told to people and to the ticket.
    """
    if not await note_stop(tx, reservation_id, reason=reason, actor=actor, at=at):
        return False
    await update_logged(tx, reservation, EntityKind.RESERVATION, reservation_id, {"reason": reason}, actor=actor, at=at)
    return True


async def note_stop(tx: AsyncConnection, reservation_id: int, *, reason: str, actor: str, at: datetime) -> bool:
    """The same for a caller that changes the reservation's reason itself; False when there was an order."""
    if not await record_receipt(tx, stop_key(reservation_id), {"reason": reason, "actor": actor}, at=at):
        return False
    await _withdraw_request(tx, reservation_id, reason=reason, actor=actor, at=at)
    return True


async def _withdraw_request(tx: AsyncConnection, reservation_id: int, *, reason: str, actor: str, at: datetime) -> None:
    """Nobody needs to approve any more what a decision claimed, once all of it was ordered to stop."""
    subject_id = await subject_of(tx, reservation_id)
    keys = [stop_key(claim.id) for claim in await waiting_claims(tx, subject_id, locked=False)]
    if len(await find_receipts(tx, keys)) == len(keys):
        await withdraw_approvals(tx, EntityKind.RESERVATION, subject_id, reason=reason, actor=actor, at=at)


async def stop_reason(tx: AsyncConnection, reservation_id: int) -> str | None:
    """Why the fulfilment was ordered to stop; None when it was not."""
    receipt = await find_receipt(tx, stop_key(reservation_id))
    return None if receipt is None else str(receipt["reason"])
