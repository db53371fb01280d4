"""The audit log as lines: each change with what its digest was made with, and each link behind its changes.

With nothing but the lines anybody can check the chain: the digest of a change is of its salt and of its columns, that
of a link of its own words and of the digests of its changes (see `connector.storage.audit.digests`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.storage.audit.digests import DIGEST, SALT, SEALED
from connector.storage.tables import audit_seal, change

_SAID = ("number", "first", "last", "previous", "digest", "sealed_at")


async def audit_lines(tx: AsyncConnection, *, after: int = 0) -> AsyncGenerator[Mapping[str, Any], None]:
    """All that is sealed behind a position, in order, as the transaction sees it; it is read link by link."""
    while True:
        statement = select(audit_seal).where(audit_seal.c.last > after).order_by(audit_seal.c.number).limit(1)
        link = (await tx.execute(statement)).mappings().first()
        if link is None:
            return
        for line in await _changes(tx, link, after):
            yield line
        yield {"link": {name: link[name] for name in _SAID}}
        after = link["last"]


async def _changes(tx: AsyncConnection, link: RowMapping, after: int) -> list[Mapping[str, Any]]:
    first, last = max(link["first"], after + 1), link["last"]
    statement = select(*SEALED).where(change.c.position.between(first, last)).order_by(change.c.position)
    lines: list[Mapping[str, Any]] = []
    for row in (await tx.execute(statement)).mappings():
        index = row["position"] - link["first"]
        salt = link["salts"][index * SALT : (index + 1) * SALT]
        digest = link["digests"][index * DIGEST : (index + 1) * DIGEST]
        told = {column.name: row[column.name] for column in SEALED}
        lines.append({"change": told | {"salt": salt.hex(), "digest": digest.hex()}})
    return lines
