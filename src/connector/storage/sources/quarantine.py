"""Records that could not be used, whole, with the reason; nothing is ever dropped.

An entry is open until its record was applied (or a person discarded it); then it has `resolved_at` and stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, exists, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.model.kinds import AliasKind
from connector.model.lifecycle import ReviewState
from connector.model.refs import EntityKind
from connector.storage.database.bulk import among, insert_rows, new_ids, update_rows
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.sources.reviews import settle_reviews
from connector.storage.tables import hub, identity_review, name_alias, product, quarantine, shipment, source, source_ref


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A record for the quarantine.

    fingerprint: of `raw`; the same record again is the same entry. record: the normalised record when there is
    one. waits_for: `kind:external_id` whose arrival replays the entry.
    """

    fingerprint: str
    reason: str
    raw: bytes
    external_ref: str | None = None
    path: str | None = None
    waits_for: str | None = None
    record: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in quarantine. source: its name. raw: the record as it came."""

    id: int
    source: str
    stream: str
    fingerprint: str
    external_ref: str | None
    reason: str
    path: str | None
    waits_for: str | None
    raw: bytes
    record: dict[str, Any] | None
    attempts: int
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None


async def put_entries(
    tx: AsyncConnection, source_id: int, stream: str, entries: Sequence[NewEntry], *, actor: str, at: datetime
) -> dict[str, int]:
    """Keep records with their reason; one that is there already is open again and counts another attempt.

    Returns the id of each entry by its fingerprint.
    """
    by_fingerprint = {entry.fingerprint: entry for entry in entries}
    if not by_fingerprint:
        return {}
    c = quarantine.c
    statement = select(c.id, c.fingerprint, c.attempts, c.reason, c.resolved_at).where(
        c.source_id == source_id, c.stream == stream, among(tx, c.fingerprint, by_fingerprint.keys())
    )
    known = {row.fingerprint: row for row in await tx.execute(statement)}
    await update_rows(
        tx,
        quarantine,
        [
            {
                "id": row.id,
                "attempts": row.attempts + 1,
                "reason": by_fingerprint[row.fingerprint].reason,
                "path": by_fingerprint[row.fingerprint].path,
                "waits_for": by_fingerprint[row.fingerprint].waits_for,
                "last_seen_at": at,
                "resolved_at": None,
            }
            for row in sorted(known.values(), key=lambda row: int(row.id))
        ],
    )
    new = [entry for fingerprint, entry in by_fingerprint.items() if fingerprint not in known]
    ids = list(await new_ids(tx, quarantine, len(new)))
    await insert_rows(
        tx,
        quarantine,
        [
            {
                "id": row_id,
                "source_id": source_id,
                "stream": stream,
                "fingerprint": entry.fingerprint,
                "external_ref": entry.external_ref,
                "reason": entry.reason,
                "path": entry.path,
                "waits_for": entry.waits_for,
                "raw": entry.raw,
                "record": dict(entry.record) if entry.record is not None else None,
                "attempts": 1,
                "first_seen_at": at,
                "last_seen_at": at,
                "resolved_at": None,
            }
            for entry, row_id in zip(new, ids, strict=True)
        ],
    )
    changes = [
        NewChange(EntityKind.QUARANTINE, row_id, "created", {"reason": (None, entry.reason)})
        for entry, row_id in zip(new, ids, strict=True)
    ] + [
        NewChange(EntityKind.QUARANTINE, row.id, "updated", {"reason": (row.reason, by_fingerprint[key].reason)})
        for key, row in known.items()
        if row.reason != by_fingerprint[key].reason or row.resolved_at is not None
    ]
    await log_changes(tx, changes, actor=actor, at=at)
    made = {entry.fingerprint: row_id for entry, row_id in zip(new, ids, strict=True)}
    return {fingerprint: int(row.id) for fingerprint, row in known.items()} | made


async def resolve_entries(tx: AsyncConnection, ids: Collection[int], *, actor: str, at: datetime) -> int:
    """Close entries whose record was applied, or that a person gives up; returns how many were open."""
    c = quarantine.c
    statement = update(quarantine).where(among(tx, c.id, ids), c.resolved_at.is_(None)).values(resolved_at=at)
    closed = list((await tx.execute(statement.returning(c.id))).scalars())
    resolved = {"resolved_at": (None, at.isoformat().replace("+00:00", "Z"))}
    changes = [NewChange(EntityKind.QUARANTINE, row_id, "updated", resolved) for row_id in sorted(closed)]
    await log_changes(tx, changes, actor=actor, at=at)
    if closed:
        await settle_reviews(tx, closed, actor=actor, at=at)
    return len(closed)


async def entries_of_refs(tx: AsyncConnection, source_id: int, external_refs: Collection[str]) -> list[tuple[int, str]]:
    """(id, fingerprint) of the open entries about these references of a source."""
    c = quarantine.c
    statement = select(c.id, c.fingerprint).where(
        c.source_id == source_id, c.resolved_at.is_(None), among(tx, c.external_ref, external_refs)
    )
    return [(row[0], row[1]) for row in await tx.execute(statement)]


async def newest_entry_of(
    tx: AsyncConnection, source_id: int, external_ref: str, *, is_open: bool = True
) -> int | None:
    """The entry that came last about a reference of a source, None without one. is_open: that still waits."""
    c = quarantine.c
    statement = select(c.id).where(c.source_id == source_id, c.external_ref == external_ref, c.record.is_not(None))
    if is_open:
        statement = statement.where(c.resolved_at.is_(None))
    newest = statement.order_by(c.last_seen_at.desc(), c.id.desc()).limit(1)
    return (await tx.execute(newest)).scalar_one_or_none()


async def list_quarantine(
    tx: AsyncConnection, *, source_id: int | None = None, after: int = 0, limit: int = 50, is_open: bool = True
) -> list[Entry]:
    """A page of entries, oldest first; the id of its last one is `after` of the next page."""
    statement = _entries().where(quarantine.c.id > after).order_by(quarantine.c.id).limit(limit)
    if source_id is not None:
        statement = statement.where(quarantine.c.source_id == source_id)
    if is_open:
        statement = statement.where(quarantine.c.resolved_at.is_(None))
    return [Entry(**row) for row in (await tx.execute(statement)).mappings()]


async def refused_since(
    tx: AsyncConnection, source_id: int, at: datetime, *, after: int = 0, limit: int = 500
) -> list[tuple[int, str | None, str, str | None, bool]]:
    """(id, reference, reason, path, is ambiguous) of a page of open entries seen at that moment or later, by id.

    What is ambiguous waits for a person to say which device it is about.
    """
    c, asked = quarantine.c, identity_review.c
    is_ambiguous = exists().where(asked.quarantine_id == c.id, asked.state == ReviewState.OPEN)
    statement = select(c.id, c.external_ref, c.reason, c.path, is_ambiguous).where(
        c.source_id == source_id, c.resolved_at.is_(None), c.last_seen_at >= at, c.id > after
    )
    rows = await tx.execute(statement.order_by(c.id).limit(limit))
    return [(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]


async def quarantine_entry(tx: AsyncConnection, entry_id: int) -> Entry:
    """One entry, whole. Raises NotKnown."""
    return (await quarantine_entries(tx, [entry_id]))[0]


async def quarantine_entries(tx: AsyncConnection, ids: Collection[int]) -> list[Entry]:
    """These entries, whole, by id. Raises NotKnown naming those that are not there."""
    statement = _entries().where(among(tx, quarantine.c.id, ids)).order_by(quarantine.c.id)
    entries = [Entry(**row) for row in (await tx.execute(statement)).mappings()]
    missing = sorted(set(ids) - {entry.id for entry in entries})
    if missing:
        raise NotKnown(
            f"there is no quarantine entry {', '.join(map(str, missing))}",
            hint="`connector quarantine list` shows those that there are.",
        )
    return entries


async def count_open(tx: AsyncConnection, source_id: int) -> int:
    """How many records of a source are in quarantine."""
    c = quarantine.c
    statement = select(func.count()).where(c.source_id == source_id, c.resolved_at.is_(None))
    return int((await tx.execute(statement)).scalar_one())


async def ready_entries(tx: AsyncConnection, source_id: int, *, after: int = 0, limit: int) -> list[int]:
    """Ids of open entries whose awaited thing has arrived, oldest first."""
    c = quarantine.c
    ref = source_ref.c
    name = literal(":")
    arrived = (
        exists().where(
            ref.source_id == c.source_id,
            ref.entity_id.is_not(None),
            ref.deleted_at.is_(None),
            or_(
                c.waits_for == ref.kind + name + ref.external_id,
                and_(ref.kind == EntityKind.HUB, c.waits_for == "site" + name + ref.external_id),
            ),
        ),
        exists().where(c.waits_for == "shipment" + name + shipment.c.tracking_number),
        exists().where(c.waits_for == "hub" + name + hub.c.code),
        exists().where(name_alias.c.hub_id.is_not(None), c.waits_for == "hub" + name + name_alias.c.name),
        exists().where(c.waits_for == "product" + name + product.c.manufacturer_key + "/" + product.c.model_key),
        exists().where(
            name_alias.c.kind == AliasKind.MODEL,
            c.waits_for == "product" + name + name_alias.c.manufacturer_key + "/" + name_alias.c.alias_key,
        ),
    )
    statement = (
        select(c.id)
        .where(c.source_id == source_id, c.resolved_at.is_(None), c.waits_for.is_not(None), c.id > after)
        .where(or_(*arrived))
        .order_by(c.id)
        .limit(limit)
    )
    return list((await tx.execute(statement)).scalars())


def _entries() -> Any:
    names = [name for name in Entry.__slots__ if name != "source"]
    return select(*(quarantine.c[name] for name in names), source.c.name.label("source")).join_from(
        quarantine, source, source.c.id == quarantine.c.source_id
    )
