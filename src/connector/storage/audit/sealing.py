"""Sealing: what was written since the last link becomes the next one.

Writers do nothing for it. Whoever seals reads up to a thousand changes, works out their digests, and writes one row;
its number is taken once, so of two who seal at the same time one is told that the other was there first.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.audit.digests import BEGINNING, NOTHING, SALT, SEALED, digest_of_change, digest_of_seal
from connector.storage.database.changes import last_position, publish
from connector.storage.database.engine import Database, reading, transaction
from connector.storage.tables import audit_seal, change

ROWS: Final = 1_000
"""Changes under one link, at most."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last link of the chain: 0 and zeros before the first one. position: of the last change that is sealed."""

    number: int
    position: int
    digest: str


async def read_head(tx: AsyncConnection) -> Head:
    """The last link."""
    c = audit_seal.c
    row = (await tx.execute(select(c.number, c.last, c.digest).order_by(c.number.desc()).limit(1))).first()
    return Head(0, 0, BEGINNING) if row is None else Head(row[0], row[1], row[2])


async def seal(database: Database, now: Callable[[], datetime], *, rows: int = ROWS) -> Head:
    """Seal all that is committed now; returns the last link. Any number may do so at the same time."""
    await publish(database)
    while True:
        async with reading(database) as tx:
            head = await read_head(tx)
            link = await _next(tx, head, at=now(), rows=rows)
        if link is None:
            return head
        async with transaction(database) as tx:
            make = pg_insert if tx.dialect.name == "postgresql" else sqlite_insert
            await tx.execute(make(audit_seal).values(link).on_conflict_do_nothing())


async def _next(tx: AsyncConnection, head: Head, *, at: datetime, rows: int) -> dict[str, Any] | None:
    """The link behind the last one; None when nothing is left to be sealed."""
    first = head.position + 1
    last = min(await last_position(tx), head.position + rows)
    if last < first:
        return None
    statement = select(*SEALED).where(change.c.position.between(first, last))
    there = {row[0]: row for row in await tx.execute(statement)}
    salts = [secrets.token_bytes(SALT) for _ in range(first, last + 1)]
    digests = b"".join(
        digest_of_change(there[position], salt) if position in there else NOTHING
        for position, salt in enumerate(salts, first)
    )
    said: dict[str, Any] = {"number": head.number + 1, "first": first, "last": last, "digests": digests,
                            "previous": head.digest, "sealed_at": at}  # fmt: skip
    return said | {"salts": b"".join(salts), "digest": digest_of_seal(**said)}
