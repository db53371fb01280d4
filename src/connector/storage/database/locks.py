"""Locks of what is decided about: devices first, then tickets, each in the order of their numbers.

Reservations and units come after them (see `connector.storage.stock.reserve` and `connector.storage.stock.units`).
SQLite has one writer, so none of them is needed there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Integer, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.storage.database.bulk import among_given
from connector.storage.tables import ticket

DEVICE_LOCK: Final = 0x44455649
"""First key of the advisory locks of devices on PostgreSQL; the second one is the device's id."""

_TICKETS = select(ticket.c.id).where(among_given(ticket.c.id, "ticket_ids")).order_by(ticket.c.id)
_LOCK_TICKETS = _TICKETS.with_for_update(key_share=True)

_devices = (
    select(cast(ticket.c.asset_id % (2**31), Integer).label("device"))
    .where(among_given(ticket.c.id, "ticket_ids"), ticket.c.asset_id.is_not(None))
    .distinct()
    .order_by("device")
    .subquery()
)
_LOCK_DEVICES = select(
    func.pg_advisory_xact_lock(DEVICE_LOCK, _devices.c.device),
    func.set_config("plan_cache_mode", "force_generic_plan", True),
)
"""It also has the statements that follow in this transaction planned once per connection and not each time.

To plan how a ticket is read, with all that hangs on it, takes longer than to read it; the values make no difference.
"""


async def lock_ticket(tx: AsyncConnection, ticket_id: int) -> None:
    """Let no other transaction reserve for this ticket or move its reservations until this one ends.

    Raises NotKnown when there is no such ticket.
    """
    if not await lock_tickets(tx, (ticket_id,)):
        raise NotKnown(f"there is no ticket with id {ticket_id}")


async def lock_tickets(tx: AsyncConnection, ticket_ids: Collection[int]) -> Sequence[int]:
    """The same for many tickets; returns those that exist, in the order of their ids."""
    statement = _TICKETS if tx.dialect.name == "sqlite" else _LOCK_TICKETS
    return (await tx.execute(statement, {"ticket_ids": list(ticket_ids)})).scalars().all()


async def lock_devices(tx: AsyncConnection, ticket_ids: Collection[int]) -> None:
    """Let no other transaction decide about other tickets of the same devices until this one ends.

    Advisory locks and not the devices' rows, which ingest locks in an order of its own.
    """
    if tx.dialect.name == "postgresql":
        await tx.execute(_LOCK_DEVICES, {"ticket_ids": list(ticket_ids)})
