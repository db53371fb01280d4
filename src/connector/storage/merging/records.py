"""Records of a device by what their sources call it, and moving some of them to another device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.database.bulk import among
from connector.storage.database.changes import NewChange, log_changes
from connector.storage.tables import asset_mac, asset_relation, identity_review, source, source_ref


@dataclass(frozen=True, slots=True)
class Record:
    """A record by the name of its source and what that calls the device."""

    source: str
    external_id: str


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A reference to a device. is_deleted: its source has deleted the record."""

    id: int
    source_id: int
    record: Record
    is_deleted: bool


async def records_of_device(tx: AsyncConnection, asset_id: int) -> list[RecordRow]:
    """The records of a device, oldest first."""
    c = source_ref.c
    statement = (
        select(c.id, c.source_id, source.c.name, c.external_id, c.deleted_at.is_not(None))
        .join(source, source.c.id == c.source_id)
        .where(c.kind == EntityKind.ASSET, c.entity_id == asset_id)
        .order_by(c.id)
    )
    return [RecordRow(row[0], row[1], Record(row[2], row[3]), bool(row[4])) for row in await tx.execute(statement)]


async def move_records(
    tx: AsyncConnection,
    old: int,
    new: int,
    leaving: Sequence[RecordRow],
    staying: Sequence[RecordRow],
    *,
    actor: str,
    cause: str,
    at: datetime,
) -> dict[str, list[str]]:
    """Let records be of another device, with what hangs on them alone: addresses, relations, reviews about them.

    A source's addresses of a device are not kept by record: where it has records of both, each is looked at again when
    it comes, and until then they stay. Returns what the moved relations lead to, by kind, as their sources call it.
    """
    both = {ref.source_id for ref in leaving} & {ref.source_id for ref in staying}
    ids, unclear = [ref.id for ref in leaving], [ref.id for ref in [*leaving, *staying] if ref.source_id in both]
    await tx.execute(update(source_ref).where(among(tx, source_ref.c.id, ids)).values(entity_id=new))
    await tx.execute(update(source_ref).where(among(tx, source_ref.c.id, unclear)).values(content_hash=b""))
    only_theirs = {ref.source_id for ref in leaving} - both
    addresses = update(asset_mac).where(asset_mac.c.asset_id == old, among(tx, asset_mac.c.source_id, only_theirs))
    await tx.execute(addresses.values(asset_id=new))
    relations, changes = await _move_relations(tx, old, new, leaving)
    changes += await _move_reviews(tx, old, new, leaving, at=at)
    await log_changes(tx, changes, actor=actor, cause=cause, at=at)
    return relations


async def _move_relations(
    tx: AsyncConnection, old: int, new: int, leaving: Sequence[RecordRow]
) -> tuple[dict[str, list[str]], list[NewChange]]:
    """What the records say of the device and others is of the new one, and what leads to them leads there."""
    c = asset_relation.c
    names = {(ref.source_id, ref.record.external_id) for ref in leaving}
    said = or_(*(and_(c.source_id == of, c.said_by == name) for of, name in names))
    named = or_(*(and_(c.source_id == of, c.external_id == name) for of, name in names))
    found = await tx.execute(select(asset_relation).where(or_(said, named)).order_by(c.id))
    rows: list[Mapping[str, Any]] = [dict(row) for row in found.mappings()]
    mine = [row for row in rows if row["asset_id"] == old and (row["source_id"], row["said_by"]) in names]
    leads = [row for row in rows if row["other_id"] == old and (row["source_id"], row["external_id"]) in names]
    for column, moving in (("asset_id", mine), ("other_id", leads)):
        its = among(tx, c.id, [row["id"] for row in moving])
        await tx.execute(update(asset_relation).where(its).values({column: new}))
    relations: dict[str, list[str]] = defaultdict(list)
    for row in mine:
        relations[row["kind"].value].append(row["external_id"])
    changes = [
        NewChange(
            EntityKind.ASSET,
            row["asset_id"],
            "updated",
            {row["kind"].value: ([row["external_id"]], [row["external_id"]])},
        )
        for row in leads
        if row["asset_id"] != old
    ]
    return {kind: sorted(names) for kind, names in relations.items()}, changes


async def _move_reviews(
    tx: AsyncConnection, old: int, new: int, leaving: Sequence[RecordRow], *, at: datetime
) -> list[NewChange]:
    c = identity_review.c
    about = or_(*(and_(c.source_id == ref.source_id, c.external_id == ref.record.external_id) for ref in leaving))
    found = await tx.execute(select(c.id).where(about, c.asset_id == old).order_by(c.id).with_for_update())
    reviews = list(found.scalars())
    await tx.execute(update(identity_review).where(among(tx, c.id, reviews)).values(asset_id=new, updated_at=at))
    return [NewChange(EntityKind.IDENTITY_REVIEW, row_id, "updated", {"asset_id": (old, new)}) for row_id in reviews]
