"""What should have come and has not: a person is asked to ask, once for each date."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from connector.fulfilment.keys import ACTOR
from connector.fulfilment.ordering_tasks import overdue
from connector.fulfilment.turning_up import Tracked, trouble_task
from connector.fulfilment.work import Work
from connector.sdk.adapter import Clock
from connector.storage.database.engine import Database, Transaction, in_transaction, reading, transaction
from connector.storage.replenishment.parts import LateTransfer, late_transfers
from connector.storage.tickets.procurements import ProcurementRow, overdue_orders
from connector.storage.tickets.tasks import NewTask, require_task, tasks_about

PAGE: Final = 200


class Due(Protocol):
    """Finds what is overdue at a moment and was not told of yet, by id."""

    async def __call__(self, tx: Transaction, at: datetime, *, limit: int) -> Sequence[int]:
        """The first ones."""


async def tell_of_overdue(
    database: Database, clock: Clock, due: Due, tell: Callable[[Transaction, int], Awaitable[bool]]
) -> int:
    """Have people told of all that is due, each in a transaction of its own; returns how many were told of.

    tell: looks again, notes that it was told, so that it is not due any more; whether it was told.
    """
    told = 0
    while True:
        async with reading(database) as tx:
            found = await due(tx, clock.now(), limit=PAGE)
        for number in found:
            async with transaction(database) as tx:
                told += await tell(tx, number)
        if len(found) < PAGE:
            return told


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
