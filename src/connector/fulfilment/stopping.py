"""The order to stop: from then on no further step of a fulfilment begins, and what was done is undone.

It is a receipt, so that every process sees it, and a change of the reservation, so that the reader of the change
log starts the undoing even when whoever gave the order died right after.
"""

from __future__ import annotations

from datetime import datetime

from connector.fulfilment.keys import stop_key
from connector.model.refs import EntityKind
from connector.storage.engine import Transaction
from connector.storage.receipts import find_receipt, record_receipt
from connector.storage.rows import update_logged
from connector.storage.tables import reservation


async def order_stop(tx: Transaction, reservation_id: int, *, reason: str, actor: str, at: datetime) -> bool:
    """Order the fulfilment of a reservation to stop; False when that was ordered before, whose reason stays.

    reason: told to people and to the ticket.
    """
    if not await record_receipt(tx, stop_key(reservation_id), {"reason": reason, "actor": actor}, at=at):
        return False
    await update_logged(tx, reservation, EntityKind.RESERVATION, reservation_id, {"reason": reason}, actor=actor, at=at)
    return True


async def stop_reason(tx: Transaction, reservation_id: int) -> str | None:
    """Why the fulfilment was ordered to stop; None when it was not."""
    receipt = await find_receipt(tx, stop_key(reservation_id))
    return None if receipt is None else str(receipt["reason"])
