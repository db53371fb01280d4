"""What sources and people have said of a product that turned out to be another one, so that it holds of the other.

Otherwise a statement of before would bring the double back, as soon as it is the one that holds.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.storage.database.bulk import update_rows
from connector.storage.golden.conflicts import note_conflicts
from connector.storage.golden.evidence import gather
from connector.storage.tables import field_override, source_ref

_NAME: Final = "name"
_PRODUCT: Final = "product"


async def restate_product(tx: AsyncConnection, double_id: int, onto_id: int, *, at: datetime) -> None:
    """Let references to a product lead to another, and what names it as a device's product name the other.

    What sources call the double is no name of the other: it has an alias for that.
    """
    ref = source_ref.c
    moved = (ref.kind == EntityKind.PRODUCT, ref.entity_id == double_id)
    rows = [dict(row) for row in (await tx.execute(select(ref.id, ref.stated).where(*moved))).mappings()]
    await tx.execute(update(source_ref).where(*moved).values(entity_id=onto_id))
    called = [row for row in rows if _NAME in (row["stated"] or {})]
    await update_rows(tx, source_ref, [{**row, "stated": _without_name(row["stated"])} for row in called])

    named = ref.stated[_PRODUCT][0][0].as_integer() == double_id
    statement = select(ref.id, ref.entity_id, ref.stated).where(ref.kind == EntityKind.ASSET, named).order_by(ref.id)
    devices = [dict(row) for row in (await tx.execute(statement)).mappings()]
    restated = [{"id": row["id"], "stated": _with_product(row["stated"], onto_id)} for row in devices]
    await update_rows(tx, source_ref, restated)
    await _override_anew(tx, double_id, onto_id)
    await _note(tx, EntityKind.PRODUCT, (double_id, onto_id), at=at)
    await _note(tx, EntityKind.ASSET, {row["entity_id"] for row in devices if row["entity_id"] is not None}, at=at)


async def _override_anew(tx: AsyncConnection, double_id: int, onto_id: int) -> None:
    """What somebody said is the product of a device is the other."""
    c = field_override.c
    stands = (c.kind == EntityKind.ASSET, c.field == _PRODUCT, c.released_at.is_(None))
    for row_id, value in (await tx.execute(select(c.id, c.value).where(*stands))).all():
        if list(value) == [double_id]:
            await tx.execute(update(field_override).where(c.id == row_id).values(value=[onto_id]))


async def _note(tx: AsyncConnection, kind: EntityKind, ids: Collection[int], *, at: datetime) -> None:
    if ids:
        evidence = await gather(tx, kind, ids)
        await note_conflicts(tx, kind, evidence.things.items(), evidence.precedence, at=at)


async def standing_overrides(tx: AsyncConnection, product_id: int) -> list[str]:
    """Fields of a product that somebody has overridden."""
    c = field_override.c
    statement = select(c.field).where(c.product_id == product_id, c.released_at.is_(None)).order_by(c.field)
    return list((await tx.execute(statement)).scalars())


def _without_name(stated: dict[str, Any]) -> dict[str, Any] | None:
    return {name: said for name, said in stated.items() if name != _NAME} or None


def _with_product(stated: dict[str, Any], product_id: int) -> dict[str, Any]:
    _, *when = stated[_PRODUCT]
    return {**stated, _PRODUCT: [[product_id], *when]}
