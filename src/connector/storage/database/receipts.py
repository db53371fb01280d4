"""Receipts: what makes an effect happen once.

The result of a workflow step or of a keyed command, recorded in the transaction that makes its outcome durable.
Asked again, it is answered from here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.tables import step_receipt


async def record_receipt(tx: AsyncConnection, key: str, result: Mapping[str, Any], *, at: datetime) -> bool:
    """Record a result under its key; False when the key has one already, which stays.

    Waits for another transaction that is recording the same key.
    """
    make = pg_insert if tx.dialect.name == "postgresql" else sqlite_insert
    statement = make(step_receipt).values(key=key, result=dict(result), recorded_at=at)
    statement = statement.on_conflict_do_nothing(index_elements=[step_receipt.c.key])
    return (await tx.execute(statement.returning(step_receipt.c.key))).one_or_none() is not None


async def settle_receipt(tx: AsyncConnection, key: str, result: Mapping[str, Any]) -> None:
    """Give a receipt that this transaction recorded first, to keep others out, its result."""
    await tx.execute(update(step_receipt).where(step_receipt.c.key == key).values(result=dict(result)))


async def find_receipt(tx: AsyncConnection, key: str) -> dict[str, Any] | None:
    """The result recorded under the key, or None when there is none."""
    return (await find_receipts(tx, [key])).get(key)


async def find_receipts(tx: AsyncConnection, keys: Collection[str]) -> dict[str, dict[str, Any]]:
    """The recorded results of those keys that have one, in one query."""
    statement = select(step_receipt.c.key, step_receipt.c.result).where(step_receipt.c.key.in_(keys))
    return {key: dict(result) for key, result in await tx.execute(statement)}
