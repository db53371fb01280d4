"""Verifying the chain: every link follows from the one before, and every change is the one that was sealed.

It reads the log once, link by link, so it needs the memory of one, and what was ever replaced by an erasure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.audit.digests import (
    BEGINNING,
    DIGEST,
    NOTHING,
    SALT,
    SEALED,
    digest_of_change,
    digest_of_seal,
)
from connector.storage.audit.events import EVENT, NO_THING, AuditEvent
from connector.storage.database.changes import last_position
from connector.storage.tables import audit_seal, change

PAGE = 500


@dataclass(frozen=True, slots=True)
class Break:
    """Where the log is not what was sealed. position: of the change. link: number of the link, None beyond the last."""

    position: int
    link: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What verifying came to. position, head: of the last link that holds. unsealed: changes behind it.

    replaced: changes that an erasure replaced, as it wrote down. broken: the first break, None where there is none.
    """

    links: int
    position: int
    head: str
    unsealed: int
    replaced: int
    broken: Break | None


async def verify(tx: AsyncConnection, *, head: str | None = None) -> Verified:
    """Check all of the log, as the transaction sees it.

    head: digest of a link that was kept elsewhere; the chain must have it, or its end was cut off or written anew.
    """
    replaced = await _replaced(tx)
    number, position, digest = 0, 0, BEGINNING
    is_found = head is None or head == BEGINNING
    broken = await _before_the_first(tx)
    while broken is None:
        link = (await tx.execute(select(audit_seal).where(audit_seal.c.number > number).limit(1).order_by(
            audit_seal.c.number))).mappings().first()  # fmt: skip
        if link is None:
            break
        broken = _out_of_chain(link, number=number, position=position, digest=digest)
        if broken is None:
            broken = await _within(tx, link, replaced)
        if broken is None:
            number, position, digest = link["number"], link["last"], link["digest"]
            is_found = is_found or digest == head
    last = await last_position(tx)
    if broken is None:
        broken = await _behind_the_last(tx, position, last)
    if broken is None and not is_found:
        broken = Break(position + 1, None, f"no link has the digest {head}: the end of the chain was cut off or redone")
    unnumbered = (await tx.execute(select(func.count()).where(change.c.position.is_(None)))).scalar_one()
    unsealed = max(last - position, 0) + unnumbered
    return Verified(number, position, digest, unsealed, len(replaced), broken)


async def _before_the_first(tx: AsyncConnection) -> Break | None:
    lowest = (await tx.execute(select(func.min(change.c.position)))).scalar_one()
    return None if lowest is None or lowest > 0 else Break(lowest, None, "a change stands before the beginning")


def _out_of_chain(link: RowMapping, *, number: int, position: int, digest: str) -> Break | None:
    """What is wrong with a link by itself, behind the one of this number, position and digest."""
    first, count = position + 1, link["last"] - link["first"] + 1
    if link["number"] != number + 1 or link["first"] != first:
        return Break(first, number + 1, f"link {number + 1} is missing")
    if link["previous"] != digest:
        return Break(first, link["number"], "the link does not follow from the one before")
    said = {name: link[name] for name in ("number", "first", "last", "digests", "previous", "sealed_at")}
    if digest_of_seal(**said) != link["digest"] or len(link["digests"]) != DIGEST * count:
        return Break(first, link["number"], "the link is not what was written")
    return None if len(link["salts"]) == SALT * count else Break(first, link["number"], "the salts are incomplete")


async def _within(
    tx: AsyncConnection, link: RowMapping, replaced: Mapping[int, list[tuple[bytes, bytes]]]
) -> Break | None:
    """The first change under a link that is not what was sealed."""
    first, last, number = link["first"], link["last"], link["number"]
    statement = select(*SEALED).where(change.c.position.between(first, last))
    there = {row[0]: row for row in await tx.execute(statement)}
    for index, position in enumerate(range(first, last + 1)):
        sealed = link["digests"][index * DIGEST : (index + 1) * DIGEST]
        if sealed == NOTHING:
            return Break(position, number, "the change was missing already when its position was sealed")
        if position not in there:
            return Break(position, number, "the change is missing")
        for before, after in replaced.get(position, ()):
            sealed = after if sealed == before else sealed
        salt = link["salts"][index * SALT : (index + 1) * SALT]
        if digest_of_change(there[position], salt) != sealed:
            return Break(position, number, "the change is not the one that was sealed")
    return None


async def _behind_the_last(tx: AsyncConnection, position: int, last: int) -> Break | None:
    """The first position that is missing behind the last link; no link says what stood there."""
    if last < position:
        return Break(last + 1, None, "the end of the log was cut off")
    behind = select(func.count()).where(change.c.position > position)
    if (await tx.execute(behind)).scalar_one() == last - position:
        return None
    after = change.alias()
    follows = select(after.c.id).where(after.c.position == change.c.position + 1).exists()
    statement = select(func.min(change.c.position)).where(change.c.position >= position, ~follows)
    is_next = select(change.c.id).where(change.c.position == position + 1)
    missing = position if (await tx.execute(is_next)).first() is None else (await tx.execute(statement)).scalar_one()
    return Break(missing + 1, None, "the change is missing, and was not sealed yet")


async def _replaced(tx: AsyncConnection) -> dict[int, list[tuple[bytes, bytes]]]:
    """Position -> the digests of what erasures found there and of what they left, the oldest first."""
    found: dict[int, list[tuple[bytes, bytes]]] = {}
    c, after = change.c, 0
    while True:
        statement = select(c.id, c.fields).where(c.kind == EntityKind.AUDIT, c.entity_id == NO_THING, c.id > after)
        page = (await tx.execute(statement.order_by(c.id).limit(PAGE))).all()
        if not page:
            return found
        after = page[-1][0]
        for _, fields in page:
            if _said(fields, EVENT) == AuditEvent.ERASED:
                for position, before, now in _said(fields, "changes") or ():
                    found.setdefault(position, []).append((bytes.fromhex(before), bytes.fromhex(now)))


def _said(fields: Mapping[str, Any], name: str) -> Any:
    """What an event says."""
    return fields.get(name, (None, None))[1]
