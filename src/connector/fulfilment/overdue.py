"""Orders and transfers that should have come and have not: a person is asked to ask, once for each date."""

from __future__ import annotations

from typing import Final

from connector.fulfilment.keys import ACTOR
from connector.fulfilment.ordering_tasks import overdue
from connector.fulfilment.turning_up import Tracked, trouble_task
from connector.fulfilment.work import Work
from connector.storage.database.engine import Transaction, in_transaction
from connector.storage.replenishment.parts import LateTransfer, late_transfers
from connector.storage.tickets.procurements import ProcurementRow, overdue_orders
from connector.storage.tickets.tasks import NewTask, require_task, tasks_about

PAGE: Final = 200


async def watch_orders(work: Work) -> int:
    """Look at what is on order; returns how many people were asked about."""
    at, after, asked = work.clock.now(), 0, 0

    async def page(tx: Transaction) -> tuple[list[ProcurementRow], int]:
        rows = await overdue_orders(tx, at=at, after=after, limit=PAGE)
        return rows, await _ask(tx, work, [(row.ticket_id, overdue(row)) for row in rows])

    while True:
        rows, count = await in_transaction(work.database, page)
        asked += count
        if len(rows) < PAGE:
            return asked
        after = rows[-1].id


async def watch_transfers(work: Work) -> int:
    """Look at parcels between hubs; returns how many people were asked about."""
    at, after, asked = work.clock.now(), 0, 0

    async def page(tx: Transaction) -> tuple[list[LateTransfer], int]:
        rows = await late_transfers(tx, at=at, after=after, limit=PAGE)
        return rows, await _ask(tx, work, [(row.ticket_id, _late(row)) for row in rows])

    while True:
        rows, count = await in_transaction(work.database, page)
        asked += count
        if len(rows) < PAGE:
            return asked
        after = rows[-1].shipment_id


async def _ask(tx: Transaction, work: Work, tasks: list[tuple[int, NewTask]]) -> int:
    """Ask what nobody was asked before; how much that was."""
    known = {item.key for item in await tasks_about(tx, sorted({ticket_id for ticket_id, _ in tasks}))}
    new = [item for _, item in tasks if item.key not in known]
    for item in new:
        await require_task(tx, item, actor=ACTOR, cause="it is overdue", at=work.clock.now())
    return len(new)


def _late(row: LateTransfer) -> NewTask:
    at = row.estimated_delivery_at
    tracked = Tracked(row.shipment_id, row.name, row.ticket_id, row.reservation_id, row.to_hub_id)
    why = f"It was expected at the hub on {at:%Y-%m-%d %H:%M}Z ({row.ticket_number})."
    return trouble_task(tracked, f"late:{at:%Y%m%dT%H%MZ}", why)
