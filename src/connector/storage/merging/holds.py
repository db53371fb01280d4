"""What keeps a device in use: whoever it is promised or lent to, and the return that it is expected by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Table, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.lifecycle import LOAN_OPEN, RESERVATION_LIVE, RMA_OPEN, RmaState
from connector.storage.tables import asset_relation, loan, reservation, rma, source, ticket


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that goes on with a device. table, id: of its row. told: for people. number: of its ticket."""

    table: str
    id: int
    told: str
    number: str


_KINDS: Final[Sequence[tuple[Table, frozenset[object], str]]] = (
    (reservation, frozenset(RESERVATION_LIVE), "promised to"),
    (loan, frozenset(LOAN_OPEN), "lent to"),
    (rma, frozenset(RMA_OPEN), "expected back for"),
)


async def holds_of(tx: AsyncConnection, devices: Collection[int]) -> dict[int, list[Hold]]:
    """What goes on with each of these devices, locked until the transaction ends."""
    found: dict[int, list[Hold]] = defaultdict(list)
    for table, states, told in _KINDS:
        statement = (
            select(table.c.asset_id, table.c.id, ticket.c.number)
            .join(ticket, ticket.c.id == table.c.ticket_id)
            .where(table.c.asset_id.in_(devices), table.c.state.in_(states))
            .order_by(table.c.id)
            .with_for_update(of=table)
        )
        for device, row_id, number in await tx.execute(statement):
            found[device].append(Hold(table.name, row_id, f"{told} {number}", number))
    return found


async def returned_by_both(tx: AsyncConnection, one: int, other: int) -> list[str]:
    """Numbers of tickets that have a return of each of two devices."""
    first, second = rma.alias(), rma.alias()
    counts = [or_(each.c.state != RmaState.CANCELLED, each.c.cancelled_by.is_not(None)) for each in (first, second)]
    statement = (
        select(ticket.c.number)
        .join(first, first.c.ticket_id == ticket.c.id)
        .join(second, second.c.ticket_id == ticket.c.id)
        .where(first.c.asset_id == one, second.c.asset_id == other, *counts)
        .distinct()
        .order_by(ticket.c.number)
    )
    return list((await tx.execute(statement)).scalars())


async def related_by(tx: AsyncConnection, one: int, other: int) -> list[str]:
    """Names of the sources that relate two devices to each other."""
    c = asset_relation.c
    between = or_(and_(c.asset_id == one, c.other_id == other), and_(c.asset_id == other, c.other_id == one))
    statement = select(source.c.name).join(asset_relation, c.source_id == source.c.id).where(between).distinct()
    return sorted((await tx.execute(statement)).scalars())
