"""Orders that should have come and have not: a person is asked to ask the supplier, once for each date."""

from __future__ import annotations

from typing import Final

from connector.fulfilment.keys import ACTOR
from connector.fulfilment.ordering_tasks import overdue
from connector.fulfilment.work import Work
from connector.storage.database.engine import Transaction, in_transaction
from connector.storage.tickets.procurements import ProcurementRow, overdue_orders
from connector.storage.tickets.tasks import require_task, tasks_about

PAGE: Final = 200


async def watch_orders(work: Work) -> int:
    """Look at what is on order; returns how many people were asked about."""
    at, after, asked = work.clock.now(), 0, 0

    async def page(tx: Transaction) -> tuple[list[ProcurementRow], int]:
        rows = await overdue_orders(tx, at=at, after=after, limit=PAGE)
        known = {item.key for item in await tasks_about(tx, sorted({row.ticket_id for row in rows}))}
        new = [item for item in map(overdue, rows) if item.key not in known]
        for item in new:
            await require_task(tx, item, actor=ACTOR, cause="it is overdue", at=at)
        return rows, len(new)

    while True:
        rows, count = await in_transaction(work.database, page)
        asked += count
        if len(rows) < PAGE:
            return asked
        after = rows[-1].id
