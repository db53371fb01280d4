"""Relations between devices, as sources state them: kept by their raw references until the other one is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.kinds import RelationKind
from connector.model.refs import EntityKind
from connector.storage.database.bulk import among, insert_rows, new_ids, update_rows
from connector.storage.tables import asset_relation, source_ref

_c = asset_relation.c
_READ = select(_c.id, _c.asset_id, _c.said_by, _c.kind, _c.external_id, _c.other_id).order_by(_c.id)


class Related(NamedTuple):
    """One relation of a device. external_id: how its source names the other one."""

    kind: RelationKind
    external_id: str


class RelationRow(NamedTuple):
    """A relation as it is stored. said_by: what its source calls the device. other_id: None until that is known."""

    id: int
    asset_id: int
    said_by: str
    related: Related
    other_id: int | None


def _row(row: tuple[int, int, str, RelationKind, str, int | None]) -> RelationRow:
    return RelationRow(row[0], row[1], row[2], Related(row[3], row[4]), row[5])


async def relations_of(
    tx: AsyncConnection, source_id: int, external_ids: Collection[str]
) -> dict[str, list[RelationRow]]:
    """What a source's records of these devices have stated, by the source's name of the device; one query."""
    found: dict[str, list[RelationRow]] = defaultdict(list)
    if external_ids:
        stated = and_(_c.source_id == source_id, among(tx, _c.said_by, external_ids))
        for each in await tx.execute(_READ.where(stated)):
            row = _row(tuple(each))
            found[row.said_by].append(row)
    return found


async def relations_of_refs(tx: AsyncConnection, source_id: int, ref_ids: Collection[int]) -> list[RelationRow]:
    """What the records behind these references have stated."""
    names = select(source_ref.c.external_id).where(
        among(tx, source_ref.c.id, ref_ids), source_ref.c.kind == EntityKind.ASSET
    )
    stated = and_(_c.source_id == source_id, _c.said_by.in_(names))
    return [_row(tuple(each)) for each in await tx.execute(_READ.where(stated))]


async def relations_elsewhere(tx: AsyncConnection, source_id: int, devices: Mapping[str, int]) -> list[RelationRow]:
    """Relations of a source to devices that it calls so and that lead to none, or to another one than is named here."""
    if not devices:
        return []
    named = and_(_c.source_id == source_id, among(tx, _c.external_id, devices.keys()))
    found = [_row(tuple(each)) for each in await tx.execute(_READ.where(named))]
    return [row for row in found if row.other_id != devices[row.related.external_id]]


async def add_relations(
    tx: AsyncConnection,
    source_id: int,
    relations: Iterable[tuple[int, str, Related]],
    others: Mapping[str, int],
    *,
    at: datetime,
) -> None:
    """Store relations: the device, what its source calls it, and what is said. others: external id to the device."""
    new = list(relations)
    ids = await new_ids(tx, asset_relation, len(new))
    rows = [
        {
            "id": row_id,
            "asset_id": asset_id,
            "kind": related.kind,
            "source_id": source_id,
            "said_by": said_by,
            "external_id": related.external_id,
            "other_id": others.get(related.external_id),
            "created_at": at,
        }
        for row_id, (asset_id, said_by, related) in zip(ids, new, strict=True)
    ]
    await insert_rows(tx, asset_relation, rows)


async def remove_relations(tx: AsyncConnection, relation_ids: Collection[int]) -> None:
    """Forget relations that their source does not state any more."""
    if relation_ids:
        await tx.execute(delete(asset_relation).where(among(tx, _c.id, relation_ids)))


async def move_relations(tx: AsyncConnection, assets: Mapping[int, int]) -> None:
    """Let relations be of other devices than before. assets: relation to the device that its record stands for now."""
    await update_rows(tx, asset_relation, [{"id": row_id, "asset_id": asset_id} for row_id, asset_id in assets.items()])


async def point_relations(tx: AsyncConnection, others: Mapping[int, int]) -> None:
    """Let relations lead to other devices. others: relation to the device that their source means now."""
    await update_rows(tx, asset_relation, [{"id": row_id, "other_id": other} for row_id, other in others.items()])
